#include "reduction_ops.h"

#include <math.h>

#include "sinode/memory.h"

/*
 * Doubles of a bucket, at least (or a share of the whole) and at most, so that MPI's counts stay far from 2^31; and of
 * the 64 bytes at which parts begin.
 */
enum { BUCKET_LEAST = 1 << 15, BUCKET_SHARE = 16, BUCKET_MOST = 1 << 28, ALIGNMENT = 8 };

int sn_reduction_groups(int replicas) {
  return replicas > SN_REDUCTION_DIRECT_MOST ? (int)lround(sqrt((double)replicas)) : replicas;
}

int sn_reduction_messages(int replicas) {
  const int groups = sn_reduction_groups(replicas);
  if (groups == replicas) return replicas - 1;
  const int smallest = replicas / groups; /* whose members collect for most owners */
  return (int)sn_partition_most(replicas, groups) - 1 + (int)sn_partition_most(replicas, smallest);
}

sn_range sn_reduction_piece(const sn_reduction *r, int bucket, sn_range owners) {
  const sn_range whole = r->bucket[bucket];
  const sn_partition lines = {.points = (whole.count + ALIGNMENT - 1) / ALIGNMENT, .ranks = r->replicas};
  const sn_range last = sn_partition_range(lines, (int)(owners.start + owners.count - 1));
  const ptrdiff_t start = sn_partition_range(lines, (int)owners.start).start * ALIGNMENT;
  ptrdiff_t end = (last.start + last.count) * ALIGNMENT;
  if (end > whole.count) end = whole.count;
  return (sn_range){.start = whole.start + start, .count = end > start ? end - start : 0};
}

static sn_range part_of(const sn_reduction *r, int bucket, int replica) {
  return sn_reduction_piece(r, bucket, (sn_range){.start = replica, .count = 1});
}

static sn_range members_of(const sn_reduction *r, int group) {
  return sn_partition_range((sn_partition){.points = r->replicas, .ranks = r->groups}, group);
}

sn_range sn_reduction_owners(const sn_reduction *r, int replica) {
  const sn_partition owners = {.points = r->replicas, .ranks = (int)r->members.count};
  return sn_partition_range(owners, replica - (int)r->members.start);
}

int sn_reduction_collector(const sn_reduction *r, int group) {
  const sn_range members = members_of(r, group);
  const sn_partition owners = {.points = r->replicas, .ranks = (int)members.count};
  return (int)members.start + sn_partition_owner(owners, r->replica);
}

MPI_Request *sn_reduction_within(const sn_reduction *r, int bucket) {
  return r->requests + (ptrdiff_t)bucket * (r->within + r->across);
}

MPI_Request *sn_reduction_across(const sn_reduction *r, int bucket) {
  return sn_reduction_within(r, bucket) + r->within;
}

static void put(ptrdiff_t start, ptrdiff_t end, int *count, sn_range *bucket) {
  if (bucket) bucket[*count] = (sn_range){.start = start, .count = end - start};
  (*count)++;
}

/* Cuts the runs of trainable blocks, at the ends of blocks where these are not too large. Returns how many there are.
 */
static int cut(const sn_parameters *p, sn_range *bucket) {
  const ptrdiff_t size = sn_parameters_size(p), share = size / BUCKET_SHARE;
  const ptrdiff_t least = share > BUCKET_LEAST ? share : BUCKET_LEAST;
  ptrdiff_t end = size;
  int count = 0;
  for (int i = sn_parameters_blocks(p) - 1; i >= 0; i--) {
    const sn_parameter_block *block = sn_parameters_block(p, i);
    const bool trains_on = i > 0 && sn_parameters_block(p, i - 1)->trainable;
    for (; block->trainable && end - block->offset > BUCKET_MOST; end -= BUCKET_MOST)
      put(end - BUCKET_MOST, end, &count, bucket);
    const bool ends = block->trainable && (end - block->offset >= least || !trains_on);
    if (ends) put(block->offset, end, &count, bucket);
    if (ends || !block->trainable) end = block->offset;
  }
  return count;
}

sn_status sn_reduction_lay_out(sn_reduction *r, sn_parameters *parameters, int groups) {
  r->parameters = parameters;
  r->grid = sn_parameters_grid(parameters);
  r->replicas = sn_grid_replica_count(r->grid);
  r->replica = sn_grid_replica(r->grid);
  r->groups = groups;
  r->members = members_of(r, sn_partition_owner((sn_partition){.points = r->replicas, .ranks = groups}, r->replica));
  r->owners = sn_reduction_owners(r, r->replica);
  r->within = 2 * ((int)r->members.count - 1);
  r->across = (int)r->owners.count + groups;
  r->buckets = cut(parameters, NULL);
  SN_TRY(SN_NEW(r->buckets, &r->bucket));
  cut(parameters, r->bucket);
  const ptrdiff_t requests = (ptrdiff_t)r->buckets * (r->within + r->across);
  SN_TRY(SN_NEW(requests, &r->requests));
  for (ptrdiff_t k = 0; k < requests; k++) r->requests[k] = MPI_REQUEST_NULL;
  return SN_OK;
}

void sn_reduction_destroy(sn_reduction **reduction) {
  sn_reduction *r = *reduction;
  if (!r) return;
  r->ops->destroy(r);
  SN_FREE(r->bucket);
  SN_FREE(r->requests);
  SN_FREE(*reduction);
}

sn_range sn_reduction_begin(sn_reduction *r, ptrdiff_t items, ptrdiff_t chunk, double *gradient) {
  return r->ops->begin(r, items, chunk, gradient);
}

const sn_gradient *sn_reduction_chunk(sn_reduction *r, bool last) { return r->ops->chunk(r, last); }

void sn_reduction_add(sn_reduction *r, double value) { r->ops->add(r, value); }

bool sn_reduction_finish(sn_reduction *r, double *value, int count, double *numbers) {
  sn_timer_start(sn_grid_timer(r->grid), SN_TIME_REDUCE);
  const bool finite = r->ops->finish(r, value, count, numbers);
  sn_timer_stop(sn_grid_timer(r->grid), SN_TIME_REDUCE);
  return finite;
}

double sn_reduction_square(const sn_reduction *r, const double *gradient) { return r->ops->square(r, gradient); }

int sn_reduction_parts(const sn_reduction *r) { return r->buckets; }

sn_range sn_reduction_part(const sn_reduction *r, int index) { return part_of(r, index, r->replica); }

/* The own part to its collector in each group, and from the owners theirs. */
static void share_across(const sn_reduction *r, int bucket, double *vector) {
  MPI_Request *request = sn_reduction_across(r, bucket);
  const MPI_Comm replicas = sn_grid_replicas(r->grid);
  const int tag = sn_reduction_tag(bucket, true);
  const sn_range own = part_of(r, bucket, r->replica);
  for (int owner = (int)r->owners.start; owner < r->owners.start + r->owners.count; owner++) {
    const sn_range theirs = part_of(r, bucket, owner);
    if (owner != r->replica)
      MPI_Irecv(vector + theirs.start, (int)theirs.count, MPI_DOUBLE, owner, tag, replicas, request++);
  }
  for (int group = 0; group < r->groups; group++) {
    const int collector = sn_reduction_collector(r, group);
    if (collector != r->replica)
      MPI_Isend(vector + own.start, (int)own.count, MPI_DOUBLE, collector, tag, replicas, request++);
  }
}

/* What this replica collected to the others of its group, and from them what they did. */
static void share_within(const sn_reduction *r, int bucket, double *vector) {
  MPI_Request *request = sn_reduction_within(r, bucket);
  const MPI_Comm replicas = sn_grid_replicas(r->grid);
  const int tag = sn_reduction_tag(bucket, false);
  const sn_range own = sn_reduction_piece(r, bucket, r->owners);
  for (int member = (int)r->members.start; member < r->members.start + r->members.count; member++) {
    if (member == r->replica) continue;
    const sn_range theirs = sn_reduction_piece(r, bucket, sn_reduction_owners(r, member));
    MPI_Irecv(vector + theirs.start, (int)theirs.count, MPI_DOUBLE, member, tag, replicas, request++);
    MPI_Isend(vector + own.start, (int)own.count, MPI_DOUBLE, member, tag, replicas, request++);
  }
}

void sn_reduction_share(sn_reduction *r, int index, double *vector) {
  if (r->replicas == 1) return;
  sn_timer_start(sn_grid_timer(r->grid), SN_TIME_REDUCE);
  r->shared = vector;
  share_across(r, index, vector);
  sn_timer_stop(sn_grid_timer(r->grid), SN_TIME_REDUCE);
}

void sn_reduction_complete(sn_reduction *r) {
  if (r->replicas == 1) return;
  sn_timer_start(sn_grid_timer(r->grid), SN_TIME_REDUCE);
  for (int b = 0; b < r->buckets; b++) {
    MPI_Waitall(r->across, sn_reduction_across(r, b), MPI_STATUSES_IGNORE);
    share_within(r, b, r->shared);
  }
  for (int b = 0; b < r->buckets; b++) MPI_Waitall(r->within, sn_reduction_within(r, b), MPI_STATUSES_IGNORE);
  sn_timer_stop(sn_grid_timer(r->grid), SN_TIME_REDUCE);
}

void sn_reduction_gather(sn_reduction *r, double *vector) {
  for (int b = 0; b < r->buckets; b++) sn_reduction_share(r, b, vector);
  sn_reduction_complete(r);
}
