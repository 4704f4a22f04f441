/*
 * A circulant operator given by its eigenvalues, one for each wave number 0 .. points / 2; they may be trained. Those
 * of wave numbers 0 and points / 2 are real, as A is: what stands for their imaginary parts is not looked at.
 */
#include "circulant.h"

static ptrdiff_t modes_of(const sn_linear *linear) { return sn_grid_points(linear->grid) / 2 + 1; }

/* The local solver, which alone asks between wave numbers, is refused. */
static double complex value(const sn_linear *linear, const double *values, double m) {
  const ptrdiff_t k = llround(fabs(m));
  const double imaginary = sn_circulant_is_real(linear, m) ? 0 : m < 0 ? -values[2 * k + 1] : values[2 * k + 1];
  return CMPLX(values[2 * k], imaginary);
}

static void add_gradient(const sn_linear *linear, ptrdiff_t m, double complex product, double *gradient) {
  const ptrdiff_t k = m < 0 ? -m : m;
  gradient[2 * k] += creal(product);
  if (!sn_circulant_is_real(linear, (double)m)) gradient[2 * k + 1] -= m < 0 ? -cimag(product) : cimag(product);
}

static sn_status create(sn_linear *linear) {
  static const sn_circulant_form form = {.value = value, .add_gradient = add_gradient};
  sn_parameter_block block = {.name = "linear/symbol", .dimensions = 2, .shape = {modes_of(linear), 2}};
  return sn_circulant_create(linear, &form, &block);
}

static sn_status set_derivatives(sn_linear *linear, const sn_linear_init *init) {
  double *values = sn_linear_coefficients(linear);
  for (ptrdiff_t m = 0; m < modes_of(linear); m++) {
    const double k = 2 * M_PI * (double)m / linear->shape.length;
    const double complex s = sn_linear_derivatives_symbol(init->value, k, sn_circulant_is_real(linear, (double)m));
    values[2 * m] = creal(s);
    values[2 * m + 1] = cimag(s);
  }
  return SN_OK;
}

const sn_linear_ops sn_linear_symbols = {
    .circulant = true,
    .create = create,
    .destroy = sn_circulant_destroy,
    .set_derivatives = set_derivatives,
    .symbol = sn_circulant_symbol,
    .apply = sn_circulant_apply,
    .gradient = sn_circulant_gradient,
    .tangent = sn_circulant_tangent,
};
