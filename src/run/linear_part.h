/* The linear part of the parameters on a grid of one rank: its coefficients and symbol, no arrays of the grid's size.
 */
#ifndef SINODE_RUN_LINEAR_PART_H
#define SINODE_RUN_LINEAR_PART_H

#include "app.h"
#include "sinode/grid.h"
#include "sinode/linear.h"
#include "sinode/parameters.h"

typedef struct {
  sn_grid *grid;
  sn_parameters *parameters;
  sn_linear *linear;
} sn_linear_part;

/* Fills *part, with the parameters that samples of generated data have, for sn_linear_part_free to empty, also after an
 * error. Local. */
SN_MUST_CHECK sn_status sn_linear_part_build(const sn_app *app, sn_linear_part *part);
void sn_linear_part_free(sn_linear_part *part);

#endif
