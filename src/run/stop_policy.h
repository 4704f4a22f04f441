/*
 * When to save and when to stop: signals, run.time_limit and the end of the batch job, and the time since the last
 * checkpoint. Local, except sn_stop_policy_reason. Steps and checkpoints are told to the policy over stalls (stall.h)
 * too.
 */
#ifndef SINODE_RUN_STOP_POLICY_H
#define SINODE_RUN_STOP_POLICY_H

#include "app.h"
#include "sinode/stop_request.h"

typedef struct {
  double deadline;                   /* on sn_clock; INFINITY without one */
  bool by_job;                       /* it is the batch job's end, not run.time_limit */
  double every;                      /* seconds between checkpoints; 0: none by the clock */
  double saved, asked;               /* when that was last done or asked for */
  double slowest_save, slowest_step; /* seconds */
} sn_stop_policy;

/*
 * Starts the policy over a run: signals are caught from now on. every: seconds between checkpoints that the clock asks
 * for (rank 0 only), or 0; bytes: of a checkpoint, by which its time is guessed before the first is written.
 */
void sn_stop_policy_start(sn_stop_policy *policy, const sn_app *app, double every, double bytes);

/*
 * This rank's request, asked once a step. Stop: a signal was received, or the deadline is closer than two of the
 * slowest checkpoint and one of the slowest step seen.
 */
sn_stop_request sn_stop_policy_request(sn_stop_policy *policy, const sn_app *app);

/* A checkpoint has been written in so many seconds. */
void sn_stop_policy_saved(sn_stop_policy *policy, double seconds);

/* Why all stop: "a signal", "run.time_limit", "the end of the batch job". Collective over world. */
const char *sn_stop_policy_reason(const sn_stop_policy *policy, const sn_app *app);

#endif
