/* status.json of a run directory: what job scripts decide by. */
#ifndef SINODE_APP_STATUS_FILE_H
#define SINODE_APP_STATUS_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "sinode/error.h"

typedef enum { SN_RUN_RUNNING, SN_RUN_CHECKPOINTED, SN_RUN_COMPLETE, SN_RUN_FAILED } sn_run_state;

/*
 * Replaces DIRECTORY/status.json by rename. step: iterations (train) or time steps (generate) done; checkpoint: its
 * path, or ""; reason: a line. For rank 0. Error SN_ERROR_FILE.
 */
sn_status sn_status_file_write(const char *directory, sn_run_state state, int64_t step, const char *checkpoint,
                               const char *reason);

/* State and step of DIRECTORY/status.json; found is false where there is none. Local. Error SN_ERROR_FILE: it cannot be
 * read, or is not what the above writes. */
sn_status sn_status_file_read(const char *directory, bool *found, sn_run_state *state, int64_t *step);

const char *sn_run_state_name(sn_run_state state);

#endif
