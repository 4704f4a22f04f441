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

void sn_objective_destroy(sn_objective **objective) {
  if (!*objective) return;
  SN_FREE((*objective)->states);
  SN_FREE((*objective)->targets);
  SN_FREE((*objective)->bars);
  SN_FREE(*objective);
}

void sn_objective_set_window(sn_objective *o, ptrdiff_t window) { o->window = window; }
ptrdiff_t sn_objective_window(const sn_objective *o) { return o->window; }

double *sn_objective_initial(sn_objective *o) { return o->states; }
double *sn_objective_targets(sn_objective *o) { return o->targets; }
const double *sn_objective_states(const sn_objective *o) { return o->states; }
const double *sn_objective_initial_bar(const sn_objective *o) { return o->bars; }

void sn_objective_skip_initial_bar(sn_objective *o) { sn_integrator_skip_initial_bar(o->integrator); }

bool sn_objective_within_bounds(const sn_objective *o) { return sn_integrator_within_bounds(o->integrator); }

sn_status sn_objective_value(sn_objective *o, ptrdiff_t samples, double *sum) {
  const ptrdiff_t count = samples * o->points;
  SN_TRY(sn_integrator_forward(o->integrator, samples, o->window, o->states, false));
  *sum = sn_loss_sum(o->loss, o->window * count, o->states + count, o->targets, 0, NULL);
  return SN_OK;
}

sn_status sn_objective_gradient(sn_objective *o, ptrdiff_t samples, double scale, double *sum,
                                const sn_gradient *gradient) {
  const ptrdiff_t count = samples * o->points;
  SN_TRY(sn_integrator_forward(o->integrator, samples, o->window, o->states, true));
  memset(o->bars, 0, (size_t)count * sizeof *o->bars); /* the loss does not see the initial states */
  *sum = sn_loss_sum(o->loss, o->window * count, o->states + count, o->targets, scale, o->bars + count);
  return sn_integrator_backward(o->integrator, samples, o->window, o->bars, gradient);
}

/* A row of the Jacobian becomes 0: that of residual k. */
static void leave_out(double *tangents, ptrdiff_t directions, ptrdiff_t count, ptrdiff_t k) {
  double *row = tangents + k / count * directions * count + k % count;
  for (ptrdiff_t d = 0; d < directions; d++) row[d * count] = 0;
}

sn_status sn_objective_tangent(sn_objective *o, ptrdiff_t samples, ptrdiff_t directions, const double *parameters,
                               double *tangents, double *residuals, double *sum) {
  const ptrdiff_t count = samples * o->points, values = o->window * count;
  memset(tangents, 0,
         (size_t)(directions * count) * sizeof *tangents); /* initial states do not depend on the parameters */
  SN_TRY(sn_integrator_tangent(o->integrator, samples, o->window, o->states, directions, parameters, tangents));
  for (ptrdiff_t k = 0; k < values; k++) {
    residuals[k] = isnan(o->targets[k]) ? 0 : o->states[count + k] - o->targets[k];
    if (isnan(o->targets[k])) leave_out(tangents + directions * count, directions, count, k);
  }
  *sum = sn_loss_sum(SN_LOSS_MSE, values, o->states + count, o->targets, 0, NULL);
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
