#include "sinode/trainer.h"

#include <math.h>

#include "sinode/finite.h"
#include "sinode/memory.h"
#include "sinode/random.h"
#include "sinode/window_loss.h"

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
  sn_window_loss *loss;
  bool last_problem; /* no window or weight is yet to grow */
  bool exhausted;    /* an optimizer of the second kind found nothing better */
};

/* The windows of batch number `position` in the epoch's order. */
static sn_windows batch_at(const sn_trainer *trainer, ptrdiff_t position) {
  const ptrdiff_t start = position * trainer->options.batch, left = trainer->windows - start;
  return (sn_windows){.set = SN_SET_TRAINING,
                      .count = left < trainer->options.batch ? left : trainer->options.batch,
                      .index = trainer->permutation + start};
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
  const bool estimated = options->initial == SN_INITIAL_ESTIMATED;
  if (!estimated) sn_objective_skip_initial_bar(objective);
  trainer->state = (sn_trainer_state){.best = INFINITY, .schedule = sn_schedule_start(learning_rate)};
  sn_status status = SN_NEW(trainer->windows, &trainer->permutation);
  if (!status) status = SN_NEW(sn_parameters_size(sn_model_parameters(model)), &trainer->gradient);
  status = sn_collective_status(sn_grid_world(grid), status);
  const bool full = sn_optimizer_is_full_batch(optimizer);
  const sn_window_loss_options evaluation = {.ordered = options->slice > 0,
                                             .windows_most = full ? trainer->windows : batch_at(trainer, 0).count,
                                             .jacobian = sn_optimizer_wants_tangents(optimizer),
                                             .second_derivatives = sn_optimizer_wants_second_derivatives(optimizer),
                                             .estimated = estimated,
                                             .jump_weight = options->jump_weight};
  if (!status && estimated)
    status = sn_collective_status(sn_grid_world(grid), sn_objective_estimate_initial(objective));
  if (!status) status = sn_window_loss_create(model, objective, dataset, &evaluation, &trainer->loss);
  if (status) sn_trainer_destroy(out);
  return status;
}

void sn_trainer_destroy(sn_trainer **trainer) {
  if (!*trainer) return;
  sn_window_loss_destroy(&(*trainer)->loss);
  SN_FREE((*trainer)->permutation);
  SN_FREE((*trainer)->gradient);
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

sn_status sn_trainer_reserve(const sn_trainer *trainer, sn_integrator *integrator) {
  if (!sn_optimizer_is_full_batch(trainer->optimizer)) {
    const ptrdiff_t last = sn_trainer_batches(trainer) - 1;
    SN_TRY(sn_window_loss_reserve(trainer->loss, integrator, batch_at(trainer, 0).count));
    SN_TRY(sn_window_loss_reserve(trainer->loss, integrator, batch_at(trainer, last).count));
  }
  for (sn_set set = SN_SET_TRAINING; set <= SN_SET_VALIDATION; set++)
    SN_TRY(sn_window_loss_reserve(trainer->loss, integrator, sn_dataset_windows(trainer->dataset, set)));
  return SN_OK;
}

void sn_trainer_guess_states(sn_trainer *trainer) { sn_window_loss_guess_states(trainer->loss); }

static void shuffle(sn_trainer *trainer) {
  const sn_random random = {
      .seed = trainer->options.seed, .purpose = SN_RANDOM_SHUFFLE, .stream = (uint64_t)trainer->state.epoch};
  sn_random_permutation(&random, trainer->windows, trainer->permutation);
}

sn_status sn_trainer_evaluate(sn_trainer *trainer, sn_set set, double *loss) {
  const sn_windows windows = {.set = set, .count = sn_dataset_windows(trainer->dataset, set)};
  sn_window_result result;
  *loss = NAN;
  if (!windows.count) return SN_OK;
  SN_TRY(sn_window_loss_value(trainer->loss, &windows, &result));
  *loss = result.sum / result.values;
  return SN_OK;
}

sn_status sn_trainer_normal(sn_trainer *trainer, sn_normal_equations **normal, double *residuals, double *loss) {
  const sn_windows windows = {.set = SN_SET_TRAINING, .count = trainer->windows};
  sn_window_result result;
  *normal = sn_optimizer_normal(trainer->optimizer);
  if (!*normal) return SN_OK;
  SN_TRY(sn_window_loss_normal(trainer->loss, &windows, *normal, &result));
  *residuals = result.values;
  *loss = result.sum / result.values;
  return SN_OK;
}

void sn_trainer_gather(sn_trainer *trainer) {
  for (int v = 0; v < sn_optimizer_vectors(trainer->optimizer); v++)
    sn_reduction_gather(sn_window_loss_reduction(trainer->loss), sn_optimizer_vector(trainer->optimizer, v));
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

/* One batch: gradient, with which loss, health and requests of the ranks are reduced; a step. */
static sn_status iterate(sn_trainer *trainer, sn_stop_request *request, double *batch_loss) {
  sn_trainer_state *state = &trainer->state;
  const sn_windows batch = batch_at(trainer, state->position);
  sn_window_result found;
  sn_status status = sn_window_loss_gradient(trainer->loss, &batch, trainer->gradient, request, &found);
  *batch_loss = 1 / found.values * found.sum;
  if (!found.finite || !found.within_bounds || !isfinite(*batch_loss)) {
    if (leave_out(trainer, batch.count)) {
      if (status) sn_error_destroy(&status);
      *batch_loss = NAN;
      return SN_OK;
    }
    SN_TRY(sn_window_loss_diagnose(trainer->loss, &batch, status, trainer->gradient));
  }

  sn_optimizer_step(trainer->optimizer, sn_window_loss_reduction(trainer->loss), state->schedule.rate,
                    trainer->options.clip, trainer->gradient);
  SN_TRY(sn_model_stepped(trainer->model));
  state->in_a_row = 0;
  state->loss_sum += *batch_loss * (double)batch.count;
  state->iteration++;
  state->position++;
  return SN_OK;
}

/* One iteration of an optimizer that looks at all windows. */
static sn_status iterate_whole(sn_trainer *trainer, sn_stop_request *request, double *loss) {
  sn_trainer_state *state = &trainer->state;
  const sn_problem problem = sn_window_loss_problem(trainer->loss);
  double counts[SN_STOP_REQUEST_COUNTS];
  bool moved;
  SN_TRY(sn_optimizer_minimize(trainer->optimizer, &problem, state->schedule.rate, loss, &moved));
  SN_TRY(sn_model_stepped(trainer->model));
  sn_stop_request_count(*request, counts);
  MPI_Allreduce(MPI_IN_PLACE, counts, SN_STOP_REQUEST_COUNTS, MPI_DOUBLE, MPI_SUM, sn_grid_world(trainer->grid));
  *request = sn_stop_request_reduced(counts);
  if (!isfinite(*loss))
    return SN_ERROR_ALL(SN_ERROR_RUN,
                        "the loss is not finite at the parameters that this epoch begins with; begin with smaller "
                        "weights (model.nonlinear.init), or lower integrator.dt");
  trainer->exhausted = !moved && trainer->last_problem;
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

/* Of jumps, in an epoch. */
static double weight_in(const sn_trainer_options *options, int64_t epoch) {
  if (!(options->first_jump_weight > 0)) return options->jump_weight;
  const double tens = (double)(epoch / options->window_epochs);
  return fmin(options->jump_weight, options->first_jump_weight * pow(10, tens));
}

/* Least squares begin with states that suit the parameters, or these would be fitted to states that are still wrong. */
static sn_status fit_states(sn_trainer *trainer) {
  sn_normal_equations *normal = sn_optimizer_normal(trainer->optimizer);
  if (!normal || trainer->options.initial != SN_INITIAL_ESTIMATED) return SN_OK;
  return sn_window_loss_fit_states(trainer->loss, normal);
}

/* The window of the epoch under way, and the weight of jumps; where one grows, losses begin anew. */
static sn_status begin_epoch(sn_trainer *trainer) {
  const sn_trainer_options *o = &trainer->options;
  sn_trainer_state *state = &trainer->state;
  const ptrdiff_t window = sn_trainer_window(o, state->epoch);
  const double weight = weight_in(o, state->epoch);
  const bool longer = state->epoch > 0 && window > sn_trainer_window(o, state->epoch - 1),
             heavier = state->epoch > 0 && weight > weight_in(o, state->epoch - 1);
  sn_objective_set_window(trainer->objective, window);
  sn_window_loss_set_jump_weight(trainer->loss, weight);
  trainer->last_problem = window == o->window && weight == o->jump_weight;
  if (!sn_optimizer_is_full_batch(trainer->optimizer)) shuffle(trainer);
  if (state->position > 0) return SN_OK;
  if (state->epoch == 0) SN_TRY(fit_states(trainer));
  if (!longer && !heavier) return SN_OK;
  state->best = state->schedule.best = INFINITY;
  /* The damping of lm suits the same minimum under another weight. */
  if (longer || !sn_optimizer_wants_tangents(trainer->optimizer)) sn_optimizer_restart(trainer->optimizer);
  return SN_OK;
}

sn_status sn_trainer_run(sn_trainer *trainer, const sn_trainer_hooks *hooks, bool *stopped) {
  sn_trainer_state *state = &trainer->state;
  *stopped = false;
  const bool whole = sn_optimizer_is_full_batch(trainer->optimizer);
  trainer->exhausted = false;
  while (state->epoch < trainer->options.epochs && !*stopped && !trainer->exhausted) {
    const double begun = sn_clock();
    SN_TRY(begin_epoch(trainer));
    state->seconds += sn_clock() - begun;
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

const sn_name sn_initials[] = {{"data", SN_INITIAL_DATA}, {"estimated", SN_INITIAL_ESTIMATED}, {NULL, 0}};

const sn_name sn_nonfinites[] = {
    {"stop", SN_NONFINITE_STOP}, {"skip", SN_NONFINITE_SKIP}, {"halve", SN_NONFINITE_HALVE}, {NULL, 0}};
