/* Linear stability of a scheme on a grid: what step an explicit one allows, and what an IMEX one does to fine scales.
 */
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
SN_MUST_CHECK sn_status sn_stability_limit(const sn_linear *linear, const sn_grid *grid, const sn_tableau *tableau,
                                           double *limit);

/*
 * How much one step of an IMEX or exponential scheme amplifies the modes of du/dt = -max_abs_u u_x + A u, for a
 * circulant A: the largest |R(i w, z)| / max(1, |exp z|) over the wave numbers m of the grid, w = dt k max_abs_u
 * treated explicitly, z = dt a(m) implicitly or by its exponential, k = 2 pi m / length. *mode gets the m where it is
 * reached. On a fine grid w >> 1, and a scheme whose weights let w through undamped makes round-off a blow-up. 0 for
 * other schemes and other A. Local.
 */
double sn_stability_amplification(const sn_linear *linear, const sn_grid *grid, const sn_tableau *tableau, double dt,
                                  double max_abs_u, ptrdiff_t *mode);

#endif
