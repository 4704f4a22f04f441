/*
 * Band factorization of I - gamma A for a stencil A of half width h, with the periodic corners as a low-rank update.
 * With P the 2 h unit vectors of the first and last h points and K the corners between them, I - gamma A = B + P K P^T,
 * and by Sherman, Morrison and Woodbury
 *
 *   x = y - Z (I + K P^T Z)^-1 K P^T y,   B y = r,   B Z = P.
 *
 * LAPACK on one rank, ScaLAPACK over several, by Cholesky where the stencil is symmetric and its symbol positive, else
 * by LU. ScaLAPACK's pdgbtrs with TRANS = 'T' returns wrong answers (2.2.1), so the transpose is factored separately.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cblas.h>

#include "base/blacs.h"
#include "base/lapack.h"
#include "linear_ops.h"
#include "rhs_plan.h"
#include "sinode/count.h"
#include "sinode/memory.h"
#include "solver_ops.h"

/* One matrix: that of a gamma, or its transpose. */
typedef struct {
  double *band, *fill; /* band NULL: the transpose shares LAPACK's LU */
  int *pivots;
  double *z;          /* (2 h, block): columns of Z */
  double *correction; /* (2 h, 2 h) column-major: (I + K P^T Z)^-1 K */
} factor;

typedef struct {
  int handle, context;     /* of BLACS, on several ranks; context < 0 on a rank without rows */
  int order, half, corner; /* corner: 2 h */
  int block, own;          /* rows of every process but the last, and first dimension of right-hand sides; rows here */
  ptrdiff_t start;         /* the first of them */
  bool definite;
  int leading, diagonal; /* of the band's array: its first dimension, and the row of its diagonal */
  int fill_size, work_size;
  int descriptor[7], right_descriptor[7];
  factor *factors;              /* (gammas, 2) */
  double *work, *ends, *update; /* ends, update: (samples, 2 h): P^T y and (I + K P^T Z)^-1 K P^T y */
  double *right;                /* (samples, block): where the layouts differ */
  ptrdiff_t right_columns, end_columns;
  sn_rhs_plan *reserved;
} banded;

static bool is_local(const sn_solver *solver) { return sn_grid_space_size(solver->grid) == 1; }

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

/* Rows of the last process. Too few of them (below 2 h) give wrong answers: ScaLAPACK does not look. */
static int last_rows(int order, int block) { return order - (order - 1) / block * block; }

/* ScaLAPACK's layout: block rows, only the last of them fewer; ranks may be left without. */
static sn_status lay_out(sn_solver *solver) {
  banded *state = solver->state;
  const int ranks = sn_grid_space_size(solver->grid), rank = sn_grid_space_rank(solver->grid), half = state->half;
  const int share = (int)sn_partition_most(state->order, ranks);
  state->block = share;
  while (last_rows(state->order, state->block) < 2 * half) state->block++;
  const int least = state->definite ? 2 * half : 2 * half + 1;
  if (ranks > 1 && share < least)
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "integrator.solver.kind banded needs %d points on each of the %d space ranks for a stencil of "
                        "%d coefficients, but there are %d; use fft, or fewer ranks in space",
                        least, ranks, 2 * half + 1, state->order / ranks);
  const int processes = (state->order + state->block - 1) / state->block;
  state->start = (ptrdiff_t)rank * state->block;
  state->own = rank < processes ? (rank == processes - 1 ? state->order - (int)state->start : state->block) : 0;
  if (ranks == 1) return SN_OK;
  state->handle = Csys2blacs_handle(sn_grid_space(solver->grid));
  state->context = state->handle;
  Cblacs_gridinit(&state->context, "Row", 1, processes);
  const int band[7] = {501, state->context, state->order, state->block, 0, state->leading, 0};
  const int right[7] = {502, state->context, state->order, state->block, 0, state->block, 0};
  memcpy(state->descriptor, band, sizeof band);
  memcpy(state->right_descriptor, right, sizeof right);
  return SN_OK;
}

static sn_status allocate_factor(sn_solver *solver, factor *one, bool shares) {
  const banded *state = solver->state;
  const ptrdiff_t columns = state->block;
  ptrdiff_t size = 0;
  if (!shares) {
    SN_TRY(SN_NEW(columns * state->leading, &one->band));
    SN_TRY(SN_NEW(state->fill_size, &one->fill));
    size += columns * state->leading + state->fill_size;
    if (!state->definite) SN_TRY(SN_NEW(columns + state->corner, &one->pivots));
  }
  SN_TRY(SN_NEW((ptrdiff_t)state->corner * state->block, &one->z));
  SN_TRY(SN_NEW((ptrdiff_t)state->corner * state->corner, &one->correction));
  solver->bytes += (size + (ptrdiff_t)state->corner * (state->block + state->corner)) * (ptrdiff_t)sizeof(double);
  return SN_OK;
}

static sn_status allocate_arrays(sn_solver *solver) {
  banded *state = solver->state;
  SN_TRY(SN_NEW(2 * (ptrdiff_t)solver->gammas, &state->factors));
  for (int g = 0; g < solver->gammas; g++) {
    SN_TRY(allocate_factor(solver, &state->factors[2 * g], false));
    if (!state->definite) SN_TRY(allocate_factor(solver, &state->factors[2 * g + 1], is_local(solver)));
  }
  return SN_OK;
}

/* First dimension of the band's array: half the band where it is symmetric, else the band and LU's fill-in above it. */
static int leading_of(int half, bool definite, bool local) { return (definite ? 1 : local ? 3 : 4) * half + 1; }

static sn_status choose_sizes(sn_solver *solver) {
  banded *state = solver->state;
  const int half = state->half;
  state->leading = leading_of(half, state->definite, is_local(solver));
  state->diagonal = state->leading - 1 - half;
  SN_TRY(lay_out(solver));
  const ptrdiff_t block = state->block;
  /* pdpbtrf writes beyond the (block + 2 h) h that it asks for. */
  const ptrdiff_t fill = state->definite ? (block + 8 * half) * half : (block + half) * 2 * half + 36 * half * half;
  int fits;
  SN_TRY(sn_count_to_int(block * state->leading, "the number of elements of a band on a rank", &fits));
  return sn_count_to_int(is_local(solver) ? 1 : fill, "the number of elements of a band's fill-in", &state->fill_size);
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
  *state = (banded){.handle = -1,
                    .context = -1,
                    .order = order,
                    .half = half,
                    .corner = 2 * half,
                    .definite = is_definite(solver->linear, solver->gammas, solver->gamma)};
  SN_TRY(sn_collective_status(sn_grid_space(solver->grid), choose_sizes(solver)));
  SN_TRY(sn_collective_status(sn_grid_space(solver->grid), allocate_arrays(solver)));
  snprintf(
      solver->reason, sizeof solver->reason, "banded: %s of a band of %d with periodic corners, %s",
      state->definite ? "Cholesky factorization" : "LU factorization", 2 * half + 1,
      solver->options.kind == SN_SOLVER_BANDED ? "as asked" : "which sends less than transforms over so many ranks");
  for (int g = 0; g < solver->gammas && sn_linear_version(solver->linear) > 0; g++)
    SN_TRY(refuse_lossy(solver, g, SN_ERROR_USAGE));
  return SN_OK;
}

static void destroy(sn_solver *solver) {
  banded *state = solver->state;
  for (int f = 0; state->factors && f < 2 * solver->gammas; f++) {
    SN_FREE(state->factors[f].band);
    SN_FREE(state->factors[f].fill);
    SN_FREE(state->factors[f].pivots);
    SN_FREE(state->factors[f].z);
    SN_FREE(state->factors[f].correction);
  }
  SN_FREE(state->factors);
  sn_rhs_plan_destroy(&state->reserved);
  SN_FREE(state->work);
  SN_FREE(state->ends);
  SN_FREE(state->update);
  SN_FREE(state->right);
  if (!is_local(solver)) {
    if (state->context >= 0) Cblacs_gridexit(state->context);
    if (state->handle >= 0) Cfree_blacs_system_handle(state->handle);
  }
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
  memset(band, 0, (size_t)state->leading * (size_t)state->block * sizeof *band);
  for (ptrdiff_t j = 0; j < state->own; j++)
    for (int d = state->definite ? 0 : -state->half; d <= state->half; d++) { /* row j + d of column j */
      const ptrdiff_t row = state->start + j + d;
      if (row >= 0 && row < state->order)
        band[j * state->leading + state->diagonal + d] = element(solver, which, transpose, -d);
    }
}

/* Point of column q of P. */
static ptrdiff_t end_point(const banded *state, int q) {
  return q < state->half ? q : state->order - state->corner + q;
}

/* K: rows and columns are the 2 h end points. */
static void write_corners(const sn_solver *solver, int which, bool transpose, double *corners) {
  const banded *state = solver->state;
  for (int column = 0; column < state->corner; column++)
    for (int row = 0; row < state->corner; row++) {
      const ptrdiff_t ahead = end_point(state, column) - end_point(state, row); /* the short way round */
      const bool wraps = (row < state->half) != (column < state->half);
      const ptrdiff_t offset = ahead > 0 ? ahead - state->order : ahead + state->order;
      const bool near = offset >= -state->half && offset <= state->half;
      corners[column * state->corner + row] = wraps && near ? element(solver, which, transpose, (int)offset) : 0;
    }
}

static int factorize(const sn_solver *solver, factor *one) {
  banded *state = solver->state;
  const int half = state->half, first = 1;
  int info = 0;
  if (is_local(solver)) {
    if (state->definite)
      dpbtrf_("L", &state->order, &half, one->band, &state->leading, &info, 1);
    else
      dgbtrf_(&state->order, &state->order, &half, &half, one->band, &state->leading, one->pivots, &info);
  } else if (state->own > 0) {
    if (state->definite)
      pdpbtrf_("L", &state->order, &half, one->band, &first, state->descriptor, one->fill, &state->fill_size,
               state->work, &state->work_size, &info, 1);
    else
      pdgbtrf_(&state->order, &half, &half, one->band, &first, state->descriptor, one->pivots, one->fill,
               &state->fill_size, state->work, &state->work_size, &info);
  }
  return info;
}

/* b (columns, block) := B^-1 b, or B^-T b. */
static void solve_band(const sn_solver *solver, int which, bool transpose, int columns, double *b) {
  banded *state = solver->state;
  const int half = state->half, first = 1;
  const factor *one = &state->factors[2 * which + (transpose && !is_local(solver) && !state->definite)];
  int info;
  if (is_local(solver)) {
    if (state->definite)
      dpbtrs_("L", &state->order, &half, &columns, one->band, &state->leading, b, &state->order, &info, 1);
    else
      dgbtrs_(transpose ? "T" : "N", &state->order, &half, &half, &columns, one->band, &state->leading, one->pivots, b,
              &state->order, &info, 1);
  } else if (state->own > 0) {
    if (state->definite)
      pdpbtrs_("L", &state->order, &half, &columns, one->band, &first, state->descriptor, b, &first,
               state->right_descriptor, one->fill, &state->fill_size, state->work, &state->work_size, &info, 1);
    else
      pdgbtrs_("N", &state->order, &half, &half, &columns, one->band, &first, state->descriptor, one->pivots, b, &first,
               state->right_descriptor, one->fill, &state->fill_size, state->work, &state->work_size, &info, 1);
  }
}

/* ends (columns, 2 h) = P^T y, on every rank. */
static void gather_ends(const sn_solver *solver, ptrdiff_t columns, const double *y, double *ends) {
  const banded *state = solver->state;
  for (ptrdiff_t s = 0; s < columns; s++)
    for (int q = 0; q < state->corner; q++) {
      const ptrdiff_t row = end_point(state, q) - state->start;
      ends[s * state->corner + q] = row >= 0 && row < state->own ? y[s * state->block + row] : 0;
    }
  sn_grid_sum_over_space(solver->grid, columns * state->corner, ends);
}

/* Z and (I + K P^T Z)^-1 K. */
static int prepare_update(const sn_solver *solver, int which, bool transpose, factor *one) {
  banded *state = solver->state;
  const int corner = state->corner;
  memset(one->z, 0, (size_t)corner * (size_t)state->block * sizeof *one->z);
  for (int q = 0; q < corner; q++) {
    const ptrdiff_t row = end_point(state, q) - state->start;
    if (row >= 0 && row < state->own) one->z[q * state->block + row] = 1;
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
static sn_status reserve_buffers(banded *state, bool local, ptrdiff_t columns) {
  const ptrdiff_t corner = state->corner, most = columns > corner + 1 ? columns : corner + 1;
  const ptrdiff_t per_column = state->definite ? state->half : state->block + 6 * (ptrdiff_t)state->half;
  if (most <= state->end_columns) return SN_OK;
  SN_FREE(state->ends);
  SN_FREE(state->update);
  SN_FREE(state->work);
  state->end_columns = 0;
  SN_TRY(SN_NEW(most * corner, &state->ends));
  SN_TRY(SN_NEW(most * corner, &state->update));
  if (!local) {
    SN_TRY(sn_count_to_int(most * per_column + corner * corner, "the workspace of a band solve", &state->work_size));
    SN_TRY(SN_NEW(state->work_size, &state->work));
  }
  state->end_columns = most;
  return SN_OK;
}

static sn_status factor_matrix(sn_solver *solver, int which) {
  banded *state = solver->state;
  MPI_Comm space = sn_grid_space(solver->grid);
  SN_TRY(refuse_lossy(solver, which, SN_ERROR_RUN));
  SN_TRY(sn_collective_status(space, reserve_buffers(state, is_local(solver), state->corner)));
  for (int transpose = 0; transpose < (state->definite ? 1 : 2); transpose++) {
    factor *one = &state->factors[2 * which + transpose];
    int info = 0;
    if (one->band) {
      write_band(solver, which, transpose, one->band);
      info = factorize(solver, one);
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
  return (ptrdiff_t)state->block * sn_grid_space_size(solver->grid) == state->order;
}

static sn_status make_right(banded *state, ptrdiff_t samples) {
  if (samples <= state->right_columns) return SN_OK;
  SN_FREE(state->right);
  state->right_columns = 0;
  SN_TRY(SN_NEW(samples * state->block, &state->right));
  state->right_columns = samples;
  return SN_OK;
}

static sn_status plan(const sn_solver *solver, ptrdiff_t samples) {
  banded *state = solver->state;
  MPI_Comm space = sn_grid_space(solver->grid);
  ptrdiff_t *rows = NULL, *columns = NULL;
  sn_status status = make_right(state, samples);
  if (!status) status = sn_rhs_plan_count_up(state->start, state->own, &rows);
  if (!status) status = sn_rhs_plan_count_up(0, samples, &columns);
  status = sn_collective_status(space, status);
  if (!status) {
    const sn_rhs_plan_layout layout = {
        .rows = state->own, .columns = samples, .leading = state->block, .row_index = rows, .column_index = columns};
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
  const ptrdiff_t most = samples * (state->block > state->corner ? state->block : state->corner);
  SN_TRY(sn_error_collective(sn_count_to_int(most, "the number of elements of right-hand sides on a rank", &count)));
  SN_TRY(sn_rhs_plan_add(solver, samples, &state->reserved));
  SN_TRY(sn_collective_status(sn_grid_space(solver->grid), reserve_buffers(state, is_local(solver), samples)));
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
  const factor *update = &state->factors[2 * which + (transpose && !state->definite)];
  const int corner = state->corner, columns = (int)samples;
  gather_ends(solver, samples, y, state->ends);
  cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, corner, columns, corner, 1, update->correction, corner,
              state->ends, corner, 0, state->update, corner);
  if (state->own > 0)
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, state->own, columns, corner, -1, update->z, state->block,
                state->update, corner, 1, y, state->block);
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
  const int band = leading_of(half, definite, local) + fill;
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
