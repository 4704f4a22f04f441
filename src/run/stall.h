/*
 * The end of a run that stands still: a rank whose steps have stopped, since it waits for a rank, a host or a disk that
 * does not answer, ends itself. Each rank by its own clock and without a message, as there may be nobody to talk to.
 */
#ifndef SINODE_RUN_STALL_H
#define SINODE_RUN_STALL_H

#include "app.h"

/*
 * From now on this rank ends with status 1, and a line that says why, when run.stall_limit has passed without a call of
 * sn_stall_step. The time in which the process is suspended does not count. Local.
 */
void sn_stall_watch(const sn_app *app);

/* The run has got on. Local; costs a store. */
void sn_stall_step(void);

#endif
