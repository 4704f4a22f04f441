/* sinode spacing: the distance of two grid points. */
#include <stdio.h>

#include "commands.h"

static sn_status run_spacing(sn_app *app) {
  const sn_config *c = &app->config;
  if (app->rank == 0) printf("%.17g\n", c->grid.length / (double)c->grid.points);
  return SN_OK;
}

const sn_command sn_command_spacing = {.name = "spacing",
                                       .operand = "CONFIG.yaml",
                                       .summary = "the distance of two grid points",
                                       .help = "Prints grid.length over grid.points.",
                                       .reads = SN_FOR_ALL,
                                       .run = run_spacing};
