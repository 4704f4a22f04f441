/*
 * Scattered sums. Stage one, within a group: everyone sends each member what it has of the owners whose collector that
 * is, and the collector adds up, in the order of the members. Stage two, across the groups: the collector sends each
 * owner its part of that, and the owner adds up, in the order of the groups.
 */
#include <string.h>

#include "reduction_ops.h"
#include "sinode/finite.h"
#include "sinode/memory.h"

typedef struct {
  sn_reduction base;
  sn_gradient gradient; /* of the evaluation under way; no values: it has none */
  double value;
  int started, collected; /* buckets whose first, second stage has begun */
  double *incoming;       /* of a bucket: pieces of the other members, then parts of the other groups */
  ptrdiff_t *place;       /* (buckets) in incoming */
  const double **term;    /* (replicas) of a sum */
} scattered;

static sn_range own_piece(const scattered *s, int bucket) {
  return sn_reduction_piece(&s->base, bucket, s->base.owners);
}

/* Where the parts of the other groups come in. */
static double *incoming_parts(const scattered *s, int bucket) {
  return s->incoming + s->place[bucket] + own_piece(s, bucket).count * (s->base.members.count - 1);
}

static void add(ptrdiff_t count, const double *restrict a, double *restrict sum) {
  for (ptrdiff_t k = 0; k < count; k++) sum[k] += a[k];
}

/*
 * to := the terms added in their order, in pieces that stay in the cache; `to` may be one of them. Whether all sums are
 * finite.
 */
static bool add_terms(ptrdiff_t count, int terms, const double *const *term, double *to) {
  enum { PIECE = 512 };
  bool finite = true;
  double sum[PIECE];
  for (ptrdiff_t first = 0; first < count; first += PIECE) {
    const ptrdiff_t length = count - first < PIECE ? count - first : PIECE;
    memcpy(sum, term[0] + first, (size_t)length * sizeof *sum);
    for (int k = 1; k < terms; k++) add(length, term[k] + first, sum);
    finite &= sn_all_finite(length, sum);
    memcpy(to + first, sum, (size_t)length * sizeof *to);
  }
  return finite;
}

/* Stage one. */
static void start(scattered *s, int bucket) {
  const sn_reduction *r = &s->base;
  MPI_Request *request = sn_reduction_within(r, bucket);
  const MPI_Comm replicas = sn_grid_replicas(r->grid);
  const int tag = sn_reduction_tag(bucket, false);
  const sn_range own = own_piece(s, bucket);
  double *incoming = s->incoming + s->place[bucket];
  for (int member = (int)r->members.start; member < r->members.start + r->members.count; member++) {
    if (member == r->replica) continue;
    const sn_range theirs = sn_reduction_piece(r, bucket, sn_reduction_owners(r, member));
    MPI_Irecv(incoming, (int)own.count, MPI_DOUBLE, member, tag, replicas, request++);
    MPI_Isend(s->gradient.values + theirs.start, (int)theirs.count, MPI_DOUBLE, member, tag, replicas, request++);
    incoming += own.count;
  }
}

/*
 * What the group has of the piece that this replica collects, when it has come in: the sum stands where the first of
 * its terms came in, since the gradient itself is still wanted (sn_parameters_pack_replicated). Alone, the gradient.
 */
static const double *collect(scattered *s, int bucket) {
  const sn_reduction *r = &s->base;
  const sn_range own = own_piece(s, bucket);
  const double *values = s->gradient.values + own.start;
  double *incoming = s->incoming + s->place[bucket];
  const int members = (int)r->members.count, self = r->replica - (int)r->members.start;
  if (members == 1) return values;
  for (int k = 0; k < members; k++) s->term[k] = k == self ? values : incoming + (k - (k > self)) * own.count;
  add_terms(own.count, members, s->term, incoming);
  return incoming;
}

/* The group's sum of the piece, after `collect`. */
static const double *collected(const scattered *s, int bucket) {
  return s->base.members.count == 1 ? s->gradient.values + own_piece(s, bucket).start : s->incoming + s->place[bucket];
}

/* Stage two. */
static void pass_on(scattered *s, int bucket) {
  const sn_reduction *r = &s->base;
  MPI_Request *request = sn_reduction_across(r, bucket);
  const MPI_Comm replicas = sn_grid_replicas(r->grid);
  const int tag = sn_reduction_tag(bucket, true);
  const sn_range part = sn_reduction_part(r, bucket);
  const double *sums = collect(s, bucket);
  const ptrdiff_t first = own_piece(s, bucket).start;
  double *incoming = incoming_parts(s, bucket);
  for (int group = 0; group < r->groups; group++) {
    const int collector = sn_reduction_collector(r, group);
    if (collector == r->replica) continue;
    MPI_Irecv(incoming, (int)part.count, MPI_DOUBLE, collector, tag, replicas, request++);
    incoming += part.count;
  }
  for (int owner = (int)r->owners.start; owner < r->owners.start + r->owners.count; owner++) {
    const sn_range theirs = sn_reduction_piece(r, bucket, (sn_range){.start = owner, .count = 1});
    if (owner != r->replica)
      MPI_Isend(sums + (theirs.start - first), (int)theirs.count, MPI_DOUBLE, owner, tag, replicas, request++);
  }
}

/* Begins the second stage of buckets whose first is over, or, waiting for that, of all. */
static void advance(scattered *s, bool waits) {
  const sn_reduction *r = &s->base;
  int done = true;
  while (s->collected < s->started) {
    MPI_Request *requests = sn_reduction_within(r, s->collected);
    if (waits)
      MPI_Waitall(r->within, requests, MPI_STATUSES_IGNORE);
    else
      MPI_Testall(r->within, requests, &done, MPI_STATUSES_IGNORE);
    if (!done) return;
    pass_on(s, s->collected++);
  }
}

/* Called while a backward pass goes on. Gives MPI a chance to move what is under way. */
static void send_final(void *context, ptrdiff_t offset) {
  scattered *s = context;
  const sn_reduction *r = &s->base;
  int done;
  sn_timer_start(sn_grid_timer(r->grid), SN_TIME_REDUCE);
  if (s->started) MPI_Testall(s->started * (r->within + r->across), r->requests, &done, MPI_STATUSES_IGNORE);
  while (s->started < r->buckets && r->bucket[s->started].start >= offset) start(s, s->started++);
  advance(s, false);
  sn_timer_stop(sn_grid_timer(r->grid), SN_TIME_REDUCE);
}

/* The sum of the own part from those of the groups; whether it is finite. */
static bool complete(scattered *s, int bucket) {
  const sn_reduction *r = &s->base;
  const sn_range part = sn_reduction_part(r, bucket);
  double *own = s->gradient.values + part.start;
  if (r->replicas == 1) return sn_all_finite(part.count, own);
  const double *incoming = incoming_parts(s, bucket);
  MPI_Waitall(r->across, sn_reduction_across(r, bucket), MPI_STATUSES_IGNORE);
  for (int group = 0; group < r->groups; group++) {
    const bool mine = sn_reduction_collector(r, group) == r->replica;
    s->term[group] = mine ? collected(s, bucket) + (part.start - own_piece(s, bucket).start) : incoming;
    if (!mine) incoming += part.count;
  }
  return add_terms(part.count, r->groups, s->term, own);
}

static void begin_sum(scattered *s, double *gradient) {
  s->gradient = (sn_gradient){.values = gradient, .sink = s->base.replicas > 1 ? send_final : NULL, .context = s};
  s->value = 0;
  s->started = s->collected = 0;
}

static sn_range begin(sn_reduction *r, ptrdiff_t items, ptrdiff_t chunk, double *gradient) {
  (void)chunk;
  begin_sum((scattered *)r, gradient);
  if (gradient) memset(gradient, 0, (size_t)sn_parameters_size(r->parameters) * sizeof *gradient);
  return sn_grid_share(r->grid, items);
}

static const sn_gradient *chunk(sn_reduction *r, bool last) {
  scattered *s = (scattered *)r;
  s->gradient.final = last;
  return s->gradient.values ? &s->gradient : NULL;
}

static void add_value(sn_reduction *r, double value) { ((scattered *)r)->value += value; }

static bool finish_gradient(scattered *s, int count, double *numbers) {
  const sn_reduction *r = &s->base;
  bool finite = true;
  while (s->started < r->buckets && r->replicas > 1) start(s, s->started++);
  advance(s, true);
  sn_parameters_pack_replicated(r->parameters, s->gradient.values);
  for (int b = 0; b < r->buckets; b++) finite &= complete(s, b);
  numbers[count] = !finite;
  sn_parameters_sum_replicated(r->parameters, s->gradient.values, count + 1, numbers);
  return numbers[count] == 0;
}

static bool finish(sn_reduction *r, double *value, int count, double *numbers) {
  scattered *s = (scattered *)r;
  double all[SN_PARAMETERS_NUMBERS] = {s->value};
  bool finite = true;
  for (int k = 0; k < count; k++) all[1 + k] = numbers[k];
  if (s->gradient.values)
    finite = finish_gradient(s, 1 + count, all);
  else
    MPI_Allreduce(MPI_IN_PLACE, all, 1 + count, MPI_DOUBLE, MPI_SUM, sn_grid_world(r->grid));
  for (int k = 0; k < count; k++) numbers[k] = all[1 + k];
  *value = all[0];
  return finite;
}

static double square(const sn_reduction *r, const double *gradient) {
  double sum = 0;
  for (int b = 0; b < r->buckets; b++) sum += sn_parameters_square(r->parameters, sn_reduction_part(r, b), gradient);
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, sn_grid_world(r->grid));
  return sum;
}

static void destroy(sn_reduction *r) {
  scattered *s = (scattered *)r;
  SN_FREE(s->incoming);
  SN_FREE(s->place);
  SN_FREE(s->term);
}

static const sn_reduction_ops ops = {
    .destroy = destroy, .begin = begin, .chunk = chunk, .add = add_value, .finish = finish, .square = square};

static sn_status allocate_arrays(scattered *s) {
  const sn_reduction *r = &s->base;
  ptrdiff_t room = 0;
  SN_TRY(SN_NEW(r->buckets, &s->place));
  SN_TRY(SN_NEW(r->replicas, &s->term));
  int elsewhere = 0; /* collectors of the own part */
  for (int group = 0; group < r->groups; group++) elsewhere += sn_reduction_collector(r, group) != r->replica;
  for (int b = 0; b < r->buckets; b++) {
    s->place[b] = room;
    room += own_piece(s, b).count * (r->members.count - 1) + sn_reduction_part(r, b).count * elsewhere;
  }
  return SN_NEW(room, &s->incoming);
}

sn_status sn_reduction_create_in_groups(sn_parameters *parameters, int groups, sn_reduction **out) {
  const MPI_Comm world = sn_grid_world(sn_parameters_grid(parameters));
  scattered *s;
  *out = NULL;
  SN_TRY(sn_collective_status(world, SN_NEW(1, &s)));
  *out = &s->base;
  s->base.ops = &ops;
  sn_status status = sn_reduction_lay_out(&s->base, parameters, groups);
  if (!status) status = allocate_arrays(s);
  status = sn_collective_status(world, status);
  if (status) sn_reduction_destroy(out);
  return status;
}

sn_status sn_reduction_create(sn_parameters *parameters, sn_reduction **out) {
  return sn_reduction_create_in_groups(parameters,
                                       sn_reduction_groups(sn_grid_replica_count(sn_parameters_grid(parameters))), out);
}

void sn_reduction_sum(sn_reduction *r, double *gradient) {
  double numbers[1];
  begin_sum((scattered *)r, gradient);
  sn_timer_start(sn_grid_timer(r->grid), SN_TIME_REDUCE);
  finish_gradient((scattered *)r, 0, numbers);
  sn_timer_stop(sn_grid_timer(r->grid), SN_TIME_REDUCE);
  sn_reduction_gather(r, gradient);
}
