#include <string.h>

#include "linear_ops.h"
#include "row_matrix.h"
#include "sinode/memory.h"

typedef struct {
  sn_row_matrix matrix; /* whose rows are the parameters */
  double *gathered;     /* blocks of (samples, count), one for each rank */
} dense;

static sn_status prepare(sn_linear *linear) {
  const sn_grid *grid = linear->grid;
  const ptrdiff_t points = sn_grid_points(grid);
  const sn_range range = sn_grid_range(grid);
  dense *state;
  SN_TRY(SN_NEW(1, &state));
  linear->state = state;
  SN_TRY(sn_row_matrix_create(grid, linear->samples, &state->matrix));
  if (state->matrix.ranks > 1) SN_TRY(SN_NEW(points * linear->samples, &state->gathered));
  sn_parameter_block block = {.name = "linear/matrix",
                              .dimensions = 2,
                              .shape = {points, points},
                              .start = {range.start, 0},
                              .count = {range.count, points},
                              .split = true,
                              .trainable = linear->shape.trainable};
  SN_TRY(sn_parameters_add(linear->parameters, &block));
  linear->offset = block.offset;
  linear->size = sn_parameter_block_size(&block);
  return SN_OK;
}

static sn_status create(sn_linear *linear) {
  return sn_collective_status(sn_grid_space(linear->grid), prepare(linear));
}

static void destroy(sn_linear *linear) {
  dense *state = linear->state;
  sn_row_matrix_destroy(&state->matrix);
  SN_FREE(state->gathered);
  SN_FREE(linear->state);
}

static size_t bytes_of(const sn_row_matrix *m) { return (size_t)m->local * (size_t)m->points * sizeof(double); }

static sn_status set_derivatives(sn_linear *linear, const sn_linear_init *init) {
  const dense *state = linear->state;
  double taps[SN_LINEAR_TAPS_MOST], *matrix = sn_linear_coefficients(linear);
  const int count = sn_linear_difference(linear, init, taps);
  memset(matrix, 0, bytes_of(&state->matrix));
  sn_linear_add_taps(linear->grid, count, taps, matrix);
  return SN_OK;
}

/* x of all ranks, block after block. */
static const double *gather(dense *state, int samples, const double *x) {
  if (state->matrix.ranks == 1) return x;
  sn_row_matrix_gather(&state->matrix, samples, x, state->gathered);
  return state->gathered;
}

static sn_status apply(sn_linear *linear, bool transpose, ptrdiff_t samples, const double *x, double *y) {
  dense *state = linear->state;
  sn_row_matrix *m = &state->matrix;
  const double *rows = sn_linear_coefficients(linear);
  const int count = (int)samples;
  if (!transpose) {
    sn_row_matrix_multiply(m, 1, rows, count, gather(state, count, x), 0, y);
  } else {
    sn_row_matrix_multiply_transposed(m, 1, rows, count, x, 0, m->ranks == 1 ? y : state->gathered);
    if (m->ranks > 1) sn_row_matrix_add_shares(m, count, state->gathered, y);
  }
  return SN_OK;
}

static sn_status gradient(sn_linear *linear, ptrdiff_t samples, double weight, const double *left, const double *right,
                          double *sum) {
  dense *state = linear->state;
  const double *all = gather(state, (int)samples, right);
  sn_row_matrix_add_outer(&state->matrix, weight, (int)samples, left, all, sum + linear->offset);
  return SN_OK;
}

static sn_status tangent(sn_linear *linear, ptrdiff_t samples, double weight, const double *direction, const double *x,
                         double *y) {
  dense *state = linear->state;
  const double *all = gather(state, (int)samples, x);
  sn_row_matrix_multiply(&state->matrix, weight, direction + linear->offset, (int)samples, all, 1, y);
  return SN_OK;
}

static void rows(const sn_linear *linear, double *matrix) {
  memcpy(matrix, sn_linear_coefficients(linear), bytes_of(&((const dense *)linear->state)->matrix));
}

const sn_linear_ops sn_linear_dense = {
    .create = create,
    .destroy = destroy,
    .set_derivatives = set_derivatives,
    .apply = apply,
    .gradient = gradient,
    .tangent = tangent,
    .rows = rows,
};
