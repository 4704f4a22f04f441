/* The multilayer perceptron: what its layout (mlp.c) and its passes (mlp_passes.h, in two precisions) share. */
#ifndef SINODE_NETWORK_MLP_H
#define SINODE_NETWORK_MLP_H

#include "network_ops.h"

typedef struct {
  bool sums; /* splits the sum over its input (even layers), rather than its output */
  bool last;
  ptrdiff_t in, out; /* global widths */
  sn_range part;     /* columns (sums) or rows this rank holds */
  ptrdiff_t given;   /* inputs on this rank: part.count or in */
  ptrdiff_t kept; /* outputs on this rank after the reduction: out, part.count, or its grid points in the last layer */
  ptrdiff_t weight, bias; /* offsets in the parameters */
  ptrdiff_t tape;         /* offset of the values in a tape of one sample */
} sn_mlp_layer;

typedef struct {
  sn_network base;
  int layers;
  sn_mlp_layer layer[SN_NETWORK_HIDDEN_MOST + 1];
  ptrdiff_t tape_width;        /* numbers a sample */
  ptrdiff_t widest;            /* of all layers */
  void *own_tape;              /* for passes whose caller provides none */
  void *delta[3];              /* (samples, widest) */
  void *blocks;                /* (samples, points in all): the last layer's sum, rank after rank */
  int *counts, *displacements; /* (S): of the blocks, filled for the samples of a call */
  /* Of single precision: */
  float *weights, *direction; /* the parameters, and a direction of theirs */
  float *product;             /* of a weight's gradient, which is summed in double precision */
  float *states[3];           /* (samples, points): input and output */
} sn_mlp;

/* The passes, and the size of their numbers. */
extern const sn_network_ops sn_mlp_double, sn_mlp_single;

/* What both tables have in common (mlp.c). */
void sn_mlp_destroy(sn_network *network);

#endif
