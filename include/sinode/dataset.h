/*
 * Windows of trajectories for training and validation. A window starts at snapshot k of a member: u(k) is the initial
 * state, u(k+1) .. u(k+window) are the targets. Every replica holds all snapshots, split over its space ranks.
 *
 * Split by time: the last snapshots of every member are for validation; by member: the last members. No validation
 * snapshot is part of a training window.
 */
#ifndef SINODE_DATASET_H
#define SINODE_DATASET_H

#include <stddef.h>

#include "sinode/error.h"
#include "sinode/name.h"

typedef enum { SN_SPLIT_TIME, SN_SPLIT_MEMBER } sn_split_kind;
extern const sn_name sn_split_kinds[];

typedef enum { SN_SET_TRAINING, SN_SET_VALIDATION } sn_set;

typedef struct sn_dataset sn_dataset;

/*
 * values (members, snapshots, local points) is kept, not owned. validation: fraction in [0, 1) of the snapshots
 * (rounded to nearest, at least window + 1 when not 0) or of the members (at least one). Local. Error SN_ERROR_USAGE:
 * no training window is left.
 */
SN_MUST_CHECK sn_status sn_dataset_create(ptrdiff_t members, ptrdiff_t snapshots, ptrdiff_t points,
                                          const double *values, ptrdiff_t window, sn_split_kind split,
                                          double validation, sn_dataset **out);
void sn_dataset_destroy(sn_dataset **dataset);

/*
 * Leaves windows that do not overlap: each begins where the one before ends. An observation then counts once, that of
 * the end of a window in the next one. Before sn_dataset_observe, which then leaves no window out. Local.
 */
void sn_dataset_tile(sn_dataset *dataset);
/* The number of the window that begins where this one ends; -1: there is none, or windows overlap. Local. */
ptrdiff_t sn_dataset_next(const sn_dataset *dataset, sn_set set, ptrdiff_t number);

/*
 * Takes note of gaps in the values, which are NaN there: initial are the values with the gaps filled, for initial
 * states, counts (members, snapshots) the observed values of each (sinode/observations.h); both are kept, not owned.
 * Windows that begin where nothing is observed, or have no target, are left out. Local. Error SN_ERROR_USAGE: that
 * leaves no training window.
 */
SN_MUST_CHECK sn_status sn_dataset_observe(sn_dataset *dataset, const double *initial, const double *counts);

/* Of windows, as sn_dataset_gather has them: what is observed where they begin, NaN where nothing is. */
void sn_dataset_gather_initial(const sn_dataset *dataset, sn_set set, ptrdiff_t samples, const ptrdiff_t *index,
                               ptrdiff_t first, double *observed);

/* How many values are observed in the first `window` targets of windows, as sn_dataset_gather has them, of all_points
 * grid points each where there are no gaps; of tiled windows where they begin as well. Local. */
double sn_dataset_observed(const sn_dataset *dataset, sn_set set, ptrdiff_t count, const ptrdiff_t *index,
                           ptrdiff_t window, ptrdiff_t all_points);

/* Takes note that values begin with this member, where only a replica's own ones are gathered. Local. */
void sn_dataset_begin_at(sn_dataset *dataset, ptrdiff_t member);

/* The parameters of all members (kept, not owned; NULL: there are none), and those of windows, as sn_dataset_gather has
 * them. Local. */
void sn_dataset_set_parameters(sn_dataset *dataset, const double *parameters);
void sn_dataset_gather_parameters(const sn_dataset *dataset, sn_set set, ptrdiff_t samples, const ptrdiff_t *index,
                                  ptrdiff_t first, double *parameters);

/* Number of windows of a set. */
ptrdiff_t sn_dataset_windows(const sn_dataset *dataset, sn_set set);

/* First validation snapshot (split by time) or member (by member); snapshots or members if there is none. */
ptrdiff_t sn_dataset_boundary(const sn_dataset *dataset);

/*
 * Copies windows index[0 .. samples-1] (numbers within the set; NULL: first, first + 1, ...): initial (samples, points)
 * and targets (window, samples, points).
 */
void sn_dataset_gather(const sn_dataset *dataset, sn_set set, ptrdiff_t samples, const ptrdiff_t *index,
                       ptrdiff_t first, double *initial, double *targets);

#endif
