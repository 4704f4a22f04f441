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

typedef struct {
  sn_objective *objective;
  sn_loss_kind kind;
  ptrdiff_t samples;
  double scale, sum;
} evaluation;

/* Counts every sample's end as often as its weight says. */
static double end_loss(const evaluation *e, sn_range values, const double *u, const double *target, double *bar) {
  const sn_objective *o = e->objective;
  const ptrdiff_t end = values.start + values.count;
  double sum = 0;
  for (ptrdiff_t at = values.start, next; at < end; at = next) {
    const ptrdiff_t sample = at / o->points, beyond = (sample + 1) * o->points;
    const double weight = o->weight[sample];
    next = beyond < end ? beyond : end;
    sum += weight * sn_loss_sum(e->kind, next - at, u + at, target + at, e->scale * weight, bar ? bar + at : NULL);
  }
  if (bar) memcpy(o->end_bar + values.start, bar + values.start, (size_t)values.count * sizeof *bar);
  return sum;
}

/* A loss of states (sn_state_loss); bar: NULL where derivatives are not wanted. */
static void add_loss(void *context, ptrdiff_t state, sn_range values, const double *u, double *bar) {
  evaluation *e = context;
  const sn_objective *o = e->objective;
  const double *target = state ? o->targets + (state - 1) * e->samples * o->points : o->observed;
  const ptrdiff_t at = values.start;
  if (!target) { /* the loss does not see the initial states */
    if (bar) memset(bar + at, 0, (size_t)values.count * sizeof *bar);
  } else if (o->observed && state == o->window) {
    e->sum += end_loss(e, values, u, target, bar);
  } else {
    e->sum += sn_loss_sum(e->kind, values.count, u + at, target + at, e->scale, bar ? bar + at : NULL);
  }
}

/* The loss of all states. */
static double sum_up(sn_objective *o, sn_loss_kind kind, ptrdiff_t samples) {
  evaluation e = {o, kind, samples, 0, 0};
  const ptrdiff_t count = samples * o->points;
  for (ptrdiff_t k = 0; k <= o->window; k++) add_loss(&e, k, (sn_range){0, count}, o->states + k * count, NULL);
  return e.sum;
}

sn_status sn_objective_value(sn_objective *o, ptrdiff_t samples, double *sum) {
  SN_TRY(sn_integrator_forward(o->integrator, samples, o->window, o->states, false));
  *sum = sum_up(o, o->loss, samples);
  return SN_OK;
}

sn_status sn_objective_gradient(sn_objective *o, ptrdiff_t samples, double scale, double *sum,
                                const sn_gradient *gradient) {
  evaluation e = {o, o->loss, samples, scale, 0};
  const sn_state_loss loss = {add_loss, &e};
  sn_status status = sn_integrator_gradient(o->integrator, samples, o->window, o->states, &loss, o->bars, gradient);
  *sum = e.sum;
  return status;
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
  *sum = sum_up(o, SN_LOSS_MSE, samples);
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
