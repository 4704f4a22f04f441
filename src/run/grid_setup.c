#include "grid_setup.h"

#include "sinode/wisdom.h"

static bool keeps_wisdom(const sn_app *app) {
  return app->config.fft.plan == SN_FOURIER_MEASURE && app->config.fft.wisdom[0];
}

sn_status sn_setup_grid(sn_app *app, sn_grid **grid) {
  const sn_config *c = &app->config;
  SN_TRY(sn_grid_create(app->world, c->parallel.space, c->grid.points, app->timer, grid));
  sn_log_line(app->log, "%d rank%s: %d replica%s x %d in space; %td points on [0, %g)", app->ranks,
              app->ranks == 1 ? "" : "s", sn_grid_replica_count(*grid), sn_grid_replica_count(*grid) == 1 ? "" : "s",
              c->parallel.space, c->grid.points, c->grid.length);
  return keeps_wisdom(app) ? sn_wisdom_read(app->world, c->fft.wisdom) : SN_OK;
}

sn_status sn_setup_keep_wisdom(const sn_app *app) {
  return keeps_wisdom(app) && !app->dry ? sn_wisdom_write(app->world, app->config.fft.wisdom) : SN_OK;
}
