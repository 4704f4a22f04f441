/* Checkpoints of sinode train: everything that makes a resumed run the same as an unbroken one. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "run/model_setup.h"
#include "run/output.h"
#include "sinode/checkpoint_file.h"
#include "sinode/memory.h"
#include "sinode/text_file.h"
#include "train.h"

/* What a checkpoint holds besides the parameters: the optimizer's vectors and these numbers. */
enum { NUMBERS = 20 };

typedef struct {
  sn_checkpoint_number number[NUMBERS];
  sn_checkpoint_vector vector[SN_OPTIMIZER_VECTORS_MOST];
  sn_checkpoint whole;
} contents;

/* Points at everything that makes a resumed run the same as an unbroken one. */
static void list_contents(sn_training *t, contents *c) {
  sn_trainer_state *state = sn_trainer_get_state(t->trainer);
  const sn_checkpoint_number numbers[NUMBERS] = {
      {"epoch", SN_CHECKPOINT_INT64, 1, &state->epoch},
      {"iteration", SN_CHECKPOINT_INT64, 1, &state->iteration},
      {"position", SN_CHECKPOINT_INT64, 1, &state->position},
      {"optimizer_steps", SN_CHECKPOINT_INT64, 1, sn_optimizer_steps(t->optimizer)},
      {"schedule_bad_epochs", SN_CHECKPOINT_INT64, 1, &state->schedule.bad_epochs},
      {"left_out", SN_CHECKPOINT_INT64, 1, &state->left_out},
      {"left_out_in_a_row", SN_CHECKPOINT_INT64, 1, &state->in_a_row},
      {"best_checkpoint", SN_CHECKPOINT_INT64, 1, &t->spared},
      {"data_members", SN_CHECKPOINT_INT64, 1, &t->data.members},
      {"data_snapshots", SN_CHECKPOINT_INT64, 1, &t->data.snapshots},
      {"data_checksum", SN_CHECKPOINT_INT64, 1, &t->data.checksum},
      {"seed", SN_CHECKPOINT_INT64, 1, &t->app->config.run.seed},
      {"loss_sum", SN_CHECKPOINT_FLOAT64, 1, &state->loss_sum},
      {"seconds", SN_CHECKPOINT_FLOAT64, 1, &state->seconds},
      {"best_checkpoint_loss", SN_CHECKPOINT_FLOAT64, 1, &t->spared_loss},
      {"best_loss", SN_CHECKPOINT_FLOAT64, 1, &state->best},
      {"learning_rate", SN_CHECKPOINT_FLOAT64, 1, &state->schedule.rate},
      {"schedule_best", SN_CHECKPOINT_FLOAT64, 1, &state->schedule.best},
      {"history", SN_CHECKPOINT_FLOAT64, state->epoch * SN_HISTORY_COLUMNS, t->history},
      {"optimizer_numbers", SN_CHECKPOINT_FLOAT64, sn_optimizer_numbers(t->optimizer),
       sn_optimizer_number(t->optimizer)},
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
                             .numbers = sn_optimizer_numbers(t->optimizer) ? NUMBERS : NUMBERS - 1, /* the last */
                             .number = c->number};
}

double sn_training_checkpoint_bytes(const sn_training *t) {
  const double vectors = 1 + sn_optimizer_vectors(t->optimizer);
  return 8 * vectors * (double)sn_parameters_total(sn_model_parameters(t->model), false);
}

/* Writes the checkpoint of an iteration and deletes those that are not kept. */
static sn_status write_checkpoint(sn_training *t, const sn_checkpoint *checkpoint, int64_t iteration) {
  const sn_model_description description = sn_setup_describe(t->app, t->model);
  sn_provenance provenance = sn_output_provenance(t->app, "checkpoint of training");
  const sn_series series = sn_run_checkpoints(t->app);
  char path[SN_SERIES_PATH];
  provenance.held_out = t->held_out;
  sn_series_path(&series, iteration, path);
  SN_TRY(sn_checkpoint_file_write(t->grid, path, &description, checkpoint, &provenance));
  memcpy(t->checkpoint, path, sizeof path); /* status.json names what is there */
  return sn_series_prune(t->app, &series, t->app->config.run.checkpoint.keep, t->spared);
}

sn_status sn_training_save(sn_training *t, double loss) {
  contents c;
  const int64_t iteration = sn_trainer_peek_state(t->trainer)->iteration;
  const double started = sn_clock();
  if (t->spared < 0 || loss < t->spared_loss) {
    t->spared = iteration;
    t->spared_loss = isnan(loss) ? INFINITY : loss;
  }
  sn_trainer_gather(t->trainer);
  list_contents(t, &c);
  SN_TRY_TIMED(t->app->timer, SN_TIME_WRITE, write_checkpoint(t, &c.whole, iteration));
  sn_stop_policy_saved(&t->policy, sn_clock() - started);
  return SN_OK;
}

/* A run goes on with what decides its results; how long it trains and how often it saves may change. */
static const char *const decisive[] = {"run.seed",
                                       "grid",
                                       "model",
                                       "integrator",
                                       "train.window",
                                       "train.curriculum",
                                       "train.batch",
                                       "train.loss",
                                       "train.validation",
                                       "train.split",
                                       "train.observations",
                                       "train.initial",
                                       "train.jump_weight",
                                       "train.optimizer.kind",
                                       "train.optimizer.history",
                                       "parallel.reproducible",
                                       "parallel.slice"};

/* The data may have moved, but must be the same. */
static sn_status validate_same_data(const sn_training *t, const char *path) {
  sn_training_data theirs;
  const sn_checkpoint_number numbers[] = {{"data_members", SN_CHECKPOINT_INT64, 1, &theirs.members},
                                          {"data_snapshots", SN_CHECKPOINT_INT64, 1, &theirs.snapshots},
                                          {"data_checksum", SN_CHECKPOINT_INT64, 1, &theirs.checksum}};
  SN_TRY(sn_checkpoint_file_read_numbers(t->grid, path, 3, numbers));
  if (memcmp(&theirs, &t->data, sizeof theirs) == 0) return SN_OK;
  return SN_ERROR_ALL(SN_ERROR_USAGE,
                      "train.data: %s holds %" PRId64 " members of %" PRId64 " snapshots (checksum %016" PRIx64
                      "), but the run in %s was made with %" PRId64 " of %" PRId64 " (%016" PRIx64
                      "); give it those, use another run.directory, or --overwrite to begin anew",
                      t->app->config.data.file, t->data.members, t->data.snapshots, (uint64_t)t->data.checksum,
                      t->app->config.run.directory, theirs.members, theirs.snapshots, (uint64_t)theirs.checksum);
}

/* Whether where the checkpoint says to go on is a place in these data. */
static sn_status validate_position(const sn_training *t, const char *path) {
  const sn_trainer_state *state = sn_trainer_peek_state(t->trainer);
  const int64_t batches = sn_trainer_batches(t->trainer);
  if (state->position >= 0 && state->position <= batches && state->left_out >= 0 &&
      state->iteration == state->epoch * batches + state->position)
    return SN_OK;
  return SN_ERROR_ALL(SN_ERROR_FILE,
                      "%s: iteration %" PRId64 " is not batch %" PRId64 " of epoch %" PRId64 ", which have %" PRId64
                      " batches each: the file is damaged",
                      path, state->iteration, state->position, state->epoch, batches);
}

/* Reads everything back. The history's length follows from the epoch, so that comes first. */
static sn_status read_checkpoint(void *context, const char *path) {
  sn_training *t = context;
  contents c;
  int64_t epochs = 0;
  ptrdiff_t numbers = 0;
  const sn_checkpoint_number epoch = {"epoch", SN_CHECKPOINT_INT64, 1, &epochs};
  SN_TRY(
      sn_output_same_run(t->app, path, "checkpoint", decisive, sizeof decisive / sizeof decisive[0], "run.directory"));
  SN_TRY(validate_same_data(t, path));
  SN_TRY(sn_checkpoint_file_read_numbers(t->grid, path, 1, &epoch));
  SN_TRY(sn_checkpoint_file_count(t->grid, path, "/progress/history", &numbers));
  if (epochs < 0 || numbers % SN_HISTORY_COLUMNS || epochs != numbers / SN_HISTORY_COLUMNS)
    return SN_ERROR_ALL(SN_ERROR_FILE,
                        "%s: the history has %td numbers, which are not %" PRId64
                        " epochs of %d: the "
                        "file is damaged",
                        path, numbers, epochs, SN_HISTORY_COLUMNS);
  const int64_t most = epochs > t->app->config.train.epochs ? epochs : t->app->config.train.epochs;
  SN_FREE(t->history);
  SN_TRY(sn_collective_status(t->app->world, SN_NEW(most * SN_HISTORY_COLUMNS, &t->history)));
  sn_trainer_get_state(t->trainer)->epoch = epochs;
  list_contents(t, &c);
  SN_TRY(sn_checkpoint_file_read(t->grid, path, &c.whole));
  return validate_position(t, path);
}

/* Goes on from the newest checkpoint that can be read. */
static sn_status resume(sn_training *t, bool *resumed) {
  sn_app *app = t->app;
  const sn_series series = sn_run_checkpoints(app);
  int64_t number;
  SN_TRY(sn_series_resume(app, &series, read_checkpoint, t, &number));
  *resumed = number >= 0;
  if (!*resumed) return SN_OK;
  const sn_trainer_state *state = sn_trainer_peek_state(t->trainer);
  sn_series_path(&series, number, t->checkpoint);
  sn_log_line(app->log, "resuming from %s: epoch %lld, iteration %lld", t->checkpoint, (long long)state->epoch,
              (long long)state->iteration);
  return sn_model_loaded(t->model);
}

/* config.yaml and history.csv. For rank 0. */
static sn_status write_texts(const sn_training *t) {
  char path[SN_RUN_PATH];
  sn_text text;
  SN_TRY(sn_text_begin(&text));
  fputs(t->app->echo, text.stream);
  sn_run_path(t->app, "config.yaml", path);
  SN_TRY(sn_text_replace(&text, path));
  sn_run_path(t->app, "history.csv", path);
  return sn_history_write(path, sn_trainer_peek_state(t->trainer)->epoch, t->history);
}

sn_status sn_training_begin(sn_training *t) {
  sn_app *app = t->app;
  const sn_resume wanted = app->config.run.resume;
  const sn_series series = sn_run_checkpoints(app);
  char path[SN_RUN_PATH];
  t->spared = -1;
  SN_TRY(sn_run_lock(app));
  if (wanted != SN_RESUME_NEVER && !app->overwrite) SN_TRY(resume(t, &t->resumed));
  if (!t->resumed && wanted == SN_RESUME_REQUIRED)
    return SN_ERROR_ALL(SN_ERROR_FILE,
                        "%s: there is no checkpoint to resume from, but train.resume is 'required'; set "
                        "it to 'auto' to begin anew",
                        app->config.run.directory);
  sn_run_path(app, "model.h5", path);
  if (!t->resumed) {
    SN_TRY(sn_output_check(app, path, "run.directory"));
    if (wanted == SN_RESUME_NEVER || app->overwrite) SN_TRY(sn_series_prune(app, &series, 0, -1));
    t->checkpoint[0] = '\0';
  }
  SN_TRY(sn_collective_status(app->world, app->rank == 0 ? write_texts(t) : SN_OK));
  t->begun = true;
  return SN_OK;
}
