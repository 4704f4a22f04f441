#include "app.h"

#include <cblas.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sinode/memory.h"

sn_status sn_app_abort_unless_collective(const sn_app *app, sn_status status) {
  if (!status || sn_error_is_collective(status, app->world)) return status;
  if (app->log) sn_log_end_line(app->log);
  fprintf(stderr, "sinode: error: rank %d: %s\n", app->rank, sn_error_get_message(status));
  if (getenv("SINODE_TRACE")) fprintf(stderr, "%s\n", sn_error_get_trace(status));
  fflush(NULL);
  MPI_Abort(app->world, sn_error_get_code(status));
  return status;
}

/* Rank 0's copy of the whole file in memory. */
static sn_status slurp(const char *path, char **text, long *length) {
  FILE *file = fopen(path, "rb");
  if (!file) return SN_ERROR(SN_ERROR_FILE, "%s: cannot be read: %s", path, strerror(errno));
  sn_status status = SN_OK;
  if (fseek(file, 0, SEEK_END) != 0 || (*length = ftell(file)) < 0 || fseek(file, 0, SEEK_SET) != 0 ||
      *length > 1L << 24)
    status = SN_ERROR(SN_ERROR_FILE, "%s: is not a parameter file (a folder, a pipe, or larger than 16 MiB)", path);
  if (!status) status = SN_NEW(*length + 1, text);
  if (!status && fread(*text, 1, (size_t)*length, file) != (size_t)*length)
    status = SN_ERROR(SN_ERROR_FILE, "%s: cannot be read: %s", path, strerror(errno));
  fclose(file);
  return status;
}

/* Threads of the BLAS in this rank; more than the node has cores for make everything slower. */
static void set_threads(sn_app *app) {
  const int64_t threads = app->config.parallel.threads;
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  MPI_Comm node;
  int ranks;
  openblas_set_num_threads((int)threads);
  MPI_Comm_split_type(app->world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
  MPI_Comm_size(node, &ranks);
  MPI_Comm_free(&node);
  if (threads > 1 && ranks * threads > cores)
    sn_log_warning(app->log, "%d ranks on a node of %ld cores with parallel.threads %lld each: %ld would do", ranks,
                   cores, (long long)threads, cores / ranks > 1 ? cores / ranks : 1);
}

/* One rank reads and all parse the same bytes, so that they find the same wrong with them. */
static sn_status read_parameters(sn_app *app, const char *path, const char *const *settings, int count,
                                 sn_config_command reads) {
  char *text = NULL;
  long length = 0;
  SN_TRY(sn_collective_status(app->world, app->rank == 0 ? slurp(path, &text, &length) : SN_OK));
  MPI_Bcast(&length, 1, MPI_LONG, 0, app->world);
  SN_TRY(sn_collective_status(app->world, app->rank ? SN_NEW(length + 1, &text) : SN_OK));
  MPI_Bcast(text, (int)length, MPI_CHAR, 0, app->world);
  sn_status status = sn_config_parse(path, text, (size_t)length, settings, count, reads, &app->config);
  SN_FREE(text);
  if (status) return sn_error_collective(status);
  return sn_config_echo(&app->config, &app->echo);
}

sn_status sn_app_read_config(sn_app *app, const char *path, const char *const *settings, int count,
                             sn_config_command reads) {
  SN_TRY(read_parameters(app, path, settings, count, reads));
  set_threads(app);
  return SN_OK;
}
