/* sinode schema: a JSON Schema of the parameter file. */
#include <string.h>

#include "commands.h"

sn_status sn_command_schema(sn_app *app) {
  const int command = sn_command_reads(app->argument);
  if (!command && strcmp(app->argument, "all") != 0)
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "there is no schema for '%s'; there is one for generate, train, predict, gradient, benchmark, "
                        "lyapunov and for all",
                        app->argument);
  if (app->rank == 0) sn_config_json_schema(command);
  return SN_OK;
}
