/*
 * What a forecast is worth beside its nrmse and valid time, member by member:
 *
 *   local valid time   that of each of many windows of one length, by the nrmse within the window: their median. The
 *                      valid time of the whole domain gets shorter the longer the domain is, this one does not
 *   correlation        Pearson's, of prediction and reference over x at one time, and when it falls below 0.9 and 0.8
 *   geometric mean     of nrmse over the first steps
 *
 * A rank sums over the points that it has; no rank sees the whole grid.
 */
#ifndef SINODE_COMMANDS_SKILL_H
#define SINODE_COMMANDS_SKILL_H

#include <stddef.h>

#include "sinode/error.h"
#include "sinode/grid.h"

typedef enum {
  SN_SKILL_LOCAL_VALID_TIME,
  SN_SKILL_CORRELATION_TIME_90,
  SN_SKILL_CORRELATION_TIME_80,
  SN_SKILL_GEOMETRIC_MEAN,
  SN_SKILL_SCORES
} sn_skill_score;

/* Of the windows, at most: of a domain that is longer than so many of them, windows spread evenly over it. */
enum { SN_SKILL_WINDOWS_MOST = 256 };

typedef struct {
  ptrdiff_t members;           /* of this replica */
  ptrdiff_t chunk;             /* snapshots that are looked at together, at most */
  ptrdiff_t intervals;         /* of the whole prediction */
  double interval;             /* in time */
  double length, window;       /* of the domain, of a window */
  double threshold;            /* of nrmse, for valid times */
  ptrdiff_t steps;             /* of the geometric mean, as many as there is a reference for at most */
  const double *mean, *spread; /* (members): of the reference, over points and times; kept, not owned */
} sn_skill_options;

typedef struct sn_skill sn_skill;

/* Local. */
SN_MUST_CHECK sn_status sn_skill_create(const sn_grid *grid, const sn_skill_options *options, sn_skill **out);
void sn_skill_destroy(sn_skill **skill);

/* The length of a window in whole points. Local. */
double sn_skill_window(const sn_skill *skill);

/* Begins with snapshot `index` of a chunk: states and truth (members, local points), NaN where there is none. Local. */
void sn_skill_compare(sn_skill *skill, ptrdiff_t index, const double *states, const double *truth);

/* Sums what `count` such snapshots have brought. Collective over space, one reduction. */
void sn_skill_sum(sn_skill *skill, ptrdiff_t count);

/*
 * The correlations (members) of snapshot `index` of the chunk, which is `step` intervals after the start; nrmse
 * (members) is that of the whole domain. Snapshots come in their order. Local.
 */
const double *sn_skill_measure(sn_skill *skill, ptrdiff_t index, ptrdiff_t step, const double *nrmse);

/* Behind the last snapshot: makes the scores. Local. */
void sn_skill_finish(sn_skill *skill);

/* A score (members); a time is NaN where the prediction is good to the end. Local. */
const double *sn_skill_get(const sn_skill *skill, sn_skill_score score);

/* Sum over the members of the correlation after `step` intervals. Local. */
double sn_skill_correlations(const sn_skill *skill, ptrdiff_t step);

#endif
