/*
 * The mean loss of a model over many windows, its gradient, and its Jacobian in the normal equations of least squares:
 * the one way in which training, validation and the gradient command evaluate them. Windows are shared out over the
 * replicas and rolled out as many at a time as the model has room for; sums over the ranks go through a reduction
 * (sinode/reduction.h) of either kind, which begins while the last backward pass goes on.
 *
 * With an ordered reduction windows are cut into slices of a fixed size, and every result has the same bits on any
 * number of replicas; the split of space must stay the same. Dearer than a batch at once by the smaller matrices and by
 * a reduction of as many rounds as there are levels of the sum.
 */
#ifndef SINODE_WINDOW_LOSS_H
#define SINODE_WINDOW_LOSS_H

#include <stdbool.h>
#include <stddef.h>

#include "sinode/dataset.h"
#include "sinode/error.h"
#include "sinode/normal_equations.h"
#include "sinode/objective.h"
#include "sinode/optimizer.h"
#include "sinode/reduction.h"
#include "sinode/stop_request.h"

typedef struct sn_window_loss sn_window_loss;

typedef struct {
  bool ordered;            /* slices of the model's samples, summed in order */
  ptrdiff_t windows_most;  /* ordered: of an evaluation with gradient */
  bool jacobian;           /* whether normal equations will be wanted: takes a tangent for every parameter */
  bool second_derivatives; /* whether those along a step will be */
  bool estimated;          /* initial states are unknowns, the model's states; their windows do not overlap */
  double jump_weight;      /* at first, of the squared distance from the end of a window to the beginning of the next */
} sn_window_loss_options;

/* `count` windows of a set: index[0 .. count-1], or its first ones if index is NULL. */
typedef struct {
  sn_set set;
  ptrdiff_t count;
  const ptrdiff_t *index;
} sn_windows;

/* The same on all ranks. */
typedef struct {
  double sum, values; /* the loss is sum / values: windows x intervals x grid points */
  bool within_bounds; /* every evaluation succeeded, with all states and adjoints within bounds */
  bool finite;        /* the gradient */
} sn_window_result;

/*
 * For windows as long as the objective's at most. All objects are kept, not owned. Collective over world. Error: more
 * residuals of a pass than an int can count.
 */
SN_MUST_CHECK sn_status sn_window_loss_create(sn_model *model, sn_objective *objective, const sn_dataset *dataset,
                                              const sn_window_loss_options *options, sn_window_loss **out);
void sn_window_loss_destroy(sn_window_loss **loss);

/* Where initial states are estimated, sets the model's to those of the data, gaps filled: a first guess. Local. */
void sn_window_loss_guess_states(sn_window_loss *loss);

/*
 * Where initial states are estimated by least squares: moves them to their minimum for the parameters as they are, by
 * Gauss-Newton, nearly; normal: as of sn_window_loss_normal. Collective over world. Errors: its.
 */
SN_MUST_CHECK sn_status sn_window_loss_fit_states(sn_window_loss *loss, sn_normal_equations *normal);

/* Changes the weight of jumps from now on. Local. */
void sn_window_loss_set_jump_weight(sn_window_loss *loss, double weight);

/* Reserves the integrator for every number of samples that evaluations of so many windows bring. Collective over space.
 */
SN_MUST_CHECK sn_status sn_window_loss_reserve(const sn_window_loss *loss, sn_integrator *integrator,
                                               ptrdiff_t windows);

/* The loss alone. Collective over world. Error SN_ERROR_RUN, the same on all ranks: as of sn_objective_value. */
SN_MUST_CHECK sn_status sn_window_loss_value(sn_window_loss *loss, const sn_windows *windows, sn_window_result *result);

/*
 * The loss, and the gradient of its mean on this replica's parts of the vector at least; sn_reduction_gather makes it
 * whole. *request (NULL: there is none) becomes the greatest of all ranks', in the same message. Collective over world.
 * Error: as of sn_objective_gradient, on one replica perhaps; the others see it in result->within_bounds.
 */
SN_MUST_CHECK sn_status sn_window_loss_gradient(sn_window_loss *loss, const sn_windows *windows, double *gradient,
                                                sn_stop_request *request, sn_window_result *result);

/*
 * The loss, which must be the mse, and J^T J, J^T r over result->values; where initial states are estimated, what is
 * left of them for the parameters after the states have been eliminated (Schur complement). Errors as of
 * sn_window_loss_value.
 */
SN_MUST_CHECK sn_status sn_window_loss_normal(sn_window_loss *loss, const sn_windows *windows,
                                              sn_normal_equations *normal, sn_window_result *result);

/*
 * Looks into a gradient that was not within bounds or not finite; `status` is what it returned on this rank, and is
 * destroyed. The error names the step. SN_OK if what one rank saw is within bounds for all of them together: the
 * gradient is then there once more. Collective over world.
 */
SN_MUST_CHECK sn_status sn_window_loss_diagnose(sn_window_loss *loss, const sn_windows *windows, sn_status status,
                                                double *gradient);

/* The training set as the problem of an optimizer that looks at all of it; the context is the object. Local. */
sn_problem sn_window_loss_problem(sn_window_loss *loss);

/* How gradients are summed, and parameters updated by them. */
sn_reduction *sn_window_loss_reduction(const sn_window_loss *loss);

#endif
