/* Solvers of (I - gamma A) x = r: residuals, transposes, agreement, and what is factored when, at every split. */
#include "solver_case.h"

static const ptrdiff_t grids[] = {7, 15, 16, 31, 45};
enum { GRIDS = sizeof grids / sizeof *grids };

/* Solves with the matrix or its transpose and puts the solution back into the equation. */
static void check_residual(const setting *s, sn_solver *solver, int which, ptrdiff_t samples, bool transpose) {
  double *r = field(s, samples), *x = field(s, samples), *ax = field(s, samples);
  assert_ok(transpose ? sn_solver_solve_transpose(solver, which, samples, x)
                      : sn_solver_solve(solver, which, samples, x));
  assert_ok(transpose ? sn_linear_apply_transpose(s->linear, samples, x, ax)
                      : sn_linear_apply(s->linear, samples, x, ax));
  for (ptrdiff_t i = 0; i < samples * s->local; i++) assert_close(x[i] - GAMMA[which] * ax[i], r[i], 1e-11);
  SN_FREE(r);
  SN_FREE(x);
  SN_FREE(ax);
}

static void check_solver(const setting *s, sn_solver_kind kind) {
  sn_solver *solver = make_solver(s, kind);
  for (int which = 0; which < GAMMAS; which++)
    for (int transpose = 0; transpose < 2; transpose++) {
      check_residual(s, solver, which, SAMPLES, transpose);
      check_residual(s, solver, which, 1, transpose);
    }
  /* A rank may have no part of the factors. */
  ptrdiff_t bytes = sn_solver_bytes(solver);
  MPI_Allreduce(MPI_IN_PLACE, &bytes, 1, MPI_AINT, MPI_SUM, sn_grid_space(s->grid));
  assert_that(bytes > 0);
  assert_int_equal(sn_solver_factorizations(solver), GAMMAS);
  sn_solver_destroy(&solver);
  assert_null(solver);
}

/* What ScaLAPACK's LU of a band of five wants, also of the smallest grid here. */
static bool has_room_for_bands(int space, ptrdiff_t points) {
  return points >= 9 && (space == 1 || (points + space - 1) / space >= 5);
}

static void solutions_satisfy_their_equation(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (int space = 1; space <= size; space++)
    for (int g = 0; g < GRIDS; g++) {
      if (size % space || (space > 1 && grids[g] / 2 < space)) continue;
      for (int trainable = 0; trainable < 2; trainable++) {
        setting s = set_up(space, grids[g], SN_LINEAR_STENCIL, trainable);
        check_solver(&s, SN_SOLVER_FFT);
        check_solver(&s, SN_SOLVER_DENSE);
        check_solver(&s, SN_SOLVER_GMRES);
        if (has_room_for_bands(space, grids[g])) check_solver(&s, SN_SOLVER_BANDED);
        tear_down(&s);
        s = set_up(space, grids[g], SN_LINEAR_DENSE, trainable);
        check_solver(&s, SN_SOLVER_AUTO);
        check_solver(&s, SN_SOLVER_GMRES);
        tear_down(&s);
      }
      for (int k = 0; k < 2; k++) {
        setting s = set_up(space, grids[g], k ? SN_LINEAR_DERIVATIVES : SN_LINEAR_SPECTRAL, k);
        check_solver(&s, SN_SOLVER_AUTO);
        check_solver(&s, SN_SOLVER_GMRES);
        tear_down(&s);
      }
    }
}

static void check_agreement(int space, ptrdiff_t points, bool trainable, sn_solver_kind kind, double tolerance) {
  setting s = set_up(space, points, SN_LINEAR_STENCIL, trainable);
  sn_solver *fft = make_solver(&s, SN_SOLVER_FFT), *other = make_solver(&s, kind);
  for (int transpose = 0; transpose < 2; transpose++) {
    double *x = field(&s, SAMPLES), *y = field(&s, SAMPLES);
    assert_ok(transpose ? sn_solver_solve_transpose(fft, 1, SAMPLES, x) : sn_solver_solve(fft, 1, SAMPLES, x));
    assert_ok(transpose ? sn_solver_solve_transpose(other, 1, SAMPLES, y) : sn_solver_solve(other, 1, SAMPLES, y));
    for (ptrdiff_t i = 0; i < SAMPLES * s.local; i++) assert_close(x[i], y[i], tolerance);
    SN_FREE(x);
    SN_FREE(y);
  }
  sn_solver_destroy(&fft);
  sn_solver_destroy(&other);
  tear_down(&s);
}

static void solvers_agree(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (int space = 1; space <= size; space++) {
    if (size % space) continue;
    /* 300: several blocks of the matrix on each process; 101: prime. At 300, eps gamma |A| = 5e-11. */
    for (int trainable = 0; trainable < 2; trainable++) {
      check_agreement(space, 45, trainable, SN_SOLVER_DENSE, 1e-12);
      check_agreement(space, 300, trainable, SN_SOLVER_DENSE, 1e-10);
      check_agreement(space, 45, trainable, SN_SOLVER_BANDED, 1e-12);
      check_agreement(space, 101, trainable, SN_SOLVER_BANDED, 1e-11);
      check_agreement(space, 300, trainable, SN_SOLVER_BANDED, 1e-10);
    }
  }
}

/* Many right-hand sides, in place or from elsewhere, beside one after the other, with an A that is not symmetric. */
static void many_are_solved_as_one_is(void **state) {
  (void)state;
  enum { MANY = 37 };
  for (ptrdiff_t points = 31; points <= 100; points += 33) {
    setting s = set_up(1, points, SN_LINEAR_DERIVATIVES, true);
    sn_solver *solver = make_solver(&s, SN_SOLVER_FFT);
    assert_ok(sn_solver_reserve(solver, MANY));
    for (int transpose = 0; transpose < 2; transpose++) {
      double *x = field(&s, MANY), *y = field(&s, MANY), *z = field(&s, MANY);
      assert_ok(transpose ? sn_solver_solve_transpose(solver, 1, MANY, x) : sn_solver_solve(solver, 1, MANY, x));
      for (ptrdiff_t k = 0; k < MANY; k++)
        assert_ok(transpose ? sn_solver_solve_transpose(solver, 1, 1, y + k * points)
                            : sn_solver_solve(solver, 1, 1, y + k * points));
      const double scale = largest(MANY * points, y);
      for (ptrdiff_t i = 0; i < MANY * points; i++) assert_close(x[i] / scale, y[i] / scale, 1e-14);
      double *given = field(&s, MANY);
      if (!transpose) assert_ok(sn_solver_solve_from(solver, 1, MANY, given, z));
      assert_that(transpose || !memcmp(x, z, (size_t)(MANY * points) * sizeof *x));
      for (ptrdiff_t i = 0; i < MANY * points; i++) assert_that(given[i] == number(1, i));
      SN_FREE(x);
      SN_FREE(y);
      SN_FREE(z);
      SN_FREE(given);
    }
    sn_solver_destroy(&solver);
    tear_down(&s);
  }
}

static void check_counts(ptrdiff_t points, double length, sn_linear_kind linear, sn_solver_kind kind,
                         const char *name) {
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  setting s = set_up_on(size, points, length, linear, true);
  sn_solver *solver = make_solver(&s, kind);
  assert_string_equal(sn_solver_name(solver), name);
  assert_that(!strncmp(sn_solver_reason(solver), name, strlen(name)));
  assert_int_equal(sn_solver_factorizations(solver), 0);
  double *x = field(&s, SAMPLES);
  assert_ok(sn_solver_solve(solver, 0, SAMPLES, x));
  assert_int_equal(sn_solver_factorizations(solver), 1);
  ptrdiff_t calls = sn_memory_calls();
  assert_ok(sn_solver_solve_transpose(solver, 0, SAMPLES, x));
  assert_ok(sn_solver_solve(solver, 0, 1, x));
  assert_int_equal(sn_memory_calls(), calls);
  assert_int_equal(sn_solver_factorizations(solver), 1);
  assert_ok(sn_solver_solve(solver, 1, SAMPLES, x));
  assert_int_equal(sn_solver_factorizations(solver), 2);

  double *values = sn_parameters_values(s.parameters);
  for (ptrdiff_t i = 0; i < sn_parameters_size(s.parameters); i++) values[i] *= 0.9;
  assert_ok(sn_linear_update(s.linear));
  calls = sn_memory_calls();
  assert_ok(sn_solver_solve(solver, 0, SAMPLES, x));
  assert_int_equal(sn_solver_factorizations(solver), 3);
  assert_int_equal(sn_memory_calls(), calls);
  SN_FREE(x);
  check_residual(&s, solver, 0, SAMPLES, false);
  check_residual(&s, solver, 1, SAMPLES, true);
  assert_int_equal(sn_solver_factorizations(solver), 4);

  enum { UNANNOUNCED = SAMPLES + 1 };
  double *unannounced = field(&s, UNANNOUNCED);
  sn_status status = sn_solver_solve(solver, 0, UNANNOUNCED, unannounced);
  assert_that(status && sn_error_is_collective(status, MPI_COMM_WORLD));
  sn_error_destroy(&status);
  SN_FREE(unannounced);
  sn_solver_destroy(&solver);
  tear_down(&s);
}

static void factors_are_made_once(void **state) {
  (void)state;
  check_counts(47, LENGTH, SN_LINEAR_STENCIL, SN_SOLVER_AUTO, "fft");
  check_counts(47, LENGTH, SN_LINEAR_STENCIL, SN_SOLVER_DENSE, "dense");
  check_counts(47, LENGTH, SN_LINEAR_STENCIL, SN_SOLVER_BANDED, "banded");
  check_counts(47, LENGTH, SN_LINEAR_DENSE, SN_SOLVER_AUTO, "dense");
  check_counts(1024, 16 * LENGTH, SN_LINEAR_STENCIL, SN_SOLVER_LOCAL, "local");
}

static void expect_refusal(const setting *s, sn_solver_kind kind, const char *advice) {
  sn_solver *solver;
  const sn_solver_options options = {.kind = kind};
  sn_status status = sn_solver_create(s->grid, s->linear, &options, GAMMAS, GAMMA, &solver);
  assert_that(status && !solver && sn_error_get_code(status) == SN_ERROR_USAGE &&
              sn_error_is_collective(status, MPI_COMM_WORLD));
  assert_non_null(strstr(sn_error_get_message(status), advice));
  sn_error_destroy(&status);
}

/* The kind that auto takes over so many ranks in space, or, for 0, those there are. */
static const char *chosen(ptrdiff_t points, double length, bool trainable, int ranks) {
  int size;
  static char name[16];
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  setting s;
  const sn_linear_shape shape = {.kind = SN_LINEAR_STENCIL, .taps = 5, .length = length, .trainable = trainable};
  assert_ok(sn_grid_create(MPI_COMM_WORLD, size, points, NULL, &s.grid));
  assert_ok(sn_parameters_create(s.grid, &s.parameters));
  assert_ok(sn_linear_create(s.grid, &shape, SAMPLES, s.parameters, &s.linear));
  assert_ok(sn_parameters_allocate(s.parameters));
  assert_ok(sn_linear_set_ks(s.linear));
  assert_ok(sn_linear_update(s.linear));
  if (ranks) {
    sn_solver_cost estimated;
    const sn_solver_options options = {.kind = SN_SOLVER_AUTO};
    assert_ok(sn_solver_estimate_cost(s.linear, &options, ranks, 1e9, GAMMAS, GAMMA, SAMPLES, &estimated));
    snprintf(name, sizeof name, "%s", estimated.name);
  } else {
    sn_solver *solver = make_solver(&s, SN_SOLVER_AUTO);
    snprintf(name, sizeof name, "%s", sn_solver_name(solver));
    sn_solver_destroy(&solver);
  }
  tear_down(&s);
  return name;
}

static void auto_goes_by_grid_and_ranks(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  assert_string_equal(chosen(64, 22, false, 0), "fft");
  assert_string_equal(chosen(2048, 22 * 32, false, 0), size > 1 ? "local" : "fft");
  assert_string_equal(chosen(2048, 22 * 32, false, 4), "local");
  assert_string_equal(chosen(2048, 22 * 32, false, 8), "banded"); /* subdomains would read more than they keep */
  assert_string_equal(chosen(2048, 22, false, 8), "fft");         /* too much of I would be lost */
  assert_string_equal(chosen(2048, 22 * 32, true, 8), "fft");
  assert_string_equal(chosen(512, 22 * 8, false, 8), "fft");
  assert_string_equal(chosen(1 << 14, 22 * 256, false, 1), "fft");
  assert_string_equal(chosen(1 << 15, 22 * 512, false, 1), "local");
  assert_string_equal(chosen(1 << 15, 22, false, 1), "fft"); /* the kernel is as long as the domain */
  assert_string_equal(chosen(1 << 20, 22 * 16384, false, 1024), "local");
}

static void hopeless_solvers_are_refused(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  setting s = set_up(size, 16, SN_LINEAR_DENSE, false);
  expect_refusal(&s, SN_SOLVER_FFT, "use dense");
  tear_down(&s);
  s = set_up(size, 16, SN_LINEAR_SPECTRAL, false);
  expect_refusal(&s, SN_SOLVER_DENSE, "use fft");
  tear_down(&s);
  /* 16 gamma eps/dx^4 > 1e-6. */
  s = set_up(size, 4096, SN_LINEAR_STENCIL, false);
  expect_refusal(&s, SN_SOLVER_DENSE, "fft");
  expect_refusal(&s, SN_SOLVER_BANDED, "fft");
  tear_down(&s);
  if (size <= 4) {
    s = set_up(size, 8, SN_LINEAR_STENCIL, false); /* fewer points than the corners of the band take */
    expect_refusal(&s, SN_SOLVER_BANDED, "use fft");
    tear_down(&s);
  }
  s = set_up(size, 16, SN_LINEAR_SPECTRAL, false);
  expect_refusal(&s, SN_SOLVER_BANDED, "use fft");
  tear_down(&s);
  s = set_up(size, 16, SN_LINEAR_DENSE, false);
  expect_refusal(&s, SN_SOLVER_BANDED, "use dense");
  expect_refusal(&s, SN_SOLVER_LOCAL, "use dense");
  tear_down(&s);
  s = set_up(size, 4096, SN_LINEAR_STENCIL, false); /* kernels as long as the domain */
  expect_refusal(&s, SN_SOLVER_LOCAL, "There is no locality");
  expect_refusal(&s, SN_SOLVER_LOCAL, size == 1 ? "or a longer domain" : "or fewer ranks in space");
  tear_down(&s);
  s = set_up_long(size, 100 * (ptrdiff_t)size, SN_LINEAR_STENCIL, false);
  expect_refusal(&s, SN_SOLVER_LOCAL, "lies beyond 100 points, a length of 34.4,");
  tear_down(&s);
  s = set_up_long(size, 1024 * (ptrdiff_t)size, SN_LINEAR_SPECTRAL, false);
  expect_refusal(&s, SN_SOLVER_LOCAL, "use integrator.solver.kind fft, or model.linear.kind stencil");
  tear_down(&s);
}

/* |r - M x| / (|M| |x| + |r|) in maximum norms, M = I - gamma A of norm 1 + 16 gamma / dx^4 at most. */
static double backward_error(const setting *s, sn_solver *solver, int which, bool transpose) {
  const ptrdiff_t count = SAMPLES * s->local;
  double *r = field(s, SAMPLES), *x = field(s, SAMPLES), *ax = field(s, SAMPLES);
  assert_ok(transpose ? sn_solver_solve_transpose(solver, which, SAMPLES, x)
                      : sn_solver_solve(solver, which, SAMPLES, x));
  assert_ok(transpose ? sn_linear_apply_transpose(s->linear, SAMPLES, x, ax)
                      : sn_linear_apply(s->linear, SAMPLES, x, ax));
  const double dx = LENGTH / (double)s->points, norm = 1 + 16 * GAMMA[which] / pow(dx, 4);
  const double size = norm * largest(count, x) + largest(count, r);
  for (ptrdiff_t i = 0; i < count; i++) ax[i] = r[i] - x[i] + GAMMA[which] * ax[i];
  const double error = largest(count, ax) / size;
  SN_FREE(r);
  SN_FREE(x);
  SN_FREE(ax);
  return error;
}

/*
 * Every kind, both ways, symmetric and not: prime numbers of points, some that ranks do not divide, and as few on a
 * rank as the solver takes; below that it says so and names another.
 */
static void backward_errors_are_round_off(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  const ptrdiff_t points[] = {9, 5 * size, 5 * size + 1, 101, 128, 509};
  const sn_solver_kind solver_kinds[] = {SN_SOLVER_FFT, SN_SOLVER_BANDED, SN_SOLVER_DENSE, SN_SOLVER_GMRES};
  const double bandwidth = 5;
  for (int p = 0; p < 6; p++) {
    if (points[p] < 9 || points[p] / 2 < size) continue;
    for (int trainable = 0; trainable < 2; trainable++) {
      setting s = set_up(size, points[p], SN_LINEAR_STENCIL, trainable);
      for (int k = 0; k < 4; k++) {
        if (solver_kinds[k] == SN_SOLVER_BANDED && !has_room_for_bands(size, points[p])) {
          expect_refusal(&s, SN_SOLVER_BANDED, "use fft");
          continue;
        }
        /* Its residual cannot fall below eps |M| |x|, which is more than its tolerance of |r| on fine grids. */
        if (solver_kinds[k] == SN_SOLVER_GMRES && points[p] > 128) continue;
        sn_solver *solver = make_solver(&s, solver_kinds[k]);
        for (int which = 0; which < GAMMAS; which++)
          for (int transpose = 0; transpose < 2; transpose++)
            assert_close(backward_error(&s, solver, which, transpose), 0, 1e-14 * bandwidth);
        sn_solver_destroy(&solver);
      }
      tear_down(&s);
    }
  }
}

/* Sizes that no machine has: refused with the count, before a library or the allocator sees them. */
static void counts_past_what_libraries_take_are_refused(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  const struct {
    ptrdiff_t points, samples;
    sn_solver_kind kind;
  } cases[] = {{(ptrdiff_t)1 << 40, 1, SN_SOLVER_FFT},
               {(ptrdiff_t)1 << 33, 1, SN_SOLVER_BANDED},
               {(ptrdiff_t)1 << 20, (ptrdiff_t)1 << 26, SN_SOLVER_BANDED},
               {(ptrdiff_t)1 << 33, 1, SN_SOLVER_DENSE},
               {(ptrdiff_t)1 << 20, 1, SN_SOLVER_DENSE}};
  for (int i = 0; i < 5; i++) {
    setting s = {.points = cases[i].points};
    const sn_linear_shape shape = {.kind = SN_LINEAR_STENCIL, .taps = 5, .length = 0.4 * (double)s.points};
    const sn_solver_options options = {.kind = cases[i].kind};
    sn_solver *solver;
    assert_ok(sn_grid_create(MPI_COMM_WORLD, size, s.points, NULL, &s.grid));
    assert_ok(sn_parameters_create(s.grid, &s.parameters));
    assert_ok(sn_linear_create(s.grid, &shape, 1, s.parameters, &s.linear));
    assert_ok(sn_parameters_allocate(s.parameters));
    assert_ok(sn_linear_set_ks(s.linear));
    assert_ok(sn_linear_update(s.linear));
    sn_status status = sn_solver_create(s.grid, s.linear, &options, GAMMAS, GAMMA, &solver);
    if (!status) status = sn_solver_reserve(solver, cases[i].samples);
    assert_that(status && sn_error_is_collective(status, MPI_COMM_WORLD));
    assert_non_null(strstr(sn_error_get_message(status), "more than the library below can count"));
    sn_error_destroy(&status);
    sn_solver_destroy(&solver);
    tear_down(&s);
  }
}

/* A with the eigenvalue 1 / gamma: constants are multiplied by it. */
static void singular_matrices_are_reported(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  const sn_solver_kind solver_kinds[] = {SN_SOLVER_FFT, SN_SOLVER_DENSE, SN_SOLVER_BANDED};
  for (int i = 0; i < 3; i++) {
    setting s = set_up(size, 48, SN_LINEAR_STENCIL, true);
    for (int k = 0; k < 5; k++) sn_parameters_values(s.parameters)[k] = k == 2 ? 1 / GAMMA[1] : 0;
    assert_ok(sn_linear_update(s.linear));
    sn_solver *solver = make_solver(&s, solver_kinds[i]);
    double *x = field(&s, SAMPLES);
    sn_status status = sn_solver_solve(solver, 1, SAMPLES, x);
    assert_that(status &&
                sn_error_get_code(status) == SN_ERROR_RUN); /* the space ranks alike; other replicas may not be */
    sn_error_destroy(&status);
    SN_FREE(x);
    sn_solver_destroy(&solver);
    tear_down(&s);
  }
}

/* N = 65536, L = 22: the slowest modes come back to round-off although |gamma A| is 1e14. */
static void fine_grids_lose_nothing(void **state) {
  (void)state;
  enum { POINTS = 65536 };
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  setting s = set_up(size, POINTS, SN_LINEAR_STENCIL, false);
  sn_solver *solver = make_solver(&s, SN_SOLVER_AUTO);
  double *x = field(&s, 1);
  for (ptrdiff_t j = 0; j < s.local; j++) x[j] = cos(2 * M_PI * (double)(s.start + j) / POINTS);
  assert_ok(sn_solver_solve(solver, 1, 1, x));
  double q = 2 * sin(M_PI / POINTS) * POINTS / LENGTH, factor = 1 / (1 - GAMMA[1] * (q * q - q * q * q * q));
  for (ptrdiff_t j = 0; j < s.local; j++)
    assert_close(x[j], factor * cos(2 * M_PI * (double)(s.start + j) / POINTS), 2e-9);
  SN_FREE(x);
  sn_solver_destroy(&solver);
  tear_down(&s);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(solutions_satisfy_their_equation), cmocka_unit_test(solvers_agree),
      cmocka_unit_test(many_are_solved_as_one_is),        cmocka_unit_test(factors_are_made_once),
      cmocka_unit_test(auto_goes_by_grid_and_ranks),      cmocka_unit_test(hopeless_solvers_are_refused),
      cmocka_unit_test(backward_errors_are_round_off),    cmocka_unit_test(counts_past_what_libraries_take_are_refused),
      cmocka_unit_test(singular_matrices_are_reported),   cmocka_unit_test(fine_grids_lose_nothing),
  };
  return unit_run(argc, argv, tests);
}
