/*
 * What a run would send and hold, by the formulas of docs/performance.md, for sinode check: for the ranks there are, or
 * for any number of them.
 */
#ifndef SINODE_COMMANDS_COST_MODEL_H
#define SINODE_COMMANDS_COST_MODEL_H

#include "run/app.h"
#include "sinode/linear.h"
#include "sinode/network.h"

/* How a run is laid out. */
typedef struct {
  ptrdiff_t points;
  int space, replicas;
} sn_layout;

/* Each says one thing in a line or two. Local. */
void sn_cost_report_generation(const sn_app *app, sn_layout layout);
void sn_cost_report_network(const sn_app *app, sn_layout layout, const sn_network_shape *shape, ptrdiff_t samples);
void sn_cost_report_gradient(const sn_app *app, sn_layout layout, double parameters);

/* The solver that the parameters ask for or `auto` takes with `memory` bytes a rank, and what its solves cost. */
sn_status sn_cost_report_solves(const sn_app *app, sn_layout layout, const sn_linear *linear, double memory,
                                ptrdiff_t samples);

/* All that check says, for app->estimated_ranks ranks; nothing is built. Local, alike on all ranks. */
sn_status sn_cost_report(const sn_app *app);

#endif
