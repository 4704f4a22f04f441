/* Trajectories as data: opened, read and cut into windows. */
#ifndef SINODE_RUN_DATA_SETUP_H
#define SINODE_RUN_DATA_SETUP_H

#include "app.h"
#include "sinode/dataset.h"
#include "sinode/grid.h"
#include "sinode/linear.h"
#include "sinode/observations.h"
#include "sinode/trajectory_file.h"

/* Opens a trajectory and checks that it is for the parameters' grid. Collective over world. */
SN_MUST_CHECK sn_status sn_setup_trajectory(const sn_app *app, const char *path, sn_trajectory_reader **reader);

/*
 * Takes an array (members, snapshots, local points) and reads that part of the data into it. Error: not all there and
 * finite. Collective over world.
 */
SN_MUST_CHECK sn_status sn_setup_read(const sn_app *app, const sn_grid *grid, sn_trajectory_reader *reader,
                                      sn_range members, sn_range snapshots, double **values);

/*
 * Interval of the data, and how many snapshots there are in all; where times may be uneven, of the grid of such
 * intervals that they lie on. Error: they are not even, or no such multiples. Local, alike on all ranks.
 */
SN_MUST_CHECK sn_status sn_setup_times(const char *path, const sn_trajectory_reader *reader,
                                       const sn_observations_options *options, double *interval, ptrdiff_t *snapshots);

/* Data of which perhaps not all is observed; arrays are the caller's to free. */
typedef struct {
  ptrdiff_t members, snapshots;
  double interval, start; /* time between snapshots, and of the first */
  double *values;         /* (members, snapshots, local points), NaN where nothing is observed */
  double *initial;        /* the same with the gaps filled; NULL: there are none */
  double *counts;         /* (members, snapshots): how much is observed; NULL: all */
} sn_observed;

/*
 * Reads all of a trajectory as options say (sinode/observations.h). Collective over world. Error: as of sn_setup_read;
 * nothing is observed at all; no such mask.
 */
SN_MUST_CHECK sn_status sn_setup_observed(const sn_app *app, const sn_grid *grid, const char *path,
                                          sn_trajectory_reader *reader, const sn_observations_options *options,
                                          sn_observed *data);
void sn_setup_free_observed(sn_observed *data);

/*
 * The training and validation windows of data (members, snapshots, local points), NULL for none yet, as the parameters
 * say; warns where more is held out than that. Local. Error SN_ERROR_USAGE: there is no training window.
 */
SN_MUST_CHECK sn_status sn_setup_dataset(const sn_app *app, const sn_grid *grid, ptrdiff_t members, ptrdiff_t snapshots,
                                         const double *values, sn_dataset **dataset);

/*
 * The parameters of all members, for the caller to free, where `linear` has a term that they multiply; else NULL, and a
 * warning where members differ in theirs. One that lies outside of those that it was trained with is a warning too.
 * Collective over world. Error: the file has none.
 */
SN_MUST_CHECK sn_status sn_setup_parameters(const sn_app *app, const char *path, const sn_trajectory_reader *reader,
                                            const sn_linear_shape *linear, double **parameters);

#endif
