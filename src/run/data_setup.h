/* Trajectories as data: opened, read and cut into windows. */
#ifndef SINODE_RUN_DATA_SETUP_H
#define SINODE_RUN_DATA_SETUP_H

#include "app.h"
#include "sinode/dataset.h"
#include "sinode/grid.h"
#include "sinode/linear.h"
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
