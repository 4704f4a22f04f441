/* sinode train: what its files, the run, its data and its checkpoints, share. */
#ifndef SINODE_COMMANDS_TRAIN_H
#define SINODE_COMMANDS_TRAIN_H

#include "run/app.h"
#include "run/data_setup.h"
#include "run/run_directory.h"
#include "run/stop_policy.h"
#include "sinode/dataset.h"
#include "sinode/integrator.h"
#include "sinode/model.h"
#include "sinode/objective.h"
#include "sinode/optimizer.h"
#include "sinode/trainer.h"

/* What the data are, whatever the file's name: a resumed run must have the same. */
typedef struct {
  int64_t members, snapshots, checksum;
} sn_training_data;

typedef struct {
  sn_app *app;
  sn_grid *grid;
  sn_observed observed; /* this rank's part of the data */
  double *parameters;   /* (members), or NULL */
  sn_training_data data;
  double max_abs_u; /* the largest |u| in them */
  sn_dataset *dataset;
  sn_model *model;
  sn_integrator *integrator;
  sn_objective *objective;
  sn_optimizer *optimizer;
  sn_trainer *trainer;
  char held_out[160];                 /* what no training window has, for the files */
  double *history;                    /* (epochs, columns) */
  double loss, told;                  /* of the last batch, NaN before the first; clock when status.json was written */
  double libraries, estimated_memory; /* bytes resident beside the arrays at the start; the most that will be */
  bool begun;                         /* the run directory is ours */
  bool resumed;                       /* goes on from a checkpoint */
  sn_stop_policy policy;
  char checkpoint[SN_RUN_PATH]; /* the newest, or "" */
  int64_t spared;               /* iteration of the checkpoint with the lowest loss, which is kept; -1: none yet */
  double spared_loss;
} sn_training;

/*
 * Reads train.data, whole, and makes its windows. Collective over world. Errors: as of sn_setup_observed and
 * sn_setup_dataset.
 */
SN_MUST_CHECK sn_status sn_training_load(sn_training *training);

/*
 * Writes estimated.h5, the trajectories that were estimated with the weights, and says how far the observations are
 * from them. Collective over world. Where train.initial is estimated.
 */
SN_MUST_CHECK sn_status sn_training_write_estimate(const sn_training *training);

/* Bytes of a checkpoint. Local. */
double sn_training_checkpoint_bytes(const sn_training *training);

/*
 * Writes a checkpoint of where training stands, and removes those that are not to be kept. loss: of the epoch just
 * done, by which the best one is kept; NaN within an epoch. Collective over world.
 */
SN_MUST_CHECK sn_status sn_training_save(sn_training *training, double loss);

/*
 * Takes the run directory, resumes or starts anew as train.resume and --overwrite say, and refuses to mix with what
 * another run left. Collective over world.
 */
SN_MUST_CHECK sn_status sn_training_begin(sn_training *training);

#endif
