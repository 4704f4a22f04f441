/*
 * Products of a square matrix, whose rows are split over the space ranks as the grid points are, with vectors (samples,
 * local points). The blocks of all space ranks are gathered as they are, and each is multiplied with its columns of the
 * matrix: nothing is reordered. Private to this folder.
 */
#ifndef SINODE_LINEAR_ROW_MATRIX_H
#define SINODE_LINEAR_ROW_MATRIX_H

#include "sinode/grid.h"

typedef struct {
  const sn_grid *grid;
  int ranks, samples;
  int points, local;     /* columns and rows of the matrix here */
  int *start, *count;    /* of every rank's block of points */
  int *elements, *place; /* of every rank's block of a gathered array */
} sn_row_matrix;

/* Of products with up to `samples` vectors. Local. Error: more numbers than MPI can count; no memory. */
SN_MUST_CHECK sn_status sn_row_matrix_create(const sn_grid *grid, ptrdiff_t samples, sn_row_matrix *out);
void sn_row_matrix_destroy(sn_row_matrix *matrix);

/* all (samples, points): x of all ranks, block after block. Collective over space. */
void sn_row_matrix_gather(sn_row_matrix *matrix, int samples, const double *x, double *all);

/* y = keep y + weight rows x, of a gathered x. Local. */
void sn_row_matrix_multiply(sn_row_matrix *matrix, double weight, const double *rows, int samples, const double *all,
                            double keep, double *y);

/* shares = keep shares + weight rows^T x, this rank's share of the product, block after block. Local. */
void sn_row_matrix_multiply_transposed(sn_row_matrix *matrix, double weight, const double *rows, int samples,
                                       const double *x, double keep, double *shares);

/* rows += weight times the sum over the samples of left right^T, right gathered. Local. */
void sn_row_matrix_add_outer(sn_row_matrix *matrix, double weight, int samples, const double *left, const double *all,
                             double *rows);

/* y = the sum of the ranks' shares. Collective over space. */
void sn_row_matrix_add_shares(sn_row_matrix *matrix, int samples, const double *shares, double *y);

#endif
