/* The layout of u in a trajectory file: which of its dimensions is which, and where the coordinates are. */
#ifndef SINODE_IO_TRAJECTORY_LAYOUT_H
#define SINODE_IO_TRAJECTORY_LAYOUT_H

#include "hdf5_file.h"
#include "sinode/partition.h"

enum { SN_MEMBER, SN_TIME, SN_X, SN_ROLES };

typedef struct {
  int dimensions;                /* of u in the file: 3, or 2 for one member */
  int place[SN_ROLES];           /* which dimension of u a role has; -1: none, there is one member */
  hsize_t size[SN_ROLES];        /* 1 for a role without a dimension */
  char coordinate[SN_ROLES][80]; /* paths of time and x */
  bool named, in_order;          /* in_order: as in memory, (member, time, x) */
} sn_trajectory_layout;

/*
 * Finds it by the names of the dimension scales or labels of u, and by position where there are none. Collective.
 * Error: names that are unknown or do not go together, coordinates that are missing, have no values or do not fit.
 */
SN_MUST_CHECK sn_status sn_trajectory_find_layout(sn_file *file, sn_trajectory_layout *layout);

/* "(x, time, member)": u as it is in the file, into text. Local. */
void sn_trajectory_print_layout(const sn_trajectory_layout *layout, char *text, size_t size);

/*
 * Reads raw u, or another variable with its dimensions, of each rank's block into values (members, snapshots, points),
 * row-major. Where the file has another order it comes in pieces of at most some MiB. mirrored: the points are counted
 * from the other end.
 */
SN_MUST_CHECK sn_status sn_trajectory_read_block(sn_file *file, const char *path, const sn_trajectory_layout *layout,
                                                 bool mirrored, sn_range members, sn_range snapshots, sn_range points,
                                                 double *values);

#endif
