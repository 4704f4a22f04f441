/* The way of the generator that the parameters ask for. */
#ifndef SINODE_RUN_GENERATOR_SETUP_H
#define SINODE_RUN_GENERATOR_SETUP_H

#include "app.h"
#include "cost/cost.h"
#include "sinode/etdrk4.h"
#include "sinode/grid.h"

/* The parameters' options, as they are; transform may be auto. Local. */
sn_etdrk4_options sn_setup_generator_options(const sn_app *app);

/*
 * A generator of the members of this replica, local or global, and says which and why. Collective over world.
 * Errors SN_ERROR_USAGE: the local way is asked for and there is none.
 */
SN_MUST_CHECK sn_status sn_setup_generator(const sn_app *app, const sn_grid *grid, sn_range members,
                                           sn_etdrk4 **etdrk4);

#endif
