/* sinode benchmark: times kernels and whole steps of the parameters given, each beside its bare floor. */
#include "benchmark.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run_directory.h"
#include "setup.h"
#include "sinode/text_file.h"
#include "traffic.h"

enum { REPEATS_MOST = 101, NAMES_MOST = 8 };

static const struct {
  sn_status (*measure)(sn_benchmark *benchmark);
  const char *names[NAMES_MOST];
} groups[] = {
    {sn_benchmark_generation, {"generate_step"}},
    {sn_benchmark_communication, {"halo", "reduction"}},
    {sn_benchmark_solvers,
     {"solve_fft", "factor_fft", "solve_banded", "factor_banded", "solve_dense", "factor_dense", "solve_gmres"}},
    {sn_benchmark_training, {"predict_step", "train_iteration"}},
    {sn_benchmark_files, {"write_trajectory", "write_checkpoint"}},
    {sn_benchmark_machine,
     {"machine_product", "machine_triad", "machine_row", "machine_transform", "machine_lines", "machine_message",
      "machine_bulk", "machine_reduction"}},
};

enum { GROUPS = sizeof groups / sizeof groups[0] };

/* benchmark.only is a list of names, one after the other with a space behind each; an empty one wants all. */
bool sn_benchmark_wants(const sn_benchmark *benchmark, const char *name) {
  if (benchmark->app->machine) return strncmp(name, "machine_", 8) == 0;
  const char *only = benchmark->app->config.benchmark.only;
  const size_t length = strlen(name);
  if (!*only) return true;
  for (; *only; only += strcspn(only, " ") + 1)
    if (strncmp(only, name, length) == 0 && only[length] == ' ') return true;
  return false;
}

static bool wants_group(const sn_benchmark *benchmark, int group) {
  for (int k = 0; k < NAMES_MOST && groups[group].names[k]; k++)
    if (sn_benchmark_wants(benchmark, groups[group].names[k])) return true;
  return false;
}

static bool is_known(const char *word, size_t length) {
  for (int g = 0; g < GROUPS; g++)
    for (int k = 0; k < NAMES_MOST && groups[g].names[k]; k++)
      if (strlen(groups[g].names[k]) == length && strncmp(groups[g].names[k], word, length) == 0) return true;
  return false;
}

static sn_status see_that_names_are_known(const char *only) {
  for (; *only; only += strcspn(only, " ") + 1) {
    const size_t length = strcspn(only, " ");
    if (is_known(only, length)) continue;
    char list[512];
    size_t used = 0;
    for (int g = 0; g < GROUPS; g++)
      for (int k = 0; k < NAMES_MOST && groups[g].names[k]; k++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", groups[g].names[k]);
    return SN_ERROR_ALL(SN_ERROR_USAGE, "benchmark.only names '%.*s', but must name some of %s", (int)length, only,
                        list);
  }
  return SN_OK;
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

/* So many calls as take the wanted time; the first call warms up, and is enough where it takes long. */
static sn_status calibrate(const sn_app *app, sn_benchmark_call call, void *context, long *calls) {
  double seconds;
  SN_TRY(time_calls(app, call, context, 1, &seconds));
  if (seconds < 1) SN_TRY(time_calls(app, call, context, 1, &seconds));
  *calls = (long)fmin(1e6, fmax(1, app->config.benchmark.seconds / fmax(seconds, 1e-9)));
  return SN_OK;
}

/* Calls before measurements: how many a measurement makes, and what the largest rank sends in one. */
static sn_status prepare(const sn_app *app, const sn_benchmark_case *one, sn_benchmark_row *row, long *calls) {
  SN_TRY(calibrate(app, one->work, one->context, calls));
  const sn_traffic before = sn_traffic_now();
  SN_TRY(one->work(one->context));
  const sn_traffic after = sn_traffic_now();
  row->messages = after.messages - before.messages;
  row->bytes = after.bytes - before.bytes;
  MPI_Allreduce(MPI_IN_PLACE, &row->messages, 1, MPI_LONG, MPI_MAX, app->world);
  MPI_Allreduce(MPI_IN_PLACE, &row->bytes, 1, MPI_DOUBLE, MPI_MAX, app->world);
  return SN_OK;
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Sorts. */
static double median(int count, double *seconds) {
  qsort(seconds, (size_t)count, sizeof *seconds, compare);
  return 0.5 * (seconds[(count - 1) / 2] + seconds[count / 2]);
}

static void print_row(const sn_app *app, const sn_benchmark_row *row, const char *floor_name) {
  char beside[96] = "";
  if (!isnan(row->ratio)) snprintf(beside, sizeof beside, "%10.3e  %6.2f  of %s", row->floor, row->ratio, floor_name);
  sn_log_line(app->log, "%-16s %10.3e  (%.3e .. %.3e)  %8ld %10.3g  %s", row->name, row->median, row->least, row->most,
              row->messages, row->bytes, beside);
}

sn_status sn_benchmark_measure(sn_benchmark *benchmark, const sn_benchmark_case *one) {
  const sn_app *app = benchmark->app;
  if (!sn_benchmark_wants(benchmark, one->name)) return SN_OK;
  const int repeats = (int)app->config.benchmark.repeats;
  double seconds[REPEATS_MOST], floor[REPEATS_MOST];
  long calls, floor_calls = 0;
  sn_benchmark_row *row = &benchmark->row[benchmark->rows++];
  *row = (sn_benchmark_row){.batch = one->batch, .floor = NAN, .ratio = NAN};
  snprintf(row->name, sizeof row->name, "%s", one->name);
  SN_TRY(prepare(app, one, row, &calls));
  for (int r = 0; r < SN_TIME_REGIONS; r++) row->region[r] = -sn_timer_seconds(app->timer, (sn_time_region)r);
  if (one->floor) SN_TRY(calibrate(app, one->floor, one->context, &floor_calls));
  for (int k = 0; k < repeats; k++) {
    SN_TRY(time_calls(app, one->work, one->context, calls, &seconds[k]));
    if (one->floor) SN_TRY(time_calls(app, one->floor, one->context, floor_calls, &floor[k]));
  }
  for (int r = 0; r < SN_TIME_REGIONS; r++)
    row->region[r] = (row->region[r] + sn_timer_seconds(app->timer, (sn_time_region)r)) / (double)(repeats * calls);
  MPI_Allreduce(MPI_IN_PLACE, row->region, SN_TIME_REGIONS, MPI_DOUBLE, MPI_MAX, app->world);
  row->median = median(repeats, seconds);
  row->least = seconds[0];
  row->most = seconds[repeats - 1];
  if (one->floor) {
    row->floor = median(repeats, floor);
    row->ratio = row->median / row->floor;
  }
  print_row(app, row, one->floor_name);
  return SN_OK;
}

/* For rank 0. */
static sn_status write_rows(const sn_benchmark *b, const char *path) {
  const sn_config *c = &b->app->config;
  sn_text text;
  SN_TRY(sn_text_begin(&text));
  fputs("name,ranks,space,points,batch,seconds_median,seconds_min,seconds_max,floor_seconds,ratio,bytes,messages\n",
        text.stream);
  for (const sn_benchmark_row *row = b->row; row < b->row + b->rows; row++)
    fprintf(text.stream, "%s,%d,%lld,%lld,%td,%.9g,%.9g,%.9g,%.9g,%.6g,%.0f,%ld\n", row->name, b->app->ranks,
            (long long)c->parallel.space, (long long)c->grid.points, row->batch, row->median, row->least, row->most,
            row->floor, row->ratio, row->bytes, row->messages);
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

/* The parameters in force. For rank 0. */
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
  const sn_config *c = &b->app->config;
  char path[SN_RUN_PATH];
  SN_TRY(see_that_names_are_known(c->benchmark.only));
  SN_TRY(sn_setup_grid(b->app, &b->grid));
  sn_run_path(b->app, "benchmark.csv", path);
  SN_TRY(sn_setup_claim(b->app, path, "run.directory"));
  SN_TRY(sn_run_lock(b->app));
  sn_log_line(b->app->log, "%-16s %10s  (%s .. %s)  %8s %10s  %10s  %6s", "a call of", "median, s", "least", "most",
              "messages", "bytes", "floor, s", "ratio");
  for (int g = 0; g < GROUPS; g++)
    if (wants_group(b, g)) SN_TRY(groups[g].measure(b));
  return sn_agree(b->app->world, b->app->rank == 0 ? write_all(b) : SN_OK);
}

sn_status sn_command_benchmark(sn_app *app) {
  sn_benchmark benchmark = {.app = app};
  sn_status status = run_all(&benchmark);
  sn_grid_destroy(&benchmark.grid);
  return status;
}
