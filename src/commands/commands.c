#include "commands.h"

#define ADDRESS(name) &sn_command_##name,
static const sn_command *const commands[] = {SN_COMMANDS(ADDRESS)};

const sn_program sn_sinode = {
    .name = "sinode",
    .summary = "trains semi-implicit neural ODEs on the Kuramoto-Sivashinsky equation, in parallel",
    .commands = sizeof commands / sizeof commands[0],
    .command = commands,
    .closing = "Start with `sinode template train > train.yaml`."};

sn_status sn_command_unknown_reader(const char *name, const char *what, const char *more) {
  char names[128];
  sn_name_list(sn_config_commands, ", ", names, sizeof names);
  return SN_ERROR_ALL(SN_ERROR_USAGE, "there is no %s for '%s'; there is one for %s%s", what, name, names, more);
}
