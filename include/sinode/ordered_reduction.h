/*
 * Sums of vectors in an order that does not depend on the ranks. The vectors are the leaves of a binary tree: leaf 2i
 * and leaf 2i + 1 are added, then such pairs, and so on; a node without a sibling is passed on. Leaves are shared out
 * over the replicas in blocks. A replica adds what lies in its block as it comes and keeps the few nodes whose siblings
 * are elsewhere; then, level by level, the right sibling is sent to the replica that has the left one. So the sum has
 * the same bits on any number of replicas. Costs: as many messages of a vector's length as the tree has levels, one
 * after the other, and a broadcast; memory for two vectors a level.
 */
#ifndef SINODE_ORDERED_REDUCTION_H
#define SINODE_ORDERED_REDUCTION_H

#include <stddef.h>

#include "sinode/error.h"
#include "sinode/grid.h"

typedef struct sn_ordered_reduction sn_ordered_reduction;

/* For vectors of so many doubles and at most so many leaves. The grid is kept, not owned. Local. */
SN_MUST_CHECK sn_status sn_ordered_reduction_create(const sn_grid *grid, ptrdiff_t length, ptrdiff_t leaves_most,
                                                    sn_ordered_reduction **out);
void sn_ordered_reduction_destroy(sn_ordered_reduction **sum);

/* Begins a sum over so many leaves and returns those of this replica. Local. */
sn_range sn_ordered_reduction_begin(sn_ordered_reduction *sum, ptrdiff_t leaves);

/* Where the next leaf of this replica goes, in order; to be filled, then added. Local. */
double *sn_ordered_reduction_leaf(sn_ordered_reduction *sum);
void sn_ordered_reduction_add(sn_ordered_reduction *sum);

/*
 * The sum of all leaves on replica 0, for it to complete over space; NULL on the other replicas. After it,
 * sn_ordered_reduction_share gives it to all. Each space rank sums its own vectors. Collective over the replicas.
 */
double *sn_ordered_reduction_finish(sn_ordered_reduction *sum);
const double *sn_ordered_reduction_share(sn_ordered_reduction *sum);

#endif
