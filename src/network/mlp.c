/*
 * The multilayer perceptron with weights split over the S space ranks of a replica, none held twice: the
 * layout. The passes are in mlp_passes.h.
 */
#include <stdio.h>

#include "activation.h"
#include "mlp.h"
#include "sinode/count.h"
#include "sinode/memory.h"
#include "sinode/partition.h"

void sn_mlp_destroy(sn_network *network) {
  sn_mlp *m = (sn_mlp *)network;
  SN_FREE(m->own_tape);
  for (int k = 0; k < 3; k++) SN_FREE(m->delta[k]);
  SN_FREE(m->blocks);
  SN_FREE(m->counts);
  SN_FREE(m->displacements);
  SN_FREE(m->weights);
  SN_FREE(m->direction);
  SN_FREE(m->product);
  for (int k = 0; k < 3; k++) SN_FREE(m->states[k]);
}

/* Splits one layer over the ranks. The outputs a layer keeps on a rank are the inputs of the next one. */
static void lay_out_layer(sn_mlp *m, int k) {
  sn_mlp_layer *l = &m->layer[k];
  const sn_network *base = &m->base;
  const ptrdiff_t points = sn_grid_points(base->grid);
  l->sums = k % 2 == 0;
  l->last = k == m->layers - 1;
  l->in = k ? base->shape.width[k - 1] : points;
  l->out = l->last ? points : base->shape.width[k];
  l->part =
      sn_partition_range((sn_partition){.points = l->sums ? l->in : l->out, .ranks = sn_grid_space_size(m->base.grid)},
                         sn_grid_space_rank(base->grid));
  l->given = l->sums ? l->part.count : l->in;
  l->kept = l->last ? base->points : l->sums ? l->out : l->part.count;
  l->tape = m->tape_width;
  if (!l->last) m->tape_width += l->kept * (sn_activation_keeps_slope(base->shape.activation) ? 2 : 1);
}

static sn_status add_blocks(sn_mlp *m, int k) {
  sn_mlp_layer *l = &m->layer[k];
  const bool bias_is_split = !l->sums || l->last;
  sn_parameter_block weight = {.dimensions = 2, .shape = {l->out, l->in}, .split = true, .trainable = true};
  weight.count[0] = l->sums ? l->out : l->part.count;
  weight.count[1] = l->sums ? l->part.count : l->in;
  weight.start[l->sums ? 1 : 0] = l->part.start;
  sn_parameter_block bias = {
      .dimensions = 1, .shape = {l->out}, .count = {l->kept}, .split = bias_is_split, .trainable = true};
  if (bias_is_split) bias.start[0] = l->last ? sn_grid_range(m->base.grid).start : l->part.start;
  snprintf(weight.name, sizeof weight.name, "nonlinear/layer_%d/weight", k);
  snprintf(bias.name, sizeof bias.name, "nonlinear/layer_%d/bias", k);
  SN_TRY(sn_parameters_add(m->base.parameters, &weight));
  SN_TRY(sn_parameters_add(m->base.parameters, &bias));
  l->weight = weight.offset;
  l->bias = bias.offset;
  return SN_OK;
}

static sn_status allocate_arrays(sn_mlp *m) {
  const bool single = m->base.shape.precision != SN_PRECISION_DOUBLE;
  const size_t size = single ? sizeof(float) : sizeof(double);
  const ptrdiff_t samples = m->base.samples, points = sn_grid_points(m->base.grid);
  SN_TRY(sn_memory_alloc(samples * m->tape_width, size, &m->own_tape));
  for (int k = 0; k < 3; k++) SN_TRY(sn_memory_alloc(samples * m->widest, size, &m->delta[k]));
  SN_TRY(sn_memory_alloc(sn_grid_space_size(m->base.grid) > 1 ? samples * points : 0, size, &m->blocks));
  if (!single) return SN_OK;
  ptrdiff_t largest = 0;
  for (int k = 0; k < m->layers; k++) {
    const sn_mlp_layer *l = &m->layer[k];
    const ptrdiff_t block = l->part.count * (l->sums ? l->out : l->in);
    if (block > largest) largest = block;
  }
  SN_TRY(SN_NEW(sn_parameters_model_size(m->base.parameters), &m->weights));
  SN_TRY(SN_NEW(sn_parameters_model_size(m->base.parameters), &m->direction));
  SN_TRY(SN_NEW(largest, &m->product));
  for (int k = 0; k < 3; k++) SN_TRY(SN_NEW(samples * m->base.points, &m->states[k]));
  return SN_OK;
}

static sn_status build(sn_mlp *m) {
  const ptrdiff_t samples = m->base.samples;
  m->widest = sn_grid_points(m->base.grid);
  for (int k = 0; k < m->layers; k++) {
    lay_out_layer(m, k);
    SN_TRY(add_blocks(m, k));
    if (m->layer[k].out > m->widest) m->widest = m->layer[k].out;
  }
  int ignored;
  SN_TRY(sn_error_collective(sn_count_to_int(samples * m->widest, "batch times the widest layer", &ignored)));
  SN_TRY(SN_NEW(sn_grid_space_size(m->base.grid), &m->counts));
  SN_TRY(SN_NEW(sn_grid_space_size(m->base.grid), &m->displacements));
  return allocate_arrays(m);
}

static sn_status create(const sn_network *base, sn_network **out) {
  sn_mlp *m;
  SN_TRY(SN_NEW(1, &m));
  m->base = *base;
  m->base.ops = base->shape.precision == SN_PRECISION_DOUBLE ? &sn_mlp_double : &sn_mlp_single;
  m->layers = base->shape.hidden + 1;
  *out = &m->base;
  sn_status status = build(m);
  if (status) sn_network_destroy(out);
  return status;
}

static void choose(const sn_network_options *options, sn_network_shape *shape) {
  sn_network_set_widths(&options->hidden, shape);
}

const sn_network_type sn_network_mlp = {
    .create = create, .weight_dimensions = 2, .one_grid = true, .create_single = create, .choose = choose};
