/* From parameters and files to the objects of a run: what several commands need alike. */
#ifndef SINODE_APP_SETUP_H
#define SINODE_APP_SETUP_H

#include "app.h"
#include "sinode/grid.h"
#include "sinode/integrator.h"
#include "sinode/model.h"
#include "sinode/model_file.h"
#include "sinode/trajectory_file.h"

/* The process grid of the parameters; says what it is. Collective over world. */
sn_status sn_setup_grid(sn_app *app, sn_grid **grid);

/* The shapes of the parts of the model that the parameters describe. Local. */
sn_linear_shape sn_setup_linear_shape(const sn_app *app);
sn_network_shape sn_setup_network_shape(const sn_app *app);

/* The model the parameters describe; its values are the initial ones. Collective over world. */
sn_status sn_setup_model(const sn_app *app, const sn_grid *grid, ptrdiff_t samples, sn_model **model);

/* The model a file describes, with the file's values. Error: it is not for the parameters' grid. Collective over world.
 */
sn_status sn_setup_model_from_file(const sn_app *app, const sn_grid *grid, const char *path, ptrdiff_t samples,
                                   sn_model **model);

/* What a file says about a model. Local. */
sn_model_description sn_setup_describe(const sn_app *app, const sn_model *model);

/*
 * The integrator of the parameters for data with one snapshot every `interval`. Error: integrator.dt does not divide
 * interval. Collective over world.
 */
sn_status sn_setup_integrator(const sn_app *app, sn_model *model, double interval, ptrdiff_t intervals, bool adjoint,
                              sn_integrator **integrator);

/* Opens a trajectory and sees that it is for the parameters' grid. Collective over world. */
sn_status sn_setup_trajectory(const sn_app *app, const char *path, sn_trajectory_reader **reader);

/*
 * Takes an array (members, snapshots, local points) and reads that part of the data at `path` into it. Error: not all
 * finite. Collective over world.
 */
sn_status sn_setup_read(const sn_app *app, const sn_grid *grid, const char *path, sn_trajectory_reader *reader,
                        sn_range members, sn_range snapshots, double **values);

/*
 * Bytes a rank will have resident at its peak, when its arrays are `arrays` bytes and the process had `libraries`
 * bytes beside its arrays at the start (sn_setup_libraries): with reductions of the gradient and files written. Local.
 */
double sn_setup_peak_memory(const sn_grid *grid, const sn_parameters *parameters, double arrays, double libraries);
double sn_setup_libraries(void);

/*
 * Refuses to go on if a file exists that another run made, unless --overwrite was given. Collective over world.
 */
sn_status sn_setup_claim(const sn_app *app, const char *path, const char *key);

/* Where files come from, for their attributes. */
sn_provenance sn_setup_provenance(const sn_app *app, const char *title);

#endif
