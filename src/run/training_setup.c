#include "training_setup.h"

#include <limits.h>
#include <math.h>

ptrdiff_t sn_setup_slice(const sn_app *app) { return app->config.parallel.reproducible ? app->config.train.slice : 0; }

/*
 * Messages between space ranks are fewer of all samples; steps of an adaptive or implicit scheme depend on which
 * samples go together.
 */
static bool takes_few(const sn_app *app, const sn_grid *grid) {
  const sn_config *c = &app->config;
  return sn_grid_space_size(grid) == 1 && !sn_setup_slice(app) && sn_setup_training_passes(app) == SN_PASSES_ADJOINT &&
         !c->integrator.tableau->adaptive && c->integrator.tableau->kind != SN_TABLEAU_IMPLICIT;
}

ptrdiff_t sn_setup_samples(const sn_app *app, const sn_grid *grid, const sn_dataset *dataset, double interval) {
  enum { CACHED = 1 << 19, STAGE_VALUES = 6, POINTS_LEAST = 512 };
  const sn_config *c = &app->config;
  const ptrdiff_t all = sn_trainer_samples(grid, dataset, c->train.batch, sn_setup_slice(app));
  const ptrdiff_t points = sn_grid_points(grid);
  const sn_network_shape shape = sn_network_shape_of(&c->model.network, c->grid.length);
  const double taped = (double)sn_network_tape_values(&shape);
  if (taped == 0 || !takes_few(app, grid)) return all;
  const double stages = (double)c->train.window * interval / c->integrator.dt * c->integrator.tableau->stages;
  const double bytes = sizeof(double) * stages * (taped + STAGE_VALUES) * (double)points;
  const ptrdiff_t least = (POINTS_LEAST + points - 1) / points, fit = (ptrdiff_t)(CACHED / bytes);
  const ptrdiff_t most = fit > least ? fit : least, groups = (all + most - 1) / most;
  return groups > 1 ? (all + groups - 1) / groups : all;
}

sn_trainer_options sn_setup_trainer_options(const sn_app *app) {
  sn_trainer_options options = app->config.train;
  options.seed = (uint64_t)app->config.run.seed;
  options.slice = sn_setup_slice(app);
  if (options.schedule.period == 0) options.schedule.period = options.epochs;
  return options;
}

sn_passes sn_setup_training_passes(const sn_app *app) {
  const sn_optimizer_options optimizer = app->config.optimizer;
  if (!sn_optimizer_kind_wants_tangents(optimizer.kind)) return SN_PASSES_ADJOINT;
  const bool estimated = app->config.train.initial == SN_INITIAL_ESTIMATED;
  return optimizer.acceleration || estimated ? SN_PASSES_BOTH : SN_PASSES_TANGENT;
}

sn_status sn_setup_suits_optimizer(const sn_app *app, double trained) {
  const double most = floor(sqrt(INT_MAX)); /* the BLAS counts the elements of the matrix */
  if (app->config.optimizer.kind != SN_OPTIMIZER_LM || trained <= most) return SN_OK;
  return SN_ERROR_ALL(
      SN_ERROR_USAGE,
      "train.optimizer.kind is lm, whose matrix has a row for each of the %.0f parameters to train, but "
      "at most %.0f are possible on any number of ranks; use lbfgs, or a smaller network",
      trained, most);
}

sn_status sn_setup_optimizer(const sn_app *app, sn_parameters *parameters, sn_optimizer **optimizer) {
  SN_TRY(sn_setup_suits_optimizer(app, (double)sn_parameters_total(parameters, true)));
  return sn_optimizer_create(parameters, &app->config.optimizer, optimizer);
}
