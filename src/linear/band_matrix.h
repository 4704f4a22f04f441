/*
 * Band matrices of 2 h + 1 diagonals, factorized: by LAPACK on one rank, by ScaLAPACK in block rows over the space
 * ranks; Cholesky for symmetric positive definite ones, else LU. ScaLAPACK's pdgbtrs with TRANS = 'T' returns wrong
 * answers (2.2.1), so there a transpose is a matrix of its own. Private to this folder.
 */
#ifndef SINODE_LINEAR_BAND_MATRIX_H
#define SINODE_LINEAR_BAND_MATRIX_H

#include <stdbool.h>
#include <stddef.h>

#include "sinode/error.h"
#include "sinode/grid.h"

/* Where the rows are, the same for all matrices of a solver. */
typedef struct {
  bool local, definite;
  int order, half;
  int block, own;        /* rows of every process but the last, and first dimension of right-hand sides; rows here */
  ptrdiff_t start;       /* the first of them */
  int leading, diagonal; /* of the band's array: its first dimension, and the row of its diagonal */
  int handle, context;   /* of BLACS, on several ranks; context < 0 on a rank without rows */
  int fill_size, work_size;
  int descriptor[7], right_descriptor[7];
  double *work; /* (work_size) */
} sn_band_layout;

/* One matrix. */
typedef struct {
  double *band, *fill; /* band (block, leading): column after column */
  int *pivots;
} sn_band_matrix;

/*
 * Collective over space. Errors: too few rows on a rank for ScaLAPACK, too many for its integers. destroy takes what a
 * failed one has left, and a layout of zeros.
 */
SN_MUST_CHECK sn_status sn_band_layout_create(const sn_grid *grid, int order, int half, bool definite,
                                              sn_band_layout *layout);
void sn_band_layout_destroy(sn_band_layout *layout);

/* Workspace for so many right-hand sides, over several ranks; in place of an earlier one. Local. */
SN_MUST_CHECK sn_status sn_band_layout_reserve(sn_band_layout *layout, ptrdiff_t columns);

/* First dimension of the band's array: half the band where it is definite, else the band and LU's fill-in above it. */
int sn_band_leading(int half, bool definite, bool local);

/* Local; *bytes grows by what it takes. */
SN_MUST_CHECK sn_status sn_band_matrix_create(const sn_band_layout *layout, sn_band_matrix *matrix, ptrdiff_t *bytes);
void sn_band_matrix_destroy(sn_band_matrix *matrix);

/* Factorizes in place; returns LAPACK's info, of this rank. Collective over space. */
int sn_band_matrix_factorize(sn_band_layout *layout, sn_band_matrix *matrix);

/* b (columns, block) := B^-1 b; transpose, on one rank: B^-T b. Collective over space. */
void sn_band_matrix_solve(const sn_band_layout *layout, const sn_band_matrix *matrix, bool transpose, int columns,
                          double *b);

#endif
