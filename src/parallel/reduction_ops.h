/* The family of reductions: a table of functions for each kind, and what all of them have. */
#ifndef SINODE_PARALLEL_REDUCTION_OPS_H
#define SINODE_PARALLEL_REDUCTION_OPS_H

#include <mpi.h>

#include "sinode/reduction.h"

typedef struct {
  void (*destroy)(sn_reduction *r); /* what `create` took; the struct itself is reduction.c's */
  sn_range (*begin)(sn_reduction *r, ptrdiff_t items, ptrdiff_t chunk, double *gradient);
  const sn_gradient *(*chunk)(sn_reduction *r, bool last);
  void (*add)(sn_reduction *r, double value);
  bool (*finish)(sn_reduction *r, double *value, int count, double *numbers);
  double (*square)(const sn_reduction *r, const double *gradient);
} sn_reduction_ops;

/*
 * First member of every reduction: how the vector is cut and who completes what, in two stages. Groups are blocks of
 * neighbours; each member is the collector of some owners, of whose parts its group has something. With one member a
 * group, every replica is the collector of all owners, and the first stage is empty.
 */
struct sn_reduction {
  const sn_reduction_ops *ops;
  sn_parameters *parameters;
  const sn_grid *grid;
  int replicas, replica, groups;
  sn_range members, owners; /* of this replica's group; whose collector it is in that */
  int buckets;
  sn_range *bucket;      /* from the end of the vector to its beginning */
  int within, across;    /* requests of a bucket in each stage, at most */
  MPI_Request *requests; /* (buckets, within + across) */
  double *shared;        /* the vector whose parts are on their way */
};

/* In so many groups, 1 .. R, R being the direct sum; what sn_reduction_create chooses by the number of replicas. */
SN_MUST_CHECK sn_status sn_reduction_create_in_groups(sn_parameters *parameters, int groups, sn_reduction **out);

/* For the kinds: r is zeroed memory with ops; cuts the vector. Local. */
SN_MUST_CHECK sn_status sn_reduction_lay_out(sn_reduction *r, sn_parameters *parameters, int groups);

/* The piece of a bucket that these replicas complete. */
sn_range sn_reduction_piece(const sn_reduction *r, int bucket, sn_range owners);
/* Whose collector `replica`, a member of this one's group, is. */
sn_range sn_reduction_owners(const sn_reduction *r, int replica);
/* The collector of this replica's parts in a group. */
int sn_reduction_collector(const sn_reduction *r, int group);

/* The requests of a bucket in each stage; both stages' messages have tags of their own. */
MPI_Request *sn_reduction_within(const sn_reduction *r, int bucket);
MPI_Request *sn_reduction_across(const sn_reduction *r, int bucket);
static inline int sn_reduction_tag(int bucket, bool across) { return 2 * bucket + across; }

#endif
