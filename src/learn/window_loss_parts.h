/* What the parts of a window loss share: its evaluations (window_loss.c), and the problem of an optimizer that looks at
 * the whole training set (window_loss_problem.c). */
#ifndef SINODE_LEARN_WINDOW_LOSS_PARTS_H
#define SINODE_LEARN_WINDOW_LOSS_PARTS_H

#include "initial_states.h"
#include "sinode/window_loss.h"

struct sn_window_loss {
  const sn_grid *grid;
  sn_model *model;
  sn_objective *objective;
  const sn_dataset *dataset;
  sn_window_loss_options options;
  sn_reduction *reduction;
  sn_initial_states *states; /* NULL: windows begin with the data */
  ptrdiff_t chunk;           /* windows at a time */
  double *parameters;        /* (chunk): of these windows */
  sn_range own;              /* windows of this replica in the evaluation under way */
  ptrdiff_t bad;             /* its first chunk that was not within bounds, or the number of chunks */
  /* For the Jacobian; 0 and NULL without. */
  ptrdiff_t directions;         /* of the initial states, where they are unknowns, and the parameters */
  ptrdiff_t first;              /* of the parameters */
  double *thetas;               /* (directions, size of the model's parameters): a unit vector each, 0 of states */
  double *tangents, *residuals; /* of a chunk */
  double *ends;                 /* (own windows, window, local points): sums of states at both ends of a step */
  double *kept, *gradient;      /* parameters before it; a gradient */
};

/* What is done with each chunk of windows once it stands in the objective. */
typedef sn_status (*sn_chunk_visitor)(sn_window_loss *w, ptrdiff_t samples, const sn_gradient *gradient, double *sum,
                                      void *context);

/*
 * Visits all chunks of this replica and sums over the ranks; an error of one replica is one of all. gradient: NULL
 * where the visitor has none. Collective over world.
 */
SN_MUST_CHECK sn_status sn_window_loss_visit(sn_window_loss *loss, const sn_windows *windows, double *gradient,
                                             sn_chunk_visitor visit, void *context, sn_window_result *result);

/* A visitor: context is the factor of the sum whose derivative is wanted. */
SN_MUST_CHECK sn_status sn_window_loss_visit_gradient(sn_window_loss *loss, ptrdiff_t samples,
                                                      const sn_gradient *gradient, double *sum, void *context);

/* What the sum over such windows is divided by. Local. */
double sn_window_loss_values(const sn_window_loss *loss, const sn_windows *windows);

/* States of the training windows of this replica, but for the initial ones. */
ptrdiff_t sn_window_loss_ends(const sn_window_loss *loss);

#endif
