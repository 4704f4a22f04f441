/*
 * What a rank wishes to happen between two steps of a long computation. Ranks agree in the reduction that a step has
 * anyway: they count the wishes, and the greatest that anybody has is what all do.
 */
#ifndef SINODE_WISH_H
#define SINODE_WISH_H

typedef enum {
  SN_WISH_GO_ON,
  SN_WISH_SAVE, /* a checkpoint, and go on */
  SN_WISH_STOP  /* a checkpoint, and stop */
} sn_wish;

/* The wish as counts[SN_WISH_COUNTS] that are summed over the ranks, and the agreed wish from the sums. Local. */
enum { SN_WISH_COUNTS = 2 };
static inline void sn_wish_count(sn_wish wish, double *counts) {
  counts[0] = wish == SN_WISH_SAVE;
  counts[1] = wish == SN_WISH_STOP;
}
static inline sn_wish sn_wish_agreed(const double *counts) {
  return counts[1] > 0 ? SN_WISH_STOP : counts[0] > 0 ? SN_WISH_SAVE : SN_WISH_GO_ON;
}

#endif
