/*
 * Phi-functions and their derivatives against values of mpmath; the weights of the exponential schemes at 0, where they
 * are classical Runge-Kutta schemes, and their sums; functions of a circulant operator against those of its matrix;
 * Lawson's schemes and their error estimate against the explicit ones.
 */
#include "phi_reference.h"
#include "sinode/exponential.h"
#include "sinode/exponential_form.h"
#include "sinode/integrator.h"
#include "sinode/memory.h"
#include "unit.h"

enum { REFERENCES = sizeof phi_reference / sizeof phi_reference[0], FUNCTIONS = SN_PHI_MOST + 1 };

static double complex reference(int row, int column) {
  return CMPLX(phi_reference[row][2 * column], phi_reference[row][2 * column + 1]);
}

/* Relative to the value without its oscillation, since near its zeros no value has relative precision. */
static void values_are_those_of_the_reference(void **state) {
  (void)state;
  for (int row = 0; row < REFERENCES; row++) {
    const double complex z = reference(row, 0);
    const sn_phi_values found = sn_phi(z), along = sn_phi(creal(z));
    for (int k = 0; k <= SN_PHI_MOST; k++) {
      const double complex value = reference(row, 1 + k), derivative = reference(row, 1 + FUNCTIONS + k);
      const double size = creal(z) != 0 ? cabs(along.value[k]) : cabs(value);
      assert_close(cabs(found.value[k] - value), 0, 1e-13 * size);
      assert_close(cabs(found.derivative[k] - derivative), 0, 1e-13 * fmax(cabs(derivative), size / (1 + cabs(z))));
    }
  }
}

/* c_i phi_1(c_i z) is what the weights of a stage add up to, but for Lawson's; at z = 0 both, with sums of b_j c_j. */
static void weights_add_up(void **state) {
  (void)state;
  for (int index = 0; index < sn_tableau_count(); index++) {
    const sn_tableau *tableau = sn_tableau_at(index);
    if (tableau->kind != SN_TABLEAU_EXPONENTIAL) continue;
    const sn_exponential_form form = sn_exponential_form_of(tableau);
    for (int k = 0; k < REFERENCES; k++) {
      const double complex z = tableau->weights ? reference(k, 0) : 0;
      double complex value[SN_EXPONENTIAL_FUNCTIONS];
      if (cabs(z) > 1e3) continue;
      sn_phi_sums(form.functions, form.function, z, value, NULL);
      for (int i = 0; i <= form.stages; i++) {
        const double c = i < form.stages ? tableau->c[i] : 1;
        double complex sum = 0;
        double size = 0;
        for (int j = 0; j < form.stages; j++) {
          const sn_exponential_weight *weight = &form.weight[i][j];
          if (weight->function < 0) continue;
          assert_that(j < i);
          sum += weight->factor * value[weight->function];
          size += cabs(weight->factor * value[weight->function]);
        }
        assert_close(cabs(sum - c * sn_phi(c * z).value[1]), 0, 1e-12 * size);
      }
    }
  }
}

/* As the stepper does: one step of growth and decay alone is exact. */
static void growth_is_exact(void **state) {
  (void)state;
  for (int index = 0; index < sn_tableau_count(); index++) {
    if (sn_tableau_at(index)->kind != SN_TABLEAU_EXPONENTIAL) continue;
    const sn_exponential_form form = sn_exponential_form_of(sn_tableau_at(index));
    for (int k = 0; k < REFERENCES; k++) {
      const double complex z = reference(k, 0), found = sn_exponential_form_amplification(&form, 0, z);
      assert_close(cabs(found - cexp(z)), 0, 1e-14 * cabs(cexp(z)));
    }
  }
}

enum { POINTS = 13, SAMPLES = 3, SUMS = 3 };
static const sn_phi_sum sums[SUMS] = {
    {1, {{1, 0, 0.5}}}, {2, {{3, 1, 1}, {-2, 3, 1}}}, {3, {{1, 4, 1}, {-0.5, 2, 0.25}, {1, 0, 0}}}};

/* A change of A's last coefficient, which for a matrix one rank has. */
static void is_seen_by_all(const sn_linear *linear, const sn_parameters *parameters) {
  const sn_parameter_block *block = sn_parameters_block(parameters, 0);
  const bool has_last = block->start[0] + block->count[0] == block->shape[0];
  double *direction;
  assert_ok(SN_NEW(sn_parameters_size(parameters), &direction));
  assert_that(!sn_linear_varies(linear, direction));
  if (has_last) direction[block->offset + sn_parameter_block_size(block) - 1] = 1;
  assert_that(sn_linear_varies(linear, direction));
  SN_FREE(direction);
}

/* Sums of functions of A, for an A of either kind with the same coefficients, after those of an A that overflows. */
static void apply(const sn_grid *grid, sn_linear_kind kind, double dt, bool transpose, const double *x, double *y) {
  const sn_linear_shape shape = {.kind = kind, .taps = 5, .length = 9, .trainable = true};
  const sn_exponential_options options = {.dt = dt, .samples = SAMPLES, .gradient = true};
  sn_parameters *parameters;
  sn_linear *linear;
  sn_exponential *exponential;
  sn_exponential_term term[SUMS];
  assert_ok(sn_parameters_create(grid, &parameters));
  assert_ok(sn_linear_create(grid, &shape, SAMPLES, parameters, &linear));
  assert_ok(sn_parameters_allocate(parameters));
  double *values = sn_parameters_values(parameters);
  for (ptrdiff_t i = 0; i < sn_parameters_size(parameters); i++) values[i] = 1e308;
  assert_ok(sn_linear_update(linear));
  assert_ok(sn_exponential_create(grid, linear, &options, SUMS, sums, &exponential));
  is_seen_by_all(linear, parameters);
  assert_ok(sn_linear_set_ks(linear));
  if (kind == SN_LINEAR_STENCIL)
    values[0] += 0.5; /* neither symmetric nor of mean 0 */
  else
    for (ptrdiff_t i = 0; i < sn_grid_range(grid).count; i++)
      values[i * POINTS + (sn_grid_range(grid).start + i + POINTS - 2) % POINTS] += 0.5;
  assert_ok(sn_linear_update(linear));
  assert_ok(sn_exponential_update(exponential));
  double *transformed;
  assert_ok(SN_NEW(sn_exponential_size(exponential, SAMPLES), &transformed));
  assert_ok(sn_exponential_transform(exponential, transpose, SAMPLES, x, transformed));
  for (int f = 0; f < SUMS; f++) term[f] = (sn_exponential_term){f, false, 1.0 + f, transformed};
  assert_ok(sn_exponential_sum(exponential, transpose, SAMPLES, SUMS, term, y));
  SN_FREE(transformed);
  sn_exponential_destroy(&exponential);
  sn_linear_destroy(&linear);
  sn_parameters_destroy(&parameters);
}

static void matrices_agree_with_symbols(void **state) {
  (void)state;
  int ranks;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  sn_grid *grid;
  assert_ok(sn_grid_create(MPI_COMM_WORLD, ranks, POINTS, NULL, &grid));
  const sn_range range = sn_grid_range(grid);
  double x[SAMPLES * POINTS], by_symbol[SAMPLES * POINTS], by_matrix[SAMPLES * POINTS];
  for (ptrdiff_t s = 0; s < SAMPLES; s++)
    for (ptrdiff_t j = 0; j < range.count; j++)
      x[s * range.count + j] = cos(3.7 * (double)(s * POINTS + range.start + j));
  for (int k = 0; k < 4; k++) {
    const bool transpose = k % 2;
    const double dt = k < 2 ? 0.01 : 2;
    apply(grid, SN_LINEAR_STENCIL, dt, transpose, x, by_symbol);
    apply(grid, SN_LINEAR_DENSE, dt, transpose, x, by_matrix);
    for (ptrdiff_t i = 0; i < SAMPLES * range.count; i++)
      assert_close(by_matrix[i], by_symbol[i], 1e-12 * (1 + fabs(by_symbol[i])));
  }
  sn_grid_destroy(&grid);
}

/* One step without a linear part, and the estimate of its error. */
static void step(const sn_grid *grid, const char *scheme, double *states, double *estimates) {
  const sn_linear_shape linear = {.kind = SN_LINEAR_STENCIL, .taps = 3, .length = 9};
  const sn_network_shape network = {
      .kind = SN_NETWORK_CONV, .activation = SN_ACTIVATION_TANH, .hidden = 1, .width = {2}, .kernel = 3};
  const sn_init init = {.kind = SN_INIT_NORMAL, .std = 1};
  const sn_integrator_options options = {
      .tableau = sn_tableau_find(scheme), .dt = 0.5, .interval = 0.5, .intervals = 1, .estimate = true};
  sn_model *model;
  sn_integrator *integrator;
  assert_ok(sn_model_create(grid, &linear, &network, SAMPLES, &model));
  assert_ok(sn_network_initialize(sn_model_network(model), &init, 3));
  assert_ok(sn_model_loaded(model));
  assert_ok(sn_integrator_create(model, &options, &integrator));
  assert_ok(sn_integrator_reserve(integrator, SAMPLES));
  assert_ok(sn_integrator_forward(integrator, SAMPLES, 1, states, false));
  assert_int_equal(sn_integrator_estimates(integrator) != NULL, sn_tableau_is_embedded(options.tableau));
  if (sn_integrator_estimates(integrator))
    memcpy(estimates, sn_integrator_estimates(integrator), SAMPLES * sizeof *estimates);
  sn_integrator_destroy(&integrator);
  sn_model_destroy(&model);
}

static void without_a_linear_part_lawson_is_runge_kutta(void **state) {
  (void)state;
  static const char *const pairs[][2] = {{"lawson4", "rk4"}, {"lawson5", "dopri5"}};
  int ranks;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  sn_grid *grid;
  assert_ok(sn_grid_create(MPI_COMM_WORLD, ranks, POINTS, NULL, &grid));
  const ptrdiff_t count = SAMPLES * sn_grid_range(grid).count;
  for (int k = 0; k < 2; k++) {
    double states[2][2 * SAMPLES * POINTS], estimates[2][SAMPLES] = {{0}};
    for (int side = 0; side < 2; side++) {
      for (ptrdiff_t i = 0; i < count; i++) states[side][i] = sin(1.3 * (double)i);
      step(grid, pairs[k][side], states[side], estimates[side]);
    }
    for (ptrdiff_t i = 0; i < 2 * count; i++) assert_close(states[0][i], states[1][i], 1e-13);
    for (int i = 0; i < SAMPLES; i++) assert_close(estimates[0][i], estimates[1][i], 1e-9 * estimates[1][i]);
  }
  sn_grid_destroy(&grid);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values_are_those_of_the_reference),
      cmocka_unit_test(weights_add_up),
      cmocka_unit_test(growth_is_exact),
      cmocka_unit_test(matrices_agree_with_symbols),
      cmocka_unit_test(without_a_linear_part_lawson_is_runge_kutta),
  };
  return unit_run(argc, argv, tests);
}
