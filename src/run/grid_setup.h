/* The process grid of a run, and what FFTW knows of its transforms. */
#ifndef SINODE_RUN_GRID_SETUP_H
#define SINODE_RUN_GRID_SETUP_H

#include "app.h"
#include "sinode/grid.h"

/* The process grid of the parameters, and FFTW's wisdom; says what it is. Collective over world. Error SN_ERROR_FILE.
 */
SN_MUST_CHECK sn_status sn_setup_grid(sn_app *app, sn_grid **grid);

/* Keeps what FFTW has measured, once plans are made, if the parameters want it. Collective over world. */
SN_MUST_CHECK sn_status sn_setup_keep_wisdom(const sn_app *app);

#endif
