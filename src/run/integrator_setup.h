/* Integrators from the parameters. */
#ifndef SINODE_RUN_INTEGRATOR_SETUP_H
#define SINODE_RUN_INTEGRATOR_SETUP_H

#include "app.h"
#include "sinode/integrator.h"
#include "sinode/model.h"

/* What is wanted of an integrator beside states. */
typedef enum {
  SN_PASSES_FORWARD = 0,
  SN_PASSES_ADJOINT = 1,
  SN_PASSES_TANGENT = 2,
  SN_PASSES_BOTH = SN_PASSES_ADJOINT | SN_PASSES_TANGENT
} sn_passes;

/*
 * The integrator of the parameters for data with one snapshot every `interval`; warns of a step that is not stable.
 * Errors as of sn_integrator_create. Collective over world.
 */
SN_MUST_CHECK sn_status sn_setup_integrator(const sn_app *app, sn_model *model, double interval, ptrdiff_t intervals,
                                            sn_passes passes, sn_integrator **integrator);

#endif
