/*
 * Binomial checkpointing (Griewank, Walther 2000, Algorithm 799): to reverse `steps` steps with `snapshots` states in
 * memory, the one at the start included, by the fewest repeated forward steps. All local.
 */
#ifndef SINODE_TIME_REVOLVE_H
#define SINODE_TIME_REVOLVE_H

#include <stddef.h>

/* How many steps to advance before the next snapshot is taken; 1 .. steps - 1. steps >= 2, snapshots >= 2. */
ptrdiff_t sn_revolve_split(ptrdiff_t steps, ptrdiff_t snapshots);

/*
 * The optimal number of forward steps without tape, the first pass included: r steps - C(s + r, s + 1), where s =
 * snapshots and r is the least number with steps <= C(s + r, s).
 */
ptrdiff_t sn_revolve_advances(ptrdiff_t steps, ptrdiff_t snapshots);

#endif
