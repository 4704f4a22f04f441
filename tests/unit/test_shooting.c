/*
 * learn/shooting: the states and parameters that least squares over chains of windows have as a whole, whatever the
 * replicas; against the same rows in dense normal equations.
 */
#include "unit.h"

#include "learn/shooting.h"
#include "sinode/memory.h"
#include "sinode/random.h"

enum { N = 4, PARAMETERS = 3, WINDOWS = 7, ROWS = 5, ALL = WINDOWS * N + PARAMETERS };

static const double factor = 3, damping = 0.1, proximal = 1e-3;

static double number(int window, int index) {
  const sn_random random = {.seed = 1, .purpose = SN_RANDOM_TEST, .stream = (uint64_t)window};
  return sn_random_normal(&random, (uint64_t)index);
}

/* Two chains: windows 0 to 3, and 4 to 6. */
static bool is_linked(int window) { return window >= 0 && window != 3 && window + 1 < WINDOWS; }

/* Rows of a window by its state and the parameters, line after line of directions; the first N ones of its end. */
static void make_rows(int window, double *jacobian, double *residual) {
  for (int k = 0; k < (N + PARAMETERS) * ROWS; k++) jacobian[k] = number(window, k);
  for (int k = 0; k < ROWS; k++) residual[k] = number(window, 1000 + k);
}

static void solve_densely(double *x) {
  sn_normal_equations *normal;
  bool definite;
  double damp[ALL], rows[ALL * N];
  assert_ok(sn_normal_equations_create(MPI_COMM_SELF, ALL, &normal));
  sn_normal_equations_clear(normal);
  for (int w = 0; w < WINDOWS; w++) {
    double jacobian[(N + PARAMETERS) * ROWS], residual[ROWS], misfit[N];
    make_rows(w, jacobian, residual);
    for (int r = 0; r < ROWS; r++) {
      double row[ALL] = {0};
      for (int d = 0; d < N; d++) row[w * N + d] = jacobian[d * ROWS + r];
      for (int d = 0; d < PARAMETERS; d++) row[WINDOWS * N + d] = jacobian[(N + d) * ROWS + r];
      if (is_linked(w) && r < N) row[(w + 1) * N + r] = -factor;
      sn_normal_equations_add(normal, 1, row, &residual[r]);
    }
    memset(rows, 0, sizeof rows);
    for (int j = 0; j < N; j++) {
      rows[(w * N + j) * N + j] = j == 1 ? 0 : 1; /* point 1 is not observed */
      misfit[j] = j == 1 ? 0 : number(w, 2000 + j);
    }
    sn_normal_equations_add(normal, N, rows, misfit);
  }
  for (int k = 0; k < ALL; k++) damp[k] = k < WINDOWS * N ? proximal : damping;
  assert_ok(sn_normal_equations_sum(normal, 1));
  assert_ok(sn_normal_equations_solve(normal, damp, x, &definite));
  assert_that(definite);
  sn_normal_equations_destroy(&normal);
}

/* J^T r by the state of a window. */
static void make_right(int window, double *right) {
  double jacobian[(N + PARAMETERS) * ROWS], residual[ROWS], before[ROWS];
  make_rows(window, jacobian, residual);
  for (int d = 0; d < N; d++) {
    right[d] = d == 1 ? 0 : number(window, 2000 + d);
    for (int r = 0; r < ROWS; r++) right[d] += jacobian[d * ROWS + r] * residual[r];
  }
  if (!is_linked(window - 1)) return;
  make_rows(window - 1, jacobian, before);
  for (int d = 0; d < N; d++) right[d] -= factor * before[d];
}

/* Adds J^T r by the parameters, of some windows. */
static void add_right(sn_range windows, double *right) {
  for (ptrdiff_t w = windows.start; w < windows.start + windows.count; w++) {
    double jacobian[(N + PARAMETERS) * ROWS], residual[ROWS];
    make_rows((int)w, jacobian, residual);
    for (int d = 0; d < PARAMETERS; d++)
      for (int r = 0; r < ROWS; r++) right[d] += jacobian[(N + d) * ROWS + r] * residual[r];
  }
}

static void elimination_solves_the_whole(void **state) {
  (void)state;
  double whole[ALL], step[PARAMETERS], damp[PARAMETERS] = {damping, damping, damping}, states[WINDOWS * N];
  sn_grid *grid;
  sn_shooting *shooting;
  sn_normal_equations *normal;
  bool definite;
  solve_densely(whole);
  assert_ok(sn_grid_create(MPI_COMM_WORLD, 1, N, NULL, &grid));
  const sn_range own = sn_grid_share(grid, WINDOWS);
  const ptrdiff_t before = sn_memory_bytes();
  assert_ok(sn_shooting_create(grid, own.count, N, PARAMETERS, &shooting));
  assert_ok(sn_normal_equations_create(MPI_COMM_WORLD, PARAMETERS, &normal));
  for (int again = 0; again < 2; again++) {
    sn_normal_equations_clear(normal);
    sn_shooting_clear(shooting, own.count, is_linked((int)own.start - 1));
    for (int k = 0; k < own.count; k++) {
      const int w = (int)own.start + k;
      double jacobian[(N + PARAMETERS) * ROWS], residual[ROWS], misfit[N];
      make_rows(w, jacobian, residual);
      for (int j = 0; j < N; j++) misfit[j] = j == 1 ? NAN : number(w, 2000 + j);
      sn_shooting_add(shooting, k, ROWS, jacobian, ROWS, residual);
      sn_shooting_add_initial(shooting, k, misfit);
      sn_normal_equations_add(normal, ROWS, jacobian + N * ROWS, residual);
      if (is_linked(w)) sn_shooting_link(shooting, k, factor, jacobian, ROWS, residual);
    }
    assert_ok(sn_shooting_eliminate(shooting, normal));
    assert_ok(sn_normal_equations_sum(normal, 1));
    assert_ok(sn_normal_equations_solve(normal, damp, step, &definite));
    assert_that(definite);
    for (int k = 0; k < PARAMETERS; k++) assert_close(step[k], whole[WINDOWS * N + k], 1e-12);
    sn_shooting_step(shooting, step, 1, NULL, states);
    for (int k = 0; k < own.count * N; k++) assert_close(states[k], whole[own.start * N + k], 1e-12);
    /* With the factors kept, the same right-hand sides as others, which count half. */
    double right[WINDOWS * N], alone[WINDOWS * N], left[PARAMETERS] = {0};
    for (int k = 0; k < own.count; k++) make_right((int)own.start + k, right + k * N);
    sn_shooting_reduce(shooting, right, left);
    add_right(own, left);
    MPI_Allreduce(MPI_IN_PLACE, left, PARAMETERS, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    for (int k = 0; k < PARAMETERS; k++) assert_close(left[k], sn_normal_equations_right(normal)[k], 1e-12);
    sn_shooting_step(shooting, step, 0.5, right, states);
    for (int k = 0; k < own.count * N; k++) assert_close(states[k], whole[own.start * N + k], 1e-12);
    /* The states alone. */
    const double still[PARAMETERS] = {0};
    for (int k = 0; k < own.count; k++) make_right((int)own.start + k, right + k * N);
    sn_shooting_step(shooting, still, 1, NULL, states);
    sn_shooting_solve(shooting, right, alone);
    for (int k = 0; k < own.count * N; k++) assert_close(alone[k], states[k], 1e-12);
  }
  sn_normal_equations_destroy(&normal);
  sn_shooting_destroy(&shooting);
  assert_int_equal(sn_memory_bytes(), before);
  sn_grid_destroy(&grid);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(elimination_solves_the_whole)};
  return unit_run(argc, argv, tests);
}
