#include "sinode/window_loss.h"

#include <math.h>
#include <string.h>

#include "sinode/count.h"
#include "sinode/memory.h"
#include "window_loss_parts.h"

/* Each trainable element's unit vector, as this rank has it. */
static sn_status make_directions(sn_window_loss *w) {
  const sn_parameters *parameters = sn_model_parameters(w->model);
  const ptrdiff_t size = sn_parameters_model_size(parameters), trained = sn_parameters_total(parameters, true);
  double *unit, *local = NULL;
  w->first = w->states ? sn_initial_states_directions(w->states) : 0;
  w->directions = w->first + trained;
  SN_TRY(SN_NEW(w->directions * size, &w->thetas));
  sn_status status = SN_NEW(trained, &unit);
  if (!status) status = SN_NEW(sn_parameters_size(parameters), &local);
  for (ptrdiff_t k = 0; k < trained && !status; k++) {
    unit[k] = 1;
    sn_parameters_spread(parameters, unit, local);
    memcpy(w->thetas + (w->first + k) * size, local, (size_t)size * sizeof *local);
    unit[k] = 0;
  }
  SN_FREE(unit);
  SN_FREE(local);
  return status;
}

static sn_status prepare_jacobian(sn_window_loss *w) {
  const ptrdiff_t count = w->chunk * sn_grid_range(w->grid).count, window = sn_objective_window(w->objective);
  int fits;
  SN_TRY(sn_count_to_int(count, "the number of residuals of a batch on a rank", &fits));
  SN_TRY(make_directions(w));
  SN_TRY(SN_NEW((window + 1) * w->directions * count, &w->tangents));
  SN_TRY(SN_NEW(sn_parameters_size(sn_model_parameters(w->model)), &w->gradient));
  return SN_NEW(window * count, &w->residuals);
}

/* States of the training windows of this replica, but for the initial ones. */
ptrdiff_t sn_window_loss_ends(const sn_window_loss *w) {
  const ptrdiff_t windows = sn_grid_share(w->grid, sn_dataset_windows(w->dataset, SN_SET_TRAINING)).count;
  return windows * sn_objective_window(w->objective) * sn_grid_range(w->grid).count;
}

static sn_status prepare_second_derivatives(sn_window_loss *w) {
  SN_TRY(SN_NEW(sn_window_loss_ends(w), &w->ends));
  return SN_NEW(sn_parameters_size(sn_model_parameters(w->model)), &w->kept);
}

static ptrdiff_t chunks_of(const sn_window_loss *w, ptrdiff_t windows) { return (windows + w->chunk - 1) / w->chunk; }

static sn_status create_reduction(sn_window_loss *w) {
  sn_parameters *parameters = sn_model_parameters(w->model);
  const ptrdiff_t training = sn_dataset_windows(w->dataset, SN_SET_TRAINING),
                  validation = sn_dataset_windows(w->dataset, SN_SET_VALIDATION);
  if (!w->options.ordered) return sn_reduction_create(parameters, &w->reduction);
  return sn_reduction_create_ordered(parameters, chunks_of(w, w->options.windows_most),
                                     chunks_of(w, training > validation ? training : validation), &w->reduction);
}

sn_status sn_window_loss_create(sn_model *model, sn_objective *objective, const sn_dataset *dataset,
                                const sn_window_loss_options *options, sn_window_loss **out) {
  const sn_grid *grid = sn_model_grid(model);
  SN_TRY(sn_collective_status(sn_grid_world(grid), SN_NEW(1, out)));
  sn_window_loss *w = *out;
  *w = (sn_window_loss){.grid = grid,
                        .model = model,
                        .objective = objective,
                        .dataset = dataset,
                        .options = *options,
                        .chunk = sn_model_samples(model)};
  sn_status status = sn_collective_status(sn_grid_world(grid), SN_NEW(w->chunk, &w->parameters));
  if (!status) status = create_reduction(w);
  if (!status && options->estimated)
    status = sn_initial_states_create(model, objective, dataset, options->jump_weight, options->jacobian, &w->states);
  if (!status && options->jacobian) status = sn_collective_status(sn_grid_world(grid), prepare_jacobian(w));
  if (!status && options->second_derivatives)
    status = sn_collective_status(sn_grid_world(grid), prepare_second_derivatives(w));
  if (status) sn_window_loss_destroy(out);
  return status;
}

void sn_window_loss_destroy(sn_window_loss **loss) {
  sn_window_loss *w = *loss;
  if (!w) return;
  sn_reduction_destroy(&w->reduction);
  sn_initial_states_destroy(&w->states);
  SN_FREE(w->parameters);
  SN_FREE(w->thetas);
  SN_FREE(w->tangents);
  SN_FREE(w->residuals);
  SN_FREE(w->ends);
  SN_FREE(w->kept);
  SN_FREE(w->gradient);
  SN_FREE(*loss);
}

void sn_window_loss_guess_states(sn_window_loss *w) {
  if (w->states) sn_initial_states_guess(w->states);
}

void sn_window_loss_set_jump_weight(sn_window_loss *w, double weight) {
  if (w->states) sn_initial_states_set_jump_weight(w->states, weight);
}

sn_reduction *sn_window_loss_reduction(const sn_window_loss *w) { return w->reduction; }

static sn_status reserve(const sn_window_loss *w, sn_integrator *integrator, ptrdiff_t samples) {
  return w->directions ? sn_integrator_reserve_tangents(integrator, samples, w->directions)
                       : sn_integrator_reserve(integrator, samples);
}

sn_status sn_window_loss_reserve(const sn_window_loss *w, sn_integrator *integrator, ptrdiff_t windows) {
  const ptrdiff_t count = w->options.ordered ? windows : sn_grid_share(w->grid, windows).count;
  if (count >= w->chunk) SN_TRY(reserve(w, integrator, w->chunk));
  return count % w->chunk ? reserve(w, integrator, count % w->chunk) : SN_OK;
}

/* Puts chunk number `chunk` of this replica into the objective, and its parameters into the model. */
static sn_status gather(const sn_window_loss *w, const sn_windows *windows, ptrdiff_t chunk, ptrdiff_t *samples) {
  const ptrdiff_t left = w->own.count - chunk * w->chunk, first = w->own.start + chunk * w->chunk;
  const ptrdiff_t *index = windows->index ? windows->index + first : NULL;
  *samples = left < w->chunk ? left : w->chunk;
  sn_dataset_gather(w->dataset, windows->set, *samples, index, first, sn_objective_initial(w->objective),
                    sn_objective_targets(w->objective));
  sn_dataset_gather_parameters(w->dataset, windows->set, *samples, index, first, w->parameters);
  if (w->states) sn_initial_states_gather(w->states, *samples, index, first);
  return sn_linear_set_parameters(sn_model_linear(w->model), *samples, w->parameters);
}

double sn_window_loss_values(const sn_window_loss *w, const sn_windows *windows) {
  const ptrdiff_t window = sn_objective_window(w->objective);
  return fmax(1, sn_dataset_observed(w->dataset, windows->set, windows->count, windows->index, window,
                                     sn_grid_points(w->grid)));
}

/*
 * Visits the chunks of this replica; one of no windows where it has none, so that the objects behind know how long the
 * pass was. Where a chunk fails the others are left out, but summed all the same, since other ranks count on it. In one
 * reduction go loss, health and the request (NULL: there is none) of the ranks. Error: this replica's.
 */
static sn_status evaluate(sn_window_loss *w, const sn_windows *windows, double *gradient, sn_chunk_visitor visit,
                          void *context, sn_stop_request *request, sn_window_result *result) {
  double numbers[1 + SN_STOP_REQUEST_COUNTS] = {0};
  sn_status status = SN_OK;
  w->own = sn_reduction_begin(w->reduction, windows->count, w->chunk, gradient);
  const ptrdiff_t chunks = chunks_of(w, w->own.count), visits = chunks ? chunks : 1;
  w->bad = chunks;
  for (ptrdiff_t k = 0; k < visits; k++) {
    const sn_gradient *own = sn_reduction_chunk(w->reduction, k == visits - 1);
    double sum = 0;
    ptrdiff_t samples;
    if (!status) status = gather(w, windows, k, &samples);
    if (!status) status = visit(w, samples, own, &sum, context);
    if ((status || !sn_objective_within_bounds(w->objective)) && k < w->bad) w->bad = k;
    sn_reduction_add(w->reduction, sum);
  }
  numbers[0] = status || w->bad < chunks;
  if (request) sn_stop_request_count(*request, numbers + 1);
  result->finite = sn_reduction_finish(w->reduction, &result->sum, request ? 1 + SN_STOP_REQUEST_COUNTS : 1, numbers);
  result->values = sn_window_loss_values(w, windows);
  result->within_bounds = numbers[0] == 0;
  if (request) *request = sn_stop_request_reduced(numbers + 1);
  return status;
}

/* The same, and an error of one replica is one of all. */
sn_status sn_window_loss_visit(sn_window_loss *w, const sn_windows *windows, double *gradient, sn_chunk_visitor visit,
                               void *context, sn_window_result *result) {
  sn_status status = evaluate(w, windows, gradient, visit, context, NULL, result);
  return result->within_bounds ? SN_OK : sn_collective_status(sn_grid_world(w->grid), status);
}

static sn_status visit_value(sn_window_loss *w, ptrdiff_t samples, const sn_gradient *gradient, double *sum,
                             void *context) {
  (void)gradient, (void)context;
  return sn_objective_value(w->objective, samples, sum);
}

sn_status sn_window_loss_value(sn_window_loss *w, const sn_windows *windows, sn_window_result *result) {
  return sn_window_loss_visit(w, windows, NULL, visit_value, NULL, result);
}

/* context: the factor of the sum whose derivative is wanted. */
sn_status sn_window_loss_visit_gradient(sn_window_loss *w, ptrdiff_t samples, const sn_gradient *gradient, double *sum,
                                        void *context) {
  if (!w->states) return sn_objective_gradient(w->objective, samples, *(const double *)context, sum, gradient);
  sn_gradient own = *gradient; /* the states' part comes last */
  own.final = false;
  SN_TRY(sn_objective_gradient(w->objective, samples, *(const double *)context, sum, &own));
  sn_initial_states_add_gradient(w->states, samples, own.values);
  return SN_OK;
}

sn_status sn_window_loss_gradient(sn_window_loss *w, const sn_windows *windows, double *gradient,
                                  sn_stop_request *request, sn_window_result *result) {
  double scale = 1 / sn_window_loss_values(w, windows);
  return evaluate(w, windows, gradient, sn_window_loss_visit_gradient, &scale, request, result);
}

/* context: the normal equations, to which a chunk's rows are added. */
static sn_status visit_tangents(sn_window_loss *w, ptrdiff_t samples, const sn_gradient *gradient, double *sum,
                                void *context) {
  sn_normal_equations *normal = context;
  const ptrdiff_t count = samples * sn_grid_range(w->grid).count;
  (void)gradient;
  if (w->states) sn_initial_states_set_tangents(w->states, samples, w->directions, w->tangents);
  SN_TRY(sn_objective_tangent(w->objective, samples, w->directions, w->thetas, w->tangents, w->residuals, sum));
  sn_timer_start(sn_grid_timer(w->grid), SN_TIME_NORMAL);
  for (ptrdiff_t k = 0; k < sn_objective_window(w->objective); k++)
    sn_normal_equations_add(normal, count, w->tangents + ((k + 1) * w->directions + w->first) * count,
                            w->residuals + k * count);
  if (w->states) sn_initial_states_add(w->states, samples, w->directions, w->tangents, w->residuals);
  sn_timer_stop(sn_grid_timer(w->grid), SN_TIME_NORMAL);
  return SN_OK;
}

sn_status sn_window_loss_normal(sn_window_loss *w, const sn_windows *windows, sn_normal_equations *normal,
                                sn_window_result *result) {
  sn_normal_equations_clear(normal);
  if (w->states) sn_initial_states_begin(w->states, sn_grid_share(w->grid, windows->count));
  SN_TRY(sn_window_loss_visit(w, windows, NULL, visit_tangents, normal, result));
  if (w->states) SN_TRY_TIMED(sn_grid_timer(w->grid), SN_TIME_NORMAL, sn_initial_states_eliminate(w->states, normal));
  SN_TRY_TIMED(sn_grid_timer(w->grid), SN_TIME_NORMAL, sn_normal_equations_sum(normal, 1 / result->values));
  return SN_OK;
}

/*
 * The chunk to be looked into: the first of this replica that was not within bounds, on any of its ranks. Where all
 * were, none of its slices; but all of a batch that went at once, which counts in the norms of the others.
 */
static sn_status recall(const sn_window_loss *w, const sn_windows *windows, ptrdiff_t *samples) {
  ptrdiff_t chunk = w->bad;
  *samples = 0;
  MPI_Allreduce(MPI_IN_PLACE, &chunk, 1, MPI_AINT, MPI_MIN, sn_grid_space(w->grid));
  if (chunk == chunks_of(w, w->own.count)) {
    if (w->options.ordered || chunk == 0) return SN_OK;
    chunk = 0;
  }
  return gather(w, windows, chunk, samples);
}

sn_status sn_window_loss_diagnose(sn_window_loss *w, const sn_windows *windows, sn_status status, double *gradient) {
  const MPI_Comm world = sn_grid_world(w->grid);
  sn_window_result again;
  SN_TRY(sn_collective_status(world, status));
  ptrdiff_t samples;
  SN_TRY(sn_collective_status(world, recall(w, windows, &samples)));
  SN_TRY(sn_objective_diagnose(w->objective, samples, 1 / sn_window_loss_values(w, windows)));
  SN_TRY(sn_collective_status(world, sn_window_loss_gradient(w, windows, gradient, NULL, &again)));
  if (again.finite && isfinite(again.sum)) return SN_OK;
  return SN_ERROR_ALL(SN_ERROR_RUN,
                      "the gradient is not finite although states and adjoints are (loss %g); lower "
                      "train.optimizer.learning_rate",
                      again.sum / again.values);
}
