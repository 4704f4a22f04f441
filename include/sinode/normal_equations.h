/*
 * The normal equations of linear least squares, min |J x + r|^2, over all ranks: rows of J and r are on any rank, and
 * every rank gets the solution. J^T J is summed on rank 0 and factorized there by LAPACK's dpotrf; with more than 1024
 * unknowns it is distributed in blocks of columns (1 x ranks, block-cyclic) and factorized by ScaLAPACK's pdpotrf.
 * While it is summed up, each rank holds its own share of the whole matrix, 8 order^2 bytes. All ranks of comm take
 * part in everything but `add`.
 */
#ifndef SINODE_NORMAL_EQUATIONS_H
#define SINODE_NORMAL_EQUATIONS_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>

#include "sinode/error.h"

typedef struct sn_normal_equations sn_normal_equations;

/* For `order` unknowns. Collective over comm. Error: more unknowns than ScaLAPACK can count. */
SN_MUST_CHECK sn_status sn_normal_equations_create(MPI_Comm comm, ptrdiff_t order, sn_normal_equations **out);
void sn_normal_equations_destroy(sn_normal_equations **normal);

/* Begins anew with no rows. Local. */
void sn_normal_equations_clear(sn_normal_equations *normal);

/* Adds `rows` rows, as many as an int can count: jacobian (order, rows), that is column after column of J; residual
 * (rows). Local. */
void sn_normal_equations_add(sn_normal_equations *normal, ptrdiff_t rows, const double *jacobian,
                             const double *residual);

/* The opposite of adding such rows: what the elimination of other unknowns takes away (Schur complement). Local. */
void sn_normal_equations_subtract(sn_normal_equations *normal, ptrdiff_t rows, const double *jacobian,
                                  const double *residual);

/* Sums over the ranks and multiplies both sides by scale. Collective. */
SN_MUST_CHECK sn_status sn_normal_equations_sum(sn_normal_equations *normal, double scale);

/* After the sum, the same on all ranks: the diagonal of J^T J, and J^T r. Local. */
const double *sn_normal_equations_diagonal(const sn_normal_equations *normal);
const double *sn_normal_equations_right(const sn_normal_equations *normal);

/*
 * After the sum: the whole of J^T J, (order, order), on rank 0 until rows are next cleared or added; NULL on others.
 * Collective.
 */
const double *sn_normal_equations_gather(sn_normal_equations *normal);

/*
 * x = -(J^T J + diag(damping))^-1 J^T r, the same on all ranks; *definite tells whether the factorization succeeded, or
 * else x is not set. Collective.
 */
SN_MUST_CHECK sn_status sn_normal_equations_solve(sn_normal_equations *normal, const double *damping, double *x,
                                                  bool *definite);

/* The same with the factors of the last solve, which succeeded, and `right` for J^T r, the same on all ranks. */
SN_MUST_CHECK sn_status sn_normal_equations_solve_again(sn_normal_equations *normal, const double *right, double *x);

#endif
