#include "sinode/ordered_reduction.h"

#include "sinode/memory.h"

/* What one call of MPI is given at most, so that its counts stay far from 2^31. */
enum { MESSAGE_MOST = 1 << 28, TAG = 7 };

/* A node of the tree that waits for its sibling: number `index` of its level, in one of the slots. */
typedef struct {
  int level;
  ptrdiff_t index;
  double *values;
} node;

struct sn_ordered_reduction {
  const sn_grid *grid;
  ptrdiff_t length, leaves;
  sn_range own;
  ptrdiff_t next; /* leaf */
  int room, waiting;
  node *nodes;    /* (room): the first `waiting` are nodes in the order of their leaves, the others free slots */
  double *values; /* (room, length) */
  double *received;
};

static int levels_of(ptrdiff_t leaves) {
  int levels = 1;
  for (ptrdiff_t nodes = leaves; nodes > 1; nodes = (nodes + 1) / 2) levels++;
  return levels;
}

sn_status sn_ordered_reduction_create(const sn_grid *grid, ptrdiff_t length, ptrdiff_t leaves_most,
                                      sn_ordered_reduction **out) {
  SN_TRY(SN_NEW(1, out));
  sn_ordered_reduction *sum = *out;
  *sum = (sn_ordered_reduction){.grid = grid, .length = length, .room = 2 * levels_of(leaves_most) + 1};
  sn_status status = SN_NEW(sum->room, &sum->nodes);
  if (!status) status = SN_NEW(sum->room * length, &sum->values);
  if (!status) status = SN_NEW(length, &sum->received);
  for (int k = 0; k < sum->room && !status; k++) sum->nodes[k].values = sum->values + k * length;
  if (status) sn_ordered_reduction_destroy(out);
  return status;
}

void sn_ordered_reduction_destroy(sn_ordered_reduction **sum) {
  if (!*sum) return;
  SN_FREE((*sum)->nodes);
  SN_FREE((*sum)->values);
  SN_FREE((*sum)->received);
  SN_FREE(*sum);
}

sn_range sn_ordered_reduction_begin(sn_ordered_reduction *sum, ptrdiff_t leaves) {
  sum->leaves = leaves;
  sum->own = sn_grid_share(sum->grid, leaves);
  sum->next = sum->own.start;
  sum->waiting = 0;
  return sum->own;
}

static void add(ptrdiff_t count, double *restrict to, const double *restrict values) {
  for (ptrdiff_t k = 0; k < count; k++) to[k] += values[k];
}

/* Moves a node out of those that wait, its slot to the free ones. */
static void drop(sn_ordered_reduction *sum, int which) {
  const node gone = sum->nodes[which];
  for (int k = which; k + 1 < sum->waiting; k++) sum->nodes[k] = sum->nodes[k + 1];
  sum->nodes[--sum->waiting] = gone;
}

/* Adds a node that waits to its sibling before it, if that is here, and so on up the tree. */
static void merge(sn_ordered_reduction *sum, int which) {
  for (; which > 0; which--) {
    node *left = &sum->nodes[which - 1], *right = &sum->nodes[which];
    if (left->level != right->level || left->index % 2 || right->index != left->index + 1) return;
    add(sum->length, left->values, right->values);
    left->level++;
    left->index /= 2;
    drop(sum, which);
  }
}

double *sn_ordered_reduction_leaf(sn_ordered_reduction *sum) { return sum->nodes[sum->waiting].values; }

void sn_ordered_reduction_add(sn_ordered_reduction *sum) {
  node *leaf = &sum->nodes[sum->waiting++];
  leaf->level = 0;
  leaf->index = sum->next++;
  merge(sum, sum->waiting - 1);
}

/* The replica that has a node is the one that has its first leaf. */
static int owner_of(const sn_ordered_reduction *sum, int level, ptrdiff_t index) {
  const sn_partition partition = {.points = sum->leaves, .ranks = sn_grid_replica_count(sum->grid)};
  return sn_partition_owner(partition, index << level);
}

static void send(const sn_ordered_reduction *sum, const double *values, int to) {
  for (ptrdiff_t first = 0; first < sum->length; first += MESSAGE_MOST) {
    const ptrdiff_t left = sum->length - first;
    MPI_Send(values + first, (int)(left < MESSAGE_MOST ? left : MESSAGE_MOST), MPI_DOUBLE, to, TAG,
             sn_grid_replicas(sum->grid));
  }
}

static void receive(const sn_ordered_reduction *sum, double *values, int from) {
  for (ptrdiff_t first = 0; first < sum->length; first += MESSAGE_MOST) {
    const ptrdiff_t left = sum->length - first;
    MPI_Recv(values + first, (int)(left < MESSAGE_MOST ? left : MESSAGE_MOST), MPI_DOUBLE, from, TAG,
             sn_grid_replicas(sum->grid), MPI_STATUS_IGNORE);
  }
}

/*
 * One level: a right sibling whose left one is elsewhere is sent there, which can be the first node alone; a left one
 * takes in its right one, or is passed on without any, which can be the last node alone. Sends come first, and go to
 * lower replicas only, so nobody waits in a circle.
 */
static void climb(sn_ordered_reduction *sum, int level, ptrdiff_t nodes) {
  if (sum->waiting && sum->nodes[0].level == level && sum->nodes[0].index % 2) {
    send(sum, sum->nodes[0].values, owner_of(sum, level, sum->nodes[0].index - 1));
    drop(sum, 0);
  }
  if (!sum->waiting) return;
  node *last = &sum->nodes[sum->waiting - 1];
  if (last->level != level) return;
  if (last->index + 1 < nodes) {
    receive(sum, sum->received, owner_of(sum, level, last->index + 1));
    add(sum->length, last->values, sum->received);
  }
  last->level++;
  last->index /= 2;
  merge(sum, sum->waiting - 1);
}

double *sn_ordered_reduction_finish(sn_ordered_reduction *sum) {
  int level = 0;
  for (ptrdiff_t nodes = sum->leaves; nodes > 1; nodes = (nodes + 1) / 2) climb(sum, level++, nodes);
  return sum->waiting ? sum->nodes[0].values : NULL;
}

const double *sn_ordered_reduction_share(sn_ordered_reduction *sum) {
  double *values = sum->nodes[0].values;
  for (ptrdiff_t first = 0; first < sum->length; first += MESSAGE_MOST) {
    const ptrdiff_t left = sum->length - first;
    MPI_Bcast(values + first, (int)(left < MESSAGE_MOST ? left : MESSAGE_MOST), MPI_DOUBLE, 0,
              sn_grid_replicas(sum->grid));
  }
  return values;
}
