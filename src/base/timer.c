#include "sinode/timer.h"

#include <time.h>

#include "sinode/memory.h"

typedef struct {
  double seconds, started;
  long calls;
  int depth; /* at which it was first started; 0 is outermost */
} region;

struct sn_timer {
  double created;
  int depth;
  region regions[SN_TIME_REGIONS];
};

static const char *const names[SN_TIME_REGIONS] = {
    [SN_TIME_SETUP] = "set-up",          [SN_TIME_STEP] = "ETDRK4 step",
    [SN_TIME_FORWARD] = "forward",       [SN_TIME_BACKWARD] = "adjoint",
    [SN_TIME_NETWORK] = "network",       [SN_TIME_SOLVE] = "implicit solve",
    [SN_TIME_FACTOR] = "factorization",  [SN_TIME_FFT] = "FFT",
    [SN_TIME_HALO] = "halo exchange",    [SN_TIME_EXCHANGE] = "redistribution",
    [SN_TIME_REDUCE] = "reduction",      [SN_TIME_OPTIMIZER] = "optimizer",
    [SN_TIME_VALIDATION] = "validation", [SN_TIME_READ] = "reading",
    [SN_TIME_WRITE] = "writing",
};

double sn_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

sn_status sn_timer_create(sn_timer **out) {
  SN_TRY(SN_NEW(1, out));
  (*out)->created = sn_clock();
  return SN_OK;
}

void sn_timer_destroy(sn_timer **timer) { sn_memory_give(timer); }

void sn_timer_start(sn_timer *timer, sn_time_region which) {
  if (!timer) return;
  region *r = &timer->regions[which];
  if (r->calls++ == 0) r->depth = timer->depth;
  timer->depth++;
  r->started = sn_clock();
}

void sn_timer_stop(sn_timer *timer, sn_time_region which) {
  if (!timer) return;
  region *r = &timer->regions[which];
  r->seconds += sn_clock() - r->started;
  timer->depth--;
}

double sn_timer_seconds(const sn_timer *timer, sn_time_region which) { return timer->regions[which].seconds; }
long sn_timer_calls(const sn_timer *timer, sn_time_region which) { return timer->regions[which].calls; }

void sn_timer_print(const sn_timer *timer, MPI_Comm comm, FILE *stream) {
  int rank, size;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  double local[SN_TIME_REGIONS + 1], slowest[SN_TIME_REGIONS + 1], sum[SN_TIME_REGIONS + 1];
  long calls[SN_TIME_REGIONS];
  for (int i = 0; i < SN_TIME_REGIONS; i++) {
    local[i] = timer->regions[i].seconds;
    calls[i] = timer->regions[i].calls;
  }
  local[SN_TIME_REGIONS] = sn_clock() - timer->created;
  MPI_Reduce(local, slowest, SN_TIME_REGIONS + 1, MPI_DOUBLE, MPI_MAX, 0, comm);
  MPI_Reduce(local, sum, SN_TIME_REGIONS + 1, MPI_DOUBLE, MPI_SUM, 0, comm);
  MPI_Reduce(rank ? calls : MPI_IN_PLACE, calls, SN_TIME_REGIONS, MPI_LONG, MPI_MAX, 0, comm);
  if (rank) return;
  double total = slowest[SN_TIME_REGIONS];
  fprintf(stream, "%-22s %12s %7s %12s %9s\n", "region", "seconds", "share", "calls", "max/mean");
  for (int i = 0; i < SN_TIME_REGIONS; i++) {
    if (!calls[i]) continue;
    double mean = sum[i] / size;
    fprintf(stream, "%*s%-*s %12.4f %6.1f%% %12ld %9.2f\n", 2 * timer->regions[i].depth, "",
            22 - 2 * timer->regions[i].depth, names[i], slowest[i], 100.0 * slowest[i] / total, calls[i],
            mean > 0 ? slowest[i] / mean : 1.0);
  }
  fprintf(stream, "%-22s %12.4f %6.1f%% %12s %9s\n", "whole run", total, 100.0, "", "");
}
