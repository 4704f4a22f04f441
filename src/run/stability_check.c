#include "stability_check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "sinode/stability.h"
#include "sinode/tableau.h"

static const double tolerated = 1.3; /* what schemes that are right show in the scales that carry the energy */

double sn_stability_max_abs_u(const sn_app *app, ptrdiff_t count, const double *values) {
  double most = 0;
  for (ptrdiff_t k = 0; k < count; k++) most = fmax(most, fabs(values[k]));
  MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_DOUBLE, MPI_MAX, app->world);
  return most;
}

/* The scheme nearest in order that damps this grid; NULL: none does. */
static const char *find_better(const sn_linear *linear, const sn_grid *grid, const sn_tableau *used, double dt,
                               double max_abs_u) {
  const char *best = NULL;
  int least = 100;
  ptrdiff_t mode;
  for (int i = 0; i < sn_tableau_count(); i++) {
    const sn_tableau *other = sn_tableau_at(i);
    const int distance = abs(other->order - used->order);
    if (other == used || other->kind != SN_TABLEAU_IMEX || distance >= least) continue;
    if (!(sn_stability_amplification(linear, grid, other, dt, max_abs_u, &mode) <= tolerated)) continue;
    least = distance;
    best = other->name;
  }
  return best;
}

/* The largest of dt / 2, dt / 3, ... at which a scheme damps this grid; 0: none that is of use. */
static double find_smaller(const sn_linear *linear, const sn_grid *grid, const sn_tableau *tableau, double dt,
                           double max_abs_u) {
  ptrdiff_t mode;
  for (int parts = 2; parts < 1 << 20; parts += parts < 8 ? 1 : parts / 4)
    if (sn_stability_amplification(linear, grid, tableau, dt / parts, max_abs_u, &mode) <= tolerated) return dt / parts;
  return 0;
}

/* What would do, found by trying it. */
static void find_remedy(const sn_linear *linear, const sn_grid *grid, const sn_tableau *tableau, double dt,
                        double max_abs_u, char *text, size_t size) {
  const char *better = find_better(linear, grid, tableau, dt, max_abs_u);
  const double smaller = better ? 0 : find_smaller(linear, grid, tableau, dt, max_abs_u);
  if (better)
    snprintf(text, size, "since its explicit weights are not damped there; %s does not", better);
  else if (smaller > 0)
    snprintf(text, size, "and no scheme suits this step; %s does not with integrator.dt %.12g", tableau->name, smaller);
  else
    snprintf(text, size, "and no scheme suits data of this size; scale them");
}

sn_status sn_stability_check(const sn_app *app, const sn_model *model, double max_abs_u, ptrdiff_t steps) {
  const sn_network_kind network = sn_network_get_shape(sn_model_network(model))->kind;
  return sn_stability_check_parts(app, sn_model_linear(model), sn_model_grid(model), network, max_abs_u, steps);
}

sn_status sn_stability_check_parts(const sn_app *app, const sn_linear *linear, const sn_grid *grid,
                                   sn_network_kind network, double max_abs_u, ptrdiff_t steps) {
  const sn_tableau *tableau = app->config.integrator.tableau;
  const double dt = app->config.integrator.dt;
  ptrdiff_t mode;
  const double found = sn_stability_amplification(linear, grid, tableau, dt, max_abs_u, &mode);
  if (found <= tolerated || network == SN_NETWORK_NONE) return SN_OK;
  char remedy[160], text[480];
  find_remedy(linear, grid, tableau, dt, max_abs_u, remedy, sizeof remedy);
  snprintf(
      text, sizeof text,
      "integrator.scheme %s amplifies wave number %td of this grid by up to %.3g a step (dt %g, |u| up to %.3g), %s",
      tableau->name, mode, found, dt, max_abs_u, remedy);
  if (network == SN_NETWORK_KS && (double)steps * log10(found) > 20)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "%s: in %td steps round-off would grow to a blow-up", text, steps);
  sn_log_warning(app->log, "%s", text);
  return SN_OK;
}
