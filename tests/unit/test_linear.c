/* Linear operators: against plain sums, adjoints, gradients, symbols, and accuracy on fine grids, at every split. */
#include "linear_case.h"

static const ptrdiff_t grids[] = {7, 15, 16, 31, 45};
enum { GRIDS = sizeof grids / sizeof *grids };

/* Of the derivatives. */
static const int orders[] = {0, 1, 2, 3, 4, 5};
enum { ORDERS = sizeof orders / sizeof *orders };

/* A random field that does not depend on the split: (SAMPLES, local points), or of all points. */
static double *field(const setting *s, uint64_t stream, bool whole) {
  ptrdiff_t count = whole ? s->points : s->local, start = whole ? 0 : s->start;
  double *u = new_array(SAMPLES * count);
  for (ptrdiff_t i = 0; i < SAMPLES; i++)
    for (ptrdiff_t j = 0; j < count; j++) u[i * count + j] = number(stream, i * s->points + start + j);
  return u;
}

/* matrix += the circulant of eigenvalues (points / 2 + 1, 2), by the inverse transform as a sum. */
static void add_symbol(ptrdiff_t n, const double *values, double *matrix) {
  for (ptrdiff_t i = 0; i < n * n; i++)
    for (ptrdiff_t m = 0; m <= n / 2; m++) {
      const double angle = 2 * M_PI * (double)(m * (i / n - i % n)) / (double)n;
      const bool single = m == 0 || 2 * m == n;
      matrix[i] +=
          (values[2 * m] * cos(angle) - (single ? 0 : values[2 * m + 1] * sin(angle))) * (single ? 1 : 2) / (double)n;
    }
}

/* Random coefficients, stencil, symbol or matrix, the same at every split; returns the whole matrix A. */
static double *randomize(const setting *s, int taps) {
  ptrdiff_t n = s->points;
  double *values = sn_parameters_values(s->parameters), *matrix = new_array(n * n);
  if (sn_linear_get_kind(s->linear) == SN_LINEAR_DENSE) {
    for (ptrdiff_t i = 0; i < n * n; i++) matrix[i] = number(100, i);
    for (ptrdiff_t i = 0; i < s->local * n; i++) values[i] = matrix[s->start * n + i];
  } else if (sn_linear_get_kind(s->linear) == SN_LINEAR_SYMBOL) {
    for (int k = 0; k < taps; k++) values[k] = number(102, k);
    add_symbol(n, values, matrix);
  } else if (sn_linear_get_kind(s->linear) == SN_LINEAR_DERIVATIVES) {
    double *eigenvalues = new_array(2 * (n / 2 + 1));
    for (int k = 0; k < taps; k++) values[k] = number(103, k) * pow(0.25, orders[k]); /* of order 1 on these grids */
    for (ptrdiff_t m = 0; m <= n / 2; m++)
      for (int i = 0; i < taps; i++) {
        double complex power = 1;
        for (int k = 0; k < orders[i]; k++) power *= I * 2 * M_PI * (double)m / LENGTH;
        eigenvalues[2 * m] += values[i] * creal(power);
        eigenvalues[2 * m + 1] += values[i] * cimag(power);
      }
    add_symbol(n, eigenvalues, matrix);
    SN_FREE(eigenvalues);
  } else {
    for (int k = 0; k < taps; k++) values[k] = number(101, k);
    for (ptrdiff_t i = 0; i < n; i++)
      for (int k = 0; k < taps; k++) matrix[i * n + (i + k - taps / 2 + n) % n] += values[k];
  }
  assert_ok(sn_linear_update(s->linear));
  return matrix;
}

static double dot(const setting *s, const double *a, const double *b) {
  double sum = 0;
  for (ptrdiff_t i = 0; i < SAMPLES * s->local; i++) sum += a[i] * b[i];
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, sn_grid_space(s->grid));
  return sum;
}

/* Calls a check for stencils of several lengths, a dense matrix, a symbol and derivatives, of so many coefficients that
 * every rank has (0: dense), on all grids at all splits of the ranks. */
static void for_all(void (*check)(setting *s, int taps)) {
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (int space = 1; space <= size; space++)
    for (int g = 0; g < GRIDS; g++) {
      if (size % space || (space > 1 && grids[g] / 2 < space)) continue;
      int longest = (int)(grids[g] - 1) / 2 * 2 + 1;
      const int lengths[] = {1, 3, 5, 7, longest, 0};
      for (int i = 0; i < 6; i++) {
        sn_linear_shape shape = {.kind = lengths[i] ? SN_LINEAR_STENCIL : SN_LINEAR_DENSE,
                                 .taps = lengths[i],
                                 .length = LENGTH,
                                 .trainable = true};
        setting s = set_up_linear(space, grids[g], shape);
        check(&s, lengths[i]);
        tear_down(&s);
      }
      setting s = set_up_linear(space, grids[g],
                                (sn_linear_shape){.kind = SN_LINEAR_SYMBOL, .length = LENGTH, .trainable = true});
      check(&s, 2 * ((int)grids[g] / 2 + 1));
      tear_down(&s);
      const sn_linear_shape derivatives = {
          .kind = SN_LINEAR_DERIVATIVES, .length = LENGTH, .trainable = true, .derivatives = (1 << ORDERS) - 1};
      s = set_up_linear(space, grids[g], derivatives);
      check(&s, ORDERS);
      tear_down(&s);
    }
}

static void check_against_sums(setting *s, int taps) {
  ptrdiff_t n = s->points;
  double *matrix = randomize(s, taps), *all = field(s, 1, true), *x = field(s, 1, false);
  double *y = new_array(SAMPLES * s->local);
  double tolerance = 1e-13 * (double)n * (double)n;
  for (int transpose = 0; transpose < 2; transpose++) {
    ptrdiff_t calls = sn_memory_calls();
    assert_ok(transpose ? sn_linear_apply_transpose(s->linear, SAMPLES, x, y)
                        : sn_linear_apply(s->linear, SAMPLES, x, y));
    assert_int_equal(sn_memory_calls(), calls);
    for (ptrdiff_t i = 0; i < SAMPLES; i++)
      for (ptrdiff_t j = 0; j < s->local; j++) {
        double sum = 0;
        ptrdiff_t row = s->start + j;
        for (ptrdiff_t k = 0; k < n; k++)
          sum += (transpose ? matrix[k * n + row] : matrix[row * n + k]) * all[i * n + k];
        assert_close(y[i * s->local + j], sum, tolerance);
      }
  }
  double *rows = new_array(s->local * n);
  if (sn_linear_get_kind(s->linear) == SN_LINEAR_STENCIL || sn_linear_get_kind(s->linear) == SN_LINEAR_DENSE) {
    assert_ok(sn_linear_rows(s->linear, rows));
    for (ptrdiff_t i = 0; i < s->local * n; i++) assert_close(rows[i], matrix[s->start * n + i], 0);
  }
  SN_FREE(rows);
  SN_FREE(matrix);
  SN_FREE(all);
  SN_FREE(x);
  SN_FREE(y);
}

static void operators_are_what_their_coefficients_say(void **state) {
  (void)state;
  for_all(check_against_sums);
}

static void check_adjoint(setting *s, int taps) {
  double *matrix = randomize(s, taps), *x = field(s, 1, false), *y = field(s, 2, false);
  double *ax = new_array(SAMPLES * s->local), *aty = new_array(SAMPLES * s->local);
  assert_ok(sn_linear_apply(s->linear, SAMPLES, x, ax));
  assert_ok(sn_linear_apply_transpose(s->linear, SAMPLES, y, aty));
  assert_close(dot(s, ax, y), dot(s, x, aty), 1e-13 * (double)(s->points * s->points));
  SN_FREE(matrix);
  SN_FREE(x);
  SN_FREE(y);
  SN_FREE(ax);
  SN_FREE(aty);
}

static void transposes_are_adjoint(void **state) {
  (void)state;
  for_all(check_adjoint);
}

/* A is linear in its coefficients: one more in one of them changes left^T A right by that coefficient's derivative. */
static void check_gradient(setting *s, int taps) {
  const double weight = -1.5;
  double *matrix = randomize(s, taps), *left = field(s, 1, false), *right = field(s, 2, false);
  double *y = new_array(SAMPLES * s->local), *gradient = new_array(sn_parameters_size(s->parameters));
  double *values = sn_parameters_values(s->parameters);
  ptrdiff_t calls = sn_memory_calls();
  assert_ok(sn_linear_gradient(s->linear, SAMPLES, weight, left, right, gradient));
  assert_ok(sn_linear_gradient(s->linear, SAMPLES, weight, left, right, gradient));
  assert_int_equal(sn_memory_calls(), calls);
  if (taps) MPI_Allreduce(MPI_IN_PLACE, gradient, taps, MPI_DOUBLE, MPI_SUM, sn_grid_space(s->grid));
  ptrdiff_t count = taps ? taps : s->points * s->points;
  for (ptrdiff_t k = 0; k < count; k += taps ? 1 : 11) {
    ptrdiff_t mine = taps ? k : k - s->start * s->points;
    bool here = taps || (mine >= 0 && mine < s->local * s->points);
    double change = -0.0;
    for (int side = -1; side <= 1; side += 2) {
      double kept = here ? values[mine] : 0;
      if (here) values[mine] += side;
      assert_ok(sn_linear_update(s->linear));
      assert_ok(sn_linear_apply(s->linear, SAMPLES, right, y));
      if (here) values[mine] = kept;
      change += side * dot(s, left, y) / 2;
    }
    if (here) assert_close(gradient[mine], 2 * weight * change, 1e-12 * (double)s->points * (double)s->points);
  }
  SN_FREE(matrix);
  SN_FREE(left);
  SN_FREE(right);
  SN_FREE(y);
  SN_FREE(gradient);
}

static void gradients_are_derivatives(void **state) {
  (void)state;
  for_all(check_gradient);
}

/* A cos(k x + phase) = |symbol| cos(k x + phase + arg symbol), for every wave number. */
static void check_symbol(setting *s, double tolerance) {
  double *x = new_array(SAMPLES * s->local), *y = new_array(SAMPLES * s->local);
  for (ptrdiff_t m = -(s->points - 1) / 2; m <= s->points / 2; m++) {
    double complex symbol = sn_linear_symbol(s->linear, m);
    assert_close(cabs(sn_linear_symbol(s->linear, -m) - conj(symbol)), 0, 1e-14 * cabs(symbol));
    for (int transpose = 0; transpose < 2; transpose++) {
      double complex factor = transpose ? conj(symbol) : symbol;
      if (2 * m == s->points) factor = creal(factor);
      for (ptrdiff_t i = 0; i < SAMPLES * s->local; i++) {
        ptrdiff_t j = s->start + i % s->local;
        x[i] = cos(2 * M_PI * (double)(m * j) / (double)s->points + (2 * m == s->points ? 0 : 0.3));
      }
      assert_ok(transpose ? sn_linear_apply_transpose(s->linear, SAMPLES, x, y)
                          : sn_linear_apply(s->linear, SAMPLES, x, y));
      for (ptrdiff_t i = 0; i < SAMPLES * s->local; i++) {
        ptrdiff_t j = s->start + i % s->local;
        double angle = 2 * M_PI * (double)(m * j) / (double)s->points + (2 * m == s->points ? 0 : 0.3);
        assert_close(y[i], creal(factor * cexp(I * angle)), tolerance);
      }
    }
  }
  SN_FREE(x);
  SN_FREE(y);
}

static void check_stencil_symbol(setting *s, int taps) {
  if (!taps) return;
  double *matrix = randomize(s, taps);
  check_symbol(s, 1e-13 * (double)s->points * (double)s->points);
  SN_FREE(matrix);
}

static void symbols_are_eigenvalues(void **state) {
  (void)state;
  for_all(check_stencil_symbol);
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (int g = 0; g < GRIDS; g++) {
    if (size > 1 && grids[g] / 2 < size) continue;
    setting s = set_up_linear(size, grids[g], (sn_linear_shape){.kind = SN_LINEAR_SPECTRAL, .length = LENGTH});
    assert_ok(sn_linear_set_ks(s.linear));
    assert_ok(sn_linear_update(s.linear));
    double k = 2 * M_PI * 3 / LENGTH;
    assert_close(creal(sn_linear_symbol(s.linear, 3)), k * k - k * k * k * k, 1e-14);
    assert_that(!sn_linear_is_trainable(s.linear) && sn_linear_is_circulant(s.linear));
    check_symbol(&s, 1e-10);
    tear_down(&s);
  }
}

static void ks_is_minus_second_and_fourth_differences(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  sn_linear_shape shape = {.kind = SN_LINEAR_STENCIL, .taps = 5, .length = LENGTH};
  setting s = set_up_linear(size, 16, shape);
  assert_ok(sn_linear_set_ks(s.linear));
  assert_ok(sn_linear_update(s.linear));
  const double expected[] = {-0.27976231, 0.59012363, -0.62072263, 0.59012363, -0.27976231};
  for (int k = 0; k < 5; k++) assert_close(sn_parameters_values(s.parameters)[k], expected[k], 5e-9);
  assert_that(sn_linear_symbol(s.linear, 0) == 0);

  shape.kind = SN_LINEAR_DENSE;
  setting d = set_up_linear(size, 16, shape);
  assert_ok(sn_linear_set_ks(d.linear));
  assert_ok(sn_linear_update(d.linear));
  double *x = field(&s, 1, false), *y = new_array(SAMPLES * s.local), *z = new_array(SAMPLES * s.local);
  assert_ok(sn_linear_apply(s.linear, SAMPLES, x, y));
  assert_ok(sn_linear_apply(d.linear, SAMPLES, x, z));
  for (ptrdiff_t i = 0; i < SAMPLES * s.local; i++) assert_close(y[i], z[i], 1e-14);
  SN_FREE(x);
  SN_FREE(y);
  SN_FREE(z);
  tear_down(&s);
  tear_down(&d);
}

/*
 * N = 65536, L = 22: eps/dx^4 = 0.02, and with it go taps applied one by one. The reference is -(D/dx^2 + D^2/dx^4) of
 * the same rounded sine in quadruple precision. (Against the sine itself both are off by what A makes of u's rounding.)
 */
static void fine_grids_lose_nothing(void **state) {
  (void)state;
  enum { POINTS = 65536 };
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  setting s = set_up_linear(size, POINTS, (sn_linear_shape){.kind = SN_LINEAR_STENCIL, .taps = 5, .length = LENGTH});
  assert_ok(sn_linear_set_ks(s.linear));
  assert_ok(sn_linear_update(s.linear));
  const double *c = sn_parameters_values(s.parameters);
  double *u = new_array(POINTS), *y = new_array(SAMPLES * s.local);
  for (ptrdiff_t j = 0; j < POINTS; j++) u[j] = 1.5 + sin(2 * M_PI * (double)j / POINTS);
  assert_ok(sn_linear_apply(s.linear, 1, u + s.start, y));
  __float128 dx = (__float128)LENGTH / POINTS;
  double worst = 0, worst_by_taps = 0;
  for (ptrdiff_t j = 0; j < s.local; j++) {
    __float128 v[5];
    double by_taps = 0;
    for (int k = 0; k < 5; k++) {
      double value = u[(s.start + j + k - 2 + POINTS) % POINTS];
      v[k] = value;
      by_taps += c[k] * value;
    }
    __float128 second = (v[1] - 2 * v[2] + v[3]) / (dx * dx);
    __float128 fourth = (v[0] - 4 * v[1] + 6 * v[2] - 4 * v[3] + v[4]) / (dx * dx * dx * dx);
    double exact = (double)-(second + fourth);
    worst = fmax(worst, fabs(y[j] - exact));
    worst_by_taps = fmax(worst_by_taps, fabs(by_taps - exact));
  }
  assert_close(worst, 0, 1e-7);
  assert_that(worst_by_taps > 1e-2);
  /* The slowest modes' eigenvalues, against -(q^2 - ...) by the identity of sines. */
  double q = 2 * sin(M_PI / POINTS) * POINTS / LENGTH;
  assert_close(creal(sn_linear_symbol(s.linear, 1)), q * q - q * q * q * q, 1e-8 * q * q);
  SN_FREE(u);
  SN_FREE(y);
  tear_down(&s);
}

/*
 * Differences of all orders and accuracies: their symbol is that of the derivatives but for a relative error that falls
 * with dx to the power of the accuracy.
 */
static void differences_have_their_order(void **state) {
  (void)state;
  for (int accuracy = 2; accuracy <= SN_LINEAR_ACCURACY_MOST; accuracy += 2)
    for (int k = 0; k < SN_LINEAR_ORDERS; k++) {
      double error[2], exact[SN_LINEAR_ORDERS] = {[0] = 0};
      exact[k] = 1;
      for (int fine = 0; fine < 2; fine++) {
        sn_linear_options options = {
            .kind = SN_LINEAR_STENCIL, .accuracy = accuracy, .coefficients = {.derivatives = 1U << k}};
        options.coefficients.value[k] = 1;
        setting s = set_up_linear(1, fine ? 46 : 32, sn_linear_shape_of(&options, LENGTH));
        assert_ok(sn_linear_initialize(s.linear, &options.coefficients));
        assert_ok(sn_linear_update(s.linear));
        const double complex expected = sn_linear_derivatives_symbol(exact, 2 * M_PI * 3 / LENGTH, false);
        error[fine] = cabs(sn_linear_symbol(s.linear, 3) - expected) / cabs(expected);
        tear_down(&s);
      }
      if (k == 0)
        assert_that(error[0] == 0 && error[1] == 0);
      else
        assert_close(log(error[0] / error[1]) / log(46.0 / 32), accuracy, 0.25);
    }
}

static void wrong_stencils_are_refused(void **state) {
  (void)state;
  sn_grid *grid;
  sn_parameters *parameters;
  assert_ok(sn_grid_create(MPI_COMM_WORLD, 1, 8, NULL, &grid));
  assert_ok(sn_parameters_create(grid, &parameters));
  for (int taps = 4; taps <= 9; taps += 5) {
    sn_linear_shape shape = {.kind = SN_LINEAR_STENCIL, .taps = taps, .length = LENGTH};
    sn_linear *linear;
    sn_status status = sn_linear_create(grid, &shape, SAMPLES, parameters, &linear);
    assert_that(status && !linear && sn_error_get_code(status) == SN_ERROR_USAGE);
    sn_error_destroy(&status);
  }
  sn_linear_shape shape = {.kind = SN_LINEAR_STENCIL, .taps = 7, .length = LENGTH};
  sn_linear *linear;
  assert_ok(sn_linear_create(grid, &shape, SAMPLES, parameters, &linear));
  sn_status status = sn_linear_set_ks(linear);
  assert_that(status && sn_error_get_code(status) == SN_ERROR_USAGE);
  sn_error_destroy(&status);
  sn_linear_destroy(&linear);
  sn_parameters_destroy(&parameters);
  sn_grid_destroy(&grid);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(operators_are_what_their_coefficients_say),
      cmocka_unit_test(transposes_are_adjoint),
      cmocka_unit_test(gradients_are_derivatives),
      cmocka_unit_test(symbols_are_eigenvalues),
      cmocka_unit_test(ks_is_minus_second_and_fourth_differences),
      cmocka_unit_test(fine_grids_lose_nothing),
      cmocka_unit_test(differences_have_their_order),
      cmocka_unit_test(wrong_stencils_are_refused),
  };
  return unit_run(argc, argv, tests);
}
