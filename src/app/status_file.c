#include "status_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "text_file.h"

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

static const char *const names[] = {"running", "checkpointed", "complete", "failed"};

const char *sn_run_state_name(sn_run_state state) { return names[state]; }

sn_status sn_status_file_write(const char *directory, sn_run_state state, int64_t step, const char *checkpoint,
                               const char *reason) {
  char path[SN_TEXT_PATH];
  sn_text text;
  SN_TRY(sn_text_begin(&text));
  fprintf(text.stream, "{\"state\": \"%s\", \"step\": %lld, \"checkpoint\": ", names[state], (long long)step);
  write_json_string(text.stream, checkpoint);
  fputs(", \"reason\": ", text.stream);
  write_json_string(text.stream, reason);
  fputs("}\n", text.stream);
  snprintf(path, sizeof path, "%s/status.json", directory);
  return sn_text_replace(&text, path);
}

sn_status sn_status_file_read(const char *directory, bool *found, sn_run_state *state, int64_t *step) {
  char path[SN_TEXT_PATH], name[16];
  long long number;
  snprintf(path, sizeof path, "%s/status.json", directory);
  FILE *file = fopen(path, "r");
  *found = file != NULL;
  if (!file && errno == ENOENT) return SN_OK;
  if (!file) return SN_ERROR(SN_ERROR_FILE, "%s: cannot be read: %s", path, strerror(errno));
  const int read = fscanf(file, "{\"state\": \"%15[a-z]\", \"step\": %lld,", name, &number);
  fclose(file);
  for (int k = 0; read == 2 && k < (int)(sizeof names / sizeof names[0]); k++)
    if (strcmp(names[k], name) == 0) {
      *state = (sn_run_state)k;
      *step = number;
      return SN_OK;
    }
  return SN_ERROR(SN_ERROR_FILE, "%s: is not the status of a run; if the run goes on, it will be replaced", path);
}
