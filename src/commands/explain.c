/* sinode explain: one key of the parameter file, or a section. */
#include "commands.h"

static sn_status run_explain(sn_app *app) {
  return sn_collective_status(app->world, app->rank == 0 ? sn_config_explain(app->argument) : SN_OK);
}

const sn_command sn_command_explain = {.name = "explain",
                                       .operand = "SECTION.KEY",
                                       .summary = "one key of the parameter file: type, unit, range, default, example",
                                       .help = "Takes a key such as train.batch, or a section.",
                                       .run = run_explain};
