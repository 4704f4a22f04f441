/* Samples with parameters of their own: together they give what each gives alone, at every split. */
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

static void together_as_alone(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (int space = 1; space <= size; space++)
    for (size_t g = 0; g < sizeof grids / sizeof *grids; g++) {
      if (size % space) continue;
      setting s = set_up_scaled(space, grids[g]);
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
