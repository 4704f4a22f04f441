/* Ordered sums: the chunks' gradients, each with its value behind it, or their values alone, are leaves of a tree. */
#include <string.h>

#include "reduction_ops.h"
#include "sinode/finite.h"
#include "sinode/memory.h"
#include "sinode/ordered_reduction.h"

typedef struct {
  sn_reduction base;
  ptrdiff_t size; /* of the parameters */
  sn_ordered_reduction *gradients, *values;
  double *vector;             /* the gradient of the evaluation under way; NULL: it has none */
  sn_ordered_reduction *tree; /* of that */
  sn_gradient leaf;           /* of the chunk under way */
  ptrdiff_t left;             /* leaves of this replica still to come */
} ordered;

static sn_range begin(sn_reduction *r, ptrdiff_t items, ptrdiff_t chunk, double *gradient) {
  ordered *o = (ordered *)r;
  o->vector = gradient;
  o->tree = gradient ? o->gradients : o->values;
  const sn_range leaves = sn_ordered_reduction_begin(o->tree, (items + chunk - 1) / chunk);
  const ptrdiff_t start = leaves.start * chunk, end = (leaves.start + leaves.count) * chunk;
  o->left = leaves.count;
  return (sn_range){.start = start, .count = (end < items ? end : items) - (start < items ? start : items)};
}

static const sn_gradient *chunk(sn_reduction *r, bool last) {
  ordered *o = (ordered *)r;
  (void)last; /* nothing leaves before the leaf is whole */
  if (!o->vector) return NULL;
  o->leaf.values = sn_ordered_reduction_leaf(o->tree);
  memset(o->leaf.values, 0, (size_t)o->size * sizeof *o->leaf.values);
  return &o->leaf;
}

static void add(sn_reduction *r, double value) {
  ordered *o = (ordered *)r;
  if (o->left == 0) return;
  sn_ordered_reduction_leaf(o->tree)[o->vector ? o->size : 0] = value;
  sn_ordered_reduction_add(o->tree);
  o->left--;
}

/* Sums over space what every space rank has a share of; the others have nothing to add to a block that each holds. */
static void sum_over_space(const ordered *o, double *values) {
  const sn_parameters *parameters = o->base.parameters;
  const MPI_Comm space = sn_grid_space(o->base.grid);
  if (sn_grid_space_size(o->base.grid) == 1) return;
  MPI_Allreduce(MPI_IN_PLACE, o->vector ? values + o->size : values, 1, MPI_DOUBLE, MPI_SUM, space);
  for (int i = 0; i < sn_parameters_blocks(parameters) && o->vector; i++) {
    const sn_parameter_block *block = sn_parameters_block(parameters, i);
    const ptrdiff_t size = sn_parameter_block_size(block);
    if (block->split || !block->trainable) continue;
    if (!block->partial && sn_grid_space_rank(o->base.grid))
      memset(values + block->offset, 0, (size_t)size * sizeof *values);
    MPI_Allreduce(MPI_IN_PLACE, values + block->offset, (int)size, MPI_DOUBLE, MPI_SUM, space);
  }
}

static bool finish(sn_reduction *r, double *value, int count, double *numbers) {
  ordered *o = (ordered *)r;
  double all[SN_PARAMETERS_NUMBERS] = {0};
  double *total = sn_ordered_reduction_finish(o->tree);
  if (total) sum_over_space(o, total);
  const double *shared = sn_ordered_reduction_share(o->tree);
  *value = o->vector ? shared[o->size] : shared[0];
  if (o->vector) memcpy(o->vector, shared, (size_t)o->size * sizeof *shared);
  for (int k = 0; k < count; k++) all[k] = numbers[k];
  all[count] = o->vector && !sn_all_finite(o->size, o->vector);
  MPI_Allreduce(MPI_IN_PLACE, all, count + 1, MPI_DOUBLE, MPI_SUM, sn_grid_world(r->grid));
  for (int k = 0; k < count; k++) numbers[k] = all[k];
  return all[count] == 0;
}

/* Of a whole gradient: the norm, too, has the same bits on any number of replicas. */
static double square(const sn_reduction *r, const double *gradient) {
  return sn_parameters_dot(r->parameters, gradient, gradient);
}

static void destroy(sn_reduction *r) {
  ordered *o = (ordered *)r;
  sn_ordered_reduction_destroy(&o->gradients);
  sn_ordered_reduction_destroy(&o->values);
}

static const sn_reduction_ops ops = {
    .destroy = destroy, .begin = begin, .chunk = chunk, .add = add, .finish = finish, .square = square};

sn_status sn_reduction_create_ordered(sn_parameters *parameters, ptrdiff_t gradients_most, ptrdiff_t values_most,
                                      sn_reduction **out) {
  const sn_grid *grid = sn_parameters_grid(parameters);
  ordered *o;
  *out = NULL;
  SN_TRY(sn_collective_status(sn_grid_world(grid), SN_NEW(1, &o)));
  *out = &o->base;
  o->base.ops = &ops;
  o->size = sn_parameters_size(parameters);
  sn_status status = sn_reduction_lay_out(&o->base, parameters, sn_reduction_groups(sn_grid_replica_count(grid)));
  if (!status) status = sn_ordered_reduction_create(grid, o->size + 1, gradients_most, &o->gradients);
  if (!status) status = sn_ordered_reduction_create(grid, 1, values_most, &o->values);
  status = sn_collective_status(sn_grid_world(grid), status);
  if (status) sn_reduction_destroy(out);
  return status;
}
