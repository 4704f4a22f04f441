/*
 * Tangents of whole integrations: against the adjoint, whose transpose they are, and against differences, for every
 * scheme that has them, every kind of network and of linear part, at every split.
 */
#include "sinode/integrator.h"
#include "sinode/memory.h"
#include "sinode/random.h"
#include "sinode/reduction.h"
#include "unit.h"

enum { SAMPLES = 3, INTERVALS = 2, SUBSTEPS = 2, DIRECTIONS = 2, POINTS = 15 };

typedef struct {
  const char *scheme;
  sn_linear_shape linear;
  sn_network_shape network;
} problem;

typedef struct {
  sn_grid *grid;
  sn_model *model;
  sn_integrator *integrator;
  sn_range share;
  ptrdiff_t state, states, size; /* doubles of a state, of all states of a pass, of the parameters */
  double *theta, *dtheta;        /* (size), (DIRECTIONS, size) */
  double *du;                    /* (INTERVALS + 1, DIRECTIONS, samples, points) */
  double *u, *bar, *gradient;
} run;

static double number(uint64_t stream, ptrdiff_t index) {
  const sn_random random = {.seed = 5, .purpose = SN_RANDOM_TEST, .stream = stream};
  return sn_random_normal(&random, (uint64_t)index);
}

static double *doubles(ptrdiff_t count) {
  double *values;
  assert_ok(SN_NEW(count, &values));
  return values;
}

/* Own part of a state of all samples that is a function of its place. */
static void fill_state(const run *r, uint64_t stream, double *values) {
  const sn_range range = sn_grid_range(r->grid);
  for (ptrdiff_t s = 0; s < r->share.count; s++)
    for (ptrdiff_t j = 0; j < range.count; j++)
      values[s * range.count + j] = number(stream, (r->share.start + s) * POINTS + range.start + j);
}

static void fill_parameters(const run *r, uint64_t stream, double scale, double *values) {
  const sn_parameters *parameters = sn_model_parameters(r->model);
  for (int b = 0; b < sn_parameters_blocks(parameters); b++) {
    const sn_parameter_block *block = sn_parameters_block(parameters, b);
    const ptrdiff_t columns = block->dimensions > 1 ? block->count[1] : 1,
                    taps = block->dimensions > 2 ? block->count[2] : 1;
    const ptrdiff_t width = block->dimensions > 1 ? block->shape[1] : 1;
    for (ptrdiff_t i = 0; i < sn_parameter_block_size(block); i++) {
      const ptrdiff_t row = block->start[0] + i / (columns * taps);
      const ptrdiff_t column = (block->dimensions > 1 ? block->start[1] : 0) + i / taps % columns;
      values[block->offset + i] =
          block->trainable ? scale * number(stream + (uint64_t)b, (row * width + column) * taps + i % taps) : 0;
    }
  }
}

static void set_parameters(const run *r, double step, const double *along) {
  double *values = sn_parameters_values(sn_model_parameters(r->model));
  for (ptrdiff_t k = 0; k < r->size; k++) values[k] = r->theta[k] + step * along[k];
  assert_ok(sn_model_loaded(r->model));
}

static run run_create(const problem *p, int space) {
  run r = {0};
  assert_ok(sn_grid_create(MPI_COMM_WORLD, space, POINTS, NULL, &r.grid));
  r.share = sn_grid_share(r.grid, SAMPLES);
  const ptrdiff_t samples = r.share.count ? r.share.count : 1;
  assert_ok(sn_model_create(r.grid, &p->linear, &p->network, samples, &r.model));
  static const double scales[SAMPLES] = {1.1, 0.8, 0.9}; /* of each sample, where the linear part has such */
  assert_ok(sn_linear_set_parameters(sn_model_linear(r.model), r.share.count, scales + r.share.start));
  const sn_integrator_options options = {.tableau = sn_tableau_find(p->scheme),
                                         .dt = 0.04,
                                         .interval = 0.04 * SUBSTEPS,
                                         .intervals = INTERVALS,
                                         .adjoint = true,
                                         .tangent = true,
                                         .storage = SN_STORAGE_ALL,
                                         .solver = {.kind = SN_SOLVER_AUTO}};
  r.size = sn_parameters_size(sn_model_parameters(r.model));
  r.state = r.share.count * sn_grid_range(r.grid).count;
  r.states = (INTERVALS + 1) * r.state;
  r.theta = doubles(r.size);
  r.dtheta = doubles(DIRECTIONS * r.size);
  r.du = doubles(DIRECTIONS * r.states);
  r.u = doubles(r.states);
  r.bar = doubles(r.states);
  r.gradient = doubles(r.size);
  fill_parameters(&r, 10, 0.3, r.theta);
  if (p->linear.kind != SN_LINEAR_SPECTRAL) {
    sn_linear_init init = *sn_linear_ks();
    if (p->linear.kind == SN_LINEAR_DERIVATIVES) init.derivatives = p->linear.derivatives;
    assert_ok(sn_linear_initialize(sn_model_linear(r.model), &init));
    const sn_parameter_block *block = sn_parameters_block(sn_model_parameters(r.model), 0);
    const double *ks = sn_parameters_values(sn_model_parameters(r.model)) + block->offset;
    for (ptrdiff_t i = 0; i < sn_parameter_block_size(block); i++)
      r.theta[block->offset + i] = ks[i] + 0.1 * r.theta[block->offset + i];
  }
  set_parameters(&r, 0, r.theta);
  assert_ok(sn_integrator_create(r.model, &options, &r.integrator));
  assert_ok(sn_integrator_reserve_tangents(r.integrator, samples, DIRECTIONS));
  for (int d = 0; d < DIRECTIONS; d++) {
    fill_parameters(&r, 30 + 20 * (uint64_t)d, 1, r.dtheta + d * r.size);
    fill_state(&r, 3 + (uint64_t)d, r.du + d * r.state);
  }
  for (int k = 0; k <= INTERVALS; k++) fill_state(&r, 5 + (uint64_t)k, r.bar + k * r.state);
  fill_state(&r, 1, r.u);
  return r;
}

static void run_destroy(run *r) {
  double **arrays[] = {&r->theta, &r->dtheta, &r->du, &r->u, &r->bar, &r->gradient};
  for (size_t k = 0; k < sizeof arrays / sizeof arrays[0]; k++) SN_FREE(*arrays[k]);
  sn_integrator_destroy(&r->integrator);
  sn_model_destroy(&r->model);
  sn_grid_destroy(&r->grid);
}

static double world_dot(ptrdiff_t count, const double *a, const double *b) {
  double sum = 0;
  for (ptrdiff_t k = 0; k < count; k++) sum += a[k] * b[k];
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  return sum;
}

static const double *tangent_at(const run *r, int interval, int direction) {
  return r->du + (interval * DIRECTIONS + direction) * r->state;
}

/* <J d, bar> = <d, J^T bar> over all states, initial state and parameters, for every direction. */
static void compare_with_adjoint(run *r) {
  double forward[DIRECTIONS] = {0}, size[DIRECTIONS] = {0}, *first = doubles(r->states);
  for (int d = 0; d < DIRECTIONS; d++)
    for (int k = 0; k <= INTERVALS; k++) {
      const double *tangent = tangent_at(r, k, d);
      forward[d] += world_dot(r->state, tangent, r->bar + k * r->state);
      size[d] += world_dot(r->state, tangent, tangent);
    }
  const double bars = world_dot(r->states, r->bar, r->bar);
  const sn_gradient gradient = {.values = r->gradient};
  memcpy(first, r->u, (size_t)r->states * sizeof *first);
  assert_ok(sn_integrator_forward(r->integrator, r->share.count, INTERVALS, r->u, true));
  assert_that(memcmp(first, r->u, (size_t)r->states * sizeof *first) == 0); /* the states are those of a plain pass */
  assert_ok(sn_integrator_backward(r->integrator, r->share.count, INTERVALS, r->bar, &gradient));
  sn_reduction *reduction;
  assert_ok(sn_reduction_create(sn_model_parameters(r->model), &reduction));
  sn_reduction_sum(reduction, r->gradient);
  sn_reduction_destroy(&reduction);
  for (int d = 0; d < DIRECTIONS; d++) {
    const double by_state = world_dot(r->state, r->du + d * r->state, r->bar);
    const double by_parameters = sn_parameters_dot(sn_model_parameters(r->model), r->dtheta + d * r->size, r->gradient);
    assert_close(forward[d], by_state + by_parameters, 1e-12 * sqrt(size[d] * bars));
  }
  SN_FREE(first);
}

static void compare_with_differences(run *r) {
  const double h = 1e-6;
  double *moved[2] = {doubles(r->states), doubles(r->states)};
  for (int side = 0; side < 2; side++) {
    const double step = side ? h : -h;
    set_parameters(r, step, r->dtheta);
    for (ptrdiff_t k = 0; k < r->state; k++) moved[side][k] = r->u[k] + step * r->du[k];
    assert_ok(sn_integrator_forward(r->integrator, r->share.count, INTERVALS, moved[side], false));
  }
  for (int k = 0; k <= INTERVALS; k++)
    for (ptrdiff_t i = 0; i < r->state; i++) {
      const double difference = (moved[1][k * r->state + i] - moved[0][k * r->state + i]) / (2 * h);
      assert_close(tangent_at(r, k, 0)[i], difference, 2e-7 * (1 + fabs(difference)));
    }
  for (int side = 0; side < 2; side++) SN_FREE(moved[side]);
}

static void check(const problem *p) {
  int ranks;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  for (int space = 1; space <= ranks; space++) {
    if (ranks % space) continue;
    run r = run_create(p, space);
    const ptrdiff_t calls = sn_memory_calls();
    assert_ok(sn_integrator_tangent(r.integrator, r.share.count, INTERVALS, r.u, DIRECTIONS, r.dtheta, r.du));
    assert_int_equal(sn_memory_calls(), calls);
    compare_with_adjoint(&r);
    compare_with_differences(&r);
    run_destroy(&r);
  }
}

static const sn_network_shape networks[] = {
    {.kind = SN_NETWORK_MLP, .activation = SN_ACTIVATION_TANH, .hidden = 2, .width = {5, 4}},
    {.kind = SN_NETWORK_MLP, .activation = SN_ACTIVATION_GELU, .hidden = 1, .width = {6}},
    {.kind = SN_NETWORK_CONV, .activation = SN_ACTIVATION_TANH, .hidden = 2, .width = {3, 2}, .kernel = 5},
    {.kind = SN_NETWORK_CONV, .activation = SN_ACTIVATION_GELU, .hidden = 1, .width = {3}, .kernel = 9},
    {.kind = SN_NETWORK_BILINEAR, .activation = SN_ACTIVATION_RELU, .hidden = 1, .width = {2}, .kernel = 5},
    {.kind = SN_NETWORK_KS, .activation = SN_ACTIVATION_RELU, .hidden = 0, .length = 22},
    {.kind = SN_NETWORK_NONE, .activation = SN_ACTIVATION_RELU, .hidden = 0},
};
static const sn_linear_shape linears[] = {
    {.kind = SN_LINEAR_STENCIL, .taps = 5, .length = 22, .trainable = true},
    {.kind = SN_LINEAR_DENSE, .length = 22, .trainable = true},
    {.kind = SN_LINEAR_SPECTRAL, .length = 22},
    {.kind = SN_LINEAR_STENCIL, .taps = 5, .length = 22},
    {.kind = SN_LINEAR_DERIVATIVES,
     .length = 22,
     .trainable = true,
     .derivatives = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4,
     .scaled = 1 << 4},
};
static const sn_linear_shape fixed_matrix = {.kind = SN_LINEAR_DENSE, .length = 22};

static void every_scheme(void **state) {
  (void)state;
  for (int k = 0; k < sn_tableau_count(); k++) {
    const sn_tableau *tableau = sn_tableau_at(k);
    if (tableau->adaptive || tableau->kind == SN_TABLEAU_IMPLICIT) continue;
    for (int linear = 0; linear < 4; linear += 2) {
      const problem p = {tableau->name, linears[linear], networks[2]};
      check(&p);
    }
    const problem fixed = {tableau->name, fixed_matrix, networks[2]},
                  trained = {tableau->name, linears[1], networks[2]}, scaled = {tableau->name, linears[4], networks[2]};
    if (tableau->kind == SN_TABLEAU_EXPONENTIAL) check(&fixed);
    if (tableau->kind == SN_TABLEAU_EXPONENTIAL) check(&scaled);
    if (strcmp(tableau->name, "etdrk4") == 0) check(&trained); /* whose functions take many products */
  }
}

static void every_model(void **state) {
  (void)state;
  static const char *const schemes[] = {"l2", "4"};
  for (size_t s = 0; s < sizeof schemes / sizeof schemes[0]; s++)
    for (size_t n = 0; n < sizeof networks / sizeof networks[0]; n++)
      for (size_t l = 0; l < sizeof linears / sizeof linears[0]; l++) {
        const problem p = {schemes[s], linears[l], networks[n]};
        check(&p);
      }
}

/* Unit vectors of the parameters, as Levenberg-Marquardt takes them, and then one of all of them. */
static double *unit_directions(const run *r, ptrdiff_t directions) {
  const sn_parameters *parameters = sn_model_parameters(r->model);
  const ptrdiff_t order = sn_parameters_total(parameters, true);
  double *all = doubles(directions * r->size), *unit = doubles(order);
  for (ptrdiff_t d = 0; d < directions; d++) {
    if (d < directions - 1) unit[d % order] = 1;
    for (ptrdiff_t k = 0; k < order && d == directions - 1; k++) unit[k] = number(90, k);
    sn_parameters_spread(parameters, unit, all + d * r->size);
    if (d < directions - 1) unit[d % order] = 0;
  }
  SN_FREE(unit);
  return all;
}

/* Announced, directions go in groups, and a product network multiplies them by its Jacobian. */
static void compare_with_one_by_one(const problem *p, int space, ptrdiff_t directions) {
  run r = run_create(p, space);
  const ptrdiff_t first = directions * r.state, all = (INTERVALS + 1) * first;
  double *along = unit_directions(&r, directions), *alone = doubles(all), *together = doubles(all);
  for (ptrdiff_t k = 0; k < first; k++) alone[k] = together[k] = number(91, k);
  assert_ok(sn_integrator_tangent(r.integrator, r.share.count, INTERVALS, r.u, directions, along, alone));
  assert_ok(sn_integrator_reserve_tangents(r.integrator, r.share.count ? r.share.count : 1, directions));
  const ptrdiff_t calls = sn_memory_calls();
  assert_ok(sn_integrator_tangent(r.integrator, r.share.count, INTERVALS, r.u, directions, along, together));
  assert_int_equal(sn_memory_calls(), calls);
  for (ptrdiff_t k = 0; k < all; k++) assert_close(together[k], alone[k], 1e-11 * (1 + fabs(alone[k])));
  SN_FREE(along);
  SN_FREE(alone);
  SN_FREE(together);
  run_destroy(&r);
}

static void many_directions_go_together(void **state) {
  (void)state;
  static const sn_network_shape products[] = {
      {.kind = SN_NETWORK_BILINEAR, .hidden = 1, .width = {2}, .kernel = 5},
      {.kind = SN_NETWORK_BILINEAR, .hidden = 1, .width = {1}, .kernel = POINTS},
      {.kind = SN_NETWORK_CONV, .activation = SN_ACTIVATION_TANH, .hidden = 1, .width = {3}, .kernel = 5}};
  static const ptrdiff_t directions[] = {30, 200, 600}; /* a group of all; of some samples; of some directions */
  int ranks;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  for (size_t k = 0; k < sizeof products / sizeof products[0]; k++)
    for (int linear = 0; linear < 3; linear += 2)
      for (size_t d = 0; d < sizeof directions / sizeof directions[0]; d++) {
        const problem p = {d ? "l2" : "4", linears[linear], products[k]};
        compare_with_one_by_one(&p, d == 1 && ranks % 2 == 0 ? 2 : 1, directions[d]);
      }
}

/* Of a trained stencil as well, whose functions change along some of them, and of derivatives, for samples with
 * parameters of their own. */
static void many_directions_of_exponential_schemes(void **state) {
  (void)state;
  static const sn_network_shape product = {.kind = SN_NETWORK_BILINEAR, .hidden = 1, .width = {2}, .kernel = 5};
  static const ptrdiff_t directions[] = {30, 200, 600};
  int ranks;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  for (int linear = 0; linear < 5; linear++)
    for (size_t d = 0; d < sizeof directions / sizeof directions[0] && (linear % 2 == 0 || d == 0); d++) {
      const problem p = {d ? "etdrk4" : "exprk5s8", linears[linear], product};
      compare_with_one_by_one(&p, d == 1 && ranks % 2 == 0 ? 2 : 1, directions[d]);
    }
}

static void schemes_without_tangents_are_refused(void **state) {
  (void)state;
  static const char *const schemes[] = {"cn", "beuler", "dopri5-adaptive"};
  for (size_t k = 0; k < sizeof schemes / sizeof schemes[0]; k++) {
    sn_grid *grid;
    sn_model *model;
    sn_integrator *integrator;
    assert_ok(sn_grid_create(MPI_COMM_WORLD, 1, POINTS, NULL, &grid));
    assert_ok(sn_model_create(grid, &linears[3], &networks[2], 1, &model));
    const sn_integrator_options options = {.tableau = sn_tableau_find(schemes[k]),
                                           .dt = 0.04,
                                           .interval = 0.04,
                                           .intervals = 1,
                                           .tangent = true,
                                           .control = {1e-6, 1e-6, 1e-9},
                                           .solver = {.kind = SN_SOLVER_AUTO}};
    sn_status status = sn_integrator_create(model, &options, &integrator);
    assert_that(status && sn_error_get_code(status) == SN_ERROR_USAGE && !integrator);
    assert_non_null(strstr(sn_error_get_message(status), schemes[k]));
    sn_error_destroy(&status);
    sn_model_destroy(&model);
    sn_grid_destroy(&grid);
  }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_scheme),
      cmocka_unit_test(every_model),
      cmocka_unit_test(many_directions_go_together),
      cmocka_unit_test(many_directions_of_exponential_schemes),
      cmocka_unit_test(schemes_without_tangents_are_refused),
  };
  return unit_run(argc, argv, tests);
}
