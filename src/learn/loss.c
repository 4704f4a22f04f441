#include "sinode/loss.h"

#include <math.h>

#include <cblas.h>

/* 0 where the target is not known. */
static void subtract(int count, const double *restrict prediction, const double *restrict target,
                     double *restrict difference) {
  for (int k = 0; k < count; k++) difference[k] = isnan(target[k]) ? 0 : prediction[k] - target[k];
}

static void differentiate(sn_loss_kind kind, int count, double scale, const double *restrict difference,
                          double *restrict bar) {
  if (kind == SN_LOSS_MSE)
    for (int k = 0; k < count; k++) bar[k] = 2 * scale * difference[k];
  else
    for (int k = 0; k < count; k++) bar[k] = scale * ((difference[k] > 0) - (difference[k] < 0));
}

double sn_loss_sum(sn_loss_kind kind, ptrdiff_t count, const double *prediction, const double *target, double scale,
                   double *bar) {
  enum { PIECE = 512 };
  double sum = 0, difference[PIECE];
  for (ptrdiff_t start = 0; start < count; start += PIECE) {
    const int length = (int)(count - start < PIECE ? count - start : PIECE);
    subtract(length, prediction + start, target + start, difference);
    sum += kind == SN_LOSS_MSE ? cblas_ddot(length, difference, 1, difference, 1) : cblas_dasum(length, difference, 1);
    if (bar) differentiate(kind, length, scale, difference, bar + start);
  }
  return sum;
}

const sn_name sn_loss_kinds[] = {{"mse", SN_LOSS_MSE}, {"mae", SN_LOSS_MAE}, {NULL, 0}};
