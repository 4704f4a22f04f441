/* sinode predict: rolls a model out from snapshots of the data and measures it against what follows them in the data.
 */
#include <math.h>
#include <string.h>

#include "commands.h"
#include "predict.h"
#include "run/data_setup.h"
#include "run/integrator_setup.h"
#include "run/model_setup.h"
#include "run/stability_check.h"
#include "sinode/memory.h"

/* The states that predictions begin with. */
static void take_initial(const sn_prediction *p, double *states) {
  const size_t bytes = (size_t)p->points * sizeof *states;
  for (ptrdiff_t m = 0; m < p->members.count; m++)
    memcpy(states + m * p->points, p->initial ? p->initial + m * p->points : p->reference + m * p->known * p->points,
           bytes);
}

static sn_status roll_out(sn_prediction *p) {
  const ptrdiff_t members = p->members.count, state = members * p->points;
  take_initial(p, p->states);
  SN_TRY(sn_prediction_write(p, 0, 1, p->states, p->estimate));
  sn_log_progress_start(p->app->log, 0);
  sn_timer_sample(p->app->timer, p->app->ranks == 1);
  for (ptrdiff_t done = 0; done < p->range.intervals;) {
    const ptrdiff_t left = p->range.intervals - done, count = left < p->chunk ? left : p->chunk;
    sn_integrator_begin_at(p->integrator, p->start + (double)done * p->range.interval,
                           sn_integrator_steps(p->integrator, done));
    SN_TRY(sn_collective_status(p->app->world, sn_integrator_forward(p->integrator, members, count, p->states, false)));
    SN_TRY(sn_integrator_check(p->integrator, members));
    if (p->baselines) SN_TRY(sn_baselines_advance(p->baselines, count));
    sn_prediction_measure_estimates(p, count);
    SN_TRY(sn_prediction_write(p, done + 1, count, p->states + state, p->estimate ? p->estimate + members : NULL));
    memmove(p->states, p->states + count * state, (size_t)state * sizeof *p->states);
    done += count;
    sn_log_progress(p->app->log, "predicting", (double)done, (double)p->range.intervals, "t %g",
                    p->start + (double)done * p->range.interval);
  }
  return SN_OK;
}

static sn_status allocate_arrays(sn_prediction *p) {
  const ptrdiff_t members = p->members.count, state = members * p->points, values = p->scores * members;
  SN_TRY(SN_NEW((p->chunk + 1) * state, &p->states));
  SN_TRY(SN_NEW(state, &p->frame));
  SN_TRY(SN_NEW(members, &p->mean));
  SN_TRY(SN_NEW(members, &p->spread));
  SN_TRY(SN_NEW((p->chunk + 1) * values, &p->errors));
  SN_TRY(SN_NEW(values, &p->relative));
  SN_TRY(SN_NEW(SN_MARKS * values, &p->marked));
  SN_TRY(SN_NEW(values, &p->valid_time));
  for (ptrdiff_t k = 0; k < values; k++) p->valid_time[k] = NAN;
  return SN_OK;
}

static void choose_marks(sn_prediction *p) {
  const double lyapunov_time = 1 / (p->app->config.predict.lyapunov_exponent * p->range.interval);
  const ptrdiff_t last = p->known - 1;
  p->mark[0] = last < 1 ? last : 1;
  p->mark[1] = lyapunov_time < (double)last ? (ptrdiff_t)llround(lyapunov_time) : last;
}

static sn_status create_skill(sn_prediction *p) {
  const sn_config *c = &p->app->config;
  p->steps = c->predict.steps < p->known - 1 ? c->predict.steps : p->known - 1;
  const sn_skill_options options = {.members = p->members.count,
                                    .chunk = p->chunk,
                                    .intervals = p->range.intervals,
                                    .interval = p->range.interval,
                                    .length = c->grid.length,
                                    .window = c->predict.window,
                                    .threshold = c->predict.threshold,
                                    .steps = p->steps,
                                    .mean = p->mean,
                                    .spread = p->spread};
  return sn_collective_status(p->app->world, sn_skill_create(p->grid, &options, &p->skill));
}

/* They begin where the model begins. */
static sn_status begin_baselines(sn_prediction *p) {
  if (!p->app->config.predict.baselines) return SN_OK;
  take_initial(p, p->frame);
  return sn_baselines_create(p->app, p->model, p->range.interval, p->chunk, p->members.count, p->frame, p->mean,
                             &p->baselines);
}

static sn_status summarize(sn_prediction *p) {
  const sn_config *c = &p->app->config;
  char statistics[SN_STATISTICS_LENGTH];
  sn_integrator_statistics(p->integrator, statistics, sizeof statistics);
  if (*statistics) sn_log_line(p->app->log, "%s", statistics);
  double estimate = p->worst_estimate;
  MPI_Allreduce(MPI_IN_PLACE, &estimate, 1, MPI_DOUBLE, MPI_MAX, p->app->world);
  if (p->estimate)
    sn_log_line(p->app->log, "error estimate of a step by the embedded method: at most %.2e (rms over x); dt %g",
                estimate, c->integrator.dt);
  const sn_scores scores = {.scores = p->scores,
                            .total = p->total,
                            .members = p->members,
                            .span = (double)p->range.intervals * p->range.interval,
                            .mark = {(double)p->mark[0] * p->range.interval, (double)p->mark[1] * p->range.interval},
                            .valid_time = p->valid_time,
                            .marked = p->marked,
                            .interval = p->range.interval,
                            .intervals = p->range.intervals,
                            .steps = p->steps,
                            .skill = p->skill};
  SN_TRY(sn_scores_report_valid_times(p->app, p->grid, &scores));
  SN_TRY(sn_scores_report_skill(p->app, p->grid, &scores));
  if (p->baselines) sn_scores_report_baselines(p->app, p->grid, &scores);
  if (strcmp(c->predict.file, "none") != 0) sn_log_line(p->app->log, "written: %s", c->predict.file);
  return SN_OK;
}

/* Every prediction has the parameter of its trajectory. */
static sn_status set_parameters(sn_prediction *p) {
  sn_linear *linear = sn_model_linear(p->model);
  double *all, *own = NULL;
  SN_TRY(sn_setup_parameters(p->app, p->app->config.predict.data, p->reader, sn_linear_get_shape(linear), &all));
  sn_status status = all ? SN_NEW(p->members.count, &own) : SN_OK;
  for (ptrdiff_t m = 0; m < p->members.count && own; m++) own[m] = all[(p->members.start + m) / p->range.starts];
  if (!status && own) status = sn_linear_set_parameters(linear, p->members.count, own);
  SN_FREE(own);
  SN_FREE(all);
  return sn_collective_status(p->app->world, status);
}

static sn_status prepare(sn_prediction *p) {
  const sn_config *c = &p->app->config;
  p->scores = c->predict.baselines ? SN_SCORES_MOST : 1;
  SN_TRY(sn_prediction_load(p));
  SN_TRY(sn_collective_status(p->app->world, allocate_arrays(p)));
  SN_TRY(sn_prediction_estimate_initial(p));
  sn_prediction_measure_spread(p);
  SN_TRY(create_skill(p));
  choose_marks(p);
  const ptrdiff_t samples = p->members.count ? p->members.count : 1;
  SN_TRY(sn_setup_model_or_none(p->app, p->grid, c->predict.model, samples, &p->model));
  SN_TRY(set_parameters(p));
  SN_TRY(sn_setup_integrator(p->app, p->model, p->range.interval, p->chunk, SN_PASSES_FORWARD, &p->integrator));
  SN_TRY(sn_integrator_reserve(p->integrator, samples));
  const double max_abs_u = sn_stability_max_abs_u(p->app, p->members.count * p->known * p->points, p->reference);
  SN_TRY(sn_stability_check(p->app, p->model, max_abs_u, sn_integrator_steps(p->integrator, p->range.intervals)));
  if (sn_integrator_estimates(p->integrator)) {
    SN_TRY(SN_NEW((p->chunk + 1) * samples, &p->estimate));
    SN_TRY(SN_NEW(sn_integrator_steps(p->integrator, p->chunk) * samples, &p->squares));
  }
  sn_log_line(p->app->log, "scheme: %s, dt %g; steps on %s; solver %s", c->integrator.tableau->name, c->integrator.dt,
              sn_integrator_domain_reason(p->integrator), sn_integrator_solver_reason(p->integrator));
  SN_TRY(begin_baselines(p));
  return sn_prediction_open(p);
}

static sn_status predict(sn_prediction *p) {
  SN_TRY_TIMED(p->app->timer, SN_TIME_SETUP, prepare(p));
  SN_TRY(roll_out(p));
  sn_skill_finish(p->skill);
  const double *finals[1 + SN_SCORES_MOST + SN_SKILL_SCORES] = {p->start_time};
  for (int k = 0; k < p->scores; k++) finals[1 + k] = p->valid_time + k * p->members.count;
  for (int k = 0; k < SN_SKILL_SCORES; k++) finals[1 + p->scores + k] = sn_skill_get(p->skill, (sn_skill_score)k);
  if (p->writer) SN_TRY(sn_trajectory_finish(&p->writer, finals));
  return summarize(p);
}

static sn_status run_predict(sn_app *app) {
  sn_prediction p = {.app = app};
  sn_status status = sn_app_abort_unless_collective(app, predict(&p));
  sn_trajectory_abandon(&p.writer);
  sn_baselines_destroy(&p.baselines);
  sn_skill_destroy(&p.skill);
  sn_integrator_destroy(&p.integrator);
  sn_model_destroy(&p.model);
  sn_trajectory_close(&p.reader);
  double **arrays[] = {&p.states, &p.reference,  &p.frame,      &p.mean,    &p.spread,   &p.errors, &p.relative,
                       &p.marked, &p.valid_time, &p.start_time, &p.initial, &p.estimate, &p.squares};
  for (size_t k = 0; k < sizeof arrays / sizeof arrays[0]; k++) SN_FREE(*arrays[k]);
  sn_grid_destroy(&p.grid);
  return status;
}

const sn_command sn_command_predict = {.name = "predict",
                                       .operand = "CONFIG.yaml",
                                       .summary = "rolls a trained model out and compares it with a reference",
                                       .help =
                                           "Reads predict.model and predict.data; writes predict.file: the prediction, "
                                           "the reference, rmse, nrmse, the\n"
                                           "valid time and other scores.",
                                       .reads = SN_FOR_PREDICT,
                                       .run = run_predict};
