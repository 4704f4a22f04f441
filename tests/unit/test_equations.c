/* The generator's equations against exact and published solutions, at every split of the ranks. */
#include "unit.h"

#include "sinode/etdrk4.h"
#include "sinode/ks_initial.h"
#include "sinode/ks_resolution.h"
#include "sinode/memory.h"

typedef double (*solution)(double x, double t, double mu);

/* An equation with a solution; where it has a parameter, mu is that of the member. */
typedef struct {
  const char *text;
  sn_equation equation;
  double length;
  ptrdiff_t points;
  double dt, time;
  solution exact;
  double tolerance; /* of the largest value */
  bool has_order;   /* its error is that of the time steps */
} problem;

/* Cole-Hopf: u = -2 nu phi_x / phi of a solution phi of the heat equation. */
static const double hopf_mean = 1.3;
static double burgers(double x, double t, double nu) {
  const double decay = exp(-nu * t);
  return 2 * nu * decay * sin(x) / (hopf_mean + decay * cos(x));
}

/* h_t = h_xx + h_x^2 / 2 alike: h = 2 log phi. */
static double cole_hopf(double x, double t, double mu) {
  (void)mu;
  return 2 * log(hopf_mean + exp(-t) * cos(x));
}

/* Of u_t = -u u_x - u_xxx: speed 1, height 3. In the middle at first; what it leaves at the ends is below round-off. */
static double soliton(double x, double t, double mu) {
  (void)mu;
  const double y = remainder(x - 40 - t, 80);
  return 3 / (cosh(y / 2) * cosh(y / 2));
}

/* Fronts of u_t = u_xx + u (1 - u) (u - alpha), which move apart, each by (1 - 2 alpha) / sqrt(2). */
static const double alpha = 0.25;
static double fronts(double x, double t, double mu) {
  (void)mu;
  const double way = (1 - 2 * alpha) / sqrt(2) * t;
  const double left = 1 / (1 + exp(-(x - 50 + way) / sqrt(2))), right = 1 / (1 + exp((x - 110 - way) / sqrt(2)));
  return left + right - 1;
}

/* A wave too small for the product: growth k^2 - k^4, phase by the odd derivatives. */
static double small_wave(double x, double t, double mu) {
  (void)mu;
  const double k = 2 * M_PI * 3 / 22;
  return 1e-9 * exp((k * k - k * k * k * k) * t) * cos(k * x - 0.5 * k * k * k * t + 0.2 * pow(k, 5) * t - 0.3 * k * t);
}

/* u' = 1 - u^2, the same everywhere. */
static double rising(double x, double t, double mu) {
  (void)x, (void)mu;
  return tanh(t);
}

#define DERIVATIVES(bits, ...)                      \
  {                                                 \
    .derivatives = (bits), .value = { __VA_ARGS__ } \
  }
static const problem problems[] = {
    {.text = "u_t = 0.1 u_xx - u u_x",
     .equation = {.linear = DERIVATIVES(1 << 2, [2] = 0.1), .u_ux = -1, .parameter.of = SN_EQUATION_NONE},
     .length = 2 * M_PI,
     .points = 96,
     .dt = 0.05,
     .time = 2,
     .exact = burgers,
     .tolerance = 5e-10,
     .has_order = true},
    {.text = "u_t = mu u_xx - u u_x",
     .equation = {.linear = DERIVATIVES(1 << 2, [2] = 1),
                  .u_ux = -1,
                  .parameter = {.of = (sn_equation_term)2, .values = {3, {0.1, 0.3, 0.2}}}},
     .length = 2 * M_PI,
     .points = 96,
     .dt = 0.05,
     .time = 2,
     .exact = burgers,
     .tolerance = 3e-9,
     .has_order = true},
    {.text = "u_t = u_xx + u_x^2/2",
     .equation = {.linear = DERIVATIVES(1 << 2, [2] = 1), .ux2 = 1, .parameter.of = SN_EQUATION_NONE},
     .length = 2 * M_PI,
     .points = 96,
     .dt = 0.025,
     .time = 1,
     .exact = cole_hopf,
     .tolerance = 4e-9,
     .has_order = true},
    {.text = "u_t = -u_xxx - u u_x",
     .equation = {.linear = DERIVATIVES(1 << 3, [3] = -1), .u_ux = -1, .parameter.of = SN_EQUATION_NONE},
     .length = 80,
     .points = 384,
     .dt = 0.0125,
     .time = 10,
     .exact = soliton,
     .tolerance = 5e-9,
     .has_order = true},
    {.text = "u_t = -0.25 u + u_xx + 1.25 u^2 - u^3",
     .equation = {.linear = DERIVATIVES(1 << 0 | 1 << 2, [0] = -0.25, [2] = 1),
                  .u2 = 1.25,
                  .u3 = -1,
                  .parameter.of = SN_EQUATION_NONE},
     .length = 160,
     .points = 512,
     .dt = 0.4,
     .time = 8,
     .exact = fronts,
     .tolerance = 4e-7,
     .has_order = true},
    {.text = "u_t = -0.3 u_x - u_xx + 0.5 u_xxx - u_xxxx + 0.2 u_5x - u u_x",
     .equation = {.linear = DERIVATIVES(0x3e, [1] = -0.3, [2] = -1, [3] = 0.5, [4] = -1, [5] = 0.2),
                  .u_ux = -1,
                  .parameter.of = SN_EQUATION_NONE},
     .length = 22,
     .points = 33,
     .dt = 0.1,
     .time = 4,
     .exact = small_wave,
     .tolerance = 1e-9},
    {.text = "u_t = u_xx - u^2 + 1",
     .equation = {.linear = DERIVATIVES(1 << 2, [2] = 1), .u2 = -1, .constant = 1, .parameter.of = SN_EQUATION_NONE},
     .length = 22,
     .points = 32,
     .dt = 0.05,
     .time = 2,
     .exact = rising,
     .tolerance = 1e-8,
     .has_order = true},
};
enum { PROBLEMS = sizeof problems / sizeof *problems, MEMBERS = 3 };

static double parameter_of(const problem *p, ptrdiff_t member) {
  return p->equation.parameter.of == SN_EQUATION_NONE ? 0.1 : p->equation.parameter.values.value[member % 3];
}

/* A generator of MEMBERS members in all and its state, on some ranks. */
typedef struct {
  sn_grid *grid;
  sn_range points, members; /* of this rank */
  sn_etdrk4 *etdrk4;
  double *state;
} run;

static run run_create(const problem *p, MPI_Comm comm, int space, double dt, bool dealias) {
  run r;
  assert_ok(sn_grid_create(comm, space, p->points, NULL, &r.grid));
  r.points = sn_grid_range(r.grid);
  r.members = sn_grid_share(r.grid, MEMBERS);
  const sn_etdrk4_options options = {
      .length = p->length, .dt = dt, .dealias = dealias, .equation = &p->equation, .first_member = r.members.start};
  assert_ok(sn_etdrk4_create(r.grid, r.members.count, &options, &r.etdrk4));
  assert_ok(SN_NEW(r.members.count * r.points.count, &r.state));
  return r;
}

static void run_destroy(run *r) {
  SN_FREE(r->state);
  sn_etdrk4_destroy(&r->etdrk4);
  sn_grid_destroy(&r->grid);
}

/* The solution at number i of a state. */
static double exact_at(const problem *p, const run *r, ptrdiff_t i, double t) {
  const double x = p->length / (double)p->points * (double)(r->points.start + i % r->points.count);
  return p->exact(x, t, parameter_of(p, r->members.start + i / r->points.count));
}

static void start(const problem *p, run *r) {
  for (ptrdiff_t i = 0; i < r->members.count * r->points.count; i++) r->state[i] = exact_at(p, r, i, 0);
  assert_ok(sn_etdrk4_set_state(r->etdrk4, r->state, 0));
}

/* The largest error of all members relative to the largest value; how far the budget is from closing. */
static double error_of(const problem *p, double dt, bool dealias, double *budget) {
  double most[2] = {0};
  run r = run_create(p, MPI_COMM_WORLD, 1, dt, dealias);
  sn_ks_resolution resolution = {.tail = 0};
  start(p, &r);
  assert_ok(sn_ks_resolution_step(&resolution, r.etdrk4, lround(p->time / dt)));
  assert_ok(sn_etdrk4_check(r.etdrk4, NULL));
  assert_ok(sn_etdrk4_get_state(r.etdrk4, r.state));
  for (ptrdiff_t i = 0; i < r.members.count * r.points.count; i++) {
    const double exact = exact_at(p, &r, i, p->time);
    most[0] = fmax(most[0], fabs(r.state[i] - exact));
    most[1] = fmax(most[1], fabs(exact));
  }
  MPI_Allreduce(MPI_IN_PLACE, most, 2, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  *budget = resolution.budget;
  run_destroy(&r);
  return most[0] / most[1];
}

static void solutions_are_exact(void **state) {
  (void)state;
  for (int k = 0; k < PROBLEMS; k++)
    for (int dealias = 0; dealias < 2; dealias++) {
      double budget;
      assert_close(error_of(&problems[k], problems[k].dt / 2, dealias, &budget), 0, problems[k].tolerance);
      assert_close(budget, 0, 1e-5);
    }
}

/* Some steps on grids that are split, and a balance, against those of one rank. */
static void splits_agree(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (int space = 2; space <= size; space++)
    for (int k = 0; k < PROBLEMS && size % space == 0; k++) {
      const problem *p = &problems[k];
      run whole = run_create(p, MPI_COMM_SELF, 1, p->dt, k % 2), r = run_create(p, MPI_COMM_WORLD, space, p->dt, k % 2);
      run *const both[] = {&whole, &r};
      sn_ks_balance balance[2];
      for (int i = 0; i < 2; i++) {
        start(p, both[i]);
        assert_ok(sn_etdrk4_step(both[i]->etdrk4, 4));
        assert_ok(sn_etdrk4_get_state(both[i]->etdrk4, both[i]->state));
        assert_ok(sn_etdrk4_balance(both[i]->etdrk4, &balance[i]));
      }
      for (ptrdiff_t i = 0; i < r.members.count * r.points.count; i++) {
        const ptrdiff_t member = r.members.start + i / r.points.count, j = r.points.start + i % r.points.count;
        assert_close(r.state[i], whole.state[member * p->points + j], 1e-13);
      }
      assert_close(balance[1].energy, balance[0].energy, 1e-13 * balance[0].energy);
      assert_close(balance[1].production, balance[0].production, 1e-12);
      assert_close(balance[1].dissipation, balance[0].dissipation, 1e-12);
      run_destroy(&whole);
      run_destroy(&r);
    }
}

static void memory_is_as_estimated(void **state) {
  (void)state;
  for (int k = 0; k < PROBLEMS; k++) {
    problem fine = problems[k];
    fine.points = 4096;
    const ptrdiff_t before = sn_memory_bytes();
    run r = run_create(&fine, MPI_COMM_SELF, 1, fine.dt, false);
    const double held = (double)(sn_memory_bytes() - before - MEMBERS * fine.points * (ptrdiff_t)sizeof *r.state);
    assert_close(sn_etdrk4_estimate_cost(&fine.equation, NULL, fine.points, 1, MEMBERS).held / held, 1, 0.05);
    run_destroy(&r);
  }
}

static void steps_have_order_four(void **state) {
  (void)state;
  for (int k = 0; k < PROBLEMS; k++) {
    double budget;
    if (!problems[k].has_order) continue;
    const double coarse = error_of(&problems[k], problems[k].dt, true, &budget);
    const double fine = error_of(&problems[k], problems[k].dt / 2, true, &budget);
    assert_close(log2(coarse / fine), 4, 0.15);
  }
}

/* Swift-Hohenberg near its onset: u = A cos x + O(A^3), A^2 = 4 epsilon / 3 (1 + O(epsilon)). */
static void swift_hohenberg_saturates_as_published(void **state) {
  (void)state;
  const double epsilon = 0.01;
  const sn_equation equation = {.linear = DERIVATIVES(1 << 0 | 1 << 2 | 1 << 4, [0] = epsilon - 1, [2] = -2, [4] = -1),
                                .u3 = -1,
                                .parameter.of = SN_EQUATION_NONE};
  const sn_etdrk4_options options = {.length = 4 * M_PI, .dt = 1, .dealias = true, .equation = &equation};
  sn_grid *grid;
  sn_etdrk4 *etdrk4;
  double *u, most = 0;
  assert_ok(sn_grid_create(MPI_COMM_SELF, 1, 48, NULL, &grid));
  const sn_range points = sn_grid_range(grid);
  assert_ok(sn_etdrk4_create(grid, 1, &options, &etdrk4));
  assert_ok(SN_NEW(points.count, &u));
  for (ptrdiff_t j = 0; j < points.count; j++) u[j] = 0.08 * cos(4 * M_PI * (double)(points.start + j) / 48);
  assert_ok(sn_etdrk4_set_state(etdrk4, u, 0));
  assert_ok(sn_etdrk4_step(etdrk4, 1500));
  assert_ok(sn_etdrk4_get_state(etdrk4, u));
  for (ptrdiff_t j = 0; j < points.count; j++) most = fmax(most, fabs(u[j]));
  assert_close(most / sqrt(4 * epsilon / 3), 1, 3e-4);
  SN_FREE(u);
  sn_etdrk4_destroy(&etdrk4);
  sn_grid_destroy(&grid);
}

/* Equations like Kuramoto-Sivashinsky's on subdomains, with their balance; no others. */
static void subdomains_agree(void **state) {
  (void)state;
  enum { LONG = 4096, STEPS = 40 };
  const sn_equation damped = {.linear = DERIVATIVES(1 << 0 | 1 << 2 | 1 << 4, [0] = -0.1, [2] = -1, [4] = -0.8),
                              .u_ux = -1.5,
                              .parameter.of = SN_EQUATION_NONE};
  sn_etdrk4_options options = {.length = 22.0 / 128 * LONG, .dt = 0.05, .equation = &damped};
  const sn_ks_initial_options initial = {.kind = SN_KS_INITIAL_NOISE, .length = options.length, .seed = 2};
  sn_grid *grid;
  double *u[2];
  sn_ks_balance balance[2];
  assert_ok(sn_grid_create(MPI_COMM_SELF, 1, LONG, NULL, &grid));
  for (int local = 0; local < 2; local++) {
    sn_etdrk4 *etdrk4;
    options.transform = local ? SN_ETDRK4_LOCAL : SN_ETDRK4_GLOBAL;
    assert_ok(SN_NEW(LONG, &u[local]));
    assert_ok(sn_etdrk4_create(grid, 1, &options, &etdrk4));
    sn_ks_initial_state(grid, &initial, (sn_range){0, 1}, u[local]);
    assert_ok(sn_etdrk4_set_state(etdrk4, u[local], 0));
    assert_ok(sn_etdrk4_step(etdrk4, STEPS));
    assert_ok(sn_etdrk4_check(etdrk4, NULL));
    assert_ok(sn_etdrk4_balance(etdrk4, &balance[local]));
    assert_ok(sn_etdrk4_get_state(etdrk4, u[local]));
    sn_etdrk4_destroy(&etdrk4);
  }
  for (int j = 0; j < LONG; j++) assert_close(u[1][j], u[0][j], 1e-9);
  assert_close(balance[1].production / balance[0].production, 1, 1e-9);
  assert_close(balance[1].dissipation / balance[0].dissipation, 1, 1e-9);
  sn_etdrk4_division division;
  options.equation = &problems[2].equation;
  sn_status status = sn_etdrk4_divide(&options, LONG, 1, &division);
  assert_that(status && sn_error_get_code(status) == SN_ERROR_USAGE);
  assert_non_null(strstr(sn_error_get_message(status), "use generate.transform: global"));
  sn_error_destroy(&status);
  SN_FREE(u[0]);
  SN_FREE(u[1]);
  sn_grid_destroy(&grid);
}

static void equations_are_written_as_such(void **state) {
  (void)state;
  char text[256];
  for (int k = 0; k < PROBLEMS; k++) {
    sn_equation_print(&problems[k].equation, text, sizeof text);
    assert_string_equal(text, problems[k].text);
    assert_that(!sn_equation_is_ks(&problems[k].equation));
  }
  sn_equation_print(sn_equation_ks(), text, sizeof text);
  assert_string_equal(text, "u_t = -u_xx - u_xxxx - u u_x");
  assert_that(sn_equation_is_ks(sn_equation_ks()) && sn_equation_is_simple(sn_equation_ks()));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equations_are_written_as_such),
      cmocka_unit_test(subdomains_agree),
      cmocka_unit_test(solutions_are_exact),
      cmocka_unit_test(splits_agree),
      cmocka_unit_test(memory_is_as_estimated),
      cmocka_unit_test(steps_have_order_four),
      cmocka_unit_test(swift_hohenberg_saturates_as_published),
  };
  return unit_run(argc, argv, tests);
}
