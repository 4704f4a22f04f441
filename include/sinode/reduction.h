/*
 * Sums of a gradient, and of a value and some numbers beside it, over the ranks: what an evaluation goes through that
 * is shared out over the replicas. Two kinds:
 *
 *   scattered  Every replica completes one part of each bucket of the vector and gets the other parts from those who
 *              completed them, after its optimizer has updated its own (Rajbhandari et al. 2020, ZeRO stage 1): 1/R of
 *              the optimizer's work, and n (R - 1) / R of n numbers each way. Buckets are pieces of the parameter
 *              vector from its end to its beginning, the order in which a backward pass is done with them: what is
 *              final travels while the pass goes on (sinode/gradient.h). Parts are added in the order of the replicas,
 *              whoever holds them: all replicas have the same bits, and the same in every run.
 *
 *   ordered    The same bits on any number of replicas: each chunk's gradient is a leaf of a binary tree
 *              (sinode/ordered_reduction.h), and the sum is whole on all replicas. Parameters are updated in parts all
 *              the same.
 *
 * Up to SN_REDUCTION_DIRECT_MOST replicas, parts travel from everyone to everyone: R - 1 messages a bucket. More
 * replicas form about sqrt(R) groups of neighbours and need about 2 sqrt(R): within a group each replica adds up what
 * the group has of the parts of some owners, and sends the sums there, where those of the groups are added in their
 * order; updated parts go back the same way. The same bits on all replicas again, but not those of the direct sum.
 *
 * Blocks replicated over the space ranks are summed over world in one message besides, of one length on all ranks, so
 * that every rank ends with the same bits and the copies cannot drift apart; numbers of the caller travel with them.
 */
#ifndef SINODE_REDUCTION_H
#define SINODE_REDUCTION_H

#include <stdbool.h>
#include <stddef.h>

#include "sinode/error.h"
#include "sinode/gradient.h"
#include "sinode/parameters.h"
#include "sinode/partition.h"

enum { SN_REDUCTION_DIRECT_MOST = 16 };

typedef struct sn_reduction sn_reduction;

/*
 * Scattered, for gradients in the layout of `parameters` (kept, not owned, complete). Takes about as many numbers as
 * they have. Collective over world.
 */
SN_MUST_CHECK sn_status sn_reduction_create(sn_parameters *parameters, sn_reduction **out);

/* Ordered, for at most so many chunks of an evaluation with gradient, and of one without. Collective over world. */
SN_MUST_CHECK sn_status sn_reduction_create_ordered(sn_parameters *parameters, ptrdiff_t gradients_most,
                                                    ptrdiff_t values_most, sn_reduction **out);
void sn_reduction_destroy(sn_reduction **reduction);

/*
 * An evaluation of `items` items begins, to be made in chunks of `chunk` ones (the last may be smaller), into
 * `gradient`, or of the value alone if that is NULL. Returns the items of this replica. Local.
 */
sn_range sn_reduction_begin(sn_reduction *reduction, ptrdiff_t items, ptrdiff_t chunk, double *gradient);

/*
 * For each chunk of this replica in their order: chunk gives the gradient to add to (NULL without one), add takes the
 * chunk's value. A replica without items has no chunk to add; the gradient that it may ask for leads nowhere. Local.
 */
const sn_gradient *sn_reduction_chunk(sn_reduction *reduction, bool last);
void sn_reduction_add(sn_reduction *reduction, double value);

/*
 * Sends what is left and sums. Then the gradient holds the sums on this replica's parts at least, and *value and
 * numbers[0 .. count-1], at most SN_PARAMETERS_NUMBERS - 2, their sums over world. Returns whether all of the gradient
 * is finite, the same on all ranks; true without one. Collective over world.
 */
bool sn_reduction_finish(sn_reduction *reduction, double *value, int count, double *numbers);

/* Sum of squares of a gradient after the sum, each element once. Collective over world. */
double sn_reduction_square(const sn_reduction *reduction, const double *gradient);

/* The parts of this replica, one a bucket; some may be empty. */
int sn_reduction_parts(const sn_reduction *reduction);
sn_range sn_reduction_part(const sn_reduction *reduction, int index);

/* Sends part `index` of a vector in the same layout to the other replicas. Every part once, in this order. */
void sn_reduction_share(sn_reduction *reduction, int index, double *vector);
/* Waits until the parts of all replicas are there. Collective over the replicas. */
void sn_reduction_complete(sn_reduction *reduction);
/* Both for all parts: a vector of which every replica has its parts becomes whole everywhere. Collective. */
void sn_reduction_gather(sn_reduction *reduction, double *vector);

/* The whole sum on all replicas, of a gradient that is complete, by a scattered reduction. Collective over world. */
void sn_reduction_sum(sn_reduction *reduction, double *gradient);

/* The most messages of a bucket that a replica sends to sum it up, and again to share it, on so many replicas. */
int sn_reduction_messages(int replicas);

/* The groups in which so many replicas sum; as many as there are replicas: the direct sum. Local. */
int sn_reduction_groups(int replicas);

#endif
