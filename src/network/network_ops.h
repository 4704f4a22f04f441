/* The family of networks: the table of functions of a kind, and the object. Private to this folder. */
#ifndef SINODE_NETWORK_OPS_H
#define SINODE_NETWORK_OPS_H

#include "sinode/network.h"

typedef struct {
  void (*destroy)(
      sn_network *network); /* frees what the kind's create allocated; the struct itself is freed by network.c */
  ptrdiff_t (*tape_size)(const sn_network *network, ptrdiff_t samples);
  /* The parameters' values have changed; NULL: nothing to do. */
  void (*update)(sn_network *network);
  sn_status (*forward)(sn_network *network, ptrdiff_t samples, const double *u, double *f, double *tape);
  sn_status (*backward)(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                        const double *f_bar, double *u_bar, double *gradient);
  sn_status (*tangent)(sn_network *network, ptrdiff_t samples, const double *u, const double *tape, const double *du,
                       const double *dtheta, double *df);
} sn_network_ops;

/* First member of every network. */
struct sn_network {
  const sn_network_ops *ops;
  const sn_grid *grid;
  sn_network_shape shape;
  sn_parameters *parameters;
  ptrdiff_t samples, points; /* most samples; local points */
};

/* Each allocates its kind, adds its blocks and sets ops; base holds everything else. */
sn_status sn_mlp_create(const sn_network *base, sn_network **out);
sn_status sn_conv_create(const sn_network *base, sn_network **out);
sn_status sn_bilinear_conv_create(const sn_network *base, sn_network **out);
sn_status sn_ks_term_create(const sn_network *base, sn_network **out);
sn_status sn_shell_create(const sn_network *base, sn_network **out);

#endif
