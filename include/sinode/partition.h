/* Block partition of 0 .. points-1 over ranks: contiguous, the first points % ranks blocks one longer. All local. */
#ifndef SINODE_PARTITION_H
#define SINODE_PARTITION_H

#include <stddef.h>

typedef struct {
  ptrdiff_t points;
  int ranks;
} sn_partition;

/* The half-open range [start, start + count). */
typedef struct {
  ptrdiff_t start, count;
} sn_range;

sn_range sn_partition_range(sn_partition partition, int rank);
int sn_partition_owner(sn_partition partition, ptrdiff_t point);

/* Points of the longest block. */
ptrdiff_t sn_partition_most(ptrdiff_t points, int ranks);

/* Overlap of two ranges; count = 0 if there is none. */
sn_range sn_range_intersect(sn_range a, sn_range b);

#endif
