/*
 * What convolutional networks are made of: periodic 1-D cross-correlations over channels on the split grid,
 *
 *   z[o, j] = b[o] + sum_{i, k} W[o, i, k] a[i, j + k - kernel/2]
 *
 * Arrays are (samples, channels, local points) or "padded", (samples, channels, span): with their halos on both sides,
 * in which values are computed in place. W is (out, in, kernel), the same on all ranks, and is read packed. Everything
 * is local but halos.
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
  sn_halo *halo;                 /* NULL for kernel 1, and on one space rank */
} sn_convolution;

/* Error: the kernel is even or wider than the grid. `rows`: the most that are padded at once. Collective over space. */
SN_MUST_CHECK sn_status sn_convolution_check(const sn_grid *grid, int kernel);
SN_MUST_CHECK sn_status sn_convolution_create(const sn_grid *grid, int kernel, ptrdiff_t rows,
                                              sn_convolution *convolution);
void sn_convolution_destroy(sn_convolution *convolution);

/* Rows of local points, so far apart: (samples, channels) of them. */
typedef struct {
  double *values;
  ptrdiff_t stride;
} sn_rows;

sn_rows sn_convolution_plain(const sn_convolution *convolution, const double *values);
sn_rows sn_convolution_interior(const sn_convolution *convolution, double *padded);

/* Copies rows into padded ones, halos left out. */
void sn_convolution_copy(const sn_convolution *convolution, ptrdiff_t rows, const double *values, double *padded);

/*
 * The halos of rows whose interior is there. Between the two calls, which belong together, the interior may be read.
 * Collective over space.
 */
SN_MUST_CHECK sn_status sn_convolution_begin_halos(sn_convolution *convolution, ptrdiff_t rows, double *padded);
SN_MUST_CHECK sn_status sn_convolution_end_halos(sn_convolution *convolution, ptrdiff_t rows, double *padded);

/* Both, one after the other; of rows that are copied first (pad). */
SN_MUST_CHECK sn_status sn_convolution_fill_halos(sn_convolution *convolution, ptrdiff_t rows, double *padded);
SN_MUST_CHECK sn_status sn_convolution_pad(sn_convolution *convolution, ptrdiff_t rows, const double *values,
                                           double *padded);

/*
 * A weight in the order in which it is read, of as many numbers: outputs in panels of a few, in each for every input
 * and tap the panel's numbers side by side. The weight of the transposed convolution has `in` outputs.
 */
void sn_convolution_pack(const sn_convolution *convolution, ptrdiff_t out, ptrdiff_t in, const double *weight,
                         double *packed);
void sn_convolution_pack_transposed(const sn_convolution *convolution, ptrdiff_t out, ptrdiff_t in,
                                    const double *weight, double *packed);

/* What is worked on at once: points first .. end - 1 of some samples. */
typedef struct {
  ptrdiff_t sample, samples; /* the first, and how many */
  ptrdiff_t first, end;
} sn_convolution_part;

/* W * a, W packed, a padded (samples, in, span). */
typedef struct {
  const double *weight;
  ptrdiff_t in;
  const double *padded;
} sn_convolution_term;

enum { SN_CONVOLUTION_TERMS = 2 };

/* Does with all rows of a sample what is due at the points first .. first + count - 1, while they are in the cache. */
typedef void (*sn_convolution_finish)(void *context, ptrdiff_t sample, ptrdiff_t first, ptrdiff_t count);

/* z (samples, out rows) = bias (out; NULL: 0) + the sum of up to SN_CONVOLUTION_TERMS terms; finish may be NULL. */
void sn_convolution_apply(const sn_convolution *convolution, sn_convolution_part part, ptrdiff_t out, int terms,
                          const sn_convolution_term *term, const double *bias, sn_rows z, sn_convolution_finish finish,
                          void *context);

/* z += W * padded with a weight that is not packed and mostly 0, which costs nothing: a tangent's direction. */
void sn_convolution_add_sparse(const sn_convolution *convolution, sn_convolution_part part, ptrdiff_t out, ptrdiff_t in,
                               const double *weight, const double *padded, sn_rows z);

/* This rank's share of the derivative by W: gradient (out, in, kernel) += sum over samples and points of delta a. */
void sn_convolution_add_gradient(const sn_convolution *convolution, sn_convolution_part part, ptrdiff_t out,
                                 ptrdiff_t in, sn_rows delta, const double *padded, double *gradient);

/*
 * The same of a single output whose delta is padded (samples, span), inputs being rows: summed over the points of the
 * input, what is loaded of delta serves several inputs.
 */
void sn_convolution_add_single_gradient(const sn_convolution *convolution, sn_convolution_part part, ptrdiff_t in,
                                        const double *delta, sn_rows input, double *gradient);

/* And by b (out): gradient += sum over samples and points of delta. */
void sn_convolution_add_sums(sn_convolution_part part, ptrdiff_t out, sn_rows delta, double *gradient);

/*
 * A pass through stages, each a convolution of what the one before left in padded rows. `work` does a part of a stage,
 * whose input there has all the neighbours it needs; `output` returns the rows (their number for a sample in *rows)
 * whose halos the next stage needs, or NULL if it needs none. The input of stage 0 has its halos already.
 */
typedef struct {
  int stages;
  void (*work)(void *context, int stage, sn_convolution_part part);
  double *(*output)(void *context, int stage, ptrdiff_t *rows);
  void *context;
} sn_convolution_pass;

/*
 * Where rows are long, `block` points at a time go through all stages, and halos follow for the points near the ends;
 * otherwise stage by stage. Collective over space.
 */
SN_MUST_CHECK sn_status sn_convolution_run(sn_convolution *convolution, ptrdiff_t samples, ptrdiff_t block,
                                           const sn_convolution_pass *pass);

#endif
