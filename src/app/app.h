/*
 * What every command of the program starts from: the parameters in force, the ranks, the log and the timer; and the
 * table of commands.
 */
#ifndef SINODE_APP_APP_H
#define SINODE_APP_APP_H

#include <mpi.h>
#include <stdbool.h>

#include "config.h"
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
  char *echo;              /* the parameters in force as YAML */
  char command_line[1024]; /* for the history of files */
  const char *argument;    /* the operand: parameter file, or what the command takes instead */
  bool overwrite;          /* --overwrite: replace files of other runs */
  bool check;              /* --check, for gradient */
  bool io;                 /* --io, for check */
  double started;          /* on sn_clock */
  sn_lock locks[2];        /* of the directory and the file being written; rank 0's */
} sn_app;

typedef struct {
  const char *name, *operand, *summary, *help;
  int reads; /* sn_config_command bit of the parameters it wants; 0: it takes no parameter file */
  sn_status (*run)(sn_app *app);
} sn_command;

sn_status sn_command_generate(sn_app *app);
sn_status sn_command_train(sn_app *app);
sn_status sn_command_predict(sn_app *app);
sn_status sn_command_gradient(sn_app *app);
sn_status sn_command_lyapunov(sn_app *app);
sn_status sn_command_benchmark(sn_app *app);
sn_status sn_command_check(sn_app *app);
sn_status sn_command_info(sn_app *app);
sn_status sn_command_template(sn_app *app);
sn_status sn_command_explain(sn_app *app);

#endif
