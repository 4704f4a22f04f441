/*
 * What the functions of sinode.h share. Its objects are the library's own, in a struct beside what keeps them alive;
 * its errors are sn_status by another name. Private to this folder.
 */
#ifndef SINODE_API_API_H
#define SINODE_API_API_H

#include "sinode.h"
#include "sinode/error.h"
#include "sinode/grid.h"
#include "sinode/integrator.h"
#include "sinode/model.h"
#include "sinode/network_shell.h"

struct sinode_grid {
  sn_grid *grid;
};

/* The caller's network, behind the table of functions that the library calls. */
typedef struct {
  sinode_network network; /* a copy; array points at the one below */
  sinode_array *array;
  sn_network_shell shell;
  sn_parameters *parameters; /* the model's */
  MPI_Comm space;
  int ranks;            /* in space */
  ptrdiff_t *offset;    /* (arrays) in the parameters */
  const double **value; /* (arrays) scratch */
  const double **direction;
  double **gradient;
} api_network;

struct sinode_model {
  const sinode_grid *grid;
  sinode_grid *own_grid; /* of models from a file or parameters; NULL: the caller's */
  sn_model *model;
  api_network *network; /* NULL: a built-in one */
  ptrdiff_t scaled;     /* samples with parameters of their own; 0: none were given */
};

struct sinode_integrator {
  sinode_model *model;
  sn_integrator *integrator;
  ptrdiff_t samples, intervals; /* of the forward pass with tape that a backward pass may follow; else -1 */
};

static inline sinode_error *api_error(sn_status status) { return (sinode_error *)status; }

/* MPI_COMM_SELF for NULL. */
static inline MPI_Comm api_comm(const MPI_Comm *comm) { return comm ? *comm : MPI_COMM_SELF; }

/* Makes the functions of a caller's network into those of the library, in *out. Local. */
SN_MUST_CHECK sn_status api_network_create(const sn_grid *grid, const sinode_network *network, api_network **out);
void api_network_destroy(api_network **network);

/* Error: not so many samples as the model has parameters for, or more than it is for. Local. */
SN_MUST_CHECK sn_status api_model_check_samples(const sinode_model *model, ptrdiff_t samples);

/* Takes an object apart that a failed creation left, also where it is NULL. */
void api_model_free(sinode_model **model);

#endif
