/* Linear stability of a scheme on a model's linear part: what an explicit scheme allows. */
#ifndef SINODE_STABILITY_H
#define SINODE_STABILITY_H

#include "sinode/error.h"
#include "sinode/linear.h"
#include "sinode/tableau.h"

/*
 * The largest step for which no mode of du/dt = A u grows faster by the scheme than by itself: |R(dt a)| <=
 * max(1, |exp(dt a)|) for the eigenvalues a of A, by bisection. A circulant A gives its symbol (at most 4096 wave
 * numbers, the highest among them); for a dense one the bound |a| <= max row sum stands in, as a damped mode, which is
 * on the safe side. INFINITY if the scheme treats A implicitly. Collective over the space ranks.
 */
sn_status sn_stability_limit(const sn_linear *linear, const sn_grid *grid, const sn_tableau *tableau, double *limit);

#endif
