/* The commands that only say something: info, template, schema, explain. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "sinode/file.h"
#include "status_file.h"

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

sn_status sn_command_info(sn_app *app) {
  struct stat found;
  int directory = stat(app->argument, &found) == 0 && S_ISDIR(found.st_mode);
  MPI_Bcast(&directory, 1, MPI_INT, 0, app->world);
  if (directory) return sn_agree(app->world, app->rank == 0 ? describe_directory(app->argument) : SN_OK);
  return sn_file_describe(app->world, app->argument, stdout);
}

/* The bit of a command that reads parameters, or 0. */
static int find_reader(const char *name) {
  static const char *const names[] = {"generate", "train", "predict", "gradient", "benchmark", "lyapunov"};
  for (int k = 0; k < (int)(sizeof names / sizeof names[0]); k++)
    if (strcmp(name, names[k]) == 0) return 1 << k;
  return 0;
}

sn_status sn_command_template(sn_app *app) {
  const int command = strcmp(app->argument, "check") == 0 ? SN_FOR_ALL : find_reader(app->argument);
  if (!command)
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "there is no template for '%s'; there is one for generate, train, predict, gradient, "
                        "benchmark, lyapunov, check",
                        app->argument);
  if (app->rank == 0) sn_config_template((sn_config_command)command);
  return SN_OK;
}

sn_status sn_command_schema(sn_app *app) {
  const int command = find_reader(app->argument);
  if (!command && strcmp(app->argument, "all") != 0)
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "there is no schema for '%s'; there is one for generate, train, predict, gradient, benchmark, "
                        "lyapunov and for all",
                        app->argument);
  if (app->rank == 0) sn_config_json_schema(command);
  return SN_OK;
}

sn_status sn_command_explain(sn_app *app) {
  return sn_agree(app->world, app->rank == 0 ? sn_config_explain(app->argument) : SN_OK);
}
