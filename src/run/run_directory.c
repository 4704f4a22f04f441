#include "run_directory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "output.h"
#include "sinode/file.h"
#include "sinode/text_file.h"

void sn_run_path(const sn_app *app, const char *name, char *path) {
  snprintf(path, SN_RUN_PATH, "%s/%s", app->config.run.directory, name);
}

sn_series sn_run_checkpoints(const sn_app *app) {
  char path[SN_RUN_PATH];
  sn_run_path(app, "checkpoints/checkpoint", path);
  return sn_series_at(path);
}

sn_status sn_run_lock(sn_app *app) {
  char path[SN_RUN_PATH];
  SN_TRY(sn_collective_status(app->world, app->rank == 0 ? sn_file_make_directory(app->config.run.directory) : SN_OK));
  sn_run_path(app, "lock", path);
  return sn_output_lock(app, path, app->config.run.directory, "use another run.directory");
}

void sn_history_row(const sn_trainer_record *record, double *row) {
  const double values[SN_HISTORY_COLUMNS] = {(double)record->epoch,  (double)record->iteration, record->seconds,
                                             record->train_loss,     record->validation_loss,   record->learning_rate,
                                             record->peak_memory_mib};
  memcpy(row, values, sizeof values);
}

static void print_row(FILE *file, const double *row) {
  fprintf(file, "%.0f,%.0f,%.6f,%.17g,%.17g,%.17g,%.1f\n", row[0], row[1], row[2], row[3], row[4], row[5], row[6]);
}

sn_status sn_history_write(const char *path, ptrdiff_t rows, const double *history) {
  sn_text text;
  SN_TRY(sn_text_begin(&text));
  fputs("epoch,iteration,seconds,train_loss,validation_loss,learning_rate,peak_memory_mib\n", text.stream);
  for (ptrdiff_t k = 0; k < rows; k++) print_row(text.stream, history + k * SN_HISTORY_COLUMNS);
  return sn_text_replace(&text, path);
}

sn_status sn_history_append(const char *path, const double *row) {
  FILE *file = fopen(path, "a");
  if (!file) return SN_ERROR(SN_ERROR_FILE, "%s: cannot be written: %s", path, strerror(errno));
  print_row(file, row);
  const int failed = ferror(file) | fclose(file);
  if (failed) return SN_ERROR(SN_ERROR_FILE, "%s: cannot be written: %s", path, strerror(errno));
  return SN_OK;
}
