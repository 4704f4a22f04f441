#include "sinode/solver.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "linear_ops.h"
#include "sinode/memory.h"
#include "solver_ops.h"

static const sn_solver_ops *const kinds[] = {SN_SOLVERS(SN_NAME_FUNCTIONS)};

const sn_name sn_solver_kinds[] = {{"auto", SN_SOLVER_AUTO}, SN_SOLVERS(SN_NAME_ENTRY){NULL, 0}};

static sn_status prepare(sn_solver *solver, int gammas, const double *gamma) {
  SN_TRY(SN_NEW(gammas, &solver->gamma));
  SN_TRY(SN_NEW(gammas, &solver->version));
  memcpy(solver->gamma, gamma, (size_t)gammas * sizeof *gamma);
  for (int i = 0; i < gammas; i++) solver->version[i] = -1;
  return SN_OK;
}

/* What the choice of a solver depends on. */
typedef struct {
  const sn_linear *linear;
  const sn_solver_options *options;
  ptrdiff_t points;
  int ranks; /* in space */
  double memory;
  int gammas;
  const double *gamma;
} situation;

/* Whether LU factors of all gammas, with A, fit into half of the memory. */
static bool dense_fits(const situation *s) {
  const double points = (double)s->points;
  return sizeof(double) * points * points * (s->gammas + 2) / s->ranks <= s->memory;
}

/* Whether A is a stencil that stays as it is, on so many points that few messages are worth a thought. */
static bool is_fixed_stencil(const situation *s) {
  enum { POINTS_LEAST = 1024 };
  const sn_linear *linear = s->linear;
  return sn_linear_get_kind(linear) == SN_LINEAR_STENCIL && !linear->shape.trainable && linear->version > 0 &&
         s->points >= POINTS_LEAST;
}

/*
 * Where a block is twice the overlap or more, subdomains work on at most twice its points and on one rank, from 2^13
 * points on, are still faster than a transform that does not fit the cache; over several ranks they send one or two
 * messages where transforms send 4 (S - 1) (docs/performance.md).
 */
static bool subdomains_are_better(const situation *s) {
  enum { POINTS_LEAST_ALONE = 1 << 15 };
  if (!is_fixed_stencil(s) || (s->ranks == 1 && s->points < POINTS_LEAST_ALONE)) return false;
  sn_solver_cost cost;
  sn_status refused =
      kinds[SN_SOLVER_LOCAL]->estimate_cost(s->linear, s->options, s->ranks, s->gammas, s->gamma, 1, &cost);
  const bool fits = !refused && 2 * cost.overlap <= s->points / s->ranks;
  sn_error_destroy(&refused);
  return fits;
}

/*
 * Two ranks of one machine solve faster by transforms on every grid; but those send 4 (S - 1) messages and every number
 * four times, a band solve the latency of 6 log2 S messages and a few numbers (docs/performance.md). So it is the
 * better one from the number of ranks on where its latency is less. Only where a matrix loses no more than round-off of
 * I.
 */
static bool band_is_better(const situation *s) {
  enum { RANKS_LEAST = 5 };
  static const double loss_most = 1e-13;
  if (!is_fixed_stencil(s) || s->ranks < RANKS_LEAST || s->points / s->ranks < 2 * s->linear->shape.taps) return false;
  double most = 0;
  for (int g = 0; g < s->gammas; g++) most = fmax(most, fabs(s->gamma[g]));
  return DBL_EPSILON * most * sn_linear_row_sum(s->linear) <= loss_most;
}

static sn_solver_kind choose_auto(const situation *s) {
  if (!sn_linear_is_circulant(s->linear)) return dense_fits(s) ? SN_SOLVER_DENSE : SN_SOLVER_GMRES;
  if (subdomains_are_better(s)) return SN_SOLVER_LOCAL;
  return band_is_better(s) ? SN_SOLVER_BANDED : SN_SOLVER_FFT;
}

const char *sn_solver_kind_name(sn_solver_kind kind) { return sn_name_of(sn_solver_kinds, (int)kind); }

const char *sn_solver_unsupported_reason(sn_solver_kind solver, sn_linear_kind linear) {
  if (linear == SN_LINEAR_SYMBOL && solver == SN_SOLVER_LOCAL) return "has no values between wave numbers; use fft";
  if (linear == SN_LINEAR_SYMBOL || linear == SN_LINEAR_DERIVATIVES) linear = SN_LINEAR_SPECTRAL; /* no rows either */
  return solver != SN_SOLVER_AUTO && kinds[solver]->unsupported ? kinds[solver]->unsupported(linear) : NULL;
}

static sn_status choose(const situation *s, sn_solver_kind *kind) {
  const sn_linear_kind form = sn_linear_get_kind(s->linear);
  if (*kind == SN_SOLVER_AUTO) *kind = choose_auto(s);
  const char *unsupported = sn_solver_unsupported_reason(*kind, form);
  if (!unsupported && s->linear->shape.scaled && *kind != SN_SOLVER_FFT)
    unsupported = "with a parameter takes fft alone";
  if (!unsupported) return SN_OK;
  return SN_ERROR_ALL(SN_ERROR_USAGE, "integrator.solver.kind is %s, but a linear part of kind %s %s",
                      sn_solver_kind_name(*kind), sn_linear_kind_name(form), unsupported);
}

sn_status sn_solver_estimate_cost(const sn_linear *linear, const sn_solver_options *options, int ranks, double memory,
                                  int gammas, const double *gamma, ptrdiff_t samples, sn_solver_cost *out) {
  const ptrdiff_t points = sn_grid_points(linear->grid);
  const situation s = {linear, options, points, ranks, memory, gammas, gamma};
  sn_solver_kind kind = options->kind;
  SN_TRY(choose(&s, &kind));
  *out = (sn_solver_cost){.kind = kind, .name = sn_solver_kind_name(kind)};
  if (kinds[kind]->estimate_cost)
    SN_TRY(kinds[kind]->estimate_cost(linear, options, ranks, gammas, gamma, samples, out));
  if (kind != SN_SOLVER_FFT) out->most = out->sent;
  return SN_OK;
}

sn_status sn_solver_create(const sn_grid *grid, sn_linear *linear, const sn_solver_options *options, int gammas,
                           const double *gamma, sn_solver **out) {
  *out = NULL;
  sn_solver_kind kind = options->kind;
  const MPI_Comm world = sn_grid_world(grid);
  /* The least of any rank's. */
  double memory = (double)sn_memory_share(world);
  MPI_Allreduce(MPI_IN_PLACE, &memory, 1, MPI_DOUBLE, MPI_MIN, world);
  const situation s = {linear, options, sn_grid_points(grid), sn_grid_space_size(grid), memory, gammas, gamma};
  SN_TRY(choose(&s, &kind));
  int chosen = kind; /* one kind, also where a rank lacks the memory to look at all of them */
  MPI_Bcast(&chosen, 1, MPI_INT, 0, world);
  kind = (sn_solver_kind)chosen;
  sn_solver *solver;
  SN_TRY(sn_collective_status(world, SN_NEW(1, &solver)));
  *solver = (sn_solver){
      .ops = kinds[kind], .kind = kind, .grid = grid, .linear = linear, .options = *options, .gammas = gammas};
  sn_status status = sn_collective_status(world, prepare(solver, gammas, gamma));
  if (!status) status = sn_collective_status(world, solver->ops->create(solver));
  if (status) sn_solver_destroy(&solver);
  *out = solver;
  return status;
}

void sn_solver_destroy(sn_solver **solver) {
  if (!*solver) return;
  if ((*solver)->state) (*solver)->ops->destroy(*solver);
  SN_FREE((*solver)->gamma);
  SN_FREE((*solver)->version);
  SN_FREE(*solver);
}

sn_status sn_solver_reserve(sn_solver *solver, ptrdiff_t samples) { return solver->ops->reserve(solver, samples); }

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

sn_status sn_solver_invert_symbol(const sn_linear *linear, double gamma, double m, double complex *value) {
  const double complex product = gamma * linear->ops->symbol(linear, m);
  if (cabs(1 - product) <= 4 * DBL_EPSILON * (1 + cabs(product)))
    return SN_ERROR(SN_ERROR_RUN,
                    "I - gamma A is singular at wave number %.10g for gamma = %g: the linear part has grown an "
                    "unstable eigenvalue 1 / gamma; use a smaller step",
                    m, gamma);
  *value = 1 / (1 - product);
  return SN_OK;
}

sn_status sn_solver_factor(sn_solver *solver, int which) {
  if (solver->version[which] == sn_linear_version(solver->linear)) return SN_OK;
  SN_TRY_TIMED(sn_grid_timer(solver->grid), SN_TIME_FACTOR, solver->ops->factor(solver, which));
  solver->version[which] = sn_linear_version(solver->linear);
  solver->factorizations++;
  return SN_OK;
}

sn_status sn_solver_solve_from(sn_solver *solver, int which, ptrdiff_t samples, const double *from, double *x) {
  if (!solver->ops->solve_from) {
    if (from != x) memcpy(x, from, (size_t)(samples * sn_grid_range(solver->grid).count) * sizeof *x);
    return sn_solver_solve(solver, which, samples, x);
  }
  SN_TRY(sn_solver_factor(solver, which));
  SN_TRY_TIMED(sn_grid_timer(solver->grid), SN_TIME_SOLVE,
               solver->ops->solve_from(solver, which, false, samples, from, x));
  return SN_OK;
}

static sn_status solve(sn_solver *solver, int which, bool transpose, ptrdiff_t samples, double *x) {
  SN_TRY(sn_solver_factor(solver, which));
  SN_TRY_TIMED(sn_grid_timer(solver->grid), SN_TIME_SOLVE, solver->ops->solve(solver, which, transpose, samples, x));
  return SN_OK;
}

sn_status sn_solver_solve(sn_solver *solver, int which, ptrdiff_t samples, double *x) {
  return solve(solver, which, false, samples, x);
}

sn_status sn_solver_solve_transpose(sn_solver *solver, int which, ptrdiff_t samples, double *x) {
  return solve(solver, which, true, samples, x);
}

const char *sn_solver_name(const sn_solver *solver) { return sn_solver_kind_name(solver->kind); }
const char *sn_solver_reason(const sn_solver *solver) { return solver->reason; }
long sn_solver_factorizations(const sn_solver *solver) { return solver->factorizations; }
ptrdiff_t sn_solver_bytes(const sn_solver *solver) { return solver->bytes; }
