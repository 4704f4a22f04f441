/*
 * Checkpoint files: a model and the optimizer's vectors (/optimizer/NAME/..., one dataset a block), or arrays of
 * another computation (/state/NAME), and numbers (/progress). A checksum over all of it is an attribute. It is verified
 * when the file is read, and already before a new file takes its name: by then the file has been synced and read back.
 * It depends on the contents only, so a checkpoint can be read on another number of ranks. Collective over the grid's
 * world; errors are those of sinode/file.h.
 */
#ifndef SINODE_CHECKPOINT_FILE_H
#define SINODE_CHECKPOINT_FILE_H

#include <stdint.h>

#include "sinode/error.h"
#include "sinode/grid.h"
#include "sinode/model_file.h"
#include "sinode/parameters.h"

/* A vector in the layout of the parameters. */
typedef struct {
  const char *name;
  double *values;
} sn_checkpoint_vector;

/* An array of which each rank has a part, every element of it one rank; count 0 somewhere: nothing. */
typedef struct {
  const char *name;
  int dimensions; /* 1 or 2 */
  ptrdiff_t shape[2], start[2], count[2];
  double *values;
} sn_checkpoint_array;

typedef enum { SN_CHECKPOINT_INT64, SN_CHECKPOINT_FLOAT64 } sn_checkpoint_type;

/* `count` numbers, the same on all ranks or of interest on rank 0 only (which writes them). */
typedef struct {
  const char *name;
  sn_checkpoint_type type;
  ptrdiff_t count;
  void *values;
} sn_checkpoint_number;

/* All that a checkpoint holds; the arrays of lists are not owned. */
typedef struct {
  const sn_parameters *parameters; /* NULL: there is no model, and there are no vectors */
  double *values;
  int vectors;
  const sn_checkpoint_vector *vector;
  int arrays;
  const sn_checkpoint_array *array;
  int numbers;
  const sn_checkpoint_number *number;
} sn_checkpoint;

/* description may be NULL where there is no model. */
SN_MUST_CHECK sn_status sn_checkpoint_file_write(const sn_grid *grid, const char *path,
                                                 const sn_model_description *description,
                                                 const sn_checkpoint *checkpoint, const sn_provenance *provenance);

/* Reads everything into the places given. Error: something is missing or of another size, or the checksum is wrong. */
SN_MUST_CHECK sn_status sn_checkpoint_file_read(const sn_grid *grid, const char *path, const sn_checkpoint *checkpoint);

/*
 * Reads some numbers alone, without a checksum: for what must be known before the rest is read. Error: one of them has
 * another count.
 */
SN_MUST_CHECK sn_status sn_checkpoint_file_read_numbers(const sn_grid *grid, const char *path, int numbers,
                                                        const sn_checkpoint_number *number);

/* Length of a dataset of one dimension, such as "/progress/history". */
SN_MUST_CHECK sn_status sn_checkpoint_file_count(const sn_grid *grid, const char *path, const char *dataset,
                                                 ptrdiff_t *count);

#endif
