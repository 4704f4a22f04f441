/*
 * The training objective: the loss of a model rolled out over a window from given initial states, and its gradient by
 * the discrete adjoint, of the samples that one replica has at a time. sinode/window_loss.h makes of it the loss of any
 * number of windows.
 */
#ifndef SINODE_OBJECTIVE_H
#define SINODE_OBJECTIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "sinode/error.h"
#include "sinode/gradient.h"
#include "sinode/integrator.h"
#include "sinode/loss.h"
#include "sinode/model.h"

typedef struct sn_objective sn_objective;

/* For windows of `window` intervals and up to the model's samples; model and integrator are kept, not owned. Local. */
SN_MUST_CHECK sn_status sn_objective_create(sn_model *model, sn_integrator *integrator, sn_loss_kind loss,
                                            ptrdiff_t window, sn_objective **out);
void sn_objective_destroy(sn_objective **objective);

/* Rolls out only so many intervals from now on, at most those of create; and how many that is. Local. */
void sn_objective_set_window(sn_objective *objective, ptrdiff_t window);
ptrdiff_t sn_objective_window(const sn_objective *objective);

/* To be filled before an evaluation: initial states (samples, local points), targets (window, samples, local points).
 */
double *sn_objective_initial(sn_objective *objective);
double *sn_objective_targets(sn_objective *objective);

/*
 * From now on initial states are unknowns (sinode/window_loss.h): the loss also compares them with what is observed
 * there, (samples, local points), NaN where nothing is, and counts the last target `weight` times, (samples). Both are
 * to be filled before an evaluation. After a gradient end_bar is the derivative by the states at the end, from that
 * target alone: minus that by the target. Local.
 */
SN_MUST_CHECK sn_status sn_objective_estimate_initial(sn_objective *objective);
double *sn_objective_observed(sn_objective *objective);
double *sn_objective_end_weight(sn_objective *objective);
const double *sn_objective_end_bar(const sn_objective *objective);

/* The sum of the loss over this rank's values, and forward states only. Collective over space. */
SN_MUST_CHECK sn_status sn_objective_value(sn_objective *objective, ptrdiff_t samples, double *sum);

/*
 * The same, and gradient += derivative of scale * (sum over all ranks) by the parameters: this rank's part, not yet
 * summed over the ranks (sinode/reduction.h). NULL: for the adjoint states alone. Collective over space.
 */
SN_MUST_CHECK sn_status sn_objective_gradient(sn_objective *objective, ptrdiff_t samples, double scale, double *sum,
                                              const sn_gradient *gradient);

/*
 * The residuals, states minus targets (window, samples, local points), and their derivatives by `directions` directions
 * of the parameters as of sn_integrator_tangent: tangents (window + 1, directions, samples, local points), the first of
 * which becomes 0, but where initial states are unknowns is given. sum is that of the mse. Residuals that are not
 * observed are 0, with their derivatives; those of a weight have its root as a factor. Collective over space.
 */
SN_MUST_CHECK sn_status sn_objective_tangent(sn_objective *objective, ptrdiff_t samples, ptrdiff_t directions,
                                             const double *parameters, double *tangents, double *residuals,
                                             double *sum);

/* From now on gradients come without the derivative by the initial states, which training does not want. Local. */
void sn_objective_skip_initial_bar(sn_objective *objective);

/* Whether the last evaluation stayed finite and within bounds on this rank (sn_integrator_within_bounds). Local. */
bool sn_objective_within_bounds(const sn_objective *objective);

/* After an evaluation: states (window + 1, samples, local points); after a gradient, derivative by the initial states.
 */
const double *sn_objective_states(const sn_objective *objective);
const double *sn_objective_initial_bar(const sn_objective *objective);

/*
 * Finds out why the last evaluation was not finite: repeats it and returns the error that names the step, or SN_OK if
 * every state and adjoint is finite. Collective over world.
 */
SN_MUST_CHECK sn_status sn_objective_diagnose(sn_objective *objective, ptrdiff_t samples, double scale);

#endif
