#include "watch.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "stop.h"

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

void sn_watch_start(sn_watch *watch, const sn_app *app, double every, double bytes) {
  const double now = sn_clock(), limit = app->config.run.time_limit, job = left_to_job();
  const double own = limit > 0 ? app->started + limit : INFINITY;
  *watch = (sn_watch){.deadline = fmin(own, now + job),
                      .by_job = now + job < own,
                      .every = every,
                      .saved = now,
                      .asked = now,
                      .slowest_save = bytes / slow_disk};
  sn_stop_install();
}

sn_wish sn_watch_wish(sn_watch *watch, const sn_app *app) {
  const double now = sn_clock();
  watch->slowest_step = fmax(watch->slowest_step, now - watch->asked);
  watch->asked = now;
  if (sn_stop_signal() || now + 2 * watch->slowest_save + watch->slowest_step >= watch->deadline) return SN_WISH_STOP;
  return app->rank == 0 && watch->every > 0 && now - watch->saved >= watch->every ? SN_WISH_SAVE : SN_WISH_GO_ON;
}

void sn_watch_saved(sn_watch *watch, double seconds) {
  watch->slowest_save = fmax(watch->slowest_save, seconds);
  watch->saved = watch->asked = sn_clock();
}

const char *sn_watch_reason(const sn_watch *watch, const sn_app *app) {
  int signalled = sn_stop_signal() != 0;
  MPI_Allreduce(MPI_IN_PLACE, &signalled, 1, MPI_INT, MPI_MAX, app->world);
  return signalled ? "a signal" : watch->by_job ? "the end of the batch job" : "run.time_limit";
}
