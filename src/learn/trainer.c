#include "sinode/trainer.h"

#include <math.h>

#include "sinode/memory.h"
#include "sinode/random.h"
#include "sinode/reduction.h"

struct sn_trainer {
  const sn_grid *grid;
  sn_model *model;
  sn_objective *objective;
  const sn_dataset *dataset;
  sn_optimizer *optimizer;
  sn_trainer_options options;
  sn_trainer_state state;
  ptrdiff_t windows;      /* of the training set */
  ptrdiff_t *permutation; /* (windows) of the epoch under way */
  double *gradient;
  sn_reduction *reduction;
};

sn_status sn_trainer_create(sn_model *model, sn_objective *objective, const sn_dataset *dataset,
                            sn_optimizer *optimizer, const sn_trainer_options *options, double learning_rate,
                            sn_trainer **out) {
  const sn_grid *grid = sn_model_grid(model);
  SN_TRY(sn_agree(sn_grid_world(grid), SN_NEW(1, out)));
  sn_trainer *trainer = *out;
  *trainer = (sn_trainer){.grid = grid,
                          .model = model,
                          .objective = objective,
                          .dataset = dataset,
                          .optimizer = optimizer,
                          .options = *options,
                          .windows = sn_dataset_windows(dataset, SN_SET_TRAINING)};
  sn_objective_skip_initial_bar(objective);
  trainer->state = (sn_trainer_state){.best = INFINITY, .schedule = sn_schedule_start(learning_rate)};
  sn_status status = SN_NEW(trainer->windows, &trainer->permutation);
  if (!status) status = SN_NEW(sn_parameters_size(sn_model_parameters(model)), &trainer->gradient);
  status = sn_agree(sn_grid_world(grid), status);
  if (!status) status = sn_reduction_create(sn_model_parameters(model), &trainer->reduction);
  if (status) sn_trainer_destroy(out);
  return status;
}

void sn_trainer_destroy(sn_trainer **trainer) {
  if (!*trainer) return;
  sn_memory_give(&(*trainer)->permutation);
  sn_memory_give(&(*trainer)->gradient);
  sn_reduction_destroy(&(*trainer)->reduction);
  sn_memory_give(trainer);
}

sn_trainer_state *sn_trainer_get_state(sn_trainer *trainer) { return &trainer->state; }
const sn_trainer_state *sn_trainer_peek_state(const sn_trainer *trainer) { return &trainer->state; }

ptrdiff_t sn_trainer_samples(const sn_grid *grid, const sn_dataset *dataset, ptrdiff_t batch) {
  const ptrdiff_t windows = sn_dataset_windows(dataset, SN_SET_TRAINING);
  const ptrdiff_t most = batch < windows ? batch : windows, replicas = sn_grid_replica_count(grid);
  return (most + replicas - 1) / replicas;
}

ptrdiff_t sn_trainer_batches(const sn_trainer *trainer) {
  return (trainer->windows + trainer->options.batch - 1) / trainer->options.batch;
}

/* The windows [start, start + count) of batch number `position` in the epoch's order. */
static sn_range batch_range(const sn_trainer *trainer, ptrdiff_t position) {
  const ptrdiff_t start = position * trainer->options.batch, left = trainer->windows - start;
  return (sn_range){.start = start, .count = left < trainer->options.batch ? left : trainer->options.batch};
}

sn_status sn_trainer_reserve(const sn_trainer *trainer, sn_integrator *integrator) {
  const ptrdiff_t most = sn_model_samples(trainer->model);
  const sn_range ends[2] = {batch_range(trainer, 0), batch_range(trainer, sn_trainer_batches(trainer) - 1)};
  for (int k = 0; k < 2; k++) {
    const ptrdiff_t share = sn_grid_share(trainer->grid, ends[k].count).count;
    if (share) SN_TRY(sn_integrator_reserve(integrator, share));
  }
  for (sn_set set = SN_SET_TRAINING; set <= SN_SET_VALIDATION; set++) {
    const ptrdiff_t share = sn_grid_share(trainer->grid, sn_dataset_windows(trainer->dataset, set)).count;
    if (share >= most) SN_TRY(sn_integrator_reserve(integrator, most));
    if (share % most) SN_TRY(sn_integrator_reserve(integrator, share % most));
  }
  return SN_OK;
}

static void shuffle(sn_trainer *trainer) {
  const sn_random random = {
      .seed = trainer->options.seed, .purpose = SN_RANDOM_SHUFFLE, .stream = (uint64_t)trainer->state.epoch};
  sn_random_permutation(&random, trainer->windows, trainer->permutation);
}

static double values_of(const sn_trainer *trainer, ptrdiff_t samples) {
  return (double)samples * (double)trainer->options.window * (double)sn_grid_points(trainer->grid);
}

sn_status sn_trainer_evaluate(sn_trainer *trainer, sn_set set, double *loss) {
  const ptrdiff_t windows = sn_dataset_windows(trainer->dataset, set), most = sn_model_samples(trainer->model);
  const sn_range share = sn_grid_share(trainer->grid, windows);
  double total = 0;
  sn_status status = SN_OK;
  for (ptrdiff_t done = 0; done < share.count && !status; done += most) {
    const ptrdiff_t samples = share.count - done < most ? share.count - done : most;
    double sum = 0;
    sn_dataset_gather(trainer->dataset, set, samples, NULL, share.start + done,
                      sn_objective_initial(trainer->objective), sn_objective_targets(trainer->objective));
    status = sn_objective_value(trainer->objective, samples, &sum);
    total += sum;
  }
  SN_TRY(sn_agree(sn_grid_world(trainer->grid), status));
  MPI_Allreduce(MPI_IN_PLACE, &total, 1, MPI_DOUBLE, MPI_SUM, sn_grid_world(trainer->grid));
  *loss = windows ? total / values_of(trainer, windows) : NAN;
  return SN_OK;
}

/*
 * Looks into a batch in which some replica failed (`status` is this one's part) or saw a state, an adjoint or a
 * gradient out of bounds. The error names the step. SN_OK if what one rank saw is within bounds for all of them
 * together: the gradient is then there once more. Collective over world.
 */
static sn_status examine(sn_trainer *trainer, sn_status status, ptrdiff_t samples, double scale, double loss) {
  SN_TRY(sn_agree(sn_grid_world(trainer->grid), status));
  SN_TRY(sn_objective_diagnose(trainer->objective, samples, scale, trainer->gradient));
  sn_reduction_begin(trainer->reduction, trainer->gradient);
  const bool finite = sn_reduction_finish(trainer->reduction, 0, NULL);
  if (finite && isfinite(loss)) return SN_OK;
  return SN_ERROR_ALL(SN_ERROR_RUN,
                      "the gradient is not finite although states and adjoints are (loss %g); lower "
                      "train.optimizer.learning_rate",
                      loss);
}

/* Each replica updates its parts of the parameters and gets the others. */
static void update(sn_trainer *trainer) {
  double *values = sn_parameters_values(sn_model_parameters(trainer->model));
  sn_timer *timer = sn_grid_timer(trainer->grid);
  sn_timer_start(timer, SN_TIME_OPTIMIZER);
  sn_optimizer_begin_step(trainer->optimizer);
  for (int k = 0; k < sn_reduction_parts(trainer->reduction); k++) {
    sn_optimizer_update(trainer->optimizer, trainer->state.schedule.rate, trainer->gradient,
                        sn_reduction_part(trainer->reduction, k));
    sn_reduction_share(trainer->reduction, k, values);
  }
  sn_reduction_complete(trainer->reduction);
  sn_timer_stop(timer, SN_TIME_OPTIMIZER);
}

void sn_trainer_gather(sn_trainer *trainer) {
  for (int v = 0; v < sn_optimizer_vectors(trainer->optimizer); v++)
    sn_reduction_gather(trainer->reduction, sn_optimizer_vector(trainer->optimizer, v));
}

/* One batch: gradient, reduction, optimizer step. With the gradient the ranks agree on loss, health and stop. */
static sn_status iterate(sn_trainer *trainer, bool stop_here, double *batch_loss, bool *stop) {
  sn_trainer_state *state = &trainer->state;
  const sn_range batch = batch_range(trainer, state->position);
  const sn_range share = sn_grid_share(trainer->grid, batch.count);
  const double scale = 1 / values_of(trainer, batch.count);
  double sum = 0;
  sn_dataset_gather(trainer->dataset, SN_SET_TRAINING, share.count, trainer->permutation + batch.start + share.start, 0,
                    sn_objective_initial(trainer->objective), sn_objective_targets(trainer->objective));
  /* One replica may fail alone (a solve, a stiff sample): the others learn of it where they all agree. */
  sn_reduction_begin(trainer->reduction, trainer->gradient);
  sn_status status = sn_objective_gradient(trainer->objective, share.count, scale, &sum, trainer->gradient);
  double agreed[3] = {sum, status || !sn_objective_is_sound(trainer->objective), stop_here};
  const bool finite = sn_reduction_finish(trainer->reduction, 3, agreed);
  *batch_loss = scale * agreed[0];
  *stop = agreed[2] > 0;
  if (!finite || !isfinite(*batch_loss) || agreed[1] > 0)
    SN_TRY(examine(trainer, status, share.count, scale, *batch_loss));

  update(trainer);
  SN_TRY(sn_model_stepped(trainer->model));
  state->loss_sum += *batch_loss * (double)batch.count;
  state->iteration++;
  state->position++;
  return SN_OK;
}

static sn_status finish_epoch(sn_trainer *trainer, sn_trainer_record *record) {
  sn_trainer_state *state = &trainer->state;
  sn_timer *timer = sn_grid_timer(trainer->grid);
  double memory = (double)sn_memory_resident_peak() / 1048576.0;
  MPI_Allreduce(MPI_IN_PLACE, &memory, 1, MPI_DOUBLE, MPI_MAX, sn_grid_world(trainer->grid));
  *record = (sn_trainer_record){.iteration = state->iteration,
                                .seconds = state->seconds,
                                .train_loss = state->loss_sum / (double)trainer->windows,
                                .learning_rate = state->schedule.rate,
                                .peak_memory_mib = memory};
  sn_timer_start(timer, SN_TIME_VALIDATION);
  SN_TRY(sn_trainer_evaluate(trainer, SN_SET_VALIDATION, &record->validation_loss));
  sn_timer_stop(timer, SN_TIME_VALIDATION);
  const double judged = isnan(record->validation_loss) && !sn_dataset_windows(trainer->dataset, SN_SET_VALIDATION)
                            ? record->train_loss
                            : record->validation_loss;
  record->best = judged < state->best;
  if (record->best) state->best = judged;
  sn_schedule_step(&state->schedule, &trainer->options.schedule, judged);
  state->position = 0;
  state->loss_sum = 0;
  record->epoch = ++state->epoch;
  return SN_OK;
}

sn_status sn_trainer_run(sn_trainer *trainer, const sn_trainer_hooks *hooks, bool *stopped) {
  sn_trainer_state *state = &trainer->state;
  *stopped = false;
  while (state->epoch < trainer->options.epochs && !*stopped) {
    shuffle(trainer);
    while (state->position < sn_trainer_batches(trainer) && !*stopped) {
      double loss = 0;
      const double started = sn_clock();
      SN_TRY(iterate(trainer, hooks->wants_stop(hooks->context), &loss, stopped));
      state->seconds += sn_clock() - started;
      SN_TRY(hooks->after_iteration(hooks->context, trainer, loss));
    }
    if (state->position < sn_trainer_batches(trainer)) break;
    sn_trainer_record record;
    SN_TRY(finish_epoch(trainer, &record));
    SN_TRY(hooks->after_epoch(hooks->context, trainer, &record));
  }
  return SN_OK;
}
