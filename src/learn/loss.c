#include "sinode/loss.h"

#include <math.h>

static double squares(ptrdiff_t count, const double *restrict p, const double *restrict t, double scale,
                      double *restrict bar) {
  double sum = 0;
  for (ptrdiff_t k = 0; k < count; k++) {
    const double d = isnan(t[k]) ? 0 : p[k] - t[k];
    sum += d * d;
    if (bar) bar[k] = 2 * scale * d;
  }
  return sum;
}

static double magnitudes(ptrdiff_t count, const double *restrict p, const double *restrict t, double scale,
                         double *restrict bar) {
  double sum = 0;
  for (ptrdiff_t k = 0; k < count; k++) {
    const double d = isnan(t[k]) ? 0 : p[k] - t[k];
    sum += fabs(d);
    if (bar) bar[k] = scale * ((d > 0) - (d < 0));
  }
  return sum;
}

double sn_loss_sum(sn_loss_kind kind, ptrdiff_t count, const double *prediction, const double *target, double scale,
                   double *bar) {
  return kind == SN_LOSS_MSE ? squares(count, prediction, target, scale, bar)
                             : magnitudes(count, prediction, target, scale, bar);
}

const sn_name sn_loss_kinds[] = {{"mse", SN_LOSS_MSE}, {"mae", SN_LOSS_MAE}, {NULL, 0}};
