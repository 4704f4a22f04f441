#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "linear_ops.h"
#include "sinode/memory.h"
#include "solver_ops.h"
#include "transforms.h"

/* Where samples have parameters, every gamma has a symbol for each of them. */
typedef struct {
  sn_transforms *transforms;
  int parameters;
  double *inverse; /* (gammas, points, points): column after column; NULL on more points */
  double *given;   /* (MATRIX_ROWS, points): right-hand sides that are multiplied by one */
} fft;

/*
 * On so few points a product of so many right-hand sides with the inverse is faster than two transforms
 * (docs/performance.md); the BLAS multiplies MATRIX_ROWS of them without copying them into an order of its own.
 */
enum { MATRIX_POINTS_MOST = 96, MATRIX_SAMPLES_LEAST = 8, MATRIX_ROWS = 32 };

/* Numbers of an inverse; 0: there is none. */
static ptrdiff_t matrix_size(const sn_linear *linear, int ranks) {
  const ptrdiff_t n = sn_grid_points(linear->grid);
  return ranks == 1 && n <= MATRIX_POINTS_MOST && !linear->shape.scaled ? n * n : 0;
}

/* Symbol number `index`: that of (I - gamma[which] A)^-1 for a parameter. */
static sn_status invert(const void *context, int index, ptrdiff_t m, double complex *value) {
  const sn_solver *solver = context;
  const fft *state = solver->state;
  const sn_linear at = sn_linear_at(solver->linear, index % state->parameters);
  return sn_solver_invert_symbol(&at, solver->gamma[index / state->parameters], (double)m, value);
}

static sn_status make_matrices(sn_solver *solver) {
  fft *state = solver->state;
  const ptrdiff_t size = matrix_size(solver->linear, sn_grid_space_size(solver->grid));
  if (size == 0) return SN_OK;
  SN_TRY(sn_transforms_plan(state->transforms, 1));
  SN_TRY(SN_NEW(MATRIX_ROWS * sn_grid_points(solver->grid), &state->given));
  return SN_NEW(solver->gammas * size, &state->inverse);
}

/* Its columns are the first one, what becomes of a unit impulse, shifted. */
static sn_status fill_matrix(const sn_solver *solver, int which) {
  const fft *state = solver->state;
  const ptrdiff_t n = sn_grid_points(solver->grid);
  double *column = state->inverse + which * n * n;
  memset(column, 0, (size_t)n * sizeof *column);
  column[0] = 1;
  SN_TRY(sn_transforms_multiply(state->transforms, which, false, 1, column, column));
  for (ptrdiff_t i = 1; i < n; i++) {
    memcpy(column + i * n + i, column, (size_t)(n - i) * sizeof *column);
    memcpy(column + i * n, column + n - i, (size_t)i * sizeof *column);
  }
  return SN_OK;
}

static sn_status create(sn_solver *solver) {
  fft *state;
  SN_TRY(sn_collective_status(sn_grid_space(solver->grid), SN_NEW(1, &state)));
  solver->state = state;
  state->parameters = solver->linear->values;
  SN_TRY(sn_transforms_create(solver->grid, solver->options.rigor, solver->gammas * state->parameters, invert, solver,
                              &state->transforms));
  SN_TRY(make_matrices(solver));
  snprintf(solver->reason, sizeof solver->reason,
           "fft: the %s linear part is circulant, so that two transforms solve it to round-off on every grid",
           sn_linear_kind_name(sn_linear_get_kind(solver->linear)));
  return SN_OK;
}

static void destroy(sn_solver *solver) {
  fft *state = solver->state;
  sn_transforms_destroy(&state->transforms);
  SN_FREE(state->inverse);
  SN_FREE(state->given);
  SN_FREE(solver->state);
}

static sn_status reserve(sn_solver *solver, ptrdiff_t samples) {
  fft *state = solver->state;
  SN_TRY(solver->linear->row ? sn_transforms_plan_rows(state->transforms, samples)
                             : sn_transforms_plan(state->transforms, samples));
  solver->bytes = sn_transforms_bytes(state->transforms);
  if (state->inverse)
    solver->bytes += solver->gammas * matrix_size(solver->linear, 1) * (ptrdiff_t)sizeof *state->inverse;
  return SN_OK;
}

static sn_status factor(sn_solver *solver, int which) {
  fft *state = solver->state;
  if (state->parameters != solver->linear->values) {
    state->parameters = solver->linear->values;
    SN_TRY(sn_transforms_resize(state->transforms, solver->gammas * state->parameters));
    solver->bytes = sn_transforms_bytes(state->transforms);
    for (int g = 0; g < solver->gammas; g++) solver->version[g] = -1;
  }
  SN_TRY(sn_transforms_evaluate(state->transforms, which * state->parameters, state->parameters));
  return state->inverse ? fill_matrix(solver, which) : SN_OK;
}

/* Rows are right-hand sides. */
static void multiply(const sn_solver *solver, int which, bool transpose, ptrdiff_t samples, const double *from,
                     double *x) {
  const fft *state = solver->state;
  const int n = (int)sn_grid_points(solver->grid);
  for (ptrdiff_t first = 0; first < samples; first += MATRIX_ROWS) {
    const int rows = (int)(samples - first < MATRIX_ROWS ? samples - first : MATRIX_ROWS);
    const double *given = from + first * n;
    if (from == x) given = memcpy(state->given, given, (size_t)(rows * n) * sizeof *x);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, transpose ? CblasTrans : CblasNoTrans, rows, n, n, 1, given, n,
                state->inverse + which * n * n, n, 0, x + first * n, n);
  }
}

static sn_status solve_from(sn_solver *solver, int which, bool transpose, ptrdiff_t samples, const double *from,
                            double *x) {
  const fft *state = solver->state;
  const sn_transforms_rows rows = {solver->linear->row, solver->linear->rows, 1};
  if (!(rows.row ? sn_transforms_rows_are_planned(state->transforms, samples)
                 : sn_transforms_is_planned(state->transforms, samples)))
    return sn_solver_not_reserved(samples);
  if (rows.row)
    return sn_transforms_multiply_rows(state->transforms, which * state->parameters, &rows, transpose, samples, from,
                                       x);
  if (!state->inverse || samples < MATRIX_SAMPLES_LEAST)
    return sn_transforms_multiply(state->transforms, which, transpose, samples, from, x);
  multiply(solver, which, transpose, samples, from, x);
  return SN_OK;
}

static sn_status solve(sn_solver *solver, int which, bool transpose, ptrdiff_t samples, double *x) {
  return solve_from(solver, which, transpose, samples, x, x);
}

/* Two transforms, from blocks and back to them; sample by sample where two would share one. */
static sn_status estimate_cost(const sn_linear *linear, const sn_solver_options *options, int ranks, int gammas,
                               const double *gamma, ptrdiff_t samples, sn_solver_cost *out) {
  (void)options, (void)gamma;
  const ptrdiff_t points = sn_grid_points(linear->grid);
  const sn_fourier_cost one = sn_fourier_estimate_cost(points, ranks, 1);
  const bool apart = linear->shape.scaled && !one.n1;
  const double times = apart ? (double)samples : 1;
  const sn_fourier_cost f = apart ? one : sn_fourier_estimate_cost(points, ranks, samples);
  const double packet = apart ? 1 : (double)sn_transforms_packet(points, ranks);
  out->messages = ranks > 1 ? 2 * (f.messages + ranks - 1) * ceil((double)samples / packet) : 0;
  out->sent = 2 * (f.transpose + f.redistribution) * times;
  out->most = (f.transpose_most + f.redistribution_most) * times;
  /* A symbol, of each parameter, and its conjugate. */
  out->held = gammas * (2 * 8 * one.numbers * linear->values + 8 * (double)matrix_size(linear, ranks));
  return SN_OK;
}

static const char *unsupported(sn_linear_kind linear) {
  return linear == SN_LINEAR_DENSE ? "is not circulant; use dense or gmres" : NULL;
}

const sn_solver_ops sn_solver_fft = {
    .unsupported = unsupported,
    .create = create,
    .destroy = destroy,
    .reserve = reserve,
    .factor = factor,
    .solve = solve,
    .solve_from = solve_from,
    .estimate_cost = estimate_cost,
};
