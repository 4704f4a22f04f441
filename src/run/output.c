#include "output.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/schema.h"

sn_status sn_output_lock(sn_app *app, const char *path, const char *what, const char *advice) {
  bool supported = true;
  sn_lock *lock = app->locks[0].descriptor ? &app->locks[1] : &app->locks[0];
  SN_TRY(sn_collective_status(app->world, app->rank == 0 ? sn_lock_take(lock, path, what, advice, &supported) : SN_OK));
  if (!supported) sn_log_warning(app->log, "%s: the file system has no locks: see that no other run writes it", what);
  return SN_OK;
}

/* Whether a file may stand there: a device or a pipe would be replaced by it, for everybody. */
static sn_status validate_regular_file(const char *path, const char *key) {
  const size_t length = strlen(path);
  struct stat found;
  const bool there = stat(path, &found) == 0;
  if ((there && S_ISDIR(found.st_mode)) || (length && path[length - 1] == '/'))
    return SN_ERROR(SN_ERROR_FILE, "%s: is a directory, but %s must name a file", path, key);
  if (there && !S_ISREG(found.st_mode))
    return SN_ERROR(SN_ERROR_FILE, "%s: is a device, pipe or socket, but %s must name a file, which would replace it",
                    path, key);
  return SN_OK;
}

/* Rank 0's part. */
static sn_status make_place(const char *path, const char *key) {
  SN_TRY(validate_regular_file(path, key));
  return sn_file_make_folder_of(path);
}

sn_status sn_output_lock_file(sn_app *app, const char *path, const char *key) {
  char lock[SN_LOCK_PATH], advice[100];
  snprintf(lock, sizeof lock, "%s.lock", path);
  snprintf(advice, sizeof advice, "choose another %s", key);
  SN_TRY(sn_collective_status(app->world, app->rank == 0 ? make_place(path, key) : SN_OK));
  return sn_output_lock(app, lock, path, advice);
}

/* Whether two paths lead to the same file. */
static bool same_file(const char *one, const char *other) {
  struct stat a, b;
  return stat(one, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Whether a file is the parameter file, or one that the other keys of `key`'s section name: what its command reads. */
static bool is_read(const sn_app *app, const char *path, const char *key) {
  const size_t section = strcspn(key, ".") + 1;
  bool found = same_file(path, app->argument);
  for (int k = 0; k < sn_config_keys() && !found; k++) {
    const sn_config_key *other = sn_config_key_at(k);
    if (other->type == SN_KEY_PATH && strncmp(other->path, key, section) == 0 && strcmp(other->path, key) != 0)
      found = same_file(path, (const char *)&app->config + other->offset);
  }
  return found;
}

/* Rank 0's part. */
static sn_status check(const sn_app *app, const char *path, const char *key) {
  SN_TRY(validate_regular_file(path, key));
  if (access(path, F_OK) != 0) return SN_OK;
  if (!app->overwrite)
    return SN_ERROR(SN_ERROR_FILE, "%s: is there already; choose another %s, or replace it with --overwrite", path,
                    key);
  if (is_read(app, path, key))
    return SN_ERROR(SN_ERROR_USAGE, "%s is %s, which this command reads; choose another file to write", key, path);
  return SN_OK;
}

sn_status sn_output_check(const sn_app *app, const char *path, const char *key) {
  return sn_collective_status(app->world, app->rank == 0 ? check(app, path, key) : SN_OK);
}

sn_status sn_output_same_run(const sn_app *app, const char *path, const char *kind, const char *const *decisive,
                             size_t count, const char *key) {
  char text[16384];
  sn_config theirs;
  SN_TRY(sn_file_read_config(app->world, path, kind, text, sizeof text));
  SN_TRY(sn_config_parse_kept(path, text, strlen(text), &theirs));
  for (size_t k = 0; k < count; k++) {
    char before[256], now[256];
    const char *differs = sn_config_difference(&theirs, &app->config, decisive[k], before, now, sizeof now);
    if (differs)
      return SN_ERROR_ALL(SN_ERROR_USAGE,
                          "%s is %s, but %s was made with %s; use another %s, or --overwrite to begin anew", differs,
                          now, path, before, key);
  }
  return SN_OK;
}

sn_provenance sn_output_provenance(const sn_app *app, const char *title) {
  return (sn_provenance){.title = title, .config = app->echo, .command_line = app->command_line};
}
