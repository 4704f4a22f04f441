/* Signals that ask a run to stop after what it is doing: TERM, INT, USR1, USR2, XCPU. A second one ends it at once. */
#ifndef SINODE_RUN_STOP_SIGNAL_H
#define SINODE_RUN_STOP_SIGNAL_H

#include <stdbool.h>

/* Catches them from now on. Local. */
void sn_stop_signal_install(void);

/* The signal this rank has received, or 0. Local; reduced over the ranks with a sum that a step has anyway. */
int sn_stop_signal(void);

#endif
