#include <string.h>

#include <cblas.h>

#include "linear_ops.h"
#include "sinode/count.h"
#include "sinode/memory.h"

/*
 * Rows of A are split. The blocks of all space ranks are gathered as they are, and each is multiplied with its columns
 * of A: nothing is reordered.
 */
typedef struct {
  int ranks, samples;
  int points, local;     /* columns and rows of A here */
  int *start, *count;    /* of every rank's block of points */
  int *elements, *place; /* of every rank's block of a gathered array */
  double *gathered;      /* blocks of (samples, count), one for each rank */
} dense;

static sn_status prepare(sn_linear *linear) {
  const sn_grid *grid = linear->grid;
  ptrdiff_t points = sn_grid_points(grid), elements = 0;
  sn_range range = sn_grid_range(grid);
  dense *state;
  SN_TRY(SN_NEW(1, &state));
  linear->state = state;
  state->ranks = sn_grid_space_size(grid);
  if (!sn_count_multiply(points, linear->samples, &elements)) elements = PTRDIFF_MAX;
  int count;
  SN_TRY(sn_count_to_int(elements, "grid points times samples on a replica with a dense linear part", &count));
  state->points = (int)points;
  state->local = (int)range.count;
  SN_TRY(SN_NEW(state->ranks, &state->start));
  SN_TRY(SN_NEW(state->ranks, &state->count));
  SN_TRY(SN_NEW(state->ranks, &state->elements));
  SN_TRY(SN_NEW(state->ranks, &state->place));
  for (int rank = 0; rank < state->ranks; rank++) {
    sn_range block = sn_partition_range(sn_grid_partition(grid), rank);
    state->start[rank] = (int)block.start;
    state->count[rank] = (int)block.count;
  }
  if (state->ranks > 1) SN_TRY(SN_NEW(elements, &state->gathered));
  sn_parameter_block block = {.name = "linear/matrix",
                              .dimensions = 2,
                              .shape = {points, points},
                              .start = {range.start, 0},
                              .count = {range.count, points},
                              .split = true,
                              .trainable = linear->shape.trainable};
  SN_TRY(sn_parameters_add(linear->parameters, &block));
  linear->offset = block.offset;
  return SN_OK;
}

static sn_status create(sn_linear *linear) {
  return sn_collective_status(sn_grid_space(linear->grid), prepare(linear));
}

static void destroy(sn_linear *linear) {
  dense *state = linear->state;
  SN_FREE(state->start);
  SN_FREE(state->count);
  SN_FREE(state->elements);
  SN_FREE(state->place);
  SN_FREE(state->gathered);
  SN_FREE(linear->state);
}

static sn_status set_derivatives(sn_linear *linear, const sn_linear_init *init) {
  const dense *state = linear->state;
  double taps[SN_LINEAR_TAPS_MOST], *matrix = sn_linear_coefficients(linear);
  const int count = sn_linear_difference(linear, init, taps);
  memset(matrix, 0, (size_t)state->local * (size_t)state->points * sizeof *matrix);
  sn_linear_add_taps(linear->grid, count, taps, matrix);
  return SN_OK;
}

/* Counts and places of the ranks' blocks of `samples` samples. */
static void place_blocks(dense *state, int samples) {
  if (state->samples == samples) return;
  state->samples = samples;
  for (int rank = 0; rank < state->ranks; rank++) {
    state->elements[rank] = samples * state->count[rank];
    state->place[rank] = samples * state->start[rank];
  }
}

/* x of all ranks, block after block. */
static const double *gather(const sn_linear *linear, int samples, const double *x) {
  dense *state = linear->state;
  place_blocks(state, samples);
  if (state->ranks == 1) return x;
  sn_timer_start(sn_grid_timer(linear->grid), SN_TIME_REDISTRIBUTE);
  MPI_Allgatherv(x, samples * state->local, MPI_DOUBLE, state->gathered, state->elements, state->place, MPI_DOUBLE,
                 sn_grid_space(linear->grid));
  sn_timer_stop(sn_grid_timer(linear->grid), SN_TIME_REDISTRIBUTE);
  return state->gathered;
}

/* y = keep y + weight matrix x, where the matrix is split as A. */
static void multiply(sn_linear *linear, double weight, const double *matrix, int samples, const double *x, double keep,
                     double *y) {
  const dense *state = linear->state;
  const double *all = gather(linear, samples, x);
  for (int rank = 0; rank < state->ranks; rank++)
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, samples, state->local, state->count[rank], weight,
                all + state->place[rank], state->count[rank], matrix + state->start[rank], state->points,
                rank ? 1 : keep, y, state->local);
}

static void multiply_transposed(sn_linear *linear, int samples, const double *x, double *y) {
  dense *state = linear->state;
  const double *matrix = sn_linear_coefficients(linear);
  place_blocks(state, samples);
  double *shares = state->ranks == 1 ? y : state->gathered;
  for (int rank = 0; rank < state->ranks; rank++)
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, samples, state->count[rank], state->local, 1, x,
                state->local, matrix + state->start[rank], state->points, 0, shares + state->place[rank],
                state->count[rank]);
  if (state->ranks == 1) return;
  sn_timer_start(sn_grid_timer(linear->grid), SN_TIME_REDUCE);
  MPI_Reduce_scatter(shares, y, state->elements, MPI_DOUBLE, MPI_SUM, sn_grid_space(linear->grid));
  sn_timer_stop(sn_grid_timer(linear->grid), SN_TIME_REDUCE);
}

static sn_status apply(sn_linear *linear, bool transpose, ptrdiff_t samples, const double *x, double *y) {
  if (transpose)
    multiply_transposed(linear, (int)samples, x, y);
  else
    multiply(linear, 1, sn_linear_coefficients(linear), (int)samples, x, 0, y);
  return SN_OK;
}

static sn_status gradient(sn_linear *linear, ptrdiff_t samples, double weight, const double *left, const double *right,
                          double *sum) {
  const dense *state = linear->state;
  const double *all = gather(linear, (int)samples, right);
  for (int rank = 0; rank < state->ranks; rank++)
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, state->local, state->count[rank], (int)samples, weight, left,
                state->local, all + state->place[rank], state->count[rank], 1,
                sum + linear->offset + state->start[rank], state->points);
  return SN_OK;
}

static sn_status tangent(sn_linear *linear, ptrdiff_t samples, double weight, const double *direction, const double *x,
                         double *y) {
  multiply(linear, weight, direction + linear->offset, (int)samples, x, 1, y);
  return SN_OK;
}

static void rows(const sn_linear *linear, double *matrix) {
  const dense *state = linear->state;
  memcpy(matrix, sn_linear_coefficients(linear), (size_t)state->local * (size_t)state->points * sizeof *matrix);
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
