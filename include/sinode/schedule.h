/* Learning-rate schedules, stepped once an epoch. All local; the same on all ranks from the same losses. */
#ifndef SINODE_SCHEDULE_H
#define SINODE_SCHEDULE_H

#include <stdint.h>

#include "sinode/name.h"

/*
 * plateau   PyTorch's ReduceLROnPlateau (mode min, relative threshold, no cooldown)
 * constant  none
 * cosine    half a cosine wave from the rate at the start down to the minimum; PyTorch's CosineAnnealingLR
 * restarts  such waves one after the other, each `growth` times as long as that before: Loshchilov, Hutter, SGDR
 * (2017); PyTorch's CosineAnnealingWarmRestarts
 */
typedef enum { SN_SCHEDULE_PLATEAU, SN_SCHEDULE_CONSTANT, SN_SCHEDULE_COSINE, SN_SCHEDULE_RESTARTS } sn_schedule_kind;

extern const sn_name sn_schedule_kinds[];

typedef struct {
  sn_schedule_kind kind;
  double factor;    /* the rate is multiplied by this ... */
  int64_t patience; /* ... after more than this many epochs without a new best loss ... */
  double threshold; /* ... lower than best * (1 - threshold); */
  double minimum;   /* it never falls below this */
  double start;     /* cosine, restarts: the rate at the start, */
  int64_t period;   /* and the epochs of the first wave, */
  double growth;    /* restarts: and how many times longer each is than the one before */
} sn_schedule_options;

/* The state, all of which goes into a checkpoint. */
typedef struct {
  double rate, best;
  int64_t bad_epochs;
} sn_schedule;

sn_schedule sn_schedule_start(double learning_rate);

/* After an epoch, `epochs` of them being complete, with the loss it is judged by. */
void sn_schedule_step(sn_schedule *schedule, const sn_schedule_options *options, int64_t epochs, double loss);

#endif
