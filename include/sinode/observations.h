/*
 * Which values of the data are observed. What is not is NaN in an array of observations: losses and their derivatives
 * leave it out (sinode/loss.h), windows do not begin where nothing is observed (sinode/dataset.h). Arrays are (lines,
 * local points), a line being a snapshot of a member.
 */
#ifndef SINODE_OBSERVATIONS_H
#define SINODE_OBSERVATIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "sinode/error.h"
#include "sinode/grid.h"
#include "sinode/name.h"

/* What to do about values that the data do not have: refuse the file, or take them as not observed. */
typedef enum { SN_MISSING_REFUSE, SN_MISSING_SKIP } sn_missing;

extern const sn_name sn_missings[];

enum { SN_OBSERVATIONS_NAME = 1024 };

typedef struct {
  ptrdiff_t stride, offset;        /* the grid points offset, offset + stride, ... are observed */
  char mask[SN_OBSERVATIONS_NAME]; /* variable of the data that is 0 where nothing is observed; "": none */
  sn_missing missing;
  double interval; /* times may be uneven multiples of this; 0: they must be even */
} sn_observations_options;

/* Whether some values of complete data are not observed. Local. */
bool sn_observations_are_partial(const sn_observations_options *options);

/* Makes NaN of the values beside the stride, and of those whose mask is 0 (NULL: there is none). Local. */
void sn_observations_select(const sn_grid *grid, const sn_observations_options *options, ptrdiff_t lines,
                            const double *mask, double *values);

/* How many values of each line are observed, on all space ranks together. Collective over space. */
void sn_observations_count(const sn_grid *grid, ptrdiff_t lines, const double *values, double *counts);

/*
 * Fills the gaps of lines: by trigonometric interpolation where every point of a stride that divides the grid is
 * observed, and no other; else between the nearest observed points on either side, around the domain, linearly. Lines
 * of which nothing is observed take those of the line before, or of the first behind it in the same member, of
 * `snapshots` lines. counts: as above. Collective over space.
 */
SN_MUST_CHECK sn_status sn_observations_fill(const sn_grid *grid, ptrdiff_t members, ptrdiff_t snapshots,
                                             const double *counts, double *values);

#endif
