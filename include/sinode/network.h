/*
 * The network F: R^N -> R^N, the nonlinear part of du/dt = -F(u) + A u, evaluated on many samples at once: arrays are
 * (samples, local points), row-major, on the space ranks of a replica.
 *
 *   mlp    layers z_l = W_l a_{l-1} + b_l, a_l = activation(z_l), no activation after the last (a_0 = u).
 *          Weights are never replicated inside a replica: layers 0, 2, ... split their input (each rank multiplies the
 *          columns of W it holds with the part of a it holds, and the products are summed), layers 1, 3, ... split
 *          their output (each rank holds rows of W). So a pair of layers costs one reduction forward and one backward.
 *
 *   conv   periodic 1-D convolutions over channels, 1 -> ... -> 1; halo exchange; weights replicated, independent of N
 *          and of the length. z_l[o, j] = b_l[o] + sum_{i, k} W_l[o, i, k] a_{l-1}[i, j + k - kernel/2].
 *
 *   product  the bilinear convolution: sums of products of convolutions over channels, and a linear one,
 *          F(u) = r * ((p * u) (q * u)) + l * u
 *          (* the cross-correlation above); halo exchange, weights as of conv, no activation. Parameters:
 *          "nonlinear/layer_0/weight" (2 channels, 1, kernel), p before q; "nonlinear/layer_1/weight" (1, channels,
 *          kernel), r; "nonlinear/linear/weight" (1, 1, kernel), l; no biases.
 *
 *   ks     no network: the exact nonlinear term of Kuramoto-Sivashinsky, F(u) = (u^2 / 2)_x by Fourier transforms,
 *          dealiased (wave numbers beyond points / 3 neither enter the product nor leave it). Nothing to train.
 *
 *   none   F = 0.
 *
 *   shell  functions that the user of the library provides: sinode/network_shell.h.
 *
 * Parameters of mlp and conv: "nonlinear/layer_l/weight" (out, in) or (out, in, kernel), "nonlinear/layer_l/bias"
 * (out), PyTorch's layout.
 */
#ifndef SINODE_NETWORK_H
#define SINODE_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sinode/error.h"
#include "sinode/gradient.h"
#include "sinode/grid.h"
#include "sinode/name.h"
#include "sinode/parameters.h"

/* Every kind that a file can describe: its name there, and its functions, which are private to src/network. */
#define SN_NETWORKS(MEMBER)                                   \
  MEMBER(SN_NETWORK_MLP, "mlp", sn_network_mlp)               \
  MEMBER(SN_NETWORK_CONV, "conv", sn_network_conv)            \
  MEMBER(SN_NETWORK_BILINEAR, "product", sn_network_bilinear) \
  MEMBER(SN_NETWORK_KS, "ks", sn_network_ks)                  \
  MEMBER(SN_NETWORK_NONE, "none", sn_network_none)

typedef enum { SN_NETWORKS(SN_NAME_CONSTANT) SN_NETWORK_SHELL } sn_network_kind;

/* gelu is the exact one, x Phi(x), as PyTorch's default. */
typedef enum { SN_ACTIVATION_RELU, SN_ACTIVATION_TANH, SN_ACTIVATION_SIGMOID, SN_ACTIVATION_GELU } sn_activation;

/*
 * What a network computes in: double; mixed: its products, values and slopes are single, states, parameters and the
 * sums of gradients double; single: its parameters are rounded to single besides.
 */
typedef enum { SN_PRECISION_DOUBLE, SN_PRECISION_MIXED, SN_PRECISION_SINGLE } sn_precision;

extern const sn_name sn_network_kinds[], sn_activations[], sn_precisions[];

/* How weights begin; biases begin at 0 (normal, xavier) or as PyTorch's default (pytorch: uniform +-1/sqrt(fan in)). */
typedef enum { SN_INIT_NORMAL, SN_INIT_XAVIER, SN_INIT_PYTORCH } sn_init_kind;
typedef struct {
  sn_init_kind kind;
  double std; /* normal */
} sn_init;

extern const sn_name sn_init_kinds[];

enum { SN_NETWORK_HIDDEN_MOST = 16 };

/* A list of widths of layers. */
typedef struct {
  int count;
  ptrdiff_t width[SN_NETWORK_HIDDEN_MOST];
} sn_network_widths;

/* What a user chooses; each kind looks at its own of these. */
typedef struct {
  sn_network_kind kind;
  sn_activation activation;   /* mlp, conv */
  sn_network_widths hidden;   /* mlp */
  sn_network_widths channels; /* conv */
  ptrdiff_t products;         /* product */
  int kernel;                 /* conv, product */
  bool conservative;          /* conv, product */
  sn_precision precision;
  sn_init init;
} sn_network_options;

/* What a network is made from: the choice, on a domain. */
typedef struct {
  sn_network_kind kind;
  sn_activation activation;
  int hidden;                              /* number of hidden layers, >= 0 */
  ptrdiff_t width[SN_NETWORK_HIDDEN_MOST]; /* of each hidden layer: units (mlp) or channels (conv; product: width[0]) */
  int kernel;                              /* conv, product: odd */
  bool conservative;                       /* conv, product: the mean of F is 0: what makes it in the end is balanced */
  double length;                           /* ks: of the domain */
  sn_precision precision;                  /* other than double: mlp, conv, product */
  const struct sn_network_shell *shell;    /* shell: kept, not owned */
} sn_network_shape;

typedef struct sn_network sn_network;

const char *sn_network_kind_name(sn_network_kind kind);

/* Whether its weights are of one number of grid points, rather than of one spacing. Local. */
bool sn_network_is_of_one_grid(sn_network_kind kind);

/* Points to either side that a value of F depends on; SN_NETWORK_WHOLE_GRID: on all. Local. */
enum { SN_NETWORK_WHOLE_GRID = -1 };
ptrdiff_t sn_network_reach(const sn_network_shape *shape);

/*
 * Doubles for each point and sample that a convolution's tape holds, by which samples may better go through a pass
 * forward and backward few at a time; 0: of others, which do not mind, or whose products want many. Local.
 */
ptrdiff_t sn_network_tape_values(const sn_network_shape *shape);

/* Dimensions of a layer's weight: 2 (out, in) or 3 (out, in, kernel); 0 if there are no layers. Local. */
int sn_network_weight_dimensions(sn_network_kind kind);

sn_network_shape sn_network_shape_of(const sn_network_options *options, double length);

/*
 * Sets the widths of a shape to those of a network whose layers, the last included, have so many outputs each. Returns
 * NULL, or in which way these are no layers of such a network. Local.
 */
const char *sn_network_set_layers(sn_network_shape *shape, int layers, const ptrdiff_t *outputs);

/*
 * Adds the blocks to `parameters` (kept, not owned) and allocates for up to `samples` samples. Collective over space.
 * Errors: a kernel that is even or wider than the grid; other than double precision of a kind that has none; a shell
 * without its functions. A hidden layer may be narrower than there are space ranks.
 */
SN_MUST_CHECK sn_status sn_network_create(const sn_grid *grid, const sn_network_shape *shape, ptrdiff_t samples,
                                          sn_parameters *parameters, sn_network **out);
void sn_network_destroy(sn_network **network);
/*
 * Due after the parameters' values have changed and before the next pass: makes them what they must be (balanced where
 * conservative, rounded in single precision), and renews what convolutions and networks in single precision keep of
 * them. Local.
 */
void sn_network_update(sn_network *network);

const sn_network_shape *sn_network_get_shape(const sn_network *network);

/* Initial weights into the parameters' values, from the counter-based generator: independent of the ranks. Local. */
SN_MUST_CHECK sn_status sn_network_initialize(sn_network *network, const sn_init *init, uint64_t seed);

/* Doubles of tape that a forward pass of `samples` samples needs for its backward pass. */
ptrdiff_t sn_network_tape_size(const sn_network *network, ptrdiff_t samples);

/*
 * From now on F is evaluated at these local points alone, of one space rank, and is 0 at others, in all passes alike;
 * an empty range stands for all of them. For steps on subdomains, of which only some points are kept. Networks without
 * locality, and ranges so near to the ends that they reach around, have F everywhere. Local.
 */
void sn_network_restrict(sn_network *network, sn_range range);

/* f = F(u). tape (tape_size doubles) keeps what backward wants; NULL if there will be none. Collective over space. */
SN_MUST_CHECK sn_status sn_network_forward(sn_network *network, ptrdiff_t samples, const double *u, double *f,
                                           double *tape);

/*
 * u_bar = (dF/du)^T f_bar, and gradient += (dF/dtheta)^T f_bar (layout of the parameters), at the u and tape of a
 * forward pass with the same parameters; either may be NULL: not wanted. The gradient is told of every layer that is
 * done with. Collective over space.
 */
SN_MUST_CHECK sn_status sn_network_backward(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                                            const double *f_bar, double *u_bar, const sn_gradient *gradient);

/*
 * df = (dF/du) du + (dF/dtheta) dtheta at the u and tape of a forward pass; du and dtheta (layout of the parameters,
 * replicated blocks alike on all ranks) may be NULL for 0. Collective over space.
 */
SN_MUST_CHECK sn_status sn_network_tangent(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                                           const double *du, const double *dtheta, double *df);

/* Directions, one after the other. */
typedef struct {
  ptrdiff_t count;
  const double *du, *dtheta; /* (count, samples, local points); (count, size of the parameters); NULL for 0 */
  const sn_range *support;   /* (count) outside of which a dtheta is 0; NULL: not known */
} sn_network_directions;

/*
 * df (count, samples, local points): the same along many directions. A product network on one space rank multiplies all
 * of them by the Jacobian of each sample, where that is less work and room for so many has been reserved. Collective
 * over space.
 */
SN_MUST_CHECK sn_status sn_network_reserve_tangents(sn_network *network, ptrdiff_t directions);
SN_MUST_CHECK sn_status sn_network_tangents(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                                            const sn_network_directions *along, double *df);

#endif
