/* Samples with parameters of their own: together they give what each gives alone, at every split. */
#include "sinode/exponential.h"
#include "solver_case.h"

static const ptrdiff_t grids[] = {15, 16, 31, 45}; /* 31: no factors, transforms of pairs over several ranks */
static const double parameters[SAMPLES] = {0.8, 1.2, 0.8};

/* The derivatives of solver_case.h, of which the fourth is multiplied. */
static setting set_up_scaled(int space, ptrdiff_t points) {
  sn_linear_init init = *sn_linear_ks();
  init.derivatives |= 1 << 3;
  init.value[3] = 0.5;
  const sn_linear_shape shape = {.kind = SN_LINEAR_DERIVATIVES,
                                 .length = LENGTH,
                                 .trainable = true,
                                 .derivatives = init.derivatives,
                                 .scaled = 1 << 4};
  const setting s = set_up_linear(space, points, shape);
  assert_ok(sn_linear_initialize(s.linear, &init));
  assert_ok(sn_linear_update(s.linear));
  return s;
}

/* A x, then the solution for it, or those of the transposes. */
static void act(const setting *s, sn_solver *solver, bool transpose, ptrdiff_t samples, const double *x, double *ax,
                double *solution) {
  memcpy(solution, x, (size_t)(samples * s->local) * sizeof *x);
  assert_ok(transpose ? sn_linear_apply_transpose(s->linear, samples, x, ax)
                      : sn_linear_apply(s->linear, samples, x, ax));
  assert_ok(transpose ? sn_solver_solve_transpose(solver, 0, samples, solution)
                      : sn_solver_solve(solver, 0, samples, solution));
}

static void check(const setting *s) {
  const ptrdiff_t all = SAMPLES * s->local;
  sn_solver *solver = make_solver(s, SN_SOLVER_FFT);
  double *x = field(s, SAMPLES), *ax = new_array(all), *together = new_array(all), *bx = new_array(all),
         *alone = new_array(all);
  for (int transpose = 0; transpose < 2; transpose++) {
    assert_ok(sn_linear_set_parameters(s->linear, SAMPLES, parameters));
    act(s, solver, transpose, SAMPLES, x, ax, together);
    for (ptrdiff_t k = 0; k < SAMPLES; k++) {
      assert_ok(sn_linear_set_parameters(s->linear, 1, &parameters[k]));
      act(s, solver, transpose, 1, x + k * s->local, bx + k * s->local, alone + k * s->local);
    }
    for (ptrdiff_t i = 0; i < all; i++) {
      assert_close(together[i], alone[i], 1e-13);
      assert_close(ax[i], bx[i], 1e-12 * (1 + fabs(bx[i])));
    }
  }
  /* One that was not there before. */
  const double another[SAMPLES] = {1.2, 0.8, 3};
  assert_ok(sn_linear_set_parameters(s->linear, SAMPLES, another));
  act(s, solver, false, SAMPLES, x, bx, alone);
  memcpy(together, alone, (size_t)all * sizeof *alone);
  assert_ok(sn_linear_apply(s->linear, SAMPLES, together, ax));
  for (ptrdiff_t i = 0; i < all; i++) assert_close(together[i] - GAMMA[0] * ax[i], x[i], 1e-11);
  double *const arrays[] = {x, ax, together, bx, alone};
  for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++) sn_memory_free(arrays[k]);
  sn_solver_destroy(&solver);
}

enum { FUNCTIONS = 2 };

/* e^z and phi_1(z / 2) + phi_2(z), with what derivatives by a trained A take. */
static sn_exponential *make_functions(const setting *s) {
  sn_phi_sum function[FUNCTIONS] = {{0}};
  sn_exponential *exponential;
  const sn_exponential_options options = {.dt = 0.1, .samples = SAMPLES, .gradient = true, .tangent = true};
  sn_phi_sum_add(&function[0], 1, 0, 1);
  sn_phi_sum_add(&function[1], 1, 1, 0.5);
  sn_phi_sum_add(&function[1], 1, 2, 1);
  assert_ok(sn_exponential_create(s->grid, s->linear, &options, FUNCTIONS, function, &exponential));
  assert_ok(sn_exponential_reserve(exponential, 1));
  return exponential;
}

/* Of both functions of A: y, its change along a direction, and what the derivative of weight x^T f(dt A) x adds. */
static void act_by_functions(sn_exponential *e, bool transpose, ptrdiff_t samples, const double *x,
                             const double *direction, double *y, double *change, double *gradient) {
  double *there = new_array(sn_exponential_size(e, SAMPLES));
  const sn_exponential_term term[] = {{0, false, 0.5, there}, {1, false, 2, there}},
                            varied[] = {{0, true, 0.5, there}, {1, true, 2, there}};
  assert_ok(sn_exponential_update(e));
  assert_ok(sn_exponential_transform(e, transpose, samples, x, there));
  assert_ok(sn_exponential_sum(e, transpose, samples, 2, term, y));
  assert_ok(sn_exponential_set_direction(e, samples, direction));
  assert_ok(sn_exponential_sum(e, transpose, samples, 2, varied, change));
  for (int f = 0; f < FUNCTIONS; f++) sn_exponential_gather(e, samples, f, 0.3, there, there);
  assert_ok(sn_exponential_gradient(e, gradient));
  sn_memory_free(there);
}

static void check_functions(const setting *s) {
  enum { PARAMETERS = 3 };
  const ptrdiff_t all = SAMPLES * s->local;
  const double direction[PARAMETERS] = {0.2, -0.7, 0.4};
  sn_exponential *e = make_functions(s);
  double *x = field(s, SAMPLES), *together = new_array(all), *alone = new_array(all), *change = new_array(all),
         *own_change = new_array(all);
  for (int transpose = 0; transpose < 2; transpose++) {
    double gradient[PARAMETERS] = {0}, own_gradient[PARAMETERS] = {0};
    assert_ok(sn_linear_set_parameters(s->linear, SAMPLES, parameters));
    act_by_functions(e, transpose, SAMPLES, x, direction, together, change, gradient);
    for (ptrdiff_t k = 0; k < SAMPLES; k++) {
      assert_ok(sn_linear_set_parameters(s->linear, 1, &parameters[k]));
      act_by_functions(e, transpose, 1, x + k * s->local, direction, alone + k * s->local, own_change + k * s->local,
                       own_gradient);
    }
    for (ptrdiff_t i = 0; i < all; i++) {
      assert_close(together[i], alone[i], 1e-13);
      assert_close(change[i], own_change[i], 1e-12);
    }
    MPI_Allreduce(MPI_IN_PLACE, gradient, PARAMETERS, MPI_DOUBLE, MPI_SUM, sn_grid_space(s->grid));
    MPI_Allreduce(MPI_IN_PLACE, own_gradient, PARAMETERS, MPI_DOUBLE, MPI_SUM, sn_grid_space(s->grid));
    for (int k = 0; k < PARAMETERS; k++) assert_close(gradient[k], own_gradient[k], 1e-11 * fabs(own_gradient[k]));
  }
  /* What was made for a parameter stays while others are worked on, and all of it goes when A changes. */
  const long made = sn_exponential_evaluations(e);
  assert_ok(sn_linear_set_parameters(s->linear, SAMPLES, parameters));
  assert_ok(sn_exponential_update(e));
  assert_int_equal(sn_exponential_evaluations(e), made);
  assert_ok(sn_linear_update(s->linear));
  assert_ok(sn_exponential_update(e));
  assert_int_equal(sn_exponential_evaluations(e), made + 1);
  double *const arrays[] = {x, together, alone, change, own_change};
  for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++) sn_memory_free(arrays[k]);
  sn_exponential_destroy(&e);
}

static void together_as_alone(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (int space = 1; space <= size; space++)
    for (size_t g = 0; g < sizeof grids / sizeof *grids; g++) {
      if (size % space) continue;
      setting s = set_up_scaled(space, grids[g]);
      check_functions(&s);
      check(&s);
      tear_down(&s);
    }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(together_as_alone),
  };
  return unit_run(argc, argv, tests);
}
