/*
 * Least squares in which the initial states of consecutive windows are unknowns beside the parameters (multiple
 * shooting): J^T J is block tridiagonal in the states, since the end of a window is compared with the state that the
 * next one begins with, and bordered by the parameters. States are eliminated window after window, by blocked Cholesky
 * factorization, on the replica that has the window and across replicas in their order; what is left, the Schur
 * complement, are normal equations of the parameters alone. A step of the parameters then gives that of the states.
 *
 * Rows are those of a window: a Jacobian has a line of `rows` values for each direction, of which the first `points`
 * are those of the state that the window begins with, the others those of the parameters; lines are `stride` apart.
 */
#ifndef SINODE_LEARN_SHOOTING_H
#define SINODE_LEARN_SHOOTING_H

#include <stdbool.h>
#include <stddef.h>

#include "sinode/grid.h"
#include "sinode/normal_equations.h"
#include "sinode/partition.h"

typedef struct sn_shooting sn_shooting;

/* For up to so many windows of this replica, whose points are all on one rank. Local. */
SN_MUST_CHECK sn_status sn_shooting_create(const sn_grid *grid, ptrdiff_t windows, ptrdiff_t points,
                                           ptrdiff_t parameters, sn_shooting **out);
void sn_shooting_destroy(sn_shooting **shooting);

/* Begins anew, with so many windows; follows: the first of them follows the last one of the replica before. Local. */
void sn_shooting_clear(sn_shooting *shooting, ptrdiff_t windows, bool follows);

/* Adds rows of a window, but for the products of parameters with each other, which are the caller's. Local. */
void sn_shooting_add(sn_shooting *shooting, ptrdiff_t window, ptrdiff_t rows, const double *jacobian, ptrdiff_t stride,
                     const double *residual);

/* Adds the misfits of the state itself that a window begins with; NaN: not observed. Local. */
void sn_shooting_add_initial(sn_shooting *shooting, ptrdiff_t window, const double *misfit);

/*
 * Takes note that rows just added, of the end of a window, are `factor` times its end minus the state that the next
 * window begins with. Local.
 */
void sn_shooting_link(sn_shooting *shooting, ptrdiff_t window, double factor, const double *jacobian, ptrdiff_t stride,
                      const double *residual);

/*
 * Eliminates the states: subtracts from the normal equations, not yet summed, what they take away. Collective over the
 * grid's world. Error SN_ERROR_RUN: a state is not finite.
 */
SN_MUST_CHECK sn_status sn_shooting_eliminate(sn_shooting *shooting, sn_normal_equations *normal);

/*
 * The steps of the states of this replica's windows (windows, points) that go with a step of the parameters: part times
 * the one that is best where the parameters stand still, half of that for another right-hand side, reduced (NULL: 0),
 * and what the parameters' step brings. Collective over the replicas.
 */
void sn_shooting_step(sn_shooting *shooting, const double *parameters, double part, const double *other,
                      double *states);

/*
 * With the factors as they are, other right-hand sides J^T r (windows, points): reduces them by forward substitution,
 * and subtracts from `left` (parameters; NULL: none) this replica's part of what the states take away from those of the
 * parameters. Collective over the replicas.
 */
void sn_shooting_reduce(sn_shooting *shooting, double *right, double *left);

/* The same, and the step of the states alone; right is used up. Collective over the replicas. */
void sn_shooting_solve(sn_shooting *shooting, double *right, double *states);

#endif
