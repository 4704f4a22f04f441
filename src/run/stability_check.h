/* Whether a scheme suits the grid it is to run on: looked at before a run, on the grid's own spectrum. */
#ifndef SINODE_RUN_STABILITY_CHECK_H
#define SINODE_RUN_STABILITY_CHECK_H

#include "app.h"
#include "sinode/model.h"

/* The largest |u| of the data on all ranks. Collective over world. */
double sn_stability_max_abs_u(const sn_app *app, ptrdiff_t count, const double *values);

/*
 * Warns of an IMEX scheme that amplifies fine scales (sn_stability_amplification > 1.3) and names one that does not.
 * Refuses (SN_ERROR_USAGE) beyond doubt: with the exact nonlinear term, when `steps` steps would raise round-off to
 * order 1. Local, alike on all ranks.
 */
SN_MUST_CHECK sn_status sn_stability_check(const sn_app *app, const sn_model *model, double max_abs_u, ptrdiff_t steps);

/* The same without a model: for its linear part and the kind of its network. */
SN_MUST_CHECK sn_status sn_stability_check_parts(const sn_app *app, const sn_linear *linear, const sn_grid *grid,
                                                 sn_network_kind network, double max_abs_u, ptrdiff_t steps);

#endif
