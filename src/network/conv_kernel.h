/*
 * What convolutional networks are made of: periodic 1-D cross-correlations over channels on the split grid,
 *
 *   z[o, j] = sum_{i, k} W[o, i, k] a[i, j + k - kernel/2]
 *
 * Arrays are (samples, channels, local points); "padded" ones (samples, channels, span) have their halos on both sides.
 * W is (out, in, kernel), the same on all ranks. Everything is local but sn_convolution_pad.
 */
#ifndef SINODE_NETWORK_CONVOLUTION_H
#define SINODE_NETWORK_CONVOLUTION_H

#include <stddef.h>

#include "sinode/error.h"
#include "sinode/grid.h"
#include "sinode/halo.h"

typedef struct {
  ptrdiff_t points;              /* local */
  ptrdiff_t kernel, reach, span; /* reach: points of halo on a side; span: points of a padded row */
  sn_halo *halo;                 /* NULL for kernel 1 */
} sn_convolution;

/* Error: the kernel is even or wider than the grid. `rows`: the most that are padded at once. Collective over space. */
SN_MUST_CHECK sn_status sn_convolution_check(const sn_grid *grid, int kernel);
SN_MUST_CHECK sn_status sn_convolution_create(const sn_grid *grid, int kernel, ptrdiff_t rows,
                                              sn_convolution *convolution);
void sn_convolution_destroy(sn_convolution *convolution);

/* Rows with their halos; the interior is copied while the halo exchange is in progress. Collective over space. */
SN_MUST_CHECK sn_status sn_convolution_pad(sn_convolution *convolution, ptrdiff_t rows, const double *values,
                                           double *padded);

/* z += W * padded. Weights that are 0 cost nothing: most of a tangent's direction is 0. */
void sn_convolution_add(const sn_convolution *convolution, ptrdiff_t samples, ptrdiff_t out, ptrdiff_t in,
                        const double *weight, const double *padded, double *z);

/* The transpose: in_bar (samples, in, points) += W^T * padded (samples, out, span). */
void sn_convolution_add_transposed(const sn_convolution *convolution, ptrdiff_t samples, ptrdiff_t out, ptrdiff_t in,
                                   const double *weight, const double *padded, double *in_bar);

/* This rank's share of the derivative by W: gradient (out, in, kernel) += sum over samples and points of delta a. */
void sn_convolution_add_gradient(const sn_convolution *convolution, ptrdiff_t samples, ptrdiff_t out, ptrdiff_t in,
                                 const double *delta, const double *padded, double *gradient);

#endif
