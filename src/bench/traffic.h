/*
 * What this process sends through MPI, counted by its profiling interface: all of the program's calls and those of the
 * libraries under it. A message to one rank counts once, an all-to-all once for every other rank that gets something, a
 * reduction, gathering or broadcast once a call; bytes are those this rank gives to it. What a rank sends to itself is
 * not counted. The counts are the profiling layer's record of the process, as the allocator's are, not state of the
 * computation.
 */
#ifndef SINODE_BENCH_TRAFFIC_H
#define SINODE_BENCH_TRAFFIC_H

typedef struct {
  long messages;
  double bytes;
} sn_traffic;

/* Since the start of the process. Local. */
sn_traffic sn_traffic_now(void);

#endif
