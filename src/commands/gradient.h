/* sinode gradient: what the evaluation and its check share. */
#ifndef SINODE_COMMANDS_GRADIENT_H
#define SINODE_COMMANDS_GRADIENT_H

#include "run/app.h"
#include "sinode/window_loss.h"

typedef struct {
  sn_app *app;
  sn_grid *grid;
  sn_model *model;
  sn_integrator *integrator;
  sn_objective *objective;
  sn_dataset *dataset; /* a window a member */
  sn_window_loss *loss;
  sn_windows windows; /* all of them */
  sn_range own;       /* of this replica */
  ptrdiff_t points;   /* local */
  double *values;     /* (own windows, window + 1, points): the data */
  double *parameters; /* (windows), or NULL */
  double *gradient, *direction, *kept;
  double *states;  /* (own windows, window + 1, points): the trajectory */
  double *initial; /* (own windows, points): of it */
  ptrdiff_t steps; /* time steps of the window */
  double *norms;   /* (steps): of the adjoint */
} sn_gradient_evaluation;

/*
 * Compares the gradient just evaluated with central differences in random directions. Collective over world. Error
 * SN_ERROR_RUN: they differ.
 */
SN_MUST_CHECK sn_status sn_gradient_check(sn_gradient_evaluation *evaluation);

#endif
