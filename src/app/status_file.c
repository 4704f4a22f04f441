#include "status_file.h"

#include <stdio.h>

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

sn_status sn_status_file_write(const char *directory, sn_run_state state, int64_t step, const char *checkpoint,
                               const char *reason) {
  static const char *const names[] = {"running", "checkpointed", "complete", "failed"};
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
