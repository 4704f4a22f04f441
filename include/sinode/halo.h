/*
 * Halo exchange of periodic fields split over the space ranks: every rank gets the `width` values left and right of its
 * block, of many rows at once. Blocks may be shorter than the halo: then it comes from several ranks, one message per
 * distinct neighbour. On one space rank nothing is sent. Non-blocking, so that interior work overlaps it.
 */
#ifndef SINODE_HALO_H
#define SINODE_HALO_H

#include <stddef.h>

#include "sinode/error.h"
#include "sinode/grid.h"

typedef struct sn_halo sn_halo;

/* Plans exchanges of up to `rows` rows with halos of `width` >= 1 points (width <= points). Collective over space. */
SN_MUST_CHECK sn_status sn_halo_create(const sn_grid *grid, ptrdiff_t width, ptrdiff_t rows, sn_halo **out);
void sn_halo_destroy(sn_halo **halo);

/*
 * Starts the exchange for `rows` rows; row i of this rank's block begins at values + i * stride. The values are packed
 * before this returns and may change afterwards. One exchange at a time. Collective over space.
 */
SN_MUST_CHECK sn_status sn_halo_begin(sn_halo *halo, ptrdiff_t rows, const double *values, ptrdiff_t stride);
SN_MUST_CHECK sn_status sn_halo_begin_single(sn_halo *halo, ptrdiff_t rows, const float *values, ptrdiff_t stride);

/*
 * Waits. Then row i has its left neighbours u[-width] .. u[-1] at sn_halo_left(halo) + i * width, and its right ones
 * u[n] .. u[n + width - 1] at sn_halo_right(halo) + i * width, valid until the next begin; those of
 * sn_halo_begin_single at the functions of that ending. Collective over space.
 */
SN_MUST_CHECK sn_status sn_halo_end(sn_halo *halo);
const double *sn_halo_left(const sn_halo *halo);
const double *sn_halo_right(const sn_halo *halo);
const float *sn_halo_left_single(const sn_halo *halo);
const float *sn_halo_right_single(const sn_halo *halo);

/*
 * The transpose of an exchange: what stands in the halos, left and right (rows, width), is added to the points that it
 * stands for; row i of this rank's block begins at values + i * stride. The order of the sums depends on the number of
 * ranks alone. Collective over space.
 */
SN_MUST_CHECK sn_status sn_halo_add(sn_halo *halo, ptrdiff_t rows, const double *left, const double *right,
                                    double *values, ptrdiff_t stride);

#endif
