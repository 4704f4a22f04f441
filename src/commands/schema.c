/* sinode schema: a JSON Schema of the parameter file. */
#include <string.h>

#include "commands.h"

static sn_status run_schema(sn_app *app) {
  const bool all = strcmp(app->argument, "all") == 0;
  const int command = all ? 0 : sn_name_value(sn_config_commands, app->argument);
  if (command < 0) return sn_command_unknown_reader(app->argument, "schema", " and for all");
  if (app->rank == 0) sn_config_json_schema(command);
  return SN_OK;
}

const sn_command sn_command_schema = {.name = "schema",
                                      .operand = "COMMAND|all",
                                      .summary = "a JSON Schema of the parameter file, for editors",
                                      .help =
                                          "Prints every key with type, range, default and help; keys that the command "
                                          "requires are required (all: none).\n"
                                          "Editors that know YAML complete and check by it: put `# "
                                          "yaml-language-server: $schema=sinode.json` first in the\n"
                                          "parameter file.",
                                      .run = run_schema};
