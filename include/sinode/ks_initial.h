/*
 * Initial states of the Kuramoto-Sivashinsky equation, a row of grid values for each member of an ensemble. They are
 * functions of the grid point and the seed, not of the number of ranks.
 */
#ifndef SINODE_KS_INITIAL_H
#define SINODE_KS_INITIAL_H

#include <stdint.h>

#include "sinode/error.h"
#include "sinode/grid.h"
#include "sinode/name.h"

/* |u| reaches this on the attractor, whatever the domain. */
#define SN_KS_TYPICAL_MAX_ABS_U 3.0

/*
 * paper   cos(x / 22) sin(1 + x / 22), as published: not periodic on [0, 22), so its first high modes are large
 * cosine  cos(2 pi x / L) (1 + sin(2 pi x / L))
 * random  sum of the lowest four modes with normal amplitudes, mean 0, expected root mean square 1, another for each
 *         member
 * noise   a smooth field whose spectrum, around the wave number 2/3, does not depend on the domain: mean 0, expected
 *         root mean square 1, another for each member; for long domains, on which the lowest modes take long to break
 * file    given by the caller
 */
typedef enum {
  SN_KS_INITIAL_PAPER,
  SN_KS_INITIAL_COSINE,
  SN_KS_INITIAL_RANDOM,
  SN_KS_INITIAL_NOISE,
  SN_KS_INITIAL_FILE
} sn_ks_initial;

extern const sn_name sn_ks_initials[];

typedef struct {
  sn_ks_initial kind;
  double length; /* of the domain */
  uint64_t seed;
  double perturbation; /* size relative to the root mean square of the state */
} sn_ks_initial_options;

/*
 * Writes the states (members.count, local points) of members members.start .. of the ensemble; with kind `file` they
 * are there already. Unless the kind is `random` or `noise`, members other than 0 are then perturbed by a random sum of
 * the lowest four modes. Collective over space.
 */
void sn_ks_initial_state(const sn_grid *grid, const sn_ks_initial_options *options, sn_range members, double *state);

#endif
