/* Where predictions begin if not with the data: in states estimated from observations of the time before (4D-Var). */
#include <math.h>
#include <string.h>

#include "predict.h"
#include "run/data_setup.h"
#include "run/integrator_setup.h"
#include "run/model_setup.h"
#include "sinode/memory.h"
#include "sinode/window_loss.h"

/* The window before each start, a member of a dataset of its own, and what fits a state to it. */
typedef struct {
  sn_observed past;                  /* the whole file */
  double *values, *initial, *counts; /* (predictions in all, window + 1, points) and (…, window + 1) */
  double *parameters;                /* (predictions in all), or NULL */
  double *states;                    /* (window + 1, own predictions, points) */
  sn_dataset *dataset;
  sn_model *model;
  sn_integrator *integrator;
  sn_objective *objective;
  sn_window_loss *loss;
  sn_optimizer *optimizer;
} estimation;

/* Observations at the times of the data, whose snapshots are counted. */
static sn_status read_past(sn_prediction *p, sn_observed *past) {
  const sn_config *c = &p->app->config;
  const char *path = *c->predict.past ? c->predict.past : c->predict.data;
  sn_trajectory_reader *reader;
  SN_TRY(sn_setup_trajectory(p->app, path, &reader));
  sn_status status = sn_setup_observed(p->app, p->grid, path, reader, &c->predict.observations, past);
  sn_trajectory_close(&reader);
  if (status) return status;
  const ptrdiff_t last = c->predict.start + (p->range.starts - 1) * p->range.stride;
  const bool alike = fabs(past->interval - p->range.interval) <= 1e-6 * p->range.interval;
  if (alike && past->members * p->range.starts == p->total && past->snapshots > last) return SN_OK;
  return SN_ERROR_ALL(
      SN_ERROR_USAGE,
      "predict.observations.data: %s has %td members of %td snapshots every %.12g, but predict.data, %s, "
      "%td every %.12g, and predictions begin up to snapshot %td; it must observe the same times",
      path, past->members, past->snapshots, past->interval, c->predict.data, p->total / p->range.starts,
      p->range.interval, last);
}

static sn_status cut_windows(const sn_prediction *p, estimation *e) {
  const ptrdiff_t window = p->app->config.predict.past_window, length = window + 1, size = length * p->points;
  const size_t bytes = (size_t)size * sizeof(double);
  SN_TRY(SN_NEW(p->total * size, &e->values));
  if (e->past.counts) SN_TRY(SN_NEW(p->total * size, &e->initial));
  if (e->past.counts) SN_TRY(SN_NEW(p->total * length, &e->counts));
  for (ptrdiff_t k = 0; k < p->total; k++) {
    const ptrdiff_t end = p->app->config.predict.start + k % p->range.starts * p->range.stride,
                    line = k / p->range.starts * e->past.snapshots + end - window;
    memcpy(e->values + k * size, e->past.values + line * p->points, bytes);
    if (!e->past.counts) continue;
    memcpy(e->initial + k * size, e->past.initial + line * p->points, bytes);
    memcpy(e->counts + k * length, e->past.counts + line, (size_t)length * sizeof *e->counts);
  }
  SN_TRY(sn_dataset_create(p->total, length, p->points, e->values, window, SN_SPLIT_TIME, 0, &e->dataset));
  sn_dataset_tile(e->dataset);
  return e->counts ? sn_dataset_observe(e->dataset, e->initial, e->counts) : SN_OK;
}

/* Every prediction has the parameter of its trajectory. */
static sn_status take_parameters(const sn_prediction *p, estimation *e) {
  double *all;
  SN_TRY(sn_setup_parameters(p->app, p->app->config.predict.data, p->reader,
                             sn_linear_get_shape(sn_model_linear(e->model)), &all));
  sn_status status = all ? SN_NEW(p->total, &e->parameters) : SN_OK;
  for (ptrdiff_t k = 0; k < p->total && e->parameters; k++) e->parameters[k] = all[k / p->range.starts];
  SN_FREE(all);
  sn_dataset_set_parameters(e->dataset, e->parameters);
  return sn_collective_status(p->app->world, status);
}

static sn_status prepare(sn_prediction *p, estimation *e) {
  const sn_config *c = &p->app->config;
  const ptrdiff_t window = c->predict.past_window, samples = p->members.count ? p->members.count : 1;
  const sn_window_loss_options evaluation = {.estimated = true};
  const sn_optimizer_options optimizer = {.kind = SN_OPTIMIZER_LBFGS, .history = 20};
  SN_TRY(read_past(p, &e->past));
  SN_TRY(sn_collective_status(p->app->world, cut_windows(p, e)));
  SN_TRY(sn_setup_model_or_none(p->app, p->grid, c->predict.model, samples, &e->model));
  SN_TRY(take_parameters(p, e));
  SN_TRY(sn_model_add_states(e->model, p->total));
  sn_parameters_freeze(sn_model_parameters(e->model));
  SN_TRY(sn_setup_integrator(p->app, e->model, p->range.interval, window, SN_PASSES_ADJOINT, &e->integrator));
  SN_TRY(sn_objective_create(e->model, e->integrator, SN_LOSS_MSE, window, &e->objective));
  SN_TRY(sn_collective_status(p->app->world, sn_objective_estimate_initial(e->objective)));
  SN_TRY(sn_window_loss_create(e->model, e->objective, e->dataset, &evaluation, &e->loss));
  SN_TRY(sn_window_loss_reserve(e->loss, e->integrator, p->total));
  SN_TRY(sn_optimizer_create(sn_model_parameters(e->model), &optimizer, &e->optimizer));
  sn_window_loss_guess_states(e->loss);
  return sn_collective_status(p->app->world, SN_NEW((window + 1) * samples * p->points, &e->states));
}

/* All states together, until an iteration gains less than a millionth of the loss. */
static sn_status minimize(const sn_prediction *p, const estimation *e) {
  enum { ITERATIONS_MOST = 500 };
  const sn_problem problem = sn_window_loss_problem(e->loss);
  double first = NAN, before = INFINITY, loss = 0;
  bool moved = true;
  int iterations = 0;
  while (moved && iterations < ITERATIONS_MOST) {
    SN_TRY(sn_optimizer_minimize(e->optimizer, &problem, 1, &loss, &moved));
    if (!isfinite(loss))
      return SN_ERROR_ALL(SN_ERROR_RUN, "predict.initial: the model does not stay finite over predict.window %td",
                          p->app->config.predict.past_window);
    if (iterations++ == 0) first = loss;
    if (before - loss < 1e-6 * loss) break;
    before = loss;
  }
  sn_log_line(p->app->log,
              "initial states: estimated from %td intervals before each start; rms misfit of what was observed %.4g, "
              "%.4g at first; %d iterations",
              p->app->config.predict.past_window, sqrt(loss), sqrt(first), iterations);
  return SN_OK;
}

/* The ends of the windows, by the model, are what predictions begin with. */
static sn_status take_ends(sn_prediction *p, estimation *e) {
  const ptrdiff_t window = p->app->config.predict.past_window, size = p->members.count * p->points;
  SN_TRY(sn_collective_status(p->app->world, SN_NEW(size, &p->initial)));
  memcpy(e->states, sn_model_states(e->model) + p->members.start * p->points, (size_t)size * sizeof *e->states);
  sn_status status = SN_OK;
  if (e->parameters)
    status = sn_linear_set_parameters(sn_model_linear(e->model), p->members.count, e->parameters + p->members.start);
  if (!status) status = sn_integrator_forward(e->integrator, p->members.count, window, e->states, false);
  SN_TRY(sn_collective_status(p->app->world, status));
  memcpy(p->initial, e->states + window * size, (size_t)size * sizeof *p->initial);
  return SN_OK;
}

sn_status sn_prediction_estimate_initial(sn_prediction *p) {
  const sn_config *c = &p->app->config;
  estimation e = {0};
  if (c->predict.initial != SN_INITIAL_ESTIMATED) return SN_OK;
  if (c->predict.start < c->predict.past_window)
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "predict.start is %td, but predict.initial estimated wants the %td intervals of predict.window "
                        "before it; set it to %td or more",
                        c->predict.start, c->predict.past_window, c->predict.past_window);
  sn_status status = prepare(p, &e);
  if (!status) status = minimize(p, &e);
  if (!status) status = take_ends(p, &e);
  sn_optimizer_destroy(&e.optimizer);
  sn_window_loss_destroy(&e.loss);
  sn_objective_destroy(&e.objective);
  sn_integrator_destroy(&e.integrator);
  sn_model_destroy(&e.model);
  sn_dataset_destroy(&e.dataset);
  sn_setup_free_observed(&e.past);
  double **arrays[] = {&e.values, &e.initial, &e.counts, &e.parameters, &e.states};
  for (size_t k = 0; k < sizeof arrays / sizeof arrays[0]; k++) SN_FREE(*arrays[k]);
  return status;
}
