#include "training_setup.h"

#include <limits.h>
#include <math.h>

ptrdiff_t sn_setup_slice(const sn_app *app) { return app->config.parallel.reproducible ? app->config.train.slice : 0; }

sn_trainer_options sn_setup_trainer_options(const sn_app *app) {
  sn_trainer_options options = app->config.train;
  options.seed = (uint64_t)app->config.run.seed;
  options.slice = sn_setup_slice(app);
  if (options.schedule.period == 0) options.schedule.period = options.epochs;
  return options;
}

sn_passes sn_setup_training_passes(const sn_app *app) {
  const sn_optimizer_options *optimizer = &app->config.optimizer;
  if (!sn_optimizer_kind_wants_tangents(optimizer->kind)) return SN_PASSES_ADJOINT;
  return optimizer->acceleration ? SN_PASSES_BOTH : SN_PASSES_TANGENT;
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
