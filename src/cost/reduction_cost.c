#include <math.h>

#include "parts.h"
#include "sinode/reduction.h"

/*
 * As src/parallel/reduction.c cuts a gradient: blocks begin on cache lines; a bucket is whole blocks, of so many
 * numbers at least or a share of all, and of so many at most.
 */
enum { LINE = 8, BUCKET_LEAST = 1 << 15, BUCKET_SHARE = 16, BUCKET_MOST = 1 << 28 };

/* A replica of a case, as the sums over the replicas see it (sinode/reduction.h). */
typedef struct {
  int replicas, groups, replica;
  sn_range members, owners; /* of its group; those for whom it collects */
  /* Of all buckets so far: how many, their numbers, and what it sends. */
  double buckets, numbers, messages, sent;
} sender;

static ptrdiff_t lines_of(ptrdiff_t numbers) { return (numbers + LINE - 1) / LINE; }

static sn_range blocks_of(ptrdiff_t count, int parts, int part) {
  return sn_partition_range((sn_partition){.points = count, .ranks = parts}, part);
}

/* Numbers of a bucket that some replicas complete: whole lines, but for the last. */
static double completed(ptrdiff_t numbers, int replicas, sn_range owners) {
  if (owners.count == 0) return 0;
  const sn_range first = blocks_of(lines_of(numbers), replicas, (int)owners.start);
  const sn_range last = blocks_of(lines_of(numbers), replicas, (int)(owners.start + owners.count - 1));
  const ptrdiff_t end = LINE * (last.start + last.count);
  return (double)((end < numbers ? end : numbers) - LINE * first.start);
}

static sender sender_of(int replicas, int groups, int group, int member) {
  sender s = {.replicas = replicas, .groups = groups, .members = blocks_of(replicas, groups, group)};
  s.owners = blocks_of(replicas, (int)s.members.count, member);
  s.replica = (int)s.members.start + member;
  return s;
}

/*
 * To each other member of the group what it collects, and to each owner its part of what was collected; back from the
 * owner to its collector in each group, and from the collector to the group. Groups of one are the direct sum.
 */
static void add_bucket(ptrdiff_t numbers, sender *s) {
  const sn_range itself = {s->replica, 1};
  const bool owns = s->replica >= s->owners.start && s->replica < s->owners.start + s->owners.count;
  const double own = completed(numbers, s->replicas, s->owners), part = completed(numbers, s->replicas, itself);
  const double elsewhere = own - (owns ? part : 0);
  const double others = (double)(s->members.count - 1), collectors = s->groups - (owns ? 1 : 0);
  s->buckets++;
  s->numbers += (double)numbers;
  s->messages += 2 * others + (double)(s->owners.count - (owns ? 1 : 0)) + collectors;
  s->sent += (double)numbers - own + elsewhere + collectors * part + others * own;
}

/* Numbers of the linear part on a rank, which come first. */
static ptrdiff_t linear_numbers(const sn_cost_case *c) {
  const sn_linear_kind kind = sn_linear_get_kind(c->linear);
  if (kind == SN_LINEAR_DENSE) return c->layout.points * sn_partition_most(c->layout.points, c->layout.space);
  if (kind == SN_LINEAR_DERIVATIVES) return sn_linear_orders(sn_linear_get_shape(c->linear)->derivatives);
  return kind == SN_LINEAR_STENCIL ? c->taps : 0;
}

/* From the last block to the first. */
static void cut(const sn_cost_case *c, sender *s) {
  sn_cost_block block[SN_COST_BLOCKS];
  const int blocks = sn_cost_blocks(c->layout, &c->network, block);
  ptrdiff_t size = LINE * lines_of(linear_numbers(c)), under_way = 0;
  for (int k = 0; k < blocks; k++) size += LINE * lines_of(block[k].count);
  const ptrdiff_t least = size / BUCKET_SHARE > BUCKET_LEAST ? size / BUCKET_SHARE : BUCKET_LEAST;
  for (int k = blocks - 1; k >= 0; k--) {
    under_way += LINE * lines_of(block[k].count);
    for (; under_way > BUCKET_MOST; under_way -= BUCKET_MOST) add_bucket(BUCKET_MOST, s);
    if (under_way < least && k > 0) continue;
    add_bucket(under_way, s);
    under_way = 0;
  }
}

/* The most that a replica sends: first parts are longest, and so are first groups; where groups are smaller by one, a
 * member collects for more owners. */
static sender cut_for_most(const sn_cost_case *c) {
  const int replicas = c->layout.replicas, groups = sn_reduction_groups(replicas);
  sender most = {0};
  for (int end = 0; end < 2; end++) {
    const int group = end ? groups - 1 : 0;
    for (int member = 0; member < blocks_of(replicas, groups, group).count; member++) {
      sender s = sender_of(replicas, groups, group, member);
      cut(c, &s);
      s.messages = fmax(s.messages, most.messages);
      s.sent = fmax(s.sent, most.sent);
      most = s;
    }
  }
  return most;
}

/*
 * The sums over the replicas, and in one reduction over all ranks what space ranks have in common, some numbers and
 * whether all is finite. The work: messages as they are, the sums of the parts in each stage, a tree for what goes over
 * all ranks.
 */
sn_cost sn_cost_reduction_with(const sn_cost_case *c, int numbers) {
  const int replicas = c->layout.replicas, ranks = replicas * c->layout.space;
  const sender most = cut_for_most(c);
  const double groups = most.groups, members = replicas / groups;
  double summed = most.numbers / replicas * (groups > 1 ? groups + 1 : 1);
  if (members > 1) summed += most.numbers / members * (members + 1);
  sn_cost cost = {.of[SN_COST_MEMORY] = 8 * summed};
  if (c->ordered || c->trains_linear) return sn_cost_unknown();
  if (replicas > 1) {
    cost.of[SN_COST_MESSAGES] = cost.of[SN_COST_LATENCIES] = most.messages;
    cost.of[SN_COST_BYTES] = cost.of[SN_COST_CARRIED] = 8 * most.sent;
  }
  if (ranks == 1) return cost;
  const double common = c->layout.space > 1 ? sn_cost_count_parameters(c->layout, &c->network).common : 0;
  cost.of[SN_COST_MESSAGES]++;
  cost.of[SN_COST_BYTES] += 8 * (common + numbers + 1);
  cost.of[SN_COST_LATENCIES] += 2 * ceil(log2(ranks));
  cost.of[SN_COST_REDUCED] = 2 * (double)(ranks - 1) / ranks * 8 * (common + 1);
  return cost;
}

sn_cost sn_cost_reduction(const sn_cost_case *c) { return sn_cost_reduction_with(c, 0); }
