/* The optimizer and the options of training, from the parameters. */
#ifndef SINODE_RUN_TRAINING_SETUP_H
#define SINODE_RUN_TRAINING_SETUP_H

#include "app.h"
#include "integrator_setup.h"
#include "sinode/optimizer.h"
#include "sinode/trainer.h"

/* The slice of training batches, or 0 (sn_trainer_options). Local. */
ptrdiff_t sn_setup_slice(const sn_app *app);

/*
 * Samples that a replica works on at a time, for which the model must have room: its share of a batch, or so few of it
 * that what a pass forward leaves is in the cache as the pass backward comes for it. Snapshots are `interval` apart.
 * Local.
 */
ptrdiff_t sn_setup_samples(const sn_app *app, const sn_grid *grid, const sn_dataset *dataset, double interval);

/* Those of the parameters, with what follows from them. Local. */
sn_trainer_options sn_setup_trainer_options(const sn_app *app);

/* What the optimizer of the parameters wants of the integrator. Local. */
sn_passes sn_setup_training_passes(const sn_app *app);

/*
 * The optimizer of the parameters, over those of a model. Error SN_ERROR_USAGE: one that cannot train so many.
 * Collective over world.
 */
SN_MUST_CHECK sn_status sn_setup_optimizer(const sn_app *app, sn_parameters *parameters, sn_optimizer **optimizer);

/* The error alone, for so many parameters to train. Local. */
SN_MUST_CHECK sn_status sn_setup_suits_optimizer(const sn_app *app, double trained);

#endif
