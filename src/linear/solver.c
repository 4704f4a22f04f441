#include "sinode/solver.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "sinode/memory.h"
#include "solver_kind.h"

static const sn_solver_operations *const kinds[] = {
    [SN_SOLVER_FFT] = &sn_solver_fft,
    [SN_SOLVER_BANDED] = &sn_solver_banded,
    [SN_SOLVER_DENSE] = &sn_solver_dense,
};

static sn_status prepare(sn_solver *solver, int gammas, const double *gamma) {
  SN_TRY(SN_NEW(gammas, &solver->gamma));
  SN_TRY(SN_NEW(gammas, &solver->version));
  memcpy(solver->gamma, gamma, (size_t)gammas * sizeof *gamma);
  for (int i = 0; i < gammas; i++) solver->version[i] = -1;
  return SN_OK;
}

sn_status sn_solver_create(const sn_grid *grid, sn_linear *linear, sn_solver_kind kind, int gammas, const double *gamma,
                           sn_fourier_effort effort, sn_solver **out) {
  *out = NULL;
  bool circulant = sn_linear_is_circulant(linear);
  if (kind == SN_SOLVER_FFT && !circulant)
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "integrator.solver.kind is fft, but a linear part of kind %s is not circulant; use dense",
                        sn_linear_kind_name(sn_linear_get_kind(linear)));
  if (kind == SN_SOLVER_BANDED && sn_linear_get_kind(linear) != SN_LINEAR_STENCIL)
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "integrator.solver.kind is banded, but a linear part of kind %s has no band; use %s",
                        sn_linear_kind_name(sn_linear_get_kind(linear)), circulant ? "fft" : "dense");
  if (kind == SN_SOLVER_DENSE && sn_linear_get_kind(linear) == SN_LINEAR_SPECTRAL)
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "integrator.solver.kind is dense, but a spectral linear part has no matrix; use fft");
  if (kind == SN_SOLVER_AUTO) kind = circulant ? SN_SOLVER_FFT : SN_SOLVER_DENSE;
  sn_solver *solver;
  SN_TRY(sn_agree(sn_grid_space(grid), SN_NEW(1, &solver)));
  *solver = (sn_solver){.operations = kinds[kind], .grid = grid, .linear = linear, .gammas = gammas};
  sn_status status = sn_agree(sn_grid_space(grid), prepare(solver, gammas, gamma));
  if (!status) status = solver->operations->create(solver, effort);
  if (status) sn_solver_destroy(&solver);
  *out = solver;
  return status;
}

void sn_solver_destroy(sn_solver **solver) {
  if (!*solver) return;
  if ((*solver)->state) (*solver)->operations->destroy(*solver);
  sn_memory_give(&(*solver)->gamma);
  sn_memory_give(&(*solver)->version);
  sn_memory_give(solver);
}

sn_status sn_solver_reserve(sn_solver *solver, ptrdiff_t samples) {
  return solver->operations->reserve(solver, samples);
}

sn_status sn_solver_not_reserved(ptrdiff_t samples) {
  return SN_ERROR_ALL(SN_ERROR_RUN, "a solve of %td samples was not announced to sn_solver_reserve", samples);
}

sn_status sn_solver_refuse_lossy(const sn_solver *solver, double gamma, double norm, sn_error_code code) {
  static const double most = 1e-6;
  const double loss = DBL_EPSILON * fabs(gamma) * norm;
  if (loss <= most) return SN_OK;
  return SN_ERROR_ALL(code,
                      "the %s solver keeps I - gamma A as a matrix, whose identity part would be lost to about %.1e "
                      "(eps gamma |A|, at most %.0e allowed) at gamma = %g; %s",
                      sn_solver_name(solver), loss, most, gamma,
                      sn_linear_is_circulant(solver->linear) ? "use integrator.solver.kind fft, which loses nothing"
                                                             : "use a coarser grid or a smaller step");
}

static sn_status factor(sn_solver *solver, int which) {
  sn_timer *timer = sn_grid_timer(solver->grid);
  sn_timer_start(timer, SN_TIME_FACTOR);
  sn_status status = solver->operations->factor(solver, which);
  sn_timer_stop(timer, SN_TIME_FACTOR);
  SN_TRY(status);
  solver->version[which] = sn_linear_version(solver->linear);
  solver->factorizations++;
  return SN_OK;
}

static sn_status solve(sn_solver *solver, int which, bool transpose, ptrdiff_t samples, double *x) {
  if (solver->version[which] != sn_linear_version(solver->linear)) SN_TRY(factor(solver, which));
  sn_timer *timer = sn_grid_timer(solver->grid);
  sn_timer_start(timer, SN_TIME_SOLVE);
  sn_status status = solver->operations->solve(solver, which, transpose, samples, x);
  sn_timer_stop(timer, SN_TIME_SOLVE);
  return status;
}

sn_status sn_solver_solve(sn_solver *solver, int which, ptrdiff_t samples, double *x) {
  return solve(solver, which, false, samples, x);
}

sn_status sn_solver_solve_transpose(sn_solver *solver, int which, ptrdiff_t samples, double *x) {
  return solve(solver, which, true, samples, x);
}

const char *sn_solver_name(const sn_solver *solver) { return solver->operations->name; }
const char *sn_solver_reason(const sn_solver *solver) { return solver->reason; }
long sn_solver_factorizations(const sn_solver *solver) { return solver->factorizations; }
ptrdiff_t sn_solver_bytes(const sn_solver *solver) { return solver->bytes; }
