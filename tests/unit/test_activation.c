/* Activations: values against closed forms and published numbers, slopes against differences, far ends, NaN. */
#include "unit.h"

#include "network/activation.h"

enum { ACTIVATIONS = 4, POINTS = 401 };

static const double SQRT2 = 1.41421356237309504880;

static double expected(sn_activation activation, double z) {
  switch (activation) {
    case SN_ACTIVATION_RELU:
      return z > 0 ? z : 0;
    case SN_ACTIVATION_TANH:
      return 1 - 2 / (exp(2 * z) + 1);
    case SN_ACTIVATION_SIGMOID:
      return 0.5 + 0.5 * tanh(z / 2);
    case SN_ACTIVATION_GELU:
      return z * 0.5 * (1 + erf(z / SQRT2));
  }
  return NAN;
}

/* -10 .. 10, zero included. */
static double argument(ptrdiff_t k) { return 0.05 * (double)(k - POINTS / 2); }

/* f and f' at `count` arguments, by way of the vector-Jacobian product with 1. */
static void evaluate(sn_activation activation, ptrdiff_t count, double *a, double *slope) {
  double kept[POINTS];
  sn_activation_apply(activation, count, a, kept);
  for (ptrdiff_t k = 0; k < count; k++) slope[k] = 1;
  sn_activation_backward(activation, count, a, sn_activation_keeps_slope(activation) ? kept : NULL, slope);
}

static void values_are_those_of_the_formulas(void **state) {
  (void)state;
  for (int activation = 0; activation < ACTIVATIONS; activation++) {
    double a[POINTS], slope[POINTS];
    for (ptrdiff_t k = 0; k < POINTS; k++) a[k] = argument(k);
    evaluate((sn_activation)activation, POINTS, a, slope);
    for (ptrdiff_t k = 0; k < POINTS; k++) assert_close(a[k], expected((sn_activation)activation, argument(k)), 4e-15);
  }
}

/* Central differences of f err by h^2 / 6 |f'''| (at most 2 for the four) and by 4e-16 |f| / h. relu bends at 0. */
static void slopes_are_the_derivatives(void **state) {
  (void)state;
  const double h = 1e-5;
  for (int activation = 0; activation < ACTIVATIONS; activation++) {
    double a[POINTS], above[POINTS], below[POINTS], slope[POINTS], ignored[POINTS];
    for (ptrdiff_t k = 0; k < POINTS; k++) {
      a[k] = argument(k);
      above[k] = argument(k) + h;
      below[k] = argument(k) - h;
    }
    evaluate((sn_activation)activation, POINTS, a, slope);
    evaluate((sn_activation)activation, POINTS, above, ignored);
    evaluate((sn_activation)activation, POINTS, below, ignored);
    for (ptrdiff_t k = 0; k < POINTS; k++)
      if (activation == SN_ACTIVATION_RELU && k == POINTS / 2)
        assert_close(slope[k], 0, 0);
      else
        assert_close(slope[k], (above[k] - below[k]) / (2 * h), 1e-9);
  }
}

/* Phi(1) = 0.8413447460685429 and phi(1) = 0.2419707245191434 of the tables. */
static void gelu_is_the_exact_one(void **state) {
  (void)state;
  double a[2] = {1, -1}, slope[2];
  evaluate(SN_ACTIVATION_GELU, 2, a, slope);
  assert_close(a[0], 0.8413447460685429, 2e-16);
  assert_close(a[1], -0.1586552539314571, 1e-16);
  assert_close(slope[0], 0.8413447460685429 + 0.2419707245191434, 4e-16);
  assert_close(slope[1], 0.1586552539314571 - 0.2419707245191434, 2e-16);
}

static void far_ends_neither_overflow_nor_lose_sign(void **state) {
  (void)state;
  const double limit[ACTIVATIONS][2] = {{0, 1000}, {-1, 1}, {0, 1}, {0, 1000}};
  for (int activation = 0; activation < ACTIVATIONS; activation++) {
    double a[2] = {-1000, 1000}, slope[2];
    evaluate((sn_activation)activation, 2, a, slope);
    const bool grows = activation == SN_ACTIVATION_RELU || activation == SN_ACTIVATION_GELU;
    for (int end = 0; end < 2; end++) {
      assert_close(a[end], limit[activation][end], 0);
      assert_close(slope[end], grows && end == 1 ? 1 : 0, 0);
    }
  }
  double small = -20, slope; /* -20 Phi(-20), where 1 + erf would be 0: Phi(-20) = 2.7536241186062337e-89 */
  evaluate(SN_ACTIVATION_GELU, 1, &small, &slope);
  assert_close(small, -20 * 2.7536241186062337e-89, 1e-13 * 20 * 2.75e-89);
}

static void not_a_number_stays_one(void **state) {
  (void)state;
  for (int activation = 0; activation < ACTIVATIONS; activation++) {
    double a[3] = {1, NAN, -1}, slope[3];
    evaluate((sn_activation)activation, 3, a, slope);
    assert_that(!isnan(a[0]) && isnan(a[1]) && !isnan(a[2]));
  }
}

static void slopes_may_be_unwanted(void **state) {
  (void)state;
  for (int activation = 0; activation < ACTIVATIONS; activation++) {
    double a[POINTS];
    for (ptrdiff_t k = 0; k < POINTS; k++) a[k] = argument(k);
    sn_activation_apply((sn_activation)activation, POINTS, a, NULL);
    for (ptrdiff_t k = 0; k < POINTS; k++) assert_close(a[k], expected((sn_activation)activation, argument(k)), 4e-15);
  }
}

static void names_go_both_ways(void **state) {
  (void)state;
  for (int activation = 0; activation < ACTIVATIONS; activation++)
    assert_int_equal(sn_name_value(sn_activations, sn_name_of(sn_activations, activation)), activation);
  assert_int_equal(sn_name_value(sn_activations, "swish"), -1);
  assert_int_equal(sn_name_value(sn_activations, ""), -1);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values_are_those_of_the_formulas),
      cmocka_unit_test(slopes_are_the_derivatives),
      cmocka_unit_test(gelu_is_the_exact_one),
      cmocka_unit_test(far_ends_neither_overflow_nor_lose_sign),
      cmocka_unit_test(not_a_number_stays_one),
      cmocka_unit_test(slopes_may_be_unwanted),
      cmocka_unit_test(names_go_both_ways),
  };
  return unit_run(argc, argv, tests);
}
