#include "sinode/window_loss.h"

#include <math.h>
#include <string.h>

#include "initial_states.h"
#include "sinode/count.h"
#include "sinode/memory.h"

struct sn_window_loss {
  const sn_grid *grid;
  sn_model *model;
  sn_objective *objective;
  const sn_dataset *dataset;
  sn_window_loss_options options;
  sn_reduction *reduction;
  sn_initial_states *states; /* NULL: windows begin with the data */
  ptrdiff_t chunk;           /* windows at a time */
  double *parameters;        /* (chunk): of these windows */
  sn_range own;              /* windows of this replica in the evaluation under way */
  ptrdiff_t bad;             /* its first chunk that was not within bounds, or the number of chunks */
  /* For the Jacobian; 0 and NULL without. */
  ptrdiff_t directions;         /* of the initial states, where they are unknowns, and the parameters */
  ptrdiff_t first;              /* of the parameters */
  double *thetas;               /* (directions, size of the model's parameters): a unit vector each, 0 of states */
  double *tangents, *residuals; /* of a chunk */
  double *ends;                 /* (own windows, window, local points): sums of states at both ends of a step */
  double *kept, *gradient;      /* parameters before it; a gradient */
};

/* What is done with each chunk of windows once it stands in the objective. */
typedef sn_status (*chunk_visitor)(sn_window_loss *w, ptrdiff_t samples, const sn_gradient *gradient, double *sum,
                                   void *context);

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
static ptrdiff_t size_of_ends(const sn_window_loss *w) {
  const ptrdiff_t windows = sn_grid_share(w->grid, sn_dataset_windows(w->dataset, SN_SET_TRAINING)).count;
  return windows * sn_objective_window(w->objective) * sn_grid_range(w->grid).count;
}

static sn_status prepare_second_derivatives(sn_window_loss *w) {
  SN_TRY(SN_NEW(size_of_ends(w), &w->ends));
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

static double values_of(const sn_window_loss *w, const sn_windows *windows) {
  const ptrdiff_t window = sn_objective_window(w->objective);
  return fmax(1, sn_dataset_observed(w->dataset, windows->set, windows->count, windows->index, window,
                                     sn_grid_points(w->grid)));
}

/*
 * Visits the chunks of this replica; one of no windows where it has none, so that the objects behind know how long the
 * pass was. Where a chunk fails the others are left out, but summed all the same, since other ranks count on it. In one
 * reduction go loss, health and the request (NULL: there is none) of the ranks. Error: this replica's.
 */
static sn_status evaluate(sn_window_loss *w, const sn_windows *windows, double *gradient, chunk_visitor visit,
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
  result->values = values_of(w, windows);
  result->within_bounds = numbers[0] == 0;
  if (request) *request = sn_stop_request_reduced(numbers + 1);
  return status;
}

/* The same, and an error of one replica is one of all. */
static sn_status evaluate_alike(sn_window_loss *w, const sn_windows *windows, double *gradient, chunk_visitor visit,
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
  return evaluate_alike(w, windows, NULL, visit_value, NULL, result);
}

/* context: the factor of the sum whose derivative is wanted. */
static sn_status visit_gradient(sn_window_loss *w, ptrdiff_t samples, const sn_gradient *gradient, double *sum,
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
  double scale = 1 / values_of(w, windows);
  return evaluate(w, windows, gradient, visit_gradient, &scale, request, result);
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
  SN_TRY(evaluate_alike(w, windows, NULL, visit_tangents, normal, result));
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
  SN_TRY(sn_objective_diagnose(w->objective, samples, 1 / values_of(w, windows)));
  SN_TRY(sn_collective_status(world, sn_window_loss_gradient(w, windows, gradient, NULL, &again)));
  if (again.finite && isfinite(again.sum)) return SN_OK;
  return SN_ERROR_ALL(SN_ERROR_RUN,
                      "the gradient is not finite although states and adjoints are (loss %g); lower "
                      "train.optimizer.learning_rate",
                      again.sum / again.values);
}

static sn_windows all_training(const sn_window_loss *w) {
  return (sn_windows){.set = SN_SET_TRAINING, .count = sn_dataset_windows(w->dataset, SN_SET_TRAINING)};
}

/* Infinite where the model is not finite. */
static double loss_in(const sn_window_result *result) {
  return result->within_bounds && isfinite(result->sum) ? result->sum / result->values : INFINITY;
}

/*
 * Moves estimated states to their minimum for the parameters as they are, by the factors from before the parameters'
 * step and the adjoint (chord method): the loss that is compared is that of the parameters alone (variable projection).
 */
static sn_status relax_states(sn_window_loss *w, const sn_windows *windows, double *loss) {
  enum { STEPS_MOST = 8 };
  const double enough = 1e-8, half = 0.5;
  double gain = INFINITY;
  for (int k = 0; k < STEPS_MOST && gain > enough * *loss && isfinite(*loss); k++) {
    sn_window_result result;
    SN_TRY(evaluate_alike(w, windows, w->gradient, visit_gradient, (void *)&half, &result));
    if (!result.within_bounds || !result.finite) break;
    sn_reduction_gather(w->reduction, w->gradient);
    sn_initial_states_relax(w->states, w->gradient);
    SN_TRY(sn_window_loss_value(w, windows, &result));
    gain = *loss - loss_in(&result);
    if (gain > 0) *loss -= gain;
    if (!(gain > 0)) sn_initial_states_put_back(w->states);
  }
  return SN_OK;
}

static sn_status problem_loss(void *context, double *loss) {
  sn_window_loss *w = context;
  const sn_windows windows = all_training(w);
  sn_window_result result;
  if (w->states) sn_initial_states_follow(w->states);
  SN_TRY(sn_model_stepped(w->model));
  SN_TRY(sn_window_loss_value(w, &windows, &result));
  *loss = loss_in(&result);
  return w->states ? relax_states(w, &windows, loss) : SN_OK;
}

static sn_status problem_gradient(void *context, double *loss, double *gradient) {
  sn_window_loss *w = context;
  const sn_windows windows = all_training(w);
  sn_window_result result;
  double scale = 1 / values_of(w, &windows);
  SN_TRY(sn_model_stepped(w->model));
  SN_TRY(evaluate_alike(w, &windows, gradient, visit_gradient, &scale, &result));
  sn_reduction_gather(w->reduction, gradient);
  *loss = loss_in(&result);
  return SN_OK;
}

static sn_status problem_normal(void *context, double *loss, sn_normal_equations *normal) {
  sn_window_loss *w = context;
  const sn_windows windows = all_training(w);
  sn_window_result result;
  SN_TRY(sn_model_stepped(w->model));
  SN_TRY(sn_window_loss_normal(w, &windows, normal, &result));
  *loss = loss_in(&result);
  return SN_OK;
}

sn_status sn_window_loss_fit_states(sn_window_loss *w, sn_normal_equations *normal) {
  enum { ITERATIONS_MOST = 3, TRIALS_MOST = 6 };
  const double enough = 1e-2;
  const sn_windows windows = all_training(w);
  for (int k = 0; k < ITERATIONS_MOST; k++) {
    sn_window_result result;
    double loss, found = INFINITY;
    SN_TRY(sn_window_loss_normal(w, &windows, normal, &result));
    loss = loss_in(&result);
    for (int trial = 0; trial < TRIALS_MOST && !(found < loss); trial++) {
      sn_initial_states_follow(w->states);
      SN_TRY(sn_window_loss_value(w, &windows, &result));
      found = loss_in(&result);
    }
    if (!(found < loss)) sn_initial_states_put_back(w->states);
    if (!(found < (1 - enough) * loss)) break;
  }
  return SN_OK;
}

/* Adds the states of a chunk to *context, which moves on. */
static sn_status visit_states(sn_window_loss *w, ptrdiff_t samples, const sn_gradient *gradient, double *sum,
                              void *context) {
  double **ends = context;
  const ptrdiff_t count = samples * sn_grid_range(w->grid).count, values = sn_objective_window(w->objective) * count;
  (void)gradient;
  SN_TRY(sn_objective_value(w->objective, samples, sum));
  const double *states = sn_objective_states(w->objective) + count;
  for (ptrdiff_t k = 0; k < values; k++) (*ends)[k] += states[k];
  *ends += values;
  return SN_OK;
}

/* Of the whole step; a difference of a smaller part has more round-off, of a larger one more of higher derivatives. */
static const double difference = 0.1;

/*
 * J^T r'' is the gradient of half the sum of squares whose residuals are r'', as it is with other targets. Residuals of
 * where a window begins, estimated or not, have none.
 */
static sn_status visit_second_derivative(sn_window_loss *w, ptrdiff_t samples, const sn_gradient *gradient, double *sum,
                                         void *context) {
  const double **ends = context, square = difference * difference;
  const sn_windows windows = all_training(w);
  const ptrdiff_t count = samples * sn_grid_range(w->grid).count, values = sn_objective_window(w->objective) * count;
  double *targets = sn_objective_targets(w->objective);
  SN_TRY(sn_objective_value(w->objective, samples, sum));
  const double *states = sn_objective_states(w->objective) + count;
  for (ptrdiff_t k = 0; k < values; k++)
    if (!isnan(targets[k])) targets[k] = states[k] - ((*ends)[k] - 2 * states[k]) / square;
  *ends += values;
  if (w->states)
    memcpy(sn_objective_observed(w->objective), sn_objective_initial(w->objective), (size_t)count * sizeof *targets);
  const double scale = 0.5 / values_of(w, &windows);
  return visit_gradient(w, samples, gradient, sum, (void *)&scale);
}

/* The training set at the kept parameters moved along the step. */
static sn_status visit_at(sn_window_loss *w, double distance, const double *step, double *gradient, chunk_visitor visit,
                          bool *finite) {
  const sn_windows windows = all_training(w);
  double *values = sn_parameters_values(sn_model_parameters(w->model)), *ends = w->ends;
  sn_window_result result;
  for (ptrdiff_t k = 0; k < sn_parameters_size(sn_model_parameters(w->model)); k++)
    values[k] = w->kept[k] + distance * step[k];
  SN_TRY(sn_model_stepped(w->model));
  SN_TRY(evaluate_alike(w, &windows, gradient, visit, &ends, &result));
  *finite &= result.within_bounds && result.finite && isfinite(result.sum);
  return SN_OK;
}

static sn_status problem_second_derivative(void *context, double *step, double *product) {
  sn_window_loss *w = context;
  const sn_windows windows = all_training(w);
  const sn_parameters *parameters = sn_model_parameters(w->model);
  const ptrdiff_t size = sn_parameters_size(parameters);
  bool finite = true;
  if (w->states) sn_initial_states_complete(w->states, step);
  memcpy(w->kept, sn_parameters_values(sn_model_parameters(w->model)), (size_t)size * sizeof *w->kept);
  memset(w->ends, 0, (size_t)size_of_ends(w) * sizeof *w->ends);
  memset(w->gradient, 0, (size_t)size * sizeof *w->gradient);
  SN_TRY(visit_at(w, difference, step, NULL, visit_states, &finite));
  SN_TRY(visit_at(w, -difference, step, NULL, visit_states, &finite));
  SN_TRY(visit_at(w, 0, step, w->gradient, visit_second_derivative, &finite));
  sn_reduction_gather(w->reduction, w->gradient);
  sn_parameters_collect(parameters, w->gradient, product);
  if (w->states) sn_initial_states_bend(w->states, w->gradient, values_of(w, &windows), product);
  for (ptrdiff_t k = 0; k < w->directions - w->first && !finite; k++) product[k] = INFINITY;
  return SN_OK;
}

sn_problem sn_window_loss_problem(sn_window_loss *w) {
  return (sn_problem){.context = w,
                      .loss = problem_loss,
                      .gradient = problem_gradient,
                      .normal = problem_normal,
                      .second_derivative = problem_second_derivative};
}
