/* The passes of an integrator: forward, with tangents, backward, and forward and backward with the loss between. */
#include <string.h>

#include "combination.h"
#include "integrator_parts.h"

static void begin_step(sn_integrator *it, ptrdiff_t step) {
  it->made++;
  it->stepper->step = it->before + step + 1;
  it->stepper->time = it->start + (double)step * it->dt;
}

static sn_status step_forward(sn_integrator *it, ptrdiff_t step, ptrdiff_t samples, const double *u, double *next,
                              double *tape) {
  begin_step(it, step);
  return it->stepper->ops->forward(it->stepper, samples, u, next, tape);
}

/* Begins a pass over so many intervals; error if the integrator was not created for it. */
static sn_status begin_forward(sn_integrator *it, ptrdiff_t intervals, bool prepared, const char *what) {
  it->steps = intervals * it->substeps;
  if (it->steps > it->capacity || !prepared)
    return SN_ERROR_ALL(SN_ERROR_RUN, "an integrator made for %td steps%s was asked for %td%s%s", it->capacity,
                        prepared ? "" : " alone", it->steps, *what ? " with " : "", what);
  it->backward = false;
  it->within_bounds = true;
  it->made = it->storage.held = 0;
  if (it->stepper->ops->begin_pass) it->stepper->ops->begin_pass(it->stepper);
  memset(it->square, 0, (size_t)it->steps * sizeof *it->square);
  return SN_OK;
}

static bool is_state_within_bounds(const sn_integrator *it, ptrdiff_t step, ptrdiff_t count) {
  return it->square[step] < SN_STATE_RMS_LIMIT * SN_STATE_RMS_LIMIT * (double)count;
}

/* What is kept of a forward step that is done. */
static void end_step(sn_integrator *it, ptrdiff_t step, ptrdiff_t samples, const double *next) {
  const ptrdiff_t count = samples * it->points;
  it->square[step] = sn_sum_of_squares(count, next);
  it->within_bounds &= is_state_within_bounds(it, step, count);
  if (it->estimate)
    memcpy(it->estimate + step * samples, it->stepper->estimate, (size_t)samples * sizeof *it->estimate);
}

/* Where the state after `step` steps of a pass stands. */
static double *state_after(const sn_integrator *it, ptrdiff_t step, ptrdiff_t count, double *states) {
  return step % it->substeps ? it->buffer[step % 2] : states + step / it->substeps * count;
}

static sn_timer *timer_of(const sn_integrator *it) { return sn_grid_timer(sn_model_grid(it->model)); }

/* The first `steps` steps of a pass. */
static sn_status forward_pass(sn_integrator *it, ptrdiff_t samples, ptrdiff_t steps, double *states, bool tape) {
  const ptrdiff_t count = samples * it->points;
  sn_storage *storage = &it->storage;
  const bool takes_snapshots = tape && !storage->keeps_all;
  for (ptrdiff_t step = 0; step < steps && samples; step++) {
    const double *u = state_after(it, step, count, states);
    double *next = state_after(it, step + 1, count, states);
    if (takes_snapshots && sn_storage_next(storage, it->steps) == step)
      memcpy(sn_storage_push(storage, step), u, (size_t)count * sizeof *u);
    const bool tapes = tape && (storage->keeps_all || step == it->steps - 1);
    SN_TRY(step_forward(it, step, samples, u, next, tapes ? sn_storage_tape(storage, step) : NULL));
    end_step(it, step, samples, next);
  }
  return SN_OK;
}

sn_status sn_integrator_forward(sn_integrator *it, ptrdiff_t samples, ptrdiff_t intervals, double *states, bool tape) {
  if (tape && it->options.fused)
    return SN_ERROR_ALL(SN_ERROR_RUN, "an integrator made for fused passes was asked for a forward pass with tape");
  SN_TRY(begin_forward(it, intervals, !tape || it->options.adjoint, tape ? "adjoint" : ""));
  SN_TRY_TIMED(timer_of(it), SN_TIME_FORWARD, forward_pass(it, samples, it->steps, states, tape));
  return SN_OK;
}

/* A pass of some of the samples, `stride` values of which make a state of all. */
static sn_status tangents_of_some(sn_integrator *it, ptrdiff_t samples, double *states, const sn_directions *along,
                                  ptrdiff_t stride) {
  const ptrdiff_t count = samples * it->points, substeps = it->substeps;
  const double *u = states;
  for (ptrdiff_t step = 0; step < it->steps; step++) {
    sn_directions own = *along;
    own.du += (step / substeps + 1) * along->count * stride;
    const bool ends_interval = (step + 1) % substeps == 0;
    double *next = ends_interval ? states + (step + 1) / substeps * stride : it->buffer[step % 2];
    for (ptrdiff_t d = 0; d < own.count && step % substeps == 0; d++)
      memcpy(own.du + d * stride, own.du + (d - own.count) * stride, (size_t)count * sizeof *u);
    SN_TRY(step_forward(it, step, samples, u, next, it->tape));
    SN_TRY(sn_tangent_plan_step(&it->tangents, it->stepper, samples, it->tape, &own, stride));
    it->square[step] += sn_sum_of_squares(count, next);
    u = next;
  }
  return SN_OK;
}

static sn_status tangent_pass(sn_integrator *it, ptrdiff_t samples, double *states, ptrdiff_t directions,
                              const double *parameters, double *tangents) {
  const ptrdiff_t most = sn_tangent_plan_samples(&it->tangents, samples, directions), stride = samples * it->points;
  const ptrdiff_t size = sn_parameters_model_size(sn_model_parameters(it->model));
  sn_tangent_plan_look(&it->tangents, size, directions, parameters);
  for (ptrdiff_t s = 0; s < samples; s += most) {
    const sn_directions along = {directions, tangents + s * it->points, parameters, size, NULL};
    SN_TRY(tangents_of_some(it, samples - s < most ? samples - s : most, states + s * it->points, &along, stride));
  }
  for (ptrdiff_t step = 0; step < it->steps && samples; step++)
    it->within_bounds &= is_state_within_bounds(it, step, stride);
  return SN_OK;
}

sn_status sn_integrator_tangent(sn_integrator *it, ptrdiff_t samples, ptrdiff_t intervals, double *states,
                                ptrdiff_t directions, const double *parameters, double *tangents) {
  SN_TRY(begin_forward(it, intervals, it->options.tangent, "tangents"));
  SN_TRY_TIMED(timer_of(it), SN_TIME_JACOBIAN, tangent_pass(it, samples, states, directions, parameters, tangents));
  return SN_OK;
}

/* *u = the state before step `last`: repeats the steps from the top snapshot, taking more where they are due. */
static sn_status recompute(sn_integrator *it, ptrdiff_t samples, ptrdiff_t last, const double **u) {
  sn_storage *storage = &it->storage;
  *u = sn_storage_top(storage);
  for (ptrdiff_t step = sn_storage_top_position(storage); step < last; step++) {
    double *next = it->buffer[step % 2];
    const bool belongs = sn_storage_next(storage, last + 1) == step + 1;
    if (belongs) next = sn_storage_push(storage, step + 1);
    SN_TRY(step_forward(it, step, samples, *u, next, NULL));
    *u = next;
  }
  return SN_OK;
}

/* A step forward once more, and back: piece by piece, where the stepper can. */
static sn_status repeat_backward(sn_integrator *it, ptrdiff_t samples, ptrdiff_t step, const sn_gradient *gradient) {
  const sn_stepper_ops *ops = it->stepper->ops;
  double *next = it->buffer[step % 2], *tape = sn_storage_tape(&it->storage, step), *lambda = it->buffer[2];
  const double *u;
  SN_TRY(recompute(it, samples, step, &u));
  if (!ops->forward_backward) {
    SN_TRY(step_forward(it, step, samples, u, next, tape));
    return ops->backward(it->stepper, samples, tape, lambda, gradient);
  }
  const sn_step_loss given = {.bar = lambda};
  begin_step(it, step);
  SN_TRY(ops->forward_backward(it->stepper, samples, u, next, tape, &given, it->buffer[3], gradient));
  it->buffer[2] = it->buffer[3];
  it->buffer[3] = lambda;
  return SN_OK;
}

static void note_given(sn_integrator *it, ptrdiff_t count, ptrdiff_t intervals, const double *state_bars) {
  it->backward = true;
  it->given = sn_sum_of_squares((intervals + 1) * count, state_bars);
}

/* The adjoint has come to where a step began: adds the loss's derivative there. */
static void end_step_backward(sn_integrator *it, ptrdiff_t step, ptrdiff_t count, const double *state_bars) {
  double *lambda = it->buffer[2];
  if (step % it->substeps == 0) sn_add_scaled(count, 1, state_bars + step / it->substeps * count, lambda);
  it->square[step] = sn_sum_of_squares(count, lambda);
  it->within_bounds &= it->square[step] <= SN_ADJOINT_GROWTH_LIMIT * SN_ADJOINT_GROWTH_LIMIT * it->given;
}

/* From the end of so many steps, of which lambda is the adjoint, to the beginning. */
static sn_status backward_pass(sn_integrator *it, ptrdiff_t samples, ptrdiff_t steps, double *state_bars,
                               const sn_gradient *gradient) {
  const ptrdiff_t count = samples * it->points;
  const sn_stepper_ops *ops = it->stepper->ops;
  sn_storage *storage = &it->storage;
  sn_gradient own;
  for (ptrdiff_t step = steps - 1; step >= 0 && samples; step--) {
    const sn_gradient *of_step = sn_gradient_for_pass(gradient, step == 0, &own);
    it->stepper->skips_lambda = step == 0 && it->skips_initial;
    if (storage->keeps_all || step == it->steps - 1)
      SN_TRY(ops->backward(it->stepper, samples, sn_storage_tape(storage, step), it->buffer[2], of_step));
    else
      SN_TRY(repeat_backward(it, samples, step, of_step));
    if (!storage->keeps_all && sn_storage_top_position(storage) == step) storage->held--;
    end_step_backward(it, step, count, state_bars);
  }
  memcpy(state_bars, it->buffer[2], (size_t)count * sizeof *state_bars);
  if (gradient && samples && ops->end_backward) SN_TRY(ops->end_backward(it->stepper, gradient));
  return SN_OK;
}

sn_status sn_integrator_backward(sn_integrator *it, ptrdiff_t samples, ptrdiff_t intervals, double *state_bars,
                                 const sn_gradient *gradient) {
  const ptrdiff_t count = samples * it->points;
  if (it->stepper->ops->begin_backward) it->stepper->ops->begin_backward(it->stepper);
  note_given(it, count, intervals, state_bars);
  memcpy(it->buffer[2], state_bars + intervals * count, (size_t)count * sizeof *state_bars);
  SN_TRY_TIMED(timer_of(it), SN_TIME_BACKWARD,
               backward_pass(it, samples, intervals * it->substeps, state_bars, gradient));
  return SN_OK;
}

/* The last step of a pass, forward and backward. */
static sn_status fused_last_step(sn_integrator *it, ptrdiff_t samples, ptrdiff_t intervals, double *states,
                                 const sn_state_loss *loss, double *state_bars, const sn_gradient *gradient) {
  const ptrdiff_t count = samples * it->points, step = it->steps - 1;
  const sn_step_loss at_end = {state_bars + intervals * count, loss, intervals};
  double *next = state_after(it, it->steps, count, states);
  sn_gradient own;
  if (it->stepper->ops->begin_backward) it->stepper->ops->begin_backward(it->stepper);
  begin_step(it, step);
  it->stepper->skips_lambda = step == 0 && it->skips_initial;
  SN_TRY(it->stepper->ops->forward_backward(it->stepper, samples, state_after(it, step, count, states), next,
                                            sn_storage_tape(&it->storage, step), &at_end, it->buffer[2],
                                            sn_gradient_for_pass(gradient, step == 0, &own)));
  end_step(it, step, samples, next);
  note_given(it, count, intervals, state_bars);
  end_step_backward(it, step, count, state_bars);
  return SN_OK;
}

sn_status sn_integrator_gradient(sn_integrator *it, ptrdiff_t samples, ptrdiff_t intervals, double *states,
                                 const sn_state_loss *loss, double *state_bars, const sn_gradient *gradient) {
  const ptrdiff_t count = samples * it->points;
  const bool fused = it->stepper->ops->forward_backward && samples && intervals;
  SN_TRY(begin_forward(it, intervals, it->options.adjoint, "adjoint"));
  SN_TRY_TIMED(timer_of(it), SN_TIME_FORWARD, forward_pass(it, samples, it->steps - fused, states, true));
  for (ptrdiff_t k = 0; k <= intervals - fused; k++)
    loss->add(loss->context, k, (sn_range){0, count}, states + k * count, state_bars + k * count);
  if (!fused) return sn_integrator_backward(it, samples, intervals, state_bars, gradient);
  SN_TRY(fused_last_step(it, samples, intervals, states, loss, state_bars, gradient));
  SN_TRY_TIMED(timer_of(it), SN_TIME_BACKWARD, backward_pass(it, samples, it->steps - 1, state_bars, gradient));
  return SN_OK;
}
