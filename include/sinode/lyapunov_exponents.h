/*
 * Leading Lyapunov exponents of a model (or of the equation: a model without network): perturbations are carried along
 * by the exact tangent of the time steps and orthonormalized now and then, and the logarithms of what that divides them
 * by are averaged over time; Benettin, Galgani, Giorgilli, Strelcyn (1980). The factorization is the Cholesky QR of the
 * Gram matrix, twice: one small reduction over the space ranks each.
 *
 * States and perturbations are (samples, local points) and (exponents, samples, local points): every sample is a
 * trajectory with perturbations of its own.
 */
#ifndef SINODE_LYAPUNOV_EXPONENTS_H
#define SINODE_LYAPUNOV_EXPONENTS_H

#include <stddef.h>
#include <stdint.h>

#include "sinode/error.h"
#include "sinode/integrator.h"

typedef struct sn_lyapunov sn_lyapunov;

/*
 * For `samples` trajectories, the first of which is number `first` of all, and at most as many exponents as there are
 * points. The integrator must be made for tangents over one interval, after which perturbations are orthonormalized,
 * and reserved for `samples`. It is kept, not owned. First perturbations are random by seed. Collective over space.
 */
SN_MUST_CHECK sn_status sn_lyapunov_create(sn_model *model, sn_integrator *integrator, double interval,
                                           ptrdiff_t exponents, ptrdiff_t first, ptrdiff_t samples, uint64_t seed,
                                           sn_lyapunov **out);
void sn_lyapunov_destroy(sn_lyapunov **lyapunov);

/* The states, to be filled at first and carried along. */
double *sn_lyapunov_states(sn_lyapunov *lyapunov);

/*
 * Goes on by so many intervals. rates (exponents, samples) become the exponents over this block alone; NULL: a
 * transient. Collective over world. Error SN_ERROR_RUN: a state blew up, or perturbations became dependent in an
 * interval.
 */
SN_MUST_CHECK sn_status sn_lyapunov_advance(sn_lyapunov *lyapunov, ptrdiff_t intervals, double *rates);

/*
 * The Kaplan-Yorke dimension of exponents in descending order: j + (l_1 + .. + l_j) / |l_j+1|, j the last for which the
 * sum is not negative. NaN if it is not negative for any. Local.
 */
double sn_lyapunov_dimension(ptrdiff_t count, const double *exponents);

#endif
