/* Activations for numbers of one type: real, MATH(name) the function of math.h, ACTIVATION(name) what is defined here.
 */

void ACTIVATION(apply)(sn_activation activation, ptrdiff_t count, real *restrict a, real *restrict slope) {
  const real half = (real)0.5, root = (real)M_SQRT1_2, density = (real)(0.5 * M_2_SQRTPI * M_SQRT1_2);
  switch (activation) {
    case SN_ACTIVATION_RELU:
      for (ptrdiff_t k = 0; k < count; k++) a[k] = 0 > a[k] ? 0 : a[k]; /* NaN stays NaN */
      break;
    case SN_ACTIVATION_TANH:
      for (ptrdiff_t k = 0; k < count; k++) a[k] = MATH(tanh)(a[k]);
      break;
    case SN_ACTIVATION_SIGMOID:
      for (ptrdiff_t k = 0; k < count; k++) a[k] = 1 / (1 + MATH(exp)(-a[k]));
      break;
    case SN_ACTIVATION_GELU:
      for (ptrdiff_t k = 0; k < count; k++) {
        const real z = a[k], cumulative = half * MATH(erfc)(-z * root);
        if (slope) slope[k] = cumulative + z * MATH(exp)(-half * z * z) * density;
        a[k] = z * cumulative;
      }
      break;
  }
}

void ACTIVATION(backward)(sn_activation activation, ptrdiff_t count, const real *restrict a, const real *restrict slope,
                          real *restrict delta) {
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
