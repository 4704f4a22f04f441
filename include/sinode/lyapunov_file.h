/* Files of Lyapunov exponents (sinode_kind "lyapunov"). */
#ifndef SINODE_LYAPUNOV_FILE_H
#define SINODE_LYAPUNOV_FILE_H

#include <stddef.h>

#include "sinode/error.h"
#include "sinode/file.h"
#include "sinode/grid.h"

/* The same on all ranks. */
typedef struct {
  ptrdiff_t exponents, blocks;
  const double *exponent, *error; /* (exponents): means, and their standard errors */
  const double *rate;             /* (blocks, exponents): over each block of time alone */
  const double *time;             /* (blocks): where each ends */
  double dimension;               /* Kaplan-Yorke; NaN: more exponents are needed */
} sn_lyapunov_result;

/* Collective over the grid's world; errors are those of sinode/file.h. */
SN_MUST_CHECK sn_status sn_lyapunov_file_write(const sn_grid *grid, const char *path, const sn_lyapunov_result *result,
                                               const sn_provenance *provenance);

#endif
