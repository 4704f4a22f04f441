#include "stop_policy.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "stall.h"
#include "stop_signal.h"

/* Bytes a second of a slow file system, for a first guess. */
static const double slow_disk = 1e8;

/* The time that is left to the batch job (SLURM 22.05 and later say when it ends), or INFINITY. */
static double left_to_job(void) {
  const char *text = getenv("SLURM_JOB_END_TIME");
  char *rest;
  if (!text || !*text) return INFINITY;
  const double end = strtod(text, &rest);
  return *rest == '\0' && end > 0 ? end - (double)time(NULL) : INFINITY;
}

void sn_stop_policy_start(sn_stop_policy *policy, const sn_app *app, double every, double bytes) {
  const double now = sn_clock(), limit = app->config.run.time_limit, job = left_to_job();
  const double own = limit > 0 ? app->started + limit : INFINITY;
  *policy = (sn_stop_policy){.deadline = fmin(own, now + job),
                             .by_job = now + job < own,
                             .every = every,
                             .saved = now,
                             .asked = now,
                             .slowest_save = bytes / slow_disk};
  sn_stop_signal_install();
}

sn_stop_request sn_stop_policy_request(sn_stop_policy *policy, const sn_app *app) {
  const double now = sn_clock();
  sn_stall_step();
  policy->slowest_step = fmax(policy->slowest_step, now - policy->asked);
  policy->asked = now;
  if (sn_stop_signal() || now + 2 * policy->slowest_save + policy->slowest_step >= policy->deadline)
    return SN_STOP_REQUEST_STOP;
  return app->rank == 0 && policy->every > 0 && now - policy->saved >= policy->every ? SN_STOP_REQUEST_CHECKPOINT
                                                                                     : SN_STOP_REQUEST_NONE;
}

void sn_stop_policy_saved(sn_stop_policy *policy, double seconds) {
  policy->slowest_save = fmax(policy->slowest_save, seconds);
  policy->saved = policy->asked = sn_clock();
  sn_stall_step();
}

const char *sn_stop_policy_reason(const sn_stop_policy *policy, const sn_app *app) {
  int signalled = sn_stop_signal() != 0;
  MPI_Allreduce(MPI_IN_PLACE, &signalled, 1, MPI_INT, MPI_MAX, app->world);
  return signalled ? "a signal" : policy->by_job ? "the end of the batch job" : "run.time_limit";
}
