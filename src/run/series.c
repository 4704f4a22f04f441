#include "series.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sinode/memory.h"

sn_series sn_series_at(const char *path) {
  sn_series series;
  const char *slash = strrchr(path, '/');
  snprintf(series.folder, sizeof series.folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
  snprintf(series.prefix, sizeof series.prefix, "%s", slash ? slash + 1 : path);
  return series;
}

/* The name of a number in its folder. */
static void name_of(const sn_series *series, int64_t number, char *name) {
  snprintf(name, SN_SERIES_PATH, "%.1000s-%06lld.h5", series->prefix, (long long)number);
}

void sn_series_path(const sn_series *series, int64_t number, char *path) {
  char name[SN_SERIES_PATH];
  const bool here = strcmp(series->folder, ".") == 0;
  name_of(series, number, name);
  /* Too long a path is cut: opening it says so. (The check of the length is what the compiler wants to see.) */
  if (snprintf(path, SN_SERIES_PATH, "%s%s%s", here ? "" : series->folder, here ? "" : "/", name) < 0) *path = '\0';
}

static int by_value(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

/* Whether a name in the folder is that of a number of the series, with `more` behind it. */
static bool is_ours(const sn_series *series, const char *name, const char *more, int64_t *number) {
  char wanted[SN_SERIES_PATH];
  const size_t prefix = strlen(series->prefix);
  if (strncmp(name, series->prefix, prefix) != 0 || name[prefix] != '-') return false;
  *number = strtoll(name + prefix + 1, NULL, 10);
  name_of(series, *number, wanted);
  const size_t length = strlen(wanted);
  return strncmp(name, wanted, length) == 0 && strcmp(name + length, more) == 0;
}

static DIR *open_folder(const sn_series *series) { return opendir(*series->folder ? series->folder : "/"); }

/* Not to be taken for an empty one: a run would begin anew. */
static sn_status unreadable(const sn_series *series) {
  return SN_ERROR(SN_ERROR_FILE, "%s: the folder cannot be read, to see what checkpoints there are: %s",
                  *series->folder ? series->folder : "/", strerror(errno));
}

/* Rank 0's list. Names that are not exactly ours, such as unfinished files, are passed over. */
static sn_status list(const sn_series *series, ptrdiff_t *count, int64_t **numbers) {
  DIR *folder = open_folder(series);
  *count = 0;
  *numbers = NULL;
  if (!folder) return errno == ENOENT ? SN_OK : unreadable(series);
  ptrdiff_t room = 0;
  while (readdir(folder)) room++;
  rewinddir(folder);
  sn_status status = SN_NEW(room, numbers);
  while (!status && *count < room) {
    errno = 0;
    const struct dirent *entry = readdir(folder);
    if (!entry && errno) status = unreadable(series);
    if (!entry) break;
    if (is_ours(series, entry->d_name, "", &(*numbers)[*count])) (*count)++;
  }
  closedir(folder);
  if (status) SN_FREE(*numbers);
  if (!status) qsort(*numbers, (size_t)*count, sizeof **numbers, by_value);
  return status;
}

sn_status sn_series_list(const sn_app *app, const sn_series *series, ptrdiff_t *count, int64_t **numbers) {
  SN_TRY(sn_collective_status(app->world, app->rank == 0 ? list(series, count, numbers) : SN_OK));
  int64_t number = app->rank == 0 ? *count : 0;
  MPI_Bcast(&number, 1, MPI_INT64_T, 0, app->world);
  *count = number;
  SN_TRY(sn_collective_status(app->world, app->rank ? SN_NEW(number, numbers) : SN_OK));
  MPI_Bcast(*numbers, (int)number, MPI_INT64_T, 0, app->world);
  return SN_OK;
}

/* Those that a killed run was writing; nobody else writes here now. One that stays does no harm. */
static void remove_unfinished(const sn_series *series) {
  int64_t number;
  DIR *folder = open_folder(series);
  if (!folder) return;
  for (const struct dirent *entry; (entry = readdir(folder));)
    if (is_ours(series, entry->d_name, ".tmp", &number)) unlinkat(dirfd(folder), entry->d_name, 0);
  closedir(folder);
}

sn_status sn_series_prune(const sn_app *app, const sn_series *series, int64_t keep, int64_t spare) {
  ptrdiff_t count;
  int64_t *numbers;
  SN_TRY(sn_series_list(app, series, &count, &numbers));
  sn_status status = SN_OK;
  if (app->rank == 0) remove_unfinished(series);
  for (ptrdiff_t k = 0; app->rank == 0 && k + keep < count && !status; k++) {
    char path[SN_SERIES_PATH];
    if (numbers[k] == spare) continue;
    sn_series_path(series, numbers[k], path);
    if (unlink(path) != 0) status = SN_ERROR(SN_ERROR_FILE, "%s: cannot be removed: %s", path, strerror(errno));
  }
  SN_FREE(numbers);
  return sn_collective_status(app->world, status);
}

/* The first refusal stays, since it is of the newest. */
static void keep_refusal(sn_status *refusal, sn_status *status) {
  if (*refusal)
    sn_error_destroy(status);
  else
    *refusal = *status;
  *status = SN_OK;
}

/* A series is of one run: where an older one is of ours, one that is not has been damaged. */
static void take_older(const sn_app *app, const char *newest, sn_status *refusal) {
  sn_log_warning(app->log,
                 "%s: %s; but an older one is of this run, so this one is damaged; the checkpoint before it is taken",
                 newest, sn_error_get_message(*refusal));
  sn_error_destroy(refusal);
}

sn_status sn_series_resume(const sn_app *app, const sn_series *series,
                           sn_status (*read)(void *context, const char *path), void *context, int64_t *number) {
  ptrdiff_t count;
  int64_t *numbers;
  char path[SN_SERIES_PATH], refused[SN_SERIES_PATH];
  *number = -1;
  SN_TRY(sn_series_list(app, series, &count, &numbers));
  sn_status status = SN_OK, refusal = SN_OK;
  for (ptrdiff_t k = count - 1; k >= 0 && *number < 0 && !status; k--) {
    sn_series_path(series, numbers[k], path);
    status = sn_collective_status(app->world, read(context, path));
    if (!status) {
      *number = numbers[k];
      if (refusal) take_older(app, refused, &refusal);
    } else if (sn_error_get_code(status) == SN_ERROR_USAGE) {
      if (!refusal) memcpy(refused, path, sizeof refused);
      keep_refusal(&refusal, &status);
    } else if (k > 0 && sn_error_get_code(status) == SN_ERROR_FILE) {
      sn_log_warning(app->log, "%s; the checkpoint before it is taken", sn_error_get_message(status));
      sn_error_destroy(&status);
    }
  }
  SN_FREE(numbers);
  if (refusal && status) sn_error_destroy(&status);
  return refusal ? refusal : status;
}
