/* GMRES of many systems at once: solutions, and residuals that no arithmetic can make smaller. */
#include "unit.h"

#include <float.h>

#include "sinode/gmres.h"
#include "sinode/memory.h"

enum { POINTS = 31, SAMPLES = 2, RESTART = 40 };
static const sn_gmres_limits limits = {.tolerance = 1e-12, .max_iterations = RESTART};

typedef struct {
  sn_grid *grid;
  int calls;
} noisy;

/*
 * Multiplies by 1 to 2, with round-off of the other sample, as transforms of two samples at once leave it: another in
 * every call, so that no solution takes it into account.
 */
static sn_status multiply_with_noise(void *context, ptrdiff_t samples, const double *x, double *y) {
  noisy *m = context;
  const sn_range own = sn_grid_range(m->grid);
  const double noise = DBL_EPSILON * cos(2.0 * m->calls++);
  for (ptrdiff_t i = 0; i < samples * own.count; i++)
    y[i] =
        (1 + (double)(own.start + i % own.count) / POINTS) * x[i] + noise * x[(i + own.count) % (samples * own.count)];
  return SN_OK;
}

/* Solves with the second right-hand side `scale` times as large as the first; both residuals are checked by hand. */
static sn_gmres_result solve(double scale) {
  int size;
  noisy m = {0};
  sn_gmres *gmres;
  sn_gmres_result result;
  double *b, *x, *y;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  assert_ok(sn_grid_create(MPI_COMM_WORLD, size, POINTS, NULL, &m.grid));
  const sn_range own = sn_grid_range(m.grid);
  double **arrays[] = {&b, &x, &y};
  for (int k = 0; k < 3; k++) assert_ok(SN_NEW(SAMPLES * own.count, arrays[k]));
  for (ptrdiff_t j = 0; j < own.count; j++) {
    b[j] = sin((double)(own.start + j + 1));
    b[own.count + j] = scale * cos((double)(own.start + j + 1));
  }
  assert_ok(sn_gmres_create(m.grid, SAMPLES, RESTART, &gmres));
  assert_ok(sn_gmres_solve(gmres, SAMPLES, multiply_with_noise, &m, b, x, &limits, &result));
  assert_ok(multiply_with_noise(&m, SAMPLES, x, y));
  /* sqrt(POINTS) bounds |b|, and twice the tolerance is what ends the iteration. */
  for (ptrdiff_t i = 0; i < SAMPLES * own.count; i++) assert_close(y[i], b[i], 2 * limits.tolerance * sqrt(POINTS));
  sn_gmres_destroy(&gmres);
  for (int k = 0; k < 3; k++) SN_FREE(*arrays[k]);
  sn_grid_destroy(&m.grid);
  return result;
}

static void systems_are_solved(void **state) {
  (void)state;
  assert_that(solve(0.5).residual <= 2 * limits.tolerance);
}

/* A sample far below the round-off of the other is solved as well as can be, which is no failure. */
static void no_less_than_round_off_is_asked_for(void **state) {
  (void)state;
  assert_that(solve(1e-17).residual <= 2 * limits.tolerance);
}

/* What has overflowed is neither noise nor solved. */
static void overflow_is_no_noise(void **state) {
  (void)state;
  assert_that(sn_gmres_is_noise(DBL_EPSILON, 1) && !sn_gmres_is_noise(1e-3, 1));
  assert_that(!sn_gmres_is_noise(INFINITY, INFINITY) && !sn_gmres_is_noise(NAN, 1));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(systems_are_solved),
      cmocka_unit_test(no_less_than_round_off_is_asked_for),
      cmocka_unit_test(overflow_is_no_noise),
  };
  return unit_run(argc, argv, tests);
}
