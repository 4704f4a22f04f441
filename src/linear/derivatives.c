/*
 * A circulant operator sum_k c_k d^k/dx^k, exact in Fourier space; the coefficients are scalars that may be trained.
 * `spectral` is that of Kuramoto-Sivashinsky, fixed. Also the central differences of such a sum, for stencils.
 */
#include <string.h>

#include "circulant.h"

static const sn_linear_init ks = {.derivatives = 1 << 2 | 1 << 4, .value = {[2] = -1, [4] = -1}};

const sn_linear_init *sn_linear_ks(void) { return &ks; }

bool sn_linear_is_ks(const sn_linear_init *init) {
  return init->derivatives == ks.derivatives && !memcmp(init->value, ks.value, sizeof ks.value);
}

int sn_linear_orders(unsigned derivatives) {
  int count = 0;
  for (int k = 0; k < SN_LINEAR_ORDERS; k++) count += derivatives >> k & 1;
  return count;
}

double complex sn_linear_derivatives_symbol(const double *coefficient, double kappa, bool is_real) {
  double even = 0, odd = 0, power = 1; /* kappa^k */
  for (int k = 0; k < SN_LINEAR_ORDERS; k++, power *= kappa) {
    const double term = (k % 4 < 2 ? coefficient[k] : -coefficient[k]) * power;
    if (k % 2)
      odd += term;
    else
      even += term;
  }
  return CMPLX(even, is_real ? 0 : odd);
}

/* What the coefficient of order k is multiplied by. */
static double scale_of(const sn_linear *linear, int k) { return linear->shape.scaled >> k & 1 ? linear->symbol_at : 1; }

/* From the orders that there are to all. */
static void expand(const sn_linear *linear, const double *values, double coefficient[SN_LINEAR_ORDERS]) {
  for (int k = 0, i = 0; k < SN_LINEAR_ORDERS; k++)
    coefficient[k] = linear->shape.derivatives >> k & 1 ? scale_of(linear, k) * values[i++] : 0;
}

static double wave_number(const sn_linear *linear, double m) { return 2 * M_PI * m / linear->shape.length; }

static double complex value(const sn_linear *linear, const double *values, double m) {
  double coefficient[SN_LINEAR_ORDERS];
  expand(linear, values, coefficient);
  return sn_linear_derivatives_symbol(coefficient, wave_number(linear, m), sn_circulant_is_real(linear, m));
}

static void add_gradient(const sn_linear *linear, ptrdiff_t m, double complex product, double *gradient) {
  const double kappa = wave_number(linear, (double)m);
  const double imaginary = sn_circulant_is_real(linear, (double)m) ? 0 : cimag(product);
  double power = 1;
  for (int k = 0, i = 0; k < SN_LINEAR_ORDERS; k++, power *= kappa) {
    if (!(linear->shape.derivatives >> k & 1)) continue;
    const double part = k % 2 ? -imaginary : creal(product); /* of product times i^(k % 2) */
    gradient[i++] += scale_of(linear, k) * (k % 4 < 2 ? part : -part) * power;
  }
}

static sn_status create(sn_linear *linear) {
  static const sn_circulant_form form = {.value = value, .add_gradient = add_gradient};
  sn_parameter_block block = {
      .name = "linear/derivatives", .dimensions = 1, .shape = {sn_linear_orders(linear->shape.derivatives)}};
  return sn_circulant_create(linear, &form, &block);
}

static sn_status set_derivatives(sn_linear *linear, const sn_linear_init *init) {
  double *values = sn_linear_coefficients(linear);
  if (init->derivatives != linear->shape.derivatives)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "coefficients of other derivatives than those that the linear part has");
  for (int k = 0, i = 0; k < SN_LINEAR_ORDERS; k++)
    if (init->derivatives >> k & 1) values[i++] = init->value[k];
  return SN_OK;
}

const sn_linear_ops sn_linear_derivatives = {
    .circulant = true,
    .create = create,
    .destroy = sn_circulant_destroy,
    .set_derivatives = set_derivatives,
    .extend = sn_circulant_extend,
    .symbol = sn_circulant_symbol,
    .apply = sn_circulant_apply,
    .gradient = sn_circulant_gradient,
    .tangent = sn_circulant_tangent,
};

static double complex spectral_value(const sn_linear *linear, const double *values, double m) {
  (void)values;
  return sn_linear_derivatives_symbol(ks.value, wave_number(linear, m), sn_circulant_is_real(linear, m));
}

static sn_status create_spectral(sn_linear *linear) {
  static const sn_circulant_form form = {.value = spectral_value};
  sn_parameter_block none = {.dimensions = 0};
  return sn_circulant_create(linear, &form, &none);
}

/* It is that of Kuramoto-Sivashinsky by definition. */
static sn_status refuse_others(sn_linear *linear, const sn_linear_init *init) {
  (void)linear;
  if (sn_linear_is_ks(init)) return SN_OK;
  return SN_ERROR_ALL(SN_ERROR_USAGE, "a spectral linear part is k^2 - k^4; use one of kind derivatives");
}

const sn_linear_ops sn_linear_spectral = {
    .circulant = true,
    .create = create_spectral,
    .destroy = sn_circulant_destroy,
    .set_derivatives = refuse_others,
    .symbol = sn_circulant_symbol,
    .apply = sn_circulant_apply,
};

/* Terms of the series below: as many as the highest order of accuracy takes. */
enum { TERMS = SN_LINEAR_ACCURACY_MOST / 2 };

static void multiply_series(double *series, const double *by) {
  double product[TERMS] = {0};
  for (int i = 0; i < TERMS; i++)
    for (int j = 0; i + j < TERMS; j++) product[i + j] += series[i] * by[j];
  memcpy(series, product, sizeof product);
}

int sn_linear_difference_taps(unsigned derivatives, int accuracy) {
  int highest = 0;
  for (int k = 0; k < SN_LINEAR_ORDERS; k++)
    if (derivatives >> k & 1) highest = k;
  return highest ? 2 * ((highest + 1) / 2 + (accuracy ? accuracy : 2) / 2) - 1 : 1;
}

/* weights (2 half + 1) := delta^2 of themselves, delta^2 u_j = u_{j+1} - 2 u_j + u_{j-1}; what is beyond them is 0. */
static void second_difference(int half, double *weights) {
  double before = 0;
  for (int j = 0; j <= 2 * half; j++) {
    const double here = weights[j], after = j < 2 * half ? weights[j + 1] : 0;
    weights[j] = before - 2 * here + after;
    before = here;
  }
}

/*
 * With delta the central difference over one spacing and mu the mean, dx d/dx = 2 asinh(delta / 2) and mu^2 = 1 +
 * delta^2 / 4. So in y = delta^2, with S = 2 asinh(sqrt(y) / 2) / sqrt(y),
 *
 *   (dx d/dx)^k = y^(k/2) S^k                                     k even
 *               = mu delta y^((k-1)/2) S^k / sqrt(1 + y / 4)      k odd
 *
 * of whose series as many terms are kept as half of the order of accuracy.
 */
static void add_difference(int k, double factor, int terms, int half, double *taps) {
  static const double arcsine[TERMS] = {1, -1.0 / 24, 3.0 / 640, -5.0 / 7168};
  static const double mean[TERMS] = {1, -1.0 / 8, 3.0 / 128, -5.0 / 1024};
  double series[TERMS] = {1}, weights[SN_LINEAR_TAPS_MOST] = {0};
  for (int i = 0; i < k; i++) multiply_series(series, arcsine);
  if (k % 2) {
    multiply_series(series, mean);
    weights[half + 1] = 0.5; /* mu delta: (u_{j+1} - u_{j-1}) / 2 */
    weights[half - 1] = -0.5;
  } else {
    weights[half] = 1;
  }
  for (int i = 0; i < k / 2; i++) second_difference(half, weights);
  for (int t = 0; t < (k ? terms : 1); t++) {
    for (int j = 0; j <= 2 * half; j++) taps[j] += factor * series[t] * weights[j];
    second_difference(half, weights);
  }
}

int sn_linear_difference(const sn_linear *linear, const sn_linear_init *init, double *taps) {
  const double dx = linear->shape.length / (double)sn_grid_points(linear->grid), second = 1 / (dx * dx);
  const int accuracy = linear->shape.accuracy, count = sn_linear_difference_taps(init->derivatives, accuracy);
  double power = 1; /* 1 / dx^k, of even k */
  memset(taps, 0, (size_t)count * sizeof *taps);
  for (int k = 0; k < SN_LINEAR_ORDERS; k++) {
    if (k && k % 2 == 0) power *= second;
    const double factor = init->value[k] * (k % 2 ? power / dx : power);
    if (init->derivatives >> k & 1) add_difference(k, factor, accuracy ? accuracy / 2 : 1, count / 2, taps);
  }
  return count;
}
