/* sinode lyapunov: leading Lyapunov exponents of a model, or of the equation, over many trajectories at once. */
#include <math.h>
#include <string.h>

#include "commands.h"
#include "run/grid_setup.h"
#include "run/integrator_setup.h"
#include "run/model_setup.h"
#include "run/output.h"
#include "sinode/ks_initial.h"
#include "sinode/lyapunov_exponents.h"
#include "sinode/lyapunov_file.h"
#include "sinode/memory.h"

/* The run is cut into so many blocks, from whose scatter the standard error comes. */
enum { BLOCKS = 20 };

typedef struct {
  sn_app *app;
  sn_grid *grid;
  sn_model *model;
  sn_integrator *integrator;
  sn_lyapunov *lyapunov;
  sn_range members;           /* of this replica */
  ptrdiff_t exponents, block; /* block: intervals */
  double *rates;              /* (exponents, own members) of a block */
  double *rate;               /* (BLOCKS, exponents): means over all members */
  double *square;             /* (exponents): sums of squares over blocks and members */
  double *exponent, *error;   /* (exponents) */
} exponents_run;

static sn_status prepare(exponents_run *r) {
  const sn_config *c = &r->app->config;
  const double interval = c->lyapunov.interval;
  SN_TRY(sn_setup_grid(r->app, &r->grid));
  r->members = sn_grid_share(r->grid, c->lyapunov.members);
  r->exponents = c->lyapunov.exponents;
  r->block = (ptrdiff_t)llround(c->lyapunov.span / interval / BLOCKS);
  if (r->block < 1) r->block = 1;
  const ptrdiff_t samples = r->members.count ? r->members.count : 1;
  SN_TRY(sn_setup_model_or_none(r->app, r->grid, c->lyapunov.model, samples, &r->model));
  SN_TRY(sn_setup_integrator(r->app, r->model, interval, 1, SN_PASSES_TANGENT, &r->integrator));
  SN_TRY(sn_integrator_reserve_tangents(r->integrator, samples, r->exponents));
  SN_TRY(sn_collective_status(r->app->world,
                              sn_lyapunov_create(r->model, r->integrator, interval, r->exponents, r->members.start,
                                                 r->members.count, (uint64_t)c->run.seed, &r->lyapunov)));
  const sn_ks_initial_options initial = {
      .kind = SN_KS_INITIAL_RANDOM, .length = c->grid.length, .seed = (uint64_t)c->run.seed};
  sn_ks_initial_state(r->grid, &initial, r->members, sn_lyapunov_states(r->lyapunov));
  SN_TRY(SN_NEW(r->exponents * samples, &r->rates));
  SN_TRY(SN_NEW(BLOCKS * r->exponents, &r->rate));
  SN_TRY(SN_NEW(r->exponents, &r->square));
  SN_TRY(SN_NEW(r->exponents, &r->exponent));
  return SN_NEW(r->exponents, &r->error);
}

/* Adds a block to the means; space rank 0 of each replica counts. */
static void add_block(exponents_run *r, int block) {
  const double members = (double)r->app->config.lyapunov.members;
  double *mean = r->rate + block * r->exponents;
  for (ptrdiff_t d = 0; d < r->exponents; d++)
    for (ptrdiff_t m = 0; m < r->members.count && sn_grid_space_rank(r->grid) == 0; m++) {
      const double rate = r->rates[d * r->members.count + m];
      mean[d] += rate / members;
      r->square[d] += rate * rate;
    }
  MPI_Allreduce(MPI_IN_PLACE, mean, (int)r->exponents, MPI_DOUBLE, MPI_SUM, r->app->world);
  for (ptrdiff_t d = 0; d < r->exponents; d++) r->exponent[d] += mean[d] / BLOCKS;
}

static sn_status run_all(exponents_run *r) {
  const sn_config *c = &r->app->config;
  sn_log_progress_start(r->app->log, 0);
  const double transient = ceil(c->lyapunov.transient / c->lyapunov.interval);
  SN_TRY(sn_lyapunov_advance(r->lyapunov, (ptrdiff_t)transient, NULL));
  for (int k = 0; k < BLOCKS; k++) {
    SN_TRY(sn_lyapunov_advance(r->lyapunov, r->block, r->rates));
    add_block(r, k);
    sn_log_progress(r->app->log, "exponents", k + 1, BLOCKS, "leading one so far %.5f",
                    r->exponent[0] * BLOCKS / (k + 1));
  }
  /* Stretches of all members as independent samples. */
  const double count = BLOCKS * (double)c->lyapunov.members;
  MPI_Allreduce(MPI_IN_PLACE, r->square, (int)r->exponents, MPI_DOUBLE, MPI_SUM, r->app->world);
  for (ptrdiff_t d = 0; d < r->exponents; d++)
    r->error[d] = sqrt(fmax(0, r->square[d] / count - r->exponent[d] * r->exponent[d]) / (count - 1));
  return SN_OK;
}

static sn_status report(const exponents_run *r) {
  const sn_config *c = &r->app->config;
  const double dimension = sn_lyapunov_dimension(r->exponents, r->exponent);
  double time[BLOCKS];
  for (int k = 0; k < BLOCKS; k++) time[k] = (double)((k + 1) * r->block) * c->lyapunov.interval;
  sn_log_line(r->app->log, "%lld trajector%s over %g time units each, behind a transient of %g",
              (long long)c->lyapunov.members, c->lyapunov.members == 1 ? "y" : "ies", time[BLOCKS - 1],
              c->lyapunov.transient);
  sn_log_line(r->app->log, "number   exponent   standard error");
  for (ptrdiff_t d = 0; d < r->exponents; d++)
    sn_log_line(r->app->log, "%6td %10.5f %16.5f", d + 1, r->exponent[d], r->error[d]);
  if (isnan(dimension))
    sn_log_line(r->app->log, "Kaplan-Yorke dimension: above %td; ask for more lyapunov.exponents", r->exponents);
  else
    sn_log_line(r->app->log, "Kaplan-Yorke dimension: %.3f", dimension);
  const sn_provenance provenance = sn_output_provenance(r->app, "Lyapunov exponents");
  const sn_lyapunov_result result = {.exponents = r->exponents,
                                     .blocks = BLOCKS,
                                     .exponent = r->exponent,
                                     .error = r->error,
                                     .rate = r->rate,
                                     .time = time,
                                     .dimension = dimension};
  SN_TRY(sn_lyapunov_file_write(r->grid, c->lyapunov.file, &result, &provenance));
  sn_log_line(r->app->log, "written: %s", c->lyapunov.file);
  return SN_OK;
}

static sn_status find_exponents(exponents_run *r) {
  const sn_config *c = &r->app->config;
  SN_TRY(sn_output_lock_file(r->app, c->lyapunov.file, "lyapunov.file"));
  SN_TRY(sn_output_check(r->app, c->lyapunov.file, "lyapunov.file"));
  SN_TRY_TIMED(r->app->timer, SN_TIME_SETUP, prepare(r));
  sn_log_line(r->app->log, "scheme: %s, dt %g; steps on %s; solver %s", c->integrator.tableau->name, c->integrator.dt,
              sn_integrator_domain_reason(r->integrator), sn_integrator_solver_reason(r->integrator));
  SN_TRY(run_all(r));
  return report(r);
}

static sn_status run_lyapunov(sn_app *app) {
  exponents_run r = {.app = app};
  sn_status status = sn_app_abort_unless_collective(app, find_exponents(&r));
  sn_lyapunov_destroy(&r.lyapunov);
  sn_integrator_destroy(&r.integrator);
  sn_model_destroy(&r.model);
  double **arrays[] = {&r.rates, &r.rate, &r.square, &r.exponent, &r.error};
  for (size_t k = 0; k < sizeof arrays / sizeof arrays[0]; k++) SN_FREE(*arrays[k]);
  sn_grid_destroy(&r.grid);
  return status;
}

const sn_command sn_command_lyapunov = {
    .name = "lyapunov",
    .operand = "CONFIG.yaml",
    .summary = "leading Lyapunov exponents of a model or of the equation",
    .help =
        "Reads lyapunov.model, or takes the model of the section model; prints the exponents with standard errors and "
        "the\n"
        "Kaplan-Yorke dimension, and writes lyapunov.file.",
    .reads = SN_FOR_LYAPUNOV,
    .run = run_lyapunov};
