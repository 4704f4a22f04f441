/* sinode template: a complete commented parameter file for a command. */
#include <string.h>

#include "commands.h"

static sn_status run_template(sn_app *app) {
  const bool all = strcmp(app->argument, "check") == 0;
  const int command = all ? SN_FOR_ALL : sn_name_value(sn_config_commands, app->argument);
  if (command < 0) return sn_command_unknown_reader(app->argument, "template", ", check");
  if (app->rank == 0) sn_config_template((sn_config_command)command);
  return SN_OK;
}

const sn_command sn_command_template = {
    .name = "template",
    .operand = "COMMAND",
    .summary = "a complete commented parameter file for a command",
    .help = "Prints every key that the command reads, with its default; for check, those of all commands.",
    .run = run_template};
