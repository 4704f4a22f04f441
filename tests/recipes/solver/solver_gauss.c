/* Gaussian elimination by hand, without pivots, on one rank: what LAPACK does better. */
#include <stdio.h>

#include "sinode/memory.h"
#include "solver_ops.h"

/* The factors, unit lower and upper, of each gamma: (gammas, points, points). */
typedef struct {
  ptrdiff_t points;
  double *matrix;
} gauss;

static sn_status create(sn_solver *solver) {
  const ptrdiff_t points = sn_grid_points(solver->grid);
  gauss *state;
  if (sn_grid_space_size(solver->grid) > 1)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "integrator.solver.kind gauss runs on one rank in space; use dense");
  SN_TRY(SN_NEW(1, &state));
  solver->state = state;
  state->points = points;
  solver->bytes = solver->gammas * points * points * (ptrdiff_t)sizeof(double);
  snprintf(solver->reason, sizeof solver->reason, "gauss: as asked for");
  return SN_NEW(solver->gammas * points * points, &state->matrix);
}

static void destroy(sn_solver *solver) {
  gauss *state = solver->state;
  SN_FREE(state->matrix);
  SN_FREE(state);
  solver->state = NULL;
}

static sn_status reserve(sn_solver *solver, ptrdiff_t samples) {
  (void)solver, (void)samples;
  return SN_OK;
}

static sn_status factor(sn_solver *solver, int which) {
  const gauss *state = solver->state;
  const ptrdiff_t n = state->points;
  double *m = state->matrix + which * n * n;
  for (ptrdiff_t k = 0; k < n * n; k++) m[k] = 0;
  SN_TRY(sn_linear_rows(solver->linear, m));
  for (ptrdiff_t k = 0; k < n * n; k++) m[k] = (k % (n + 1) == 0) - solver->gamma[which] * m[k];
  for (ptrdiff_t k = 0; k < n; k++)
    for (ptrdiff_t i = k + 1; i < n; i++) {
      m[i * n + k] /= m[k * n + k];
      for (ptrdiff_t j = k + 1; j < n; j++) m[i * n + j] -= m[i * n + k] * m[k * n + j];
    }
  return SN_OK;
}

/* The sum over the others that are known by now: a row of the factors, or a column for the transpose. */
static double known(const double *m, ptrdiff_t n, bool transpose, ptrdiff_t i, ptrdiff_t first, ptrdiff_t end,
                    const double *x) {
  double sum = 0;
  for (ptrdiff_t j = first; j < end; j++) sum += (transpose ? m[j * n + i] : m[i * n + j]) * x[j];
  return sum;
}

/* L U x = r, or U^T L^T x = r; L has ones on its diagonal. */
static sn_status solve(sn_solver *solver, int which, bool transpose, ptrdiff_t samples, double *x) {
  const gauss *state = solver->state;
  const ptrdiff_t n = state->points;
  const double *m = state->matrix + which * n * n;
  for (ptrdiff_t s = 0; s < samples; s++, x += n) {
    for (ptrdiff_t i = 0; i < n; i++)
      x[i] = (x[i] - known(m, n, transpose, i, 0, i, x)) / (transpose ? m[i * n + i] : 1);
    for (ptrdiff_t i = n - 1; i >= 0; i--)
      x[i] = (x[i] - known(m, n, transpose, i, i + 1, n, x)) / (transpose ? 1 : m[i * n + i]);
  }
  return SN_OK;
}

static const char *unsupported(sn_linear_kind linear) {
  return linear == SN_LINEAR_SPECTRAL ? "has no matrix; use fft" : NULL;
}

const sn_solver_ops sn_solver_gauss = {.create = create,
                                       .destroy = destroy,
                                       .reserve = reserve,
                                       .factor = factor,
                                       .solve = solve,
                                       .unsupported = unsupported};
