/* How far inverses and their products reach: against the kernels themselves, by the symbol. */
#include "linear_case.h"
#include "sinode/decay.h"

/* Absolute values of the kernel of (I - gamma A)^-1 on all points, by the symbol. */
static double *kernel_of(const setting *s, double gamma) {
  const ptrdiff_t n = s->points;
  double *kernel = new_array(n);
  for (ptrdiff_t d = 0; d < n; d++) {
    for (ptrdiff_t m = 0; m < n; m++)
      kernel[d] +=
          cos(2 * M_PI * (double)(m * d % n) / (double)n) / (1 - gamma * creal(sn_linear_symbol(s->linear, m)));
    kernel[d] = fabs(kernel[d]) / (double)n;
  }
  return kernel;
}

/* The distance from which on a kernel on n points sums up to less than a tolerance of the whole. */
static ptrdiff_t tail_of(ptrdiff_t n, const double *kernel, double tolerance) {
  double all = 0, beyond = 0;
  for (ptrdiff_t d = 0; d < n; d++) all += kernel[d];
  ptrdiff_t d = n / 2;
  while (d > 0 && (beyond += kernel[d] + kernel[n - d]) < tolerance * all) d--;
  return d;
}

static void inverses_reach_as_far_as_their_kernels(void **state) {
  (void)state;
  const double gamma[] = {0.0586, 0.2}, tolerance[] = {1e-4, 1e-8, 1e-11};
  const ptrdiff_t n = 900;
  setting s =
      set_up_linear(1, n, (sn_linear_shape){.kind = SN_LINEAR_STENCIL, .taps = 5, .length = (double)n * 22 / 64});
  assert_ok(sn_linear_set_ks(s.linear));
  assert_ok(sn_linear_update(s.linear));
  double *kernels[] = {kernel_of(&s, gamma[0]), kernel_of(&s, gamma[1]), new_array(n)};
  for (ptrdiff_t i = 0; i < n; i++)
    for (ptrdiff_t j = 0; j < n; j++) kernels[2][(i + j) % n] += kernels[0][i] * kernels[1][j];
  sn_decay *decay;
  assert_ok(sn_decay_create(&decay));
  ptrdiff_t overlap;
  double left;
  for (int t = 0; t < 3; t++) {
    for (int k = 0; k < 2; k++) {
      const ptrdiff_t least = tail_of(n, kernels[k], tolerance[t] / 2);
      assert_ok(sn_decay_find_overlap(decay, s.linear, gamma[k], tolerance[t], n, &overlap, &left));
      assert_int_equal(overlap, least);
      assert_that(left <= tolerance[t] && left > tolerance[t] / 2);
    }
    const ptrdiff_t least = tail_of(n, kernels[2], tolerance[t] / 2);
    assert_ok(sn_decay_find_overlap_of_product(decay, s.linear, 2, gamma, tolerance[t], n, &overlap));
    assert_that(overlap >= least && (double)overlap <= 1.25 * (double)least + 8);
  }
  assert_ok(sn_decay_find_overlap_of_product(decay, s.linear, 2, gamma, tolerance[2], 40, &overlap));
  assert_int_equal(overlap, 41);
  assert_ok(sn_decay_find_overlap(decay, s.linear, gamma[1], 1e-15, 40, &overlap, &left));
  assert_that(overlap == 41 && left > 1e-15 && left < 1e-3);
  sn_decay_destroy(&decay);
  for (int k = 0; k < 3; k++) SN_FREE(kernels[k]);
  tear_down(&s);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(inverses_reach_as_far_as_their_kernels)};
  return unit_run(argc, argv, tests);
}
