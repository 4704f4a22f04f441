#include "sinode/partition.h"

sn_range sn_partition_range(sn_partition partition, int rank) {
  ptrdiff_t each = partition.points / partition.ranks, longer = partition.points % partition.ranks;
  return (sn_range){.start = rank * each + (rank < longer ? rank : longer), .count = each + (rank < longer)};
}

int sn_partition_owner(sn_partition partition, ptrdiff_t point) {
  ptrdiff_t each = partition.points / partition.ranks, longer = partition.points % partition.ranks;
  ptrdiff_t in_longer = longer * (each + 1);
  return (int)(point < in_longer ? point / (each + 1) : longer + (point - in_longer) / each);
}

ptrdiff_t sn_partition_most(ptrdiff_t points, int ranks) { return (points + ranks - 1) / ranks; }

sn_range sn_range_intersect(sn_range a, sn_range b) {
  ptrdiff_t start = a.start > b.start ? a.start : b.start;
  ptrdiff_t end_a = a.start + a.count, end_b = b.start + b.count;
  ptrdiff_t end = end_a < end_b ? end_a : end_b;
  return (sn_range){.start = start, .count = end > start ? end - start : 0};
}
