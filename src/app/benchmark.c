/* sinode benchmark: times kernels and whole steps of the parameters given, each beside its bare floor. */
#include "benchmark.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "setup.h"

enum { REPEATS_MOST = 101 };

bool sn_benchmark_wants(const sn_benchmark *benchmark, const char *name) {
  const char *only = benchmark->app->config.benchmark.only;
  return strcmp(only, "all") == 0 || strncmp(name, only, strlen(only)) == 0;
}

/* Seconds of one call, the slowest rank's, over `calls` of them. */
static sn_status time_calls(const sn_app *app, sn_benchmark_call call, void *context, long calls, double *seconds) {
  MPI_Barrier(app->world);
  const double start = sn_clock();
  for (long k = 0; k < calls; k++) SN_TRY(call(context));
  *seconds = (sn_clock() - start) / (double)calls;
  MPI_Allreduce(MPI_IN_PLACE, seconds, 1, MPI_DOUBLE, MPI_MAX, app->world);
  return SN_OK;
}

/* So many calls as take the wanted time, after one that warms up. */
static sn_status calibrate(const sn_app *app, sn_benchmark_call call, void *context, long *calls) {
  double seconds;
  SN_TRY(time_calls(app, call, context, 1, &seconds));
  SN_TRY(time_calls(app, call, context, 1, &seconds));
  *calls = (long)fmin(1e6, fmax(1, app->config.benchmark.seconds / fmax(seconds, 1e-9)));
  return SN_OK;
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void summarize(int count, double *seconds, double *median, double *least, double *most) {
  qsort(seconds, (size_t)count, sizeof *seconds, compare);
  *least = seconds[0];
  *most = seconds[count - 1];
  *median = 0.5 * (seconds[(count - 1) / 2] + seconds[count / 2]);
}

static void print_row(const sn_app *app, const sn_benchmark_row *row) {
  if (isnan(row->ratio))
    sn_log_line(app->log, "%-34s %11.3e  (%.3e .. %.3e)", row->name, row->median, row->least, row->most);
  else
    sn_log_line(app->log, "%-34s %11.3e  (%.3e .. %.3e)  %-30s %11.3e  %6.2f", row->name, row->median, row->least,
                row->most, row->floor_name, row->floor_median, row->ratio);
}

sn_status sn_benchmark_measure(sn_benchmark *benchmark, const sn_benchmark_case *one) {
  const sn_app *app = benchmark->app;
  if (!sn_benchmark_wants(benchmark, one->name) || benchmark->rows == SN_BENCHMARK_ROWS) return SN_OK;
  const int repeats = (int)app->config.benchmark.repeats;
  double seconds[REPEATS_MOST], floor[REPEATS_MOST];
  long calls, floor_calls = 0;
  SN_TRY(calibrate(app, one->work, one->context, &calls));
  if (one->floor) SN_TRY(calibrate(app, one->floor, one->context, &floor_calls));
  for (int k = 0; k < repeats; k++) {
    SN_TRY(time_calls(app, one->work, one->context, calls, &seconds[k]));
    if (one->floor) SN_TRY(time_calls(app, one->floor, one->context, floor_calls, &floor[k]));
  }
  sn_benchmark_row *row = &benchmark->row[benchmark->rows++];
  *row = (sn_benchmark_row){.floor_median = NAN, .floor_least = NAN, .floor_most = NAN, .ratio = NAN};
  snprintf(row->name, sizeof row->name, "%s", one->name);
  snprintf(row->floor_name, sizeof row->floor_name, "%s", one->floor ? one->floor_name : "");
  summarize(repeats, seconds, &row->median, &row->least, &row->most);
  if (one->floor) {
    summarize(repeats, floor, &row->floor_median, &row->floor_least, &row->floor_most);
    row->ratio = row->median / row->floor_median;
  }
  print_row(app, row);
  return SN_OK;
}

static sn_status run_all(sn_benchmark *b) {
  const sn_config *c = &b->app->config;
  SN_TRY(sn_setup_grid(b->app, &b->grid));
  SN_TRY(sn_setup_claim(b->app, c->benchmark.file, "benchmark.file"));
  sn_log_line(b->app->log, "seconds a call: median of %lld (least .. most), floor, ratio",
              (long long)c->benchmark.repeats);
  SN_TRY(sn_benchmark_generation(b));
  SN_TRY(sn_benchmark_solvers(b));
  SN_TRY(sn_benchmark_training(b));
  if (!b->rows)
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "benchmark.only is '%s', but no measurement's name begins so; all runs them all",
                        c->benchmark.only);
  const sn_provenance provenance = sn_setup_provenance(b->app, "benchmark");
  SN_TRY(sn_benchmark_file_write(b->app->world, c->benchmark.file, b->rows, b->row, &provenance));
  sn_log_line(b->app->log, "written: %s", c->benchmark.file);
  return SN_OK;
}

sn_status sn_command_benchmark(sn_app *app) {
  sn_benchmark benchmark = {.app = app};
  sn_status status = run_all(&benchmark);
  sn_grid_destroy(&benchmark.grid);
  return status;
}
