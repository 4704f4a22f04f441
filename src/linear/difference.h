/*
 * A symmetric stencil written in repeated differences D u_j = u_{j+1} - 2 u_j + u_{j-1}:
 *
 *   g_0 u_j + sum_k g_k (u_{j+k} + u_{j-k}) = sum_{p < depth} alpha_p (D^p u)_j + (R D^depth u)_j,
 *
 * where the sum of the taps and one D are taken out at a time, by
 *
 *   u_{j+k} + u_{j-k} - 2 u_j = sum_{|i| < k} (k - |i|) (D u)_{j+i},
 *
 * and R is the symmetric stencil that remains. Taps of size 1/dx^4 whose sum vanishes then leave no trace in smooth
 * fields (the differences of neighbours are exact), while applying them one by one loses eps/dx^4. Local.
 */
#ifndef SINODE_LINEAR_DIFFERENCE_H
#define SINODE_LINEAR_DIFFERENCE_H

#include <stddef.h>

typedef struct {
  int half, depth;
  double *coefficients; /* (half + 1): alpha_0 .. alpha_{depth-1}, then the remainder's centre and pairs */
} sn_difference;

/* Rewrites taps (half + 1: the centre, then one of each pair) into form->coefficients; half is set by the caller. */
void sn_difference_make(sn_difference *form, const double *taps);

/* The eigenvalue for e^{i theta j}, with s = 2 sin(theta / 2). */
double sn_difference_symbol(const sn_difference *form, double theta, double s);

/*
 * y_j += scale * (stencil applied to u)_j for j = 0 .. count - 1; u is read from -half to count + half - 1. work has
 * count + 2 half numbers and may not overlap u.
 */
void sn_difference_apply(const sn_difference *form, ptrdiff_t count, double scale, const double *u, double *y,
                         double *work);

#endif
