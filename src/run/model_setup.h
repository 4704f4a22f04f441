/* Models from the parameters, or from a file. */
#ifndef SINODE_RUN_MODEL_SETUP_H
#define SINODE_RUN_MODEL_SETUP_H

#include "app.h"
#include "sinode/grid.h"
#include "sinode/model.h"
#include "sinode/model_file.h"

/* The model the parameters describe; its values are the initial ones. Collective over world. */
SN_MUST_CHECK sn_status sn_setup_model(const sn_app *app, const sn_grid *grid, ptrdiff_t samples, sn_model **model);

/*
 * The model a file describes, with the file's values, on the parameters' grid. Error: it is for another one; of models
 * of convolutions and stencils, for one of other spacing. Collective over world.
 */
SN_MUST_CHECK sn_status sn_setup_model_from_file(const sn_app *app, const sn_grid *grid, const char *path,
                                                 ptrdiff_t samples, sn_model **model);

/* That of a file, or the parameters' own if `path` is "none". Collective over world. Errors as above. */
SN_MUST_CHECK sn_status sn_setup_model_or_none(const sn_app *app, const sn_grid *grid, const char *path,
                                               ptrdiff_t samples, sn_model **model);

/* The model of the section model with what training begins with: random weights or those of train.model. */
SN_MUST_CHECK sn_status sn_setup_model_to_train(const sn_app *app, const sn_grid *grid, ptrdiff_t samples,
                                                sn_model **model);

/* What a file says about a model. Local. */
sn_model_description sn_setup_describe(const sn_app *app, const sn_model *model);

/* Error if a file (`path`) is for other grid points or another length than the parameters'. Local. */
SN_MUST_CHECK sn_status sn_setup_same_grid(const sn_app *app, const char *path, ptrdiff_t points, double length);

#endif
