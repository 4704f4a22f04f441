#include "sinode/trainer.h"

#include <math.h>

#include "sinode/finite.h"
#include "sinode/memory.h"
#include "sinode/ordered_loss.h"
#include "sinode/random.h"
#include "sinode/reduction.h"
#include "training_problem.h"

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
  sn_ordered_loss *ordered;    /* NULL unless options.slice */
  sn_training_problem problem; /* of optimizers that see all */
  bool exhausted;              /* such an optimizer found nothing better */
};

/* The windows [start, start + count) of batch number `position` in the epoch's order. */
static sn_range batch_range(const sn_trainer *trainer, ptrdiff_t position) {
  const ptrdiff_t start = position * trainer->options.batch, left = trainer->windows - start;
  return (sn_range){.start = start, .count = left < trainer->options.batch ? left : trainer->options.batch};
}

sn_status sn_trainer_create(sn_model *model, sn_objective *objective, const sn_dataset *dataset,
                            sn_optimizer *optimizer, const sn_trainer_options *options, double learning_rate,
                            sn_trainer **out) {
  const sn_grid *grid = sn_model_grid(model);
  SN_TRY(sn_collective_status(sn_grid_world(grid), SN_NEW(1, out)));
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
  status = sn_collective_status(sn_grid_world(grid), status);
  if (!status) status = sn_reduction_create(sn_model_parameters(model), &trainer->reduction);
  if (!status && options->slice)
    status = sn_ordered_loss_create(model, objective, dataset, batch_range(trainer, 0).count, &trainer->ordered);
  if (!status && sn_optimizer_is_full_batch(optimizer))
    status = sn_training_problem_create(model, objective, dataset, SN_SET_TRAINING, options->window,
                                        sn_optimizer_wants_tangents(optimizer), trainer->reduction, &trainer->problem);
  if (status) sn_trainer_destroy(out);
  return status;
}

void sn_trainer_destroy(sn_trainer **trainer) {
  if (!*trainer) return;
  sn_training_problem_destroy(&(*trainer)->problem);
  SN_FREE((*trainer)->permutation);
  SN_FREE((*trainer)->gradient);
  sn_reduction_destroy(&(*trainer)->reduction);
  sn_ordered_loss_destroy(&(*trainer)->ordered);
  SN_FREE(*trainer);
}

sn_trainer_state *sn_trainer_get_state(sn_trainer *trainer) { return &trainer->state; }
const sn_trainer_state *sn_trainer_peek_state(const sn_trainer *trainer) { return &trainer->state; }

ptrdiff_t sn_trainer_samples(const sn_grid *grid, const sn_dataset *dataset, ptrdiff_t batch, ptrdiff_t slice) {
  const ptrdiff_t windows = sn_dataset_windows(dataset, SN_SET_TRAINING);
  const ptrdiff_t most = batch < windows ? batch : windows;
  if (slice) return slice < most ? slice : most;
  return sn_partition_most(most, sn_grid_replica_count(grid));
}

ptrdiff_t sn_trainer_window(const sn_trainer_options *options, int64_t epoch) {
  if (!options->first_window) return options->window;
  ptrdiff_t window = options->first_window;
  for (int64_t k = options->window_epochs; k <= epoch && window < options->window; k += options->window_epochs)
    window *= 2;
  return window < options->window ? window : options->window;
}

ptrdiff_t sn_trainer_batches(const sn_trainer *trainer) {
  if (sn_optimizer_is_full_batch(trainer->optimizer)) return 1;
  return (trainer->windows + trainer->options.batch - 1) / trainer->options.batch;
}

/* Whole slices, and what is left behind them of a batch, of the last batch and of the sets. */
static sn_status reserve_slices(const sn_trainer *trainer, sn_integrator *integrator) {
  const ptrdiff_t slice = sn_model_samples(trainer->model);
  const ptrdiff_t counts[] = {slice, batch_range(trainer, 0).count,
                              batch_range(trainer, sn_trainer_batches(trainer) - 1).count, trainer->windows,
                              sn_dataset_windows(trainer->dataset, SN_SET_VALIDATION)};
  SN_TRY(sn_integrator_reserve(integrator, slice));
  for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++)
    if (counts[k] % slice) SN_TRY(sn_integrator_reserve(integrator, counts[k] % slice));
  return SN_OK;
}

sn_status sn_trainer_reserve(const sn_trainer *trainer, sn_integrator *integrator) {
  const ptrdiff_t most = sn_model_samples(trainer->model);
  if (trainer->ordered) return reserve_slices(trainer, integrator);
  const sn_range ends[2] = {batch_range(trainer, 0), batch_range(trainer, sn_trainer_batches(trainer) - 1)};
  for (int k = 0; k < 2 && !sn_optimizer_is_full_batch(trainer->optimizer); k++) {
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
  return (double)samples * (double)sn_objective_window(trainer->objective) * (double)sn_grid_points(trainer->grid);
}

sn_status sn_trainer_evaluate(sn_trainer *trainer, sn_set set, double *loss) {
  const ptrdiff_t windows = sn_dataset_windows(trainer->dataset, set), most = sn_model_samples(trainer->model);
  const sn_range share = sn_grid_share(trainer->grid, windows);
  double total = 0;
  sn_status status = SN_OK;
  if (trainer->ordered && windows) {
    bool within_bounds;
    status = sn_ordered_loss_evaluate(trainer->ordered, set, windows, NULL, 1, &total, NULL, &within_bounds);
    *loss = total / values_of(trainer, windows);
    return sn_collective_status(sn_grid_world(trainer->grid), status);
  }
  for (ptrdiff_t done = 0; done < share.count && !status; done += most) {
    const ptrdiff_t samples = share.count - done < most ? share.count - done : most;
    double sum = 0;
    sn_dataset_gather(trainer->dataset, set, samples, NULL, share.start + done,
                      sn_objective_initial(trainer->objective), sn_objective_targets(trainer->objective));
    status = sn_objective_value(trainer->objective, samples, &sum);
    total += sum;
  }
  SN_TRY(sn_collective_status(sn_grid_world(trainer->grid), status));
  MPI_Allreduce(MPI_IN_PLACE, &total, 1, MPI_DOUBLE, MPI_SUM, sn_grid_world(trainer->grid));
  *loss = windows ? total / values_of(trainer, windows) : NAN;
  return SN_OK;
}

/* Scales a gradient down to the norm options.clip, part by part; each element counts once. */
static void clip(const sn_trainer *trainer) {
  const sn_parameters *parameters = sn_model_parameters(trainer->model);
  const double most = trainer->options.clip;
  double square = 0;
  if (!(most > 0)) return;
  if (trainer->ordered) { /* the gradient is whole: its norm is to have the same bits on any number of replicas */
    square = sn_parameters_dot(parameters, trainer->gradient, trainer->gradient);
  } else {
    for (int k = 0; k < sn_reduction_parts(trainer->reduction); k++)
      square += sn_parameters_square(parameters, sn_reduction_part(trainer->reduction, k), trainer->gradient);
    MPI_Allreduce(MPI_IN_PLACE, &square, 1, MPI_DOUBLE, MPI_SUM, sn_grid_world(trainer->grid));
  }
  const double factor = most / sqrt(square);
  for (ptrdiff_t k = 0; k < sn_parameters_size(parameters) && factor < 1; k++) trainer->gradient[k] *= factor;
}

/* Each replica updates its parts of the parameters and gets the others. */
static void update(sn_trainer *trainer) {
  double *values = sn_parameters_values(sn_model_parameters(trainer->model));
  sn_timer *timer = sn_grid_timer(trainer->grid);
  sn_timer_start(timer, SN_TIME_OPTIMIZER);
  clip(trainer);
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

/* Does without a batch, as options.on_nonfinite says; false where it must not. */
static bool leave_out(sn_trainer *trainer, ptrdiff_t windows) {
  sn_trainer_state *state = &trainer->state;
  if (trainer->options.on_nonfinite == SN_NONFINITE_STOP || state->in_a_row >= SN_NONFINITE_MOST) return false;
  if (trainer->options.on_nonfinite == SN_NONFINITE_HALVE) state->schedule.rate *= 0.5;
  state->left_out += windows;
  state->in_a_row++;
  state->iteration++;
  state->position++;
  return true;
}

/* Loss of a batch and its gradient, which is complete in slices and to be summed (agree) else; *sum: this rank's share.
 */
static sn_status differentiate(sn_trainer *trainer, sn_range batch, double scale, double *sum, bool *within_bounds) {
  const ptrdiff_t *index = trainer->permutation + batch.start;
  *sum = 0;
  if (trainer->ordered) {
    sn_status status = sn_ordered_loss_evaluate(trainer->ordered, SN_SET_TRAINING, batch.count, index, scale, sum,
                                                trainer->gradient, within_bounds);
    if (sn_grid_rank(trainer->grid)) *sum = 0;
    return status;
  }
  const sn_range share = sn_grid_share(trainer->grid, batch.count);
  sn_dataset_gather(trainer->dataset, SN_SET_TRAINING, share.count, index + share.start, 0,
                    sn_objective_initial(trainer->objective), sn_objective_targets(trainer->objective));
  /* One replica may fail alone (a solve, a stiff sample): the others learn of it where they all agree. */
  sn_reduction_begin(trainer->reduction, trainer->gradient);
  sn_status status = sn_objective_gradient(trainer->objective, share.count, scale, sum, trainer->gradient);
  *within_bounds = sn_objective_within_bounds(trainer->objective);
  return status;
}

/*
 * Sums `count` numbers over world, and with them the gradient, if that is still to be done. Whether all of the gradient
 * is finite on all ranks; numbers has room for one more.
 */
static bool agree(sn_trainer *trainer, int count, double *numbers) {
  if (!trainer->ordered) return sn_reduction_finish(trainer->reduction, count, numbers);
  numbers[count] = !sn_all_finite(sn_parameters_size(sn_model_parameters(trainer->model)), trainer->gradient);
  MPI_Allreduce(MPI_IN_PLACE, numbers, count + 1, MPI_DOUBLE, MPI_SUM, sn_grid_world(trainer->grid));
  return numbers[count] == 0;
}

/*
 * Looks into a batch in which some replica failed (`status` is this one's part) or saw a state, an adjoint or a
 * gradient out of bounds. The error names the step. SN_OK if what one rank saw is within bounds for all of them
 * together: the gradient is then there once more. Collective over world.
 */
static sn_status examine(sn_trainer *trainer, sn_range batch, sn_status status, double scale, double loss) {
  const MPI_Comm world = sn_grid_world(trainer->grid);
  SN_TRY(sn_collective_status(world, status));
  const ptrdiff_t samples =
      trainer->ordered ? sn_ordered_loss_recall(trainer->ordered) : sn_grid_share(trainer->grid, batch.count).count;
  SN_TRY(sn_objective_diagnose(trainer->objective, samples, scale, trainer->gradient));
  double again, none[1];
  bool within_bounds;
  status = differentiate(trainer, batch, scale, &again, &within_bounds);
  const bool finite = agree(trainer, 0, none); /* also of a failure: the other replicas sum theirs */
  SN_TRY(sn_collective_status(world, status));
  if (finite && isfinite(loss)) return SN_OK;
  return SN_ERROR_ALL(SN_ERROR_RUN,
                      "the gradient is not finite although states and adjoints are (loss %g); lower "
                      "train.optimizer.learning_rate",
                      loss);
}

/*
 * One batch: gradient, reduction, optimizer step. With the gradient the ranks agree on loss, health and the requests
 * for what comes next.
 */
static sn_status iterate(sn_trainer *trainer, sn_stop_request *request, double *batch_loss) {
  sn_trainer_state *state = &trainer->state;
  const sn_range batch = batch_range(trainer, state->position);
  const double scale = 1 / values_of(trainer, batch.count);
  double sum;
  bool within_bounds;
  sn_status status = differentiate(trainer, batch, scale, &sum, &within_bounds);
  double agreed[2 + SN_STOP_REQUEST_COUNTS + 1] = {sum, status || !within_bounds};
  sn_stop_request_count(*request, agreed + 2);
  const bool finite = agree(trainer, 2 + SN_STOP_REQUEST_COUNTS, agreed);
  *batch_loss = scale * agreed[0];
  *request = sn_stop_request_reduced(agreed + 2);
  if (!finite || !isfinite(*batch_loss) || agreed[1] > 0) {
    if (leave_out(trainer, batch.count)) {
      if (status) sn_error_destroy(&status);
      *batch_loss = NAN;
      return SN_OK;
    }
    SN_TRY(examine(trainer, batch, status, scale, *batch_loss));
  }

  update(trainer);
  SN_TRY(sn_model_stepped(trainer->model));
  state->in_a_row = 0;
  state->loss_sum += *batch_loss * (double)batch.count;
  state->iteration++;
  state->position++;
  return SN_OK;
}

/* One iteration of an optimizer that sees all windows. */
static sn_status iterate_whole(sn_trainer *trainer, sn_stop_request *request, double *loss) {
  sn_trainer_state *state = &trainer->state;
  const sn_problem problem = sn_training_problem_view(&trainer->problem);
  double agreed[SN_STOP_REQUEST_COUNTS];
  bool moved;
  SN_TRY(sn_optimizer_minimize(trainer->optimizer, &problem, state->schedule.rate, loss, &moved));
  SN_TRY(sn_model_stepped(trainer->model));
  sn_stop_request_count(*request, agreed);
  MPI_Allreduce(MPI_IN_PLACE, agreed, SN_STOP_REQUEST_COUNTS, MPI_DOUBLE, MPI_SUM, sn_grid_world(trainer->grid));
  *request = sn_stop_request_reduced(agreed);
  if (!isfinite(*loss))
    return SN_ERROR_ALL(SN_ERROR_RUN,
                        "the loss is not finite at the parameters that this epoch begins with; begin with smaller "
                        "weights (model.nonlinear.init), or lower integrator.dt");
  /* A window yet to grow is another problem. */
  trainer->exhausted = !moved && sn_objective_window(trainer->objective) == trainer->options.window;
  state->loss_sum += *loss * (double)trainer->windows;
  state->iteration++;
  state->position++;
  return SN_OK;
}

static sn_status finish_epoch(sn_trainer *trainer, sn_trainer_record *record) {
  sn_trainer_state *state = &trainer->state;
  double memory = (double)sn_memory_resident_peak() / 1048576.0;
  MPI_Allreduce(MPI_IN_PLACE, &memory, 1, MPI_DOUBLE, MPI_MAX, sn_grid_world(trainer->grid));
  *record = (sn_trainer_record){.iteration = state->iteration,
                                .seconds = state->seconds,
                                .train_loss = state->loss_sum / (double)(trainer->windows - state->left_out),
                                .learning_rate = state->schedule.rate,
                                .peak_memory_mib = memory};
  SN_TRY_TIMED(sn_grid_timer(trainer->grid), SN_TIME_VALIDATION,
               sn_trainer_evaluate(trainer, SN_SET_VALIDATION, &record->validation_loss));
  const double judged = isnan(record->validation_loss) && !sn_dataset_windows(trainer->dataset, SN_SET_VALIDATION)
                            ? record->train_loss
                            : record->validation_loss;
  record->best = judged < state->best;
  if (record->best) state->best = judged;
  sn_schedule_step(&state->schedule, &trainer->options.schedule, state->epoch + 1, judged);
  state->position = 0;
  state->loss_sum = 0;
  state->left_out = 0;
  record->epoch = ++state->epoch;
  return SN_OK;
}

/* The window of the epoch under way; where it is longer than that of the epoch before, losses begin anew. */
static void begin_epoch(sn_trainer *trainer) {
  sn_trainer_state *state = &trainer->state;
  const ptrdiff_t window = sn_trainer_window(&trainer->options, state->epoch);
  const bool longer = state->epoch > 0 && window > sn_trainer_window(&trainer->options, state->epoch - 1);
  sn_objective_set_window(trainer->objective, window);
  if (sn_optimizer_is_full_batch(trainer->optimizer))
    sn_training_problem_set_window(&trainer->problem, window);
  else
    shuffle(trainer);
  if (!longer || state->position > 0) return;
  state->best = state->schedule.best = INFINITY;
  sn_optimizer_restart(trainer->optimizer);
}

sn_status sn_trainer_run(sn_trainer *trainer, const sn_trainer_hooks *hooks, bool *stopped) {
  sn_trainer_state *state = &trainer->state;
  *stopped = false;
  const bool whole = sn_optimizer_is_full_batch(trainer->optimizer);
  trainer->exhausted = false;
  while (state->epoch < trainer->options.epochs && !*stopped && !trainer->exhausted) {
    begin_epoch(trainer);
    while (state->position < sn_trainer_batches(trainer) && !*stopped) {
      double loss = 0;
      const double started = sn_clock();
      sn_stop_request request = hooks->request(hooks->context);
      SN_TRY((whole ? iterate_whole : iterate)(trainer, &request, &loss));
      *stopped = request == SN_STOP_REQUEST_STOP;
      state->seconds += sn_clock() - started;
      SN_TRY(hooks->after_iteration(hooks->context, trainer, loss, request));
    }
    if (state->position < sn_trainer_batches(trainer)) break;
    sn_trainer_record record;
    SN_TRY(finish_epoch(trainer, &record));
    SN_TRY(hooks->after_epoch(hooks->context, trainer, &record));
  }
  return SN_OK;
}
