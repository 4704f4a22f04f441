/*
 * Initial states of the training windows as unknowns beside the parameters, of which they are the last block
 * (sn_model_add_states), replicated like the others and split over space. The loss of a window has the misfit where it
 * begins, too, and `jump_weight` times the squared distance of its end from the state that the next window begins with
 * (multiple shooting; weak-constraint 4D-Var with the model error's variance 1 / jump_weight of the observations').
 * For sinode/window_loss.h, which hands in chunks of windows as they stand in the objective.
 */
#ifndef SINODE_LEARN_INITIAL_STATES_H
#define SINODE_LEARN_INITIAL_STATES_H

#include "sinode/dataset.h"
#include "sinode/normal_equations.h"
#include "sinode/objective.h"

typedef struct sn_initial_states sn_initial_states;

/* Objects are kept, not owned; the dataset is tiled. jacobian: for least squares, with one rank in space. Collective
 * over world. */
SN_MUST_CHECK sn_status sn_initial_states_create(sn_model *model, sn_objective *objective, const sn_dataset *dataset,
                                                 double jump_weight, bool jacobian, sn_initial_states **out);
void sn_initial_states_destroy(sn_initial_states **states);

/* Changes the weight from now on. Local. */
void sn_initial_states_set_jump_weight(sn_initial_states *states, double weight);

/* Takes the data for a first guess. Local. */
void sn_initial_states_guess(sn_initial_states *states);

/* Fills the objective with windows, whose targets it has already: index[0 .. samples-1], or first ... Local. */
void sn_initial_states_gather(sn_initial_states *states, ptrdiff_t samples, const ptrdiff_t *index, ptrdiff_t first);

/* After a gradient of the objective: adds the derivatives by the states of these windows. Local. */
void sn_initial_states_add_gradient(const sn_initial_states *states, ptrdiff_t samples, double *gradient);

/* The Jacobian by the states comes before that by the parameters: directions of a window's state, which are given. */
ptrdiff_t sn_initial_states_directions(const sn_initial_states *states);
void sn_initial_states_set_tangents(const sn_initial_states *states, ptrdiff_t samples, ptrdiff_t directions,
                                    double *tangents);

/* Least squares: begins with this replica's windows; adds those of a chunk, whose rows sn_objective_tangent has left;
 * eliminates the states (sn_shooting_eliminate, collective over world). */
void sn_initial_states_begin(sn_initial_states *states, sn_range own);
void sn_initial_states_add(sn_initial_states *states, ptrdiff_t samples, ptrdiff_t directions, const double *tangents,
                           const double *residuals);
SN_MUST_CHECK sn_status sn_initial_states_eliminate(sn_initial_states *states, sn_normal_equations *normal);

/*
 * The step of the states that sn_initial_states_follow would take with a step of the parameters, in the layout of the
 * parameters, of which it becomes the last block. Collective over world.
 */
void sn_initial_states_complete(sn_initial_states *states, double *step);

/*
 * Of second derivatives along such a step: gradient, whole, is J^T r'' over `values`; what the states take away from
 * that of the parameters is added to `product` (all that are trained). From now on states follow along that arc.
 * Collective over world.
 */
void sn_initial_states_bend(sn_initial_states *states, const double *gradient, double values, double *product);

/*
 * Moves the states along with the parameters, which have been moved since the states were eliminated and states put
 * back; each further time by half as much of their own step. Collective over world.
 */
void sn_initial_states_follow(sn_initial_states *states);

/*
 * A step of the states towards their minimum for the parameters as they are, with the factors of that elimination:
 * gradient is that of half the sum, whole, and used up. put_back: as they were before that or, without it, when they
 * were eliminated. Collective over world; local.
 */
void sn_initial_states_relax(sn_initial_states *states, double *gradient);
void sn_initial_states_put_back(sn_initial_states *states);

#endif
