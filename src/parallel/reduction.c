#include "sinode/reduction.h"

#include <string.h>

#include "sinode/finite.h"
#include "sinode/memory.h"

/*
 * Doubles of a bucket, at least (or a share of the whole) and at most, so that MPI's counts stay far from 2^31; and of
 * the 64 bytes at which parts begin.
 */
enum { BUCKET_LEAST = 1 << 15, BUCKET_SHARE = 16, BUCKET_MOST = 1 << 28, ALIGNMENT = 8 };

struct sn_reduction {
  sn_parameters *parameters;
  const sn_grid *grid;
  int replicas, replica;
  int buckets;
  sn_range *bucket;      /* from the end of the vector to its beginning */
  double *gradient;      /* of the pass under way */
  int started;           /* buckets on their way */
  double *incoming;      /* (replicas - 1) parts a bucket, one bucket behind the other */
  ptrdiff_t *place;      /* (buckets) in incoming */
  MPI_Request *requests; /* (buckets, 2 (replicas - 1)) */
};

/* The part of a bucket that a replica completes. */
static sn_range part_of(const sn_reduction *r, int bucket, int replica) {
  const sn_range whole = r->bucket[bucket];
  const ptrdiff_t lines = (whole.count + ALIGNMENT - 1) / ALIGNMENT;
  sn_range part = sn_partition_range((sn_partition){.points = lines, .ranks = r->replicas}, replica);
  ptrdiff_t end = (part.start + part.count) * ALIGNMENT;
  if (end > whole.count) end = whole.count;
  part.start *= ALIGNMENT;
  return (sn_range){.start = whole.start + part.start, .count = end > part.start ? end - part.start : 0};
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

static MPI_Request *requests_of(const sn_reduction *r, int bucket) {
  return r->requests + (ptrdiff_t)bucket * 2 * (r->replicas - 1);
}

static void start(sn_reduction *r, int bucket) {
  MPI_Request *request = requests_of(r, bucket);
  const MPI_Comm replicas = sn_grid_replicas(r->grid);
  const sn_range own = part_of(r, bucket, r->replica);
  double *incoming = r->incoming + r->place[bucket];
  for (int replica = 0; replica < r->replicas; replica++) {
    if (replica == r->replica) continue;
    const sn_range theirs = part_of(r, bucket, replica);
    MPI_Irecv(incoming, (int)own.count, MPI_DOUBLE, replica, bucket, replicas, request++);
    MPI_Isend(r->gradient + theirs.start, (int)theirs.count, MPI_DOUBLE, replica, bucket, replicas, request++);
    incoming += own.count;
  }
}

/* Called while the pass goes on: everything from `offset` on is settled. Gives MPI a chance to move what is under way.
 */
static void settled(void *context, ptrdiff_t offset) {
  sn_reduction *r = context;
  sn_timer_start(sn_grid_timer(r->grid), SN_TIME_REDUCE);
  int done;
  if (r->started) MPI_Testall(r->started * 2 * (r->replicas - 1), r->requests, &done, MPI_STATUSES_IGNORE);
  while (r->started < r->buckets && r->bucket[r->started].start >= offset) start(r, r->started++);
  sn_timer_stop(sn_grid_timer(r->grid), SN_TIME_REDUCE);
}

static sn_status allocate_arrays(sn_reduction *r) {
  r->buckets = cut(r->parameters, NULL);
  SN_TRY(SN_NEW(r->buckets, &r->bucket));
  SN_TRY(SN_NEW(r->buckets, &r->place));
  cut(r->parameters, r->bucket);
  ptrdiff_t room = 0;
  for (int b = 0; b < r->buckets; b++) {
    r->place[b] = room;
    room += part_of(r, b, r->replica).count * (r->replicas - 1);
  }
  const ptrdiff_t requests = (ptrdiff_t)r->buckets * 2 * (r->replicas - 1);
  SN_TRY(SN_NEW(room, &r->incoming));
  SN_TRY(SN_NEW(requests, &r->requests));
  for (ptrdiff_t k = 0; k < requests; k++) r->requests[k] = MPI_REQUEST_NULL;
  return SN_OK;
}

sn_status sn_reduction_create(sn_parameters *parameters, sn_reduction **out) {
  const sn_grid *grid = sn_parameters_grid(parameters);
  sn_reduction *r;
  *out = NULL;
  SN_TRY(sn_collective_status(sn_grid_world(grid), SN_NEW(1, &r)));
  *out = r;
  *r = (sn_reduction){.parameters = parameters,
                      .grid = grid,
                      .replicas = sn_grid_replica_count(grid),
                      .replica = sn_grid_replica(grid)};
  sn_status status = sn_collective_status(sn_grid_world(grid), allocate_arrays(r));
  if (status) sn_reduction_destroy(out);
  return status;
}

void sn_reduction_destroy(sn_reduction **reduction) {
  sn_reduction *r = *reduction;
  if (!r) return;
  SN_FREE(r->bucket);
  SN_FREE(r->place);
  SN_FREE(r->incoming);
  SN_FREE(r->requests);
  SN_FREE(*reduction);
}

void sn_reduction_begin(sn_reduction *r, double *gradient) {
  r->gradient = gradient;
  r->started = 0;
  if (r->replicas > 1) sn_parameters_on_gradient_ready(r->parameters, settled, r);
}

static void wait_for(sn_reduction *r, int bucket) {
  MPI_Waitall(2 * (r->replicas - 1), requests_of(r, bucket), MPI_STATUSES_IGNORE);
}

static void add(ptrdiff_t count, const double *restrict a, double *restrict sum) {
  for (ptrdiff_t k = 0; k < count; k++) sum[k] += a[k];
}

/*
 * own := the parts of replicas 0, 1, ... added in this order, in pieces that stay in the cache; whether all sums are
 * finite.
 */
static bool add_parts(const sn_reduction *r, ptrdiff_t count, const double *incoming, double *own) {
  enum { PIECE = 512 };
  bool finite = true;
  double sum[PIECE];
  for (ptrdiff_t first = 0; first < count; first += PIECE) {
    const ptrdiff_t length = count - first < PIECE ? count - first : PIECE;
    for (int replica = 0; replica < r->replicas; replica++) {
      const double *part = replica == r->replica ? own : incoming + (replica - (replica > r->replica)) * count;
      if (replica == 0)
        memcpy(sum, part + first, (size_t)length * sizeof *sum);
      else
        add(length, part + first, sum);
    }
    finite &= sn_all_finite(length, sum);
    memcpy(own + first, sum, (size_t)length * sizeof *own);
  }
  return finite;
}

bool sn_reduction_finish(sn_reduction *r, int count, double *numbers) {
  double extended[SN_PARAMETERS_NUMBERS] = {0};
  bool finite = true;
  sn_parameters_on_gradient_ready(r->parameters, NULL, NULL);
  sn_timer_start(sn_grid_timer(r->grid), SN_TIME_REDUCE);
  if (r->replicas > 1)
    while (r->started < r->buckets) start(r, r->started++);
  sn_parameters_pack_replicated(r->parameters, r->gradient);
  for (int b = 0; b < r->buckets; b++) {
    const sn_range own = part_of(r, b, r->replica);
    if (r->replicas > 1) {
      wait_for(r, b);
      finite &= add_parts(r, own.count, r->incoming + r->place[b], r->gradient + own.start);
    } else {
      finite &= sn_all_finite(own.count, r->gradient + own.start);
    }
  }
  for (int k = 0; k < count; k++) extended[k] = numbers[k];
  extended[count] = !finite;
  sn_parameters_sum_replicated(r->parameters, r->gradient, count + 1, extended);
  for (int k = 0; k < count; k++) numbers[k] = extended[k];
  sn_timer_stop(sn_grid_timer(r->grid), SN_TIME_REDUCE);
  return extended[count] == 0;
}

int sn_reduction_parts(const sn_reduction *r) { return r->buckets; }

sn_range sn_reduction_part(const sn_reduction *r, int index) { return part_of(r, index, r->replica); }

void sn_reduction_share(sn_reduction *r, int index, double *vector) {
  if (r->replicas == 1) return;
  MPI_Request *request = requests_of(r, index);
  const MPI_Comm replicas = sn_grid_replicas(r->grid);
  const sn_range own = part_of(r, index, r->replica);
  sn_timer_start(sn_grid_timer(r->grid), SN_TIME_REDUCE);
  for (int replica = 0; replica < r->replicas; replica++) {
    if (replica == r->replica) continue;
    const sn_range theirs = part_of(r, index, replica);
    MPI_Irecv(vector + theirs.start, (int)theirs.count, MPI_DOUBLE, replica, index, replicas, request++);
    MPI_Isend(vector + own.start, (int)own.count, MPI_DOUBLE, replica, index, replicas, request++);
  }
  sn_timer_stop(sn_grid_timer(r->grid), SN_TIME_REDUCE);
}

void sn_reduction_complete(sn_reduction *r) {
  if (r->replicas == 1) return;
  sn_timer_start(sn_grid_timer(r->grid), SN_TIME_REDUCE);
  for (int b = 0; b < r->buckets; b++) wait_for(r, b);
  sn_timer_stop(sn_grid_timer(r->grid), SN_TIME_REDUCE);
}

void sn_reduction_sum(sn_reduction *r, double *gradient) {
  sn_reduction_begin(r, gradient);
  sn_reduction_finish(r, 0, NULL);
  sn_reduction_gather(r, gradient);
}

void sn_reduction_gather(sn_reduction *r, double *vector) {
  for (int b = 0; b < r->buckets; b++) sn_reduction_share(r, b, vector);
  sn_reduction_complete(r);
}
