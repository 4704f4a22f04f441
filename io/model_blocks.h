/* The parts of a model inside a file that holds more: checkpoints and gradients. */
#ifndef SINODE_IO_MODEL_BLOCKS_H
#define SINODE_IO_MODEL_BLOCKS_H

#include "hdf5_file.h"
#include "sinode/model_file.h"

/* Attributes of /model; blocks below the group `root` ("/model/"). */
sn_status sn_model_write_description(sn_file *file, const sn_model_description *description);
sn_status sn_model_write_blocks(sn_file *file, const sn_grid *grid, const char *root, const sn_parameters *parameters,
                                bool trainable_only, const double *values);
sn_status sn_model_read_blocks(sn_file *file, const char *root, const sn_parameters *parameters, double *values);

#endif
