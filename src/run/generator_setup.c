#include "generator_setup.h"

sn_etdrk4_options sn_setup_generator_options(const sn_app *app) {
  sn_etdrk4_options options = app->config.generate.etdrk4;
  options.length = app->config.grid.length;
  options.equation = &app->config.generate.equation;
  options.rigor = app->config.fft.plan;
  return options;
}

sn_status sn_setup_generator(const sn_app *app, const sn_grid *grid, sn_range members, sn_etdrk4 **etdrk4) {
  const sn_layout layout = {sn_grid_points(grid), sn_grid_space_size(grid), sn_grid_replica_count(grid)};
  sn_etdrk4_options options = sn_setup_generator_options(app);
  options.first_member = members.start;
  char equation[256];
  sn_equation_print(options.equation, equation, sizeof equation);
  sn_cost_generator way = {0};
  sn_status status = app->rank == 0 ? sn_cost_choose_generator(layout, &options, &way) : SN_OK;
  SN_TRY(sn_collective_status(app->world, status));
  MPI_Bcast(&way, (int)sizeof way, MPI_BYTE, 0, app->world);
  options.transform = way.local ? SN_ETDRK4_LOCAL : SN_ETDRK4_GLOBAL;
  sn_log_line(app->log, "equation: %s", equation);
  sn_log_line(app->log, "generator: %s", way.text);
  return sn_etdrk4_create(grid, members.count, &options, etdrk4);
}
