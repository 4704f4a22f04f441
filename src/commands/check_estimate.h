/* What sinode check says of the costs of a run, out of src/cost: for the ranks there are, or for any number of them. */
#ifndef SINODE_COMMANDS_CHECK_ESTIMATE_H
#define SINODE_COMMANDS_CHECK_ESTIMATE_H

#include "cost/cost.h"
#include "run/app.h"

/* Each says one thing in a line or two. Local. */
SN_MUST_CHECK sn_status sn_estimate_report_generation(const sn_app *app, sn_layout layout);
void sn_estimate_report_gradient(const sn_app *app, sn_layout layout, double parameters);

/*
 * What a time step sends: on subdomains, or by the solver that the parameters ask for or `auto` takes with `memory`
 * bytes a rank, and by the network. Local. Error: as of sn_solver_estimate_cost and sn_subdomain_steps_plan.
 */
SN_MUST_CHECK sn_status sn_estimate_report_steps(const sn_app *app, sn_layout layout, const sn_linear *linear,
                                                 const sn_network_shape *shape, double memory, ptrdiff_t samples);

/* All that check says, for app->estimated_ranks ranks; nothing is built. Local, alike on all ranks. */
SN_MUST_CHECK sn_status sn_estimate_report(const sn_app *app);

#endif
