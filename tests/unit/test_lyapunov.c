/* Lyapunov exponents where they are known: of a linear model, the real parts of its eigenvalues; and the dimension. */
#include "sinode/lyapunov_exponents.h"
#include "sinode/memory.h"
#include "unit.h"

enum { POINTS = 17, EXPONENTS = 8, SAMPLES = 3 };
static const double length = 22;

/* Eigenvalues of the stencil in descending order: a pair for each wave number but the first. */
static void find_expected(const sn_linear *linear, double *expected) {
  int count = 0;
  double all[POINTS];
  for (int m = 0; m <= POINTS / 2; m++)
    for (int twice = 0; twice < (m ? 2 : 1); twice++) {
      const double rate = creal(sn_linear_symbol(linear, m));
      int place = count++;
      for (; place > 0 && all[place - 1] < rate; place--) all[place] = all[place - 1];
      all[place] = rate;
    }
  memcpy(expected, all, EXPONENTS * sizeof *expected);
}

static void exponents_of_a_linear_model(void **state) {
  (void)state;
  int ranks;
  double expected[EXPONENTS];
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  for (int space = 1; space <= ranks; space++) {
    if (ranks % space) continue;
    const sn_linear_shape linear = {.kind = SN_LINEAR_STENCIL, .taps = 5, .length = length};
    const sn_network_shape network = {.kind = SN_NETWORK_NONE};
    sn_grid *grid;
    sn_model *model;
    sn_integrator *integrator;
    sn_lyapunov *lyapunov;
    assert_ok(sn_grid_create(MPI_COMM_WORLD, space, POINTS, NULL, &grid));
    const sn_range share = sn_grid_share(grid, SAMPLES);
    const ptrdiff_t samples = share.count ? share.count : 1;
    assert_ok(sn_model_create(grid, &linear, &network, samples, &model));
    assert_ok(sn_linear_set_ks(sn_model_linear(model)));
    assert_ok(sn_model_loaded(model));
    find_expected(sn_model_linear(model), expected);
    const sn_integrator_options options = {
        .tableau = sn_tableau_find("rk4"), .dt = 0.25, .interval = 1, .intervals = 1, .tangent = true};
    assert_ok(sn_integrator_create(model, &options, &integrator));
    assert_ok(sn_integrator_reserve(integrator, samples));
    assert_ok(sn_lyapunov_create(model, integrator, 1, EXPONENTS, share.start, share.count, 9, &lyapunov));
    double rates[EXPONENTS * SAMPLES];
    assert_ok(sn_lyapunov_advance(lyapunov, 900, NULL));
    const ptrdiff_t calls = sn_memory_calls();
    assert_ok(sn_lyapunov_advance(lyapunov, 20, rates));
    assert_int_equal(sn_memory_calls(), calls);
    for (int d = 0; d < EXPONENTS; d++)
      for (ptrdiff_t s = 0; s < share.count; s++) assert_close(rates[d * share.count + s], expected[d], 1e-6);
    sn_lyapunov_destroy(&lyapunov);
    sn_status status = sn_lyapunov_create(model, integrator, 1, POINTS + 1, 0, share.count, 9, &lyapunov);
    assert_that(status && sn_error_get_code(status) == SN_ERROR_USAGE && !lyapunov);
    sn_error_destroy(&status);
    sn_integrator_destroy(&integrator);
    sn_model_destroy(&model);
    sn_grid_destroy(&grid);
  }
}

static void dimensions(void **state) {
  (void)state;
  const double exponents[] = {0.5, 0, -0.2, -0.9};
  assert_close(sn_lyapunov_dimension(4, exponents), 3 + 0.3 / 0.9, 1e-14);
  assert_that(isnan(sn_lyapunov_dimension(3, exponents)));
  assert_close(sn_lyapunov_dimension(1, exponents + 2), 0, 0);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(exponents_of_a_linear_model),
      cmocka_unit_test(dimensions),
  };
  return unit_run(argc, argv, tests);
}
