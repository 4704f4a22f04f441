/*
 * Timing regions: named once, nested, summed, and printed as one table at the end of a run (seconds, share, calls,
 * slowest over mean rank). Starting and stopping is local and costs one reading of the clock, some 20 ns; a NULL timer
 * is allowed everywhere and does nothing.
 *
 * On request short regions are sampled: of those below 4 us in the mean one call in 17 is timed and stands for as many,
 * since two readings of the clock would take more than 1 % of them; but a call of 100 us stands for itself alone, and
 * is lost where it is none of these. So that is for calls that are alike.
 */
#ifndef SINODE_TIMER_H
#define SINODE_TIMER_H

#include <mpi.h>
#include <stdbool.h>
#include <stdio.h>

#include "sinode/error.h"

typedef enum {
  SN_TIME_SETUP,
  SN_TIME_STEP,     /* ETDRK4 steps */
  SN_TIME_FORWARD,  /* integration forward, with all below it */
  SN_TIME_BACKWARD, /* the adjoint, with all below it */
  SN_TIME_JACOBIAN, /* states together with their tangents */
  SN_TIME_NETWORK,  /* network evaluations and their transposed Jacobians */
  SN_TIME_SOLVE,    /* implicit stages */
  SN_TIME_FACTOR,
  SN_TIME_FFT,
  SN_TIME_HALO,
  SN_TIME_REDISTRIBUTE, /* redistribution between layouts */
  SN_TIME_REDUCE,       /* reductions over space ranks and replicas */
  SN_TIME_OPTIMIZER,
  SN_TIME_NORMAL, /* normal equations: their sums, factorization and solution */
  SN_TIME_VALIDATION,
  SN_TIME_BASELINES,
  SN_TIME_READ,
  SN_TIME_WRITE,
  SN_TIME_REGIONS
} sn_time_region;

typedef struct sn_timer sn_timer;

SN_MUST_CHECK sn_status sn_timer_create(sn_timer **out);
void sn_timer_destroy(sn_timer **timer);

/*
 * From now on samples short regions, or no longer does. For many steps that are alike on one rank: how long several
 * wait for messages varies too much. A NULL timer is allowed. Local.
 */
void sn_timer_sample(sn_timer *timer, bool samples);

/* Regions nest: stop the one started last. The table is a tree; an inner region is part of the outer one. */
void sn_timer_start(sn_timer *timer, sn_time_region region);
void sn_timer_stop(sn_timer *timer, sn_time_region region);

/* SN_TRY inside a region, which is closed also where the expression fails: a run may go on after that. */
#define SN_TRY_TIMED(timer, region, expression)                                       \
  do {                                                                                \
    sn_timer_start((timer), (region));                                                \
    sn_status sn_timed_ = (expression);                                               \
    sn_timer_stop((timer), (region));                                                 \
    if (sn_timed_) return sn_error_trace(sn_timed_, __FILE__, __LINE__, #expression); \
  } while (0)

double sn_timer_seconds(const sn_timer *timer, sn_time_region region);
long sn_timer_calls(const sn_timer *timer, sn_time_region region);

/* As in the table: "halo exchange". */
const char *sn_timer_name(sn_time_region region);

/* Seconds since some fixed moment, monotonic. */
double sn_clock(void);

/* Every region of this rank in the table's order, by its path ("forward/network"), with its seconds. Local. */
typedef void sn_timer_visitor(void *context, const char *path, double seconds);
void sn_timer_visit(const sn_timer *timer, sn_timer_visitor *visit, void *context);

/* Prints the table on rank 0 of comm. Collective over comm. */
void sn_timer_print(const sn_timer *timer, MPI_Comm comm, FILE *stream);

#endif
