#include "app.h"

#include <stdio.h>
#include <stdlib.h>

sn_status sn_app_abort_unless_collective(const sn_app *app, sn_status status) {
  if (!status || sn_error_is_collective(status, app->world)) return status;
  if (app->log) sn_log_end_line(app->log);
  fprintf(stderr, "sinode: error: rank %d: %s\n", app->rank, sn_error_get_message(status));
  if (getenv("SINODE_TRACE")) fprintf(stderr, "%s\n", sn_error_get_trace(status));
  fflush(NULL);
  MPI_Abort(app->world, sn_error_get_code(status));
  return status;
}
