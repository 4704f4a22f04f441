/* The checks of `sinode selftest`: each compares what is computed here with what is known. */
#ifndef SINODE_COMMANDS_SELFTEST_H
#define SINODE_COMMANDS_SELFTEST_H

#include "run/app.h"
#include "sinode/grid.h"

enum { SN_SELFTEST_POINTS = 64 };

typedef struct {
  const char *name;
  double limit;
  /* Computes the error, the same on all ranks. Collective over the grid's world. */
  sn_status (*measure)(const sn_grid *grid, double *error);
} sn_selftest_check;

/* The checks, ending with a NULL name. */
const sn_selftest_check *sn_selftest_numerics(void);
const sn_selftest_check *sn_selftest_system(void);

/* The largest error over all ranks; NaN counts as infinite. */
double sn_selftest_worst(const sn_grid *grid, double error);

#endif
