/*
 * Optimizers over the trainable blocks of a parameter vector, with PyTorch's definitions. State vectors have the layout
 * of the parameters, so that a checkpoint stores them by block. All local: gradients come reduced, and a rank may update
 * only its part (sinode/reduction.h).
 */
#ifndef SINODE_OPTIMIZER_H
#define SINODE_OPTIMIZER_H

#include <stdint.h>

#include "sinode/error.h"
#include "sinode/parameters.h"
#include "sinode/partition.h"

/* adamw: Loshchilov, Hutter 2019 (decoupled weight decay). sgd: with momentum, weight decay added to the gradient. */
typedef enum { SN_OPTIMIZER_ADAMW, SN_OPTIMIZER_SGD } sn_optimizer_kind;

typedef struct {
  sn_optimizer_kind kind;
  double weight_decay;
  double beta1, beta2, epsilon; /* adamw */
  double momentum;              /* sgd */
} sn_optimizer_options;

typedef struct sn_optimizer sn_optimizer;

/* parameters is kept, not owned, and complete. */
sn_status sn_optimizer_create(sn_parameters *parameters, const sn_optimizer_options *options, sn_optimizer **out);
void sn_optimizer_destroy(sn_optimizer **optimizer);

/*
 * A step: begin, then one update for each part of the parameters' local vector that is to change, in one pass over it.
 * Parts hold trainable blocks; the gaps between them stay 0.
 */
void sn_optimizer_begin_step(sn_optimizer *optimizer);
void sn_optimizer_update(sn_optimizer *optimizer, double learning_rate, const double *gradient, sn_range part);

/* Its state: named vectors (index 0 .. vectors-1) and the number of steps made. */
int sn_optimizer_vectors(const sn_optimizer *optimizer);
const char *sn_optimizer_vector_name(const sn_optimizer *optimizer, int index);
double *sn_optimizer_vector(sn_optimizer *optimizer, int index);
int64_t *sn_optimizer_steps(sn_optimizer *optimizer);

#endif
