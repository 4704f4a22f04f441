/*
 * What every command of the program starts from: the parameters, the ranks, the log and the timer.
 */
#ifndef SINODE_RUN_APP_H
#define SINODE_RUN_APP_H

#include <mpi.h>
#include <stdbool.h>

#include "config/config.h"
#include "lock.h"
#include "sinode/error.h"
#include "sinode/file.h"
#include "sinode/log.h"
#include "sinode/timer.h"

typedef struct {
  MPI_Comm world;
  int rank, ranks;
  sn_log *log;
  sn_timer *timer;
  sn_config config;
  char *echo;              /* the parameters as YAML, defaults included */
  char command_line[1024]; /* for the history of files */
  const char *argument;    /* the operand: parameter file, or what the command takes instead */
  bool overwrite;          /* --overwrite: replace files of other runs */
  bool check;              /* --check, for gradient */
  bool io;                 /* --io, for check */
  bool dry;                /* check: leaves no files */
  bool terminal;           /* whether rank 0 prints to one */
  bool machine;            /* --machine, for benchmark */
  double started;          /* on sn_clock */
  sn_lock locks[2];        /* of the directory and the file being written; rank 0's */
  int estimated_ranks;     /* --ranks, for check: of a run to come; 0: those of this run */
  const char *model;       /* --model, for benchmark: the splits whose costs are wanted, or NULL */
  bool times;              /* whether rank 0 prints at the end where the time went */
} sn_app;

/*
 * Reads the parameter file at `path`, with `count` settings over it, as a command that `reads` such keys wants it, and
 * gives the BLAS its threads. Collective over world. Errors: SN_ERROR_FILE, and as of sn_config_parse.
 */
SN_MUST_CHECK sn_status sn_app_read_config(sn_app *app, const char *path, const char *const *settings, int count,
                                           sn_config_command reads);

/*
 * What a command goes on to clean up with, which is collective. An error that not all ranks have is told by those that
 * have it, and ends the program for all: better than a hang.
 */
SN_MUST_CHECK sn_status sn_app_abort_unless_collective(const sn_app *app, sn_status status);

#endif
