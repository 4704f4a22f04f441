/*
 * The model du/dt = -F(u) + A u: a network, a linear operator and their parameters, on the ranks of a replica. Blocks
 * of the linear part come first, so that what is trainable stands together.
 */
#ifndef SINODE_MODEL_H
#define SINODE_MODEL_H

#include <stddef.h>

#include "sinode/error.h"
#include "sinode/grid.h"
#include "sinode/linear.h"
#include "sinode/network.h"
#include "sinode/parameters.h"

typedef struct sn_model sn_model;

/* What a user chooses. */
typedef struct {
  sn_linear_options linear;
  sn_network_options network;
} sn_model_options;

/*
 * A model for up to `samples` samples at once; its parameters are 0. grid is kept, not owned. Collective over world.
 * Errors as of sn_linear_create and sn_network_create.
 */
SN_MUST_CHECK sn_status sn_model_create(const sn_grid *grid, const sn_linear_shape *linear,
                                        const sn_network_shape *network, ptrdiff_t samples, sn_model **out);
void sn_model_destroy(sn_model **model);

/*
 * Adds initial states of so many windows (windows, local points) to what is trained: they follow the model's own
 * parameters, in vectors and checkpoints, but are in no model file and 0 so far. Once. Collective over space.
 */
SN_MUST_CHECK sn_status sn_model_add_states(sn_model *model, ptrdiff_t windows);
double *sn_model_states(const sn_model *model);

/*
 * A model like `model`, on another grid of the same spacing; its parameters, of the same layout, are 0 until
 * sn_model_follow. For models whose coefficients do not depend on the number of grid points and are the same on all
 * ranks. Collective over world. Error SN_ERROR_USAGE: others.
 */
SN_MUST_CHECK sn_status sn_model_create_like(const sn_model *model, const sn_grid *grid, ptrdiff_t samples,
                                             sn_model **out);

/* Takes the parameters of the model that it is like, if they have changed since. Collective over space. */
SN_MUST_CHECK sn_status sn_model_follow(sn_model *model, const sn_model *leader);

const sn_grid *sn_model_grid(const sn_model *model);
sn_linear *sn_model_linear(const sn_model *model);
sn_network *sn_model_network(const sn_model *model);
sn_parameters *sn_model_parameters(const sn_model *model);
ptrdiff_t sn_model_samples(const sn_model *model); /* the most at once */

/* Writes the initial values that the options say into the parameters. Collective over space. */
SN_MUST_CHECK sn_status sn_model_initialize(sn_model *model, const sn_model_options *options, uint64_t seed);

/* Takes note of parameters newly read: A's symbol and factorizations follow. Collective over space. */
SN_MUST_CHECK sn_status sn_model_loaded(sn_model *model);
/* The same after a step of the optimizer, which leaves an untrained A alone. Collective over space. */
SN_MUST_CHECK sn_status sn_model_stepped(sn_model *model);

#endif
