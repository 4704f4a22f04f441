/* sinode explain: one key of the parameter file, or a section. */
#include "commands.h"

sn_status sn_command_explain(sn_app *app) {
  return sn_collective_status(app->world, app->rank == 0 ? sn_config_explain(app->argument) : SN_OK);
}
