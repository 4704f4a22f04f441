/* The file of sinode predict: the predicted states, the reference and the errors. */
#include <string.h>

#include "predict.h"
#include "run/output.h"

sn_status sn_prediction_open(sn_prediction *p) {
  const sn_config *c = &p->app->config;
  if (strcmp(c->predict.file, "none") == 0) return SN_OK;
  static const sn_trajectory_variable fields[] = {
      {"u", "predicted field"},
      {"reference", "field of the data at the same time"},
  };
  sn_trajectory_variable scalars[SN_SCORES_MOST + 3] = {
      {"rmse", "root mean square over x of the difference from the reference"},
      {"nrmse", "rmse over the standard deviation of the reference over x and time"},
      {"nrmse_persistence", "nrmse of the initial state kept for ever"},
      {"nrmse_climatology", "nrmse of the mean of the reference over x and time"},
      {"nrmse_linear", "nrmse of the linear part of the model alone, by the same scheme"},
  };
  sn_trajectory_variable finals[1 + SN_SCORES_MOST + SN_SKILL_SCORES] = {
      {"start_time", "time of the initial snapshot in the data"},
      {"valid_time", "time after the start at which nrmse first exceeds nrmse_threshold; NaN if it never does"},
      {"valid_time_persistence", "the same of nrmse_persistence"},
      {"valid_time_climatology", "the same of nrmse_climatology"},
      {"valid_time_linear", "the same of nrmse_linear"},
  };
  static const sn_trajectory_variable skill[SN_SKILL_SCORES] = {
      [SN_SKILL_LOCAL_VALID_TIME] = {"local_valid_time", "median of the valid times of windows of length score_window"},
      [SN_SKILL_CORRELATION_TIME_90] = {"correlation_time_90",
                                        "time after the start at which correlation falls below "
                                        "0.9; NaN if it never does"},
      [SN_SKILL_CORRELATION_TIME_80] = {"correlation_time_80", "the same of 0.8"},
      [SN_SKILL_GEOMETRIC_MEAN] = {"nrmse_geometric_mean",
                                   "geometric mean of nrmse over the first score_steps times "
                                   "after the start"},
  };
  memcpy(finals + 1 + p->scores, skill, sizeof skill);
  int count = 1 + p->scores;
  scalars[count++] = (sn_trajectory_variable){"correlation", "Pearson's over x, of u and reference"};
  if (p->estimate)
    scalars[count++] = (sn_trajectory_variable){
        "error_estimate",
        "largest rms over x of a time step's error estimate by the embedded method since the time before"};
  const sn_provenance provenance = sn_output_provenance(p->app, "prediction of the Kuramoto-Sivashinsky equation");
  const sn_trajectory_spec spec = {.members = p->total,
                                   .own_members = p->members,
                                   .length = c->grid.length,
                                   .snapshots = p->range.intervals + 1,
                                   .compression = c->io.compression,
                                   .fields = 2,
                                   .field = fields,
                                   .scalars = count,
                                   .scalar = scalars,
                                   .finals = 1 + p->scores + SN_SKILL_SCORES,
                                   .final = finals,
                                   .numbers = 4,
                                   .number = {{"lyapunov_exponent", c->predict.lyapunov_exponent},
                                              {"nrmse_threshold", c->predict.threshold},
                                              {"score_window", sn_skill_window(p->skill)},
                                              {"score_steps", (double)p->steps}}};
  SN_TRY(sn_output_lock_file(p->app, c->predict.file, "predict.file"));
  SN_TRY(sn_output_check(p->app, c->predict.file, "predict.file"));
  return sn_trajectory_create(p->grid, c->predict.file, &spec, &provenance, &p->writer);
}

sn_status sn_prediction_write(sn_prediction *p, ptrdiff_t step, ptrdiff_t count, const double *states,
                              const double *estimates) {
  const ptrdiff_t members = p->members.count;
  sn_prediction_measure_errors(p, step, count, states);
  for (ptrdiff_t i = 0; i < count; i++) {
    const double *rmse = p->errors + i * p->scores * members, *scalars[SN_SCORES_MOST + 3] = {rmse};
    sn_prediction_take_frame(p, step + i);
    sn_prediction_measure_relative(p, step + i, rmse);
    for (int k = 0; k < p->scores; k++) scalars[1 + k] = p->relative + k * members;
    scalars[1 + p->scores] = sn_skill_measure(p->skill, i, step + i, p->relative);
    if (estimates) scalars[2 + p->scores] = estimates + i * members;
    const double *fields[] = {states + i * members * p->points, p->frame};
    if (p->writer)
      SN_TRY(sn_trajectory_append(p->writer, p->start + (double)(step + i) * p->range.interval, fields, scalars));
  }
  return SN_OK;
}
