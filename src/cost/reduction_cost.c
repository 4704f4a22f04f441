#include <math.h>

#include "parts.h"

/*
 * As src/parallel/reduction.c cuts a gradient: blocks begin on cache lines; a bucket is whole blocks, of so many
 * numbers at least or a share of all, and of so many at most.
 */
enum { LINE = 8, BUCKET_LEAST = 1 << 15, BUCKET_SHARE = 16, BUCKET_MOST = 1 << 28 };

/* The sums over the replicas so far: numbers of all buckets, and of the parts that the first replica completes, which
 * are the longest. */
typedef struct {
  double buckets, numbers, completed;
} summed;

static ptrdiff_t lines_of(ptrdiff_t numbers) { return (numbers + LINE - 1) / LINE; }

static void add_bucket(ptrdiff_t numbers, int replicas, summed *sums) {
  const ptrdiff_t part = LINE * sn_partition_most(lines_of(numbers), replicas);
  sums->buckets++;
  sums->numbers += (double)numbers;
  sums->completed += (double)(part < numbers ? part : numbers);
}

/* Numbers of the linear part on a rank, which come first. */
static ptrdiff_t linear_numbers(const sn_cost_case *c) {
  const sn_linear_kind kind = sn_linear_get_kind(c->linear);
  if (kind == SN_LINEAR_DENSE) return c->layout.points * sn_partition_most(c->layout.points, c->layout.space);
  return kind == SN_LINEAR_STENCIL ? c->taps : 0;
}

/* From the last block to the first. */
static summed cut(const sn_cost_case *c) {
  sn_cost_block block[SN_COST_BLOCKS];
  const int blocks = sn_cost_blocks(c->layout, &c->network, block);
  ptrdiff_t size = LINE * lines_of(linear_numbers(c)), under_way = 0;
  for (int k = 0; k < blocks; k++) size += LINE * lines_of(block[k].count);
  const ptrdiff_t least = size / BUCKET_SHARE > BUCKET_LEAST ? size / BUCKET_SHARE : BUCKET_LEAST;
  summed sums = {0};
  for (int k = blocks - 1; k >= 0; k--) {
    under_way += LINE * lines_of(block[k].count);
    for (; under_way > BUCKET_MOST; under_way -= BUCKET_MOST) add_bucket(BUCKET_MOST, c->layout.replicas, &sums);
    if (under_way < least && k > 0) continue;
    add_bucket(under_way, c->layout.replicas, &sums);
    under_way = 0;
  }
  return sums;
}

/*
 * To every other replica its part of each bucket, and from everyone its own, completed; in one reduction over all ranks
 * what space ranks have in common, some numbers and whether all is finite. The work: messages as they are, the sums of
 * the parts, a tree for what goes over all ranks.
 */
sn_cost sn_cost_reduction_with(const sn_cost_case *c, int numbers) {
  const int replicas = c->layout.replicas, ranks = replicas * c->layout.space;
  const summed sums = cut(c);
  sn_cost cost = {.of[SN_COST_MEMORY] = 8 * sums.numbers / replicas * (replicas > 1 ? replicas + 1 : 1)};
  if (c->ordered || c->trains_linear) return sn_cost_unknown();
  if (replicas > 1) {
    cost.of[SN_COST_MESSAGES] = cost.of[SN_COST_LATENCIES] = 2 * (replicas - 1) * sums.buckets;
    cost.of[SN_COST_BYTES] = cost.of[SN_COST_CARRIED] = 8 * (sums.numbers + (replicas - 2) * sums.completed);
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
