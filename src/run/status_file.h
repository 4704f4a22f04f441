/* status.json of a run directory: what job scripts decide by. */
#ifndef SINODE_RUN_STATUS_FILE_H
#define SINODE_RUN_STATUS_FILE_H

#include <stdint.h>

#include "sinode/error.h"
#include "sinode/timer.h"

typedef enum { SN_RUN_RUNNING, SN_RUN_CHECKPOINTED, SN_RUN_COMPLETE, SN_RUN_FAILED } sn_run_state;

/* How far a run is. What is not known is 0 (counts) or NaN. */
typedef struct {
  int64_t step, steps;   /* iterations (train) or time steps (generate): done, and in all */
  int64_t epoch, epochs; /* train: under way, and in all */
  double loss, rate;     /* train: of the last batch; the learning rate */
  double seconds_left, memory_mib;
} sn_run_progress;

/*
 * Replaces DIRECTORY/status.json by rename. checkpoint: its path, or ""; reason: a line; timer: where this run's time
 * went so far. For rank 0. Error SN_ERROR_FILE.
 */
SN_MUST_CHECK sn_status sn_status_file_write(const char *directory, sn_run_state state, const sn_run_progress *progress,
                                             const char *checkpoint, const char *reason, const sn_timer *timer);

/*
 * The same for a run that goes on, at most every two seconds by *last, the clock at the last time (0 at first). Nothing
 * is said of failure: a disk that is full just now stops no run. For rank 0.
 */
void sn_status_file_refresh(const char *directory, const sn_run_progress *progress, const char *checkpoint,
                            const char *reason, const sn_timer *timer, double *last);

typedef struct {
  char state[16], checkpoint[1200], reason[400];
  sn_run_progress progress;
  double age; /* seconds since it was written */
} sn_run_status;

/* Reads DIRECTORY/status.json. Local. Error SN_ERROR_FILE: there is none. */
SN_MUST_CHECK sn_status sn_status_file_read(const char *directory, sn_run_status *status);

#endif
