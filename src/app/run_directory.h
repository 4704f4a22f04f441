/*
 * A run directory: model.h5, best.h5, checkpoints/checkpoint-NNNNNN.h5, history.csv, config.yaml, status.json. Listing
 * and pruning are done by rank 0 and agreed upon.
 */
#ifndef SINODE_APP_RUN_DIRECTORY_H
#define SINODE_APP_RUN_DIRECTORY_H

#include <stddef.h>
#include <stdint.h>

#include "app.h"
#include "sinode/trainer.h"

/* directory/name, in a buffer of SN_RUN_PATH. */
enum { SN_RUN_PATH = SN_CONFIG_PATH + 64 };
void sn_run_path(const sn_app *app, const char *name, char *path);
void sn_run_checkpoint_path(const sn_app *app, int64_t iteration, char *path);

/* Makes the directory and its folder for checkpoints. Collective over world. Error SN_ERROR_FILE. */
sn_status sn_run_make(const sn_app *app);

/* Iterations of the checkpoints there, ascending, taken into *iterations; 0 if there are none. Collective over world.
 */
sn_status sn_run_checkpoints(const sn_app *app, ptrdiff_t *count, int64_t **iterations);

/* Removes all but the newest `keep` checkpoints. Collective over world. */
sn_status sn_run_prune(const sn_app *app, int64_t keep);

/* One line an epoch. The history is an array of rows of these columns, which a checkpoint keeps too. */
enum { SN_HISTORY_COLUMNS = 7 };
void sn_history_row(const sn_trainer_record *record, double *row);
/* Writes the whole of history.csv by rename, or appends the last row. For rank 0. Error SN_ERROR_FILE. */
sn_status sn_history_write(const char *path, ptrdiff_t rows, const double *history);
sn_status sn_history_append(const char *path, const double *row);

#endif
