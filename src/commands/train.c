/* sinode train: from a trajectory file to a model, resuming where an earlier run stopped. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "run/grid_setup.h"
#include "run/input.h"
#include "run/integrator_setup.h"
#include "run/memory_estimate.h"
#include "run/model_setup.h"
#include "run/output.h"
#include "run/stability_check.h"
#include "run/stall.h"
#include "run/status_file.h"
#include "run/training_setup.h"
#include "sinode/memory.h"
#include "sinode/model_file.h"
#include "train.h"

/* Batches done and in all, those left out included: what progress counts. */
static double batches_done(const sn_training *t) {
  const sn_trainer_state *state = sn_trainer_peek_state(t->trainer);
  return (double)state->epoch * (double)sn_trainer_batches(t->trainer) + (double)state->position;
}
static double batches_in_all(const sn_training *t) {
  return (double)t->app->config.train.epochs * (double)sn_trainer_batches(t->trainer);
}

static sn_run_progress progress_of(const sn_training *t) {
  if (!t->trainer) return (sn_run_progress){.loss = NAN, .rate = NAN, .seconds_left = NAN, .memory_mib = NAN};
  const sn_trainer_state *state = sn_trainer_peek_state(t->trainer);
  const int64_t epochs = t->app->config.train.epochs;
  return (sn_run_progress){.step = state->iteration,
                           .steps = (int64_t)batches_in_all(t),
                           .epoch = state->epoch + (state->epoch < epochs),
                           .epochs = epochs,
                           .loss = t->loss,
                           .rate = state->schedule.rate,
                           .seconds_left = sn_log_seconds_left(t->app->log, batches_done(t), batches_in_all(t)),
                           .memory_mib = (double)sn_memory_resident_peak() / 1048576};
}

static sn_status report_status(const sn_training *t, sn_run_state state, const char *reason) {
  const sn_app *app = t->app;
  const sn_run_progress progress = progress_of(t);
  return sn_collective_status(app->world, app->rank == 0
                                              ? sn_status_file_write(app->config.run.directory, state, &progress,
                                                                     t->checkpoint, reason, app->timer)
                                              : SN_OK);
}

static sn_status write_model(sn_training *t, const char *name, const sn_model_fit *fit) {
  char path[SN_RUN_PATH];
  sn_model_description description = sn_setup_describe(t->app, t->model);
  sn_provenance provenance = sn_output_provenance(t->app, "semi-implicit neural ODE");
  sn_parameters *parameters = sn_model_parameters(t->model);
  description.fit = fit;
  provenance.held_out = t->held_out;
  sn_run_path(t->app, name, path);
  SN_TRY_TIMED(
      t->app->timer, SN_TIME_WRITE,
      sn_model_file_write(t->grid, path, &description, parameters, sn_parameters_values(parameters), &provenance));
  return SN_OK;
}

/* The model at the end of training; by lm, with the matrix of its least squares, as long as that is no large file. */
static sn_status write_final_model(sn_training *t) {
  enum { ORDER_MOST = 4096 };
  sn_normal_equations *normal = NULL;
  sn_model_fit fit = {.order = sn_parameters_total(sn_model_parameters(t->model), true)};
  if (fit.order > 0 && fit.order <= ORDER_MOST)
    SN_TRY(sn_trainer_normal(t->trainer, &normal, &fit.residuals, &fit.loss));
  if (normal) fit.matrix = sn_normal_equations_gather(normal);
  return write_model(t, "model.h5", normal ? &fit : NULL);
}

static sn_stop_request request(void *context) {
  sn_training *t = context;
  return sn_stop_policy_request(&t->policy, t->app);
}

static void report_left_out(const sn_training *t) {
  const sn_trainer_state *state = sn_trainer_peek_state(t->trainer);
  const bool halves = t->app->config.train.on_nonfinite == SN_NONFINITE_HALVE;
  sn_log_warning(t->app->log, "iteration %lld: loss or gradient is not finite; the batch is left out%s",
                 (long long)state->iteration, halves ? " and the learning rate halved" : "");
}

static sn_status after_iteration(void *context, const sn_trainer *trainer, double loss, sn_stop_request request) {
  sn_training *t = context;
  (void)trainer;
  t->loss = loss;
  const sn_run_progress now = progress_of(t);
  if (t->app->rank == 0)
    sn_status_file_refresh(t->app->config.run.directory, &now, t->checkpoint, "training", t->app->timer, &t->told);
  sn_log_progress(t->app->log, "training", batches_done(t), batches_in_all(t), "epoch %lld  loss %.3e  rate %.2e",
                  (long long)now.epoch, loss, now.rate);
  if (!isfinite(loss)) report_left_out(t);
  if (request != SN_STOP_REQUEST_CHECKPOINT) return SN_OK;
  SN_TRY(sn_training_save(t, NAN));
  return report_status(t, SN_RUN_RUNNING, "training");
}

static sn_status after_epoch(void *context, const sn_trainer *trainer, const sn_trainer_record *record) {
  sn_training *t = context;
  sn_app *app = t->app;
  double *row = t->history + (record->epoch - 1) * SN_HISTORY_COLUMNS;
  char path[SN_RUN_PATH];
  (void)trainer;
  sn_history_row(record, row);
  sn_run_path(app, "history.csv", path);
  SN_TRY(sn_collective_status(app->world, app->rank == 0 ? sn_history_append(path, row) : SN_OK));
  if (record->best) SN_TRY(write_model(t, "best.h5", NULL));
  const int64_t every = app->config.run.checkpoint.every;
  if (record->epoch % every == 0 || record->epoch == app->config.train.epochs) {
    SN_TRY(sn_training_save(t, isnan(record->validation_loss) ? record->train_loss : record->validation_loss));
    SN_TRY(report_status(t, SN_RUN_RUNNING, "training"));
  }
  return SN_OK;
}

/* Says what is about to happen. */
static void announce(const sn_training *t, double interval) {
  const sn_config *c = &t->app->config;
  sn_parameters *parameters = sn_model_parameters(t->model);
  sn_log_line(t->app->log, "data: %s, %td training and %td validation windows of %lld x %g (split by %s at %td)",
              c->data.file, sn_dataset_windows(t->dataset, SN_SET_TRAINING),
              sn_dataset_windows(t->dataset, SN_SET_VALIDATION), (long long)c->train.window, interval,
              sn_name_of(sn_split_kinds, (int)c->data.split), sn_dataset_boundary(t->dataset));
  sn_log_line(t->app->log, "model: %s network, %s linear part, %td parameters to train",
              sn_network_kind_name(sn_network_get_shape(sn_model_network(t->model))->kind),
              sn_linear_kind_name(sn_linear_get_kind(sn_model_linear(t->model))),
              sn_parameters_total(parameters, true));
  sn_log_line(t->app->log, "scheme: %s, dt %g; steps on %s; solver %s", c->integrator.tableau->name, c->integrator.dt,
              sn_integrator_domain_reason(t->integrator), sn_integrator_solver_reason(t->integrator));
  sn_log_line(t->app->log, "adjoint storage: %s", sn_integrator_storage_reason(t->integrator));
}

/* A batch is shared out by windows, or by slices of them. */
static void report_idle(const sn_training *t) {
  const sn_config *c = &t->app->config;
  const ptrdiff_t windows = sn_dataset_windows(t->dataset, SN_SET_TRAINING), slice = sn_setup_slice(t->app);
  const ptrdiff_t most = c->train.batch < windows ? c->train.batch : windows;
  if (slice)
    sn_input_report_idle(t->app, t->grid, (most + slice - 1) / slice, "slices of a batch", "");
  else
    sn_input_report_idle(t->app, t->grid, most, "windows of a batch", c->train.batch < windows ? "train.batch" : "");
}

static sn_status prepare(sn_training *t) {
  sn_app *app = t->app;
  const sn_config *c = &app->config;
  t->libraries = sn_memory_of_libraries();
  SN_TRY(sn_setup_grid(app, &t->grid));
  SN_TRY(sn_training_load(t));
  const double interval = t->observed.interval;
  const ptrdiff_t samples = sn_setup_samples(app, t->grid, t->dataset, interval);
  report_idle(t);
  SN_TRY(sn_setup_model_to_train(app, t->grid, samples, &t->model));
  if (c->train.initial == SN_INITIAL_ESTIMATED)
    SN_TRY(sn_model_add_states(t->model, sn_dataset_windows(t->dataset, SN_SET_TRAINING)));
  if (t->parameters) sn_linear_note_trained(sn_model_linear(t->model), t->data.members, t->parameters);
  SN_TRY(sn_collective_status(app->world,
                              sn_linear_expect_parameters(sn_model_linear(t->model), t->data.members, t->parameters)));
  SN_TRY(sn_setup_integrator(app, t->model, interval, c->train.window, sn_setup_training_passes(app), &t->integrator));
  SN_TRY(sn_stability_check(app, t->model, t->max_abs_u, sn_integrator_steps(t->integrator, c->train.window)));
  SN_TRY(sn_objective_create(t->model, t->integrator, c->loss, c->train.window, &t->objective));
  SN_TRY(sn_setup_optimizer(app, sn_model_parameters(t->model), &t->optimizer));
  const sn_trainer_options options = sn_setup_trainer_options(app);
  SN_TRY(sn_trainer_create(t->model, t->objective, t->dataset, t->optimizer, &options, options.schedule.start,
                           &t->trainer));
  sn_trainer_guess_states(t->trainer);
  SN_TRY(sn_trainer_reserve(t->trainer, t->integrator));
  SN_TRY(SN_NEW(c->train.epochs * SN_HISTORY_COLUMNS, &t->history));
  t->estimated_memory = sn_memory_estimate_peak(sn_model_parameters(t->model), (double)sn_memory_bytes(), t->libraries);
  MPI_Allreduce(MPI_IN_PLACE, &t->estimated_memory, 1, MPI_DOUBLE, MPI_MAX, app->world);
  announce(t, interval);
  return sn_training_begin(t);
}

/* Whether the model at the end of training is there; of a run that was complete before, it stays as it is. */
static bool has_model(const sn_training *t) {
  char path[SN_RUN_PATH];
  int there = 0;
  sn_run_path(t->app, "model.h5", path);
  if (t->app->rank == 0) there = access(path, F_OK) == 0;
  MPI_Bcast(&there, 1, MPI_INT, 0, t->app->world);
  return there;
}

static sn_status finish(sn_training *t, bool trained) {
  const sn_trainer_state *state = sn_trainer_peek_state(t->trainer);
  if (trained || !t->resumed || !has_model(t)) SN_TRY(write_final_model(t));
  if (t->app->config.train.initial == SN_INITIAL_ESTIMATED) SN_TRY(sn_training_write_estimate(t));
  SN_TRY(report_status(t, SN_RUN_COMPLETE, "all epochs done"));
  if (state->epoch == 0) return SN_OK;
  const double *last = t->history + (state->epoch - 1) * SN_HISTORY_COLUMNS;
  sn_log_line(t->app->log, "trained %lld epochs, %lld iterations in %.1f s (%.3f s an epoch)", (long long)state->epoch,
              (long long)state->iteration, state->seconds, state->seconds / (double)state->epoch);
  sn_log_line(t->app->log, "training loss %.4e, validation loss %.4e, best %.4e", last[3], last[4], state->best);
  char statistics[SN_STATISTICS_LENGTH];
  sn_integrator_statistics(t->integrator, statistics, sizeof statistics);
  sn_log_line(t->app->log, "factorizations: %ld%s%s", sn_integrator_factorizations(t->integrator),
              *statistics ? "; " : "", statistics);
  sn_log_line(t->app->log, "memory: %.0f MiB a rank at its peak, %.0f estimated", last[6],
              t->estimated_memory / 1048576);
  sn_log_line(t->app->log, "written: %s/{model,best}.h5, history.csv, config.yaml", t->app->config.run.directory);
  return SN_OK;
}

static sn_status train(sn_training *t) {
  sn_app *app = t->app;
  bool stopped;
  SN_TRY_TIMED(t->app->timer, SN_TIME_SETUP, prepare(t));
  SN_TRY(report_status(t, SN_RUN_RUNNING, "training"));
  sn_stop_policy_start(&t->policy, app, app->config.run.checkpoint_interval, sn_training_checkpoint_bytes(t));
  const sn_trainer_hooks hooks = {
      .context = t, .request = request, .after_iteration = after_iteration, .after_epoch = after_epoch};
  const sn_trainer_state *state = sn_trainer_peek_state(t->trainer);
  const int64_t before = state->iteration;
  sn_log_progress_start(app->log, batches_done(t));
  SN_TRY(sn_trainer_run(t->trainer, &hooks, &stopped));
  if (!stopped) return finish(t, state->iteration > before);

  char reason[80];
  snprintf(reason, sizeof reason, "stopped by %s", sn_stop_policy_reason(&t->policy, app));
  SN_TRY(sn_training_save(t, NAN));
  SN_TRY(report_status(t, SN_RUN_CHECKPOINTED, reason));
  return SN_ERROR_ALL(SN_ERROR_STOPPED, "%s after iteration %lld; %s is written: run the same command again to go on",
                      reason, (long long)state->iteration, t->checkpoint);
}

static sn_status run_train(sn_app *app) {
  sn_training t = {.app = app, .loss = NAN};
  sn_stall_watch(app);
  sn_status status = sn_app_abort_unless_collective(app, train(&t));
  const bool failed = status && sn_error_get_code(status) != SN_ERROR_STOPPED;
  if (failed && t.begun) {
    sn_status ignored = report_status(&t, SN_RUN_FAILED, sn_error_get_message(status));
    sn_error_destroy(&ignored);
  }
  sn_trainer_destroy(&t.trainer);
  sn_optimizer_destroy(&t.optimizer);
  sn_objective_destroy(&t.objective);
  sn_integrator_destroy(&t.integrator);
  sn_model_destroy(&t.model);
  sn_dataset_destroy(&t.dataset);
  sn_setup_free_observed(&t.observed);
  SN_FREE(t.parameters);
  SN_FREE(t.history);
  sn_grid_destroy(&t.grid);
  return status;
}

const sn_command sn_command_train = {
    .name = "train",
    .operand = "CONFIG.yaml",
    .summary = "trains the model on trajectory windows",
    .help =
        "Reads train.data; writes model.h5, best.h5, checkpoints/, history.csv and config.yaml into run.directory.\n"
        "Run it again to go on from the newest checkpoint (train.resume: auto).",
    .reads = SN_FOR_TRAIN,
    .run = run_train};
