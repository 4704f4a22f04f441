/*
 * The linear operator A of du/dt = -F(u) + A u on the periodic grid, acting on many samples at once: arrays are
 * (samples, local points), row-major, on the space ranks of a replica.
 *
 *   stencil      y_j = sum_k c_k u_{j + k - m/2}, k = 0 .. m-1, m odd: circulant. Coefficients may be trained. Begins
 *                as a list of taps or as central differences of a sum of derivatives.
 *   derivatives  sum_k c_k d^k/dx^k, k = 0 .. 8: multiplies wave number kappa = 2 pi m / length by
 *                sum_k c_k (i kappa)^k, but that odd orders leave out the unpaired mode m = N / 2: circulant. The
 *                coefficients of the orders that there are may be trained.
 *   spectral     that with c_2 = c_4 = -1, the linear part of Kuramoto-Sivashinsky, k^2 - k^4: circulant.
 *   symbol       multiplies wave number m by a number of its own, complex but for m = 0 and N / 2: circulant. May be
 *                trained. For programs that use the library (sinode.h); files do not know it.
 *   dense        an (N, N) matrix, rows split over the space ranks. May be trained. Begins as a stencil of differences.
 *
 * The coefficients live in the model's parameters: "linear/stencil" (m), "linear/derivatives" (orders that there are),
 * "linear/matrix" (N, N), "linear/symbol" (N / 2 + 1, 2), real and imaginary parts of the wave numbers from 0 on; none
 * for spectral.
 * Call sn_linear_update after they change.
 */
#ifndef SINODE_LINEAR_H
#define SINODE_LINEAR_H

#include <complex.h>
#include <stdbool.h>
#include <stddef.h>

#include "sinode/error.h"
#include "sinode/grid.h"
#include "sinode/name.h"
#include "sinode/parameters.h"

/* Every kind that files know: its name there, and its functions, which are private to src/linear. */
#define SN_LINEARS(MEMBER)                                   \
  MEMBER(SN_LINEAR_STENCIL, "stencil", sn_linear_stencil)    \
  MEMBER(SN_LINEAR_DENSE, "dense", sn_linear_dense)          \
  MEMBER(SN_LINEAR_SPECTRAL, "spectral", sn_linear_spectral) \
  MEMBER(SN_LINEAR_DERIVATIVES, "derivatives", sn_linear_derivatives)

typedef enum { SN_LINEARS(SN_NAME_CONSTANT) SN_LINEAR_SYMBOL } sn_linear_kind;

extern const sn_name sn_linear_kinds[];

/* What a parameter of each sample may multiply: the derivatives, a bit each, "u", "u_x", ..., and "none". */
extern const sn_name sn_linear_terms[];

/* Taps of the stencil of Kuramoto-Sivashinsky; the most that a list of coefficients has; derivatives of orders 0 to 8;
 * the highest order of accuracy of their differences. */
enum { SN_LINEAR_KS_TAPS = 5, SN_LINEAR_TAPS_MOST = 33, SN_LINEAR_ORDERS = 9, SN_LINEAR_ACCURACY_MOST = 8 };

/* Where the coefficients begin: as a sum of derivatives, those of Kuramoto-Sivashinsky say, or as a stencil. */
typedef struct {
  unsigned derivatives; /* bit k: value[k] is the coefficient of d^k/dx^k; 0: a stencil */
  int taps;             /* of a stencil */
  double value[SN_LINEAR_TAPS_MOST];
} sn_linear_init;

/* How many derivatives there are. Local. */
int sn_linear_orders(unsigned derivatives);

/* -(d^2/dx^2 + d^4/dx^4), whether these are the derivatives. Local. */
const sn_linear_init *sn_linear_ks(void);
bool sn_linear_is_ks(const sn_linear_init *init);

/*
 * sum_k coefficient[k] (i kappa)^k over SN_LINEAR_ORDERS orders, or its real part, for a mode that is its own
 * conjugate. Local.
 */
double complex sn_linear_derivatives_symbol(const double *coefficient, double kappa, bool is_real);

/* What a user chooses. */
typedef struct {
  sn_linear_kind kind;
  bool trainable;
  int scaled;   /* derivatives: the term whose coefficient is multiplied by each sample's parameter; 0: none */
  int accuracy; /* where derivatives are made differences: the order, 2, 4, 6 or 8 */
  sn_linear_init coefficients;
} sn_linear_options;

/* What an operator is made from: the choice, on a domain. */
typedef struct {
  sn_linear_kind kind;
  int taps;      /* stencil: odd, <= points */
  double length; /* of the domain */
  bool trainable;
  unsigned derivatives; /* derivatives: bit k for that of order k */
  unsigned scaled;      /* derivatives: bit of the one that each sample's parameter multiplies; 0: none */
  int accuracy;         /* stencil, dense: of the differences that they begin as; 0: 2 */
  double trained[2];    /* the least and the largest parameter that it was trained with; 0, 0: it was not */
} sn_linear_shape;

typedef struct sn_linear sn_linear;

const char *sn_linear_kind_name(sn_linear_kind kind);

const sn_grid *sn_linear_grid(const sn_linear *linear);

/* The choice that it was made from. Local. */
const sn_linear_shape *sn_linear_get_shape(const sn_linear *linear);

/* Whether its coefficients are of one number of grid points, rather than of one spacing. Local. */
bool sn_linear_is_of_one_grid(sn_linear_kind kind);

sn_linear_shape sn_linear_shape_of(const sn_linear_options *options, double length);

/*
 * Adds the operator's block to `parameters` (kept, not owned) and allocates for up to `samples` samples. Collective
 * over space. Error: taps even or more than points.
 */
SN_MUST_CHECK sn_status sn_linear_create(const sn_grid *grid, const sn_linear_shape *shape, ptrdiff_t samples,
                                         sn_parameters *parameters, sn_linear **out);
void sn_linear_destroy(sn_linear **linear);

/*
 * Writes the first coefficients into the parameters, where there are any. Local. Error: those of another stencil, of
 * other derivatives, or a list of taps where there is no stencil.
 */
SN_MUST_CHECK sn_status sn_linear_initialize(sn_linear *linear, const sn_linear_init *init);

/* Writes the coefficients of Kuramoto-Sivashinsky into the parameters: initialize with sn_linear_ks. */
SN_MUST_CHECK sn_status sn_linear_set_ks(sn_linear *linear);

/*
 * The parameters of the samples that are worked on from now on, row by row; 1 before, and where nothing is scaled
 * nothing is done. Values that were not there before raise the version, by which solvers see them. Collective over
 * space, the same on all of its ranks. Error SN_ERROR_USAGE: more than SN_LINEAR_VALUES_MOST different ones, 1
 * counted.
 */
enum { SN_LINEAR_VALUES_MOST = 256 };
SN_MUST_CHECK sn_status sn_linear_set_parameters(sn_linear *linear, ptrdiff_t samples, const double *values);

/* Those that will come, so that there is room for what is made of them: the rest as above. */
SN_MUST_CHECK sn_status sn_linear_expect_parameters(sn_linear *linear, ptrdiff_t count, const double *values);

/* Those that the samples of another operator of this shape have. Collective over space. */
SN_MUST_CHECK sn_status sn_linear_take_parameters(sn_linear *linear, const sn_linear *from, ptrdiff_t samples);

/* Takes note of the parameters that it is trained with, at least one. Local. */
void sn_linear_note_trained(sn_linear *linear, ptrdiff_t count, const double *values);

/* After the coefficients changed: raises the version, recomputes the symbol. Collective over space. */
SN_MUST_CHECK sn_status sn_linear_update(sn_linear *linear);
long sn_linear_version(const sn_linear *linear);

sn_linear_kind sn_linear_get_kind(const sn_linear *linear);
double sn_linear_length(const sn_linear *linear);
bool sn_linear_is_circulant(const sn_linear *linear);
bool sn_linear_is_trainable(const sn_linear *linear);

/*
 * The eigenvalue of a circulant A for signed wave number m: A e^{i k x} = symbol e^{i k x}. Local. For the stencil it
 * is summed in the difference form, so that sum_k c_k = 0 gives symbol(0) = 0 exactly and small |m| lose nothing.
 */
double complex sn_linear_symbol(const sn_linear *linear, ptrdiff_t m);

/*
 * y = A x, y = A^T x. The stencil is applied as repeated differences (applying c_k directly loses eps / dx^4), with its
 * halo exchange overlapped with the interior. x and y do not overlap. Any number of samples, those of create at a
 * time. Collective over space.
 */
SN_MUST_CHECK sn_status sn_linear_apply(sn_linear *linear, ptrdiff_t samples, const double *x, double *y);
SN_MUST_CHECK sn_status sn_linear_apply_transpose(sn_linear *linear, ptrdiff_t samples, const double *x, double *y);

/*
 * gradient += weight * d(sum over samples of left^T A right) / d(coefficients), in the layout of the parameters; the
 * stencil's share of this rank only (a partial block). Collective over space; nothing if not trainable.
 */
SN_MUST_CHECK sn_status sn_linear_gradient(sn_linear *linear, ptrdiff_t samples, double weight, const double *left,
                                           const double *right, double *gradient);

/* Whether A changes along a direction of the parameters (in their layout). Collective over space. */
bool sn_linear_varies(const sn_linear *linear, const double *direction);

/*
 * y += weight * (dA) x, dA the change of A along a direction of the parameters. Collective over space; nothing where A
 * does not vary.
 */
SN_MUST_CHECK sn_status sn_linear_tangent(sn_linear *linear, ptrdiff_t samples, double weight, const double *direction,
                                          const double *x, double *y);

/* Local rows of A as a matrix: rows[i * points + j] = A(first + i, j) for this rank's range. Local. Stencil or dense.
 */
SN_MUST_CHECK sn_status sn_linear_rows(const sn_linear *linear, double *rows);

#endif
