/*
 * Loss and gradient of many windows, the same to the last bit on any number of replicas: the windows are cut into
 * slices of a fixed size, each slice is evaluated by itself, as one batch of that size, and the slices' losses and
 * gradients are added in a fixed order (sinode/ordered_reduction.h). The split of space must stay the same. Dearer than
 * a batch at once by the smaller matrices and by a reduction of as many rounds as there are levels of the sum.
 */
#ifndef SINODE_ORDERED_LOSS_H
#define SINODE_ORDERED_LOSS_H

#include <stdbool.h>
#include <stddef.h>

#include "sinode/dataset.h"
#include "sinode/error.h"
#include "sinode/objective.h"

typedef struct sn_ordered_loss sn_ordered_loss;

/*
 * For up to windows_most windows with gradients. Slices are as large as the model has samples. Everything is kept, not
 * owned. Collective over world.
 */
sn_status sn_ordered_loss_create(sn_model *model, sn_objective *objective, const sn_dataset *dataset,
                                 ptrdiff_t windows_most, sn_ordered_loss **out);
void sn_ordered_loss_destroy(sn_ordered_loss **ordered);

/*
 * Sum of the losses of windows index[0 .. windows-1] of a set (NULL: its first ones) over all ranks, and the complete
 * gradient of scale times it; gradient NULL: the loss alone. *within_bounds: whether every evaluation of this rank was.
 * The same on all ranks but for `within_bounds`. Collective over world. Error: as of sn_objective_gradient, on one
 * replica perhaps.
 */
sn_status sn_ordered_loss_evaluate(sn_ordered_loss *ordered, sn_set set, ptrdiff_t windows, const ptrdiff_t *index,
                                   double scale, double *loss, double *gradient, bool *within_bounds);

/*
 * Puts the first slice of this replica that was not within_bounds into the objective again, to be looked into; its
 * number of samples, 0 if all were within_bounds. Collective over space.
 */
ptrdiff_t sn_ordered_loss_recall(sn_ordered_loss *ordered);

#endif
