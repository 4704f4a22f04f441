/*
 * Band factorization of I - gamma A for a stencil A of half width h, with the periodic corners as a low-rank update.
 * With P the 2 h unit vectors of the first and last h points and K the corners between them, I - gamma A = B + P K P^T,
 * and by Sherman, Morrison and Woodbury
 *
 *   x = y - Z (I + K P^T Z)^-1 K P^T y,   B y = r,   B Z = P.
 *
 * By Cholesky where the stencil is symmetric and its symbol positive, else by LU.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cblas.h>

#include "band_matrix.h"
#include "base/lapack.h"
#include "linear_ops.h"
#include "rhs_plan.h"
#include "sinode/count.h"
#include "sinode/memory.h"
#include "solver_ops.h"

/* One matrix: that of a gamma, or its transpose. */
typedef struct {
  sn_band_matrix b;   /* empty: the transpose shares LAPACK's LU */
  double *z;          /* (2 h, block): columns of Z */
  double *correction; /* (2 h, 2 h) column-major: (I + K P^T Z)^-1 K */
} factor;

typedef struct {
  sn_band_layout layout;
  int half, corner;      /* corner: 2 h */
  factor *factors;       /* (gammas, 2) */
  double *ends, *update; /* (samples, 2 h): P^T y and (I + K P^T Z)^-1 K P^T y */
  double *right;         /* (samples, block): where the layouts differ */
  ptrdiff_t right_columns, end_columns;
  sn_rhs_plan *reserved;
} banded;

/* h; a single coefficient is taken for the middle one of three. */
static int half_of(const sn_linear *linear) { return linear->shape.taps > 1 ? linear->shape.taps / 2 : 1; }

/* Whether I - gamma A, and B with it, is symmetric positive definite: by the symbol, also between the grid's modes. */
static bool is_definite(const sn_linear *linear, int gammas, const double *gamma) {
  const double *taps = sn_linear_coefficients(linear);
  const int half = linear->shape.taps / 2;
  /* A trained stencil need not stay symmetric, and coefficients may not be there yet. */
  if (linear->shape.trainable || sn_linear_version(linear) == 0) return false;
  for (int k = 1; k <= half; k++)
    if (taps[half - k] != taps[half + k]) return false;
  enum { ANGLES = 2048 };
  for (int i = 0; i <= ANGLES; i++) {
    double symbol = taps[half];
    for (int k = 1; k <= half; k++) symbol += 2 * taps[half + k] * cos(M_PI * i * k / ANGLES);
    for (int g = 0; g < gammas; g++)
      if (!(1 - gamma[g] * symbol > 0)) return false;
  }
  return true;
}

static sn_status refuse_lossy(const sn_solver *solver, int which, sn_error_code code) {
  return sn_solver_refuse_lossy(solver, solver->gamma[which], sn_linear_row_sum(solver->linear), code);
}

static sn_status allocate_factor(sn_solver *solver, factor *one, bool shares) {
  const banded *state = solver->state;
  const ptrdiff_t corner = state->corner, block = state->layout.block;
  if (!shares) SN_TRY(sn_band_matrix_create(&state->layout, &one->b, &solver->bytes));
  SN_TRY(SN_NEW(corner * block, &one->z));
  SN_TRY(SN_NEW(corner * corner, &one->correction));
  solver->bytes += corner * (block + corner) * (ptrdiff_t)sizeof(double);
  return SN_OK;
}

static sn_status allocate_arrays(sn_solver *solver) {
  banded *state = solver->state;
  SN_TRY(SN_NEW(2 * (ptrdiff_t)solver->gammas, &state->factors));
  for (int g = 0; g < solver->gammas; g++) {
    SN_TRY(allocate_factor(solver, &state->factors[2 * g], false));
    if (!state->layout.definite) SN_TRY(allocate_factor(solver, &state->factors[2 * g + 1], state->layout.local));
  }
  return SN_OK;
}

static sn_status create(sn_solver *solver) {
  banded *state;
  int order;
  SN_TRY(sn_error_collective(sn_count_to_int(sn_grid_points(solver->grid), "the number of grid points", &order)));
  const int taps = solver->linear->shape.taps, half = half_of(solver->linear);
  if (order < 4 * half + 1)
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "integrator.solver.kind banded needs %d grid points for a stencil of %d "
                        "coefficients, but there are %d; use fft",
                        4 * half + 1, taps, order);
  SN_TRY(sn_collective_status(sn_grid_space(solver->grid), SN_NEW(1, &state)));
  solver->state = state;
  state->half = half;
  state->corner = 2 * half;
  const bool definite = is_definite(solver->linear, solver->gammas, solver->gamma);
  SN_TRY(sn_band_layout_create(solver->grid, order, half, definite, &state->layout));
  SN_TRY(sn_collective_status(sn_grid_space(solver->grid), allocate_arrays(solver)));
  snprintf(
      solver->reason, sizeof solver->reason, "banded: %s of a band of %d with periodic corners, %s",
      definite ? "Cholesky factorization" : "LU factorization", 2 * half + 1,
      solver->options.kind == SN_SOLVER_BANDED ? "as asked" : "which sends less than transforms over so many ranks");
  for (int g = 0; g < solver->gammas && sn_linear_version(solver->linear) > 0; g++)
    SN_TRY(refuse_lossy(solver, g, SN_ERROR_USAGE));
  return SN_OK;
}

static void destroy(sn_solver *solver) {
  banded *state = solver->state;
  for (int f = 0; state->factors && f < 2 * solver->gammas; f++) {
    sn_band_matrix_destroy(&state->factors[f].b);
    SN_FREE(state->factors[f].z);
    SN_FREE(state->factors[f].correction);
  }
  SN_FREE(state->factors);
  sn_rhs_plan_destroy(&state->reserved);
  SN_FREE(state->ends);
  SN_FREE(state->update);
  SN_FREE(state->right);
  sn_band_layout_destroy(&state->layout);
  SN_FREE(solver->state);
}

/* Element of I - gamma A, or of its transpose, `offset` columns right of the diagonal (periodic). */
static double element(const sn_solver *solver, int which, bool transpose, int offset) {
  const int half = solver->linear->shape.taps / 2;
  const int k = transpose ? -offset : offset;
  const double tap = k < -half || k > half ? 0 : sn_linear_coefficients(solver->linear)[half + k];
  return (offset == 0) - solver->gamma[which] * tap;
}

static void write_band(const sn_solver *solver, int which, bool transpose, double *band) {
  const banded *state = solver->state;
  const sn_band_layout *layout = &state->layout;
  memset(band, 0, (size_t)layout->leading * (size_t)layout->block * sizeof *band);
  for (ptrdiff_t j = 0; j < layout->own; j++)
    for (int d = layout->definite ? 0 : -state->half; d <= state->half; d++) { /* row j + d of column j */
      const ptrdiff_t row = layout->start + j + d;
      if (row >= 0 && row < layout->order)
        band[j * layout->leading + layout->diagonal + d] = element(solver, which, transpose, -d);
    }
}

/* Point of column q of P. */
static ptrdiff_t end_point(const banded *state, int q) {
  return q < state->half ? q : state->layout.order - state->corner + q;
}

/* K: rows and columns are the 2 h end points. */
static void write_corners(const sn_solver *solver, int which, bool transpose, double *corners) {
  const banded *state = solver->state;
  for (int column = 0; column < state->corner; column++)
    for (int row = 0; row < state->corner; row++) {
      const ptrdiff_t ahead = end_point(state, column) - end_point(state, row); /* the short way round */
      const bool wraps = (row < state->half) != (column < state->half);
      const ptrdiff_t offset = ahead > 0 ? ahead - state->layout.order : ahead + state->layout.order;
      const bool near = offset >= -state->half && offset <= state->half;
      corners[column * state->corner + row] = wraps && near ? element(solver, which, transpose, (int)offset) : 0;
    }
}

/* b (columns, block) := B^-1 b, or B^-T b. */
static void solve_band(const sn_solver *solver, int which, bool transpose, int columns, double *b) {
  const banded *state = solver->state;
  const bool has_own = transpose && !state->layout.local && !state->layout.definite;
  sn_band_matrix_solve(&state->layout, &state->factors[2 * which + has_own].b, transpose, columns, b);
}

/* ends (columns, 2 h) = P^T y, on every rank. */
static void gather_ends(const sn_solver *solver, ptrdiff_t columns, const double *y, double *ends) {
  const banded *state = solver->state;
  for (ptrdiff_t s = 0; s < columns; s++)
    for (int q = 0; q < state->corner; q++) {
      const ptrdiff_t row = end_point(state, q) - state->layout.start;
      ends[s * state->corner + q] = row >= 0 && row < state->layout.own ? y[s * state->layout.block + row] : 0;
    }
  sn_grid_sum_over_space(solver->grid, columns * state->corner, ends);
}

/* Z and (I + K P^T Z)^-1 K. */
static int prepare_update(const sn_solver *solver, int which, bool transpose, factor *one) {
  banded *state = solver->state;
  const int corner = state->corner;
  memset(one->z, 0, (size_t)corner * (size_t)state->layout.block * sizeof *one->z);
  for (int q = 0; q < corner; q++) {
    const ptrdiff_t row = end_point(state, q) - state->layout.start;
    if (row >= 0 && row < state->layout.own) one->z[q * state->layout.block + row] = 1;
  }
  solve_band(solver, which, transpose, corner, one->z);
  double *ends = state->ends, *capacitance = state->update; /* both have at least 2 h columns */
  int *pivots = (int *)(void *)(capacitance + corner * corner), info;
  gather_ends(solver, corner, one->z, ends);
  write_corners(solver, which, transpose, one->correction);
  for (int i = 0; i < corner * corner; i++) capacitance[i] = i % (corner + 1) == 0;
  cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, corner, corner, corner, 1, one->correction, corner, ends,
              corner, 1, capacitance, corner);
  dgetrf_(&corner, &corner, capacitance, &corner, pivots, &info);
  if (!info) dgetrs_("N", &corner, &corner, capacitance, &corner, pivots, one->correction, &corner, &info, 1);
  return info;
}

/* Buffers for `columns` right-hand sides, at least 2 h, and for the pivots of the update. Local. */
static sn_status reserve_buffers(banded *state, ptrdiff_t columns) {
  const ptrdiff_t corner = state->corner, most = columns > corner + 1 ? columns : corner + 1;
  if (most <= state->end_columns) return SN_OK;
  SN_FREE(state->ends);
  SN_FREE(state->update);
  state->end_columns = 0;
  SN_TRY(SN_NEW(most * corner, &state->ends));
  SN_TRY(SN_NEW(most * corner, &state->update));
  SN_TRY(sn_band_layout_reserve(&state->layout, most));
  state->end_columns = most;
  return SN_OK;
}

static sn_status factor_matrix(sn_solver *solver, int which) {
  banded *state = solver->state;
  MPI_Comm space = sn_grid_space(solver->grid);
  SN_TRY(refuse_lossy(solver, which, SN_ERROR_RUN));
  SN_TRY(sn_collective_status(space, reserve_buffers(state, state->corner)));
  for (int transpose = 0; transpose < (state->layout.definite ? 1 : 2); transpose++) {
    factor *one = &state->factors[2 * which + transpose];
    int info = 0;
    if (one->b.band) {
      write_band(solver, which, transpose, one->b.band);
      info = sn_band_matrix_factorize(&state->layout, &one->b);
    }
    MPI_Allreduce(MPI_IN_PLACE, &info, 1, MPI_INT, MPI_MAX, space);
    if (!info) info = prepare_update(solver, which, transpose, one);
    if (info)
      return SN_ERROR(SN_ERROR_RUN,
                      "I - gamma A is singular as a band matrix (%d) for gamma = %g; use a smaller step "
                      "or the fft solver",
                      info, solver->gamma[which]);
  }
  return SN_OK;
}

/* Whether every rank's block of the grid is that of ScaLAPACK's layout. */
static bool same_layout(const sn_solver *solver) {
  const banded *state = solver->state;
  return (ptrdiff_t)state->layout.block * sn_grid_space_size(solver->grid) == state->layout.order;
}

static sn_status make_right(banded *state, ptrdiff_t samples) {
  if (samples <= state->right_columns) return SN_OK;
  SN_FREE(state->right);
  state->right_columns = 0;
  SN_TRY(SN_NEW(samples * state->layout.block, &state->right));
  state->right_columns = samples;
  return SN_OK;
}

static sn_status plan(const sn_solver *solver, ptrdiff_t samples) {
  banded *state = solver->state;
  MPI_Comm space = sn_grid_space(solver->grid);
  ptrdiff_t *rows = NULL, *columns = NULL;
  sn_status status = make_right(state, samples);
  if (!status) status = sn_rhs_plan_count_up(state->layout.start, state->layout.own, &rows);
  if (!status) status = sn_rhs_plan_count_up(0, samples, &columns);
  status = sn_collective_status(space, status);
  if (!status) {
    const sn_rhs_plan_layout layout = {.rows = state->layout.own,
                                       .columns = samples,
                                       .leading = state->layout.block,
                                       .row_index = rows,
                                       .column_index = columns};
    status = sn_rhs_plan_create_redistribution(solver, state->reserved, &layout);
  }
  SN_FREE(rows);
  SN_FREE(columns);
  return status;
}

static sn_status reserve(sn_solver *solver, ptrdiff_t samples) {
  banded *state = solver->state;
  if (samples == 0 || sn_rhs_plan_find(state->reserved, samples)) return SN_OK;
  int count;
  const ptrdiff_t most = samples * (state->layout.block > state->corner ? state->layout.block : state->corner);
  SN_TRY(sn_error_collective(sn_count_to_int(most, "the number of elements of right-hand sides on a rank", &count)));
  SN_TRY(sn_rhs_plan_add(solver, samples, &state->reserved));
  SN_TRY(sn_collective_status(sn_grid_space(solver->grid), reserve_buffers(state, samples)));
  return same_layout(solver) ? SN_OK : plan(solver, samples);
}

static sn_status solve(sn_solver *solver, int which, bool transpose, ptrdiff_t samples, double *x) {
  banded *state = solver->state;
  if (samples == 0) return SN_OK;
  const sn_rhs_plan *one = sn_rhs_plan_find(state->reserved, samples);
  if (!one) return sn_solver_not_reserved(samples);
  double *y = one->redistribution ? state->right : x;
  if (one->redistribution) SN_TRY(sn_redistribution_forward(one->redistribution, x, y));
  solve_band(solver, which, transpose, (int)samples, y);
  const factor *update = &state->factors[2 * which + (transpose && !state->layout.definite)];
  const int corner = state->corner, columns = (int)samples;
  gather_ends(solver, samples, y, state->ends);
  cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, corner, columns, corner, 1, update->correction, corner,
              state->ends, corner, 0, state->update, corner);
  if (state->layout.own > 0)
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, state->layout.own, columns, corner, -1, update->z,
                state->layout.block, state->update, corner, 1, y, state->layout.block);
  return one->redistribution ? sn_redistribution_backward(one->redistribution, y, x) : SN_OK;
}

/* Right-hand sides that our blocks have elsewhere than ScaLAPACK's, of N. */
static ptrdiff_t moved_values(ptrdiff_t points, int ranks) {
  const ptrdiff_t block = sn_partition_most(points, ranks);
  ptrdiff_t count = points;
  for (int rank = 0; rank < ranks; rank++) {
    const sn_range ours = sn_partition_range((sn_partition){.points = points, .ranks = ranks}, rank);
    count -= sn_range_intersect(ours, (sn_range){rank * block, block}).count;
  }
  return count;
}

static sn_status estimate_cost(const sn_linear *linear, const sn_solver_options *options, int ranks, int gammas,
                               const double *gamma, ptrdiff_t samples, sn_solver_cost *out) {
  (void)options;
  const ptrdiff_t points = sn_grid_points(linear->grid);
  const int half = half_of(linear);
  const bool local = ranks == 1, definite = is_definite(linear, gammas, gamma);
  const int fill = local ? 0 : (definite ? 1 : 2) * half;
  const int band = sn_band_leading(half, definite, local) + fill;
  const int bands = definite || local ? 1 : 2;
  const int updates = definite ? 1 : 2;
  const double block = (double)sn_partition_most(points, ranks);
  const double columns = (double)(half * samples);
  out->held = 8 * gammas * block * (double)(bands * band + updates * 2 * half);
  if (local) return SN_OK;
  const double levels = ceil(log2(ranks));
  const double moved = 2 * 8 * (double)moved_values(points, ranks) / ranks * (double)samples;
  out->messages = 2 * levels + 4 + (moved > 0 ? 4 : 0); /* a neighbour or two each way where blocks differ */
  out->sent = 8 * columns * 2 * levels + 16 * columns + 12 + moved;
  return SN_OK;
}

static const char *unsupported(sn_linear_kind linear) {
  if (linear == SN_LINEAR_DENSE) return "has no band; use dense or gmres";
  return linear == SN_LINEAR_SPECTRAL ? "has no band; use fft" : NULL;
}

const sn_solver_ops sn_solver_banded = {
    .unsupported = unsupported,
    .create = create,
    .destroy = destroy,
    .reserve = reserve,
    .factor = factor_matrix,
    .solve = solve,
    .estimate_cost = estimate_cost,
};
