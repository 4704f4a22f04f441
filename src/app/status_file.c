#include "status_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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

sn_status sn_status_file_write(const char *directory, sn_run_state state, int64_t step, const char *checkpoint,
                               const char *reason) {
  static const char *const names[] = {"running", "checkpointed", "complete", "failed"};
  char path[1200], temporary[1210];
  snprintf(path, sizeof path, "%s/status.json", directory);
  snprintf(temporary, sizeof temporary, "%s.tmp", path);
  FILE *file = fopen(temporary, "w");
  if (!file) return SN_ERROR(SN_ERROR_FILE, "%s: cannot be written: %s", temporary, strerror(errno));
  fprintf(file, "{\"state\": \"%s\", \"step\": %lld, \"checkpoint\": ", names[state], (long long)step);
  write_json_string(file, checkpoint);
  fputs(", \"reason\": ", file);
  write_json_string(file, reason);
  fputs("}\n", file);
  const int failed = ferror(file) | fclose(file);
  if (failed || rename(temporary, path) != 0)
    return SN_ERROR(SN_ERROR_FILE, "%s: cannot be written: %s", path, strerror(errno));
  return SN_OK;
}
