/*
 * What a rank requests between two steps of a long computation. The requests are counted in the reduction that a step
 * has anyway, and all ranks act on the greatest of them.
 */
#ifndef SINODE_STOP_REQUEST_H
#define SINODE_STOP_REQUEST_H

typedef enum {
  SN_STOP_REQUEST_NONE,
  SN_STOP_REQUEST_CHECKPOINT, /* a checkpoint, and go on */
  SN_STOP_REQUEST_STOP        /* a checkpoint, and stop */
} sn_stop_request;

/* The request as counts[SN_STOP_REQUEST_COUNTS] that are summed over the ranks, and the greatest request from the sums.
 * Local. */
enum { SN_STOP_REQUEST_COUNTS = 2 };
static inline void sn_stop_request_count(sn_stop_request request, double *counts) {
  counts[0] = request == SN_STOP_REQUEST_CHECKPOINT;
  counts[1] = request == SN_STOP_REQUEST_STOP;
}
static inline sn_stop_request sn_stop_request_reduced(const double *counts) {
  return counts[1] > 0 ? SN_STOP_REQUEST_STOP : counts[0] > 0 ? SN_STOP_REQUEST_CHECKPOINT : SN_STOP_REQUEST_NONE;
}

#endif
