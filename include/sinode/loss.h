/* Losses over samples, targets and grid points. Local: sums over ranks are the caller's. */
#ifndef SINODE_LOSS_H
#define SINODE_LOSS_H

#include <stddef.h>

#include "sinode/name.h"

typedef enum { SN_LOSS_MSE, SN_LOSS_MAE } sn_loss_kind;

extern const sn_name sn_loss_kinds[];

/*
 * Returns sum |p - t|^2 (mse) or sum |p - t| (mae) over `count` values; bar (may be NULL) gets scale times the
 * derivative by p. The derivative of |x| at 0 is 0. A target that is NaN is not observed and adds nothing.
 */
double sn_loss_sum(sn_loss_kind kind, ptrdiff_t count, const double *prediction, const double *target, double scale,
                   double *bar);

#endif
