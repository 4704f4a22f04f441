/* Networks: tangents and backward passes against differences, against each other, and against those of one rank. */
#include "network_case.h"
#include "sinode/reduction.h"

/* Arrays of own samples and points, the tape of a forward pass at u, and what the passes give there. */
typedef struct {
  ptrdiff_t size;
  double *u, *direction, *bar; /* where, along what, against what */
  double *f, *tape;
  double *tangent, *u_bar, *gradient;
  double *along, *by_parameters; /* a direction of the parameters, and the tangent along it */
} passes;

static double world_dot(ptrdiff_t count, const double *a, const double *b) {
  double sum = 0;
  for (ptrdiff_t k = 0; k < count; k++) sum += a[k] * b[k];
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  return sum;
}

static double *new_parameter_direction(const fixture *x) {
  double *along = new_doubles(sn_parameters_size(x->parameters));
  for (int b = 0; b < sn_parameters_blocks(x->parameters); b++) {
    const sn_parameter_block *block = sn_parameters_block(x->parameters, b);
    for (ptrdiff_t i = 0; i < sn_parameter_block_size(block); i++)
      along[block->offset + i] = case_number(STREAM_PARAMETER + b, global_index(block, i));
  }
  sn_parameters_balance(x->parameters, along);
  return along;
}

static passes passes_run(const network_case *c, const fixture *x) {
  const ptrdiff_t samples = x->share.count, size = samples * x->range.count;
  passes p = {.size = size,
              .u = new_states(c, x, STREAM_STATE),
              .direction = new_states(c, x, STREAM_DIRECTION),
              .bar = new_states(c, x, STREAM_BAR),
              .f = new_doubles(size),
              .tape = new_doubles(sn_network_tape_size(x->network, samples)),
              .tangent = new_doubles(size),
              .u_bar = new_doubles(size),
              .gradient = new_doubles(sn_parameters_size(x->parameters)),
              .along = new_parameter_direction(x),
              .by_parameters = new_doubles(size)};
  assert_ok(sn_network_forward(x->network, samples, p.u, p.f, p.tape));
  assert_ok(sn_network_tangent(x->network, samples, p.u, p.tape, p.direction, NULL, p.tangent));
  assert_ok(sn_network_tangent(x->network, samples, p.u, p.tape, NULL, p.along, p.by_parameters));
  assert_ok(
      sn_network_backward(x->network, samples, p.u, p.tape, p.bar, p.u_bar, &(sn_gradient){.values = p.gradient}));
  return p;
}

static void passes_free(passes *p) {
  SN_FREE(p->u);
  SN_FREE(p->direction);
  SN_FREE(p->bar);
  SN_FREE(p->f);
  SN_FREE(p->tape);
  SN_FREE(p->tangent);
  SN_FREE(p->u_bar);
  SN_FREE(p->gradient);
  SN_FREE(p->along);
  SN_FREE(p->by_parameters);
}

/* relu is exact but for its kinks, which a short step will not meet. */
static double step_of(const network_case *c) { return c->shape.activation == SN_ACTIVATION_RELU ? 1e-7 : 1e-5; }

/* F(u + h direction) - F(u - h direction) over 2 h. */
static void compare_tangent_with_differences(const network_case *c, const fixture *x, const passes *p) {
  const double h = step_of(c);
  double *moved = new_doubles(p->size), *above = new_doubles(p->size), *below = new_doubles(p->size);
  for (ptrdiff_t k = 0; k < p->size; k++) moved[k] = p->u[k] + h * p->direction[k];
  assert_ok(sn_network_forward(x->network, x->share.count, moved, above, NULL));
  for (ptrdiff_t k = 0; k < p->size; k++) moved[k] = p->u[k] - h * p->direction[k];
  assert_ok(sn_network_forward(x->network, x->share.count, moved, below, NULL));
  for (ptrdiff_t k = 0; k < p->size; k++) assert_close(p->tangent[k], (above[k] - below[k]) / (2 * h), 1e-7);
  SN_FREE(moved);
  SN_FREE(above);
  SN_FREE(below);
}

/* <bar, F> with the parameters moved by `step` along a direction of numbers by their place in the global arrays. */
static double moved_product(const network_case *c, const fixture *x, const passes *p, const double *along,
                            double step) {
  double *values = sn_parameters_values(x->parameters), *f = new_doubles(p->size);
  for (ptrdiff_t k = 0; k < sn_parameters_size(x->parameters); k++) values[k] += step * along[k];
  sn_network_update(x->network);
  assert_ok(sn_network_forward(x->network, x->share.count, p->u, f, NULL));
  const double product = world_dot(p->size, p->bar, f);
  fill_parameters(c, x);
  SN_FREE(f);
  return product;
}

/* `gradient` summed over the ranks. */
static void compare_gradient_with_differences(const network_case *c, const fixture *x, const passes *p,
                                              const double *gradient) {
  const double h = step_of(c), *along = p->along;
  const double above = moved_product(c, x, p, along, h), below = moved_product(c, x, p, along, -h);
  const double found = sn_parameters_dot(x->parameters, gradient, along);
  assert_close(found, (above - below) / (2 * h), 1e-7 * (1 + fabs(found) + fabs(above)));
}

/* <J dtheta, bar> = <dtheta, J^T bar>, and both directions together give the sum of their tangents. */
static void check_parameter_tangent(const fixture *x, const passes *p, const double *gradient) {
  const double forward = world_dot(p->size, p->by_parameters, p->bar);
  const double backward = sn_parameters_dot(x->parameters, gradient, p->along);
  const double scale =
      sqrt(world_dot(p->size, p->by_parameters, p->by_parameters) * world_dot(p->size, p->bar, p->bar));
  assert_close(forward, backward, 1e-12 * (1 + scale));
  double *both = new_doubles(p->size);
  assert_ok(sn_network_tangent(x->network, x->share.count, p->u, p->tape, p->direction, p->along, both));
  for (ptrdiff_t k = 0; k < p->size; k++) assert_close(both[k], p->tangent[k] + p->by_parameters[k], 1e-11);
  SN_FREE(both);
}

/* <J d, bar> = <d, J^T bar>. */
static void compare_tangent_with_transpose(const passes *p) {
  const double forward = world_dot(p->size, p->tangent, p->bar), backward = world_dot(p->size, p->direction, p->u_bar);
  const double scale = sqrt(world_dot(p->size, p->tangent, p->tangent) * world_dot(p->size, p->bar, p->bar));
  assert_close(forward, backward, 1e-12 * (1 + scale));
}

/* Each element of the gradient summed over the ranks, and of u_bar, is what one rank with all samples finds. */
static void compare_with_one_rank(const network_case *c, const fixture *x, const passes *p, const double *gradient) {
  fixture alone = fixture_create(MPI_COMM_SELF, 1, c, CASE_SAMPLES);
  passes all = passes_run(c, &alone);
  for (ptrdiff_t s = 0; s < x->share.count; s++)
    for (ptrdiff_t j = 0; j < x->range.count; j++)
      assert_close(p->u_bar[s * x->range.count + j], all.u_bar[(x->share.start + s) * c->points + x->range.start + j],
                   1e-12);
  for (int b = 0; b < sn_parameters_blocks(x->parameters); b++) {
    const sn_parameter_block *block = sn_parameters_block(x->parameters, b);
    const double *whole = all.gradient + sn_parameters_block(alone.parameters, b)->offset;
    for (ptrdiff_t i = 0; i < sn_parameter_block_size(block); i++)
      assert_close(gradient[block->offset + i], whole[global_index(block, i)], 1e-11);
  }
  passes_free(&all);
  fixture_destroy(&alone);
}

/* A second pass adds the same again, and one without a gradient gives the same derivative by u. */
static void check_accumulation(const fixture *x, const passes *p) {
  const ptrdiff_t size = sn_parameters_size(x->parameters), samples = x->share.count;
  double *gradient = new_doubles(size), *u_bar = new_doubles(p->size);
  memcpy(gradient, p->gradient, (size_t)size * sizeof *gradient);
  assert_ok(sn_network_backward(x->network, samples, p->u, p->tape, p->bar, u_bar, &(sn_gradient){.values = gradient}));
  assert_that(memcmp(u_bar, p->u_bar, (size_t)p->size * sizeof *u_bar) == 0);
  for (ptrdiff_t k = 0; k < size; k++) assert_close(gradient[k], 2 * p->gradient[k], 1e-11);
  assert_ok(sn_network_backward(x->network, samples, p->u, p->tape, p->bar, u_bar, NULL));
  assert_that(memcmp(u_bar, p->u_bar, (size_t)p->size * sizeof *u_bar) == 0);
  memset(gradient, 0, (size_t)size * sizeof *gradient);
  assert_ok(sn_network_backward(x->network, samples, p->u, p->tape, p->bar, NULL, &(sn_gradient){.values = gradient}));
  assert_that(memcmp(gradient, p->gradient, (size_t)size * sizeof *gradient) == 0);
  SN_FREE(gradient);
  SN_FREE(u_bar);
}

static void check_derivatives(const network_case *c) {
  FOR_EACH_SPLIT(space, c->points) {
    fixture x = fixture_create(MPI_COMM_WORLD, space, c, CASE_SAMPLES);
    passes p = passes_run(c, &x);
    compare_tangent_with_transpose(&p);
    compare_tangent_with_differences(c, &x, &p);
    check_accumulation(&x, &p);
    sn_reduction *reduction;
    assert_ok(sn_reduction_create(x.parameters, &reduction));
    sn_reduction_sum(reduction, p.gradient);
    sn_reduction_destroy(&reduction);
    compare_gradient_with_differences(c, &x, &p, p.gradient);
    check_parameter_tangent(&x, &p, p.gradient);
    compare_with_one_rank(c, &x, &p, p.gradient);
    passes_free(&p);
    fixture_destroy(&x);
  }
}

static void derivatives_of_perceptrons(void **state) {
  (void)state;
  for_each_mlp(check_derivatives);
}

static void derivatives_of_convolutions(void **state) {
  (void)state;
  for_each_conv(check_derivatives);
}

static void derivatives_of_products(void **state) {
  (void)state;
  for_each_product(check_derivatives);
}

static void assert_alike(ptrdiff_t count, const double *a, const double *b) {
  for (ptrdiff_t k = 0; k < count; k++) assert_close(a[k], b[k], 1e-12);
}

/* Beside a network with room for two, whose tape of a sample holds so many rows of doubles more. */
static void check_remade(const network_case *c, ptrdiff_t rows) {
  fixture one = fixture_create(MPI_COMM_SELF, 1, c, 0), two = fixture_create(MPI_COMM_SELF, 1, c, 1);
  one.share.count = 1;
  assert_that(sn_network_tape_size(two.network, 1) - sn_network_tape_size(one.network, 1) >= rows * c->points);
  passes a = passes_run(c, &one), b = passes_run(c, &two);
  assert_alike(a.size, a.f, b.f);
  assert_alike(a.size, a.u_bar, b.u_bar);
  assert_alike(a.size, a.tangent, b.tangent);
  assert_alike(a.size, a.by_parameters, b.by_parameters);
  assert_alike(sn_parameters_size(one.parameters), a.gradient, b.gradient);
  passes_free(&a);
  passes_free(&b);
  fixture_destroy(&one);
  fixture_destroy(&two);
}

static void what_single_long_rows_leave_out_is_made_anew(void **state) {
  (void)state;
  const network_case product = {1100, {.kind = SN_NETWORK_BILINEAR, .hidden = 1, .width = {2}, .kernel = 9}};
  const network_case conv = {
      1100, {.kind = SN_NETWORK_CONV, .activation = SN_ACTIVATION_TANH, .hidden = 2, .width = {4, 3}, .kernel = 5}};
  check_remade(&product, 6);
  check_remade(&conv, 4);
  network_case single = product;
  single.shape.precision = SN_PRECISION_MIXED;
  check_remade(&single, 3);
  single = conv;
  single.shape.precision = SN_PRECISION_MIXED;
  check_remade(&single, 2);
}

/* values (points) that are 0 but in the range. */
static void keep(const network_case *c, sn_range range, double *values) {
  for (ptrdiff_t j = 0; j < c->points; j++)
    if (j < range.start || j >= range.start + range.count) values[j] = 0;
}

/* Leaves NaN in all arrays of the network's own. */
static void poison(const fixture *x, const passes *p) {
  double *nan = new_doubles(p->size), *out = new_doubles(p->size), *gradient = new_doubles(p->size + 1000);
  for (ptrdiff_t k = 0; k < p->size; k++) nan[k] = NAN;
  assert_ok(sn_network_forward(x->network, 1, nan, out, NULL));
  assert_ok(sn_network_tangent(x->network, 1, p->u, p->tape, nan, NULL, out));
  assert_ok(sn_network_backward(x->network, 1, p->u, p->tape, nan, out, &(sn_gradient){.values = gradient}));
  assert_that(isnan(out[0]));
  SN_FREE(nan);
  SN_FREE(out);
  SN_FREE(gradient);
}

/* F of some points alone, with room for one sample or two, beside all of F; whatever the network did before. */
static void check_restricted(const network_case *c, double tolerance) {
  const sn_range range = {112, 1200};
  for (int more = 0; more < 2; more++) {
    fixture x = fixture_create(MPI_COMM_SELF, 1, c, more);
    x.share.count = 1;
    passes all = passes_run(c, &x);
    double *arrays[] = {all.f, all.tangent, all.by_parameters, all.bar};
    for (int k = 0; k < 4; k++) keep(c, range, arrays[k]);
    memset(all.gradient, 0, (size_t)sn_parameters_size(x.parameters) * sizeof(double));
    assert_ok(
        sn_network_backward(x.network, 1, all.u, all.tape, all.bar, all.u_bar, &(sn_gradient){.values = all.gradient}));
    poison(&x, &all);
    sn_network_restrict(x.network, range);
    passes some = passes_run(c, &x);
    for (ptrdiff_t k = 0; k < all.size; k++) {
      assert_close(some.f[k], all.f[k], tolerance);
      assert_close(some.tangent[k], all.tangent[k], tolerance);
      assert_close(some.by_parameters[k], all.by_parameters[k], tolerance);
      assert_close(some.u_bar[k], all.u_bar[k], tolerance);
    }
    for (ptrdiff_t k = 0; k < sn_parameters_size(x.parameters); k++)
      assert_close(some.gradient[k], all.gradient[k], tolerance * (1 + fabs(all.gradient[k])));
    assert_that(some.f[range.start - 1] == 0 && some.f[range.start] != 0);
    passes_free(&some);
    passes_free(&all);
    fixture_destroy(&x);
  }
}

static void networks_may_be_restricted_to_some_points(void **state) {
  (void)state;
  network_case cases[] = {
      {1408, {.kind = SN_NETWORK_BILINEAR, .hidden = 1, .width = {2}, .kernel = 9}},
      {1408, {.kind = SN_NETWORK_BILINEAR, .hidden = 1, .width = {1}, .kernel = 31}},
      {1408, {.kind = SN_NETWORK_CONV, .activation = SN_ACTIVATION_TANH, .hidden = 2, .width = {4, 3}, .kernel = 5}},
      {1408, {.kind = SN_NETWORK_CONV, .activation = SN_ACTIVATION_GELU, .hidden = 1, .width = {7}, .kernel = 19}}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    check_restricted(&cases[k], 1e-12);
    cases[k].shape.precision = SN_PRECISION_MIXED;
    check_restricted(&cases[k], 1e-5);
  }
}

/* F and its tangents have no mean, to round-off of the precision; values that are balanced stay as they are to the bit.
 */
static void check_conservative(const network_case *c) {
  const bool is_mixed = c->shape.precision == SN_PRECISION_MIXED;
  if (!is_mixed) check_derivatives(c);
  FOR_EACH_SPLIT(space, c->points) {
    fixture x = fixture_create(MPI_COMM_WORLD, space, c, CASE_SAMPLES);
    passes p = passes_run(c, &x);
    const double *arrays[] = {p.f, p.tangent, p.by_parameters};
    for (int k = 0; k < 3 * CASE_SAMPLES; k++) {
      double sum = 0;
      for (ptrdiff_t j = 0; j < x.range.count && k / 3 < x.share.count; j++)
        sum += arrays[k % 3][k / 3 * x.range.count + j];
      sn_grid_sum_over_space(x.grid, 1, &sum);
      assert_close(sum, 0, is_mixed ? 1e-5 : 1e-11);
    }
    const size_t bytes = (size_t)sn_parameters_size(x.parameters) * sizeof(double);
    double *values = sn_parameters_values(x.parameters), *before = new_doubles(sn_parameters_size(x.parameters));
    for (int large = 0; large < 2; large++) { /* the second time with means that are large beside the rest */
      for (ptrdiff_t k = 0; k < sn_parameters_size(x.parameters) && large; k++) values[k] = 1 + 1e-3 * values[k];
      sn_parameters_balance(x.parameters, values);
      memcpy(before, values, bytes);
      sn_parameters_balance(x.parameters, values);
      assert_that(memcmp(before, values, bytes) == 0);
    }
    SN_FREE(before);
    passes_free(&p);
    fixture_destroy(&x);
  }
}

static void conservative_networks_have_no_mean(void **state) {
  (void)state;
  network_case product = {19,
                          {.kind = SN_NETWORK_BILINEAR, .hidden = 1, .width = {2}, .kernel = 5, .conservative = true}};
  network_case conv = {19,
                       {.kind = SN_NETWORK_CONV,
                        .activation = SN_ACTIVATION_TANH,
                        .hidden = 1,
                        .width = {3},
                        .kernel = 5,
                        .conservative = true}};
  check_conservative(&product);
  check_conservative(&conv);
  product.shape.precision = conv.shape.precision = SN_PRECISION_MIXED;
  check_conservative(&product);
  check_conservative(&conv);
}

static void derivatives_of_the_exact_term(void **state) {
  (void)state;
  for_each_ks_term(check_derivatives);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(derivatives_of_perceptrons),
      cmocka_unit_test(derivatives_of_convolutions),
      cmocka_unit_test(derivatives_of_products),
      cmocka_unit_test(what_single_long_rows_leave_out_is_made_anew),
      cmocka_unit_test(networks_may_be_restricted_to_some_points),
      cmocka_unit_test(conservative_networks_have_no_mean),
      cmocka_unit_test(derivatives_of_the_exact_term),
  };
  return unit_run(argc, argv, tests);
}
