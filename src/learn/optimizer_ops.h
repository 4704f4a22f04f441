/* The family of optimizers: a table of functions for each kind, and what all of them have. */
#ifndef SINODE_LEARN_OPTIMIZER_OPS_H
#define SINODE_LEARN_OPTIMIZER_OPS_H

#include "sinode/optimizer.h"

enum { SN_OPTIMIZER_NUMBERS = 4, SN_OPTIMIZER_NAME = 24 };

typedef struct {
  int vectors, numbers;
  const char *names[2]; /* of the vectors; NULL: numbered ones, of which there are 2 history */
  bool tangents;
  /* First kind: the update of one block. */
  void (*update)(const sn_optimizer *optimizer, double rate, ptrdiff_t count, double *restrict value,
                 const double *restrict gradient, double *restrict first, double *restrict second);
  /* Second kind: its private state, and an iteration. */
  sn_status (*create)(sn_optimizer *optimizer);
  void (*destroy)(sn_optimizer *optimizer);
  void (*restart)(sn_optimizer *optimizer);
  sn_normal_equations *(*normal)(sn_optimizer *optimizer); /* NULL: it has none */
  sn_status (*minimize)(sn_optimizer *optimizer, const sn_problem *problem, double rate, double *loss, bool *moved);
} sn_optimizer_ops;

struct sn_optimizer {
  const sn_optimizer_ops *ops;
  sn_optimizer_options options;
  sn_parameters *parameters;
  int vectors;
  char name[SN_OPTIMIZER_VECTORS_MOST][SN_OPTIMIZER_NAME];
  double *vector[SN_OPTIMIZER_VECTORS_MOST];
  double number[SN_OPTIMIZER_NUMBERS];
  int64_t steps;
  void *state;
};

#define SN_OPTIMIZER_DECLARE(constant, name, functions) extern const sn_optimizer_ops functions;
SN_OPTIMIZERS(SN_OPTIMIZER_DECLARE)

#endif
