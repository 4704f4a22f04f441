/*
 * Phi-functions of a full matrix, and their derivatives along a change of it, made as phi.c makes those of a number:
 * with Y = c A / 2^s, |Y| <= 1, a Taylor series of the highest phi_K(Y) by Horner's rule, the recurrence downwards, and
 * s doublings, all of them products of matrices (Skaflestad, Wright 2009, with a series for their Pade approximation,
 * so that no system is solved), by the BLAS or over several ranks by ScaLAPACK. A derivative goes through them as the
 * second part of a dual number. Matrices come and go as rows, split over the space ranks as the grid points are.
 * Private to this folder.
 */
#ifndef SINODE_LINEAR_PHI_MATRIX_H
#define SINODE_LINEAR_PHI_MATRIX_H

#include "block_cyclic.h"
#include "sinode/phi.h"

enum { SN_PHI_MATRIX_POWERS = SN_PHI_MOST + 1 };

/* A matrix in ScaLAPACK's layout, and its derivative. */
typedef struct {
  double *value, *change;
} sn_dual_matrix;

typedef struct {
  sn_block_cyclic layout;
  bool changes;                       /* whether there is room for derivatives */
  bool varies;                        /* whether they are made now */
  sn_redistribution *fill, *straight; /* to the transpose, which the layout holds, and to the matrix itself */
  sn_dual_matrix a, y, work, phi[SN_PHI_MATRIX_POWERS];
  double norm; /* of A: the largest sum of absolute values of a row */
} sn_phi_matrix;

/* Zero-initialized memory. Collective over space. Error: no memory. destroy takes what create has left. */
SN_MUST_CHECK sn_status sn_phi_matrix_create(const sn_grid *grid, bool changes, sn_phi_matrix *out);
void sn_phi_matrix_destroy(sn_phi_matrix *matrix);

/* Takes A from its rows here, which stay. Collective over space. */
SN_MUST_CHECK sn_status sn_phi_matrix_set(sn_phi_matrix *matrix, const double *rows);

/* Takes the change of A, or, of_transpose, that of its transpose, from its rows. Collective over space. */
SN_MUST_CHECK sn_status sn_phi_matrix_set_change(sn_phi_matrix *matrix, bool of_transpose, const double *rows);

/* Makes phi_k(scale A), k = 0 .. highest; varies: with their derivatives. Collective over space. */
void sn_phi_matrix_evaluate(sn_phi_matrix *matrix, double scale, int highest, bool varies);

/* The rows of phi_k; of its derivative; or of the derivative of phi_k(scale A^T). Collective over space. */
SN_MUST_CHECK sn_status sn_phi_matrix_get(sn_phi_matrix *matrix, int k, double *rows);
SN_MUST_CHECK sn_status sn_phi_matrix_get_change(sn_phi_matrix *matrix, bool of_transpose, int k, double *rows);

#endif
