/*
 * Functions f(dt A) of the linear operator, f a sum of phi-functions, applied to many samples at once: what exponential
 * integrators are made of. A is circulant, whose symbol they are functions of, or a dense matrix. Where samples have
 * parameters of their own (sn_linear_set_parameters), each is multiplied by the functions of its A.
 *
 * States to be multiplied are transformed once, to what the functions act on: coefficients of a circulant A, for a
 * matrix the points of all space ranks. The states, of the real numbers, are (samples, local points), row-major, on the
 * space ranks of a replica.
 */
#ifndef SINODE_EXPONENTIAL_H
#define SINODE_EXPONENTIAL_H

#include <stdbool.h>
#include <stddef.h>

#include "sinode/error.h"
#include "sinode/fourier.h"
#include "sinode/linear.h"
#include "sinode/phi.h"

typedef struct sn_exponential sn_exponential;

typedef struct {
  sn_fourier_rigor rigor; /* of the transforms */
  double dt;
  ptrdiff_t samples; /* at most */
  bool gradient;     /* by A's coefficients, where they are trained */
  bool tangent;      /* along a change of them */
} sn_exponential_options;

/* For the functions f of a list; linear is kept, not owned. Collective over space. Error: no memory. */
SN_MUST_CHECK sn_status sn_exponential_create(const sn_grid *grid, sn_linear *linear,
                                              const sn_exponential_options *options, int functions,
                                              const sn_phi_sum *function, sn_exponential **out);
void sn_exponential_destroy(sn_exponential **exponential);

/*
 * Prepares for batches of exactly `samples` samples; for those of the options that is done. Beyond these, transposes
 * and derivatives by A are not for them. Collective over space.
 */
SN_MUST_CHECK sn_status sn_exponential_reserve(sn_exponential *exponential, ptrdiff_t samples);

/* Doubles of a transformed state of so many samples, which were reserved; or of any number up to those of the options.
 * Local. */
ptrdiff_t sn_exponential_size(const sn_exponential *exponential, ptrdiff_t samples);

/* Makes the functions, for all parameters that samples have, if A has changed since they were made or a parameter is
 * new; to be called before others are worked on. Collective over space. */
SN_MUST_CHECK sn_status sn_exponential_update(sn_exponential *exponential);

/* A state to be multiplied by functions, or by their transposes; 64-byte aligned. Collective over space. Error
 * SN_ERROR_RUN: samples not reserved. */
SN_MUST_CHECK sn_status sn_exponential_transform(sn_exponential *exponential, bool transpose, ptrdiff_t samples,
                                                 const double *state, double *transformed);

/* weight f(dt A) x, x transformed; varied: by the change of f(dt A) along the direction that was set. */
typedef struct {
  int function;
  bool varied;
  double weight;
  const double *x;
} sn_exponential_term;

/* state = the sum of the terms, or with the functions transposed. Collective over space. */
SN_MUST_CHECK sn_status sn_exponential_sum(sn_exponential *exponential, bool transpose, ptrdiff_t samples, int terms,
                                           const sn_exponential_term *term, double *state);

/*
 * Derivatives by the coefficients of a trained A; the three are for options.gradient. clear forgets what was gathered;
 * gather adds to it the derivative of weight left^T f(dt A) right, both transformed, left for the transpose; gradient
 * adds what was gathered to the vector of derivatives, in the layout of the parameters, as sn_linear_gradient, and
 * clears it. The first two are local, the last collective over space.
 */
void sn_exponential_clear(sn_exponential *exponential);
void sn_exponential_gather(sn_exponential *exponential, ptrdiff_t samples, int function, double weight,
                           const double *left, const double *right);
SN_MUST_CHECK sn_status sn_exponential_gradient(sn_exponential *exponential, double *gradient);

/* For options.tangent: sets a direction of the parameters, along which A changes, for batches of so many samples.
 * Collective over space. */
SN_MUST_CHECK sn_status sn_exponential_set_direction(sn_exponential *exponential, ptrdiff_t samples,
                                                     const double *direction);

/* One line for the user: how the functions are made; how often they were, and their bytes on this rank. Local. */
const char *sn_exponential_reason(const sn_exponential *exponential);
long sn_exponential_evaluations(const sn_exponential *exponential);
ptrdiff_t sn_exponential_bytes(const sn_exponential *exponential);

#endif
