/* Learning-rate schedules, stepped once an epoch. All local; the same on all ranks from the same losses. */
#ifndef SINODE_SCHEDULE_H
#define SINODE_SCHEDULE_H

#include <stdint.h>

/* plateau: PyTorch's ReduceLROnPlateau (mode min, relative threshold, no cooldown). constant: none. */
typedef enum { SN_SCHEDULE_PLATEAU, SN_SCHEDULE_CONSTANT } sn_schedule_kind;

typedef struct {
  sn_schedule_kind kind;
  double factor;    /* the rate is multiplied by this ... */
  int64_t patience; /* ... after more than this many epochs without a new best loss ... */
  double threshold; /* ... lower than best * (1 - threshold); */
  double minimum;   /* it never falls below this */
} sn_schedule_options;

/* The state, all of which goes into a checkpoint. */
typedef struct {
  double rate, best;
  int64_t bad_epochs;
} sn_schedule;

sn_schedule sn_schedule_start(double learning_rate);
void sn_schedule_step(sn_schedule *schedule, const sn_schedule_options *options, double loss);

#endif
