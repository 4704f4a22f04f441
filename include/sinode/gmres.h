/*
 * Restarted GMRES (Saad, Schultz 1986), matrix-free, for many independent systems of one shape at once: (samples, local
 * points) on the space ranks of a replica. Each sample has its own Krylov space and stops by itself, so its solution
 * does not depend on which others share the batch; their inner products travel in one reduction. A preconditioner is
 * part of the operator and the right-hand side given.
 */
#ifndef SINODE_GMRES_H
#define SINODE_GMRES_H

#include <float.h>
#include <stdbool.h>
#include <stddef.h>

#include "sinode/error.h"
#include "sinode/grid.h"

typedef struct sn_gmres sn_gmres;

/* y = M x for `samples` samples. x and y do not overlap. Collective over space. */
typedef sn_status (*sn_gmres_operator)(void *context, ptrdiff_t samples, const double *x, double *y);

typedef struct {
  double tolerance;   /* each sample ends with |b - M x| <= tolerance |b| */
  int max_iterations; /* over all restarts */
} sn_gmres_limits;

/* What came of it: the most iterations of any sample and the largest |b - M x| / |b|. */
typedef struct {
  int iterations;
  double residual;
} sn_gmres_result;

/*
 * Whether a sample's residual is round-off of the largest right-hand side (or state) of its batch, and no smaller one
 * can be asked for: transforms over several ranks may take two samples at once, which then carry each other's
 * round-off.
 */
static inline bool sn_gmres_is_noise(double residual, double largest) {
  return largest <= DBL_MAX && residual <= 16 * DBL_EPSILON * largest; /* what has overflowed is no noise */
}

/* Room for up to `samples` systems and Krylov spaces of up to `restart` vectors. Local. */
SN_MUST_CHECK sn_status sn_gmres_create(const sn_grid *grid, ptrdiff_t samples, int restart, sn_gmres **out);
void sn_gmres_destroy(sn_gmres **gmres);

/*
 * Solves M x = b from x = 0. Not converging is no error: see result->residual, in which noise does not count. b and x
 * do not overlap. Collective over space; the result is the same on its ranks.
 */
SN_MUST_CHECK sn_status sn_gmres_solve(sn_gmres *gmres, ptrdiff_t samples, sn_gmres_operator apply, void *context,
                                       const double *b, double *x, const sn_gmres_limits *limits,
                                       sn_gmres_result *result);

#endif
