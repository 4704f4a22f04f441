#include "sinode/text_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

sn_status sn_text_begin(sn_text *text) {
  text->stream = open_memstream(&text->bytes, &text->length);
  return text->stream ? SN_OK : SN_ERROR(SN_ERROR_RUN, "out of memory while composing a text file");
}

sn_status sn_text_replace(sn_text *text, const char *path) {
  if (fclose(text->stream) != 0) return SN_ERROR(SN_ERROR_RUN, "out of memory while composing %s", path);
  char temporary[SN_TEXT_PATH + 4];
  snprintf(temporary, sizeof temporary, "%s.tmp", path);
  FILE *file = fopen(temporary, "w");
  int failed = !file || fwrite(text->bytes, 1, text->length, file) != text->length;
  if (file && fclose(file) != 0) failed = 1;
  if (!failed) failed = rename(temporary, path) != 0;
  sn_status status = failed ? SN_ERROR(SN_ERROR_FILE, "%s: cannot be written: %s", path, strerror(errno)) : SN_OK;
  free(text->bytes);
  return status;
}
