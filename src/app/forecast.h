/*
 * What a run would send and hold, by the formulas of docs/performance.md, for sinode check: for the ranks there are, or
 * for any number of them.
 */
#ifndef SINODE_APP_FORECAST_H
#define SINODE_APP_FORECAST_H

#include "app.h"
#include "sinode/linear.h"
#include "sinode/network.h"

/* How a run is laid out. */
typedef struct {
  ptrdiff_t points;
  int space, replicas;
} sn_layout;

/* Each says one thing in a line or two. Local. */
void sn_forecast_generation(const sn_app *app, sn_layout layout);
void sn_forecast_network(const sn_app *app, sn_layout layout, const sn_network_shape *shape, ptrdiff_t samples);
void sn_forecast_gradient(const sn_app *app, sn_layout layout, double parameters);

/* The solver that the parameters ask for or `auto` takes with `memory` bytes a rank, and what its solves cost. */
sn_status sn_forecast_solves(const sn_app *app, sn_layout layout, const sn_linear *linear, double memory,
                             ptrdiff_t samples);

/* All that check says, for app->foreseen ranks; nothing is built. Local, alike on all ranks. */
sn_status sn_forecast(const sn_app *app);

#endif
