/*
 * Steps on subdomains against steps on the whole grid: states, tangents, derivatives by the initial state and by the
 * parameters, for schemes with one gamma and several, of every network with a limited reach, at every split.
 */
#include "sinode/integrator.h"
#include "sinode/memory.h"
#include "sinode/random.h"
#include "sinode/reduction.h"
#include "unit.h"

enum { SAMPLES = 2, INTERVALS = 2, SUBSTEPS = 2, POINTS = 1501 };

static const double dx = 22.0 / 64;

typedef struct {
  const char *scheme;
  double dt;
  sn_network_shape network;
  bool trains_linear;
  ptrdiff_t length;
} problem;

typedef struct {
  sn_model *model;
  sn_integrator *integrator;
  ptrdiff_t state, size;
  double *u, *du, *dtheta, *bar, *gradient;
} run;

static double number(uint64_t stream, ptrdiff_t index) {
  const sn_random random = {.seed = 9, .purpose = SN_RANDOM_TEST, .stream = stream};
  return sn_random_normal(&random, (uint64_t)index);
}

static void fill(const sn_grid *grid, uint64_t stream, double *values) {
  const sn_range range = sn_grid_range(grid);
  for (ptrdiff_t s = 0; s < SAMPLES; s++)
    for (ptrdiff_t j = 0; j < range.count; j++)
      values[s * range.count + j] = number(stream, s * POINTS + range.start + j);
}

static void fill_parameters(const sn_parameters *parameters, uint64_t stream, double scale, double *values) {
  for (int b = 0; b < sn_parameters_blocks(parameters); b++) {
    const sn_parameter_block *block = sn_parameters_block(parameters, b);
    for (ptrdiff_t i = 0; i < sn_parameter_block_size(block) && block->trainable; i++)
      values[block->offset + i] += scale * number(stream + (uint64_t)b, i);
  }
}

static run run_create(const sn_grid *grid, const problem *p, ptrdiff_t substeps, sn_step_domain domain,
                      sn_storage_kind storage, bool fused) {
  run r = {.state = SAMPLES * sn_grid_range(grid).count};
  const sn_linear_shape linear = {
      .kind = SN_LINEAR_STENCIL, .taps = SN_LINEAR_KS_TAPS, .length = POINTS * dx, .trainable = p->trains_linear};
  assert_ok(sn_model_create(grid, &linear, &p->network, SAMPLES, &r.model));
  sn_parameters *parameters = sn_model_parameters(r.model);
  assert_ok(sn_linear_set_ks(sn_model_linear(r.model)));
  fill_parameters(parameters, 10, 0.05, sn_parameters_values(parameters));
  assert_ok(sn_model_loaded(r.model));
  const sn_integrator_options options = {.tableau = sn_tableau_find(p->scheme),
                                         .subdomains = {.domain = domain, .length = p->length},
                                         .dt = p->dt,
                                         .interval = p->dt * (double)substeps,
                                         .intervals = INTERVALS,
                                         .adjoint = true,
                                         .fused = fused,
                                         .tangent = true,
                                         .storage = storage,
                                         .snapshots = 2,
                                         .solver = {.kind = SN_SOLVER_FFT}};
  assert_ok(sn_integrator_create(r.model, &options, &r.integrator));
  assert_ok(sn_integrator_reserve(r.integrator, SAMPLES));
  r.size = sn_parameters_size(parameters);
  double **arrays[] = {&r.u, &r.du, &r.bar};
  for (int k = 0; k < 3; k++) assert_ok(SN_NEW((INTERVALS + 1) * r.state, arrays[k]));
  assert_ok(SN_NEW(r.size, &r.dtheta));
  assert_ok(SN_NEW(r.size, &r.gradient));
  fill_parameters(parameters, 30, 1, r.dtheta);
  fill(grid, 1, r.u);
  fill(grid, 2, r.du);
  for (int k = 0; k <= INTERVALS; k++) fill(grid, 3 + (uint64_t)k, r.bar + k * r.state);
  return r;
}

static void run_destroy(run *r) {
  double **arrays[] = {&r->u, &r->du, &r->bar, &r->dtheta, &r->gradient};
  for (int k = 0; k < 5; k++) SN_FREE(*arrays[k]);
  sn_integrator_destroy(&r->integrator);
  sn_model_destroy(&r->model);
}

static void pass(run *r) {
  const ptrdiff_t calls = sn_memory_calls();
  const sn_gradient gradient = {.values = r->gradient, .final = true};
  assert_ok(sn_integrator_forward(r->integrator, SAMPLES, INTERVALS, r->u, true));
  assert_ok(sn_integrator_backward(r->integrator, SAMPLES, INTERVALS, r->bar, &gradient));
  assert_ok(sn_integrator_tangent(r->integrator, SAMPLES, INTERVALS, r->u, 1, r->dtheta, r->du));
  assert_ok(sn_integrator_check(r->integrator, SAMPLES));
  assert_int_equal(sn_memory_calls(), calls);
  sn_parameters *parameters = sn_model_parameters(r->model);
  MPI_Allreduce(MPI_IN_PLACE, r->gradient, (int)sn_parameters_size(parameters), MPI_DOUBLE, MPI_SUM,
                sn_grid_space(sn_model_grid(r->model)));
}

/* The largest difference within `tolerance` of the largest value, of all ranks. */
static void compare(const char *what, ptrdiff_t count, const double *found, const double *expected, double tolerance) {
  double most[2] = {0};
  for (ptrdiff_t k = 0; k < count; k++) {
    most[0] = fmax(most[0], fabs(found[k] - expected[k]));
    most[1] = fmax(most[1], fabs(expected[k]));
    if (isnan(found[k])) most[0] = INFINITY;
  }
  MPI_Allreduce(MPI_IN_PLACE, most, 2, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  if (!(most[0] <= tolerance * most[1])) {
    fprintf(stderr, "%s differs by %g of %g\n", what, most[0], most[1]);
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
}

static void compare_runs(const sn_grid *grid, const problem *p) {
  run whole = run_create(grid, p, SUBSTEPS, SN_STEPS_WHOLE_GRID, SN_STORAGE_ALL, false);
  pass(&whole);
  for (int solutions = 0; solutions < 2; solutions++) {
    run parts =
        run_create(grid, p, SUBSTEPS, SN_STEPS_SUBDOMAINS, solutions ? SN_STORAGE_SOLUTIONS : SN_STORAGE_ALL, false);
    pass(&parts);
    compare("the state", INTERVALS * parts.state, parts.u + parts.state, whole.u + whole.state, 1e-13);
    compare("the tangent", INTERVALS * parts.state, parts.du + parts.state, whole.du + whole.state, 1e-13);
    compare("the derivative by the initial state", parts.state, parts.bar, whole.bar, 1e-12);
    compare("the gradient", parts.size, parts.gradient, whole.gradient, 1e-12);
    run_destroy(&parts);
  }
  run_destroy(&whole);
}

static const sn_network_shape conv = {.kind = SN_NETWORK_CONV,
                                      .activation = SN_ACTIVATION_TANH,
                                      .hidden = 2,
                                      .width = {3, 2},
                                      .kernel = 5},
                              product = {.kind = SN_NETWORK_BILINEAR, .hidden = 1, .width = {2}, .kernel = 7},
                              none = {.kind = SN_NETWORK_NONE};

static void steps_on_subdomains_are_those_on_the_whole_grid(void **state) {
  (void)state;
  const problem problems[] = {
      {"l2", 0.1, conv, false, 0},      {"l2", 0.1, product, true, 512}, {"3", 0.1, conv, true, 640},
      {"4", 0.1, product, false, 0},    {"ars222", 0.1, none, true, 0},  {"rk4", 0.001, conv, true, 200},
      {"5", 0.05, product, false, 750},
  };
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (int space = 1; space <= size; space++) {
    if (size % space) continue;
    sn_grid *grid;
    assert_ok(sn_grid_create(MPI_COMM_WORLD, space, POINTS, NULL, &grid));
    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++) compare_runs(grid, &problems[i]);
    sn_grid_destroy(&grid);
  }
}

/* A loss whose derivatives are given numbers; how often each value came. */
typedef struct {
  const double *bar;
  ptrdiff_t state;
  int *seen;
} linear_loss;

static void add_linear_loss(void *context, ptrdiff_t state, sn_range values, const double *u, double *bar) {
  const linear_loss *loss = context;
  for (ptrdiff_t k = values.start; k < values.start + values.count; k++) {
    assert_that(isfinite(u[k]));
    bar[k] = loss->bar[state * loss->state + k];
    loss->seen[state * loss->state + k]++;
  }
}

/* One pass with the loss between against a forward and a backward pass: the same bits. */
static void compare_gradients(const sn_grid *grid, const problem *p, ptrdiff_t substeps, ptrdiff_t intervals,
                              sn_step_domain domain, sn_storage_kind storage, bool skips_initial) {
  run two = run_create(grid, p, substeps, domain, storage, false);
  run one = run_create(grid, p, substeps, domain, storage, true);
  const ptrdiff_t count = (intervals + 1) * one.state;
  if (skips_initial) sn_integrator_skip_initial_bar(one.integrator);
  const sn_gradient of_two = {.values = two.gradient, .final = true}, of_one = {.values = one.gradient, .final = true};
  linear_loss linear = {.state = one.state};
  double *bar;
  assert_ok(SN_NEW(count, &bar));
  assert_ok(SN_NEW(count, &linear.seen));
  memcpy(bar, one.bar, (size_t)count * sizeof *bar);
  linear.bar = bar;
  for (ptrdiff_t k = 0; k < count; k++) one.bar[k] = NAN; /* to be overwritten */
  assert_ok(sn_integrator_forward(two.integrator, SAMPLES, intervals, two.u, true));
  assert_ok(sn_integrator_backward(two.integrator, SAMPLES, intervals, two.bar, &of_two));
  const ptrdiff_t calls = sn_memory_calls();
  const sn_state_loss loss = {add_linear_loss, &linear};
  assert_ok(sn_integrator_gradient(one.integrator, SAMPLES, intervals, one.u, &loss, one.bar, &of_one));
  assert_int_equal(sn_memory_calls(), calls);
  assert_that(sn_integrator_within_bounds(one.integrator));
  assert_int_equal(sn_integrator_forward_steps(one.integrator), sn_integrator_forward_steps(two.integrator));
  assert_memory_equal(one.u, two.u, (size_t)count * sizeof *one.u);
  if (!skips_initial) assert_memory_equal(one.bar, two.bar, (size_t)one.state * sizeof *one.bar);
  assert_memory_equal(one.gradient, two.gradient, (size_t)one.size * sizeof *one.gradient);
  for (ptrdiff_t k = 0; k < count; k++) assert_int_equal(linear.seen[k], 1);
  const ptrdiff_t steps = sn_integrator_steps(one.integrator, intervals);
  double norms[2][INTERVALS * SUBSTEPS];
  sn_integrator_norms(one.integrator, norms[0]);
  sn_integrator_norms(two.integrator, norms[1]);
  assert_memory_equal(norms[0] + skips_initial, norms[1] + skips_initial,
                      (size_t)(steps - skips_initial) * sizeof **norms);
  const ptrdiff_t saved = sn_integrator_storage_bytes(two.integrator) - sn_integrator_storage_bytes(one.integrator);
  assert_that(domain == SN_STEPS_SUBDOMAINS ? saved > 0 : saved == 0);
  sn_status status = sn_integrator_forward(one.integrator, SAMPLES, intervals, one.u, true);
  assert_that(status && strstr(sn_error_get_message(status), "fused passes"));
  sn_error_destroy(&status);
  SN_FREE(bar);
  SN_FREE(linear.seen);
  run_destroy(&one);
  run_destroy(&two);
}

static void steps_may_be_fused(void **state) {
  (void)state;
  const problem p = {"l2", 0.1, conv, true, 512}, from_last = {"ars222", 0.1, product, false, 0},
                fixed = {"l2", 0.1, conv, false, 512};
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  sn_grid *grid;
  assert_ok(sn_grid_create(MPI_COMM_WORLD, size, POINTS, NULL, &grid));
  for (ptrdiff_t substeps = 1; substeps <= SUBSTEPS; substeps++)
    for (ptrdiff_t intervals = 1; intervals <= INTERVALS; intervals++) {
      compare_gradients(grid, &p, substeps, intervals, SN_STEPS_SUBDOMAINS, SN_STORAGE_ALL, false);
      compare_gradients(grid, &fixed, substeps, intervals, SN_STEPS_SUBDOMAINS, SN_STORAGE_ALL, true);
      compare_gradients(grid, &fixed, substeps, intervals, SN_STEPS_SUBDOMAINS, SN_STORAGE_SOLUTIONS, true);
      compare_gradients(grid, &p, substeps, intervals, SN_STEPS_SUBDOMAINS, SN_STORAGE_SOLUTIONS, false);
      compare_gradients(grid, &from_last, substeps, intervals, SN_STEPS_SUBDOMAINS, SN_STORAGE_REVOLVE, false);
      compare_gradients(grid, &p, substeps, intervals, SN_STEPS_WHOLE_GRID, SN_STORAGE_ALL, false);
    }
  sn_grid_destroy(&grid);
}

/* The overlap is looked at again, without memory and without messages; where it does not do any more, all ranks end. */
static void trained_stencils_keep_their_overlap(void **state) {
  (void)state;
  const problem p = {"l2", 0.1, conv, true, 0};
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  sn_grid *grid;
  assert_ok(sn_grid_create(MPI_COMM_WORLD, size, POINTS, NULL, &grid));
  run r = run_create(grid, &p, SUBSTEPS, SN_STEPS_SUBDOMAINS, SN_STORAGE_ALL, false);
  double *taps = sn_parameters_values(sn_model_parameters(r.model)) +
                 sn_parameters_find(sn_model_parameters(r.model), "linear/stencil")->offset;
  for (int k = 0; k < SN_LINEAR_KS_TAPS; k++) taps[k] *= 0.9;
  assert_ok(sn_model_stepped(r.model));
  pass(&r);
  for (int k = 0; k < SN_LINEAR_KS_TAPS; k++) taps[k] *= 100;
  assert_ok(sn_model_stepped(r.model));
  sn_status status = sn_integrator_forward(r.integrator, SAMPLES, INTERVALS, r.u, false);
  assert_that(status && sn_error_get_code(status) == SN_ERROR_RUN);
  assert_that(strstr(sn_error_get_message(status), "has changed so that a step of l2 reaches further"));
  sn_error_destroy(&status);
  run_destroy(&r);
  sn_grid_destroy(&grid);
}

static void expect_refusal(const sn_grid *grid, const sn_linear_shape *linear, const sn_network_shape *network,
                           const char *scheme, const char *part) {
  sn_model *model;
  assert_ok(sn_model_create(grid, linear, network, 1, &model));
  if (linear->kind == SN_LINEAR_STENCIL) assert_ok(sn_linear_set_ks(sn_model_linear(model)));
  assert_ok(sn_model_loaded(model));
  const sn_integrator_options options = {.tableau = sn_tableau_find(scheme),
                                         .subdomains.domain = SN_STEPS_SUBDOMAINS,
                                         .dt = 0.1,
                                         .interval = 0.1,
                                         .intervals = 1,
                                         .solver = {.kind = SN_SOLVER_FFT}};
  sn_integrator *integrator;
  sn_status status = sn_integrator_create(model, &options, &integrator);
  assert_that(status && !integrator);
  assert_int_equal(sn_error_get_code(status), SN_ERROR_USAGE);
  assert_that(strstr(sn_error_get_message(status), part));
  sn_error_destroy(&status);
  sn_model_destroy(&model);
}

static void steps_without_locality_are_refused(void **state) {
  (void)state;
  const sn_linear_shape coarse = {.kind = SN_LINEAR_STENCIL, .taps = SN_LINEAR_KS_TAPS, .length = POINTS * dx},
                        fine = {.kind = SN_LINEAR_STENCIL, .taps = SN_LINEAR_KS_TAPS, .length = 22},
                        spectral = {.kind = SN_LINEAR_SPECTRAL, .length = POINTS * dx};
  const sn_network_shape mlp = {.kind = SN_NETWORK_MLP, .hidden = 1, .width = {4}};
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  sn_grid *grid;
  assert_ok(sn_grid_create(MPI_COMM_WORLD, size, POINTS, NULL, &grid));
  expect_refusal(grid, &fine, &conv, "l2", "no locality");
  expect_refusal(grid, &spectral, &conv, "l2", "spectral");
  expect_refusal(grid, &coarse, &mlp, "l2", "mlp");
  expect_refusal(grid, &coarse, &conv, "dopri5-adaptive", "dopri5-adaptive");
  sn_grid_destroy(&grid);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(steps_on_subdomains_are_those_on_the_whole_grid),
      cmocka_unit_test(steps_may_be_fused),
      cmocka_unit_test(trained_stencils_keep_their_overlap),
      cmocka_unit_test(steps_without_locality_are_refused),
  };
  return unit_run(argc, argv, tests);
}
