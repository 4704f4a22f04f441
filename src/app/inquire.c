/* The commands that only say something: info, template, explain. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app.h"
#include "sinode/file.h"

/* A run directory: its status, the end of its history, its files. */
static sn_status describe_directory(const char *path) {
  static const char *const files[] = {"config.yaml", "model.h5", "best.h5", "history.csv"};
  char name[1200], line[512], last[512] = "";
  struct stat found;
  printf("%s: a run directory\n", path);
  snprintf(name, sizeof name, "%s/status.json", path);
  FILE *status = fopen(name, "r");
  if (!status) return SN_ERROR_ALL(SN_ERROR_FILE, "%s: has no status.json: it is not the directory of a run", path);
  while (fgets(line, sizeof line, status)) printf("  status: %s", line);
  fclose(status);
  snprintf(name, sizeof name, "%s/history.csv", path);
  FILE *history = fopen(name, "r");
  if (history) {
    if (fgets(line, sizeof line, history)) printf("  %s", line);
    while (fgets(line, sizeof line, history)) memcpy(last, line, sizeof last);
    if (*last) printf("  %s", last);
    fclose(history);
  }
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

sn_status sn_command_template(sn_app *app) {
  static const char *const names[] = {"generate", "train", "predict", "gradient", "benchmark", "lyapunov"};
  for (int k = 0; k < 6; k++)
    if (strcmp(app->argument, names[k]) == 0) {
      if (app->rank == 0) sn_config_template((sn_config_command)(1 << k));
      return SN_OK;
    }
  if (strcmp(app->argument, "check") == 0) {
    if (app->rank == 0) sn_config_template(SN_FOR_ALL);
    return SN_OK;
  }
  return SN_ERROR_ALL(
      SN_ERROR_USAGE,
      "there is no template for '%s'; there is one for generate, train, predict, gradient, benchmark, lyapunov, "
      "check",
      app->argument);
}

sn_status sn_command_explain(sn_app *app) {
  return sn_agree(app->world, app->rank == 0 ? sn_config_explain(app->argument) : SN_OK);
}
