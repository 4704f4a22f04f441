#include "sinode/timer.h"

#include <time.h>

#include "sinode/memory.h"

enum { NODES_MOST = 128, NONE = -1 };

/* Which regions are sampled, and how; the stride is prime to the stages of a step, which come in turn. */
enum { STRIDE = 17, TIMED_LEAST = 1000 };
static const double short_mean = 4e-6, long_call = 1e-4;

/* A region inside another: the same region started elsewhere is another node. Parents come before their children. */
typedef struct {
  int parent, region;
  double seconds, started;
  long calls;
  int counts; /* the call that is running: for so many; 0: it is not timed */
} node;

struct sn_timer {
  double created;
  bool samples;
  int current, count; /* innermost node running, or NONE; nodes so far */
  node nodes[NODES_MOST];
};

static const char *const names[SN_TIME_REGIONS] = {
    [SN_TIME_SETUP] = "set-up",
    [SN_TIME_STEP] = "ETDRK4 step",
    [SN_TIME_FORWARD] = "forward",
    [SN_TIME_BACKWARD] = "adjoint",
    [SN_TIME_JACOBIAN] = "Jacobian",
    [SN_TIME_NETWORK] = "network",
    [SN_TIME_SOLVE] = "implicit solve",
    [SN_TIME_FACTOR] = "factorization",
    [SN_TIME_FFT] = "FFT",
    [SN_TIME_HALO] = "halo exchange",
    [SN_TIME_REDISTRIBUTE] = "redistribution",
    [SN_TIME_REDUCE] = "reduction",
    [SN_TIME_OPTIMIZER] = "optimizer",
    [SN_TIME_NORMAL] = "normal equations",
    [SN_TIME_VALIDATION] = "validation",
    [SN_TIME_BASELINES] = "baselines",
    [SN_TIME_READ] = "reading",
    [SN_TIME_WRITE] = "writing",
};

const char *sn_timer_name(sn_time_region region) { return names[region]; }

double sn_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

sn_status sn_timer_create(sn_timer **out) {
  SN_TRY(SN_NEW(1, out));
  (*out)->created = sn_clock();
  (*out)->current = NONE;
  return SN_OK;
}

void sn_timer_sample(sn_timer *timer, bool samples) {
  if (timer) timer->samples = samples;
}

void sn_timer_destroy(sn_timer **timer) { SN_FREE(*timer); }

static int find(const sn_timer *timer, int parent, int region) {
  for (int i = 0; i < timer->count; i++)
    if (timer->nodes[i].parent == parent && timer->nodes[i].region == region) return i;
  return NONE;
}

/* For how many calls the next one counts. */
static int choose_count(const sn_timer *timer, const node *n) {
  if (!timer->samples || n->calls < TIMED_LEAST || n->seconds > short_mean * (double)n->calls) return 1;
  return n->calls % STRIDE == 0 ? STRIDE : 0;
}

void sn_timer_start(sn_timer *timer, sn_time_region region) {
  if (!timer) return;
  int i = find(timer, timer->current, (int)region);
  if (i == NONE) {
    if (timer->count == NODES_MOST) return; /* more than any run has; its time stays in the parent */
    i = timer->count++;
    timer->nodes[i] = (node){.parent = timer->current, .region = (int)region};
  }
  node *n = &timer->nodes[i];
  n->counts = choose_count(timer, n);
  n->calls++;
  if (n->counts) n->started = sn_clock();
  timer->current = i;
}

void sn_timer_stop(sn_timer *timer, sn_time_region region) {
  if (!timer || timer->current == NONE || timer->nodes[timer->current].region != (int)region) return;
  node *n = &timer->nodes[timer->current];
  timer->current = n->parent;
  if (n->counts == 0) return;
  const double seconds = sn_clock() - n->started;
  n->seconds += seconds < long_call ? n->counts * seconds : seconds;
}

double sn_timer_seconds(const sn_timer *timer, sn_time_region region) {
  double sum = 0;
  for (int i = 0; i < timer->count; i++)
    if (timer->nodes[i].region == (int)region) sum += timer->nodes[i].seconds;
  return sum;
}

long sn_timer_calls(const sn_timer *timer, sn_time_region region) {
  long sum = 0;
  for (int i = 0; i < timer->count; i++)
    if (timer->nodes[i].region == (int)region) sum += timer->nodes[i].calls;
  return sum;
}

static void visit_children(const sn_timer *timer, int parent, const char *prefix, sn_timer_visitor *visit,
                           void *context) {
  char path[128];
  for (int i = 0; i < timer->count; i++) {
    if (timer->nodes[i].parent != parent) continue;
    snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "/" : "", names[timer->nodes[i].region]);
    visit(context, path, timer->nodes[i].seconds);
    visit_children(timer, i, path, visit, context);
  }
}

void sn_timer_visit(const sn_timer *timer, sn_timer_visitor *visit, void *context) {
  visit_children(timer, NONE, "", visit, context);
}

/* What rank 0 prints: its tree, with the seconds of all ranks. */
typedef struct {
  int count, parent[NODES_MOST], region[NODES_MOST], ranks;
  double slowest[NODES_MOST + 1], sum[NODES_MOST + 1];
  long calls[NODES_MOST];
} table;

/* Ranks may have entered regions in another order, or not at all: each looks up rank 0's nodes in its own tree. */
static void gather(const sn_timer *timer, MPI_Comm comm, table *t) {
  int mine[NODES_MOST];
  double seconds[NODES_MOST + 1];
  MPI_Comm_size(comm, &t->ranks);
  t->count = timer->count;
  for (int i = 0; i < timer->count; i++) {
    t->parent[i] = timer->nodes[i].parent;
    t->region[i] = timer->nodes[i].region;
  }
  MPI_Bcast(&t->count, 1, MPI_INT, 0, comm);
  MPI_Bcast(t->parent, t->count, MPI_INT, 0, comm);
  MPI_Bcast(t->region, t->count, MPI_INT, 0, comm);
  for (int i = 0; i < t->count; i++) {
    const bool orphan = t->parent[i] != NONE && mine[t->parent[i]] == NONE;
    mine[i] = orphan ? NONE : find(timer, t->parent[i] == NONE ? NONE : mine[t->parent[i]], t->region[i]);
    seconds[i] = mine[i] == NONE ? 0 : timer->nodes[mine[i]].seconds;
    t->calls[i] = mine[i] == NONE ? 0 : timer->nodes[mine[i]].calls;
  }
  seconds[t->count] = sn_clock() - timer->created;
  MPI_Reduce(seconds, t->slowest, t->count + 1, MPI_DOUBLE, MPI_MAX, 0, comm);
  MPI_Reduce(seconds, t->sum, t->count + 1, MPI_DOUBLE, MPI_SUM, 0, comm);
}

static void print_children(const table *t, int parent, int depth, FILE *stream) {
  for (int i = 0; i < t->count; i++) {
    if (t->parent[i] != parent) continue;
    const double mean = t->sum[i] / t->ranks;
    fprintf(stream, "%*s%-*s %12.4f %6.1f%% %12ld %9.2f\n", 2 * depth, "", 26 - 2 * depth, names[t->region[i]],
            t->slowest[i], 100 * t->slowest[i] / t->slowest[t->count], t->calls[i],
            mean > 0 ? t->slowest[i] / mean : 1.0);
    print_children(t, i, depth + 1, stream);
  }
}

void sn_timer_print(const sn_timer *timer, MPI_Comm comm, FILE *stream) {
  table t;
  int rank;
  MPI_Comm_rank(comm, &rank);
  gather(timer, comm, &t);
  if (rank) return;
  fprintf(stream, "%-26s %12s %7s %12s %9s\n", "region", "seconds", "share", "calls", "max/mean");
  print_children(&t, NONE, 0, stream);
  fprintf(stream, "%-26s %12.4f %6.1f%%\n", "whole run", t.slowest[t.count], 100.0);
}
