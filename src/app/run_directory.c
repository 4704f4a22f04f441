#include "run_directory.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sinode/file.h"
#include "sinode/memory.h"
#include "sinode/text_file.h"

void sn_run_path(const sn_app *app, const char *name, char *path) {
  snprintf(path, SN_RUN_PATH, "%s/%s", app->config.run.directory, name);
}

void sn_run_checkpoint_path(const sn_app *app, int64_t iteration, char *path) {
  snprintf(path, SN_RUN_PATH, "%s/checkpoints/checkpoint-%06lld.h5", app->config.run.directory, (long long)iteration);
}

sn_status sn_run_make(const sn_app *app) {
  char path[SN_RUN_PATH];
  sn_run_path(app, "checkpoints", path);
  return sn_agree(app->world, app->rank == 0 ? sn_file_make_directory(path) : SN_OK);
}

static int by_value(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

/* Rank 0's list. Names that are not exactly ours, such as unfinished files, are passed over. */
static sn_status list(const sn_app *app, ptrdiff_t *count, int64_t **iterations) {
  char path[SN_RUN_PATH], wanted[SN_RUN_PATH];
  sn_run_path(app, "checkpoints", path);
  DIR *folder = opendir(path);
  *count = 0;
  if (!folder) return SN_NEW(0, iterations);
  ptrdiff_t room = 0;
  while (readdir(folder)) room++;
  rewinddir(folder);
  sn_status status = SN_NEW(room, iterations);
  for (struct dirent *entry; !status && (entry = readdir(folder)) && *count < room;) {
    char *end;
    if (strncmp(entry->d_name, "checkpoint-", 11) != 0) continue;
    const long long iteration = strtoll(entry->d_name + 11, &end, 10);
    snprintf(wanted, sizeof wanted, "checkpoint-%06lld.h5", iteration);
    if (strcmp(entry->d_name, wanted) == 0) (*iterations)[(*count)++] = iteration;
  }
  closedir(folder);
  if (!status) qsort(*iterations, (size_t)*count, sizeof **iterations, by_value);
  return status;
}

sn_status sn_run_checkpoints(const sn_app *app, ptrdiff_t *count, int64_t **iterations) {
  SN_TRY(sn_agree(app->world, app->rank == 0 ? list(app, count, iterations) : SN_OK));
  int64_t number = app->rank == 0 ? *count : 0;
  MPI_Bcast(&number, 1, MPI_INT64_T, 0, app->world);
  *count = number;
  SN_TRY(sn_agree(app->world, app->rank ? SN_NEW(number, iterations) : SN_OK));
  MPI_Bcast(*iterations, (int)number, MPI_INT64_T, 0, app->world);
  return SN_OK;
}

sn_status sn_run_prune(const sn_app *app, int64_t keep) {
  ptrdiff_t count;
  int64_t *iterations;
  SN_TRY(sn_run_checkpoints(app, &count, &iterations));
  sn_status status = SN_OK;
  for (ptrdiff_t k = 0; app->rank == 0 && k + keep < count && !status; k++) {
    char path[SN_RUN_PATH];
    sn_run_checkpoint_path(app, iterations[k], path);
    if (unlink(path) != 0) status = SN_ERROR(SN_ERROR_FILE, "%s: cannot be removed: %s", path, strerror(errno));
  }
  sn_memory_give(&iterations);
  return sn_agree(app->world, status);
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
