/*
 * The process grid: world = replicas x space ranks. World rank w is space rank w % space of replica w / space, so that
 * the ranks of a replica, which talk most, are neighbours on a node. A replica holds one copy of the model, split over
 * its space ranks, and a share of every batch.
 */
#ifndef SINODE_GRID_H
#define SINODE_GRID_H

#include <mpi.h>

#include "sinode/error.h"
#include "sinode/partition.h"
#include "sinode/timer.h"

typedef struct sn_grid sn_grid;

/*
 * Splits world into replicas of `space` ranks. Duplicates communicators; timer may be NULL and is not owned. Collective
 * over world. Error SN_ERROR_USAGE (the same on all ranks) if space does not divide the world size or points / 2 <
 * space.
 */
SN_MUST_CHECK sn_status sn_grid_create(MPI_Comm world, int space, ptrdiff_t points, sn_timer *timer, sn_grid **out);

/* The same error, or none, for any world size. Local, alike on all ranks. */
SN_MUST_CHECK sn_status sn_grid_allows(int ranks, int space, ptrdiff_t points);

/* Collective over world. */
void sn_grid_destroy(sn_grid **grid);

MPI_Comm sn_grid_world(const sn_grid *grid);    /* all ranks */
MPI_Comm sn_grid_space(const sn_grid *grid);    /* the ranks that share one replica's grid points */
MPI_Comm sn_grid_replicas(const sn_grid *grid); /* the ranks that hold the same points in all replicas */
int sn_grid_rank(const sn_grid *grid);          /* in world */
int sn_grid_space_rank(const sn_grid *grid);
int sn_grid_space_size(const sn_grid *grid);
int sn_grid_replica(const sn_grid *grid);
int sn_grid_replica_count(const sn_grid *grid);

/* Grid points in all, their partition over the space ranks, and the range of this rank. */
ptrdiff_t sn_grid_points(const sn_grid *grid);
sn_partition sn_grid_partition(const sn_grid *grid);
sn_range sn_grid_range(const sn_grid *grid);

/* The share of this replica in `count` items (members, samples of a batch), in blocks. */
sn_range sn_grid_share(const sn_grid *grid, ptrdiff_t count);

sn_timer *sn_grid_timer(const sn_grid *grid);

/* Sums `count` values over the space ranks, in place: one reduction, none on one rank. Collective over space. */
void sn_grid_sum_over_space(const sn_grid *grid, ptrdiff_t count, double *values);

#endif
