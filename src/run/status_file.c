#include "status_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "sinode/text_file.h"

static void write_json_string(FILE *file, const char *text) {
  fputc('"', file);
  for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
    if (*c == '"' || *c == '\\')
      fprintf(file, "\\%c", *c);
    else if (*c < 0x20)
      fprintf(file, "\\u%04x", *c);
    else
      fputc(*c, file);
  }
  fputc('"', file);
}

/* JSON has no NaN. */
static void write_number(FILE *file, const char *name, double value) {
  fprintf(file, ", \"%s\": ", name);
  if (isfinite(value))
    fprintf(file, "%.10g", value);
  else
    fputs("null", file);
}

typedef struct {
  FILE *file;
  const char *separator;
} region_list;

static void write_region(void *context, const char *path, double seconds) {
  region_list *list = context;
  fprintf(list->file, "%s\"%s\": %.6g", list->separator, path, seconds);
  list->separator = ", ";
}

sn_status sn_status_file_write(const char *directory, sn_run_state state, const sn_run_progress *progress,
                               const char *checkpoint, const char *reason, const sn_timer *timer) {
  static const char *const names[] = {"running", "checkpointed", "complete", "failed"};
  char path[SN_TEXT_PATH];
  sn_text text;
  SN_TRY(sn_text_begin(&text));
  fprintf(text.stream, "{\"state\": \"%s\", \"step\": %lld, \"checkpoint\": ", names[state], (long long)progress->step);
  write_json_string(text.stream, checkpoint);
  fputs(", \"reason\": ", text.stream);
  write_json_string(text.stream, reason);
  fprintf(text.stream, ", \"steps\": %lld", (long long)progress->steps);
  if (progress->epochs) {
    fprintf(text.stream, ", \"epoch\": %lld, \"epochs\": %lld", (long long)progress->epoch,
            (long long)progress->epochs);
    write_number(text.stream, "loss", progress->loss);
    write_number(text.stream, "learning_rate", progress->rate);
  }
  write_number(text.stream, "seconds_left", progress->seconds_left);
  write_number(text.stream, "memory_mib", progress->memory_mib);
  fputs(", \"regions\": {", text.stream);
  sn_timer_visit(timer, write_region, &(region_list){text.stream, ""});
  fputs("}}\n", text.stream);
  snprintf(path, sizeof path, "%s/status.json", directory);
  return sn_text_replace(&text, path);
}

void sn_status_file_refresh(const char *directory, const sn_run_progress *progress, const char *checkpoint,
                            const char *reason, const sn_timer *timer, double *last) {
  if (*last > 0 && sn_clock() - *last < 2) return;
  *last = sn_clock();
  sn_status ignored = sn_status_file_write(directory, SN_RUN_RUNNING, progress, checkpoint, reason, timer);
  sn_error_destroy(&ignored);
}

/* Behind `"name": ` in what sn_status_file_write wrote; quotation marks inside its strings are escaped. NULL: not
 * there. */
static const char *find(const char *text, const char *name) {
  char wanted[40];
  snprintf(wanted, sizeof wanted, "\"%s\": ", name);
  const char *found = strstr(text, wanted);
  return found ? found + strlen(wanted) : NULL;
}

static void read_string(const char *text, const char *name, char *value, size_t size) {
  const char *c = find(text, name);
  size_t used = 0;
  for (c = c ? c + 1 : ""; *c && *c != '"' && used + 1 < size; c++) {
    if (*c == '\\' && c[1]) c++;
    value[used++] = *c;
  }
  value[used] = '\0';
}

static double read_number(const char *text, const char *name) {
  const char *found = find(text, name);
  return found && strncmp(found, "null", 4) != 0 ? strtod(found, NULL) : NAN;
}

static int64_t read_count(const char *text, const char *name) {
  const double value = read_number(text, name);
  return isfinite(value) ? (int64_t)value : 0;
}

sn_status sn_status_file_read(const char *directory, sn_run_status *status) {
  char path[SN_TEXT_PATH], text[4096];
  struct stat found;
  snprintf(path, sizeof path, "%s/status.json", directory);
  FILE *file = fopen(path, "r");
  if (!file) return SN_ERROR(SN_ERROR_FILE, "%s: has no status.json: it is not the directory of a run", directory);
  text[fread(text, 1, sizeof text - 1, file)] = '\0';
  *status = (sn_run_status){.age = fstat(fileno(file), &found) == 0 ? difftime(time(NULL), found.st_mtime) : NAN};
  fclose(file);
  read_string(text, "state", status->state, sizeof status->state);
  if (!*status->state)
    return SN_ERROR(SN_ERROR_FILE, "%s: is not the status of a run; if the run goes on, it will be replaced", path);
  read_string(text, "checkpoint", status->checkpoint, sizeof status->checkpoint);
  read_string(text, "reason", status->reason, sizeof status->reason);
  status->progress = (sn_run_progress){.step = read_count(text, "step"),
                                       .steps = read_count(text, "steps"),
                                       .epoch = read_count(text, "epoch"),
                                       .epochs = read_count(text, "epochs"),
                                       .loss = read_number(text, "loss"),
                                       .rate = read_number(text, "learning_rate"),
                                       .seconds_left = read_number(text, "seconds_left"),
                                       .memory_mib = read_number(text, "memory_mib")};
  return SN_OK;
}
