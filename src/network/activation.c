#include "activation.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {
    [SN_ACTIVATION_RELU] = "relu",
    [SN_ACTIVATION_TANH] = "tanh",
    [SN_ACTIVATION_SIGMOID] = "sigmoid",
    [SN_ACTIVATION_GELU] = "gelu",
};

const char *sn_activation_name(sn_activation activation) { return names[activation]; }

int sn_activation_from_name(const char *name) {
  for (int k = 0; k < (int)(sizeof names / sizeof names[0]); k++)
    if (strcmp(names[k], name) == 0) return k;
  return -1;
}

bool sn_activation_keeps_slope(sn_activation activation) { return activation == SN_ACTIVATION_GELU; }

void sn_activation_apply(sn_activation activation, ptrdiff_t count, double *restrict a, double *restrict slope) {
  switch (activation) {
    case SN_ACTIVATION_RELU:
      for (ptrdiff_t k = 0; k < count; k++) a[k] = a[k] > 0 ? a[k] : (a[k] == a[k] ? 0 : a[k]); /* NaN stays NaN */
      break;
    case SN_ACTIVATION_TANH:
      for (ptrdiff_t k = 0; k < count; k++) a[k] = tanh(a[k]);
      break;
    case SN_ACTIVATION_SIGMOID:
      for (ptrdiff_t k = 0; k < count; k++) a[k] = 1 / (1 + exp(-a[k]));
      break;
    case SN_ACTIVATION_GELU:
      for (ptrdiff_t k = 0; k < count; k++) {
        const double z = a[k], cumulative = 0.5 * erfc(-z * M_SQRT1_2);
        if (slope) slope[k] = cumulative + z * exp(-0.5 * z * z) * (0.5 * M_2_SQRTPI * M_SQRT1_2);
        a[k] = z * cumulative;
      }
      break;
  }
}

void sn_activation_pull(sn_activation activation, ptrdiff_t count, const double *restrict a,
                        const double *restrict slope, double *restrict delta) {
  switch (activation) {
    case SN_ACTIVATION_RELU:
      for (ptrdiff_t k = 0; k < count; k++) delta[k] = a[k] > 0 ? delta[k] : 0;
      break;
    case SN_ACTIVATION_TANH:
      for (ptrdiff_t k = 0; k < count; k++) delta[k] *= 1 - a[k] * a[k];
      break;
    case SN_ACTIVATION_SIGMOID:
      for (ptrdiff_t k = 0; k < count; k++) delta[k] *= a[k] * (1 - a[k]);
      break;
    case SN_ACTIVATION_GELU:
      for (ptrdiff_t k = 0; k < count; k++) delta[k] *= slope[k];
      break;
  }
}
