/*
 * GMRES, matrix-free: applies A, keeps no matrix. Preconditioned from the right, so that its residual is the true one,
 * by the circulant nearest to I - gamma A (T. Chan 1988): its symbol is that of A where A is circulant, else of the
 * means of A's diagonals.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sinode/gmres.h"
#include "sinode/memory.h"
#include "solver_ops.h"
#include "transforms.h"

enum { RESTART = 30 };

typedef struct {
  sn_gmres *gmres;
  ptrdiff_t samples;         /* reserved */
  sn_transforms *transforms; /* of the preconditioner; NULL without one */
  double *diagonals;         /* (points) means of A's diagonals, j - i = 0, 1, ...; NULL where A is circulant */
  double *rows;              /* (own points, points) of A, to take them from */
  double *right, *solution, *image;
} krylov;

/* The context of one solve. */
typedef struct {
  sn_solver *solver;
  int which;
  bool transpose;
} system_of;

/* Symbol `which`: that of (I - gamma[which] C)^-1. */
static sn_status invert(const void *context, int which, ptrdiff_t m, double complex *value) {
  const sn_solver *solver = context;
  const krylov *state = solver->state;
  double complex symbol = 0;
  if (state->diagonals) {
    const ptrdiff_t points = sn_grid_points(solver->grid);
    for (ptrdiff_t d = 0; d < points; d++) {
      const double angle = 2 * M_PI * (double)(m * d % points) / (double)points;
      symbol += state->diagonals[d] * CMPLX(cos(angle), sin(angle));
    }
  } else {
    symbol = sn_linear_symbol(solver->linear, m);
  }
  const double complex divisor = 1 - solver->gamma[which] * symbol;
  *value = cabs(divisor) > 1e-8 ? 1 / divisor : 1; /* it need not be good where the circulant is singular */
  return SN_OK;
}

static sn_status allocate_diagonals(sn_solver *solver) {
  krylov *state = solver->state;
  if (sn_linear_is_circulant(solver->linear)) return SN_OK;
  const ptrdiff_t points = sn_grid_points(solver->grid);
  SN_TRY(SN_NEW(points, &state->diagonals));
  return SN_NEW(sn_grid_range(solver->grid).count * points, &state->rows);
}

static sn_status create(sn_solver *solver) {
  krylov *state;
  MPI_Comm space = sn_grid_space(solver->grid);
  SN_TRY(sn_collective_status(space, SN_NEW(1, &state)));
  solver->state = state;
  const sn_solver_options *options = &solver->options;
  if (options->precondition) {
    SN_TRY(sn_collective_status(space, allocate_diagonals(solver)));
    SN_TRY(sn_transforms_create(solver->grid, options->rigor, solver->gammas, invert, solver, &state->transforms));
  }
  snprintf(solver->reason, sizeof solver->reason, "gmres: matrix-free, to %g in at most %d iterations, %s, %s",
           options->tolerance, options->max_iterations,
           options->precondition ? "preconditioned by the nearest circulant" : "without preconditioner",
           options->kind == SN_SOLVER_GMRES ? "as asked" : "since LU factors of the matrix would not fit");
  return SN_OK;
}

static void destroy(sn_solver *solver) {
  krylov *state = solver->state;
  sn_gmres_destroy(&state->gmres);
  sn_transforms_destroy(&state->transforms);
  SN_FREE(state->diagonals);
  SN_FREE(state->rows);
  SN_FREE(state->right);
  SN_FREE(state->solution);
  SN_FREE(state->image);
  SN_FREE(solver->state);
}

static sn_status reserve_buffers(sn_solver *solver, ptrdiff_t samples) {
  krylov *state = solver->state;
  const ptrdiff_t size = samples * sn_grid_range(solver->grid).count;
  sn_gmres_destroy(&state->gmres);
  SN_FREE(state->right);
  SN_FREE(state->solution);
  SN_FREE(state->image);
  state->samples = 0;
  SN_TRY(sn_gmres_create(solver->grid, samples, RESTART, &state->gmres));
  SN_TRY(SN_NEW(size, &state->right));
  SN_TRY(SN_NEW(size, &state->solution));
  SN_TRY(SN_NEW(size, &state->image));
  state->samples = samples;
  solver->bytes = (RESTART + 5) * size * (ptrdiff_t)sizeof(double);
  return SN_OK;
}

static sn_status reserve(sn_solver *solver, ptrdiff_t samples) {
  krylov *state = solver->state;
  if (samples > state->samples)
    SN_TRY(sn_collective_status(sn_grid_space(solver->grid), reserve_buffers(solver, samples)));
  return state->transforms ? sn_transforms_plan(state->transforms, samples) : SN_OK;
}

/* Evaluates the preconditioner; nothing else is factored. */
static sn_status factor(sn_solver *solver, int which) {
  krylov *state = solver->state;
  if (!state->transforms) return SN_OK;
  if (state->diagonals) {
    const ptrdiff_t points = sn_grid_points(solver->grid);
    const sn_range range = sn_grid_range(solver->grid);
    SN_TRY(sn_linear_rows(solver->linear, state->rows));
    memset(state->diagonals, 0, (size_t)points * sizeof *state->diagonals);
    for (ptrdiff_t i = 0; i < range.count; i++)
      for (ptrdiff_t j = 0; j < points; j++)
        state->diagonals[(points + j - range.start - i) % points] += state->rows[i * points + j] / (double)points;
    sn_grid_sum_over_space(solver->grid, points, state->diagonals);
  }
  return sn_transforms_evaluate(state->transforms, which, 1);
}

/* y = (I - gamma A) P^-1 x, or the same of the transposes. */
static sn_status apply(void *context, ptrdiff_t samples, const double *x, double *y) {
  const system_of *system = context;
  sn_solver *solver = system->solver;
  krylov *state = solver->state;
  const double gamma = solver->gamma[system->which];
  const double *solution = x;
  if (state->transforms) {
    SN_TRY(sn_transforms_multiply(state->transforms, system->which, system->transpose, samples, x, state->image));
    solution = state->image;
  }
  SN_TRY(system->transpose ? sn_linear_apply_transpose(solver->linear, samples, solution, y)
                           : sn_linear_apply(solver->linear, samples, solution, y));
  for (ptrdiff_t k = 0; k < samples * sn_grid_range(solver->grid).count; k++) y[k] = solution[k] - gamma * y[k];
  return SN_OK;
}

static sn_status solve(sn_solver *solver, int which, bool transpose, ptrdiff_t samples, double *x) {
  krylov *state = solver->state;
  if (samples > state->samples || (state->transforms && !sn_transforms_is_planned(state->transforms, samples)))
    return sn_solver_not_reserved(samples);
  if (samples == 0) return SN_OK;
  const size_t bytes = (size_t)(samples * sn_grid_range(solver->grid).count) * sizeof *x;
  system_of system = {solver, which, transpose};
  const sn_gmres_limits limits = {solver->options.tolerance, solver->options.max_iterations};
  sn_gmres_result result;
  memcpy(state->right, x, bytes);
  SN_TRY(sn_gmres_solve(state->gmres, samples, apply, &system, state->right, state->solution, &limits, &result));
  if (isnan(result.residual)) return SN_OK; /* x is left as it is, not finite: the check of the states says where */
  if (!(result.residual <= 10 * limits.tolerance))
    return SN_ERROR(SN_ERROR_RUN,
                    "gmres did not converge for gamma = %g: residual %.2e after %d iterations, %.0e wanted; raise "
                    "integrator.solver.max_iterations or tolerance, or use another integrator.solver.kind",
                    solver->gamma[which], result.residual, result.iterations, limits.tolerance);
  if (state->transforms)
    return sn_transforms_multiply(state->transforms, which, transpose, samples, state->solution, x);
  memcpy(x, state->solution, bytes);
  return SN_OK;
}

const sn_solver_ops sn_solver_gmres = {
    .create = create,
    .destroy = destroy,
    .reserve = reserve,
    .factor = factor,
    .solve = solve,
};
