/* From parameters and files to the objects of a run: what several commands need alike. */
#ifndef SINODE_RUN_SETUP_H
#define SINODE_RUN_SETUP_H

#include "app.h"
#include "sinode/dataset.h"
#include "sinode/grid.h"
#include "sinode/integrator.h"
#include "sinode/model.h"
#include "sinode/model_file.h"
#include "sinode/optimizer.h"
#include "sinode/trajectory_file.h"

/* The slice of training batches, or 0 (sn_trainer_options). Local. */
ptrdiff_t sn_setup_slice(const sn_app *app);

/* The process grid of the parameters, and FFTW's wisdom; says what it is. Collective over world. Error SN_ERROR_FILE.
 */
sn_status sn_setup_grid(sn_app *app, sn_grid **grid);

/* Keeps what FFTW has measured, once plans are made, if the parameters want it. Collective over world. */
sn_status sn_setup_keep_wisdom(const sn_app *app);

/* The shapes of the parts of the model that the parameters describe. Local. */
sn_linear_shape sn_setup_linear_shape(const sn_app *app);
sn_network_shape sn_setup_network_shape(const sn_app *app);

/* The model the parameters describe; its values are the initial ones. Collective over world. */
sn_status sn_setup_model(const sn_app *app, const sn_grid *grid, ptrdiff_t samples, sn_model **model);

/*
 * The model a file describes, with the file's values, on the parameters' grid. Error: it is for another one; of models
 * of convolutions and stencils, for one of other spacing. Collective over world.
 */
sn_status sn_setup_model_from_file(const sn_app *app, const sn_grid *grid, const char *path, ptrdiff_t samples,
                                   sn_model **model);

/* What a file says about a model. Local. */
sn_model_description sn_setup_describe(const sn_app *app, const sn_model *model);

/*
 * The optimizer of the parameters, over those of a model. Error SN_ERROR_USAGE: one that cannot train so many.
 * Collective over world.
 */
sn_status sn_setup_optimizer(const sn_app *app, sn_parameters *parameters, sn_optimizer **optimizer);

/* The error alone, for so many parameters to train. Local. */
sn_status sn_setup_suits_optimizer(const sn_app *app, double trained);

/* What is wanted of an integrator beside states. */
typedef enum { SN_PASSES_FORWARD, SN_PASSES_ADJOINT, SN_PASSES_TANGENT } sn_passes;

/* What the optimizer of the parameters wants. Local. */
sn_passes sn_setup_training_passes(const sn_app *app);

/*
 * The integrator of the parameters for data with one snapshot every `interval`. Error: integrator.dt does not divide
 * interval. Collective over world.
 */
sn_status sn_setup_integrator(const sn_app *app, sn_model *model, double interval, ptrdiff_t intervals,
                              sn_passes passes, sn_integrator **integrator);

/* Opens a trajectory and sees that it is for the parameters' grid. Collective over world. */
sn_status sn_setup_trajectory(const sn_app *app, const char *path, sn_trajectory_reader **reader);

/*
 * The training and validation windows of data (members, snapshots, local points), NULL for none yet, as the parameters
 * say; warns where more is held out than that. Local. Error SN_ERROR_USAGE: there is no training window.
 */
sn_status sn_setup_dataset(const sn_app *app, const sn_grid *grid, ptrdiff_t members, ptrdiff_t snapshots,
                           const double *values, sn_dataset **dataset);

/*
 * Takes an array (members, snapshots, local points) and reads that part of the data into it. Error: not all there and
 * finite. Collective over world.
 */
sn_status sn_setup_read(const sn_app *app, const sn_grid *grid, sn_trajectory_reader *reader, sn_range members,
                        sn_range snapshots, double **values);

/*
 * Bytes a rank will have resident at its peak, when its arrays are `arrays` bytes and the process had `libraries`
 * bytes beside its arrays at the start (sn_setup_libraries): with files written. Local.
 */
double sn_setup_peak_memory(const sn_parameters *parameters, double arrays, double libraries);
double sn_setup_libraries(void);

/*
 * Takes a lock file until the program ends; `what` it protects and what else the user can do are for the message.
 * Collective over world. Error SN_ERROR_FILE: another run has it.
 */
sn_status sn_setup_lock(sn_app *app, const char *path, const char *what, const char *advice);

/*
 * The same for an output file, FILE.lock beside it, for which `key` stands. Collective over world.
 */
sn_status sn_setup_lock_file(sn_app *app, const char *path, const char *key);

/*
 * Refuses to go on if the file that `key` has made exists already, unless --overwrite was given; and always if it is no
 * regular file, the parameter file, or a file that another key of the same section names. Collective over world.
 */
sn_status sn_setup_check_output(const sn_app *app, const char *path, const char *key);

/*
 * Sees that a file of a kind was written with the same values of the decisive keys or sections: error SN_ERROR_USAGE
 * naming the first that differs; `key` is what the user may change instead. Collective over world.
 */
sn_status sn_setup_same_run(const sn_app *app, const char *path, const char *kind, const char *const *decisive,
                            size_t count, const char *key);

/* Where files come from, for their attributes. */
sn_provenance sn_setup_provenance(const sn_app *app, const char *title);

#endif
