#include "cost.h"
#include "sinode/fourier.h"

static bool has_layers(const sn_network_shape *shape) {
  return shape->kind == SN_NETWORK_MLP || shape->kind == SN_NETWORK_CONV;
}

/* Units or channels that go into a layer, and come out of the last as into the first. */
static ptrdiff_t width_before(sn_layout layout, const sn_network_shape *shape, int layer) {
  const ptrdiff_t ends = shape->kind == SN_NETWORK_MLP ? layout.points : 1;
  return layer == 0 || layer > shape->hidden ? ends : shape->width[layer - 1];
}

static ptrdiff_t share(ptrdiff_t count, int ranks) { return sn_partition_most(count, ranks); }

/* Even layers of a perceptron split their input and sum, odd ones split their output (sinode/network.h). */
static int add_layer(sn_layout layout, const sn_network_shape *shape, int layer, sn_cost_block *block) {
  const ptrdiff_t in = width_before(layout, shape, layer), out = width_before(layout, shape, layer + 1);
  const bool sums = layer % 2 == 0, last = layer == shape->hidden;
  if (shape->kind == SN_NETWORK_CONV) {
    block[0] = (sn_cost_block){out * in * shape->kernel, true};
    block[1] = (sn_cost_block){out, true};
    return 2;
  }
  block[0].count = sums ? out * share(in, layout.space) : share(out, layout.space) * in;
  block[0].common = false;
  block[1].count = sums && !last ? out : share(out, layout.space);
  block[1].common = sums && !last;
  return 2;
}

int sn_cost_blocks(sn_layout layout, const sn_network_shape *shape, sn_cost_block *block) {
  int count = 0;
  if (shape->kind == SN_NETWORK_BILINEAR) {
    block[count++] = (sn_cost_block){2 * shape->width[0] * shape->kernel, true};
    block[count++] = (sn_cost_block){shape->width[0] * shape->kernel, true};
    block[count++] = (sn_cost_block){shape->kernel, true};
  }
  for (int layer = 0; has_layers(shape) && layer <= shape->hidden; layer++)
    count += add_layer(layout, shape, layer, block + count);
  return count;
}

sn_cost_parameters sn_cost_count_parameters(sn_layout layout, const sn_network_shape *shape) {
  sn_cost_block block[SN_COST_BLOCKS];
  sn_cost_parameters found = {0};
  const sn_layout alone = {layout.points, 1, 1};
  int count = sn_cost_blocks(alone, shape, block);
  for (int k = 0; k < count; k++) found.all += (double)block[k].count;
  count = sn_cost_blocks(layout, shape, block);
  for (int k = 0; k < count; k++) {
    found.own += (double)block[k].count;
    found.common += block[k].common ? (double)block[k].count : 0;
  }
  return found;
}

double sn_cost_multiply_adds(sn_layout layout, const sn_network_shape *shape) {
  const double convolved = (double)shape->kernel * (double)share(layout.points, layout.space);
  double sum = 0;
  if (shape->kind == SN_NETWORK_BILINEAR) return (3 * (double)shape->width[0] + 1) * convolved;
  for (int layer = 0; has_layers(shape) && layer <= shape->hidden; layer++) {
    const ptrdiff_t in = width_before(layout, shape, layer), out = width_before(layout, shape, layer + 1);
    const bool sums = layer % 2 == 0;
    if (shape->kind == SN_NETWORK_CONV)
      sum += (double)(in * out) * convolved;
    else
      sum += (double)(sums ? out * share(in, layout.space) : share(out, layout.space) * in);
  }
  return sum;
}

static void add(double messages, double bytes, sn_cost *cost) {
  cost->of[SN_COST_MESSAGES] += messages;
  cost->of[SN_COST_BYTES] += bytes;
}

/* Of a perceptron: sums of what a layer makes, forward; backward of what went into one that split its output, and, of
 * the last, gathered: a rank's own points. */
static void add_mlp(sn_layout layout, const sn_network_shape *shape, double samples, bool backward, sn_cost *cost) {
  for (int layer = 0; layer <= shape->hidden; layer++) {
    const bool sums = layer % 2 == 0;
    if (backward && !sums)
      add(1, 8 * samples * (double)width_before(layout, shape, layer), cost);
    else if (backward && layer == shape->hidden)
      add(1, 8 * samples * (double)share(layout.points, layout.space), cost);
    else if (!backward && sums)
      add(1, 8 * samples * (double)width_before(layout, shape, layer + 1), cost);
  }
}

/* Halos of the channels that go into each layer, or of the derivatives that come back to it. */
static void add_conv(sn_layout layout, const sn_network_shape *shape, double samples, bool backward, sn_cost *cost) {
  const double width = shape->kernel / 2;
  for (int layer = 0; layer <= shape->hidden && width > 0; layer++) {
    add(layout.space == 2 ? 1 : 2, 16 * width * samples * (double)width_before(layout, shape, layer + backward), cost);
  }
}

/* Of sums of products: halos of the input and of the products. */
static void add_bilinear(sn_layout layout, const sn_network_shape *shape, double samples, sn_cost *cost) {
  const double width = shape->kernel / 2;
  if (width > 0) add(layout.space == 2 ? 2 : 4, 16 * width * samples * (1 + (double)shape->width[0]), cost);
}

/* Of the equation's own term: four transposes and two redistributions. */
static void add_ks(sn_layout layout, double samples, sn_cost *cost) {
  const sn_fourier_cost f = sn_fourier_estimate_cost(layout.points, layout.space, (ptrdiff_t)samples);
  add(6 * f.messages, 4 * f.transpose + 2 * f.redistribution, cost);
}

sn_cost sn_cost_evaluation(sn_layout layout, const sn_network_shape *shape, ptrdiff_t samples, bool backward) {
  sn_cost cost = {0};
  if (layout.space == 1) return cost;
  if (shape->kind == SN_NETWORK_MLP) add_mlp(layout, shape, (double)samples, backward, &cost);
  if (shape->kind == SN_NETWORK_CONV) add_conv(layout, shape, (double)samples, backward, &cost);
  if (shape->kind == SN_NETWORK_BILINEAR) add_bilinear(layout, shape, (double)samples, &cost);
  if (shape->kind == SN_NETWORK_KS) add_ks(layout, (double)samples, &cost);
  if (shape->precision != SN_PRECISION_DOUBLE) cost.of[SN_COST_BYTES] /= 2; /* single values */
  return cost;
}
