/* The local solver against transforms of the whole grid, and its errors against the bound that chooses the overlap. */
#include "solver_case.h"

/* Largest difference of two solvers over the largest value, both ways, one right-hand side and several. */
static double difference(const setting *s, sn_solver *one, sn_solver *other, int which) {
  double most = 0;
  for (int transpose = 0; transpose < 2; transpose++)
    for (ptrdiff_t samples = 1; samples <= SAMPLES; samples += SAMPLES - 1) {
      const ptrdiff_t count = samples * s->local;
      double *x = field(s, samples), *y = field(s, samples);
      assert_ok(transpose ? sn_solver_solve_transpose(one, which, samples, x)
                          : sn_solver_solve(one, which, samples, x));
      assert_ok(transpose ? sn_solver_solve_transpose(other, which, samples, y)
                          : sn_solver_solve(other, which, samples, y));
      const double size = largest(count, y);
      for (ptrdiff_t i = 0; i < count; i++) x[i] -= y[i];
      most = fmax(most, largest(count, x) / size);
      SN_FREE(x);
      SN_FREE(y);
    }
  return most;
}

/* Prime numbers of points, blocks that are uneven, one subdomain in a block and several. */
static void subdomains_are_exact_to_round_off(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  const ptrdiff_t points[] = {601, 1024, 1531, 9973};
  for (int space = 1; space <= size; space++)
    for (int p = 0; p < 4; p++)
      for (int trainable = 0; trainable < 2; trainable++) {
        if (size % space) continue;
        setting s = set_up_long(space, points[p], SN_LINEAR_STENCIL, trainable);
        sn_solver *local = make_solver(&s, SN_SOLVER_LOCAL), *fft = make_solver(&s, SN_SOLVER_FFT);
        for (int which = 0; which < GAMMAS; which++) assert_close(difference(&s, local, fft, which), 0, 5e-15);
        sn_solver_destroy(&local);
        sn_solver_destroy(&fft);
        tear_down(&s);
      }
}

/* Maximum norm of (I - gamma A)^-1: the largest sum of a row, from the solution for a single point. */
static double norm_of_inverse(const setting *s, sn_solver *solver, int which) {
  double *x, sum = 0;
  assert_ok(SN_NEW(s->local, &x));
  for (ptrdiff_t j = 0; j < s->local; j++) x[j] = s->start + j == 0;
  assert_ok(sn_solver_solve(solver, which, 1, x));
  for (ptrdiff_t j = 0; j < s->local; j++) sum += fabs(x[j]);
  sn_grid_sum_over_space(s->grid, 1, &sum);
  SN_FREE(x);
  return sum;
}

/*
 * Random right-hand sides, |r| <= 1, see the tail that is left out: the error is below the bound, and not so far below
 * it that the overlap would be wasted.
 */
static void errors_are_those_of_the_bound(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  static const struct {
    sn_linear_kind kind;
    double tolerance;
  } cases[] = {
      {SN_LINEAR_STENCIL, 1e-3},  {SN_LINEAR_STENCIL, 1e-8},     {SN_LINEAR_STENCIL, 1e-12},
      {SN_LINEAR_SPECTRAL, 1e-5}, {SN_LINEAR_DERIVATIVES, 1e-3},
  };
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    setting s = set_up_long(size, 2048 * (ptrdiff_t)size, cases[k].kind, false);
    sn_solver *local = make_solver_to(&s, SN_SOLVER_LOCAL, cases[k].tolerance), *fft = make_solver(&s, SN_SOLVER_FFT);
    double nearest = 0;
    for (int which = 0; which < GAMMAS; which++) {
      double *x = field(&s, 1);
      const double size_of_r = largest(s.local, x);
      assert_ok(sn_solver_solve(fft, which, 1, x));
      const double error = difference(&s, local, fft, which) * largest(s.local, x);
      const double bound = cases[k].tolerance * norm_of_inverse(&s, fft, which) * size_of_r;
      assert_close(error, 0, bound);
      nearest = fmax(nearest, error / bound);
      SN_FREE(x);
    }
    assert_that(nearest > 1e-4);
    sn_solver_destroy(&local);
    sn_solver_destroy(&fft);
    tear_down(&s);
  }
}

/* The stencil of Kuramoto-Sivashinsky times a factor, so that its kernel is longer or shorter. */
static void stretch(const setting *s, double factor) {
  assert_ok(sn_linear_set_ks(s->linear));
  for (int k = 0; k < 5; k++) sn_parameters_values(s->parameters)[k] *= factor;
  assert_ok(sn_linear_update(s->linear));
}

/* As A is trained: the overlap follows, back to the same bits, and a kernel longer than a block ends the run. */
static void overlaps_follow_the_kernel(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  setting s = set_up_long(size, 300 * (ptrdiff_t)size, SN_LINEAR_STENCIL, true);
  stretch(&s, 1);
  sn_solver *local = make_solver(&s, SN_SOLVER_LOCAL), *fft = make_solver(&s, SN_SOLVER_FFT);
  double *first = field(&s, SAMPLES), *again = field(&s, SAMPLES);
  assert_ok(sn_solver_solve(local, 1, SAMPLES, first));
  for (double factor = 4; factor > 0.01; factor /= 2) {
    stretch(&s, factor);
    for (int which = 0; which < GAMMAS; which++) assert_close(difference(&s, local, fft, which), 0, 5e-15);
  }
  stretch(&s, 1);
  assert_ok(sn_solver_solve(local, 1, SAMPLES, again));
  assert_memory_equal(first, again, (size_t)(SAMPLES * s.local) * sizeof *first);

  stretch(&s, 1000);
  sn_status status = sn_solver_solve(local, 1, SAMPLES, again);
  assert_that(status && sn_error_get_code(status) == SN_ERROR_RUN && sn_error_is_collective(status, MPI_COMM_WORLD));
  assert_non_null(strstr(sn_error_get_message(status), "lies beyond 300 points"));
  sn_error_destroy(&status);
  stretch(&s, 1);
  for (ptrdiff_t i = 0; i < SAMPLES * s.local; i++) again[i] = 0;
  assert_ok(sn_solver_solve(local, 1, SAMPLES, again));
  SN_FREE(first);
  SN_FREE(again);
  sn_solver_destroy(&local);
  sn_solver_destroy(&fft);
  tear_down(&s);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(subdomains_are_exact_to_round_off),
      cmocka_unit_test(errors_are_those_of_the_bound),
      cmocka_unit_test(overlaps_follow_the_kernel),
  };
  return unit_run(argc, argv, tests);
}
