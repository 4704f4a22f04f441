/*
 * Explicit embedded pairs with adaptive steps (dopri5, bosh3). To the integrator one interval of the data is one step;
 * inside it every sample has its own step size, so that its result does not depend on which others share the batch or
 * the ranks: an attempt advances all samples, each by its own dt, and each is accepted or rejected by itself.
 *
 * Error of a sample: rms over the points of err / (atol + rtol max(|u|, |u_new|)). PI controller (Hairer, Wanner,
 * Solving ODEs II, IV.2): dt := dt * 0.9 err^(-0.7/k) err_before^(0.4/k), k the order, within [0.2, 5].
 *
 * Both pairs have the last stage as the solution, so that the last slope of a step is the first of the next.
 *
 * The discrete adjoint takes the steps as they came, step sizes held constant. Every attempt in which some sample
 * advanced is recorded as its state and its steps, 0 for samples that stayed; going back, its stages are recomputed.
 * How many records an interval makes is not known beforehand. On a stiff model stability limits the step, so memory is
 * reserved for as many as the largest stable step makes; it grows where more are needed.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sinode/memory.h"
#include "sinode/stability.h"
#include "stepper_ops.h"

enum { STAGES = SN_TABLEAU_STAGES };

/* The first step of an interval has no error before it; a small one keeps the controller from growing the step fast. */
static const double first_error = 1e-4, safety = 0.9, shrink_most = 0.2, grow_most = 5;

typedef struct {
  sn_stepper base;
  const sn_tableau *tableau;
  sn_model *model;
  ptrdiff_t points, samples; /* local points; most samples */
  double interval, first_step, least_step, rtol, atol;
  double *state, *next, *slope[STAGES], *f;
  double *time, *step, *taken, *error, *error_before; /* (samples) */
  /* Records: (samples) steps, then (samples, points) state, one after the other. */
  double *records;
  ptrdiff_t record_count, record_capacity, expected;   /* expected: records of an interval */
  long accepted, rejected;                             /* steps of samples so far */
  double *step_tape, *r_bar[STAGES], *k_bar, *scratch; /* of a backward pass */
} adaptive;

/* The right-hand side k = G(u) + A u, G = -F. tape may be NULL. */
static sn_status evaluate_slope(adaptive *a, ptrdiff_t samples, const double *u, double *k, double *tape) {
  SN_TRY(sn_linear_apply(sn_model_linear(a->model), samples, u, k));
  SN_TRY(sn_network_forward(sn_model_network(a->model), samples, u, a->f, tape));
  for (ptrdiff_t j = 0; j < samples * a->points; j++) k[j] -= a->f[j];
  return SN_OK;
}

/* to = u + dt * sum_j weight_j k_j, dt by sample. */
static void combine(const adaptive *a, ptrdiff_t samples, const double *u, const double *dt, const double *weights,
                    int count, double *to) {
  for (ptrdiff_t s = 0; s < samples; s++) {
    const ptrdiff_t at = s * a->points;
    double *restrict row = to + at;
    memcpy(row, u + at, (size_t)a->points * sizeof *row);
    for (int j = 0; j < count; j++) {
      const double factor = dt[s] * weights[j];
      const double *restrict k = a->slope[j] + at;
      if (factor != 0)
        for (ptrdiff_t i = 0; i < a->points; i++) row[i] += factor * k[i];
    }
  }
}

/* Errors of the samples relative to the tolerances, from the slopes of an attempt. One reduction over space. */
static void estimate(adaptive *a, ptrdiff_t samples) {
  const int stages = a->tableau->stages;
  const sn_grid *grid = sn_model_grid(a->model);
  for (ptrdiff_t s = 0; s < samples; s++) {
    double sum = 0;
    for (ptrdiff_t i = s * a->points; i < (s + 1) * a->points; i++) {
      double difference = 0;
      for (int j = 0; j < stages; j++) difference += (a->tableau->b[j] - a->tableau->embedded[j]) * a->slope[j][i];
      const double scale = a->atol + a->rtol * fmax(fabs(a->state[i]), fabs(a->next[i]));
      difference *= a->taken[s] / scale;
      sum += difference * difference;
    }
    a->error[s] = sum;
  }
  sn_grid_sum_over_space(grid, samples, a->error);
  for (ptrdiff_t s = 0; s < samples; s++) a->error[s] = sqrt(a->error[s] / (double)sn_grid_points(grid));
}

/* The next step to try after one with that error. */
static double control(const adaptive *a, double step, double error, double before, bool accepted) {
  const double k = a->tableau->order;
  if (!isfinite(error)) return shrink_most * step;
  const double wanted = safety * pow(fmax(error, 1e-10), -0.7 / k) * pow(before, accepted ? 0.4 / k : 0);
  return step * fmin(accepted ? grow_most : 1, fmax(shrink_most, wanted));
}

static ptrdiff_t record_size(const adaptive *a) { return a->samples * (1 + a->points); }

static sn_status reserve_records(adaptive *a, ptrdiff_t capacity) {
  double *more;
  SN_TRY(SN_NEW(capacity * record_size(a), &more));
  if (a->record_count) memcpy(more, a->records, (size_t)(a->record_count * record_size(a)) * sizeof *more);
  SN_FREE(a->records);
  a->records = more;
  a->record_capacity = capacity;
  return SN_OK;
}

/* The array grows by half when it is full, so that training soon allocates no more. */
static sn_status add_record(adaptive *a, ptrdiff_t samples) {
  if (a->record_count == a->record_capacity)
    SN_TRY(reserve_records(a, a->record_capacity + a->record_capacity / 2 + 8));
  double *record = a->records + a->record_count++ * record_size(a);
  memcpy(record, a->taken, (size_t)samples * sizeof *record);
  memcpy(record + a->samples, a->state, (size_t)(samples * a->points) * sizeof *record);
  return SN_OK;
}

static sn_status stiff_error(const adaptive *a, ptrdiff_t sample) {
  return SN_ERROR(
      SN_ERROR_RUN,
      "stiff: the step of %s fell below %g at t = %g; an IMEX scheme would do, such as integrator.scheme l2 (or lower "
      "integrator.minimum_step, or raise integrator.rtol)",
      a->tableau->name, a->least_step, a->base.time + a->time[sample]);
}

/* Accepts or rejects each sample's step. *left: samples not at the end yet; *advanced: whether any step was taken. */
static sn_status accept_or_reject(adaptive *a, ptrdiff_t samples, ptrdiff_t *left, bool *advanced) {
  *left = 0;
  *advanced = false;
  for (ptrdiff_t s = 0; s < samples; s++) {
    if (a->time[s] >= a->interval) continue;
    const bool last = a->time[s] + a->taken[s] >= a->interval * (1 - 1e-12);
    const bool accepted = a->error[s] <= 1;
    const double proposal = control(a, a->taken[s], a->error[s], a->error_before[s], accepted);
    if (accepted) {
      a->accepted++;
      *advanced = true;
      a->time[s] = last ? a->interval : a->time[s] + a->taken[s];
      a->error_before[s] = fmax(a->error[s], first_error);
      if (!last || proposal < a->step[s]) a->step[s] = proposal; /* a step cut to end at the interval is no proposal */
    } else {
      a->rejected++;
      a->step[s] = proposal;
      a->taken[s] = 0;
    }
    if (a->time[s] >= a->interval) continue;
    (*left)++;
    if (a->step[s] < a->least_step) return stiff_error(a, s);
  }
  return SN_OK;
}

/* One attempt from state to next, for the samples that are not at the end. */
static sn_status attempt(adaptive *a, ptrdiff_t samples) {
  const int stages = a->tableau->stages;
  for (ptrdiff_t s = 0; s < samples; s++) {
    const double left = a->interval - a->time[s];
    a->taken[s] = left <= 0 ? 0 : fmin(a->step[s], left);
  }
  for (int i = 1; i < stages; i++) {
    combine(a, samples, a->state, a->taken, a->tableau->a[i], i, a->next);
    SN_TRY(evaluate_slope(a, samples, a->next, a->slope[i], NULL));
  }
  estimate(a, samples);
  return SN_OK;
}

/* Updates state and first slope of the samples whose step was accepted. */
static void advance(adaptive *a, ptrdiff_t samples) {
  const double *last = a->slope[a->tableau->stages - 1];
  const size_t bytes = (size_t)a->points * sizeof *last;
  for (ptrdiff_t s = 0; s < samples; s++) {
    if (a->taken[s] == 0) continue;
    memcpy(a->state + s * a->points, a->next + s * a->points, bytes);
    memcpy(a->slope[0] + s * a->points, last + s * a->points, bytes);
  }
}

/* The tape of an interval: which of the records are its own. The tape's doubles are only its memory. */
typedef struct {
  ptrdiff_t first, count;
} interval_records;

static ptrdiff_t tape_size(const sn_stepper *stepper, ptrdiff_t samples) {
  (void)stepper, (void)samples;
  return (ptrdiff_t)((sizeof(interval_records) + sizeof(double) - 1) / sizeof(double));
}

static sn_status forward(sn_stepper *stepper, ptrdiff_t samples, const double *u, double *next, double *tape) {
  adaptive *a = (adaptive *)stepper;
  const size_t bytes = (size_t)(samples * a->points) * sizeof *u;
  const ptrdiff_t first = a->record_count;
  ptrdiff_t left = samples;
  memcpy(a->state, u, bytes);
  for (ptrdiff_t s = 0; s < samples; s++) {
    a->time[s] = 0;
    a->step[s] = fmin(a->first_step, a->interval);
    a->error_before[s] = first_error;
  }
  SN_TRY(evaluate_slope(a, samples, a->state, a->slope[0], NULL));
  while (left) {
    bool advanced;
    SN_TRY(attempt(a, samples));
    SN_TRY(accept_or_reject(a, samples, &left, &advanced));
    if (advanced && tape) SN_TRY(add_record(a, samples));
    advance(a, samples);
  }
  memcpy(next, a->state, bytes);
  const interval_records own = {first, a->record_count - first};
  if (tape) memcpy(tape, &own, sizeof own);
  return SN_OK;
}

/* A stage's value, then the network's tape. */
static ptrdiff_t stage_tape_size(const adaptive *a) {
  return sn_stepper_aligned(a->samples * a->points) +
         sn_stepper_aligned(sn_network_tape_size(sn_model_network(a->model), a->samples));
}

/*
 * The adjoint of one recorded attempt, eq. (5) of the paper with b = bt, a = at; its stages are recomputed with their
 * tapes. For k_i = G(U_i) + A U_i and dt the sample's own:
 *
 *   k_bar_i = dt (b_i lambda + sum_{j>i} a_ji r_bar_j),  r_bar_i = (J_i + A)^T k_bar_i,  lambda := lambda + sum_i
 * r_bar_i
 */
static sn_status backward_record(adaptive *a, ptrdiff_t samples, const double *record, double *lambda,
                                 const sn_gradient *gradient) {
  const int stages = a->tableau->stages - 1; /* the last is the solution, whose slope the solution does not depend on */
  const ptrdiff_t count = samples * a->points, n = a->points;
  const ptrdiff_t tape_size = stage_tape_size(a), values = sn_stepper_aligned(count);
  const double *dt = record, *state = record + a->samples;
  sn_gradient own;
  for (int i = 0; i < stages; i++) {
    double *stage = a->step_tape + i * tape_size;
    combine(a, samples, state, dt, a->tableau->a[i], i, stage);
    SN_TRY(evaluate_slope(a, samples, stage, a->slope[i], stage + values));
  }
  for (int i = stages - 1; i >= 0; i--) {
    const double *stage = a->step_tape + i * tape_size;
    for (ptrdiff_t s = 0; s < samples; s++)
      for (ptrdiff_t k = s * n; k < (s + 1) * n; k++) {
        double sum = a->tableau->b[i] * lambda[k];
        for (int j = i + 1; j < stages; j++) sum += a->tableau->a[j][i] * a->r_bar[j][k];
        a->k_bar[k] = dt[s] * sum;
        a->scratch[k] = -a->k_bar[k];
      }
    SN_TRY(sn_network_backward(sn_model_network(a->model), samples, stage, stage + values, a->scratch, a->r_bar[i],
                               sn_gradient_for_pass(gradient, i == 0, &own)));
    if (gradient) SN_TRY(sn_linear_gradient(sn_model_linear(a->model), samples, 1, a->k_bar, stage, gradient->values));
    SN_TRY(sn_linear_apply_transpose(sn_model_linear(a->model), samples, a->k_bar, a->scratch));
    for (ptrdiff_t k = 0; k < count; k++) a->r_bar[i][k] += a->scratch[k];
  }
  for (int i = 0; i < stages; i++)
    for (ptrdiff_t k = 0; k < count; k++) lambda[k] += a->r_bar[i][k];
  return SN_OK;
}

static sn_status backward(sn_stepper *stepper, ptrdiff_t samples, const double *tape, double *lambda,
                          const sn_gradient *gradient) {
  adaptive *a = (adaptive *)stepper;
  interval_records records;
  sn_gradient own;
  memcpy(&records, tape, sizeof records);
  for (ptrdiff_t k = records.first + records.count - 1; k >= records.first; k--)
    SN_TRY(backward_record(a, samples, a->records + k * record_size(a), lambda,
                           sn_gradient_for_pass(gradient, k == records.first, &own)));
  a->record_count = records.first;
  return SN_OK;
}

static void begin_pass(sn_stepper *stepper) { ((adaptive *)stepper)->record_count = 0; }

static ptrdiff_t expected_size(const sn_stepper *stepper) {
  const adaptive *a = (const adaptive *)stepper;
  return a->expected * record_size(a);
}

static sn_status reserve(sn_stepper *stepper, ptrdiff_t steps) {
  adaptive *a = (adaptive *)stepper;
  return reserve_records(a, steps * a->expected);
}

static void statistics(const sn_stepper *stepper, char *text, size_t size) {
  const adaptive *a = (const adaptive *)stepper;
  snprintf(text, size, "steps of samples: %ld accepted, %ld rejected", a->accepted, a->rejected);
}

static void destroy(sn_stepper **stepper) {
  adaptive *a = (adaptive *)*stepper;
  if (!a) return;
  double **arrays[] = {&a->state, &a->next,    &a->f,         &a->time,  &a->step,    &a->taken,
                       &a->error, &a->records, &a->step_tape, &a->k_bar, &a->scratch, &a->error_before};
  for (size_t k = 0; k < sizeof arrays / sizeof arrays[0]; k++) SN_FREE(*arrays[k]);
  for (int i = 0; i < STAGES; i++) {
    SN_FREE(a->slope[i]);
    SN_FREE(a->r_bar[i]);
  }
  SN_FREE(*stepper);
}

static const sn_stepper_ops ops = {.destroy = destroy,
                                   .tape_size = tape_size,
                                   .record_size = expected_size,
                                   .reserve = reserve,
                                   .begin_pass = begin_pass,
                                   .forward = forward,
                                   .backward = backward,
                                   .statistics = statistics};

/*
 * Records of an interval at the largest stable step, and some for rejections and for samples whose steps differ. A
 * minimum where that step is below the least: such a run ends before it needs them.
 */
static sn_status estimate_records(adaptive *a) {
  double limit;
  SN_TRY(sn_stability_limit(sn_model_linear(a->model), sn_model_grid(a->model), a->tableau, &limit));
  const double steps = limit < a->least_step ? 0 : 1.1 * a->interval / fmin(limit, a->interval);
  a->expected = (ptrdiff_t)fmin(steps, 1e12) + 8;
  return SN_OK;
}

static sn_status allocate_arrays(adaptive *a, bool adjoint) {
  const ptrdiff_t count = a->samples * a->points;
  const int stages = a->tableau->stages;
  double **fields[] = {&a->state, &a->next, &a->f},
         **numbers[] = {&a->time, &a->step, &a->taken, &a->error, &a->error_before};
  for (int k = 0; k < 3; k++) SN_TRY(SN_NEW(count, fields[k]));
  for (int k = 0; k < 5; k++) SN_TRY(SN_NEW(a->samples, numbers[k]));
  for (int i = 0; i < stages; i++) SN_TRY(SN_NEW(count, &a->slope[i]));
  if (!adjoint) return SN_OK;
  SN_TRY(SN_NEW((stages - 1) * stage_tape_size(a), &a->step_tape));
  for (int i = 0; i < stages - 1; i++) SN_TRY(SN_NEW(count, &a->r_bar[i]));
  SN_TRY(SN_NEW(count, &a->k_bar));
  return SN_NEW(count, &a->scratch);
}

sn_status sn_adaptive_create(sn_model *model, const sn_integrator_options *options, double dt, sn_stepper **out) {
  adaptive *a;
  SN_TRY(sn_collective_status(sn_grid_space(sn_model_grid(model)), SN_NEW(1, &a)));
  *out = &a->base;
  a->base.ops = &ops;
  a->tableau = options->tableau;
  a->model = model;
  a->points = sn_grid_range(sn_model_grid(model)).count;
  a->samples = sn_model_samples(model);
  a->interval = dt;
  a->first_step = options->dt;
  a->least_step = options->control.minimum_step;
  a->rtol = options->control.rtol;
  a->atol = options->control.atol;
  sn_status status = estimate_records(a);
  if (!status) status = allocate_arrays(a, options->adjoint);
  if (status) destroy(out);
  return status;
}
