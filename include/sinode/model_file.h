/*
 * Model files: attributes of /model and one dataset a parameter block, in PyTorch's layout and independent of the
 * ranks. Collective over the grid's world; errors are those of sinode/file.h.
 */
#ifndef SINODE_MODEL_FILE_H
#define SINODE_MODEL_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "sinode/error.h"
#include "sinode/file.h"
#include "sinode/grid.h"
#include "sinode/parameters.h"

enum { SN_MODEL_LAYERS_MOST = 17 };

/* The least squares that a training has ended with, for error bars of the parameters. */
typedef struct {
  double residuals, loss; /* how many; the mean of their squares */
  ptrdiff_t order;        /* trainable parameters, the blocks one behind the other */
  const double *matrix;   /* J^T J / residuals (order, order); for rank 0 of world */
} sn_model_fit;

/* What a file says about a model, in the words of the file. */
typedef struct {
  ptrdiff_t grid_points;
  double domain_length;
  char activation[16], nonlinear_kind[16], linear_kind[16];
  bool linear_trainable;
  unsigned linear_derivatives; /* of kind derivatives: bit k for that of order k; in files "2 4" */
  char linear_parameter[16];   /* of kind derivatives: the term that it multiplies, "none" */
  double parameter_range[2];   /* of the data that it was trained on: the least and the largest */
  const sn_model_fit *fit; /* written with a model if not NULL; not read */
  /* Found in the shapes of the datasets; not written. */
  int taps;                                /* of the stencil; 0 without one */
  int layers;                              /* of the network, the output layer included */
  ptrdiff_t outputs[SN_MODEL_LAYERS_MOST]; /* units or channels of each layer */
  int kernel;                              /* of convolutions; 0 for a perceptron */
} sn_model_description;

/* Writes /model with the values of the blocks. */
SN_MUST_CHECK sn_status sn_model_file_write(const sn_grid *grid, const char *path,
                                            const sn_model_description *description, const sn_parameters *parameters,
                                            const double *values, const sn_provenance *provenance);

/* What the model in a model or checkpoint file is. Collective over comm. */
SN_MUST_CHECK sn_status sn_model_file_describe(MPI_Comm comm, const char *path, sn_model_description *description);

/* Reads every block; error if one is missing or of another shape. */
SN_MUST_CHECK sn_status sn_model_file_read(const sn_grid *grid, const char *path, const sn_parameters *parameters,
                                           double *values);

#endif
