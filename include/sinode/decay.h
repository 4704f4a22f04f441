/*
 * How far (I - gamma A)^-1 of a circulant A reaches. Its kernel G, the solution for a single point on a grid of the
 * same spacing without an end, has the Fourier coefficients 1 / (1 - gamma a), a the symbol of A. Where 1 - gamma a has
 * no zero in a strip about the real axis, as with a stencil, |G_d| falls exponentially with the distance d; the symbol
 * of a spectral A has a kink at the highest wave number, and |G_d| falls as 1 / d^2.
 */
#ifndef SINODE_DECAY_H
#define SINODE_DECAY_H

#include <stddef.h>

#include "sinode/error.h"
#include "sinode/linear.h"

/* The longest overlap that is looked for: subdomains should fit the cache. */
enum { SN_DECAY_OVERLAP_MOST = 1 << 14 };

/* Arrays and a transform, kept for the next call. Local. */
typedef struct sn_decay sn_decay;

SN_MUST_CHECK sn_status sn_decay_create(sn_decay **out);
void sn_decay_destroy(sn_decay **decay);

/* Allocates what searches up to `most` points may need for this A, so that they fail on no rank alone. Local. */
SN_MUST_CHECK sn_status sn_decay_reserve(sn_decay *decay, const sn_linear *linear, ptrdiff_t most);

/*
 * overlap := the least number of points with sum_{|d| > overlap} |G_d| <= tolerance / 2 sum_d |G_d|, and left := the
 * fraction that then stands in place of tolerance. So if right-hand sides are replaced by others no larger beyond the
 * overlap, a solution changes by no more than tolerance |(I - gamma A)^-1| |r| in the maximum norm; the same holds for
 * the transpose, whose kernel is mirrored. Where more than `most` points would be needed: overlap = most + 1, and left
 * is the fraction beyond `most`. `linear` has its coefficients. Local. Error SN_ERROR_RUN: singular.
 */
SN_MUST_CHECK sn_status sn_decay_find_overlap(sn_decay *decay, const sn_linear *linear, double gamma, double tolerance,
                                              ptrdiff_t most, ptrdiff_t *overlap, double *left);

/*
 * The same for (I - gamma_1 A)^-1 ... (I - gamma_count A)^-1 with anything that multiplies by at most 1 in between: the
 * kernel is at most |G_1| * ... * |G_count| then (* the convolution). overlap := an upper bound, about a seventh beyond
 * the least; most + 1 where it is more than `most`. count may be 0.
 */
SN_MUST_CHECK sn_status sn_decay_find_overlap_of_product(sn_decay *decay, const sn_linear *linear, int count,
                                                         const double *gamma, double tolerance, ptrdiff_t most,
                                                         ptrdiff_t *overlap);

#endif
