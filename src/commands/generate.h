/* sinode generate: what its files, the run, its start and its checkpoints, share. */
#ifndef SINODE_COMMANDS_GENERATE_H
#define SINODE_COMMANDS_GENERATE_H

#include "run/app.h"
#include "run/series.h"
#include "run/stop_policy.h"
#include "sinode/etdrk4.h"
#include "sinode/grid.h"
#include "sinode/ks_resolution.h"
#include "sinode/trajectory_file.h"

typedef struct {
  sn_app *app;
  sn_grid *grid;
  sn_range members;  /* of this replica */
  double *state;     /* (members, local points) */
  double *parameter; /* (members) */
  char about[320];   /* what u is */
  sn_trajectory_variable field;
  sn_etdrk4 *etdrk4;
  sn_trajectory_writer *writer;
  sn_ks_resolution resolution;
  ptrdiff_t transient, interval, snapshots; /* steps, steps, number */
  ptrdiff_t recorded;                       /* snapshots so far */
  sn_stop_policy policy;
  double told;                     /* clock when status.json was written */
  bool begun;                      /* the run directory is ours */
  bool complete;                   /* before it began */
  sn_series series;                /* of checkpoints */
  char checkpoint[SN_SERIES_PATH]; /* the newest, or "" */
} sn_generation;

/* Time steps of the whole run. Local. */
double sn_generation_steps(const sn_generation *generation);

/* Of the trajectory file. Local. */
sn_trajectory_spec sn_generation_spec(const sn_generation *generation);

/* Checks that a file was made by a run of these parameters, as far as they decide the trajectories. Collective over
 * world. */
SN_MUST_CHECK sn_status sn_generation_same_run(const sn_app *app, const char *path, const char *kind);

/*
 * Locks the file, and finds out whether it is there and of this run (generation->complete): a job that is started once
 * more has nothing left to do. Error SN_ERROR_FILE: it is another's. Collective over world.
 */
SN_MUST_CHECK sn_status sn_generation_claim(sn_generation *generation);

/* Sets the initial state and begins the file. Collective over world. */
SN_MUST_CHECK sn_status sn_generation_start(sn_generation *generation);

/* Everything on disk: the snapshots first, then the checkpoint that counts on them. Collective over world. */
SN_MUST_CHECK sn_status sn_generation_save(sn_generation *generation);

/*
 * Goes on where an earlier run has stopped, if one has; what cannot be read any more is begun anew. Collective over
 * world.
 */
SN_MUST_CHECK sn_status sn_generation_resume(sn_generation *generation, bool *resumed);

#endif
