#include "sinode/error.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_LENGTH = 1024, TRACE_LENGTH = 2048 };

struct sn_error {
  sn_error_code code;
  int ranks; /* that have this error: one, those that reduced their status, or all there are */
  char message[MESSAGE_LENGTH];
  char trace[TRACE_LENGTH];
};

/* Returned when there is no memory left even for an error; never freed, never written. */
static struct sn_error no_memory = {SN_ERROR_RUN, 1, "out of memory; use more ranks or a smaller problem", ""};

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

sn_status sn_error_create(sn_error_code code, const char *file, int line, const char *format, ...) {
  struct sn_error *error = calloc(1, sizeof *error);
  if (!error) return &no_memory;
  error->code = code;
  error->ranks = 1;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error->message, sizeof error->message, format, arguments);
  va_end(arguments);
  snprintf(error->trace, sizeof error->trace, "%s:%d", base_name(file), line);
  return error;
}

sn_status sn_error_collective(sn_status error) {
  if (error && error != &no_memory) error->ranks = INT_MAX;
  return error;
}

sn_status sn_error_trace(sn_status error, const char *file, int line, const char *text) {
  if (error == &no_memory) return error;
  size_t used = strlen(error->trace);
  snprintf(error->trace + used, sizeof error->trace - used, "\n  from %s:%d: %s", base_name(file), line, text);
  return error;
}

sn_error_code sn_error_get_code(sn_status error) { return error->code; }
const char *sn_error_get_message(sn_status error) { return error->message; }
const char *sn_error_get_trace(sn_status error) { return error->trace; }

bool sn_error_is_collective(sn_status error, MPI_Comm comm) {
  int size;
  MPI_Comm_size(comm, &size);
  return error->ranks >= size;
}

void sn_error_destroy(sn_status *error) {
  if (*error != &no_memory) free(*error);
  *error = SN_OK;
}

sn_status sn_collective_status(MPI_Comm comm, sn_status mine) {
  int rank, size;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  int first = mine ? rank : size;
  MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT, MPI_MIN, comm);
  if (first == size) return SN_OK;

  struct sn_error theirs = {.code = SN_ERROR_RUN};
  if (rank == first) theirs = *mine;
  MPI_Bcast(&theirs, (int)sizeof theirs, MPI_BYTE, first, comm);
  if (mine) sn_error_destroy(&mine);
  struct sn_error *shared = malloc(sizeof *shared);
  if (!shared) return &no_memory;
  *shared = theirs;
  if (shared->ranks < size) shared->ranks = size;
  return shared;
}
