#include "integrator_setup.h"

#include "grid_setup.h"

sn_status sn_setup_integrator(const sn_app *app, sn_model *model, double interval, ptrdiff_t intervals,
                              sn_passes passes, sn_integrator **integrator) {
  sn_integrator_options options = app->config.integrator;
  options.solver.rigor = app->config.fft.plan;
  options.interval = interval;
  options.intervals = intervals;
  options.adjoint = options.fused = passes & SN_PASSES_ADJOINT;
  options.tangent = passes & SN_PASSES_TANGENT;
  options.estimate = passes == SN_PASSES_FORWARD;
  SN_TRY(sn_integrator_create(model, &options, integrator));
  SN_TRY(sn_setup_keep_wisdom(app));
  double limit;
  SN_TRY(sn_integrator_stable_step(*integrator, &limit));
  const double dt = sn_integrator_dt(*integrator);
  if (limit < dt && !options.tableau->adaptive)
    sn_log_warning(app->log,
                   "integrator.dt %g is beyond the largest stable step of %s on this linear part, about %.3g: "
                   "expect it to blow up; an IMEX scheme such as l2 has no such limit",
                   dt, options.tableau->name, limit);
  return SN_OK;
}
