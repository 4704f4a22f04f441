/* Timing regions: their table is a tree, and a call that fails leaves none of them open. */
#include "unit.h"

#include "sinode/integrator.h"
#include "sinode/memory.h"
#include "sinode/network_shell.h"
#include "sinode/timer.h"

enum { POINTS = 16 };

/* A network F(u) = u, one of whose functions fails on request. */
typedef struct {
  ptrdiff_t points;
  bool forward_fails, backward_fails, tangent_fails;
} identity;

static sn_status network_create(void *context, const sn_grid *grid, ptrdiff_t samples, sn_parameters *parameters) {
  (void)samples, (void)parameters;
  ((identity *)context)->points = sn_grid_range(grid).count;
  return SN_OK;
}

static sn_status copy_unless(bool fails, ptrdiff_t count, const double *from, double *to) {
  if (fails) return SN_ERROR_ALL(SN_ERROR_RUN, "the network failed as asked");
  if (to) memcpy(to, from, (size_t)count * sizeof *to);
  return SN_OK;
}

static sn_status network_forward(void *context, ptrdiff_t samples, const double *u, double *f, double *tape) {
  const identity *network = context;
  (void)tape;
  return copy_unless(network->forward_fails, samples * network->points, u, f);
}

static sn_status network_backward(void *context, ptrdiff_t samples, const double *u, const double *tape,
                                  const double *f_bar, double *u_bar, double *gradient) {
  const identity *network = context;
  (void)u, (void)tape, (void)gradient;
  return copy_unless(network->backward_fails, samples * network->points, f_bar, u_bar);
}

static sn_status network_tangent(void *context, ptrdiff_t samples, const double *u, const double *tape,
                                 const double *du, const double *dtheta, double *df) {
  const identity *network = context;
  (void)u, (void)tape, (void)dtheta;
  return copy_unless(network->tangent_fails, samples * network->points, du, df);
}

typedef struct {
  sn_timer *timer;
  sn_grid *grid;
  identity network;
  sn_network_shell shell;
  sn_model *model;
  sn_integrator *integrator;
  double *states, *tangents;
} fixture;

static void fixture_create(fixture *x, const sn_integrator_options *options) {
  const sn_linear_shape linear = {.kind = SN_LINEAR_STENCIL, .taps = 5, .length = 22};
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  *x = (fixture){.shell = {.create = network_create,
                           .forward = network_forward,
                           .backward = network_backward,
                           .tangent = network_tangent}};
  x->shell.context = &x->network;
  const sn_network_shape shape = {.kind = SN_NETWORK_SHELL, .shell = &x->shell};
  assert_ok(sn_timer_create(&x->timer));
  assert_ok(sn_grid_create(MPI_COMM_WORLD, size, POINTS, x->timer, &x->grid));
  assert_ok(sn_model_create(x->grid, &linear, &shape, 1, &x->model));
  assert_ok(sn_linear_set_ks(sn_model_linear(x->model)));
  assert_ok(sn_model_loaded(x->model));
  assert_ok(sn_integrator_create(x->model, options, &x->integrator));
  assert_ok(sn_integrator_reserve(x->integrator, 1));
  assert_ok(SN_NEW(2 * x->network.points, &x->states));
  assert_ok(SN_NEW(2 * x->network.points, &x->tangents));
  for (ptrdiff_t j = 0; j < x->network.points; j++) x->states[j] = 1;
}

static void fixture_destroy(fixture *x) {
  SN_FREE(x->tangents);
  SN_FREE(x->states);
  sn_integrator_destroy(&x->integrator);
  sn_model_destroy(&x->model);
  sn_grid_destroy(&x->grid);
  sn_timer_destroy(&x->timer);
}

static void look_for_validation(void *found, const char *path, double seconds) {
  (void)seconds;
  if (strcmp(path, sn_timer_name(SN_TIME_VALIDATION)) == 0) *(bool *)found = true;
}

/* The call failed, and a region that begins after it has no parent. */
static void assert_failed_and_closed(const fixture *x, sn_status status) {
  bool found = false;
  assert_that(status);
  sn_error_destroy(&status);
  sn_timer_start(x->timer, SN_TIME_VALIDATION);
  sn_timer_stop(x->timer, SN_TIME_VALIDATION);
  sn_timer_visit(x->timer, look_for_validation, &found);
  assert_that(found);
}

static sn_integrator_options imex_options(void) {
  return (sn_integrator_options){
      .tableau = sn_tableau_find("ars222"), .dt = 0.01, .interval = 0.01, .intervals = 1, .storage = SN_STORAGE_ALL};
}

static void a_failed_forward_pass_closes_its_regions(void **state) {
  (void)state;
  fixture x;
  sn_integrator_options options = imex_options();
  fixture_create(&x, &options);
  x.network.forward_fails = true;
  assert_failed_and_closed(&x, sn_integrator_forward(x.integrator, 1, 1, x.states, false));
  fixture_destroy(&x);
}

static void a_failed_solve_closes_its_regions(void **state) {
  (void)state;
  fixture x;
  sn_integrator_options options = imex_options();
  options.solver = (sn_solver_options){.kind = SN_SOLVER_GMRES, .tolerance = 1e-14, .max_iterations = 1};
  fixture_create(&x, &options);
  if (sn_grid_range(x.grid).start == 0) x.states[0] = 2;
  assert_failed_and_closed(&x, sn_integrator_forward(x.integrator, 1, 1, x.states, false));
  fixture_destroy(&x);
}

static void a_failed_backward_pass_closes_its_regions(void **state) {
  (void)state;
  fixture x;
  sn_integrator_options options = imex_options();
  options.adjoint = true;
  fixture_create(&x, &options);
  assert_ok(sn_integrator_forward(x.integrator, 1, 1, x.states, true));
  x.network.backward_fails = true;
  assert_failed_and_closed(&x, sn_integrator_backward(x.integrator, 1, 1, x.states, NULL));
  fixture_destroy(&x);
}

static void failed_tangents_close_their_regions(void **state) {
  (void)state;
  fixture x;
  sn_integrator_options options = imex_options();
  options.tangent = true;
  fixture_create(&x, &options);
  x.network.tangent_fails = true;
  assert_failed_and_closed(&x, sn_integrator_tangent(x.integrator, 1, 1, x.states, 1, NULL, x.tangents));
  fixture_destroy(&x);
}

static void count_paths(void *counts, const char *path, double seconds) {
  int *count = counts;
  assert_that(seconds >= 0);
  if (strcmp(path, "forward/network") == 0) count[0]++;
  if (strcmp(path, "network") == 0) count[1]++;
}

/* A region inside another is another entry of the table than the same region outside. */
static void the_table_is_a_tree(void **state) {
  (void)state;
  sn_timer *timer;
  int count[2] = {0, 0};
  assert_ok(sn_timer_create(&timer));
  for (int k = 0; k < 2; k++) {
    sn_timer_start(timer, SN_TIME_FORWARD);
    sn_timer_start(timer, SN_TIME_NETWORK);
    sn_timer_stop(timer, SN_TIME_NETWORK);
    sn_timer_stop(timer, SN_TIME_FORWARD);
  }
  sn_timer_start(timer, SN_TIME_NETWORK);
  sn_timer_stop(timer, SN_TIME_NETWORK);
  sn_timer_visit(timer, count_paths, count);
  assert_int_equal(count[0], 1);
  assert_int_equal(count[1], 1);
  assert_int_equal(sn_timer_calls(timer, SN_TIME_NETWORK), 3);
  assert_int_equal(sn_timer_calls(timer, SN_TIME_FORWARD), 2);
  sn_timer_destroy(&timer);
}

/* What one call of a region adds to its seconds; *elapsed: no less than it took. */
static double add_call(sn_timer *timer, double length, double *elapsed) {
  const double before = sn_timer_seconds(timer, SN_TIME_NETWORK), begin = sn_clock();
  sn_timer_start(timer, SN_TIME_NETWORK);
  while (length > 0 && sn_clock() - begin < length) continue;
  sn_timer_stop(timer, SN_TIME_NETWORK);
  *elapsed = sn_clock() - begin;
  return sn_timer_seconds(timer, SN_TIME_NETWORK) - before;
}

/* One call in 17 is timed then and counts for 17, but for one that is long. */
static void short_regions_are_sampled(void **state) {
  (void)state;
  enum { STRIDE = 17, MOST = 10000000 };
  sn_timer *timer;
  assert_ok(sn_timer_create(&timer));
  sn_timer_sample(timer, true);
  double elapsed, added = 1;
  long calls = 0;
  for (; added > 0 && calls < MOST; calls++)
    added = add_call(timer, 0, &elapsed); /* until they are short in the mean */
  assert_that(calls > 1000 && calls < MOST);
  for (int k = 0; k < 3 * STRIDE; k++, calls++) {
    added = add_call(timer, 0, &elapsed);
    assert_that(calls % STRIDE ? added == 0 : added > 0 && added <= 1.01 * STRIDE * elapsed);
  }
  while (calls % STRIDE) calls += add_call(timer, 0, &elapsed) == 0;
  added = add_call(timer, 2e-3, &elapsed);
  assert_that(added >= 1.9e-3 && added <= 1.01 * elapsed);
  assert_int_equal(sn_timer_calls(timer, SN_TIME_NETWORK), calls + 1);
  sn_timer_destroy(&timer);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_table_is_a_tree),
      cmocka_unit_test(short_regions_are_sampled),
      cmocka_unit_test(a_failed_forward_pass_closes_its_regions),
      cmocka_unit_test(a_failed_solve_closes_its_regions),
      cmocka_unit_test(a_failed_backward_pass_closes_its_regions),
      cmocka_unit_test(failed_tangents_close_their_regions),
  };
  return unit_run(argc, argv, tests);
}
