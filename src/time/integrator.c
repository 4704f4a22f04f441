#include "sinode/integrator.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "combination.h"
#include "sinode/count.h"
#include "sinode/memory.h"
#include "sinode/stability.h"
#include "stepper_ops.h"
#include "storage.h"
#include "tangent_plan.h"

struct sn_integrator {
  sn_model *model;
  sn_integrator_options options;
  double dt;          /* of a step; adaptive: the interval */
  ptrdiff_t substeps; /* steps an interval */
  sn_stepper *stepper;
  char domain[SN_STEPPER_REASON_LENGTH]; /* where steps are made, and why */
  sn_storage storage;
  ptrdiff_t points;  /* local */
  double *buffer[3]; /* intermediate states; the third is the adjoint */
  double *tape;      /* of the step whose tangents are taken */
  sn_tangent_plan tangents;
  double *square;     /* (capacity) local sum of squares after every step of the last pass */
  double *estimate;   /* (capacity, samples) of the last forward pass; NULL: none */
  double *total;      /* (capacity) summed over the ranks */
  ptrdiff_t capacity; /* steps one pass may take */
  ptrdiff_t steps;    /* of the last pass */
  ptrdiff_t made;     /* forward steps of the last pair of passes */
  double start;       /* time at which the last pass began, and steps before it */
  ptrdiff_t before;
  bool backward;      /* whether the last pass was a backward one */
  bool skips_initial; /* backward passes need not give the derivative by the initial state */
  double given;       /* local sum of squares of the derivatives given to the last backward pass */
  bool within_bounds; /* whether the last pass, or pair of them, stayed within bounds on this rank */
};

static sn_stepper_creator creator(const sn_tableau *tableau) {
  if (tableau->adaptive) return sn_adaptive_create;
  if (tableau->kind == SN_TABLEAU_EXPONENTIAL) return sn_exponential_stepper_create;
  return tableau->kind == SN_TABLEAU_IMPLICIT ? sn_implicit_create : sn_imex_create;
}

/* The steps an interval, and their length, which makes up for the round-off in dt. */
static sn_status divide_interval(sn_integrator *it) {
  const double interval = it->options.interval, ratio = it->options.tableau->adaptive ? 1 : interval / it->options.dt;
  it->substeps = (ptrdiff_t)llround(ratio);
  if (it->substeps < 1 || !(fabs(ratio - (double)it->substeps) <= 1e-6 * ratio))
    return SN_ERROR_ALL(
        SN_ERROR_USAGE,
        "integrator.dt is %.12g, but the data have a snapshot every %.12g, which must be a multiple of it; "
        "%.12g would do",
        it->options.dt, interval, interval / fmax(1, (double)it->substeps));
  it->dt = interval / (double)it->substeps;
  return SN_OK;
}

static sn_status build(sn_integrator *it) {
  const sn_integrator_options *options = &it->options;
  const MPI_Comm world = sn_grid_world(sn_model_grid(it->model));
  const ptrdiff_t samples = sn_model_samples(it->model), count = samples * it->points;
  SN_TRY(divide_interval(it));
  SN_TRY(sn_subdomain_stepper_create(it->model, options, it->dt, it->domain, &it->stepper));
  if (!it->stepper)
    SN_TRY(sn_collective_status(world, creator(options->tableau)(it->model, options, it->dt, &it->stepper)));
  if (!sn_count_multiply(options->intervals, it->substeps, &it->capacity))
    return SN_ERROR_ALL(SN_ERROR_RUN, "%td intervals of %td time steps are more than can be counted",
                        options->intervals, it->substeps);
  const sn_stepper_ops *ops = it->stepper->ops;
  if (options->adjoint) {
    const sn_storage_sizes sizes = {.state = count,
                                    .tape = ops->tape_size(it->stepper, samples),
                                    .record = ops->record_size ? ops->record_size(it->stepper) : 0};
    SN_TRY(sn_storage_create(options, world, it->capacity, &sizes, &it->storage));
    if (ops->reserve) SN_TRY(ops->reserve(it->stepper, sn_storage_tapes(&it->storage)));
  }
  if (options->tangent && !ops->tangent)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "%s has no tangents; use an IMEX or an explicit scheme with a fixed step",
                        options->tableau->name);
  if (options->tangent) SN_TRY(SN_NEW(ops->tape_size(it->stepper, samples), &it->tape));
  SN_TRY(SN_NEW(it->capacity, &it->square));
  SN_TRY(SN_NEW(it->capacity, &it->total));
  if (it->stepper->estimate) SN_TRY(SN_NEW(it->capacity * samples, &it->estimate));
  for (int k = 0; k < 3; k++) SN_TRY(SN_NEW(count, &it->buffer[k]));
  return SN_OK;
}

sn_status sn_integrator_create(sn_model *model, const sn_integrator_options *options, sn_integrator **out) {
  const sn_grid *grid = sn_model_grid(model);
  SN_TRY(sn_collective_status(sn_grid_world(grid), SN_NEW(1, out)));
  **out = (sn_integrator){.model = model, .options = *options, .points = sn_grid_range(grid).count};
  sn_status status = sn_collective_status(sn_grid_world(grid), build(*out));
  if (status) sn_integrator_destroy(out);
  return status;
}

void sn_integrator_destroy(sn_integrator **integrator) {
  sn_integrator *it = *integrator;
  if (!it) return;
  if (it->stepper) it->stepper->ops->destroy(&it->stepper);
  sn_storage_destroy(&it->storage);
  SN_FREE(it->tape);
  sn_tangent_plan_clear(&it->tangents);
  SN_FREE(it->square);
  SN_FREE(it->total);
  SN_FREE(it->estimate);
  for (int k = 0; k < 3; k++) SN_FREE(it->buffer[k]);
  SN_FREE(*integrator);
}

sn_status sn_integrator_reserve(sn_integrator *it, ptrdiff_t samples) {
  if (it->stepper->ops->prepare) return it->stepper->ops->prepare(it->stepper, samples);
  return it->stepper->solver ? sn_solver_reserve(it->stepper->solver, samples) : SN_OK;
}

/* A state whose root mean square is beyond this has blown up; on the attractor of KS it is about 1.3. */
static const double rms_limit = 1e6;

/* An adjoint that is so much larger than the loss's derivatives has exploded: chaos makes e^(0.043 t), 1e2 in 100. */
static const double adjoint_growth_limit = 1e8;

static sn_status step_forward(sn_integrator *it, ptrdiff_t step, ptrdiff_t samples, const double *u, double *next,
                              double *tape) {
  it->made++;
  it->stepper->step = it->before + step + 1;
  it->stepper->time = it->start + (double)step * it->dt;
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
  return it->square[step] < rms_limit * rms_limit * (double)count;
}

static void record_norm(sn_integrator *it, ptrdiff_t step, ptrdiff_t count, const double *u) {
  it->square[step] = sn_sum_of_squares(count, u);
  it->within_bounds &= is_state_within_bounds(it, step, count);
}

static sn_timer *timer_of(const sn_integrator *it) { return sn_grid_timer(sn_model_grid(it->model)); }

static sn_status forward_pass(sn_integrator *it, ptrdiff_t samples, double *states, bool tape) {
  const ptrdiff_t count = samples * it->points, substeps = it->substeps;
  sn_storage *storage = &it->storage;
  const bool takes_snapshots = tape && !storage->keeps_all;
  const double *u = states;
  for (ptrdiff_t step = 0; step < it->steps && samples; step++) {
    const bool ends_interval = (step + 1) % substeps == 0;
    double *next = ends_interval ? states + (step + 1) / substeps * count : it->buffer[step % 2];
    if (takes_snapshots && sn_storage_next(storage, it->steps) == step)
      memcpy(sn_storage_push(storage, step), u, (size_t)count * sizeof *u);
    const bool tapes = tape && (storage->keeps_all || step == it->steps - 1);
    SN_TRY(step_forward(it, step, samples, u, next, tapes ? sn_storage_tape(storage, step) : NULL));
    record_norm(it, step, count, next);
    if (it->estimate)
      memcpy(it->estimate + step * samples, it->stepper->estimate, (size_t)samples * sizeof *it->estimate);
    u = next;
  }
  return SN_OK;
}

sn_status sn_integrator_forward(sn_integrator *it, ptrdiff_t samples, ptrdiff_t intervals, double *states, bool tape) {
  SN_TRY(begin_forward(it, intervals, !tape || it->options.adjoint, tape ? "adjoint" : ""));
  SN_TRY_TIMED(timer_of(it), SN_TIME_FORWARD, forward_pass(it, samples, states, tape));
  return SN_OK;
}

sn_status sn_integrator_reserve_tangents(sn_integrator *it, ptrdiff_t samples, ptrdiff_t directions) {
  SN_TRY(sn_integrator_reserve(it, samples));
  return sn_tangent_plan_reserve(&it->tangents, it->stepper, it->model, samples, directions);
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

/* Repeats the steps from the top snapshot to `end` - 1, taking snapshots where they are due, the last one with tape. */
static sn_status recompute(sn_integrator *it, ptrdiff_t samples, ptrdiff_t end) {
  sn_storage *storage = &it->storage;
  const double *u = sn_storage_top(storage);
  for (ptrdiff_t step = sn_storage_top_position(storage); step < end - 1; step++) {
    double *next = it->buffer[step % 2];
    const bool belongs = sn_storage_next(storage, end) == step + 1;
    if (belongs) next = sn_storage_push(storage, step + 1);
    SN_TRY(step_forward(it, step, samples, u, next, NULL));
    u = next;
  }
  return step_forward(it, end - 1, samples, u, it->buffer[(end - 1) % 2], sn_storage_tape(storage, end - 1));
}

static sn_status backward_pass(sn_integrator *it, ptrdiff_t samples, ptrdiff_t intervals, double *state_bars,
                               const sn_gradient *gradient) {
  const ptrdiff_t count = samples * it->points, substeps = it->substeps, steps = intervals * substeps;
  sn_storage *storage = &it->storage;
  it->backward = true;
  it->given = sn_sum_of_squares((intervals + 1) * count, state_bars);
  const sn_stepper_ops *ops = it->stepper->ops;
  double *lambda = it->buffer[2];
  sn_gradient own;
  if (ops->begin_backward) ops->begin_backward(it->stepper);
  memcpy(lambda, state_bars + intervals * count, (size_t)count * sizeof *lambda);
  for (ptrdiff_t step = steps - 1; step >= 0 && samples; step--) {
    if (!storage->keeps_all && step < steps - 1) SN_TRY(recompute(it, samples, step + 1));
    it->stepper->skips_lambda = step == 0 && it->skips_initial;
    SN_TRY(ops->backward(it->stepper, samples, sn_storage_tape(storage, step), lambda,
                         sn_gradient_for_pass(gradient, step == 0, &own)));
    if (!storage->keeps_all && sn_storage_top_position(storage) == step) storage->held--;
    if (step % substeps == 0) {
      const double *bar = state_bars + step / substeps * count;
      for (ptrdiff_t k = 0; k < count; k++) lambda[k] += bar[k];
    }
    it->square[step] = sn_sum_of_squares(count, lambda);
    it->within_bounds &= it->square[step] <= adjoint_growth_limit * adjoint_growth_limit * it->given;
  }
  memcpy(state_bars, lambda, (size_t)count * sizeof *lambda);
  if (gradient && samples && ops->end_backward) SN_TRY(ops->end_backward(it->stepper, gradient));
  return SN_OK;
}

sn_status sn_integrator_backward(sn_integrator *it, ptrdiff_t samples, ptrdiff_t intervals, double *state_bars,
                                 const sn_gradient *gradient) {
  SN_TRY_TIMED(timer_of(it), SN_TIME_BACKWARD, backward_pass(it, samples, intervals, state_bars, gradient));
  return SN_OK;
}

void sn_integrator_skip_initial_bar(sn_integrator *it) { it->skips_initial = true; }

bool sn_integrator_within_bounds(const sn_integrator *it) { return it->within_bounds; }

double sn_integrator_dt(const sn_integrator *it) { return it->dt; }

ptrdiff_t sn_integrator_steps(const sn_integrator *it, ptrdiff_t intervals) { return intervals * it->substeps; }

/* Sums of squares over all ranks, into it->total. */
static void sum_over_ranks(sn_integrator *it) {
  MPI_Allreduce(it->square, it->total, (int)it->steps, MPI_DOUBLE, MPI_SUM, sn_grid_world(sn_model_grid(it->model)));
}

void sn_integrator_norms(sn_integrator *it, double *norms) {
  sum_over_ranks(it);
  for (ptrdiff_t k = 0; k < it->steps; k++) norms[k] = sqrt(it->total[k]);
}

const double *sn_integrator_estimates(const sn_integrator *it) { return it->estimate; }

sn_status sn_integrator_stable_step(const sn_integrator *it, double *limit) {
  return sn_stability_limit(sn_model_linear(it->model), sn_model_grid(it->model), it->options.tableau, limit);
}

/* What to do about a state that blew up. */
static sn_status advice_for(const sn_integrator *it, char *text, size_t size) {
  double limit;
  SN_TRY(sn_integrator_stable_step(it, &limit));
  if (limit < it->dt && !it->options.tableau->adaptive)
    snprintf(text, size,
             "the largest stable step of %s on this linear part is %.3g: lower integrator.dt (now %g) or use an "
             "IMEX scheme such as l2",
             it->options.tableau->name, limit, it->dt);
  else
    snprintf(text, size, "lower integrator.dt (now %g) or, in training, train.optimizer.learning_rate", it->dt);
  return SN_OK;
}

void sn_integrator_begin_at(sn_integrator *it, double time, ptrdiff_t steps) {
  it->start = time;
  it->before = steps;
}

static sn_status blew_up(const sn_integrator *it, ptrdiff_t step, double rms) {
  const double dt = it->dt, before = it->start + (double)step * dt;
  const ptrdiff_t number = it->before + step + 1;
  char advice[240];
  if (it->backward)
    return SN_ERROR_ALL(
        SN_ERROR_RUN,
        "the adjoint of %s blew up going back through step %td (t = %g): its norm (root mean square) is %g; shorten "
        "train.window or lower integrator.dt (now %g)",
        it->options.tableau->name, number, before, fabs(rms), dt);
  SN_TRY(advice_for(it, advice, sizeof advice));
  return SN_ERROR_ALL(SN_ERROR_RUN,
                      "%s blew up in step %td, at t = %g: the norm (root mean square) of the state is %g; %s",
                      it->options.tableau->name, number, before + dt, fabs(rms), advice);
}

sn_status sn_integrator_check(sn_integrator *it, ptrdiff_t samples) {
  double sums[2] = {(double)(samples * it->points), it->given};
  sum_over_ranks(it);
  MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_DOUBLE, MPI_SUM, sn_grid_world(sn_model_grid(it->model)));
  /* An adjoint has no scale of its own: only its growth tells. */
  const double limit = it->backward ? adjoint_growth_limit * sqrt(sums[1] / sums[0]) : rms_limit;
  for (ptrdiff_t k = 0; k < it->steps; k++) {
    const ptrdiff_t step = it->backward ? it->steps - 1 - k : k;
    const double rms = sqrt(it->total[step] / sums[0]);
    if (!(rms <= limit)) return blew_up(it, step, rms);
  }
  return SN_OK;
}

const char *sn_integrator_domain_reason(const sn_integrator *it) { return it->domain; }

const char *sn_integrator_solver_reason(const sn_integrator *it) {
  if (it->stepper->exponential) return sn_exponential_reason(it->stepper->exponential);
  return it->stepper->solver ? sn_solver_reason(it->stepper->solver) : "none: the scheme is explicit";
}

long sn_integrator_factorizations(const sn_integrator *it) {
  if (it->stepper->exponential) return sn_exponential_evaluations(it->stepper->exponential);
  return it->stepper->solver ? sn_solver_factorizations(it->stepper->solver) : 0;
}

void sn_integrator_statistics(const sn_integrator *it, char *text, size_t size) {
  *text = '\0';
  if (it->stepper->ops->statistics) it->stepper->ops->statistics(it->stepper, text, size);
}

const char *sn_integrator_storage_reason(const sn_integrator *it) {
  return it->options.adjoint ? it->storage.reason : "none: no gradient is wanted";
}

ptrdiff_t sn_integrator_forward_steps(const sn_integrator *it) { return it->made; }

ptrdiff_t sn_integrator_storage_bytes(const sn_integrator *it) { return it->storage.bytes; }

ptrdiff_t sn_integrator_factor_bytes(const sn_integrator *it) {
  if (it->stepper->exponential) return sn_exponential_bytes(it->stepper->exponential);
  return it->stepper->solver ? sn_solver_bytes(it->stepper->solver) : 0;
}
