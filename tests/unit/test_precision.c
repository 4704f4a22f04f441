/*
 * Networks in single precision: what they compute is the double ones' to single round-off, in every split; sums of
 * gradients are double; parameters are rounded only where that is asked for.
 */
#include "network_case.h"
#include "sinode/reduction.h"

/* So many that a product network takes them together. */
enum { DIRECTIONS = 24 };

typedef struct {
  double *u, *bar, *f, *u_bar, *tangent, *gradient, *along, *tangents;
  ptrdiff_t size;
} passes;

static passes run(const network_case *c, fixture *x) {
  passes p = {.size = x->share.count * x->range.count};
  const ptrdiff_t size = sn_parameters_size(x->parameters);
  sn_reduction *reduction;
  double *tape = new_doubles(sn_network_tape_size(x->network, x->share.count));
  double *directions = new_doubles(DIRECTIONS * size);
  p.u = new_states(c, x, STREAM_STATE);
  p.bar = new_states(c, x, STREAM_BAR);
  p.f = new_doubles(p.size);
  p.u_bar = new_doubles(p.size);
  p.tangent = new_doubles(p.size);
  p.gradient = new_doubles(size);
  p.along = new_doubles(DIRECTIONS * p.size);
  p.tangents = new_doubles(DIRECTIONS * p.size);
  for (ptrdiff_t d = 0; d < DIRECTIONS; d++) {
    const double *values = sn_parameters_values(x->parameters);
    for (ptrdiff_t k = 0; k < size; k++) directions[d * size + k] = (k + d) % 3 ? 0.1 * values[k] : 0;
    for (ptrdiff_t k = 0; k < p.size; k++) p.along[d * p.size + k] = (k + d) % 5 ? p.bar[k] : 0;
  }
  sn_network_update(x->network);
  assert_ok(sn_network_forward(x->network, x->share.count, p.u, p.f, tape));
  assert_ok(
      sn_network_backward(x->network, x->share.count, p.u, tape, p.bar, p.u_bar, &(sn_gradient){.values = p.gradient}));
  assert_ok(sn_network_tangent(x->network, x->share.count, p.u, tape, p.bar, directions, p.tangent));
  const sn_network_directions all = {.count = DIRECTIONS, .du = p.along, .dtheta = directions};
  assert_ok(sn_network_reserve_tangents(x->network, DIRECTIONS));
  assert_ok(sn_network_tangents(x->network, x->share.count, p.u, tape, &all, p.tangents));
  assert_ok(sn_reduction_create(x->parameters, &reduction));
  sn_reduction_sum(reduction, p.gradient);
  sn_reduction_destroy(&reduction);
  SN_FREE(tape);
  SN_FREE(directions);
  return p;
}

static void free_passes(passes *p) {
  double **arrays[] = {&p->u, &p->bar, &p->f, &p->u_bar, &p->tangent, &p->gradient, &p->along, &p->tangents};
  for (size_t k = 0; k < sizeof arrays / sizeof arrays[0]; k++) SN_FREE(*arrays[k]);
}

/* Relative to the norm over all ranks; not the same, or nothing would be single. */
static double distance(ptrdiff_t count, const double *a, const double *b) {
  double sums[2] = {0};
  for (ptrdiff_t k = 0; k < count; k++) {
    sums[0] += (a[k] - b[k]) * (a[k] - b[k]);
    sums[1] += b[k] * b[k];
  }
  MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  return sqrt(sums[0] / sums[1]);
}

/* A dozen operations deep, each with 6e-8. relu and its kink are left out: a sign may flip. */
static void check(const network_case *c) {
  const double most = 3e-6, least = 1e-9;
  FOR_EACH_SPLIT(space, c->points) {
    network_case single = *c;
    single.shape.precision = SN_PRECISION_MIXED;
    fixture x = fixture_create(MPI_COMM_WORLD, space, c, CASE_SAMPLES),
            y = fixture_create(MPI_COMM_WORLD, space, &single, CASE_SAMPLES);
    passes p = run(c, &x), q = run(&single, &y);
    const struct {
      ptrdiff_t count;
      const double *exact, *found;
    } pairs[] = {{p.size, p.f, q.f},
                 {p.size, p.u_bar, q.u_bar},
                 {p.size, p.tangent, q.tangent},
                 {DIRECTIONS * p.size, p.tangents, q.tangents},
                 {sn_parameters_size(x.parameters), p.gradient, q.gradient}};
    for (size_t k = 0; k < sizeof pairs / sizeof pairs[0]; k++) {
      const double found = distance(pairs[k].count, pairs[k].found, pairs[k].exact);
      assert_that(found < most && found > least);
    }
    assert_memory_equal(sn_parameters_values(x.parameters), sn_parameters_values(y.parameters),
                        (size_t)sn_parameters_size(x.parameters) * sizeof(double));
    free_passes(&p);
    free_passes(&q);
    fixture_destroy(&x);
    fixture_destroy(&y);
  }
}

static void single_passes_agree_with_double_ones(void **state) {
  (void)state;
  const sn_network_shape shapes[] = {
      {.kind = SN_NETWORK_MLP, .activation = SN_ACTIVATION_TANH, .hidden = 2, .width = {17, 9}},
      {.kind = SN_NETWORK_MLP, .activation = SN_ACTIVATION_GELU, .hidden = 3, .width = {5, 12, 3}},
      {.kind = SN_NETWORK_MLP, .activation = SN_ACTIVATION_SIGMOID, .hidden = 1, .width = {11}},
      {.kind = SN_NETWORK_MLP, .activation = SN_ACTIVATION_RELU, .hidden = 0},
      {.kind = SN_NETWORK_CONV, .activation = SN_ACTIVATION_TANH, .hidden = 2, .width = {7, 9}, .kernel = 5},
      {.kind = SN_NETWORK_CONV, .activation = SN_ACTIVATION_GELU, .hidden = 1, .width = {3}, .kernel = 15},
      {.kind = SN_NETWORK_CONV, .activation = SN_ACTIVATION_SIGMOID, .hidden = 3, .width = {2, 1, 12}, .kernel = 1},
      {.kind = SN_NETWORK_BILINEAR, .hidden = 1, .width = {1}, .kernel = 15},
      {.kind = SN_NETWORK_BILINEAR, .hidden = 1, .width = {4}, .kernel = 9},
  };
  for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++) {
    const network_case c = {15, shapes[k]};
    check(&c);
  }
}

/* Of whole vectors, and of rows that are taken in blocks. */
static void rows_of_many_points_agree(void **state) {
  (void)state;
  const network_case cases[] = {
      {1103,
       {.kind = SN_NETWORK_CONV, .activation = SN_ACTIVATION_TANH, .hidden = 3, .width = {64, 3, 62}, .kernel = 5}},
      {203, {.kind = SN_NETWORK_BILINEAR, .hidden = 1, .width = {3}, .kernel = 45}},
  };
  for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) check(&cases[k]);
}

static void parameters_are_rounded_where_that_is_asked_for(void **state) {
  (void)state;
  const sn_network_kind kinds[] = {SN_NETWORK_MLP, SN_NETWORK_CONV, SN_NETWORK_BILINEAR};
  for (int k = 0; k < 6; k++) {
    const int precision = k % 2 ? SN_PRECISION_MIXED : SN_PRECISION_SINGLE;
    const network_case c = {12,
                            {.kind = kinds[k / 2],
                             .activation = SN_ACTIVATION_TANH,
                             .hidden = 1,
                             .width = {4},
                             .kernel = 3,
                             .precision = (sn_precision)precision}};
    fixture x = fixture_create(MPI_COMM_WORLD, 1, &c, CASE_SAMPLES);
    double *values = sn_parameters_values(x.parameters);
    values[0] = 1 + 1e-12;
    sn_network_update(x.network);
    assert_that((values[0] == 1) == (precision == SN_PRECISION_SINGLE));
    fixture_destroy(&x);
  }
}

static void other_networks_refuse(void **state) {
  (void)state;
  sn_grid *grid;
  sn_parameters *parameters;
  sn_network *network = NULL;
  const sn_network_shape shape = {.kind = SN_NETWORK_KS, .length = 22, .precision = SN_PRECISION_MIXED};
  assert_ok(sn_grid_create(MPI_COMM_WORLD, 1, 16, NULL, &grid));
  assert_ok(sn_parameters_create(grid, &parameters));
  sn_status status = sn_network_create(grid, &shape, 1, parameters, &network);
  assert_that(status && sn_error_get_code(status) == SN_ERROR_USAGE);
  assert_non_null(strstr(sn_error_get_message(status), "model.precision"));
  sn_error_destroy(&status);
  sn_parameters_destroy(&parameters);
  sn_grid_destroy(&grid);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(single_passes_agree_with_double_ones),
      cmocka_unit_test(rows_of_many_points_agree),
      cmocka_unit_test(parameters_are_rounded_where_that_is_asked_for),
      cmocka_unit_test(other_networks_refuse),
  };
  return unit_run(argc, argv, tests);
}
