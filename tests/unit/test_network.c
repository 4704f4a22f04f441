/* Networks: forward passes against the plainest evaluation, initial weights, memory. */
#include "network_case.h"

static void names_round_trip(void **state) {
  (void)state;
  for (int k = 0; k < SN_NETWORK_SHELL; k++)
    assert_int_equal(sn_name_value(sn_network_kinds, sn_network_kind_name((sn_network_kind)k)), k);
  const char *const wrong[] = {"", "MLP", "mlp ", "cnn", "shell"};
  for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++)
    assert_int_equal(sn_name_value(sn_network_kinds, wrong[k]), -1);
  assert_string_equal(sn_network_kind_name(SN_NETWORK_SHELL), "shell");
}

static void compare_forward(const network_case *c, const fixture *x) {
  double all[CASE_ROW_MOST], expected[CASE_ROW_MOST];
  const ptrdiff_t size = x->share.count * x->range.count;
  double *u = new_states(c, x, STREAM_STATE), *f = new_doubles(size), *again = new_doubles(size);
  double *tape = new_doubles(sn_network_tape_size(x->network, x->share.count));
  assert_ok(sn_network_forward(x->network, x->share.count, u, f, tape));
  assert_ok(sn_network_forward(x->network, x->share.count, u, again, NULL));
  assert_that(memcmp(f, again, (size_t)size * sizeof *f) == 0);
  for (ptrdiff_t s = 0; s < x->share.count; s++) {
    for (ptrdiff_t j = 0; j < c->points; j++) all[j] = case_number(STREAM_STATE, (x->share.start + s) * c->points + j);
    case_forward(c, all, expected);
    for (ptrdiff_t j = 0; j < x->range.count; j++)
      assert_close(f[s * x->range.count + j], expected[x->range.start + j], 1e-12);
  }
  SN_FREE(u);
  SN_FREE(f);
  SN_FREE(again);
  SN_FREE(tape);
}

static void check_forward(const network_case *c) {
  FOR_EACH_SPLIT(space, c->points) {
    fixture x = fixture_create(MPI_COMM_WORLD, space, c, CASE_SAMPLES);
    compare_forward(c, &x);
    fixture_destroy(&x);
  }
}

static void perceptrons_agree_with_the_plain_sum(void **state) {
  (void)state;
  for_each_mlp(check_forward);
}

static void convolutions_agree_with_the_plain_sum(void **state) {
  (void)state;
  for_each_conv(check_forward);
}

static void products_agree_with_the_plain_sum(void **state) {
  (void)state;
  for_each_product(check_forward);
}

static void the_exact_term_agrees_with_the_plain_sum(void **state) {
  (void)state;
  for_each_ks_term(check_forward);
}

static void nothing_is_no_network(void **state) {
  (void)state;
  const network_case c = {15, {.kind = SN_NETWORK_NONE}};
  FOR_EACH_SPLIT(space, c.points) {
    fixture x = fixture_create(MPI_COMM_WORLD, space, &c, CASE_SAMPLES);
    double *u = new_states(&c, &x, STREAM_STATE), *f = new_states(&c, &x, STREAM_BAR), gradient = 3;
    assert_int_equal(sn_network_tape_size(x.network, 4), 0);
    assert_int_equal(sn_parameters_total(x.parameters, false), 0);
    const sn_init init = {.kind = SN_INIT_PYTORCH};
    assert_ok(sn_network_initialize(x.network, &init, 1));
    for (int pass = 0; pass < 3; pass++) {
      for (ptrdiff_t k = 0; k < x.share.count * x.range.count; k++) f[k] = 1;
      if (pass == 0) assert_ok(sn_network_forward(x.network, x.share.count, u, f, NULL));
      if (pass == 1)
        assert_ok(sn_network_backward(x.network, x.share.count, u, NULL, u, f, &(sn_gradient){.values = &gradient}));
      if (pass == 2) assert_ok(sn_network_tangent(x.network, x.share.count, u, NULL, u, NULL, f));
      for (ptrdiff_t k = 0; k < x.share.count * x.range.count; k++) assert_close(f[k], 0, 0);
    }
    assert_close(gradient, 3, 0);
    SN_FREE(u);
    SN_FREE(f);
    fixture_destroy(&x);
  }
}

/* Every parameter is the one that a single rank would have drawn. */
static void compare_initial(const network_case *c, const fixture *x, const sn_init *init) {
  fixture alone = fixture_create(MPI_COMM_SELF, 1, c, 1);
  assert_ok(sn_network_initialize(x->network, init, 11));
  assert_ok(sn_network_initialize(alone.network, init, 11));
  for (int b = 0; b < sn_parameters_blocks(x->parameters); b++) {
    const sn_parameter_block *block = sn_parameters_block(x->parameters, b);
    const double *part = sn_parameters_values(x->parameters) + block->offset;
    const double *whole = sn_parameters_values(alone.parameters) + sn_parameters_block(alone.parameters, b)->offset;
    for (ptrdiff_t i = 0; i < sn_parameter_block_size(block); i++)
      assert_close(part[i], whole[global_index(block, i)], 0);
  }
  fixture_destroy(&alone);
}

static void check_initial(const network_case *c) {
  static const sn_init inits[] = {{SN_INIT_NORMAL, 0.1}, {SN_INIT_XAVIER, 0}, {SN_INIT_PYTORCH, 0}};
  if (c->shape.activation != SN_ACTIVATION_RELU) return;
  FOR_EACH_SPLIT(space, c->points) {
    fixture x = fixture_create(MPI_COMM_WORLD, space, c, CASE_SAMPLES);
    for (int k = 0; k < 3; k++) compare_initial(c, &x, &inits[k]);
    fixture_destroy(&x);
  }
}

static void initial_weights_do_not_depend_on_the_ranks(void **state) {
  (void)state;
  for_each_mlp(check_initial);
  for_each_conv(check_initial);
  for_each_product(check_initial);
}

/* Mean 0 and the given variance, to five standard errors; all within `bound`, and some near it. */
static void check_moments(const fixture *x, int block_index, double variance, double bound) {
  const sn_parameter_block *block = sn_parameters_block(x->parameters, block_index);
  const double *values = sn_parameters_values(x->parameters) + block->offset;
  const ptrdiff_t count = sn_parameter_block_size(block);
  double mean = 0, square = 0, most = 0;
  for (ptrdiff_t i = 0; i < count; i++) {
    mean += values[i] / (double)count;
    square += values[i] * values[i] / (double)count;
    most = fmax(most, fabs(values[i]));
  }
  assert_close(mean, 0, 5 * sqrt(variance / (double)count));
  assert_close(square, variance, 5 * variance * sqrt(2.0 / (double)count));
  if (bound > 0) assert_that(most <= bound && most > 0.98 * bound);
}

static void check_distribution(const network_case *c) {
  const double taps = c->shape.kind == SN_NETWORK_CONV ? c->shape.kernel : 1;
  fixture x = fixture_create(MPI_COMM_SELF, 1, c, 1);
  const sn_init normal = {SN_INIT_NORMAL, 0.02}, xavier = {SN_INIT_XAVIER, 0}, pytorch = {SN_INIT_PYTORCH, 0};
  for (int layer = 0; layer <= c->shape.hidden; layer++) {
    const double in = (double)case_in(c, layer) * taps, out = (double)case_out(c, layer) * taps;
    assert_ok(sn_network_initialize(x.network, &normal, 3));
    check_moments(&x, 2 * layer, 0.02 * 0.02, 0);
    check_moments(&x, 2 * layer + 1, 0, 0);
    assert_ok(sn_network_initialize(x.network, &xavier, 3));
    check_moments(&x, 2 * layer, 2 / (in + out), sqrt(6 / (in + out)));
    check_moments(&x, 2 * layer + 1, 0, 0);
    assert_ok(sn_network_initialize(x.network, &pytorch, 3));
    check_moments(&x, 2 * layer, 1 / (3 * in), 1 / sqrt(in));
    if (case_out(c, layer) > 100) check_moments(&x, 2 * layer + 1, 1 / (3 * in), 1 / sqrt(in));
  }
  /* Layers and seeds draw numbers of their own. */
  const double *values = sn_parameters_values(x.parameters);
  const ptrdiff_t first = sn_parameters_block(x.parameters, 0)->offset;
  const ptrdiff_t second = sn_parameters_block(x.parameters, 2)->offset;
  assert_ok(sn_network_initialize(x.network, &normal, 3));
  const double kept = values[first];
  assert_that(values[first] != values[second]);
  assert_ok(sn_network_initialize(x.network, &normal, 4));
  assert_that(values[first] != kept);
  fixture_destroy(&x);
}

static void initial_weights_have_their_moments(void **state) {
  (void)state;
  const network_case mlp = {
      101, {.kind = SN_NETWORK_MLP, .activation = SN_ACTIVATION_RELU, .hidden = 2, .width = {120, 110}}};
  const network_case conv = {
      101, {.kind = SN_NETWORK_CONV, .activation = SN_ACTIVATION_RELU, .hidden = 2, .width = {150, 20}, .kernel = 5}};
  check_distribution(&mlp);
  check_distribution(&conv);
}

/* Ranks without a sample take part in what is collective. */
static void replicas_may_have_no_samples(void **state) {
  (void)state;
  const network_case cases[] = {
      {16, {.kind = SN_NETWORK_MLP, .activation = SN_ACTIVATION_GELU, .hidden = 2, .width = {5, 3}}},
      {16, {.kind = SN_NETWORK_CONV, .activation = SN_ACTIVATION_TANH, .hidden = 1, .width = {3}, .kernel = 7}},
      {16, {.kind = SN_NETWORK_BILINEAR, .activation = SN_ACTIVATION_RELU, .hidden = 1, .width = {3}, .kernel = 7}}};
  for (int k = 0; k < 3; k++)
    for (ptrdiff_t samples = 0; samples < 2; samples++) FOR_EACH_SPLIT(space, cases[k].points) {
        fixture x = fixture_create(MPI_COMM_WORLD, space, &cases[k], samples);
        double *gradient = new_doubles(sn_parameters_size(x.parameters));
        double *tape = new_doubles(sn_network_tape_size(x.network, x.share.count));
        double *u = new_states(&cases[k], &x, STREAM_STATE), *f = new_states(&cases[k], &x, STREAM_BAR);
        compare_forward(&cases[k], &x);
        assert_ok(sn_network_forward(x.network, x.share.count, u, f, tape));
        assert_ok(sn_network_tangent(x.network, x.share.count, u, tape, u, NULL, f));
        assert_ok(sn_network_backward(x.network, x.share.count, u, tape, u, f, &(sn_gradient){.values = gradient}));
        if (!x.share.count) assert_close(sn_parameters_dot(x.parameters, gradient, gradient), 0, 0);
        SN_FREE(gradient);
        SN_FREE(tape);
        SN_FREE(u);
        SN_FREE(f);
        fixture_destroy(&x);
      }
}

static void check_memory(const network_case *c) {
  const ptrdiff_t before = sn_memory_bytes();
  FOR_EACH_SPLIT(space, c->points) {
    fixture x = fixture_create(MPI_COMM_WORLD, space, c, CASE_SAMPLES);
    const ptrdiff_t size = x.share.count * x.range.count;
    double *u = new_states(c, &x, STREAM_STATE), *f = new_doubles(size), *v = new_doubles(size);
    double *tape = new_doubles(sn_network_tape_size(x.network, x.share.count));
    double *gradient = new_doubles(sn_parameters_size(x.parameters));
    const ptrdiff_t calls = sn_memory_calls();
    for (int round = 0; round < 2; round++) {
      assert_ok(sn_network_forward(x.network, x.share.count, u, f, round ? tape : NULL));
      if (!round) continue;
      assert_ok(sn_network_tangent(x.network, x.share.count, u, tape, f, NULL, v));
      assert_ok(sn_network_backward(x.network, x.share.count, u, tape, f, v, &(sn_gradient){.values = gradient}));
    }
    assert_int_equal(sn_memory_calls(), calls);
    SN_FREE(u);
    SN_FREE(f);
    SN_FREE(v);
    SN_FREE(tape);
    SN_FREE(gradient);
    fixture_destroy(&x);
  }
  assert_int_equal(sn_memory_bytes(), before);
}

static void passes_take_no_memory(void **state) {
  (void)state;
  for_each_mlp(check_memory);
  for_each_conv(check_memory);
  for_each_product(check_memory);
  for_each_ks_term(check_memory);
}

static void impossible_networks_are_refused(void **state) {
  (void)state;
  const ptrdiff_t before = sn_memory_bytes();
  const int kernels[] = {0, -1, 2, 4, 17, 19};
  for (size_t k = 0; k < sizeof kernels / sizeof kernels[0]; k++) FOR_EACH_SPLIT(space, 16) {
      const sn_network_shape shape = {.kind = k % 2 ? SN_NETWORK_BILINEAR : SN_NETWORK_CONV,
                                      .activation = SN_ACTIVATION_RELU,
                                      .hidden = 1,
                                      .width = {3},
                                      .kernel = kernels[k]};
      sn_grid *grid;
      sn_parameters *parameters;
      sn_network *network;
      assert_ok(sn_grid_create(MPI_COMM_WORLD, space, 16, NULL, &grid));
      assert_ok(sn_parameters_create(grid, &parameters));
      sn_status status = sn_network_create(grid, &shape, 2, parameters, &network);
      assert_that(status && sn_error_get_code(status) == SN_ERROR_USAGE &&
                  sn_error_is_collective(status, MPI_COMM_WORLD) && !network);
      assert_non_null(strstr(sn_error_get_message(status), "model.nonlinear.kernel"));
      sn_error_destroy(&status);
      sn_parameters_destroy(&parameters);
      sn_grid_destroy(&grid);
    }
  /* More values in a message than MPI can count: refused before any of them is taken. */
  const sn_network_shape wide = {
      .kind = SN_NETWORK_MLP, .activation = SN_ACTIVATION_RELU, .hidden = 1, .width = {1 << 16}};
  sn_grid *grid;
  sn_parameters *parameters;
  sn_network *network;
  assert_ok(sn_grid_create(MPI_COMM_SELF, 1, 16, NULL, &grid));
  assert_ok(sn_parameters_create(grid, &parameters));
  sn_status status = sn_network_create(grid, &wide, 1 << 16, parameters, &network);
  assert_that(status && !network && sn_error_is_collective(status, MPI_COMM_WORLD));
  sn_error_destroy(&status);
  sn_parameters_destroy(&parameters);
  sn_grid_destroy(&grid);
  assert_int_equal(sn_memory_bytes(), before);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_round_trip),
      cmocka_unit_test(perceptrons_agree_with_the_plain_sum),
      cmocka_unit_test(convolutions_agree_with_the_plain_sum),
      cmocka_unit_test(products_agree_with_the_plain_sum),
      cmocka_unit_test(the_exact_term_agrees_with_the_plain_sum),
      cmocka_unit_test(nothing_is_no_network),
      cmocka_unit_test(initial_weights_do_not_depend_on_the_ranks),
      cmocka_unit_test(initial_weights_have_their_moments),
      cmocka_unit_test(replicas_may_have_no_samples),
      cmocka_unit_test(passes_take_no_memory),
      cmocka_unit_test(impossible_networks_are_refused),
  };
  return unit_run(argc, argv, tests);
}
