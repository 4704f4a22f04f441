/* sinode train: from a trajectory file to a model, resuming where an earlier run stopped. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "run_directory.h"
#include "setup.h"
#include "sinode/checkpoint_file.h"
#include "sinode/memory.h"
#include "sinode/model_file.h"
#include "sinode/text_file.h"
#include "sinode/trainer.h"
#include "status_file.h"
#include "stop.h"
#include "suitability.h"

typedef struct {
  sn_app *app;
  sn_grid *grid;
  double *values; /* this rank's part of the data */
  double speed;   /* the largest |u| in them */
  sn_dataset *dataset;
  sn_model *model;
  sn_integrator *integrator;
  sn_objective *objective;
  sn_optimizer *optimizer;
  sn_trainer *trainer;
  double *history;              /* (epochs, columns) */
  double loss, told;            /* of the last batch, NaN before the first; clock when status.json was written */
  double libraries, foreseen;   /* bytes resident beside the arrays at the start; the most that will be */
  char checkpoint[SN_RUN_PATH]; /* the newest, or "" */
} training;

/* What a checkpoint holds besides the parameters: the optimizer's vectors and these numbers. */
enum { NUMBERS = 12 };

typedef struct {
  sn_checkpoint_number number[NUMBERS];
  sn_checkpoint_vector vector[2];
  sn_checkpoint whole;
} contents;

/* Points at everything that makes a resumed run the same as an unbroken one. */
static void list_contents(training *t, contents *c) {
  sn_trainer_state *state = sn_trainer_get_state(t->trainer);
  const sn_checkpoint_number numbers[NUMBERS] = {
      {"epoch", SN_CHECKPOINT_INT64, 1, &state->epoch},
      {"iteration", SN_CHECKPOINT_INT64, 1, &state->iteration},
      {"position", SN_CHECKPOINT_INT64, 1, &state->position},
      {"optimizer_steps", SN_CHECKPOINT_INT64, 1, sn_optimizer_steps(t->optimizer)},
      {"schedule_bad_epochs", SN_CHECKPOINT_INT64, 1, &state->schedule.bad_epochs},
      {"seed", SN_CHECKPOINT_INT64, 1, &t->app->config.run.seed},
      {"loss_sum", SN_CHECKPOINT_FLOAT64, 1, &state->loss_sum},
      {"seconds", SN_CHECKPOINT_FLOAT64, 1, &state->seconds},
      {"best_loss", SN_CHECKPOINT_FLOAT64, 1, &state->best},
      {"learning_rate", SN_CHECKPOINT_FLOAT64, 1, &state->schedule.rate},
      {"schedule_best", SN_CHECKPOINT_FLOAT64, 1, &state->schedule.best},
      {"history", SN_CHECKPOINT_FLOAT64, state->epoch * SN_HISTORY_COLUMNS, t->history},
  };
  memcpy(c->number, numbers, sizeof numbers);
  for (int v = 0; v < sn_optimizer_vectors(t->optimizer); v++)
    c->vector[v] =
        (sn_checkpoint_vector){sn_optimizer_vector_name(t->optimizer, v), sn_optimizer_vector(t->optimizer, v)};
  sn_parameters *parameters = sn_model_parameters(t->model);
  c->whole = (sn_checkpoint){.parameters = parameters,
                             .values = sn_parameters_values(parameters),
                             .vectors = sn_optimizer_vectors(t->optimizer),
                             .vector = c->vector,
                             .numbers = NUMBERS,
                             .number = c->number};
}

static sn_run_progress progress_of(const training *t) {
  if (!t->trainer) return (sn_run_progress){.loss = NAN, .seconds_left = NAN, .memory_mib = NAN};
  const sn_trainer_state *state = sn_trainer_peek_state(t->trainer);
  const int64_t epochs = t->app->config.train.epochs, batches = sn_trainer_batches(t->trainer);
  return (sn_run_progress){
      .step = state->iteration,
      .steps = epochs * batches,
      .epoch = state->epoch + (state->epoch < epochs),
      .epochs = epochs,
      .loss = t->loss,
      .rate = state->schedule.rate,
      .seconds_left = sn_log_seconds_left(t->app->log, (double)state->iteration, (double)(epochs * batches)),
      .memory_mib = (double)sn_memory_resident_peak() / 1048576};
}

static sn_status say_status(const training *t, sn_run_state state, const char *reason) {
  const sn_app *app = t->app;
  const sn_run_progress progress = progress_of(t);
  return sn_agree(app->world, app->rank == 0 ? sn_status_file_write(app->config.run.directory, state, &progress,
                                                                    t->checkpoint, reason)
                                             : SN_OK);
}

static sn_status write_model(training *t, const char *name) {
  char path[SN_RUN_PATH];
  const sn_model_description description = sn_setup_describe(t->app, t->model);
  const sn_provenance provenance = sn_setup_provenance(t->app, "semi-implicit neural ODE");
  sn_parameters *parameters = sn_model_parameters(t->model);
  sn_run_path(t->app, name, path);
  sn_timer_start(t->app->timer, SN_TIME_WRITE);
  SN_TRY(sn_model_file_write(t->grid, path, &description, parameters, sn_parameters_values(parameters), &provenance));
  sn_timer_stop(t->app->timer, SN_TIME_WRITE);
  return SN_OK;
}

static sn_status write_checkpoint(training *t) {
  contents c;
  const sn_model_description description = sn_setup_describe(t->app, t->model);
  const sn_provenance provenance = sn_setup_provenance(t->app, "checkpoint of training");
  list_contents(t, &c);
  sn_run_checkpoint_path(t->app, sn_trainer_peek_state(t->trainer)->iteration, t->checkpoint);
  sn_timer_start(t->app->timer, SN_TIME_WRITE);
  SN_TRY(sn_checkpoint_file_write(t->grid, t->checkpoint, &description, &c.whole, &provenance));
  SN_TRY(sn_run_prune(t->app, t->app->config.train.checkpoint.keep));
  sn_timer_stop(t->app->timer, SN_TIME_WRITE);
  return SN_OK;
}

/* A run goes on with what decides its results; how long it trains and how often it saves may change. */
static sn_status see_that_it_is_ours(const training *t, const char *path) {
  static const char *const decisive[] = {"run.seed",
                                         "grid",
                                         "model",
                                         "integrator",
                                         "train.data",
                                         "train.window",
                                         "train.batch",
                                         "train.loss",
                                         "train.validation",
                                         "train.split",
                                         "train.optimizer.kind"};
  char text[16384];
  sn_config theirs;
  SN_TRY(sn_checkpoint_file_config(t->grid, path, text, sizeof text));
  SN_TRY(sn_config_parse(path, text, strlen(text), NULL, 0, SN_FOR_TRAIN, &theirs));
  for (size_t k = 0; k < sizeof decisive / sizeof decisive[0]; k++) {
    char before[256], now[256];
    const char *key = sn_config_difference(&theirs, &t->app->config, decisive[k], before, now, sizeof now);
    if (key)
      return SN_ERROR_ALL(SN_ERROR_USAGE,
                          "%s is %s, but the run in %s was made with %s; use another run.directory, or --overwrite to "
                          "begin anew",
                          key, now, t->app->config.run.directory, before);
  }
  return SN_OK;
}

/* Reads everything back. The history's length follows from the epoch, so that comes first. */
static sn_status read_checkpoint(training *t, const char *path) {
  contents c;
  int64_t epochs = 0;
  const sn_checkpoint_number epoch = {"epoch", SN_CHECKPOINT_INT64, 1, &epochs};
  SN_TRY(see_that_it_is_ours(t, path));
  SN_TRY(sn_checkpoint_file_read_numbers(t->grid, path, 1, &epoch));
  const int64_t most = epochs > t->app->config.train.epochs ? epochs : t->app->config.train.epochs;
  if (epochs < 0 || most > INT32_MAX)
    return SN_ERROR_ALL(SN_ERROR_FILE, "%s: epoch is %lld: the file is damaged", path, (long long)epochs);
  sn_memory_give(&t->history);
  SN_TRY(SN_NEW(most * SN_HISTORY_COLUMNS, &t->history));
  sn_trainer_get_state(t->trainer)->epoch = epochs;
  list_contents(t, &c);
  return sn_checkpoint_file_read(t->grid, path, &c.whole);
}

/* Goes on from the newest checkpoint that can be read; a damaged one is reported and the one before it taken. */
static sn_status resume(training *t, bool *resumed) {
  sn_app *app = t->app;
  ptrdiff_t count;
  int64_t *iterations;
  *resumed = false;
  SN_TRY(sn_run_checkpoints(app, &count, &iterations));
  sn_status status = SN_OK;
  for (ptrdiff_t k = count - 1; k >= 0 && !*resumed && !status; k--) {
    sn_run_checkpoint_path(app, iterations[k], t->checkpoint);
    status = sn_agree(app->world, read_checkpoint(t, t->checkpoint));
    *resumed = !status;
    if (status && k > 0 && sn_error_get_code(status) == SN_ERROR_FILE) {
      sn_log_warning(app->log, "%s; the checkpoint before it is taken", sn_error_get_message(status));
      sn_error_destroy(&status);
    }
  }
  sn_memory_give(&iterations);
  if (status || !*resumed) return status;
  const sn_trainer_state *state = sn_trainer_peek_state(t->trainer);
  sn_log_line(app->log, "resuming from %s: epoch %lld, iteration %lld", t->checkpoint, (long long)state->epoch,
              (long long)state->iteration);
  return sn_model_loaded(t->model);
}

/* Resumes or starts anew, as train.resume and --overwrite say; refuses to mix with what another run left. */
static sn_status begin(training *t) {
  sn_app *app = t->app;
  const sn_resume wanted = (sn_resume)app->config.train.resume;
  char path[SN_RUN_PATH];
  bool resumed = false;
  if (wanted != SN_RESUME_NEVER && !app->overwrite) SN_TRY(resume(t, &resumed));
  if (!resumed && wanted == SN_RESUME_REQUIRED)
    return SN_ERROR_ALL(SN_ERROR_FILE,
                        "%s: there is no checkpoint to resume from, but train.resume is 'required'; set "
                        "it to 'auto' to begin anew",
                        app->config.run.directory);
  sn_run_path(app, "model.h5", path);
  if (!resumed) {
    SN_TRY(sn_setup_claim(app, path, "run.directory"));
    if (wanted == SN_RESUME_NEVER || app->overwrite) SN_TRY(sn_run_prune(app, 0));
    t->checkpoint[0] = '\0';
  }
  SN_TRY(sn_run_make(app));
  sn_status status = SN_OK;
  if (app->rank == 0) {
    sn_text text;
    status = sn_text_begin(&text);
    sn_run_path(app, "config.yaml", path);
    if (!status) {
      fputs(app->echo, text.stream);
      status = sn_text_replace(&text, path);
    }
    sn_run_path(app, "history.csv", path);
    if (!status) status = sn_history_write(path, sn_trainer_peek_state(t->trainer)->epoch, t->history);
  }
  return sn_agree(app->world, status);
}

static bool wants_stop(void *context) {
  (void)context;
  return sn_stop_signal() != 0;
}

static sn_status after_iteration(void *context, const sn_trainer *trainer, double loss) {
  training *t = context;
  (void)trainer;
  t->loss = loss;
  const sn_run_progress now = progress_of(t);
  if (t->app->rank == 0)
    sn_status_file_refresh(t->app->config.run.directory, &now, t->checkpoint, "training", &t->told);
  sn_log_progress(t->app->log, "training", (double)now.step, (double)now.steps, "epoch %lld  loss %.3e  rate %.2e",
                  (long long)now.epoch, loss, now.rate);
  return SN_OK;
}

static sn_status after_epoch(void *context, const sn_trainer *trainer, const sn_trainer_record *record) {
  training *t = context;
  sn_app *app = t->app;
  double *row = t->history + (record->epoch - 1) * SN_HISTORY_COLUMNS;
  char path[SN_RUN_PATH];
  (void)trainer;
  sn_history_row(record, row);
  sn_run_path(app, "history.csv", path);
  SN_TRY(sn_agree(app->world, app->rank == 0 ? sn_history_append(path, row) : SN_OK));
  if (record->best) SN_TRY(write_model(t, "best.h5"));
  const int64_t every = app->config.train.checkpoint.every;
  if (record->epoch % every == 0 || record->epoch == app->config.train.epochs) {
    SN_TRY(write_checkpoint(t));
    SN_TRY(say_status(t, SN_RUN_RUNNING, "training"));
  }
  return SN_OK;
}

/* Says what is about to happen. */
static void announce(const training *t, double interval) {
  const sn_config *c = &t->app->config;
  sn_parameters *parameters = sn_model_parameters(t->model);
  sn_log_line(t->app->log, "data: %s, %td training and %td validation windows of %lld x %g (split by %s at %td)",
              c->train.data, sn_dataset_windows(t->dataset, SN_SET_TRAINING),
              sn_dataset_windows(t->dataset, SN_SET_VALIDATION), (long long)c->train.window, interval,
              c->train.split == SN_SPLIT_TIME ? "time" : "member", sn_dataset_boundary(t->dataset));
  sn_log_line(t->app->log, "model: %s network, %s linear part, %td parameters to train",
              sn_network_kind_name(sn_network_get_shape(sn_model_network(t->model))->kind),
              sn_linear_kind_name(sn_linear_get_kind(sn_model_linear(t->model))),
              sn_parameters_total(parameters, true));
  sn_log_line(t->app->log, "scheme: %s, dt %g; solver %s", c->integrator.scheme, c->integrator.dt,
              sn_integrator_solver_reason(t->integrator));
  sn_log_line(t->app->log, "adjoint storage: %s", sn_integrator_storage_reason(t->integrator));
}

static sn_status load_data(training *t, double *interval) {
  const sn_config *c = &t->app->config;
  sn_trajectory_reader *reader;
  SN_TRY(sn_setup_trajectory(t->app, c->train.data, &reader));
  const ptrdiff_t members = sn_trajectory_members(reader), snapshots = sn_trajectory_snapshots(reader);
  sn_status status = sn_trajectory_interval(reader, interval);
  if (!status)
    status = sn_setup_read(t->app, t->grid, c->train.data, reader, (sn_range){0, members}, (sn_range){0, snapshots},
                           &t->values);
  sn_trajectory_close(&reader);
  if (status) return status;
  t->speed = sn_suitability_speed(t->app, members * snapshots * sn_grid_range(t->grid).count, t->values);
  return sn_dataset_create(members, snapshots, sn_grid_range(t->grid).count, t->values, c->train.window,
                           (sn_split_kind)c->train.split, c->train.validation, &t->dataset);
}

static sn_status prepare(training *t) {
  sn_app *app = t->app;
  const sn_config *c = &app->config;
  double interval;
  t->libraries = sn_setup_libraries();
  sn_timer_start(app->timer, SN_TIME_SETUP);
  SN_TRY(sn_setup_grid(app, &t->grid));
  SN_TRY(load_data(t, &interval));
  const ptrdiff_t samples = sn_trainer_samples(t->grid, t->dataset, c->train.batch);
  SN_TRY(sn_setup_model(app, t->grid, samples, &t->model));
  SN_TRY(sn_setup_integrator(app, t->model, interval, c->train.window, true, &t->integrator));
  SN_TRY(sn_suitability_check(app, t->model, t->speed, sn_integrator_steps(t->integrator, c->train.window)));
  SN_TRY(sn_objective_create(t->model, t->integrator, (sn_loss_kind)c->train.loss, c->train.window, &t->objective));
  const sn_optimizer_options optimizer = {.kind = (sn_optimizer_kind)c->train.optimizer.kind,
                                          .weight_decay = c->train.optimizer.weight_decay,
                                          .beta1 = c->train.optimizer.beta1,
                                          .beta2 = c->train.optimizer.beta2,
                                          .epsilon = c->train.optimizer.epsilon,
                                          .momentum = c->train.optimizer.momentum};
  SN_TRY(sn_optimizer_create(sn_model_parameters(t->model), &optimizer, &t->optimizer));
  const sn_trainer_options options = {.batch = c->train.batch,
                                      .epochs = c->train.epochs,
                                      .seed = (uint64_t)c->run.seed,
                                      .window = c->train.window,
                                      .schedule = {.kind = (sn_schedule_kind)c->train.schedule.kind,
                                                   .factor = c->train.schedule.factor,
                                                   .patience = c->train.schedule.patience,
                                                   .threshold = c->train.schedule.threshold,
                                                   .minimum = c->train.schedule.minimum}};
  SN_TRY(sn_trainer_create(t->model, t->objective, t->dataset, t->optimizer, &options, c->train.optimizer.learning_rate,
                           &t->trainer));
  SN_TRY(sn_trainer_reserve(t->trainer, t->integrator));
  SN_TRY(SN_NEW(c->train.epochs * SN_HISTORY_COLUMNS, &t->history));
  t->foreseen = sn_setup_peak_memory(t->grid, sn_model_parameters(t->model), (double)sn_memory_bytes(), t->libraries);
  MPI_Allreduce(MPI_IN_PLACE, &t->foreseen, 1, MPI_DOUBLE, MPI_MAX, app->world);
  announce(t, interval);
  SN_TRY(begin(t));
  sn_timer_stop(app->timer, SN_TIME_SETUP);
  return SN_OK;
}

static sn_status finish(training *t) {
  const sn_trainer_state *state = sn_trainer_peek_state(t->trainer);
  SN_TRY(write_model(t, "model.h5"));
  SN_TRY(say_status(t, SN_RUN_COMPLETE, "all epochs done"));
  if (state->epoch == 0) return SN_OK;
  const double *last = t->history + (state->epoch - 1) * SN_HISTORY_COLUMNS;
  sn_log_line(t->app->log, "trained %lld epochs, %lld iterations in %.1f s (%.3f s an epoch)", (long long)state->epoch,
              (long long)state->iteration, state->seconds, state->seconds / (double)state->epoch);
  sn_log_line(t->app->log, "training loss %.4e, validation loss %.4e, best %.4e", last[3], last[4], state->best);
  char effort[120];
  sn_integrator_effort(t->integrator, effort, sizeof effort);
  sn_log_line(t->app->log, "factorizations: %ld%s%s", sn_integrator_factorizations(t->integrator), *effort ? "; " : "",
              effort);
  sn_log_line(t->app->log, "memory: %.0f MiB a rank at its peak, %.0f foreseen", last[6], t->foreseen / 1048576);
  sn_log_line(t->app->log, "written: %s/{model,best}.h5, history.csv, config.yaml", t->app->config.run.directory);
  return SN_OK;
}

static sn_status train(training *t) {
  sn_app *app = t->app;
  bool stopped;
  SN_TRY(prepare(t));
  SN_TRY(say_status(t, SN_RUN_RUNNING, "training"));
  sn_stop_install();
  const sn_trainer_hooks hooks = {
      .context = t, .wants_stop = wants_stop, .after_iteration = after_iteration, .after_epoch = after_epoch};
  const sn_trainer_state *state = sn_trainer_peek_state(t->trainer);
  sn_log_progress_start(app->log, (double)state->iteration);
  SN_TRY(sn_trainer_run(t->trainer, &hooks, &stopped));
  if (!stopped) return finish(t);

  SN_TRY(write_checkpoint(t));
  SN_TRY(say_status(t, SN_RUN_CHECKPOINTED, "stopped by a signal"));
  return SN_ERROR_ALL(SN_ERROR_STOPPED,
                      "stopped by a signal after iteration %lld; %s is written: run the same command "
                      "again to go on",
                      (long long)state->iteration, t->checkpoint);
}

sn_status sn_command_train(sn_app *app) {
  training t = {.app = app, .loss = NAN};
  sn_status status = train(&t);
  if (status && sn_error_is_collective(status) && sn_error_get_code(status) == SN_ERROR_RUN && t.trainer) {
    sn_status ignored = say_status(&t, SN_RUN_FAILED, sn_error_get_message(status));
    sn_error_destroy(&ignored);
  }
  sn_trainer_destroy(&t.trainer);
  sn_optimizer_destroy(&t.optimizer);
  sn_objective_destroy(&t.objective);
  sn_integrator_destroy(&t.integrator);
  sn_model_destroy(&t.model);
  sn_dataset_destroy(&t.dataset);
  sn_memory_give(&t.values);
  sn_memory_give(&t.history);
  sn_grid_destroy(&t.grid);
  return status;
}
