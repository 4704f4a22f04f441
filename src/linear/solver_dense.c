#include <math.h>
#include <stdint.h>
#include <stdio.h>

#include <cblas.h>

#include "base/lapack.h"
#include "block_cyclic.h"
#include "linear_ops.h"
#include "rhs_plan.h"
#include "sinode/count.h"
#include "sinode/memory.h"
#include "sinode/redistribution.h"
#include "solver_ops.h"

typedef struct {
  sn_block_cyclic layout;
  double *factors; /* (gammas, layout.size): of the transpose */
  int *pivots;     /* (gammas, rows.count + block) */
  double *matrix;  /* local rows of I - gamma A, and their redistribution into a factor */
  sn_redistribution *fill;
  sn_rhs_plan *reserved; /* rows distributed like those of A, columns in one block for each process column */
  double *right;
  ptrdiff_t right_size;
} lu;

static bool is_local(const lu *state) { return sn_block_cyclic_is_local(&state->layout); }

static sn_status allocate_arrays(sn_solver *solver) {
  lu *state = solver->state;
  const sn_block_cyclic *layout = &state->layout;
  ptrdiff_t size, pivots = layout->rows.count + layout->block;
  if (!sn_count_multiply(layout->size, solver->gammas, &size)) size = PTRDIFF_MAX;
  SN_TRY(SN_NEW(size, &state->factors));
  SN_TRY(SN_NEW(pivots * solver->gammas, &state->pivots));
  solver->bytes = size * (ptrdiff_t)sizeof *state->factors + pivots * solver->gammas * (ptrdiff_t)sizeof *state->pivots;
  return SN_OK;
}

/* Memory for the rows of the matrix and their redistribution into a factor; a fixed A frees it after each use.
 * Collective. */
static sn_status allocate_matrix(const sn_solver *solver) {
  lu *state = solver->state;
  if (state->matrix) return SN_OK;
  const ptrdiff_t size = sn_grid_range(solver->grid).count * state->layout.order;
  SN_TRY(sn_collective_status(sn_grid_space(solver->grid), SN_NEW(size, &state->matrix)));
  return sn_block_cyclic_plan(&state->layout, true, &state->fill);
}

static void free_matrix(const sn_solver *solver) {
  lu *state = solver->state;
  if (sn_linear_is_trainable(solver->linear)) return;
  SN_FREE(state->matrix);
  sn_redistribution_destroy(&state->fill);
}

/* Writes the local rows of A, and refuses a gamma for which I - gamma A loses its I among them. Collective. */
static sn_status write_matrix(const sn_solver *solver, double gamma, sn_error_code code) {
  const lu *state = solver->state;
  SN_TRY(sn_linear_rows(solver->linear, state->matrix));
  double norm = 0;
  for (ptrdiff_t i = 0; i < sn_grid_range(solver->grid).count; i++) {
    double sum = cblas_dasum(state->layout.order, state->matrix + i * state->layout.order, 1);
    if (sum > norm) norm = sum;
  }
  MPI_Allreduce(MPI_IN_PLACE, &norm, 1, MPI_DOUBLE, MPI_MAX, sn_grid_space(solver->grid));
  return sn_solver_refuse_lossy(solver, gamma, norm, code);
}

/* At creation as far as A is known by then, so that a parameter file is refused before anything runs. */
static sn_status refuse_lossy(const sn_solver *solver) {
  if (sn_linear_version(solver->linear) == 0) return SN_OK;
  double largest = 0;
  for (int i = 0; i < solver->gammas; i++) largest = fmax(largest, fabs(solver->gamma[i]));
  if (sn_linear_get_kind(solver->linear) == SN_LINEAR_STENCIL) /* no matrix is needed to see it */
    return sn_solver_refuse_lossy(solver, largest, sn_linear_row_sum(solver->linear), SN_ERROR_USAGE);
  SN_TRY(allocate_matrix(solver));
  SN_TRY(write_matrix(solver, largest, SN_ERROR_USAGE));
  free_matrix(solver);
  return SN_OK;
}

static sn_status create(sn_solver *solver) {
  const sn_grid *grid = solver->grid;
  lu *state;
  SN_TRY(sn_collective_status(sn_grid_space(grid), SN_NEW(1, &state)));
  solver->state = state;
  SN_TRY(sn_block_cyclic_create(grid, &state->layout));
  const sn_block_cyclic *layout = &state->layout;
  const bool is_stencil = sn_linear_get_kind(solver->linear) == SN_LINEAR_STENCIL;
  if (is_stencil) SN_TRY(refuse_lossy(solver)); /* before memory is allocated for nothing */
  SN_TRY(sn_collective_status(sn_grid_space(grid), allocate_arrays(solver)));
  snprintf(solver->reason, sizeof solver->reason,
           "dense: LU of a %d x %d matrix on %d x %d processes in blocks of %d, %s", layout->order, layout->order,
           layout->process_rows, layout->process_columns, layout->block,
           sn_linear_is_circulant(solver->linear) ? "as asked (fft would be faster)"
                                                  : "since the linear part is a full matrix");
  return is_stencil ? SN_OK : refuse_lossy(solver);
}

static void destroy(sn_solver *solver) {
  lu *state = solver->state;
  sn_rhs_plan_destroy(&state->reserved);
  sn_redistribution_destroy(&state->fill);
  SN_FREE(state->matrix);
  SN_FREE(state->right);
  SN_FREE(state->factors);
  SN_FREE(state->pivots);
  sn_block_cyclic_destroy(&state->layout);
  SN_FREE(solver->state);
}

static int *pivots_of(const lu *state, int which) {
  return state->pivots + which * (state->layout.rows.count + state->layout.block);
}

static sn_status factor(sn_solver *solver, int which) {
  SN_TRY(allocate_matrix(solver));
  lu *state = solver->state;
  double gamma = solver->gamma[which];
  SN_TRY(write_matrix(solver, fabs(gamma), SN_ERROR_RUN));
  sn_range range = sn_grid_range(solver->grid);
  for (ptrdiff_t i = 0; i < range.count * state->layout.order; i++) state->matrix[i] *= -gamma;
  for (ptrdiff_t i = 0; i < range.count; i++) state->matrix[i * state->layout.order + range.start + i] += 1;
  double *factors = state->factors + which * state->layout.size;
  SN_TRY(sn_redistribution_forward(state->fill, state->matrix, factors));
  free_matrix(solver);
  int first = 1, info, *pivots = pivots_of(state, which);
  if (is_local(state))
    dgetrf_(&state->layout.order, &state->layout.order, factors, &state->layout.leading, pivots, &info);
  else
    pdgetrf_(&state->layout.order, &state->layout.order, factors, &first, &first, state->layout.descriptor, pivots,
             &info);
  if (info)
    return SN_ERROR(SN_ERROR_RUN, "I - gamma A is singular (pivot %d) for gamma = %g; use a smaller step", info, gamma);
  return SN_OK;
}

static sn_status prepare_rhs(lu *state, int samples, sn_rhs_plan *one, sn_cyclic *columns) {
  const sn_block_cyclic *layout = &state->layout;
  int block = (int)sn_partition_most(samples, layout->process_columns);
  SN_TRY(sn_cyclic_distribute(samples, block, layout->process_column, layout->process_columns, columns));
  sn_block_cyclic_describe(layout, samples, block, one->descriptor);
  ptrdiff_t size = state->layout.leading * (columns->count ? columns->count : 1);
  if (size <= state->right_size) return SN_OK;
  SN_FREE(state->right);
  state->right_size = 0;
  SN_TRY(SN_NEW(size, &state->right));
  state->right_size = size;
  return SN_OK;
}

static sn_status reserve(sn_solver *solver, ptrdiff_t samples) {
  lu *state = solver->state;
  if (samples == 0 || sn_rhs_plan_find(state->reserved, samples)) return SN_OK;
  int count;
  SN_TRY(sn_error_collective(sn_count_to_int(samples, "the number of samples", &count)));
  SN_TRY(sn_rhs_plan_add(solver, samples, &state->reserved));
  if (is_local(state)) return SN_OK;
  sn_cyclic columns = {0};
  sn_status status =
      sn_collective_status(sn_grid_space(solver->grid), prepare_rhs(state, count, state->reserved, &columns));
  if (!status) {
    const sn_rhs_plan_layout layout = {.rows = state->layout.rows.count,
                                       .columns = columns.count,
                                       .leading = state->layout.leading,
                                       .row_index = state->layout.rows.index,
                                       .column_index = columns.index};
    status = sn_rhs_plan_create_redistribution(solver, state->reserved, &layout);
  }
  SN_FREE(columns.index);
  return status;
}

static sn_status solve(sn_solver *solver, int which, bool transpose, ptrdiff_t samples, double *x) {
  const lu *state = solver->state;
  if (samples == 0) return SN_OK;
  const sn_rhs_plan *one = sn_rhs_plan_find(state->reserved, samples);
  if (!one) return sn_solver_not_reserved(samples);
  const double *factors = state->factors + which * state->layout.size;
  const int *pivots = pivots_of(state, which), first = 1, count = (int)samples;
  const char *way = transpose ? "N" : "T";
  int info;
  if (is_local(state)) {
    dgetrs_(way, &state->layout.order, &count, factors, &state->layout.leading, pivots, x, &state->layout.order, &info,
            1);
    return SN_OK;
  }
  SN_TRY(sn_redistribution_forward(one->redistribution, x, state->right));
  pdgetrs_(way, &state->layout.order, &count, factors, &first, &first, state->layout.descriptor, pivots, state->right,
           &first, &first, one->descriptor, &info, 1);
  return sn_redistribution_backward(one->redistribution, state->right, x);
}

/* Two redistributions; what pdgetrs sends is ScaLAPACK's. */
static sn_status estimate_cost(const sn_linear *linear, const sn_solver_options *options, int ranks, int gammas,
                               const double *gamma, ptrdiff_t samples, sn_solver_cost *out) {
  (void)options, (void)gamma;
  const double points = (double)sn_grid_points(linear->grid);
  out->held = 8 * points * points / ranks * gammas;
  if (ranks == 1) return SN_OK;
  out->messages = 2 * (ranks - 1);
  out->sent = 2 * 8 * points / ranks * (double)samples;
  return SN_OK;
}

static const char *unsupported(sn_linear_kind linear) {
  return linear == SN_LINEAR_SPECTRAL ? "has no matrix; use fft" : NULL;
}

const sn_solver_ops sn_solver_dense = {
    .unsupported = unsupported,
    .create = create,
    .destroy = destroy,
    .reserve = reserve,
    .factor = factor,
    .solve = solve,
    .estimate_cost = estimate_cost,
};
