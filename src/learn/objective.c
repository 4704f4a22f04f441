#include "sinode/objective.h"

#include <math.h>
#include <string.h>

#include "sinode/memory.h"

struct sn_objective {
  sn_model *model;
  sn_integrator *integrator;
  sn_loss_kind loss;
  ptrdiff_t window, points; /* points: local */
  double *states, *targets, *bars;
  /* Of estimated initial states; NULL without. */
  double *observed; /* (samples, points): where windows begin */
  double *weight;   /* (samples): of the last target */
  double *end_bar;  /* (samples, points) */
};

sn_status sn_objective_create(sn_model *model, sn_integrator *integrator, sn_loss_kind loss, ptrdiff_t window,
                              sn_objective **out) {
  SN_TRY(SN_NEW(1, out));
  sn_objective *o = *out;
  *o = (sn_objective){.model = model,
                      .integrator = integrator,
                      .loss = loss,
                      .window = window,
                      .points = sn_grid_range(sn_model_grid(model)).count};
  const ptrdiff_t count = sn_model_samples(model) * o->points;
  sn_status status = SN_NEW((window + 1) * count, &o->states);
  if (!status) status = SN_NEW(window * count, &o->targets);
  if (!status) status = SN_NEW((window + 1) * count, &o->bars);
  if (status) sn_objective_destroy(out);
  return status;
}

sn_status sn_objective_estimate_initial(sn_objective *o) {
  const ptrdiff_t samples = sn_model_samples(o->model), count = samples * o->points;
  SN_TRY(SN_NEW(count, &o->observed));
  SN_TRY(SN_NEW(samples, &o->weight));
  return SN_NEW(count, &o->end_bar);
}

void sn_objective_destroy(sn_objective **objective) {
  if (!*objective) return;
  SN_FREE((*objective)->observed);
  SN_FREE((*objective)->weight);
  SN_FREE((*objective)->end_bar);
  SN_FREE((*objective)->states);
  SN_FREE((*objective)->targets);
  SN_FREE((*objective)->bars);
  SN_FREE(*objective);
}

void sn_objective_set_window(sn_objective *o, ptrdiff_t window) { o->window = window; }
ptrdiff_t sn_objective_window(const sn_objective *o) { return o->window; }

double *sn_objective_initial(sn_objective *o) { return o->states; }
double *sn_objective_targets(sn_objective *o) { return o->targets; }
double *sn_objective_observed(sn_objective *o) { return o->observed; }
double *sn_objective_end_weight(sn_objective *o) { return o->weight; }
const double *sn_objective_end_bar(const sn_objective *o) { return o->end_bar; }
const double *sn_objective_states(const sn_objective *o) { return o->states; }
const double *sn_objective_initial_bar(const sn_objective *o) { return o->bars; }

void sn_objective_skip_initial_bar(sn_objective *o) { sn_integrator_skip_initial_bar(o->integrator); }

bool sn_objective_within_bounds(const sn_objective *o) { return sn_integrator_within_bounds(o->integrator); }

/* The loss of the states, and its derivatives by them where bars are wanted. */
static double sum_up(sn_objective *o, sn_loss_kind kind, ptrdiff_t samples, double scale, double *bars) {
  const ptrdiff_t points = o->points, count = samples * points, inner = (o->window - 1) * count;
  if (!o->observed) {
    if (bars) memset(bars, 0, (size_t)count * sizeof *bars); /* the loss does not see the initial states */
    return sn_loss_sum(kind, o->window * count, o->states + count, o->targets, scale, bars ? bars + count : NULL);
  }
  double sum = sn_loss_sum(kind, count, o->states, o->observed, scale, bars);
  sum += sn_loss_sum(kind, inner, o->states + count, o->targets, scale, bars ? bars + count : NULL);
  for (ptrdiff_t s = 0; s < samples; s++) {
    const ptrdiff_t at = inner + s * points;
    double *bar = bars ? bars + count + at : NULL;
    sum += o->weight[s] * sn_loss_sum(kind, points, o->states + count + at, o->targets + at, scale * o->weight[s], bar);
    if (bar) memcpy(o->end_bar + s * points, bar, (size_t)points * sizeof *bar);
  }
  return sum;
}

sn_status sn_objective_value(sn_objective *o, ptrdiff_t samples, double *sum) {
  SN_TRY(sn_integrator_forward(o->integrator, samples, o->window, o->states, false));
  *sum = sum_up(o, o->loss, samples, 0, NULL);
  return SN_OK;
}

sn_status sn_objective_gradient(sn_objective *o, ptrdiff_t samples, double scale, double *sum,
                                const sn_gradient *gradient) {
  SN_TRY(sn_integrator_forward(o->integrator, samples, o->window, o->states, true));
  *sum = sum_up(o, o->loss, samples, scale, o->bars);
  return sn_integrator_backward(o->integrator, samples, o->window, o->bars, gradient);
}

/* Of the row of value j of a target: 0 where it is not observed, the root of the weight at the end. */
static double factor_of(const sn_objective *o, ptrdiff_t target, ptrdiff_t count, ptrdiff_t j) {
  if (isnan(o->targets[target * count + j])) return 0;
  return o->observed && target == o->window - 1 ? sqrt(o->weight[j / o->points]) : 1;
}

/* The residuals of a target; tangents (directions, count), which they are multiplied like. */
static void take_residuals(const sn_objective *o, ptrdiff_t target, ptrdiff_t directions, ptrdiff_t count,
                           double *tangents, double *residuals) {
  const double *state = o->states + (target + 1) * count, *goal = o->targets + target * count;
  bool whole = true;
  for (ptrdiff_t j = 0; j < count; j++) {
    const double factor = factor_of(o, target, count, j);
    residuals[j] = factor == 0 ? 0 : factor * (state[j] - goal[j]);
    whole = whole && factor == 1;
  }
  for (ptrdiff_t d = 0; d < directions && !whole; d++)
    for (ptrdiff_t j = 0; j < count; j++) tangents[d * count + j] *= factor_of(o, target, count, j);
}

sn_status sn_objective_tangent(sn_objective *o, ptrdiff_t samples, ptrdiff_t directions, const double *parameters,
                               double *tangents, double *residuals, double *sum) {
  const ptrdiff_t count = samples * o->points;
  if (!o->observed) /* initial states do not depend on the parameters */
    memset(tangents, 0, (size_t)(directions * count) * sizeof *tangents);
  SN_TRY(sn_integrator_tangent(o->integrator, samples, o->window, o->states, directions, parameters, tangents));
  for (ptrdiff_t k = 0; k < o->window; k++)
    take_residuals(o, k, directions, count, tangents + (k + 1) * directions * count, residuals + k * count);
  *sum = sum_up(o, SN_LOSS_MSE, samples, 0, NULL);
  return SN_OK;
}

sn_status sn_objective_diagnose(sn_objective *o, ptrdiff_t samples, double scale) {
  const MPI_Comm world = sn_grid_world(sn_model_grid(o->model));
  double sum;
  SN_TRY(sn_collective_status(world, sn_objective_value(o, samples, &sum)));
  SN_TRY(sn_integrator_check(o->integrator, samples));
  SN_TRY(sn_collective_status(world, sn_objective_gradient(o, samples, scale, &sum, NULL)));
  return sn_integrator_check(o->integrator, samples);
}
