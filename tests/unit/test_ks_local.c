/* ks/: the generator on overlapping subdomains, beside transforms of the whole grid. */
#include "unit.h"

#include "sinode/etdrk4.h"
#include "sinode/ks_initial.h"
#include "sinode/ks_resolution.h"
#include "sinode/memory.h"

/* The same states by both ways: space ranks share the grid, which need not divide evenly. */
typedef struct {
  sn_grid *grid;
  sn_etdrk4 *local, *global;
  ptrdiff_t values; /* (members, local points) */
  double *u, *v;
} fixture;

static int world_size(void) {
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size;
}

static void set_up(ptrdiff_t points, double spacing, ptrdiff_t members, double dt, bool dealias, sn_ks_initial kind,
                   fixture *f) {
  sn_etdrk4_options options = {.length = spacing * (double)points, .dt = dt, .dealias = dealias};
  const sn_ks_initial_options initial = {.kind = kind, .length = options.length, .seed = 3, .perturbation = 0.01};
  assert_ok(sn_grid_create(MPI_COMM_WORLD, world_size(), points, NULL, &f->grid));
  assert_ok(sn_etdrk4_create(f->grid, members, &options, &f->global));
  options.transform = SN_ETDRK4_LOCAL;
  assert_ok(sn_etdrk4_create(f->grid, members, &options, &f->local));
  f->values = members * sn_grid_range(f->grid).count;
  assert_ok(SN_NEW(f->values, &f->u));
  assert_ok(SN_NEW(f->values, &f->v));
  sn_ks_initial_state(f->grid, &initial, (sn_range){0, members}, f->u);
  assert_ok(sn_etdrk4_set_state(f->local, f->u, 0));
  assert_ok(sn_etdrk4_set_state(f->global, f->u, 0));
}

static void tear_down(fixture *f) {
  SN_FREE(f->u);
  SN_FREE(f->v);
  sn_etdrk4_destroy(&f->local);
  sn_etdrk4_destroy(&f->global);
  sn_grid_destroy(&f->grid);
}

static double largest_difference(fixture *f) {
  double most = 0;
  assert_ok(sn_etdrk4_get_state(f->local, f->u));
  assert_ok(sn_etdrk4_get_state(f->global, f->v));
  for (ptrdiff_t j = 0; j < f->values; j++) most = fmax(most, fabs(f->u[j] - f->v[j]));
  MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return most;
}

static void advance(fixture *f, ptrdiff_t steps) {
  assert_ok(sn_etdrk4_step(f->local, steps));
  assert_ok(sn_etdrk4_step(f->global, steps));
  assert_ok(sn_etdrk4_check(f->local, NULL));
}

/*
 * To t = 10: steps of several sizes, grids that divide unevenly, one that is resolved twice as finely with and without
 * dealiasing, and a state with a jump, which no grid resolves.
 */
static void trajectories_are_those_of_global_transforms(void **state) {
  (void)state;
  static const struct {
    ptrdiff_t points;
    double of_22, dt;
    bool dealias;
    sn_ks_initial kind;
  } cases[] = {{2051, 64, 0.05, false, SN_KS_INITIAL_NOISE},
               {2048, 64, 0.2, false, SN_KS_INITIAL_NOISE},
               {2049, 64, 0.05, false, SN_KS_INITIAL_PAPER},
               {4098, 128, 0.05, true, SN_KS_INITIAL_NOISE},
               {4096, 128, 0.1, false, SN_KS_INITIAL_PAPER}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    fixture f;
    set_up(cases[k].points, 22 / cases[k].of_22, 2, cases[k].dt, cases[k].dealias, cases[k].kind, &f);
    const ptrdiff_t steps = lround(10 / cases[k].dt);
    advance(&f, 1);
    advance(&f, steps - 1);
    assert_that(largest_difference(&f) < 1e-9);
    tear_down(&f);
  }
}

static void balances_are_those_of_global_transforms(void **state) {
  (void)state;
  fixture f;
  set_up(2051, 22.0 / 64, 2, 0.05, false, SN_KS_INITIAL_NOISE, &f);
  advance(&f, 100);
  sn_ks_balance a, b;
  assert_ok(sn_etdrk4_balance(f.local, &a));
  assert_ok(sn_etdrk4_balance(f.global, &b));
  assert_close(a.energy, b.energy, 1e-10);
  assert_close(a.production, b.production, 1e-10);
  assert_close(a.dissipation, b.dissipation, 1e-10);
  assert_close(a.tail, b.tail, 1e-14);
  sn_ks_resolution resolution = {0};
  char text[400];
  assert_ok(sn_ks_resolution_step(&resolution, f.local, 4));
  assert_that(sn_ks_resolution_verdict(&resolution, text, sizeof text));
  assert_that(resolution.budget > 0 && resolution.budget < 1e-5);
  tear_down(&f);
}

/* A mean of 1/2 too, with which everything moves by a point and a half in a time unit. */
static void the_mean_is_conserved_and_steps_take_no_memory(void **state) {
  (void)state;
  fixture f;
  set_up(2048, 22.0 / 64, 1, 0.05, false, SN_KS_INITIAL_NOISE, &f);
  for (ptrdiff_t j = 0; j < f.values; j++) f.u[j] += 0.5;
  assert_ok(sn_etdrk4_set_state(f.local, f.u, 0));
  assert_ok(sn_etdrk4_step(f.local, 1));
  const ptrdiff_t taken = sn_memory_calls();
  assert_ok(sn_etdrk4_step(f.local, 1999));
  assert_ok(sn_etdrk4_check(f.local, NULL));
  assert_int_equal(sn_memory_calls(), taken);
  assert_ok(sn_etdrk4_get_state(f.local, f.u));
  double sum = 0;
  for (ptrdiff_t j = 0; j < f.values; j++) sum += f.u[j];
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  assert_close(sum / 2048, 0.5, 1e-12);
  tear_down(&f);
}

/* What a checkpoint keeps: the values, to the bit, wherever they were taken. */
static void a_run_goes_on_to_the_bit(void **state) {
  (void)state;
  fixture f, again;
  ptrdiff_t count, other;
  set_up(2051, 22.0 / 64, 2, 0.05, false, SN_KS_INITIAL_NOISE, &f);
  set_up(2051, 22.0 / 64, 2, 0.05, false, SN_KS_INITIAL_NOISE, &again);
  assert_ok(sn_etdrk4_step(f.local, 7));
  const double *from = sn_etdrk4_coefficients(f.local, &count);
  double *to = sn_etdrk4_coefficients(again.local, &other);
  assert_int_equal(count, other);
  memcpy(to, from, (size_t)count * sizeof *to);
  sn_etdrk4_set_steps_done(again.local, 7);
  assert_ok(sn_etdrk4_step(f.local, 13));
  assert_ok(sn_etdrk4_step(again.local, 13));
  assert_ok(sn_etdrk4_get_state(f.local, f.u));
  assert_ok(sn_etdrk4_get_state(again.local, again.u));
  assert_memory_equal(f.u, again.u, (size_t)f.values * sizeof *f.u);
  assert_int_equal(sn_etdrk4_steps_done(again.local), 20);
  tear_down(&f);
  tear_down(&again);
}

/* On a domain that no rank's block is too short of. */
static void refused(ptrdiff_t points, double spacing, bool dealias, const char *why) {
  const sn_etdrk4_options options = {
      .length = spacing * (double)points, .dt = 0.05, .dealias = dealias, .transform = SN_ETDRK4_LOCAL};
  sn_grid *grid;
  sn_etdrk4 *etdrk4;
  assert_ok(sn_grid_create(MPI_COMM_WORLD, world_size(), points, NULL, &grid));
  sn_status status = sn_etdrk4_create(grid, 1, &options, &etdrk4);
  assert_that(status && sn_error_is_collective(status, MPI_COMM_WORLD) && !etdrk4);
  assert_int_equal(sn_error_get_code(status), SN_ERROR_USAGE);
  assert_non_null(strstr(sn_error_get_message(status), why));
  assert_non_null(strstr(sn_error_get_message(status), "generate.transform: global"));
  sn_error_destroy(&status);
  sn_grid_destroy(&grid);
}

static void what_is_not_local_is_refused(void **state) {
  (void)state;
  refused(64, 22.0 / 64, false, "must overlap by");            /* the domain of the paper, */
  refused(256, 22.0 / 512, false, "must overlap by");          /* half of it, on a finer grid */
  refused(2048, 22.0 / 64, true, "generate.dealias: false");   /* a sharp end of a spectrum that has not decayed */
  refused(2048, 22.0 / 16, false, "is wrong by");              /* nor has that of too coarse a grid */
  refused(65536, 22.0 / 65536, false, "on a grid as fine as"); /* where a block in the cache is shorter than a wave */
}

/* White noise of the grid is what no overlap was chosen for. */
static void neighbours_that_differ_are_an_error_of_all(void **state) {
  (void)state;
  fixture f;
  set_up(2048, 22.0 / 64, 1, 0.05, false, SN_KS_INITIAL_NOISE, &f);
  for (ptrdiff_t j = 0; j < f.values; j++) f.u[j] += 30 * sin(2.5 * (double)(j * j % 1009));
  assert_ok(sn_etdrk4_set_state(f.local, f.u, 0));
  sn_status status = SN_OK;
  for (int k = 0; k < 4 && !status; k++) {
    assert_ok(sn_etdrk4_step(f.local, 1));
    status = sn_etdrk4_check(f.local, NULL);
  }
  assert_that(status && sn_error_is_collective(status, MPI_COMM_WORLD) && sn_error_get_code(status) == SN_ERROR_RUN);
  assert_non_null(strstr(sn_error_get_message(status), "neighbouring subdomains differ"));
  sn_error_destroy(&status);
  tear_down(&f);
}

static void memory_is_as_estimated(void **state) {
  (void)state;
  const sn_etdrk4_options options = {.length = 22.0 * 256, .dt = 0.05, .transform = SN_ETDRK4_LOCAL};
  for (ptrdiff_t members = 1; members <= 3; members += 2) {
    const ptrdiff_t before = sn_memory_bytes();
    sn_grid *grid;
    sn_etdrk4 *etdrk4;
    assert_ok(sn_grid_create(MPI_COMM_WORLD, world_size(), 64 * 256, NULL, &grid));
    assert_ok(sn_etdrk4_create(grid, members, &options, &etdrk4));
    const double held = (double)(sn_memory_bytes() - before);
    const sn_etdrk4_cost estimated =
        sn_etdrk4_estimate_cost(sn_equation_ks(), sn_etdrk4_get_division(etdrk4), 64 * 256, world_size(), members);
    assert_close(held / estimated.held, 1, 0.05);
    sn_etdrk4_destroy(&etdrk4);
    sn_grid_destroy(&grid);
  }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(trajectories_are_those_of_global_transforms),
      cmocka_unit_test(balances_are_those_of_global_transforms),
      cmocka_unit_test(the_mean_is_conserved_and_steps_take_no_memory),
      cmocka_unit_test(a_run_goes_on_to_the_bit),
      cmocka_unit_test(what_is_not_local_is_refused),
      cmocka_unit_test(neighbours_that_differ_are_an_error_of_all),
      cmocka_unit_test(memory_is_as_estimated),
  };
  return unit_run(argc, argv, tests);
}
