/*
 * Networks for tests: weights and states are functions of their place in the global arrays, so that every split of the
 * ranks has the same network, and the plainest evaluation of that, on one rank and one sample, is what it must agree
 * with.
 */
#ifndef SINODE_TESTS_NETWORK_CASE_H
#define SINODE_TESTS_NETWORK_CASE_H

#include "sinode/memory.h"
#include "sinode/network.h"
#include "sinode/random.h"
#include "unit.h"

enum { CASE_SAMPLES = 5, CASE_ROW_MOST = 71000 };

typedef struct {
  ptrdiff_t points;
  sn_network_shape shape;
} network_case;

typedef struct {
  sn_grid *grid;
  sn_parameters *parameters;
  sn_network *network;
  sn_range share; /* of the samples of all replicas */
  sn_range range; /* of the points */
} fixture;

/* Streams of numbers beside those of the weights (2 layer) and biases (2 layer + 1). */
enum { STREAM_STATE = 100, STREAM_DIRECTION, STREAM_BAR, STREAM_PARAMETER = 200 };

static inline double case_number(int stream, ptrdiff_t index) {
  const sn_random random = {.seed = 7, .purpose = SN_RANDOM_TEST, .stream = (uint64_t)stream};
  return sn_random_normal(&random, (uint64_t)index);
}

/* Units or channels. */
static inline ptrdiff_t case_in(const network_case *c, int layer) {
  if (layer) return c->shape.width[layer - 1];
  return c->shape.kind == SN_NETWORK_CONV ? 1 : c->points;
}

static inline ptrdiff_t case_out(const network_case *c, int layer) {
  if (layer < c->shape.hidden) return c->shape.width[layer];
  return c->shape.kind == SN_NETWORK_CONV ? 1 : c->points;
}

/* Sized so that values stay near 1 through the layers. */
static inline double case_weight(const network_case *c, int layer, ptrdiff_t index) {
  const ptrdiff_t taps = c->shape.kind == SN_NETWORK_CONV ? c->shape.kernel : 1;
  return case_number(2 * layer, index) / sqrt((double)(case_in(c, layer) * taps));
}

static inline double case_bias(int layer, ptrdiff_t index) { return 0.3 * case_number(2 * layer + 1, index); }

static inline double case_activation(sn_activation activation, double z) {
  if (activation == SN_ACTIVATION_RELU) return fmax(z, 0);
  if (activation == SN_ACTIVATION_TANH) return tanh(z);
  if (activation == SN_ACTIVATION_SIGMOID) return 1 / (1 + exp(-z));
  return 0.5 * z * (1 + erf(z / sqrt(2)));
}

static inline void case_layer(const network_case *c, int layer, const double *in, double *out) {
  const ptrdiff_t n = c->points, ins = case_in(c, layer), outs = case_out(c, layer), kernel = c->shape.kernel;
  const bool convolves = c->shape.kind == SN_NETWORK_CONV;
  for (ptrdiff_t o = 0; o < outs; o++)
    for (ptrdiff_t j = 0; j < (convolves ? n : 1); j++) {
      double z = case_bias(layer, o);
      for (ptrdiff_t i = 0; i < ins && !convolves; i++) z += case_weight(c, layer, o * ins + i) * in[i];
      for (ptrdiff_t i = 0; i < ins && convolves; i++)
        for (ptrdiff_t k = 0; k < kernel; k++)
          z += case_weight(c, layer, (o * ins + i) * kernel + k) * in[i * n + (n + j + k - kernel / 2) % n];
      out[convolves ? o * n + j : o] = layer < c->shape.hidden ? case_activation(c->shape.activation, z) : z;
    }
}

/* Sum over the wave numbers 0 < |m| <= points / 3, and m = 0, of what they add to a field or to its derivative. */
static inline void case_project(const network_case *c, bool derivative, const double *from, double *to) {
  const ptrdiff_t n = c->points;
  for (ptrdiff_t j = 0; j < n; j++) to[j] = 0;
  for (ptrdiff_t m = 0; m <= n / 3; m++)
    for (ptrdiff_t j = 0; j < n; j++)
      for (ptrdiff_t i = 0; i < n; i++) {
        const double k = 2 * M_PI * (double)m / c->shape.length,
                     phase = 2 * M_PI * (double)(m * (j - i) % n) / (double)n;
        to[j] += (m ? 2 : 1) * (derivative ? -k * sin(phase) : cos(phase)) * from[i] / (double)n;
      }
}

static inline void case_ks_term(const network_case *c, const double *u, double *f) {
  double v[CASE_ROW_MOST];
  case_project(c, false, u, v);
  for (ptrdiff_t j = 0; j < c->points; j++) v[j] *= v[j] / 2;
  case_project(c, true, v, f);
}

/* An element of the weight of block b of a bilinear convolution: so sized that sums stay near 1. */
static inline double case_factor(const network_case *c, int block, ptrdiff_t index) {
  const ptrdiff_t terms = c->shape.kernel * (block == 1 ? c->shape.width[0] : 1);
  return case_number(2 * block, index) / sqrt((double)terms);
}

/* z_j += sum_k w_k a_{j + k - kernel/2}, w the row `row` of the weight of block b of a bilinear convolution. */
static inline void case_correlate(const network_case *c, int block, ptrdiff_t row, const double *a, double *z) {
  const ptrdiff_t n = c->points, kernel = c->shape.kernel;
  for (ptrdiff_t j = 0; j < n; j++)
    for (ptrdiff_t k = 0; k < kernel; k++)
      z[j] += case_factor(c, block, row * kernel + k) * a[(n + j + k - kernel / 2) % n];
}

static inline void case_product(const network_case *c, const double *u, double *f) {
  memset(f, 0, (size_t)c->points * sizeof *f);
  for (ptrdiff_t channel = 0; channel < c->shape.width[0]; channel++) {
    double p[CASE_ROW_MOST] = {0}, q[CASE_ROW_MOST] = {0};
    case_correlate(c, 0, channel, u, p);
    case_correlate(c, 0, c->shape.width[0] + channel, u, q);
    for (ptrdiff_t j = 0; j < c->points; j++) p[j] *= q[j];
    case_correlate(c, 1, channel, p, f);
  }
  case_correlate(c, 2, 0, u, f);
}

/* f = F(u) of one sample, all points. */
static inline void case_forward(const network_case *c, const double *u, double *f) {
  double rows[2][CASE_ROW_MOST];
  if (c->shape.kind == SN_NETWORK_KS) {
    case_ks_term(c, u, f);
    return;
  }
  if (c->shape.kind == SN_NETWORK_BILINEAR) {
    case_product(c, u, f);
    return;
  }
  memcpy(rows[0], u, (size_t)c->points * sizeof *u);
  for (int layer = 0; layer <= c->shape.hidden; layer++) case_layer(c, layer, rows[layer % 2], rows[(layer + 1) % 2]);
  memcpy(f, rows[(c->shape.hidden + 1) % 2], (size_t)c->points * sizeof *f);
}

/* The place in the global array of local element i of a block. */
static inline ptrdiff_t global_index(const sn_parameter_block *block, ptrdiff_t i) {
  ptrdiff_t index = 0, stride = 1;
  for (int d = block->dimensions - 1; d >= 0; d--) {
    index += (block->start[d] + i % block->count[d]) * stride;
    i /= block->count[d];
    stride *= block->shape[d];
  }
  return index;
}

static inline void fill_parameters(const network_case *c, const fixture *x) {
  double *values = sn_parameters_values(x->parameters);
  for (int b = 0; b < sn_parameters_blocks(x->parameters); b++) {
    const sn_parameter_block *block = sn_parameters_block(x->parameters, b);
    for (ptrdiff_t i = 0; i < sn_parameter_block_size(block); i++) {
      const ptrdiff_t index = global_index(block, i);
      if (c->shape.kind == SN_NETWORK_BILINEAR)
        values[block->offset + i] = case_factor(c, b, index);
      else
        values[block->offset + i] = b % 2 ? case_bias(b / 2, index) : case_weight(c, b / 2, index);
    }
  }
  sn_network_update(x->network);
}

/* `samples` samples in all, and room for one more than this replica's share. */
static inline fixture fixture_create(MPI_Comm world, int space, const network_case *c, ptrdiff_t samples) {
  fixture x;
  assert_ok(sn_grid_create(world, space, c->points, NULL, &x.grid));
  x.share = sn_grid_share(x.grid, samples);
  x.range = sn_grid_range(x.grid);
  assert_ok(sn_parameters_create(x.grid, &x.parameters));
  assert_ok(sn_network_create(x.grid, &c->shape, x.share.count + 1, x.parameters, &x.network));
  assert_ok(sn_parameters_allocate(x.parameters));
  fill_parameters(c, &x);
  return x;
}

static inline void fixture_destroy(fixture *x) {
  sn_network_destroy(&x->network);
  sn_parameters_destroy(&x->parameters);
  sn_grid_destroy(&x->grid);
}

static inline double *new_doubles(ptrdiff_t count) {
  double *values;
  assert_ok(SN_NEW(count, &values));
  return values;
}

/* Own samples and points of a state of all samples. */
static inline double *new_states(const network_case *c, const fixture *x, int stream) {
  double *values = new_doubles(x->share.count * x->range.count);
  for (ptrdiff_t s = 0; s < x->share.count; s++)
    for (ptrdiff_t j = 0; j < x->range.count; j++)
      values[s * x->range.count + j] = case_number(stream, (x->share.start + s) * c->points + x->range.start + j);
  return values;
}

/* Whether the world can be split into replicas of `space` ranks for this many points. */
static inline bool can_split(int space, ptrdiff_t points) {
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size % space == 0 && points / 2 >= space;
}

/* All splits of at most 4 ranks. */
#define FOR_EACH_SPLIT(space, points)      \
  for (int space = 1; space <= 4; space++) \
    if (can_split(space, points))

/* Calls visit for perceptrons of 0 to 4 hidden layers, wide and narrow, on uneven grids. */
static inline void for_each_mlp(void (*visit)(const network_case *)) {
  static const ptrdiff_t points[] = {7, 15, 16, 31}, widths[2][4] = {{3, 17, 2, 40}, {1, 2, 1, 1}};
  for (int n = 0; n < 4; n++)
    for (int activation = SN_ACTIVATION_RELU; activation <= SN_ACTIVATION_GELU; activation++)
      for (int hidden = 0; hidden <= 4; hidden++)
        for (int narrow = 0; narrow < (hidden ? 2 : 1); narrow++) {
          network_case c = {points[n],
                            {.kind = SN_NETWORK_MLP, .activation = (sn_activation)activation, .hidden = hidden}};
          memcpy(c.shape.width, widths[narrow], sizeof widths[narrow]);
          visit(&c);
        }
}

/* Convolutions, the widest kernels wider than the blocks of two or more ranks. */
static inline void for_each_conv(void (*visit)(const network_case *)) {
  static const struct {
    ptrdiff_t points;
    int kernel, hidden;
  } cases[] = {{7, 1, 2},   {15, 3, 1},  {16, 5, 0},  {31, 5, 3}, {7, 7, 1},
               {16, 15, 2}, {31, 31, 1}, {31, 17, 4}, {131, 9, 2}};
  for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++)
    for (int activation = SN_ACTIVATION_RELU; activation <= SN_ACTIVATION_GELU; activation++) {
      const network_case c = {cases[k].points,
                              {.kind = SN_NETWORK_CONV,
                               .activation = (sn_activation)activation,
                               .hidden = cases[k].hidden,
                               .width = {3, 1, 4, 2},
                               .kernel = cases[k].kernel}};
      visit(&c);
    }
  /* Outputs that are summed by their taps, and those of kernels longer than two vectors. */
  const network_case single = {
      141, {.kind = SN_NETWORK_CONV, .activation = SN_ACTIVATION_RELU, .hidden = 3, .width = {9, 1, 7}, .kernel = 5}};
  const network_case tall = {
      203, {.kind = SN_NETWORK_CONV, .activation = SN_ACTIVATION_RELU, .hidden = 3, .width = {2, 1, 2}, .kernel = 19}};
  visit(&single);
  visit(&tall);
  /* So wide that a row is taken in blocks, which pass through all layers one after the other. */
  const network_case wide = {
      1103,
      {.kind = SN_NETWORK_CONV, .activation = SN_ACTIVATION_TANH, .hidden = 3, .width = {64, 3, 62}, .kernel = 5}};
  visit(&wide);
}

/* Products, the widest kernels wider than the blocks of two or more ranks. */
static inline void for_each_product(void (*visit)(const network_case *)) {
  static const struct {
    ptrdiff_t points;
    int kernel, channels;
  } cases[] = {{7, 1, 2},  {15, 3, 1},   {16, 15, 2},  {31, 31, 1},  {31, 9, 4},
               {80, 9, 3}, {141, 31, 1}, {141, 45, 1}, {203, 9, 100}};
  for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
    const network_case c = {
        cases[k].points,
        {.kind = SN_NETWORK_BILINEAR, .hidden = 1, .width = {cases[k].channels}, .kernel = cases[k].kernel}};
    visit(&c);
  }
}

/* The exact term on grids that are even, odd, prime and a multiple of three. */
static inline void for_each_ks_term(void (*visit)(const network_case *)) {
  static const ptrdiff_t points[] = {7, 15, 16, 31, 24};
  for (size_t k = 0; k < sizeof points / sizeof points[0]; k++) {
    const network_case c = {points[k], {.kind = SN_NETWORK_KS, .length = 9.5}};
    visit(&c);
  }
}

#endif
