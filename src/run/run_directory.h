/*
 * A run directory: model.h5, best.h5, checkpoints/checkpoint-NNNNNN.h5, history.csv, config.yaml, status.json.
 */
#ifndef SINODE_RUN_RUN_DIRECTORY_H
#define SINODE_RUN_RUN_DIRECTORY_H

#include <stddef.h>

#include "app.h"
#include "series.h"
#include "sinode/trainer.h"

/* directory/name, in a buffer of SN_RUN_PATH. */
enum { SN_RUN_PATH = SN_SERIES_PATH };
void sn_run_path(const sn_app *app, const char *name, char *path);

/* Its checkpoints, numbered by iterations. */
sn_series sn_run_checkpoints(const sn_app *app);

/*
 * Makes the directory and takes it for this run, until the program ends. Collective over world. Error SN_ERROR_FILE:
 * another run has it.
 */
SN_MUST_CHECK sn_status sn_run_lock(sn_app *app);

/* One line an epoch. The history is an array of rows of these columns, which a checkpoint keeps too. */
enum { SN_HISTORY_COLUMNS = 7 };
void sn_history_row(const sn_trainer_record *record, double *row);
/* Writes all of history.csv by rename, or appends the last row. For rank 0. Error SN_ERROR_FILE. */
SN_MUST_CHECK sn_status sn_history_write(const char *path, ptrdiff_t rows, const double *history);
SN_MUST_CHECK sn_status sn_history_append(const char *path, const double *row);

#endif
