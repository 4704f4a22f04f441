/* Activations and their derivatives, on arrays; the derivative comes from the value a = f(z) where it can. All local.
 */
#ifndef SINODE_NETWORK_ACTIVATION_H
#define SINODE_NETWORK_ACTIVATION_H

#include <stdbool.h>
#include <stddef.h>

#include "sinode/network.h"

/* Whether the derivative does not follow from the value, so that a tape must keep it beside it (gelu). */
bool sn_activation_keeps_slope(sn_activation activation);

/* a = f(a); slope gets f' if the activation keeps it and slope is not NULL. */
void sn_activation_apply(sn_activation activation, ptrdiff_t count, double *a, double *slope);
void sn_activation_apply_single(sn_activation activation, ptrdiff_t count, float *a, float *slope);

/* delta *= f'(z), from values a, or slopes where they are kept. */
void sn_activation_backward(sn_activation activation, ptrdiff_t count, const double *a, const double *slope,
                            double *delta);
void sn_activation_backward_single(sn_activation activation, ptrdiff_t count, const float *a, const float *slope,
                                   float *delta);

#endif
