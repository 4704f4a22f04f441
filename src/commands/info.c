/* sinode info: what a file or a run directory is. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "run/benchmark.h"
#include "run/status_file.h"
#include "sinode/file.h"

static void print_progress(const sn_run_progress *p) {
  char left[32];
  if (p->epochs) printf("  epoch        %lld of %lld\n", (long long)p->epoch, (long long)p->epochs);
  if (p->steps)
    printf("  %-12s %lld of %lld (%.0f %%)\n", p->epochs ? "iteration" : "step", (long long)p->step,
           (long long)p->steps, 100 * (double)p->step / (double)p->steps);
  if (isfinite(p->loss)) printf("  loss         %.4e in the last batch\n", p->loss);
  if (isfinite(p->rate)) printf("  rate         %.3e\n", p->rate);
  sn_log_duration(p->seconds_left, left, sizeof left);
  if (isfinite(p->seconds_left) && p->step < p->steps) printf("  ETA          %s\n", left);
  if (isfinite(p->memory_mib)) printf("  memory       %.0f MiB at the peak of rank 0\n", p->memory_mib);
}

/* The last line of history.csv, in words. */
static void print_history(const char *path) {
  char line[512], last[512] = "";
  long long epoch;
  double seconds, training, validation;
  FILE *history = fopen(path, "r");
  if (!history) return;
  while (fgets(line, sizeof line, history)) memcpy(last, line, sizeof last);
  fclose(history);
  if (sscanf(last, "%lld,%*d,%lf,%lf,%lf", &epoch, &seconds, &training, &validation) == 4)
    printf("  epoch %-6lld training loss %.4e, validation loss %.4e; %.3g s an epoch\n", epoch, training, validation,
           seconds / (double)epoch);
}

/* A run directory: its state, how far it is, the end of its history, its files. */
static sn_status describe_directory(const char *path) {
  static const char *const files[] = {"config.yaml", "model.h5", "best.h5", "history.csv"};
  char name[1200];
  sn_run_status run;
  struct stat found;
  SN_TRY(sn_status_file_read(path, &run));
  printf("%s: a run directory\n  state        %s (%s), as of %.0f s ago\n", path, run.state, run.reason, run.age);
  print_progress(&run.progress);
  snprintf(name, sizeof name, "%s/history.csv", path);
  print_history(name);
  if (*run.checkpoint) printf("  checkpoint   %s\n", run.checkpoint);
  for (size_t k = 0; k < sizeof files / sizeof files[0]; k++) {
    snprintf(name, sizeof name, "%s/%s", path, files[k]);
    if (stat(name, &found) == 0) printf("  %-12s %lld bytes\n", files[k], (long long)found.st_size);
  }
  return SN_OK;
}

/* Whether a file begins as benchmark.csv does. */
static bool is_benchmark(const char *path) {
  char line[sizeof SN_BENCHMARK_HEADER + 1] = "";
  struct stat found;
  FILE *file = stat(path, &found) == 0 && S_ISREG(found.st_mode) ? fopen(path, "r") : NULL;
  const bool is = file && fgets(line, sizeof line, file) && strcmp(line, SN_BENCHMARK_HEADER "\n") == 0;
  if (file) fclose(file);
  return is;
}

/* A line of benchmark.csv, shorter and in columns. */
static sn_status print_measurement(const char *path, long number, const char *line) {
  char name[SN_BENCHMARK_NAME];
  int ranks, space;
  long long points, batch, messages;
  double median, baseline, ratio, bytes;
  if (sscanf(line, "%31[^,],%d,%d,%lld,%lld,%lf,%*f,%*f,%lf,%lf,%lf,%lld", name, &ranks, &space, &points, &batch,
             &median, &baseline, &ratio, &bytes, &messages) != 10)
    return SN_ERROR(SN_ERROR_FILE, "%s:%ld: '%.60s' is not a measurement: the file is damaged", path, number, line);
  printf("  %-16s %5d %5d %8lld %8lld %10.3e %10.3e %7.2f %9lld %10.3g\n", name, ranks, space, points, batch, median,
         baseline, ratio, messages, bytes);
  return SN_OK;
}

static sn_status describe_benchmark(const char *path) {
  char line[512];
  FILE *file = fopen(path, "r");
  if (!file) return SN_ERROR(SN_ERROR_FILE, "%s: cannot be read: %s", path, strerror(errno));
  printf("%s: measurements of a benchmark\n  %-16s %5s %5s %8s %8s %10s %10s %7s %9s %10s\n", path, "a call of",
         "ranks", "space", "points", "batch", "median, s", "baseline, s", "ratio", "messages", "bytes");
  sn_status status = SN_OK;
  for (long number = 1; fgets(line, sizeof line, file) && !status; number++) {
    line[strcspn(line, "\n")] = '\0';
    if (number > 1) status = print_measurement(path, number, line);
  }
  fclose(file);
  return status;
}

/* What a path leads to; rank 0 looks. */
typedef enum { BINARY_FILE, RUN_DIRECTORY, BENCHMARK } info_kind;

static info_kind look_at(const char *path) {
  struct stat found;
  if (stat(path, &found) == 0 && S_ISDIR(found.st_mode)) return RUN_DIRECTORY;
  return is_benchmark(path) ? BENCHMARK : BINARY_FILE;
}

static sn_status run_info(sn_app *app) {
  const char *path = app->argument;
  int kind = app->rank == 0 ? (int)look_at(path) : 0;
  MPI_Bcast(&kind, 1, MPI_INT, 0, app->world);
  if (kind == BINARY_FILE) return sn_file_describe(app->world, path, stdout);
  sn_status status = SN_OK;
  if (app->rank == 0) status = kind == BENCHMARK ? describe_benchmark(path) : describe_directory(path);
  return sn_collective_status(app->world, status);
}

const sn_command sn_command_info = {
    .name = "info",
    .operand = "FILE|RUN_DIRECTORY",
    .summary = "says what a file or a run directory is",
    .help = "Prints kind, shapes and provenance, and how far a run had come; of benchmark.csv, a table.",
    .run = run_info};
