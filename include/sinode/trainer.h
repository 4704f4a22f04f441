/*
 * Training. Optimizers of the first kind (sinode/optimizer.h): shuffled windows, mini-batches shared out over the
 * replicas, one gradient reduction an iteration, a learning-rate schedule and a validation loss an epoch. Those of the
 * second kind: every iteration is an epoch and takes all windows, `batch` at a time. It knows no files: what should
 * happen after an iteration or an epoch is done by the caller's hooks. The state that makes a resumed run repeat an
 * unbroken one bit for bit is sn_trainer_state, the parameters and the optimizer's state.
 */
#ifndef SINODE_TRAINER_H
#define SINODE_TRAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sinode/dataset.h"
#include "sinode/error.h"
#include "sinode/name.h"
#include "sinode/objective.h"
#include "sinode/optimizer.h"
#include "sinode/schedule.h"
#include "sinode/stop_request.h"

/* What to do about a batch whose loss or gradient is not finite; halve: leave it out and halve the learning rate. */
typedef enum { SN_NONFINITE_STOP, SN_NONFINITE_SKIP, SN_NONFINITE_HALVE } sn_nonfinite;

extern const sn_name sn_nonfinites[];

/* More such batches in a row than this are an error all the same. */
enum { SN_NONFINITE_MOST = 10 };

/* Where windows begin: with the data, or in states that are estimated beside the parameters. */
typedef enum { SN_INITIAL_DATA, SN_INITIAL_ESTIMATED } sn_initial;

extern const sn_name sn_initials[];

typedef struct {
  ptrdiff_t batch; /* global; the last batch of an epoch holds what is left */
  int64_t epochs;
  uint64_t seed;          /* of the shuffles */
  ptrdiff_t window;       /* intervals of a window, the most where it grows */
  ptrdiff_t first_window; /* of the first epochs; 0: as window */
  int64_t window_epochs;  /* after each so many it doubles, up to window; losses then begin anew */
  double clip;            /* a gradient of larger norm is scaled down to this one; 0: never */
  sn_schedule_options schedule;
  sn_nonfinite on_nonfinite;
  sn_initial initial;       /* estimated: the model has states, the dataset is tiled */
  double first_jump_weight; /* of the first epochs, ten times as much after each window_epochs; 0: as jump_weight */
  double jump_weight;       /* sinode/window_loss.h */
  ptrdiff_t slice;          /* 0, or windows: the same bits on any number of replicas (sinode/window_loss.h) */
} sn_trainer_options;

/* Where training stands. */
typedef struct {
  int64_t epoch;     /* complete ones */
  int64_t iteration; /* batches in all */
  int64_t position;  /* batches done of the epoch under way */
  double loss_sum;   /* over the windows of the epoch under way */
  int64_t left_out;  /* of these windows, those whose loss or gradient was not finite */
  int64_t in_a_row;  /* batches left out last, without a good one since */
  double seconds;    /* spent in iterations, over all resumes */
  double best; /* lowest validation loss (training loss if there is no validation set); infinity before the first */
  sn_schedule schedule;
} sn_trainer_state;

/* One line of history. */
typedef struct {
  int64_t epoch, iteration;
  double seconds, train_loss, validation_loss /* NaN without a validation set */, learning_rate, peak_memory_mib;
  bool best; /* the lowest loss so far */
} sn_trainer_record;

typedef struct sn_trainer sn_trainer;

/* What the caller does; called on all ranks at the same points. */
typedef struct {
  void *context;
  sn_stop_request (*request)(void *context); /* this rank's, asked once an iteration */
  /* loss of the batch, not finite if it was left out; request: the greatest of all ranks' */
  sn_status (*after_iteration)(void *context, const sn_trainer *trainer, double loss, sn_stop_request request);
  sn_status (*after_epoch)(void *context, const sn_trainer *trainer, const sn_trainer_record *record);
} sn_trainer_hooks;

/* All objects are kept, not owned; the integrator must be reserved by sn_trainer_reserve. Collective over world. */
SN_MUST_CHECK sn_status sn_trainer_create(sn_model *model, sn_objective *objective, const sn_dataset *dataset,
                                          sn_optimizer *optimizer, const sn_trainer_options *options,
                                          double learning_rate, sn_trainer **out);
void sn_trainer_destroy(sn_trainer **trainer);

/* Most samples of one replica at a time (slice: as in the options): what the model must have room for. Local. */
ptrdiff_t sn_trainer_samples(const sn_grid *grid, const sn_dataset *dataset, ptrdiff_t batch, ptrdiff_t slice);

/* Reserves the integrator for every number of samples that training and validation will bring. Collective over space.
 */
SN_MUST_CHECK sn_status sn_trainer_reserve(const sn_trainer *trainer, sn_integrator *integrator);

/* Takes the data for a first guess of estimated states; before a checkpoint is read, or a run. Local. */
void sn_trainer_guess_states(sn_trainer *trainer);

/* Intervals of a window in an epoch (0 the first). Local. */
ptrdiff_t sn_trainer_window(const sn_trainer_options *options, int64_t epoch);

/* Batches of an epoch. */
ptrdiff_t sn_trainer_batches(const sn_trainer *trainer);

/* The state; may be written (by resuming) before sn_trainer_run. */
sn_trainer_state *sn_trainer_get_state(sn_trainer *trainer);
const sn_trainer_state *sn_trainer_peek_state(const sn_trainer *trainer);

/*
 * Trains until all epochs are done or a rank wants to stop (*stopped, the same on all ranks; the state then stands
 * between two iterations). Collective over world. Error SN_ERROR_RUN: loss or gradient not finite where on_nonfinite is
 * stop, or too often in a row; parameters are then those before the iteration that failed.
 */
SN_MUST_CHECK sn_status sn_trainer_run(sn_trainer *trainer, const sn_trainer_hooks *hooks, bool *stopped);

/*
 * Makes the optimizer's vectors whole on all replicas, each of which keeps only its parts up to date: before a
 * checkpoint. Collective over world.
 */
void sn_trainer_gather(sn_trainer *trainer);

/*
 * The least squares that training by lm has ended with: *normal, J^T J and J^T r of all training windows over their
 * number of residuals, at the present parameters, and the mean loss. *normal is NULL with other optimizers. Collective
 * over world. Errors as of sn_window_loss_value.
 */
SN_MUST_CHECK sn_status sn_trainer_normal(sn_trainer *trainer, sn_normal_equations **normal, double *residuals,
                                          double *loss);

/* Mean loss over a set at the present parameters; NaN if it is empty. Collective over world. */
SN_MUST_CHECK sn_status sn_trainer_evaluate(sn_trainer *trainer, sn_set set, double *loss);

#endif
