/* sinode template: a complete commented parameter file for a command. */
#include <string.h>

#include "commands.h"

sn_status sn_command_template(sn_app *app) {
  const int command = strcmp(app->argument, "check") == 0 ? SN_FOR_ALL : sn_command_reads(app->argument);
  if (!command)
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "there is no template for '%s'; there is one for generate, train, predict, gradient, "
                        "benchmark, lyapunov, check",
                        app->argument);
  if (app->rank == 0) sn_config_template((sn_config_command)command);
  return SN_OK;
}
