/*
 * The sum of a gradient over the replicas, shared out: every replica completes and updates one part of each bucket, and
 * gets the other parts from those who did. So a gradient of n numbers on R replicas costs 2 (R - 1) messages a bucket,
 * n (R - 1) / R numbers each way, and 1 / R of the optimizer's work (Rajbhandari et al. 2020, ZeRO stage 1). Parts are
 * added in the order of the replicas, whoever holds them, so all replicas have the same bits, and the same in every
 * run.
 *
 * Buckets are pieces of the parameter vector from its end to its beginning, the order in which a backward pass settles
 * them: what is settled travels while the pass goes on (sn_parameters_set_final).
 *
 * Blocks replicated over the space ranks are summed over world in one message besides, of one length on all ranks, so
 * that every rank ends with the same bits and the copies cannot drift apart; numbers of the caller travel with them.
 */
#ifndef SINODE_REDUCTION_H
#define SINODE_REDUCTION_H

#include <stdbool.h>
#include <stddef.h>

#include "sinode/error.h"
#include "sinode/parameters.h"
#include "sinode/partition.h"

typedef struct sn_reduction sn_reduction;

/*
 * For gradients in the layout of `parameters` (kept, not owned, complete). Takes (R - 1) / R as many numbers as they
 * have. Collective over world.
 */
sn_status sn_reduction_create(sn_parameters *parameters, sn_reduction **out);
void sn_reduction_destroy(sn_reduction **reduction);

/* A backward pass into `gradient` begins: what it settles is sent at once. Local. */
void sn_reduction_begin(sn_reduction *reduction, double *gradient);

/*
 * The pass is over: sends what is left and sums. Then gradient holds the sums on this replica's parts, replicated
 * blocks everywhere, and numbers[0 .. count-1], fewer than SN_PARAMETERS_NUMBERS, their sums over world. Returns
 * whether all of the gradient is finite, the same on all ranks. Collective over world.
 */
bool sn_reduction_finish(sn_reduction *reduction, int count, double *numbers);

/* The parts of this replica, one a bucket; some may be empty. */
int sn_reduction_parts(const sn_reduction *reduction);
sn_range sn_reduction_part(const sn_reduction *reduction, int index);

/* Sends part `index` of a vector in the same layout to the other replicas. Every part once, in this order. */
void sn_reduction_share(sn_reduction *reduction, int index, double *vector);
/* Waits until the parts of all replicas are there. Collective over the replicas. */
void sn_reduction_complete(sn_reduction *reduction);
/* Both for all parts: a vector of which every replica has its parts becomes whole everywhere. Collective. */
void sn_reduction_gather(sn_reduction *reduction, double *vector);

/* The whole sum on all replicas, of a gradient that is complete. Collective over world. */
void sn_reduction_sum(sn_reduction *reduction, double *gradient);

#endif
