/* Gradient files: loss, gradient of every trainable block, of the initial states, and the trajectory it belongs to. */
#ifndef SINODE_GRADIENT_FILE_H
#define SINODE_GRADIENT_FILE_H

#include <stddef.h>

#include "sinode/error.h"
#include "sinode/file.h"
#include "sinode/grid.h"
#include "sinode/parameters.h"
#include "sinode/partition.h"

typedef struct {
  double loss;
  ptrdiff_t samples;           /* in all */
  sn_range own_samples;        /* of this replica */
  ptrdiff_t snapshots;         /* window + 1 */
  const double *trajectory;    /* (own samples, snapshots, local points) */
  const double *initial_state; /* (own samples, local points): derivative by the initial states */
  ptrdiff_t steps;
  const double *adjoint_norm; /* (steps): norm of the derivative by the state before each time step */
  const sn_parameters *parameters;
  const double *gradient; /* in their layout, reduced */
} sn_gradient_result;

/* Collective over the grid's world; errors are those of sinode/file.h. */
SN_MUST_CHECK sn_status sn_gradient_file_write(const sn_grid *grid, const char *path, const sn_gradient_result *result,
                                               const sn_provenance *provenance);

#endif
