/* What a scheme does to the modes of a grid: amplification of IMEX schemes, largest stable step of explicit ones. */
#include "unit.h"

#include "sinode/parameters.h"
#include "sinode/stability.h"

typedef struct {
  sn_grid *grid;
  sn_parameters *parameters;
  sn_linear *linear;
} setting;

static setting set_up(ptrdiff_t points, double length, sn_linear_kind kind) {
  setting s;
  const sn_linear_shape shape = {.kind = kind, .taps = 5, .length = length};
  assert_ok(sn_grid_create(MPI_COMM_WORLD, 1, points, NULL, &s.grid));
  assert_ok(sn_parameters_create(s.grid, &s.parameters));
  assert_ok(sn_linear_create(s.grid, &shape, 1, s.parameters, &s.linear));
  assert_ok(sn_parameters_allocate(s.parameters));
  assert_ok(sn_linear_set_ks(s.linear));
  assert_ok(sn_linear_update(s.linear));
  return s;
}

static void tear_down(setting *s) {
  sn_linear_destroy(&s->linear);
  sn_parameters_destroy(&s->parameters);
  sn_grid_destroy(&s->grid);
}

static double amplification(const setting *s, const char *scheme, double dt, double max_abs_u) {
  ptrdiff_t mode;
  return sn_stability_amplification(s->linear, s->grid, sn_tableau_find(scheme), dt, max_abs_u, &mode);
}

static bool is_damped(const char *scheme) {
  static const char *const damped[] = {"1bee", "l2", "prssp2", "ars111", "ars222", "bpr3", "2c", "3", "4", "5"};
  for (size_t k = 0; k < sizeof damped / sizeof *damped; k++)
    if (strcmp(scheme, damped[k]) == 0) return true;
  return false;
}

/* With the exact symbol at L = 22, dt = 0.05 and |u| = 3, and the same of a stencil. */
static void fine_grids_part_the_schemes(void **state) {
  (void)state;
  const ptrdiff_t grids[] = {4096, 65536, 262144};
  const sn_linear_kind kinds[] = {SN_LINEAR_SPECTRAL, SN_LINEAR_STENCIL};
  for (int g = 0; g < 3; g++)
    for (int k = 0; k < 2; k++) {
      setting s = set_up(grids[g], 22, kinds[k]);
      for (int i = 0; i < sn_tableau_count(); i++) {
        const sn_tableau *tableau = sn_tableau_at(i);
        const bool exponential = tableau->kind == SN_TABLEAU_EXPONENTIAL;
        if (tableau->kind != SN_TABLEAU_IMEX && !exponential) continue;
        const double found = amplification(&s, tableau->name, 0.05, 3);
        assert_that(exponential || is_damped(tableau->name) ? found < 1.3 : found > 5);
      }
      tear_down(&s);
    }
}

/* dx = 22/64 at every N: w stays moderate, and every scheme is fine at dt = 0.05. */
static void long_domains_do_not(void **state) {
  (void)state;
  setting s = set_up(65536, 22 * 1024, SN_LINEAR_SPECTRAL);
  for (int i = 0; i < sn_tableau_count(); i++)
    if (sn_tableau_at(i)->kind == SN_TABLEAU_IMEX) assert_that(amplification(&s, sn_tableau_at(i)->name, 0.05, 3) < 2);
  tear_down(&s);
}

/* ars111 by hand: R = (1 + i w) / (1 - z). */
static void amplification_is_that_of_the_formula(void **state) {
  (void)state;
  enum { POINTS = 64 };
  setting s = set_up(POINTS, 22, SN_LINEAR_SPECTRAL);
  const double dt = 0.2, max_abs_u = 2.5;
  double most = 0;
  for (int m = 1; m <= POINTS / 2; m++) {
    const double k = 2 * acos(-1) * m / 22, z = dt * (k * k - k * k * k * k), w = dt * k * max_abs_u;
    most = fmax(most, sqrt(1 + w * w) / fabs(1 - z) / fmax(1, exp(z)));
  }
  assert_close(amplification(&s, "ars111", dt, max_abs_u), most, 1e-12);
  assert_close(amplification(&s, "rk4", dt, max_abs_u), 0, 0); /* not an IMEX scheme */
  tear_down(&s);
}

/* The real ends of the stability regions: 2, 2.785..., over the largest eigenvalue. */
static void explicit_steps_are_bounded(void **state) {
  (void)state;
  enum { POINTS = 64 };
  setting s = set_up(POINTS, 22, SN_LINEAR_STENCIL);
  const double dx = 22.0 / POINTS, largest = 16 / pow(dx, 4) - 4 / (dx * dx);
  double limit;
  assert_ok(sn_stability_limit(s.linear, s.grid, sn_tableau_find("euler"), &limit));
  assert_close(limit * largest, 2, 1e-6);
  assert_ok(sn_stability_limit(s.linear, s.grid, sn_tableau_find("rk4"), &limit));
  assert_close(limit * largest, 2.785293563405289, 1e-6);
  assert_ok(sn_stability_limit(s.linear, s.grid, sn_tableau_find("l2"), &limit));
  assert_that(isinf(limit));
  tear_down(&s);
}

/* Every stage finds its own gamma, and none is listed twice. */
static void gammas_are_distinct(void **state) {
  (void)state;
  const double dt = 0.3;
  for (int k = 0; k < sn_tableau_count(); k++) {
    const sn_tableau *tableau = sn_tableau_at(k);
    double gamma[SN_TABLEAU_STAGES];
    int which[SN_TABLEAU_STAGES];
    const int count = sn_tableau_gammas(tableau, dt, NULL, gamma, which);
    for (int i = 0; i < tableau->stages; i++) {
      const double diagonal = sn_tableau_linear(tableau, i, i);
      assert_that(which[i] < count && (which[i] < 0) == (diagonal == 0));
      if (which[i] >= 0) assert_that(gamma[which[i]] == dt * diagonal);
    }
    for (int i = 0; i < count; i++)
      for (int j = 0; j < i; j++) assert_that(gamma[i] != gamma[j]);
    const bool none[SN_TABLEAU_STAGES] = {false};
    assert_int_equal(sn_tableau_gammas(tableau, dt, none, gamma, which), 0);
  }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fine_grids_part_the_schemes),
      cmocka_unit_test(long_domains_do_not),
      cmocka_unit_test(amplification_is_that_of_the_formula),
      cmocka_unit_test(explicit_steps_are_bounded),
      cmocka_unit_test(gammas_are_distinct),
  };
  return unit_run(argc, argv, tests);
}
