/*
 * Circulant operators by their eigenvalues, multiplied in Fourier space. The kinds differ in how coefficients make
 * eigenvalues, and in nothing else. Private to this folder.
 */
#ifndef SINODE_LINEAR_CIRCULANT_H
#define SINODE_LINEAR_CIRCULANT_H

#include "linear_ops.h"

typedef struct {
  /* The eigenvalue for wave number m that `values` make, which are laid out as the coefficients; that of -m is its
   * conjugate, and where a mode is its own conjugate it is real. */
  double complex (*value)(const sn_linear *linear, const double *values, double m);
  /* gradient += Re(product d(eigenvalue for m) / d(coefficients)); in the coefficients' layout. NULL: nothing to train.
   */
  void (*add_gradient)(const sn_linear *linear, ptrdiff_t m, double complex product, double *gradient);
} sn_circulant_form;

/* Whether the mode is its own conjugate. */
static inline bool sn_circulant_is_real(const sn_linear *linear, double m) {
  return m == 0 || 2 * fabs(m) == (double)sn_grid_points(linear->grid);
}

/* Adds the block, of `dimensions` and with the name and shape given, unless its dimensions are 0. Collective over
 * space. */
SN_MUST_CHECK sn_status sn_circulant_create(sn_linear *linear, const sn_circulant_form *form,
                                            sn_parameter_block *block);

/* The functions of these names of sn_linear_ops. */
void sn_circulant_destroy(sn_linear *linear);
double complex sn_circulant_symbol(const sn_linear *linear, double m);
SN_MUST_CHECK sn_status sn_circulant_extend(sn_linear *linear);
SN_MUST_CHECK sn_status sn_circulant_apply(sn_linear *linear, bool transpose, ptrdiff_t samples, const double *x,
                                           double *y);
SN_MUST_CHECK sn_status sn_circulant_gradient(sn_linear *linear, ptrdiff_t samples, double weight, const double *left,
                                              const double *right, double *gradient);
SN_MUST_CHECK sn_status sn_circulant_tangent(sn_linear *linear, ptrdiff_t samples, double weight,
                                             const double *direction, const double *x, double *y);

#endif
