/* sinode gradient: what the evaluation and its check share. */
#ifndef SINODE_COMMANDS_GRADIENT_H
#define SINODE_COMMANDS_GRADIENT_H

#include "run/app.h"
#include "sinode/grid.h"
#include "sinode/integrator.h"
#include "sinode/model.h"
#include "sinode/objective.h"

typedef struct {
  sn_app *app;
  sn_grid *grid;
  sn_model *model;
  sn_integrator *integrator;
  sn_objective *objective;
  ptrdiff_t samples; /* in all */
  sn_range own;      /* of this replica */
  ptrdiff_t points;  /* local */
  double *values;    /* (own samples, window + 1, points): the data */
  double *gradient, *direction, *kept;
  double *states;  /* (own samples, window + 1, points): the trajectory */
  ptrdiff_t steps; /* time steps of the window */
  double *norms;   /* (steps): of the adjoint */
} sn_gradient_evaluation;

/* Fills the objective's initial states and targets: (time, sample) from (sample, time). Local. */
void sn_gradient_fill(const sn_gradient_evaluation *evaluation);

/* What the sum of the loss over samples, targets and points is multiplied by. Local. */
double sn_gradient_scale(const sn_gradient_evaluation *evaluation);

/*
 * Compares the gradient just evaluated with central differences in random directions. Collective over world. Error
 * SN_ERROR_RUN: they differ.
 */
sn_status sn_gradient_check(sn_gradient_evaluation *evaluation);

#endif
