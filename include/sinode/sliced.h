/*
 * Loss and gradient of many windows, the same to the last bit on any number of replicas: the windows are cut into
 * slices of a fixed size, each slice is evaluated by itself, as one batch of that size, and the slices' losses and
 * gradients are added in a fixed order (sinode/fixed_sum.h). The split of space must stay the same. Dearer than a
 * batch at once by the smaller matrices and by a reduction of as many rounds as there are levels of the sum.
 */
#ifndef SINODE_SLICED_H
#define SINODE_SLICED_H

#include <stdbool.h>
#include <stddef.h>

#include "sinode/dataset.h"
#include "sinode/error.h"
#include "sinode/objective.h"

typedef struct sn_sliced sn_sliced;

/*
 * For up to windows_most windows with gradients. Slices are as large as the model has samples. Everything is kept, not
 * owned. Collective over world.
 */
sn_status sn_sliced_create(sn_model *model, sn_objective *objective, const sn_dataset *dataset,
                           ptrdiff_t windows_most, sn_sliced **out);
void sn_sliced_destroy(sn_sliced **sliced);

/*
 * Sum of the losses of windows index[0 .. windows-1] of a set (NULL: its first ones) over all ranks, and the complete
 * gradient of scale times it; gradient NULL: the loss alone. *sound: whether every evaluation of this rank was. The
 * same on all ranks but for `sound`. Collective over world. Error: as of sn_objective_gradient, on one replica perhaps.
 */
sn_status sn_sliced_evaluate(sn_sliced *sliced, sn_set set, ptrdiff_t windows, const ptrdiff_t *index, double scale,
                             double *loss, double *gradient, bool *sound);

/*
 * Puts the first slice of this replica that was not sound into the objective again, to be looked into; its number of
 * samples, 0 if all were sound. Collective over space.
 */
ptrdiff_t sn_sliced_recall(sn_sliced *sliced);

#endif
