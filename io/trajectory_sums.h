/* Checksums of trajectory files: one a snapshot, of u and the time, in a variable over time. */
#ifndef SINODE_IO_TRAJECTORY_SUMS_H
#define SINODE_IO_TRAJECTORY_SUMS_H

#include <stdbool.h>
#include <stdint.h>

#include "sinode/partition.h"

#define SN_TRAJECTORY_SUMS "u_checksum"

/*
 * This rank's share of a snapshot's checksum: of u (members, points), members `stride` doubles apart, a part of all
 * members of `all_points` points each; and of the time, which one rank adds. Local.
 */
uint64_t sn_trajectory_share(double time, bool adds_time, sn_range members, sn_range points, ptrdiff_t all_points,
                             const double *u, ptrdiff_t stride);

#endif
