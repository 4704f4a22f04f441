/* sinode-bench: times kernels and whole steps of the parameters given, each beside its bare baseline. */
#include "benchmark.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/quantile.h"
#include "config/schema.h"
#include "run/grid_setup.h"
#include "run/output.h"
#include "run/run_directory.h"
#include "sinode/text_file.h"
#include "traffic.h"

enum { REPEATS_MOST = 101 };

static sn_status (*const groups[SN_MEASURES_GROUPS])(sn_benchmark *benchmark) = {
    [SN_MEASURES_GENERATION] = sn_benchmark_generation, [SN_MEASURES_COMMUNICATION] = sn_benchmark_communication,
    [SN_MEASURES_SOLVERS] = sn_benchmark_solvers,       [SN_MEASURES_NETWORK] = sn_benchmark_network,
    [SN_MEASURES_TRAINING] = sn_benchmark_training,     [SN_MEASURES_FILES] = sn_benchmark_files,
};

enum { SAMPLES_MOST = REPEATS_MOST * (SN_BENCHMARK_ROWS - SN_BENCHMARK_BESIDE) };

/* benchmark.only is a list of names, one after the other with a space behind each; an empty one wants everything, or
 * with --machine nothing beside the machine's figures. */
bool sn_benchmark_wants(const sn_benchmark *benchmark, const char *name) {
  const char *only = benchmark->app->config.benchmark.only;
  const size_t length = strlen(name);
  if (!*only) return !benchmark->app->machine;
  for (; *only; only += strcspn(only, " ") + 1)
    if (strncmp(only, name, length) == 0 && only[length] == ' ') return true;
  return false;
}

/* Whether some name that the group measures is wanted. */
static bool wants_group(const sn_benchmark *benchmark, int group) {
  for (const sn_name *c = sn_config_key_at(sn_config_find("benchmark.only"))->choices; c->name; c++)
    if (c->value == group && sn_benchmark_wants(benchmark, c->name)) return true;
  return false;
}

static double now(const sn_app *app) {
  struct timespec time;
  if (app->config.benchmark.clock == SN_CLOCK_WALL) return sn_clock();
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Seconds of one call, the slowest rank's, over `calls` of them. */
static sn_status time_calls(const sn_app *app, sn_benchmark_call call, void *context, long calls, double *seconds) {
  MPI_Barrier(app->world);
  const double start = now(app);
  for (long k = 0; k < calls; k++) SN_TRY(call(context));
  *seconds = (now(app) - start) / (double)calls;
  MPI_Allreduce(MPI_IN_PLACE, seconds, 1, MPI_DOUBLE, MPI_MAX, app->world);
  return SN_OK;
}

/* So many calls as take the wanted time; the first call warms up, and is enough where it takes long. */
static sn_status calibrate(const sn_app *app, sn_benchmark_call call, void *context, long *calls) {
  double seconds;
  SN_TRY(time_calls(app, call, context, 1, &seconds));
  if (seconds < 1) SN_TRY(time_calls(app, call, context, 1, &seconds));
  *calls = (long)fmin(1e6, fmax(1, app->config.benchmark.seconds / fmax(seconds, 1e-9)));
  return SN_OK;
}

/* The times of one case. */
struct sn_benchmark_series {
  const sn_benchmark_case *one;
  sn_benchmark_row *row;
  long calls, baseline_calls; /* of a sample */
  int count;
  double steps; /* of a call */
  double seconds[SAMPLES_MOST], baseline[SAMPLES_MOST];
};

/* Calls before samples: how many a sample makes, and what the largest rank sends in one. */
static sn_status begin(sn_benchmark *b, const sn_benchmark_case *one, sn_benchmark_series *series) {
  const sn_app *app = b->app;
  sn_benchmark_row *row = &b->row[b->rows++];
  *row = (sn_benchmark_row){.batch = one->batch, .baseline = NAN, .ratio = NAN};
  snprintf(row->name, sizeof row->name, "%s", one->name);
  *series = (sn_benchmark_series){.one = one, .row = row, .steps = one->steps ? (double)one->steps : 1};
  SN_TRY(calibrate(app, one->work, one->context, &series->calls));
  const sn_traffic before = sn_traffic_now();
  SN_TRY(one->work(one->context));
  const sn_traffic after = sn_traffic_now();
  row->messages = (double)(after.messages - before.messages) / series->steps;
  row->bytes = (after.bytes - before.bytes) / series->steps;
  MPI_Allreduce(MPI_IN_PLACE, &row->messages, 1, MPI_DOUBLE, MPI_MAX, app->world);
  MPI_Allreduce(MPI_IN_PLACE, &row->bytes, 1, MPI_DOUBLE, MPI_MAX, app->world);
  return one->baseline ? calibrate(app, one->baseline, one->context, &series->baseline_calls) : SN_OK;
}

/* Once the work, once the baseline. */
static sn_status sample(const sn_app *app, sn_benchmark_series *series) {
  const sn_benchmark_case *one = series->one;
  double *region = series->row->region;
  const int k = series->count++;
  for (int r = 0; r < SN_TIME_REGIONS; r++) region[r] -= sn_timer_seconds(app->timer, (sn_time_region)r);
  SN_TRY(time_calls(app, one->work, one->context, series->calls, &series->seconds[k]));
  for (int r = 0; r < SN_TIME_REGIONS; r++) region[r] += sn_timer_seconds(app->timer, (sn_time_region)r);
  return one->baseline ? time_calls(app, one->baseline, one->context, series->baseline_calls, &series->baseline[k])
                       : SN_OK;
}

/* Of seconds of calls, which become those of a step and are sorted. */
static double median(int count, double steps, double *seconds) {
  for (int k = 0; k < count; k++) seconds[k] /= steps;
  sn_quantile_sort(count, seconds);
  return sn_quantile(count, seconds, 0.5);
}

/* Fills the row and prints it. */
static void finish(const sn_app *app, sn_benchmark_series *series) {
  sn_benchmark_row *row = series->row;
  for (int r = 0; r < SN_TIME_REGIONS; r++) row->region[r] /= (double)(series->count * series->calls) * series->steps;
  MPI_Allreduce(MPI_IN_PLACE, row->region, SN_TIME_REGIONS, MPI_DOUBLE, MPI_MAX, app->world);
  row->median = median(series->count, series->steps, series->seconds);
  row->least = series->seconds[0];
  row->most = series->seconds[series->count - 1];
  char beside[96] = "";
  if (series->one->baseline) {
    const double share = series->one->share;
    row->baseline = median(series->count, series->steps, series->baseline) * (share > 0 ? share : 1);
    row->ratio = row->median / row->baseline;
    snprintf(beside, sizeof beside, "%10.3e  %6.2f  of %s", row->baseline, row->ratio, series->one->baseline_name);
  }
  sn_log_line(app->log, "%-16s %10.3e  (%.3e .. %.3e)  %8.4g %10.3g  %s", row->name, row->median, row->least, row->most,
              row->messages, row->bytes, beside);
}

static sn_status sample_beside(const sn_benchmark *b) {
  for (int k = 0; k < b->beside_count; k++) SN_TRY(sample(b->app, &b->beside[k]));
  return SN_OK;
}

sn_status sn_benchmark_measure(sn_benchmark *b, const sn_benchmark_case *one) {
  if (!sn_benchmark_wants(b, one->name)) return SN_OK;
  sn_benchmark_series series;
  SN_TRY(begin(b, one, &series));
  for (int k = 0; k < b->app->config.benchmark.repeats; k++) {
    SN_TRY(sample(b->app, &series));
    SN_TRY(sample_beside(b));
  }
  finish(b->app, &series);
  return SN_OK;
}

static sn_status measure_groups(sn_benchmark *b) {
  for (int g = 0; g < SN_MEASURES_GROUPS; g++)
    if (wants_group(b, g)) SN_TRY(groups[g](b));
  return SN_OK;
}

sn_status sn_benchmark_alternately(sn_benchmark *b, int count, const sn_benchmark_case *cases) {
  sn_benchmark_series series[SN_BENCHMARK_BESIDE];
  for (int k = 0; k < count; k++) SN_TRY(begin(b, &cases[k], &series[k]));
  b->beside = series;
  b->beside_count = count;
  SN_TRY(measure_groups(b));
  if (series[0].count == 0)
    for (int k = 0; k < b->app->config.benchmark.repeats; k++) SN_TRY(sample_beside(b));
  for (int k = 0; k < count; k++) finish(b->app, &series[k]);
  b->beside_count = 0;
  return SN_OK;
}

/* For rank 0. */
static sn_status write_rows(const sn_benchmark *b, const char *path) {
  const sn_config *c = &b->app->config;
  sn_text text;
  SN_TRY(sn_text_begin(&text));
  fputs(SN_BENCHMARK_HEADER "\n", text.stream);
  for (const sn_benchmark_row *row = b->row; row < b->row + b->rows; row++)
    fprintf(text.stream, "%s,%d,%lld,%lld,%td,%.9g,%.9g,%.9g,%.9g,%.6g,%.10g,%.10g\n", row->name, b->app->ranks,
            (long long)c->parallel.space, (long long)c->grid.points, row->batch, row->median, row->least, row->most,
            row->baseline, row->ratio, row->bytes, row->messages);
  return sn_text_replace(&text, path);
}

/* Where the time of each goes. For rank 0. */
static sn_status write_regions(const sn_benchmark *b, const char *path) {
  sn_text text;
  SN_TRY(sn_text_begin(&text));
  fputs("name,ranks,space,region,seconds\n", text.stream);
  for (const sn_benchmark_row *row = b->row; row < b->row + b->rows; row++)
    for (int r = 0; r < SN_TIME_REGIONS; r++)
      if (row->region[r] > 0)
        fprintf(text.stream, "%s,%d,%lld,%s,%.9g\n", row->name, b->app->ranks, (long long)b->app->config.parallel.space,
                sn_timer_name((sn_time_region)r), row->region[r]);
  return sn_text_replace(&text, path);
}

/* The parameters, defaults included. For rank 0. */
static sn_status write_parameters(const sn_benchmark *b, const char *path) {
  sn_text text;
  SN_TRY(sn_text_begin(&text));
  fputs(b->app->echo, text.stream);
  return sn_text_replace(&text, path);
}

static sn_status write_all(const sn_benchmark *b) {
  char path[SN_RUN_PATH];
  sn_run_path(b->app, "benchmark.yaml", path);
  SN_TRY(write_parameters(b, path));
  sn_run_path(b->app, "benchmark_regions.csv", path);
  SN_TRY(write_regions(b, path));
  sn_run_path(b->app, "benchmark.csv", path);
  SN_TRY(write_rows(b, path));
  sn_log_line(b->app->log, "written: %s", path);
  return SN_OK;
}

static sn_status run_all(sn_benchmark *b) {
  char path[SN_RUN_PATH];
  SN_TRY(sn_setup_grid(b->app, &b->grid));
  sn_run_path(b->app, "benchmark.csv", path);
  SN_TRY(sn_output_check(b->app, path, "run.directory"));
  SN_TRY(sn_run_lock(b->app));
  sn_log_line(b->app->log, "%-16s %10s  (%s .. %s)  %8s %10s  %10s  %6s", "a call of", "median, s", "least", "most",
              "messages", "bytes", "baseline, s", "ratio");
  SN_TRY(b->app->machine ? sn_benchmark_machine(b) : measure_groups(b));
  return sn_collective_status(b->app->world, b->app->rank == 0 ? write_all(b) : SN_OK);
}

sn_status sn_benchmark_run(sn_app *app) {
  if (app->model) return sn_benchmark_print_model(app);
  sn_benchmark benchmark = {.app = app};
  sn_status status = sn_app_abort_unless_collective(app, run_all(&benchmark));
  sn_grid_destroy(&benchmark.grid);
  return status;
}
