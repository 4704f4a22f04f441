/* The family of networks: tables of functions for each kind, and what all of them have. */
#ifndef SINODE_NETWORK_OPS_H
#define SINODE_NETWORK_OPS_H

#include "sinode/network.h"

typedef struct {
  void (*destroy)(
      sn_network *network); /* frees what the kind's create allocated; the struct itself is freed by network.c */
  ptrdiff_t (*tape_size)(const sn_network *network, ptrdiff_t samples);
  /* The parameters' values have changed, and been rounded where that is asked for; NULL: nothing to do. */
  void (*update)(sn_network *network);
  sn_status (*forward)(sn_network *network, ptrdiff_t samples, const double *u, double *f, double *tape);
  sn_status (*backward)(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                        const double *f_bar, double *u_bar, const sn_gradient *gradient);
  sn_status (*tangent)(sn_network *network, ptrdiff_t samples, const double *u, const double *tape, const double *du,
                       const double *dtheta, double *df);
  /* Along many directions at once, if there is room for that and it is less work. NULL: one after the other. */
  sn_status (*reserve_tangents)(sn_network *network, ptrdiff_t directions);
  bool (*takes_together)(const sn_network *network, ptrdiff_t directions);
  sn_status (*tangents)(sn_network *network, ptrdiff_t samples, const double *tape, const sn_network_directions *along,
                        double *df);
} sn_network_ops;

/* What there is to know of a kind before there is such a network. */
typedef struct {
  /* Takes the memory of its kind, adds its blocks and sets ops; base holds everything else. */
  sn_status (*create)(const sn_network *base, sn_network **out);
  /* The same in mixed and single precision. NULL: it comes in double only. */
  sn_status (*create_single)(const sn_network *base, sn_network **out);
  int weight_dimensions; /* as of sn_network_weight_dimensions */
  bool one_grid;
  /* As of sn_network_reach. NULL: the whole grid. */
  ptrdiff_t (*reach)(const sn_network_shape *shape);
  /* As of sn_network_tape_values, in numbers of the network. NULL: 0. */
  ptrdiff_t (*tape_values)(const sn_network_shape *shape);
  /* Takes its own options into the shape. NULL: there are none. */
  void (*choose)(const sn_network_options *options, sn_network_shape *shape);
  /* As of sn_network_set_layers. NULL: a hidden layer is as wide as it has outputs. */
  const char *(*set_layers)(sn_network_shape *shape, int layers, const ptrdiff_t *outputs);
} sn_network_type;

#define SN_NETWORK_DECLARE(constant, name, functions) extern const sn_network_type functions;
SN_NETWORKS(SN_NETWORK_DECLARE)
extern const sn_network_type sn_network_of_shell;

SN_MUST_CHECK sn_status sn_conv_create(const sn_network *base, sn_network **out);
SN_MUST_CHECK sn_status sn_conv_create_single(const sn_network *base, sn_network **out);
SN_MUST_CHECK sn_status sn_bilinear_create(const sn_network *base, sn_network **out);
SN_MUST_CHECK sn_status sn_bilinear_create_single(const sn_network *base, sn_network **out);

/* First member of every network. */
struct sn_network {
  const sn_network_ops *ops;
  const sn_grid *grid;
  sn_network_shape shape;
  sn_parameters *parameters;
  ptrdiff_t samples, points; /* most samples; local points */
  ptrdiff_t first;           /* offset of its parameters */
  sn_range range;            /* of sn_network_restrict; a kind may leave it unheeded, in all passes alike */
};

/* Takes a list of widths into the shape. Local. */
void sn_network_set_widths(const sn_network_widths *widths, sn_network_shape *shape);

#endif
