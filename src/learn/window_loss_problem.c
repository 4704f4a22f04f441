/*
 * The training set as the problem of an optimizer that looks at all of it: loss, gradient, normal equations and second
 * derivatives along a step, with the states that windows begin with following the parameters where they are estimated.
 */
#include <math.h>
#include <string.h>

#include "window_loss_parts.h"

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
    SN_TRY(sn_window_loss_visit(w, windows, w->gradient, sn_window_loss_visit_gradient, (void *)&half, &result));
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
  double scale = 1 / sn_window_loss_values(w, &windows);
  SN_TRY(sn_model_stepped(w->model));
  SN_TRY(sn_window_loss_visit(w, &windows, gradient, sn_window_loss_visit_gradient, &scale, &result));
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
  const double scale = 0.5 / sn_window_loss_values(w, &windows);
  return sn_window_loss_visit_gradient(w, samples, gradient, sum, (void *)&scale);
}

/* The training set at the kept parameters moved along the step. */
static sn_status visit_at(sn_window_loss *w, double distance, const double *step, double *gradient,
                          sn_chunk_visitor visit, bool *finite) {
  const sn_windows windows = all_training(w);
  double *values = sn_parameters_values(sn_model_parameters(w->model)), *ends = w->ends;
  sn_window_result result;
  for (ptrdiff_t k = 0; k < sn_parameters_size(sn_model_parameters(w->model)); k++)
    values[k] = w->kept[k] + distance * step[k];
  SN_TRY(sn_model_stepped(w->model));
  SN_TRY(sn_window_loss_visit(w, &windows, gradient, visit, &ends, &result));
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
  memset(w->ends, 0, (size_t)sn_window_loss_ends(w) * sizeof *w->ends);
  memset(w->gradient, 0, (size_t)size * sizeof *w->gradient);
  SN_TRY(visit_at(w, difference, step, NULL, visit_states, &finite));
  SN_TRY(visit_at(w, -difference, step, NULL, visit_states, &finite));
  SN_TRY(visit_at(w, 0, step, w->gradient, visit_second_derivative, &finite));
  sn_reduction_gather(w->reduction, w->gradient);
  sn_parameters_collect(parameters, w->gradient, product);
  if (w->states) sn_initial_states_bend(w->states, w->gradient, sn_window_loss_values(w, &windows), product);
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
