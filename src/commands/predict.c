/* sinode predict: rolls a model out from snapshots of the data and measures it against what follows them in the data.
 */
#include <math.h>
#include <string.h>

#include "baselines.h"
#include "commands.h"
#include "prediction_range.h"
#include "run/setup.h"
#include "run/stability_check.h"
#include "scores.h"
#include "sinode/memory.h"
#include "sinode/trajectory_file.h"

typedef struct {
  sn_app *app;
  sn_grid *grid;
  sn_trajectory_reader *reader;
  sn_model *model;
  sn_integrator *integrator;
  sn_baselines *baselines; /* NULL: not wanted */
  int scores;              /* model and baselines */
  sn_trajectory_writer *writer;
  sn_prediction_range range;
  ptrdiff_t total;       /* predictions in all, the members of the file */
  sn_range members;      /* those of this replica: number starts * trajectory + start */
  ptrdiff_t points;      /* local */
  ptrdiff_t chunk;       /* intervals between two looks at the state */
  ptrdiff_t known;       /* snapshots of the reference, the initial one included */
  double start;          /* time of the initial snapshot, 0 where there are several */
  double *states;        /* (chunk + 1, members, points) */
  double *reference;     /* (members, known, points) */
  double *frame;         /* (members, points): the reference at one time, NaN where there is none */
  double *mean, *spread; /* (members): of the reference, and its standard deviation */
  double *errors;        /* (chunk + 1, scores, members): sums of squares, then rmse */
  double *relative;      /* (scores, members): nrmse at one time */
  double *marked;        /* (SN_MARKS, scores, members): nrmse after these intervals: */
  ptrdiff_t mark[SN_MARKS];
  double *estimate;      /* (chunk + 1, members): largest error estimate of a step in each interval; row 0 stays 0 */
  double *squares;       /* (steps of a chunk, members): sums behind it */
  double worst_estimate; /* of the members of this replica so far */
  double *valid_time;    /* (scores, members): NaN while the prediction is still valid */
  double *start_time;    /* (members): of the initial snapshot */
} prediction;

/* Mean and standard deviation over points and times of the reference, member by member. */
static void measure_spread(prediction *p) {
  const ptrdiff_t members = p->members.count, values = p->known * p->points;
  const double count = (double)p->known * (double)sn_grid_points(p->grid);
  for (ptrdiff_t m = 0; m < members; m++)
    for (ptrdiff_t k = 0; k < values; k++) p->mean[m] += p->reference[m * values + k] / count;
  sn_grid_sum_over_space(p->grid, members, p->mean);
  for (ptrdiff_t m = 0; m < members; m++)
    for (ptrdiff_t k = 0; k < values; k++) {
      const double d = p->reference[m * values + k] - p->mean[m];
      p->spread[m] += d * d / count;
    }
  sn_grid_sum_over_space(p->grid, members, p->spread);
  for (ptrdiff_t m = 0; m < members; m++) p->spread[m] = sqrt(p->spread[m]);
}

/* The reference `step` intervals after the start. */
static void take_frame(prediction *p, ptrdiff_t step) {
  const size_t bytes = (size_t)p->points * sizeof *p->frame;
  for (ptrdiff_t m = 0; m < p->members.count; m++) {
    double *frame = p->frame + m * p->points;
    if (step < p->known)
      memcpy(frame, p->reference + (m * p->known + step) * p->points, bytes);
    else
      for (ptrdiff_t j = 0; j < p->points; j++) frame[j] = NAN;
  }
}

/* rmse of `count` states, the first of which is `step` intervals after the start. One reduction. */
static void measure_errors(prediction *p, ptrdiff_t step, ptrdiff_t count, const double *states) {
  const ptrdiff_t members = p->members.count, state = members * p->points;
  for (ptrdiff_t i = 0; i < count; i++) {
    double *sums = p->errors + i * p->scores * members;
    take_frame(p, step + i);
    for (ptrdiff_t m = 0; m < members; m++) {
      double sum = 0;
      for (ptrdiff_t j = m * p->points; j < (m + 1) * p->points; j++) {
        const double d = states[i * state + j] - p->frame[j];
        sum += d * d;
      }
      sums[m] = sum;
    }
    if (p->baselines) sn_baselines_compare(p->baselines, step ? i + 1 : 0, p->frame, sums + members);
  }
  const ptrdiff_t values = count * p->scores * members;
  sn_grid_sum_over_space(p->grid, values, p->errors);
  for (ptrdiff_t k = 0; k < values; k++) p->errors[k] = sqrt(p->errors[k] / (double)sn_grid_points(p->grid));
}

/* nrmse of all scores at one time, from their rmse; watches for the ends of the valid times, and keeps what is told. */
static void measure_relative(prediction *p, ptrdiff_t step, const double *rmse) {
  const ptrdiff_t members = p->members.count, values = p->scores * members;
  for (ptrdiff_t k = 0; k < values; k++) {
    p->relative[k] = rmse[k] / p->spread[k % members];
    if (isnan(p->valid_time[k]) && p->relative[k] > p->app->config.predict.threshold)
      p->valid_time[k] = (double)step * p->range.interval;
  }
  for (int i = 0; i < SN_MARKS; i++)
    if (step == p->mark[i]) memcpy(p->marked + i * values, p->relative, (size_t)values * sizeof *p->marked);
}

/* Appends `count` states to the file. */
static sn_status write_states(prediction *p, ptrdiff_t step, ptrdiff_t count, const double *states,
                              const double *estimates) {
  const ptrdiff_t members = p->members.count;
  measure_errors(p, step, count, states);
  for (ptrdiff_t i = 0; i < count; i++) {
    const double *rmse = p->errors + i * p->scores * members, *scalars[SN_SCORES_MOST + 2] = {rmse};
    take_frame(p, step + i);
    measure_relative(p, step + i, rmse);
    for (int k = 0; k < p->scores; k++) scalars[1 + k] = p->relative + k * members;
    if (estimates) scalars[1 + p->scores] = estimates + i * members;
    const double *fields[] = {states + i * members * p->points, p->frame};
    if (p->writer)
      SN_TRY(sn_trajectory_append(p->writer, p->start + (double)(step + i) * p->range.interval, fields, scalars));
  }
  return SN_OK;
}

/* Rms over x of the error estimates, the largest of an interval's steps. One reduction. */
static void measure_estimates(prediction *p, ptrdiff_t count) {
  if (!p->estimate) return;
  const ptrdiff_t members = p->members.count, steps = sn_integrator_steps(p->integrator, count), each = steps / count;
  memcpy(p->squares, sn_integrator_estimates(p->integrator), (size_t)(steps * members) * sizeof *p->squares);
  sn_grid_sum_over_space(p->grid, steps * members, p->squares);
  for (ptrdiff_t i = 0; i < count; i++)
    for (ptrdiff_t m = 0; m < members; m++) {
      double most = 0;
      for (ptrdiff_t k = i * each; k < (i + 1) * each; k++) most = fmax(most, p->squares[k * members + m]);
      p->estimate[(i + 1) * members + m] = sqrt(most / (double)sn_grid_points(p->grid));
      p->worst_estimate = fmax(p->worst_estimate, p->estimate[(i + 1) * members + m]);
    }
}

static sn_status roll_out(prediction *p) {
  const ptrdiff_t members = p->members.count, state = members * p->points;
  for (ptrdiff_t m = 0; m < members; m++)
    memcpy(p->states + m * p->points, p->reference + m * p->known * p->points, (size_t)p->points * sizeof *p->states);
  SN_TRY(write_states(p, 0, 1, p->states, p->estimate));
  sn_log_progress_start(p->app->log, 0);
  for (ptrdiff_t done = 0; done < p->range.intervals;) {
    const ptrdiff_t left = p->range.intervals - done, count = left < p->chunk ? left : p->chunk;
    sn_integrator_begin_at(p->integrator, p->start + (double)done * p->range.interval,
                           sn_integrator_steps(p->integrator, done));
    SN_TRY(sn_collective_status(p->app->world, sn_integrator_forward(p->integrator, members, count, p->states, false)));
    SN_TRY(sn_integrator_check(p->integrator, members));
    if (p->baselines) SN_TRY(sn_baselines_advance(p->baselines, count));
    measure_estimates(p, count);
    SN_TRY(write_states(p, done + 1, count, p->states + state, p->estimate ? p->estimate + members : NULL));
    memmove(p->states, p->states + count * state, (size_t)state * sizeof *p->states);
    done += count;
    sn_log_progress(p->app->log, "predicting", (double)done, (double)p->range.intervals, "t %g",
                    p->start + (double)done * p->range.interval);
  }
  return SN_OK;
}

/* At most 64 intervals, and about 32 MiB a rank; the same on all ranks. */
static ptrdiff_t chunk_of(const prediction *p, ptrdiff_t members) {
  const double values = (double)members * (double)sn_grid_points(p->grid) / p->app->ranks;
  const double fits = (4 << 20) / values;
  const ptrdiff_t most = p->range.intervals < 64 ? p->range.intervals : 64;
  return fits < 1 ? 1 : fits < (double)most ? (ptrdiff_t)fits : most;
}

/* The part of the data that holds the references of this replica, and from it those references. */
static sn_status read_references(prediction *p) {
  const sn_config *c = &p->app->config;
  const ptrdiff_t starts = p->range.starts, first = p->members.start / starts;
  const ptrdiff_t last = p->members.count ? (p->members.start + p->members.count - 1) / starts : first - 1;
  const ptrdiff_t length = p->known + (starts - 1) * p->range.stride, size = p->known * p->points;
  double *all = NULL;
  SN_TRY(sn_setup_read(p->app, p->grid, c->predict.data, p->reader, (sn_range){first, last - first + 1},
                       (sn_range){c->predict.start, length}, &all));
  sn_status status = SN_NEW(p->members.count * size, &p->reference);
  if (!status) status = SN_NEW(p->members.count, &p->start_time);
  status = sn_collective_status(p->app->world, status);
  for (ptrdiff_t m = 0; m < p->members.count && !status; m++) {
    const ptrdiff_t number = p->members.start + m, shift = number % starts * p->range.stride;
    const double *from = all + ((number / starts - first) * length + shift) * p->points;
    memcpy(p->reference + m * size, from, (size_t)size * sizeof *from);
    p->start_time[m] = sn_trajectory_time(p->reader, c->predict.start + shift);
  }
  SN_FREE(all);
  return status;
}

static sn_status open_data(prediction *p) {
  const sn_config *c = &p->app->config;
  SN_TRY(sn_setup_grid(p->app, &p->grid));
  SN_TRY(sn_setup_trajectory(p->app, c->predict.data, &p->reader));
  SN_TRY(sn_prediction_range_find(c, p->reader, &p->range));
  const ptrdiff_t snapshots = sn_trajectory_snapshots(p->reader);
  p->total = sn_trajectory_members(p->reader) * p->range.starts;
  p->chunk = chunk_of(p, p->total);
  p->known = snapshots - c->predict.start;
  if (p->known > p->range.intervals + 1) p->known = p->range.intervals + 1;
  if (p->known <= p->range.intervals)
    sn_log_warning(p->app->log, "%s ends %g before the prediction does: there is no reference after t = %g",
                   c->predict.data, (double)(p->range.intervals + 1 - p->known) * p->range.interval,
                   sn_trajectory_time(p->reader, snapshots - 1));
  p->start = p->range.starts > 1 ? 0 : sn_trajectory_time(p->reader, c->predict.start);
  p->members = sn_grid_share(p->grid, p->total);
  p->points = sn_grid_range(p->grid).count;
  return read_references(p);
}

static sn_status allocate_arrays(prediction *p) {
  const ptrdiff_t members = p->members.count, state = members * p->points, values = p->scores * members;
  SN_TRY(SN_NEW((p->chunk + 1) * state, &p->states));
  SN_TRY(SN_NEW(state, &p->frame));
  SN_TRY(SN_NEW(members, &p->mean));
  SN_TRY(SN_NEW(members, &p->spread));
  SN_TRY(SN_NEW((p->chunk + 1) * values, &p->errors));
  SN_TRY(SN_NEW(values, &p->relative));
  SN_TRY(SN_NEW(SN_MARKS * values, &p->marked));
  SN_TRY(SN_NEW(values, &p->valid_time));
  for (ptrdiff_t k = 0; k < values; k++) p->valid_time[k] = NAN;
  return SN_OK;
}

static void choose_marks(prediction *p) {
  const double lyapunov_time = 1 / (p->app->config.predict.lyapunov_exponent * p->range.interval);
  const ptrdiff_t last = p->known - 1;
  p->mark[0] = last < 1 ? last : 1;
  p->mark[1] = lyapunov_time < (double)last ? (ptrdiff_t)llround(lyapunov_time) : last;
}

/* They begin where the model begins, in the states that roll_out takes. */
static sn_status begin_baselines(prediction *p) {
  if (!p->app->config.predict.baselines) return SN_OK;
  take_frame(p, 0);
  return sn_baselines_create(p->app, p->model, p->range.interval, p->chunk, p->members.count, p->frame, p->mean,
                             &p->baselines);
}

static sn_status open_file(prediction *p) {
  const sn_config *c = &p->app->config;
  if (strcmp(c->predict.file, "none") == 0) return SN_OK;
  static const sn_trajectory_variable fields[] = {
      {"u", "predicted field"},
      {"reference", "field of the data at the same time"},
  };
  sn_trajectory_variable scalars[SN_SCORES_MOST + 2] = {
      {"rmse", "root mean square over x of the difference from the reference"},
      {"nrmse", "rmse over the standard deviation of the reference over x and time"},
      {"nrmse_persistence", "nrmse of the initial state kept for ever"},
      {"nrmse_climatology", "nrmse of the mean of the reference over x and time"},
      {"nrmse_linear", "nrmse of the linear part of the model alone, by the same scheme"},
  };
  static const sn_trajectory_variable finals[] = {
      {"start_time", "time of the initial snapshot in the data"},
      {"valid_time", "time after the start at which nrmse first exceeds nrmse_threshold; NaN if it never does"},
      {"valid_time_persistence", "the same of nrmse_persistence"},
      {"valid_time_climatology", "the same of nrmse_climatology"},
      {"valid_time_linear", "the same of nrmse_linear"},
  };
  scalars[1 + p->scores] = (sn_trajectory_variable){
      "error_estimate",
      "largest rms over x of a time step's error estimate by the embedded method since the time before"};
  const sn_provenance provenance = sn_setup_provenance(p->app, "prediction of the Kuramoto-Sivashinsky equation");
  const sn_trajectory_spec spec = {
      .members = p->total,
      .own_members = p->members,
      .length = c->grid.length,
      .snapshots = p->range.intervals + 1,
      .gzip = c->io.compression ? (int)c->io.level : 0,
      .fields = 2,
      .field = fields,
      .scalars = 1 + p->scores + (p->estimate != NULL),
      .scalar = scalars,
      .finals = 1 + p->scores,
      .final = finals,
      .numbers = 2,
      .number = {{"lyapunov_exponent", c->predict.lyapunov_exponent}, {"nrmse_threshold", c->predict.threshold}}};
  SN_TRY(sn_setup_lock_file(p->app, c->predict.file, "predict.file"));
  SN_TRY(sn_setup_check_output(p->app, c->predict.file, "predict.file"));
  return sn_trajectory_create(p->grid, c->predict.file, &spec, &provenance, &p->writer);
}

static sn_status summarize(prediction *p) {
  const sn_config *c = &p->app->config;
  char statistics[SN_STATISTICS_LENGTH];
  sn_integrator_statistics(p->integrator, statistics, sizeof statistics);
  if (*statistics) sn_log_line(p->app->log, "%s", statistics);
  double estimate = p->worst_estimate;
  MPI_Allreduce(MPI_IN_PLACE, &estimate, 1, MPI_DOUBLE, MPI_MAX, p->app->world);
  if (p->estimate)
    sn_log_line(p->app->log, "error estimate of a step by the embedded method: at most %.2e (rms over x); dt %g",
                estimate, c->integrator.dt);
  const sn_scores scores = {.scores = p->scores,
                            .total = p->total,
                            .members = p->members,
                            .span = (double)p->range.intervals * p->range.interval,
                            .mark = {(double)p->mark[0] * p->range.interval, (double)p->mark[1] * p->range.interval},
                            .valid_time = p->valid_time,
                            .marked = p->marked};
  SN_TRY(sn_scores_report_valid_times(p->app, p->grid, &scores));
  if (p->baselines) sn_scores_report_baselines(p->app, p->grid, &scores);
  if (strcmp(c->predict.file, "none") != 0) sn_log_line(p->app->log, "written: %s", c->predict.file);
  return SN_OK;
}

static sn_status prepare(prediction *p) {
  const sn_config *c = &p->app->config;
  p->scores = c->predict.baselines ? SN_SCORES_MOST : 1;
  SN_TRY(open_data(p));
  SN_TRY(sn_collective_status(p->app->world, allocate_arrays(p)));
  measure_spread(p);
  choose_marks(p);
  const ptrdiff_t samples = p->members.count ? p->members.count : 1;
  if (strcmp(c->predict.model, "none") == 0)
    SN_TRY(sn_setup_model(p->app, p->grid, samples, &p->model));
  else
    SN_TRY(sn_setup_model_from_file(p->app, p->grid, c->predict.model, samples, &p->model));
  SN_TRY(sn_setup_integrator(p->app, p->model, p->range.interval, p->chunk, SN_PASSES_FORWARD, &p->integrator));
  SN_TRY(sn_integrator_reserve(p->integrator, samples));
  const double max_abs_u = sn_stability_max_abs_u(p->app, p->members.count * p->known * p->points, p->reference);
  SN_TRY(sn_stability_check(p->app, p->model, max_abs_u, sn_integrator_steps(p->integrator, p->range.intervals)));
  if (sn_integrator_estimates(p->integrator)) {
    SN_TRY(SN_NEW((p->chunk + 1) * samples, &p->estimate));
    SN_TRY(SN_NEW(sn_integrator_steps(p->integrator, p->chunk) * samples, &p->squares));
  }
  sn_log_line(p->app->log, "scheme: %s, dt %g; solver %s", c->integrator.scheme, c->integrator.dt,
              sn_integrator_solver_reason(p->integrator));
  SN_TRY(begin_baselines(p));
  return open_file(p);
}

static sn_status predict(prediction *p) {
  SN_TRY_TIMED(p->app->timer, SN_TIME_SETUP, prepare(p));
  SN_TRY(roll_out(p));
  const double *finals[1 + SN_SCORES_MOST] = {p->start_time};
  for (int k = 0; k < p->scores; k++) finals[1 + k] = p->valid_time + k * p->members.count;
  if (p->writer) SN_TRY(sn_trajectory_finish(&p->writer, finals));
  return summarize(p);
}

sn_status sn_command_predict(sn_app *app) {
  prediction p = {.app = app};
  sn_status status = sn_app_abort_unless_collective(app, predict(&p));
  sn_trajectory_abandon(&p.writer);
  sn_baselines_destroy(&p.baselines);
  sn_integrator_destroy(&p.integrator);
  sn_model_destroy(&p.model);
  sn_trajectory_close(&p.reader);
  double **arrays[] = {&p.states,   &p.reference, &p.frame,      &p.mean,       &p.spread,   &p.errors,
                       &p.relative, &p.marked,    &p.valid_time, &p.start_time, &p.estimate, &p.squares};
  for (size_t k = 0; k < sizeof arrays / sizeof arrays[0]; k++) SN_FREE(*arrays[k]);
  sn_grid_destroy(&p.grid);
  return status;
}
