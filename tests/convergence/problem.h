/*
 * The problems of the convergence test and study: the KS stencil on a domain of length 22 and a small tanh network,
 * from a smooth state to a final time. The weights are smooth functions of the grid point, as those of a trained
 * network are: with random ones, F would drive the stiff modes and every scheme would show its stiff order alone.
 *
 *   smooth   16 points: eigenvalues of A down to -2.4, so that a quarter of a time unit is stable for all schemes
 *   longer   the same for half as long again, where lawson5, whose leading error is small, shows its order
 *   stiff    64 points: down to -1112, so that explicit schemes have a largest stable step
 *
 * The adjoint is the derivative by the initial state of a smooth linear function of the final state.
 */
#ifndef SINODE_TESTS_PROBLEM_H
#define SINODE_TESTS_PROBLEM_H

#include <stdio.h>

#include "sinode/integrator.h"
#include "sinode/model.h"

enum { PROBLEM_POINTS_MOST = 64 };

/* Ends the program with the message of an error. */
#define TRY(expression)                                                     \
  do {                                                                      \
    sn_status try_ = (expression);                                          \
    if (try_) {                                                             \
      fprintf(stderr, "%s: %s\n", #expression, sn_error_get_message(try_)); \
      MPI_Abort(MPI_COMM_WORLD, 1);                                         \
    }                                                                       \
  } while (0)

typedef struct {
  const char *name;
  ptrdiff_t points;
  double final_time;
  sn_grid *grid;
  sn_model *model;
} problem;

/* Local points of the final state and of the adjoint, and the steps it took. */
typedef struct {
  double state[PROBLEM_POINTS_MOST], adjoint[PROBLEM_POINTS_MOST];
  ptrdiff_t steps;
} solution;

/* On all ranks of the world as one replica. Collective. */
void problem_create(const char *name, problem *out);
void problem_destroy(problem *p);

/* steps: of a scheme with fixed steps; tolerance: rtol = atol of an adaptive one. Collective. */
sn_status problem_integrator(const problem *p, const sn_tableau *tableau, ptrdiff_t steps, double tolerance,
                             sn_integrator **out);

/*
 * One pass from the initial state, and one back. Error: the scheme blew up or its inner iterations failed. gradient by
 * the parameters: NULL if not wanted. Collective.
 */
sn_status problem_forward(const problem *p, sn_integrator *integrator, bool tape, solution *out);
sn_status problem_backward(const problem *p, sn_integrator *integrator, double *gradient, solution *out);

/* Both passes with an integrator of their own. Collective. */
sn_status problem_solve(const problem *p, const sn_tableau *tableau, ptrdiff_t steps, double tolerance, solution *out);

/* Root mean square over the grid of a - b; b may be NULL for 0. Collective. */
double problem_distance(const problem *p, const double *a, const double *b);

#endif
