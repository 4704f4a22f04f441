/* How far a prediction is from its reference, and what a step's error is by the embedded method. */
#include <math.h>
#include <string.h>

#include "predict.h"

static void sum_over_space(const sn_prediction *p, double *values, ptrdiff_t count) {
  MPI_Allreduce(MPI_IN_PLACE, values, (int)count, MPI_DOUBLE, MPI_SUM, sn_grid_space(p->grid));
}

void sn_prediction_measure_spread(sn_prediction *p) {
  const ptrdiff_t members = p->members.count, values = p->known * p->points;
  const double count = (double)p->known * (double)sn_grid_points(p->grid);
  for (ptrdiff_t m = 0; m < members; m++)
    for (ptrdiff_t k = 0; k < values; k++) p->mean[m] += p->reference[m * values + k] / count;
  sum_over_space(p, p->mean, members);
  for (ptrdiff_t m = 0; m < members; m++)
    for (ptrdiff_t k = 0; k < values; k++) {
      const double d = p->reference[m * values + k] - p->mean[m];
      p->spread[m] += d * d / count;
    }
  sum_over_space(p, p->spread, members);
  for (ptrdiff_t m = 0; m < members; m++) p->spread[m] = sqrt(p->spread[m]);
}

void sn_prediction_take_frame(sn_prediction *p, ptrdiff_t step) {
  const size_t bytes = (size_t)p->points * sizeof *p->frame;
  for (ptrdiff_t m = 0; m < p->members.count; m++) {
    double *frame = p->frame + m * p->points;
    if (step < p->known)
      memcpy(frame, p->reference + (m * p->known + step) * p->points, bytes);
    else
      for (ptrdiff_t j = 0; j < p->points; j++) frame[j] = NAN;
  }
}

void sn_prediction_measure_errors(sn_prediction *p, ptrdiff_t step, ptrdiff_t count, const double *states) {
  const ptrdiff_t members = p->members.count, state = members * p->points;
  for (ptrdiff_t i = 0; i < count; i++) {
    double *sums = p->errors + i * p->scores * members;
    sn_prediction_take_frame(p, step + i);
    for (ptrdiff_t m = 0; m < members; m++) {
      double sum = 0;
      for (ptrdiff_t j = m * p->points; j < (m + 1) * p->points; j++) {
        const double d = states[i * state + j] - p->frame[j];
        sum += d * d;
      }
      sums[m] = sum;
    }
    sn_skill_compare(p->skill, i, states + i * state, p->frame);
    if (p->baselines) sn_baselines_compare(p->baselines, step ? i + 1 : 0, p->frame, sums + members);
  }
  const ptrdiff_t values = count * p->scores * members;
  sum_over_space(p, p->errors, values);
  sn_skill_sum(p->skill, count);
  for (ptrdiff_t k = 0; k < values; k++) p->errors[k] = sqrt(p->errors[k] / (double)sn_grid_points(p->grid));
}

void sn_prediction_measure_relative(sn_prediction *p, ptrdiff_t step, const double *rmse) {
  const ptrdiff_t members = p->members.count, values = p->scores * members;
  for (ptrdiff_t k = 0; k < values; k++) {
    p->relative[k] = rmse[k] / p->spread[k % members];
    if (isnan(p->valid_time[k]) && p->relative[k] > p->app->config.predict.threshold)
      p->valid_time[k] = (double)step * p->range.interval;
  }
  for (int i = 0; i < SN_MARKS; i++)
    if (step == p->mark[i]) memcpy(p->marked + i * values, p->relative, (size_t)values * sizeof *p->marked);
}

void sn_prediction_measure_estimates(sn_prediction *p, ptrdiff_t count) {
  if (!p->estimate) return;
  const ptrdiff_t members = p->members.count, steps = sn_integrator_steps(p->integrator, count), each = steps / count;
  memcpy(p->squares, sn_integrator_estimates(p->integrator), (size_t)(steps * members) * sizeof *p->squares);
  sum_over_space(p, p->squares, steps * members);
  for (ptrdiff_t i = 0; i < count; i++)
    for (ptrdiff_t m = 0; m < members; m++) {
      double most = 0;
      for (ptrdiff_t k = i * each; k < (i + 1) * each; k++) most = fmax(most, p->squares[k * members + m]);
      p->estimate[(i + 1) * members + m] = sqrt(most / (double)sn_grid_points(p->grid));
      p->worst_estimate = fmax(p->worst_estimate, p->estimate[(i + 1) * members + m]);
    }
}
