/* Where the points of a trajectory file are, against where the program has them: at j L / N. */
#ifndef SINODE_IO_TRAJECTORY_X_H
#define SINODE_IO_TRAJECTORY_X_H

#include "cf_variable.h"
#include "trajectory_layout.h"

typedef struct {
  bool falls;        /* evenly: u is to be mirrored */
  char note[160];    /* what is done to read it, or "" */
  char problem[320]; /* why it cannot be, and what to do; or "" */
} sn_trajectory_x;

/* Looks at x, a part on each rank, and where the end point may be there twice at u. Collective. */
SN_MUST_CHECK sn_status sn_trajectory_look_at_x(sn_file *file, const sn_trajectory_layout *layout,
                                                const sn_cf_variable *u, double length, sn_trajectory_x *found);

#endif
