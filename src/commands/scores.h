/* What `predict` says at its end: how long predictions were valid, and the model beside the baselines. */
#ifndef SINODE_COMMANDS_SCORES_H
#define SINODE_COMMANDS_SCORES_H

#include <stddef.h>

#include "baselines.h"
#include "run/app.h"
#include "sinode/grid.h"
#include "skill.h"

/* What is measured against the reference: the model, and the baselines behind it. */
enum { SN_SCORES_MOST = 1 + SN_BASELINES };

/* Intervals after which errors are told: one, and a Lyapunov time or as much as there is of it. */
enum { SN_MARKS = 2 };

typedef struct {
  int scores;               /* 1, or all */
  ptrdiff_t total;          /* predictions in all */
  sn_range members;         /* those of this replica */
  double span;              /* of time */
  double mark[SN_MARKS];    /* in time */
  const double *valid_time; /* (scores, members); NaN: valid to the end, which counts as the span */
  const double *marked;     /* (SN_MARKS, scores, members): nrmse there */
  double interval;
  ptrdiff_t intervals, steps; /* steps: of the geometric mean */
  const sn_skill *skill;
} sn_scores;

/* Median, quartiles and mean of the valid times, and how many never end. Collective over world. */
SN_MUST_CHECK sn_status sn_scores_report_valid_times(const sn_app *app, const sn_grid *grid, const sn_scores *scores);

/*
 * Medians and quartiles of the other scores, and when the mean correlation of all predictions falls below 0.9 and 0.8.
 * Collective over world.
 */
SN_MUST_CHECK sn_status sn_scores_report_skill(const sn_app *app, const sn_grid *grid, const sn_scores *scores);

/* Means over the predictions, a line for each of model and baselines. Collective over world. */
void sn_scores_report_baselines(const sn_app *app, const sn_grid *grid, const sn_scores *scores);

#endif
