/* ks/: initial states, the ETDRK4 generator and the judgement of its resolution. */
#include "unit.h"

#include "sinode/etdrk4.h"
#include "sinode/ks_initial.h"
#include "sinode/ks_resolution.h"
#include "sinode/memory.h"

/* A generator of so many members on each replica, with its state. */
typedef struct {
  sn_grid *grid;
  sn_range range;
  ptrdiff_t points, members;
  double length;
  sn_etdrk4 *etdrk4;
  double *state;
} fixture;

static int world_size(void) {
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size;
}

static void set_up_on(double length, int space, ptrdiff_t points, ptrdiff_t members, double dt, bool dealias,
                      fixture *f) {
  const sn_etdrk4_options options = {.length = length, .dt = dt, .dealias = dealias};
  *f = (fixture){.points = points, .members = members, .length = options.length};
  assert_ok(sn_grid_create(MPI_COMM_WORLD, space, points, NULL, &f->grid));
  f->range = sn_grid_range(f->grid);
  assert_ok(sn_etdrk4_create(f->grid, members, &options, &f->etdrk4));
  assert_ok(SN_NEW(members * f->range.count, &f->state));
}

static void set_up(int space, ptrdiff_t points, ptrdiff_t members, double dt, bool dealias, fixture *f) {
  set_up_on(22, space, points, members, dt, dealias, f);
}

static void tear_down(fixture *f) {
  SN_FREE(f->state);
  sn_etdrk4_destroy(&f->etdrk4);
  sn_grid_destroy(&f->grid);
}

static void start(fixture *f, sn_ks_initial kind) {
  const sn_ks_initial_options options = {.kind = kind, .length = f->length, .seed = 3, .perturbation = 0.01};
  sn_ks_initial_state(f->grid, &options, (sn_range){0, f->members}, f->state);
  assert_ok(sn_etdrk4_set_state(f->etdrk4, f->state, 0));
}

static void advance(fixture *f, ptrdiff_t steps) {
  assert_ok(sn_etdrk4_step(f->etdrk4, steps));
  assert_ok(sn_etdrk4_check(f->etdrk4, NULL));
  assert_ok(sn_etdrk4_get_state(f->etdrk4, f->state));
}

static sn_ks_balance balance_of(sn_etdrk4 *etdrk4) {
  sn_ks_balance balance;
  assert_ok(sn_etdrk4_balance(etdrk4, &balance));
  return balance;
}

static double mean_of(const fixture *f, const double *row, int power) {
  double sum = 0;
  for (ptrdiff_t j = 0; j < f->range.count; j++) sum += pow(row[j], power);
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, sn_grid_space(f->grid));
  return sum / (double)f->points;
}

static void initial_states_are_as_published(void **state) {
  (void)state;
  fixture f;
  set_up(world_size(), 32, 1, 0.05, false, &f);
  start(&f, SN_KS_INITIAL_PAPER);
  for (ptrdiff_t j = 0; j < f.range.count; j++) {
    double x = 22.0 / 32 * (double)(f.range.start + j);
    assert_close(f.state[j], cos(x / 22) * sin(1 + x / 22), 1e-15);
  }
  start(&f, SN_KS_INITIAL_COSINE);
  for (ptrdiff_t j = 0; j < f.range.count; j++) {
    double angle = 2 * M_PI / 32 * (double)(f.range.start + j);
    assert_close(f.state[j], cos(angle) * (1 + sin(angle)), 1e-14);
  }
  tear_down(&f);
}

static void random_states_differ_by_member_and_have_mean_zero(void **state) {
  (void)state;
  enum { MEMBERS = 50 };
  fixture f;
  set_up(world_size(), 45, MEMBERS, 0.05, false, &f);
  start(&f, SN_KS_INITIAL_RANDOM);
  double square = 0;
  for (int i = 0; i < MEMBERS; i++) {
    const double *row = f.state + i * f.range.count;
    assert_close(mean_of(&f, row, 1), 0, 1e-14);
    square += mean_of(&f, row, 2) / MEMBERS;
    assert_that(i == 0 || row[0] != f.state[0]);
  }
  /* Eight normal amplitudes a member: the standard error of the mean square is 1/2 / sqrt(MEMBERS). */
  assert_close(square, 1, 5 * 0.5 / sqrt(MEMBERS));
  tear_down(&f);
}

static void perturbations_are_small_and_spare_the_first_member(void **state) {
  (void)state;
  fixture one, f;
  set_up(world_size(), 45, 1, 0.05, false, &one);
  set_up(world_size(), 45, 3, 0.05, false, &f);
  start(&one, SN_KS_INITIAL_PAPER);
  start(&f, SN_KS_INITIAL_PAPER);
  double size = sqrt(mean_of(&one, one.state, 2));
  for (ptrdiff_t i = 0; i < 3; i++) {
    double *row = f.state + i * f.range.count;
    for (ptrdiff_t j = 0; j < f.range.count; j++) row[j] -= one.state[j];
    double difference = sqrt(mean_of(&f, row, 2)) / size;
    assert_that(i == 0 ? difference == 0 : difference > 0.001 && difference < 0.03);
    assert_close(mean_of(&f, row, 1), 0, 1e-15);
  }
  tear_down(&one);
  tear_down(&f);
}

/* Far below saturation every mode grows or decays by exp((k^2 - k^4) t). */
static void a_small_wave_follows_the_linear_equation(void **state) {
  (void)state;
  const double amplitude = 1e-9, time = 4;
  for (ptrdiff_t m = 1; m <= 5; m++) {
    fixture f;
    set_up(world_size(), 33, 1, 0.05, false, &f);
    const double k = 2 * M_PI * (double)m / f.length, dx = f.length / 33;
    for (ptrdiff_t j = 0; j < f.range.count; j++)
      f.state[j] = amplitude * cos(k * dx * (double)(f.range.start + j) + 1);
    assert_ok(sn_etdrk4_set_state(f.etdrk4, f.state, 0));
    const sn_ks_balance balance = balance_of(f.etdrk4);
    const double square = amplitude * amplitude / 2;
    assert_close(balance.energy / square, 0.5, 1e-12);
    assert_close(balance.production / square, k * k, 1e-12);
    assert_close(balance.dissipation / square, k * k * k * k, 1e-12);
    advance(&f, 80);
    assert_close(sn_etdrk4_time(f.etdrk4), time, 1e-12);
    const double growth = exp((k * k - k * k * k * k) * time);
    for (ptrdiff_t j = 0; j < f.range.count; j++) {
      double wave = cos(k * dx * (double)(f.range.start + j) + 1);
      assert_close(f.state[j] / amplitude, growth * wave, 1e-7);
    }
    tear_down(&f);
  }
}

/* Where no mode is stiff at these steps: stiff ones lower the order to three until dt k^4 is small. */
static void reach_four(ptrdiff_t steps, fixture *f) {
  set_up_on(44, world_size(), 24, 1, 4.0 / (double)steps, false, f);
  start(f, SN_KS_INITIAL_COSINE);
  advance(f, steps);
}

/* Largest difference from a run with a very small step, after t = 4. */
static double error_of(ptrdiff_t steps, const fixture *reference) {
  fixture f;
  reach_four(steps, &f);
  double error = 0;
  for (ptrdiff_t j = 0; j < f.range.count; j++) error = fmax(error, fabs(f.state[j] - reference->state[j]));
  MPI_Allreduce(MPI_IN_PLACE, &error, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  tear_down(&f);
  return error;
}

static void the_order_is_four(void **state) {
  (void)state;
  fixture reference;
  reach_four(1280, &reference);
  const double coarse = error_of(40, &reference), fine = error_of(80, &reference), finest = error_of(160, &reference);
  assert_close(log2(coarse / fine), 4, 0.1);
  assert_close(log2(fine / finest), 4, 0.1);
  tear_down(&reference);
}

/* Three members on one rank each, and over all ranks; with and without dealiasing, even and odd grids. */
static void the_split_of_space_does_not_matter(void **state) {
  (void)state;
  static const ptrdiff_t points[] = {48, 45, 31};
  for (int p = 0; p < 3; p++)
    for (int dealias = 0; dealias <= 1; dealias++) {
      fixture whole, split;
      set_up(1, points[p], 3, 0.05, dealias, &whole);
      set_up(world_size(), points[p], 3, 0.05, dealias, &split);
      start(&whole, SN_KS_INITIAL_COSINE);
      start(&split, SN_KS_INITIAL_COSINE);
      advance(&whole, 100);
      advance(&split, 100);
      for (ptrdiff_t i = 0; i < 3; i++)
        for (ptrdiff_t j = 0; j < split.range.count; j++)
          assert_close(split.state[i * split.range.count + j], whole.state[i * points[p] + split.range.start + j],
                       1e-12);
      const sn_ks_balance a = balance_of(whole.etdrk4), b = balance_of(split.etdrk4);
      assert_close(a.energy, b.energy, 1e-12);
      assert_close(a.dissipation, b.dissipation, 1e-11);
      assert_close(a.tail / b.tail, 1, 1e-6);
      tear_down(&whole);
      tear_down(&split);
    }
}

static void the_mean_is_conserved_and_steps_take_no_memory(void **state) {
  (void)state;
  fixture f;
  set_up(world_size(), 64, 2, 0.05, false, &f);
  start(&f, SN_KS_INITIAL_PAPER);
  const double mean = mean_of(&f, f.state, 1);
  ptrdiff_t taken = sn_memory_calls();
  advance(&f, 400);
  assert_int_equal(sn_memory_calls(), taken);
  assert_close(mean_of(&f, f.state, 1), mean, 1e-13);
  tear_down(&f);
}

/* Only the first replica has members; the others take part in what is collective. */
/*
 * Where a layout holds c(m) and c(-m), what sets them apart is seen by no transform and grows by exp(t / 4): from
 * round-off to 1 in 150 time units.
 */
static void long_runs_stay_on_the_attractor_in_every_split(void **state) {
  (void)state;
  for (int space = 1; space <= world_size(); space++) {
    if (world_size() % space || 16 / 2 < space) continue;
    fixture f;
    set_up(space, 16, 1, 0.05, true, &f);
    start(&f, SN_KS_INITIAL_PAPER);
    for (int k = 0; k < 80; k++) assert_ok(sn_etdrk4_step(f.etdrk4, 100)); /* to t = 400 */
    assert_ok(sn_etdrk4_check(f.etdrk4, NULL));
    assert_that(balance_of(f.etdrk4).energy < 5);
    tear_down(&f);
  }
}

static void a_replica_may_have_no_member(void **state) {
  (void)state;
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  fixture f;
  set_up(1, 32, rank == 0 ? 2 : 0, 0.05, false, &f);
  start(&f, SN_KS_INITIAL_COSINE);
  sn_ks_resolution resolution = {0};
  assert_ok(sn_ks_resolution_step(&resolution, f.etdrk4, 10));
  advance(&f, 10);
  assert_int_equal(sn_etdrk4_steps_done(f.etdrk4), 20);
  assert_that(balance_of(f.etdrk4).energy > 0.1);
  tear_down(&f);
}

static void a_blow_up_is_an_error_of_all(void **state) {
  (void)state;
  fixture f;
  set_up(world_size(), 32, 1, 1, false, &f);
  for (ptrdiff_t j = 0; j < f.range.count; j++) f.state[j] = 300 * sin(2 * M_PI / 32 * (double)(f.range.start + j));
  assert_ok(sn_etdrk4_set_state(f.etdrk4, f.state, 100));
  assert_ok(sn_etdrk4_check(f.etdrk4, NULL));
  assert_ok(sn_etdrk4_step(f.etdrk4, 10));
  sn_status status = sn_etdrk4_check(f.etdrk4, NULL);
  assert_that(status && sn_error_is_collective(status, MPI_COMM_WORLD) && sn_error_get_code(status) == SN_ERROR_RUN);
  assert_non_null(strstr(sn_error_get_message(status), "step 110, t = 110"));
  sn_error_destroy(&status);
  tear_down(&f);
}

/* The verdict on 0 < t < 20, a snapshot every so many steps. */
static sn_ks_resolution judge(ptrdiff_t points, double dt, bool dealias, ptrdiff_t steps, bool *resolved, char *text) {
  fixture f;
  set_up(world_size(), points, 1, dt, dealias, &f);
  start(&f, SN_KS_INITIAL_COSINE);
  sn_ks_resolution resolution = {0};
  for (ptrdiff_t done = 0; (double)done * dt < 20; done += steps)
    assert_ok(sn_ks_resolution_step(&resolution, f.etdrk4, steps));
  *resolved = sn_ks_resolution_verdict(&resolution, text, 400);
  tear_down(&f);
  return resolution;
}

static void too_few_points_and_too_large_steps_are_found(void **state) {
  (void)state;
  char text[400];
  bool resolved;
  sn_ks_resolution good = judge(64, 0.05, false, 4, &resolved, text);
  assert_that(resolved && !strncmp(text, "resolved", 8));
  assert_that(good.tail < 1e-13 && good.budget < 1e-5 && good.budget > 0);
  judge(16, 0.05, false, 4, &resolved, text);
  assert_that(!resolved && strstr(text, "grid.points"));
  judge(20, 0.05, true, 4, &resolved, text);
  assert_that(!resolved && strstr(text, "grid.points"));
  judge(64, 0.5, false, 2, &resolved, text);
  assert_that(!resolved && strstr(text, "generate.dt"));
  /* Looking at every step is looking at these too. */
  sn_ks_resolution each = judge(64, 0.05, false, 1, &resolved, text);
  assert_that(each.budget >= good.budget);
}

/* Within a twentieth on the rank with most, and within the 40 doubles a point over all ranks that fine grids may take.
 */
static void memory_is_as_estimated(void **state) {
  (void)state;
  static const ptrdiff_t points[] = {4093, 65520, 65536}; /* a prime number; several factors */
  for (int space = 1; space <= world_size(); space++)
    for (int p = 0; p < 3; p++)
      for (ptrdiff_t members = 1; members <= 3; members += 2) {
        if (world_size() % space) continue;
        const ptrdiff_t before = sn_memory_bytes();
        fixture f;
        set_up(space, points[p], members, 0.01, true, &f);
        const double estimated = sn_etdrk4_estimate_cost(sn_equation_ks(), NULL, points[p], space, members).held;
        double most = (double)(sn_memory_bytes() - before), all = most / sizeof(double);
        MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
        MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_DOUBLE, MPI_SUM, sn_grid_space(f.grid));
        most -= 8 * (double)(f.range.count * members); /* the state is ours */
        const bool divides = space == 1 || points[p] != 4093;
        if (divides) assert_close(most / estimated, 1, 0.05);
        if (divides) assert_that(all <= 40 * (double)(points[p] * members));
        tear_down(&f);
      }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(initial_states_are_as_published),
      cmocka_unit_test(random_states_differ_by_member_and_have_mean_zero),
      cmocka_unit_test(perturbations_are_small_and_spare_the_first_member),
      cmocka_unit_test(a_small_wave_follows_the_linear_equation),
      cmocka_unit_test(the_order_is_four),
      cmocka_unit_test(the_split_of_space_does_not_matter),
      cmocka_unit_test(the_mean_is_conserved_and_steps_take_no_memory),
      cmocka_unit_test(long_runs_stay_on_the_attractor_in_every_split),
      cmocka_unit_test(a_replica_may_have_no_member),
      cmocka_unit_test(a_blow_up_is_an_error_of_all),
      cmocka_unit_test(too_few_points_and_too_large_steps_are_found),
      cmocka_unit_test(memory_is_as_estimated),
  };
  return unit_run(argc, argv, tests);
}
