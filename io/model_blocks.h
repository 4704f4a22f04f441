/* The parts of a model inside a file that holds more: checkpoints and gradients. */
#ifndef SINODE_IO_MODEL_BLOCKS_H
#define SINODE_IO_MODEL_BLOCKS_H

#include "hdf5_file.h"
#include "sinode/model_file.h"

/* The attributes of /model. */
SN_MUST_CHECK sn_status sn_model_write_description(sn_file *file, const sn_model_description *description);

/* A block as part of a dataset; and whether this rank writes it: each element has one writer. Local. */
sn_file_part sn_model_part_of_block(const sn_parameter_block *block);
bool sn_model_writes_block(const sn_grid *grid, const sn_parameter_block *block);

/* The blocks below the group `root` ("/model/"). Reading: error if a value is not finite. */
SN_MUST_CHECK sn_status sn_model_write_blocks(sn_file *file, const sn_grid *grid, const char *root,
                                              const sn_parameters *parameters, bool trainable_only,
                                              const double *values);
SN_MUST_CHECK sn_status sn_model_read_blocks(sn_file *file, const char *root, const sn_parameters *parameters,
                                             double *values);

/*
 * Writes /model a checksum of its own, for readers that need nothing else of a checkpoint; it is compared where there
 * is one. Other files may be changed by other programs. Collective over world.
 */
SN_MUST_CHECK sn_status sn_model_sign(sn_file *file, const sn_grid *grid, const sn_parameters *parameters,
                                      const double *values);

#endif
