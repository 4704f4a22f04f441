/* Which snapshots predictions begin from and how far they go, out of the parameters and the data. */
#ifndef SINODE_COMMANDS_PREDICTION_RANGE_H
#define SINODE_COMMANDS_PREDICTION_RANGE_H

#include <stddef.h>

#include "config/config.h"
#include "sinode/error.h"
#include "sinode/trajectory_file.h"

typedef struct {
  double interval;     /* between snapshots */
  ptrdiff_t intervals; /* to predict */
  ptrdiff_t starts;    /* predictions from each trajectory, */
  ptrdiff_t stride;    /* this many snapshots apart */
} sn_prediction_range;

/* Error: the data do not have predict.start, .span or .starts. Local; the same on all ranks. */
SN_MUST_CHECK sn_status sn_prediction_range_find(const sn_config *config, const sn_trajectory_reader *reader,
                                                 sn_prediction_range *range);

#endif
