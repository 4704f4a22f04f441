/* Binomial checkpointing against the closed formula, and the integrator's use of it: all storages, the same bits. */
#include "unit.h"

#include "sinode/integrator.h"
#include "sinode/memory.h"
#include "time/revolve.h"

/* Fewest forward steps without tape, by dynamic programming over every place of the next snapshot. */
enum { STEPS = 60, SNAPSHOTS = 8 };

static void splits_are_optimal(void **state) {
  (void)state;
  static ptrdiff_t least[SNAPSHOTS + 1][STEPS + 1];
  for (ptrdiff_t s = 1; s <= SNAPSHOTS; s++)
    for (ptrdiff_t l = 1; l <= STEPS; l++) {
      least[s][l] = l * (l - 1) / 2;
      for (ptrdiff_t m = 1; m < l && s > 1; m++) {
        const ptrdiff_t cost = m + least[s - 1][l - m] + least[s][m];
        if (cost < least[s][l]) least[s][l] = cost;
      }
      assert_int_equal(sn_revolve_advances(l, s), least[s][l]);
      if (s < 2 || l < 2) continue;
      const ptrdiff_t m = sn_revolve_split(l, s);
      assert_that(m >= 1 && m < l);
      assert_int_equal(m + least[s - 1][l - m] + least[s][m], least[s][l]);
    }
}

typedef struct {
  double gradient[512], initial[64];
  ptrdiff_t steps;
} outcome;

typedef struct {
  const char *scheme;
  sn_network_kind network;
  ptrdiff_t intervals, substeps;
  sn_precision precision;
} family;

enum { SAMPLES = 2, INTERVALS_MOST = 7 };

static outcome differentiate(const sn_grid *grid, const family *one, sn_storage_kind storage, ptrdiff_t snapshots) {
  const sn_linear_shape linear = {.kind = SN_LINEAR_STENCIL, .taps = 5, .length = 22, .trainable = true};
  const sn_network_shape network = {.kind = one->network,
                                    .activation = SN_ACTIVATION_TANH,
                                    .hidden = 1,
                                    .width = {5},
                                    .kernel = 3,
                                    .precision = one->precision};
  const sn_init init = {.kind = SN_INIT_NORMAL, .std = 0.3};
  const sn_tableau *tableau = sn_tableau_find(one->scheme);
  const sn_integrator_options options = {.tableau = tableau,
                                         .dt = tableau->adaptive ? 0.01 : 0.05,
                                         .interval = 0.05 * (double)one->substeps,
                                         .control = {.rtol = 1e-4, .atol = 1e-6, .minimum_step = 1e-6},
                                         .newton = {.precondition = true},
                                         .intervals = one->intervals,
                                         .adjoint = true,
                                         .storage = storage,
                                         .snapshots = snapshots};
  sn_model *model;
  sn_integrator *integrator;
  outcome result = {0};
  assert_ok(sn_model_create(grid, &linear, &network, SAMPLES, &model));
  assert_ok(sn_linear_set_ks(sn_model_linear(model)));
  assert_ok(sn_network_initialize(sn_model_network(model), &init, 3));
  assert_ok(sn_model_loaded(model));
  assert_ok(sn_integrator_create(model, &options, &integrator));
  assert_ok(sn_integrator_reserve(integrator, SAMPLES));
  const ptrdiff_t count = SAMPLES * sn_grid_range(grid).count;
  double states[(INTERVALS_MOST + 1) * 32], bars[(INTERVALS_MOST + 1) * 32];
  for (ptrdiff_t k = 0; k < (one->intervals + 1) * count; k++) bars[k] = sin(0.3 * (double)k);
  for (ptrdiff_t k = 0; k < count; k++) states[k] = cos((double)k);
  assert_that(sn_parameters_size(sn_model_parameters(model)) <= 512);
  assert_ok(sn_integrator_forward(integrator, SAMPLES, one->intervals, states, true));
  const ptrdiff_t calls = sn_memory_calls();
  const sn_gradient gradient = {.values = result.gradient};
  assert_ok(sn_integrator_backward(integrator, SAMPLES, one->intervals, bars, &gradient));
  assert_int_equal(sn_memory_calls(), calls); /* nothing is allocated on the way */
  for (ptrdiff_t k = 0; k < count; k++) result.initial[k] = bars[k];
  result.steps = sn_integrator_forward_steps(integrator);
  if (tableau->kind == SN_TABLEAU_EXPONENTIAL) assert_int_equal(sn_integrator_factorizations(integrator), 1);
  sn_integrator_destroy(&integrator);
  sn_model_destroy(&model);
  return result;
}

static void compare_storages(const sn_grid *grid, const family *one) {
  const ptrdiff_t steps = one->intervals * one->substeps;
  const outcome all = differentiate(grid, one, SN_STORAGE_ALL, 0);
  assert_int_equal(all.steps, steps);
  const ptrdiff_t snapshots[] = {1, 2, 3, 5, 20, 50};
  for (int k = 0; k <= 6; k++) {
    const outcome other = k < 6 ? differentiate(grid, one, SN_STORAGE_REVOLVE, snapshots[k])
                                : differentiate(grid, one, SN_STORAGE_SOLUTIONS, 0);
    assert_memory_equal(other.gradient, all.gradient, sizeof all.gradient);
    assert_memory_equal(other.initial, all.initial, sizeof all.initial);
    const ptrdiff_t kept = k < 6 && snapshots[k] < steps ? snapshots[k] : steps;
    assert_int_equal(other.steps, steps + sn_revolve_advances(steps, kept));
  }
  const outcome chosen = differentiate(grid, one, SN_STORAGE_AUTO, 0);
  assert_memory_equal(chosen.gradient, all.gradient, sizeof all.gradient);
  assert_int_equal(chosen.steps, steps); /* so small a problem is kept whole */
}

static void storages_give_the_same_bits(void **state) {
  (void)state;
  static const family families[] = {
      {"ars343", SN_NETWORK_MLP, 4, 5, SN_PRECISION_DOUBLE},
      {"5", SN_NETWORK_CONV, 7, 1, SN_PRECISION_DOUBLE},
      {"l2", SN_NETWORK_CONV, 4, 3, SN_PRECISION_MIXED},
      {"l2", SN_NETWORK_NONE, 3, 3, SN_PRECISION_DOUBLE},
      {"rk4", SN_NETWORK_MLP, 5, 1, SN_PRECISION_DOUBLE},
      {"dopri5", SN_NETWORK_CONV, 1, 7, SN_PRECISION_DOUBLE},
      {"dopri5-adaptive", SN_NETWORK_MLP, 5, 1, SN_PRECISION_DOUBLE},
      {"bosh3-adaptive", SN_NETWORK_CONV, 3, 1, SN_PRECISION_DOUBLE},
      {"cn", SN_NETWORK_MLP, 3, 3, SN_PRECISION_DOUBLE},
      {"beuler", SN_NETWORK_CONV, 7, 2, SN_PRECISION_DOUBLE},
      {"etdrk4", SN_NETWORK_MLP, 4, 5, SN_PRECISION_DOUBLE},
      {"lawson5", SN_NETWORK_NONE, 3, 3, SN_PRECISION_DOUBLE},
      {"exprk5s8", SN_NETWORK_CONV, 7, 1, SN_PRECISION_DOUBLE},
  };
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  sn_grid *grid;
  assert_ok(sn_grid_create(MPI_COMM_WORLD, size, 11, NULL, &grid));
  const ptrdiff_t before = sn_memory_bytes();
  for (size_t k = 0; k < sizeof families / sizeof families[0]; k++) compare_storages(grid, &families[k]);
  assert_int_equal(sn_memory_bytes(), before);
  sn_grid_destroy(&grid);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(splits_are_optimal),
      cmocka_unit_test(storages_give_the_same_bits),
  };
  return unit_run(argc, argv, tests);
}
