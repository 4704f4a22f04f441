/* Generator steps beside their bare transforms; implicit solves beside bare transforms, LAPACK's band and LU solves. */
#include <complex.h>
#include <math.h>
#include <string.h>

#include <fftw3.h>

#include "base/lapack.h"
#include "benchmark.h"
#include "run/generator_setup.h"
#include "sinode/etdrk4.h"
#include "sinode/memory.h"
#include "sinode/solver.h"

/* So many real transforms there and back of one length, as FFTW makes them. */
typedef struct {
  int pairs, fields;
  double *real;
  double complex *modes;
  fftw_plan forward, inverse;
} transforms;

static sn_status transforms_create(const sn_app *app, int points, int fields, int pairs, transforms *t) {
  const int modes = points / 2 + 1;
  const unsigned flags = app->config.fft.plan == SN_FOURIER_MEASURE ? FFTW_MEASURE : FFTW_ESTIMATE;
  *t = (transforms){.pairs = pairs, .fields = fields};
  SN_TRY(SN_NEW((ptrdiff_t)points * fields, &t->real));
  SN_TRY(SN_NEW((ptrdiff_t)modes * fields, &t->modes));
  t->forward = fftw_plan_many_dft_r2c(1, &points, fields, t->real, NULL, 1, points, t->modes, NULL, 1, modes, flags);
  t->inverse = fftw_plan_many_dft_c2r(1, &points, fields, t->modes, NULL, 1, modes, t->real, NULL, 1, points, flags);
  memset(t->real, 0, sizeof *t->real * (size_t)points * (size_t)fields);
  return SN_OK;
}

static void transforms_run(const transforms *t) {
  for (int k = 0; k < t->pairs; k++) {
    fftw_execute(t->forward);
    fftw_execute(t->inverse);
  }
}

static void transforms_destroy(transforms *t) {
  fftw_destroy_plan(t->forward);
  fftw_destroy_plan(t->inverse);
  SN_FREE(t->real);
  SN_FREE(t->modes);
}

/* A smooth field and its harmonics, `fields` times. */
static void fill(const sn_grid *grid, ptrdiff_t fields, double *values) {
  const sn_range range = sn_grid_range(grid);
  for (ptrdiff_t f = 0; f < fields; f++)
    for (ptrdiff_t j = 0; j < range.count; j++) {
      const double x = 2 * M_PI * (double)(range.start + j) / (double)sn_grid_points(grid);
      values[f * range.count + j] = cos(3 * x + (double)f) * (1 + sin(2 * x));
    }
}

typedef struct {
  sn_etdrk4 *etdrk4;
  ptrdiff_t steps; /* between two exchanges of the local way */
  transforms baseline;
} generation;

static sn_status generation_step(void *context) {
  const generation *g = context;
  return sn_etdrk4_step(g->etdrk4, g->steps);
}

static sn_status generation_baseline(void *context) {
  transforms_run(&((generation *)context)->baseline);
  return SN_OK;
}

sn_status sn_benchmark_generation(sn_benchmark *b) {
  const sn_config *c = &b->app->config;
  const bool alone = sn_grid_space_size(b->grid) == 1;
  generation g = {0};
  double *state;
  SN_TRY(sn_setup_generator(b->app, b->grid, (sn_range){0, 1}, &g.etdrk4));
  const sn_etdrk4_division *division = sn_etdrk4_get_division(g.etdrk4);
  g.steps = division ? division->steps : 1;
  sn_status status = sn_collective_status(b->app->world, SN_NEW(sn_grid_range(b->grid).count, &state));
  if (!status) {
    fill(b->grid, 1, state);
    status = sn_etdrk4_set_state(g.etdrk4, state, 0);
  }
  SN_FREE(state);
  if (!status && alone)
    status = sn_collective_status(b->app->world,
                                  transforms_create(b->app, (int)c->grid.points, 1, 4 * (int)g.steps, &g.baseline));
  const sn_benchmark_case one = {.name = "generate_step",
                                 .baseline_name = "its 8 real transforms",
                                 .batch = 1,
                                 .steps = g.steps,
                                 .work = generation_step,
                                 .baseline = alone ? generation_baseline : NULL,
                                 .context = &g};
  if (!status) status = sn_benchmark_measure(b, &one);
  transforms_destroy(&g.baseline);
  sn_etdrk4_destroy(&g.etdrk4);
  return status;
}

typedef struct {
  sn_solver *solver;
  sn_linear *linear;
  ptrdiff_t samples, points;
  double gamma;
  double *x;
  transforms baseline;
  double *matrix; /* band or LU, of the baseline */
  int *pivots;
  int order, columns;
} solving;

static sn_status solve_once(void *context) {
  const solving *s = context;
  return sn_solver_solve(s->solver, 0, s->samples, s->x);
}

static sn_status factor_once(void *context) {
  const solving *s = context;
  SN_TRY(sn_linear_update(s->linear)); /* as if A had been trained */
  return sn_solver_factor(s->solver, 0);
}

static sn_status fft_baseline(void *context) {
  transforms_run(&((solving *)context)->baseline);
  return SN_OK;
}

static sn_status band_baseline(void *context) {
  solving *s = context;
  const int width = 2, leading = 3;
  int info;
  dpbtrs_("L", &s->order, &width, &s->columns, s->matrix, &leading, s->x, &s->order, &info, 1);
  return SN_OK;
}

static sn_status lu_baseline(void *context) {
  solving *s = context;
  int info;
  dgetrs_("T", &s->order, &s->columns, s->matrix, &s->order, s->pivots, s->x, &s->order, &info, 1);
  return SN_OK;
}

/* LAPACK's Cholesky factor of the band without its corners. */
static sn_status prepare_band(const sn_benchmark *b, solving *s) {
  const double dx = b->app->config.grid.length / (double)s->order, second = 1 / (dx * dx), fourth = second * second;
  const double taps[3] = {2 * second - 6 * fourth, 4 * fourth - second, -fourth};
  const int width = 2, leading = 3;
  int info;
  SN_TRY(SN_NEW(3 * (ptrdiff_t)s->order, &s->matrix));
  for (ptrdiff_t j = 0; j < s->order; j++)
    for (int d = 0; d < 3; d++) s->matrix[3 * j + d] = (d == 0) - s->gamma * taps[d];
  dpbtrf_("L", &s->order, &width, s->matrix, &leading, &info, 1);
  return SN_OK;
}

static sn_status prepare_lu(solving *s) {
  const ptrdiff_t n = s->order;
  int info;
  SN_TRY(SN_NEW(n * n, &s->matrix));
  SN_TRY(SN_NEW(n, &s->pivots));
  SN_TRY(sn_linear_rows(s->linear, s->matrix));
  for (ptrdiff_t i = 0; i < n * n; i++) s->matrix[i] = (i % (n + 1) == 0) - s->gamma * s->matrix[i];
  dgetrf_(&s->order, &s->order, s->matrix, &s->order, s->pivots, &info);
  return SN_OK;
}

/* The baseline of a kind, on one rank. */
static sn_status prepare_baseline(const sn_benchmark *b, sn_solver_kind kind, solving *s) {
  if (kind == SN_SOLVER_FFT || kind == SN_SOLVER_LOCAL)
    return transforms_create(b->app, s->order, s->columns, 1, &s->baseline);
  if (kind == SN_SOLVER_BANDED) return prepare_band(b, s);
  return kind == SN_SOLVER_DENSE ? prepare_lu(s) : SN_OK;
}

static sn_status measure_solver(sn_benchmark *b, sn_solver_kind kind, solving *s) {
  static const struct {
    const char *solve, *factor, *baseline_name;
    sn_benchmark_call baseline;
  } words[] = {[SN_SOLVER_FFT] = {"solve_fft", "factor_fft", "two real transforms", fft_baseline},
               [SN_SOLVER_BANDED] = {"solve_banded", "factor_banded", "dpbtrs", band_baseline},
               [SN_SOLVER_DENSE] = {"solve_dense", "factor_dense", "dgetrs", lu_baseline},
               [SN_SOLVER_GMRES] = {"solve_gmres", "", "", NULL},
               [SN_SOLVER_LOCAL] = {"solve_local", "factor_local", "two real transforms", fft_baseline}};
  if (!sn_benchmark_wants(b, words[kind].solve) && !sn_benchmark_wants(b, words[kind].factor)) return SN_OK;
  const sn_config *c = &b->app->config;
  sn_solver_options options = c->integrator.solver;
  options.kind = kind;
  options.rigor = c->fft.plan;
  sn_status status = sn_solver_create(b->grid, s->linear, &options, 1, &s->gamma, &s->solver);
  if (status && sn_error_get_code(status) == SN_ERROR_USAGE) {
    sn_log_line(b->app->log, "%s: left out: %s", words[kind].solve, sn_error_get_message(status));
    sn_error_destroy(&status);
    return SN_OK;
  }
  const bool alone = sn_grid_space_size(b->grid) == 1;
  if (!status) status = sn_solver_reserve(s->solver, s->samples);
  if (!status && alone) status = sn_collective_status(b->app->world, prepare_baseline(b, kind, s));
  fill(b->grid, s->samples, s->x);
  const sn_benchmark_case solve = {.name = words[kind].solve,
                                   .baseline_name = words[kind].baseline_name,
                                   .batch = c->train.batch,
                                   .work = solve_once,
                                   .baseline = alone ? words[kind].baseline : NULL,
                                   .context = s};
  const sn_benchmark_case factor = {.name = words[kind].factor, .work = factor_once, .context = s};
  if (!status) status = sn_benchmark_measure(b, &solve);
  if (!status && *factor.name) status = sn_benchmark_measure(b, &factor);
  transforms_destroy(&s->baseline);
  s->baseline = (transforms){0};
  SN_FREE(s->matrix);
  SN_FREE(s->pivots);
  sn_solver_destroy(&s->solver);
  return status;
}

sn_status sn_benchmark_solvers(sn_benchmark *b) {
  const sn_config *c = &b->app->config;
  sn_parameters *parameters;
  solving s = {.samples = sn_grid_share(b->grid, c->train.batch).count, .points = sn_grid_range(b->grid).count};
  s.gamma = sn_benchmark_gamma(c->integrator.dt);
  s.order = (int)c->grid.points;
  s.columns = (int)s.samples;
  const sn_linear_shape shape = {.kind = SN_LINEAR_STENCIL, .taps = 5, .length = c->grid.length};
  SN_TRY(sn_parameters_create(b->grid, &parameters));
  sn_status status = sn_linear_create(b->grid, &shape, s.samples, parameters, &s.linear);
  if (!status) status = sn_collective_status(b->app->world, sn_parameters_allocate(parameters));
  if (!status) status = sn_collective_status(b->app->world, SN_NEW(s.samples * s.points, &s.x));
  if (!status) status = sn_linear_set_ks(s.linear);
  if (!status) status = sn_linear_update(s.linear);
  const sn_solver_kind kinds[] = {SN_SOLVER_FFT, SN_SOLVER_BANDED, SN_SOLVER_DENSE, SN_SOLVER_GMRES, SN_SOLVER_LOCAL};
  for (size_t k = 0; k < sizeof kinds / sizeof kinds[0] && !status; k++) status = measure_solver(b, kinds[k], &s);
  SN_FREE(s.x);
  sn_linear_destroy(&s.linear);
  sn_parameters_destroy(&parameters);
  return status;
}
