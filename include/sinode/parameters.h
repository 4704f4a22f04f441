/*
 * The parameters of a model: one flat local vector per rank, made of named blocks. Each block is a part (a hyperslab)
 * of a global array, so that files and optimizers see the same thing however the array is split over the space ranks.
 * Gradients and optimizer moments are vectors of the same layout.
 *
 * A block is `split` (every element of the global array lives on one space rank) or replicated (all space ranks hold
 * the whole array; space rank 0 owns it: it alone writes and counts it). Blocks start on 64-byte boundaries; the gaps
 * stay 0.
 */
#ifndef SINODE_PARAMETERS_H
#define SINODE_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>

#include "sinode/error.h"
#include "sinode/grid.h"
#include "sinode/partition.h"

enum { SN_PARAMETER_NAME_LENGTH = 64, SN_PARAMETER_RANKS = 3, SN_PARAMETERS_NUMBERS = 8 };

typedef struct {
  char name[SN_PARAMETER_NAME_LENGTH]; /* path below the root of the model: "nonlinear/layer_0/weight" */
  int dimensions;                      /* 1 .. 3 */
  ptrdiff_t shape[SN_PARAMETER_RANKS]; /* of the global array */
  ptrdiff_t start[SN_PARAMETER_RANKS]; /* of this rank's part */
  ptrdiff_t count[SN_PARAMETER_RANKS]; /* of this rank's part; row-major in the local vector */
  bool split;                          /* false: replicated over the space ranks */
  bool partial; /* replicated, and backward passes leave in each rank only its own share of the gradient */
  bool trainable;
  bool balanced;    /* values along the last dimension, which is not split, have a sum of 0: sn_parameters_balance */
  bool states;      /* initial states of windows: behind the model's own blocks, not counted as parameters */
  ptrdiff_t offset; /* in the local vector; set by sn_parameters_add */
} sn_parameter_block;

typedef struct sn_parameters sn_parameters;

/* An empty list of blocks for the ranks of grid (kept, not owned). Local. */
SN_MUST_CHECK sn_status sn_parameters_create(const sn_grid *grid, sn_parameters **out);
void sn_parameters_destroy(sn_parameters **parameters);

/* Adds a block (copied) behind the others and sets its offset in *block. Local; same order on all ranks. */
SN_MUST_CHECK sn_status sn_parameters_add(sn_parameters *parameters, sn_parameter_block *block);

const sn_grid *sn_parameters_grid(const sn_parameters *parameters);
int sn_parameters_blocks(const sn_parameters *parameters);
/* Valid until the next block is added. */
const sn_parameter_block *sn_parameters_block(const sn_parameters *parameters, int index);
/* NULL if there is none. */
const sn_parameter_block *sn_parameters_find(const sn_parameters *parameters, const char *name);
/* Elements of this rank's part of a block. */
ptrdiff_t sn_parameter_block_size(const sn_parameter_block *block);

/* From now on states alone are trained. Local. */
void sn_parameters_freeze(sn_parameters *parameters);

/* Makes a vector (values, a gradient, a direction) one of balanced blocks: subtracts their means. Local. */
void sn_parameters_balance(const sn_parameters *parameters, double *vector);

/* Length of the local vector, gaps included; and without states. */
ptrdiff_t sn_parameters_size(const sn_parameters *parameters);
ptrdiff_t sn_parameters_model_size(const sn_parameters *parameters);
/* Elements of all global arrays together, states left out; only trainable ones if asked. */
ptrdiff_t sn_parameters_total(const sn_parameters *parameters, bool trainable_only);

/* The local vector of values; owned by the object, valid after the last block was added. Again where blocks have come
 * since, which begin with 0. */
SN_MUST_CHECK sn_status sn_parameters_allocate(sn_parameters *parameters);
double *sn_parameters_values(sn_parameters *parameters);

/*
 * Sums the replicated blocks of a gradient over world (partial ones over all ranks, others over the replicas), and up
 * to SN_PARAMETERS_NUMBERS numbers with them. Two steps, since what is packed (local) may change before the sums
 * (collective over world) take its place. For sinode/reduction.h.
 */
void sn_parameters_pack_replicated(const sn_parameters *parameters, const double *gradient);
void sn_parameters_sum_replicated(const sn_parameters *parameters, double *gradient, int count, double *numbers);

/*
 * The local part of a vector over all trainable elements, given whole: `all` has sn_parameters_total(parameters, true)
 * elements, the global arrays of the trainable blocks behind each other. What is not trainable, and states, become 0;
 * balanced blocks are balanced. Local.
 */
void sn_parameters_spread(const sn_parameters *parameters, const double *all, double *local);

/* The other way round: the whole of a local vector, on every rank. Collective over the space ranks. */
void sn_parameters_collect(const sn_parameters *parameters, const double *local, double *all);

/* Sum of squares of a vector over the trainable elements in a range of it, each owned by this rank in space. Local. */
double sn_parameters_square(const sn_parameters *parameters, sn_range range, const double *vector);

/* Inner product over the global arrays of trainable blocks (each element once). Collective over the space ranks. */
double sn_parameters_dot(const sn_parameters *parameters, const double *a, const double *b);

#endif
