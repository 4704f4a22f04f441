/*
 * The loss of a whole set of windows as the problem of an optimizer that looks at all of it: windows are shared out
 * over the replicas and taken a few at a time, what the model has room for.
 */
#ifndef SINODE_LEARN_TRAINING_PROBLEM_H
#define SINODE_LEARN_TRAINING_PROBLEM_H

#include "sinode/dataset.h"
#include "sinode/objective.h"
#include "sinode/optimizer.h"
#include "sinode/reduction.h"

typedef struct {
  sn_model *model;
  sn_objective *objective;
  const sn_dataset *dataset;
  sn_set set;
  sn_reduction *reduction;
  double count;                 /* values that the loss is the mean of */
  ptrdiff_t directions;         /* of the tangents; 0: no normal equations will be wanted */
  double *thetas;               /* (directions, size of the parameters): a unit vector each */
  double *tangents, *residuals; /* of a chunk of windows */
} sn_training_problem;

/* window: the longest there will be. All objects are kept, not owned. Collective over world. */
sn_status sn_training_problem_create(sn_model *model, sn_objective *objective, const sn_dataset *dataset, sn_set set,
                                     ptrdiff_t window, bool tangents, sn_reduction *reduction,
                                     sn_training_problem *problem);
void sn_training_problem_destroy(sn_training_problem *problem);

/* Takes note that windows are `window` intervals long. Local. */
void sn_training_problem_set_window(sn_training_problem *problem, ptrdiff_t window);

/* As an optimizer sees it; the context is the object, which must stay where it is. Local. */
sn_problem sn_training_problem_view(sn_training_problem *problem);

#endif
