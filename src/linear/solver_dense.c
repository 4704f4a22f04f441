#include <math.h>
#include <stdint.h>
#include <stdio.h>

#include <cblas.h>

#include "base/blacs.h"
#include "base/lapack.h"
#include "linear_ops.h"
#include "rhs_plan.h"
#include "sinode/count.h"
#include "sinode/memory.h"
#include "sinode/redistribution.h"
#include "solver_ops.h"

enum { BLOCK_MOST = 64, DESCRIPTOR = SN_RHS_PLAN_DESCRIPTOR };

/* This rank's indices of one dimension, distributed block-cyclically over the rows or columns of the process grid. */
typedef struct {
  ptrdiff_t count, *index;
} cyclic;

typedef struct {
  int handle, context; /* of BLACS, on several ranks */
  int process_rows, process_columns, process_row, process_column;
  int order, block, leading;
  int descriptor[DESCRIPTOR];
  cyclic rows, columns;
  ptrdiff_t factor_size;
  double *factors; /* (gammas, factor_size): of the transpose, since our rows are Fortran's columns */
  int *pivots;     /* (gammas, rows.count + block) */
  double *matrix;  /* local rows of I - gamma A, and their redistribution into a factor */
  sn_redistribution *fill;
  sn_rhs_plan *reserved; /* rows distributed like those of A, columns in one block for each process column */
  double *right;
  ptrdiff_t right_size;
} lu;

/* Item l of process p of P: item l % block of block (l / block) P + p. */
static sn_status distribute(ptrdiff_t items, ptrdiff_t block, int process, int processes, cyclic *out) {
  ptrdiff_t count = 0;
  for (ptrdiff_t first = process * block; first < items; first += processes * block)
    count += items - first < block ? items - first : block;
  out->count = count;
  SN_TRY(SN_NEW(count, &out->index));
  for (ptrdiff_t i = 0; i < count; i++) out->index[i] = (i / block * processes + process) * block + i % block;
  return SN_OK;
}

static void describe(const lu *state, int columns, int column_block, int *descriptor) {
  int zero = 0, info;
  descinit_(descriptor, &state->order, &columns, &state->block, &column_block, &zero, &zero, &state->context,
            &state->leading, &info);
}

/*
 * On one process matrix and right-hand sides need no redistribution, and LAPACK is called directly: as fast as
 * ScaLAPACK for dozens of right-hand sides, two to four times faster for a single one (N = 64 to 1024).
 */
static bool is_local(const lu *state) { return state->process_columns == 1; }

/* The process grid nearest to a square, and blocks small enough to give every process some. */
static void shape_grid(const sn_grid *grid, lu *state) {
  int ranks = sn_grid_space_size(grid);
  for (int p = 1; p * p <= ranks; p++)
    if (ranks % p == 0) state->process_rows = p;
  state->process_columns = ranks / state->process_rows;
  int share = (int)sn_partition_most(state->order, state->process_columns);
  state->block = share < BLOCK_MOST ? share : BLOCK_MOST;
  if (is_local(state)) return;
  state->handle = Csys2blacs_handle(sn_grid_space(grid));
  state->context = state->handle;
  Cblacs_gridinit(&state->context, "Row", state->process_rows, state->process_columns);
  Cblacs_gridinfo(state->context, &state->process_rows, &state->process_columns, &state->process_row,
                  &state->process_column);
}

static sn_status allocate_arrays(sn_solver *solver) {
  lu *state = solver->state;
  SN_TRY(distribute(state->order, state->block, state->process_row, state->process_rows, &state->rows));
  SN_TRY(distribute(state->order, state->block, state->process_column, state->process_columns, &state->columns));
  state->leading = state->rows.count > 1 ? (int)state->rows.count : 1;
  state->factor_size = state->leading * state->columns.count;
  ptrdiff_t size, pivots = state->rows.count + state->block;
  int fits;
  SN_TRY(sn_count_to_int(state->factor_size, "the number of elements of a dense factor on a rank", &fits));
  if (!sn_count_multiply(state->factor_size, solver->gammas, &size)) size = PTRDIFF_MAX;
  SN_TRY(SN_NEW(size, &state->factors));
  SN_TRY(SN_NEW(pivots * solver->gammas, &state->pivots));
  solver->bytes = size * (ptrdiff_t)sizeof *state->factors + pivots * solver->gammas * (ptrdiff_t)sizeof *state->pivots;
  if (!is_local(state)) describe(state, state->order, state->block, state->descriptor);
  return SN_OK;
}

/* Memory for the rows of the matrix and their redistribution into a factor; a fixed A frees it after each use.
 * Collective. */
static sn_status allocate_matrix(const sn_solver *solver) {
  lu *state = solver->state;
  if (state->matrix) return SN_OK;
  MPI_Comm space = sn_grid_space(solver->grid);
  sn_range range = sn_grid_range(solver->grid);
  ptrdiff_t *row = NULL, *column = NULL;
  sn_status status = SN_NEW(range.count * state->order, &state->matrix);
  if (!status) status = sn_rhs_plan_count_up(range.start, range.count, &row);
  if (!status) status = sn_rhs_plan_count_up(0, state->order, &column);
  status = sn_collective_status(space, status);
  if (!status) {
    sn_redistribution_part from = {.rows = range.count,
                                   .columns = state->order,
                                   .row_index = row,
                                   .column_index = column,
                                   .row_stride = state->order,
                                   .column_stride = 1};
    sn_redistribution_part to = {.rows = state->columns.count,
                                 .columns = state->rows.count,
                                 .row_index = state->columns.index,
                                 .column_index = state->rows.index,
                                 .row_stride = state->leading,
                                 .column_stride = 1};
    status = sn_redistribution_create(space, &from, &to, sn_grid_timer(solver->grid), &state->fill);
  }
  SN_FREE(row);
  SN_FREE(column);
  return status;
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
    double sum = cblas_dasum(state->order, state->matrix + i * state->order, 1);
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
  int order;
  SN_TRY(sn_error_collective(sn_count_to_int(sn_grid_points(grid), "the number of grid points", &order)));
  SN_TRY(sn_collective_status(sn_grid_space(grid), SN_NEW(1, &state)));
  solver->state = state;
  state->order = order;
  shape_grid(grid, state);
  const bool is_stencil = sn_linear_get_kind(solver->linear) == SN_LINEAR_STENCIL;
  if (is_stencil) SN_TRY(refuse_lossy(solver)); /* before memory is allocated for nothing */
  SN_TRY(sn_collective_status(sn_grid_space(grid), allocate_arrays(solver)));
  snprintf(solver->reason, sizeof solver->reason,
           "dense: LU of a %d x %d matrix on %d x %d processes in blocks of %d, %s", order, order, state->process_rows,
           state->process_columns, state->block,
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
  SN_FREE(state->rows.index);
  SN_FREE(state->columns.index);
  SN_FREE(state->factors);
  SN_FREE(state->pivots);
  if (!is_local(state)) {
    Cblacs_gridexit(state->context);
    Cfree_blacs_system_handle(state->handle);
  }
  SN_FREE(solver->state);
}

static int *pivots_of(const lu *state, int which) { return state->pivots + which * (state->rows.count + state->block); }

static sn_status factor(sn_solver *solver, int which) {
  SN_TRY(allocate_matrix(solver));
  lu *state = solver->state;
  double gamma = solver->gamma[which];
  SN_TRY(write_matrix(solver, fabs(gamma), SN_ERROR_RUN));
  sn_range range = sn_grid_range(solver->grid);
  for (ptrdiff_t i = 0; i < range.count * state->order; i++) state->matrix[i] *= -gamma;
  for (ptrdiff_t i = 0; i < range.count; i++) state->matrix[i * state->order + range.start + i] += 1;
  double *factors = state->factors + which * state->factor_size;
  SN_TRY(sn_redistribution_forward(state->fill, state->matrix, factors));
  free_matrix(solver);
  int first = 1, info, *pivots = pivots_of(state, which);
  if (is_local(state))
    dgetrf_(&state->order, &state->order, factors, &state->leading, pivots, &info);
  else
    pdgetrf_(&state->order, &state->order, factors, &first, &first, state->descriptor, pivots, &info);
  if (info)
    return SN_ERROR(SN_ERROR_RUN, "I - gamma A is singular (pivot %d) for gamma = %g; use a smaller step", info, gamma);
  return SN_OK;
}

static sn_status prepare_rhs(lu *state, int samples, sn_rhs_plan *one, cyclic *columns) {
  int block = (int)sn_partition_most(samples, state->process_columns);
  SN_TRY(distribute(samples, block, state->process_column, state->process_columns, columns));
  describe(state, samples, block, one->descriptor);
  ptrdiff_t size = state->leading * (columns->count ? columns->count : 1);
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
  cyclic columns = {0};
  sn_status status =
      sn_collective_status(sn_grid_space(solver->grid), prepare_rhs(state, count, state->reserved, &columns));
  if (!status) {
    const sn_rhs_plan_layout layout = {.rows = state->rows.count,
                                       .columns = columns.count,
                                       .leading = state->leading,
                                       .row_index = state->rows.index,
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
  const double *factors = state->factors + which * state->factor_size;
  const int *pivots = pivots_of(state, which), first = 1, count = (int)samples;
  const char *way = transpose ? "N" : "T";
  int info;
  if (is_local(state)) {
    dgetrs_(way, &state->order, &count, factors, &state->leading, pivots, x, &state->order, &info, 1);
    return SN_OK;
  }
  SN_TRY(sn_redistribution_forward(one->redistribution, x, state->right));
  pdgetrs_(way, &state->order, &count, factors, &first, &first, state->descriptor, pivots, state->right, &first, &first,
           one->descriptor, &info, 1);
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
