/* Checks of what is computed: transforms, solvers, the generator, gradients. */
#include <complex.h>
#include <math.h>
#include <string.h>

#include "selftest.h"
#include "sinode/etdrk4.h"
#include "sinode/ks_initial.h"
#include "sinode/memory.h"
#include "sinode/objective.h"
#include "sinode/reduction.h"
#include "sinode/solver.h"

static const double length = 22;

static double position(const sn_grid *grid, ptrdiff_t j) {
  return 2 * M_PI * (double)(sn_grid_range(grid).start + j) / SN_SELFTEST_POINTS;
}

/* Two fields, cos 3x + 2 sin 5x and cos 7x, with coefficients known by heart; and back. */
static sn_status transform(const sn_grid *grid, sn_fourier *fourier, double *fields, double complex *coefficients,
                           double *error) {
  const ptrdiff_t n = sn_grid_range(grid).count;
  for (ptrdiff_t j = 0; j < n; j++) {
    const double x = position(grid, j);
    fields[j] = cos(3 * x) + 2 * sin(5 * x);
    fields[n + j] = cos(7 * x);
  }
  SN_TRY(sn_fourier_forward(fourier, fields, coefficients));
  /* N/2 each, and mean squares 1/2 + 2 + 1/2. */
  const double low = sn_fourier_energy(fourier, coefficients, 3, 3),
               high = sn_fourier_energy(fourier, coefficients, 5, 7);
  *error = fmax(fabs(low - 0.5), fabs(high - 2.5));
  memset(fields, 0, (size_t)(2 * n) * sizeof *fields);
  SN_TRY(sn_fourier_inverse(fourier, coefficients, fields));
  for (ptrdiff_t j = 0; j < n; j++) {
    const double x = position(grid, j);
    *error = fmax(*error, fabs(fields[j] - cos(3 * x) - 2 * sin(5 * x)));
    *error = fmax(*error, fabs(fields[n + j] - cos(7 * x)));
  }
  *error = sn_selftest_worst(grid, *error);
  return SN_OK;
}

static sn_status check_fourier(const sn_grid *grid, double *error) {
  sn_fourier *fourier;
  double *fields = NULL;
  double complex *coefficients = NULL;
  SN_TRY(sn_fourier_create(grid, 2, SN_FOURIER_ESTIMATE, &fourier));
  sn_status status = SN_NEW(2 * sn_grid_range(grid).count, &fields);
  if (!status) status = SN_NEW(sn_fourier_size(fourier), &coefficients);
  status = sn_collective_status(sn_grid_world(grid), status);
  if (!status) status = transform(grid, fourier, fields, coefficients, error);
  SN_FREE(fields);
  SN_FREE(coefficients);
  sn_fourier_destroy(&fourier);
  return status;
}

/* (I - gamma A) cos kx = (1 - gamma s) cos kx, s from the formula of the central differences. */
static sn_status solve(const sn_grid *grid, sn_linear *linear, sn_solver_kind kind, double *x, double *error) {
  const double gamma = 0.05, dx = length / SN_SELFTEST_POINTS, waves = 5;
  const double c = cos(2 * M_PI * waves / SN_SELFTEST_POINTS);
  const double second = 2 * (1 - c) / (dx * dx), symbol = second - second * second;
  const sn_solver_options options = {.kind = kind, .tolerance = 1e-13, .max_iterations = 200, .precondition = true};
  const ptrdiff_t n = sn_grid_range(grid).count;
  sn_solver *solver;
  SN_TRY(sn_solver_create(grid, linear, &options, 1, &gamma, &solver));
  sn_status status = sn_solver_reserve(solver, 2);
  *error = 0;
  for (int transposed = 0; transposed < 2 && !status; transposed++) {
    for (ptrdiff_t j = 0; j < n; j++) x[j] = x[n + j] = (1 - gamma * symbol) * cos(waves * position(grid, j));
    status = transposed ? sn_solver_solve_transpose(solver, 0, 2, x) : sn_solver_solve(solver, 0, 2, x);
    for (ptrdiff_t j = 0; j < 2 * n; j++) *error = fmax(*error, fabs(x[j] - cos(waves * position(grid, j % n))));
  }
  sn_solver_destroy(&solver);
  *error = sn_selftest_worst(grid, *error);
  return status;
}

static sn_status check_solver(const sn_grid *grid, sn_solver_kind kind, double *error) {
  const sn_linear_shape linear = {.kind = SN_LINEAR_STENCIL, .taps = 5, .length = length};
  const sn_network_shape none = {.kind = SN_NETWORK_NONE};
  sn_model *model;
  double *x = NULL;
  SN_TRY(sn_model_create(grid, &linear, &none, 2, &model));
  sn_status status = sn_linear_set_ks(sn_model_linear(model));
  if (!status) status = sn_model_loaded(model);
  if (!status) status = sn_collective_status(sn_grid_world(grid), SN_NEW(2 * sn_grid_range(grid).count, &x));
  if (!status) status = solve(grid, sn_model_linear(model), kind, x, error);
  SN_FREE(x);
  sn_model_destroy(&model);
  return status;
}

static sn_status check_fft(const sn_grid *grid, double *error) { return check_solver(grid, SN_SOLVER_FFT, error); }
static sn_status check_banded(const sn_grid *grid, double *error) {
  return check_solver(grid, SN_SOLVER_BANDED, error);
}
static sn_status check_dense(const sn_grid *grid, double *error) { return check_solver(grid, SN_SOLVER_DENSE, error); }
static sn_status check_gmres(const sn_grid *grid, double *error) { return check_solver(grid, SN_SOLVER_GMRES, error); }

/* The paper's initial state to t = 20, against another implementation's values. */
static sn_status check_trajectory(const sn_grid *grid, double *error) {
  static const double known[] = {1.9050576760029898, 2.17347210590552, 0.020452356671894822, 1.06415357986027};
  const sn_ks_initial_options initial = {.kind = SN_KS_INITIAL_PAPER, .length = length};
  const sn_etdrk4_options options = {.length = length, .dt = 0.05};
  const sn_range range = sn_grid_range(grid);
  double *u;
  sn_etdrk4 *etdrk4;
  SN_TRY(sn_collective_status(sn_grid_world(grid), SN_NEW(range.count, &u)));
  sn_ks_initial_state(grid, &initial, (sn_range){0, 1}, u);
  sn_status status = sn_etdrk4_create(grid, 1, &options, &etdrk4);
  if (!status) {
    status = sn_etdrk4_set_state(etdrk4, u, 0);
    if (!status) status = sn_etdrk4_step(etdrk4, 400);
    if (!status) status = sn_etdrk4_get_state(etdrk4, u);
    sn_etdrk4_destroy(&etdrk4);
  }
  *error = 0;
  for (int k = 0; k < 4 && !status; k++) {
    const ptrdiff_t j = 16 * k - range.start;
    if (j >= 0 && j < range.count) *error = fmax(*error, fabs(u[j] - known[k]));
  }
  *error = sn_selftest_worst(grid, *error);
  SN_FREE(u);
  return status;
}

/* A small model rolled out over four steps, and what its gradient is compared by. */
typedef struct {
  const sn_grid *grid;
  sn_model *model;
  sn_integrator *integrator;
  sn_objective *objective;
  double *gradient, *kept;
} slope;

enum { SAMPLES = 2, WINDOW = 2 };

static sn_status prepare_slope(slope *s) {
  const sn_linear_shape linear = {.kind = SN_LINEAR_STENCIL, .taps = 5, .length = length, .trainable = true};
  const sn_network_shape network = {
      .kind = SN_NETWORK_MLP, .activation = SN_ACTIVATION_TANH, .hidden = 2, .width = {24, 17}};
  const sn_integrator_options options = {.tableau = sn_tableau_find("4"),
                                         .dt = 0.1,
                                         .interval = 0.2,
                                         .intervals = WINDOW,
                                         .adjoint = true,
                                         .storage = SN_STORAGE_SOLUTIONS};
  const sn_init init = {.kind = SN_INIT_XAVIER};
  SN_TRY(sn_model_create(s->grid, &linear, &network, SAMPLES, &s->model));
  SN_TRY(sn_linear_set_ks(sn_model_linear(s->model)));
  SN_TRY(sn_network_initialize(sn_model_network(s->model), &init, 1));
  SN_TRY(sn_model_loaded(s->model));
  SN_TRY(sn_integrator_create(s->model, &options, &s->integrator));
  SN_TRY(sn_integrator_reserve(s->integrator, SAMPLES));
  SN_TRY(sn_objective_create(s->model, s->integrator, SN_LOSS_MSE, WINDOW, &s->objective));
  const ptrdiff_t size = sn_parameters_size(sn_model_parameters(s->model));
  SN_TRY(SN_NEW(size, &s->gradient));
  return SN_NEW(size, &s->kept);
}

/* The same samples in every replica, so that the whole is a multiple of one replica's. */
static void fill(slope *s) {
  const ptrdiff_t n = sn_grid_range(s->grid).count;
  double *initial = sn_objective_initial(s->objective), *targets = sn_objective_targets(s->objective);
  for (ptrdiff_t i = 0; i < SAMPLES * n; i++) initial[i] = cos(position(s->grid, i % n) + (double)(i / n));
  for (ptrdiff_t i = 0; i < WINDOW * SAMPLES * n; i++) targets[i] = 0.5 * sin(2 * position(s->grid, i % n));
}

static sn_status loss_at(slope *s, double step, double *loss) {
  sn_parameters *parameters = sn_model_parameters(s->model);
  double *values = sn_parameters_values(parameters);
  for (ptrdiff_t k = 0; k < sn_parameters_size(parameters); k++) values[k] = s->kept[k] + step * s->gradient[k];
  SN_TRY(sn_model_loaded(s->model));
  fill(s);
  SN_TRY(sn_objective_value(s->objective, SAMPLES, loss));
  MPI_Allreduce(MPI_IN_PLACE, loss, 1, MPI_DOUBLE, MPI_SUM, sn_grid_world(s->grid));
  return SN_OK;
}

/* Along the gradient itself, the slope is the square of its norm. */
static sn_status measure_slope(slope *s, double *error) {
  double sum, ahead, behind;
  SN_TRY(sn_collective_status(sn_grid_world(s->grid), prepare_slope(s)));
  fill(s);
  const sn_gradient gradient = {.values = s->gradient};
  SN_TRY(sn_objective_gradient(s->objective, SAMPLES, 1, &sum, &gradient));
  sn_parameters *parameters = sn_model_parameters(s->model);
  sn_reduction *reduction;
  SN_TRY(sn_reduction_create(parameters, &reduction));
  sn_reduction_sum(reduction, s->gradient);
  sn_reduction_destroy(&reduction);
  memcpy(s->kept, sn_parameters_values(parameters), (size_t)sn_parameters_size(parameters) * sizeof *s->kept);
  const double square = sn_parameters_dot(parameters, s->gradient, s->gradient), step = 1e-5 / sqrt(square);
  SN_TRY(loss_at(s, step, &ahead));
  SN_TRY(loss_at(s, -step, &behind));
  *error = sn_selftest_worst(s->grid, fabs((ahead - behind) / (2 * step) / square - 1));
  return SN_OK;
}

static sn_status check_gradient(const sn_grid *grid, double *error) {
  slope s = {.grid = grid};
  sn_status status = measure_slope(&s, error);
  sn_objective_destroy(&s.objective);
  sn_integrator_destroy(&s.integrator);
  sn_model_destroy(&s.model);
  SN_FREE(s.gradient);
  SN_FREE(s.kept);
  return status;
}

const sn_selftest_check *sn_selftest_numerics(void) {
  static const sn_selftest_check checks[] = {{"Fourier transforms of known waves", 1e-13, check_fourier},
                                             {"fft solve of a known wave", 1e-12, check_fft},
                                             {"banded solve of a known wave", 1e-10, check_banded},
                                             {"dense solve of a known wave", 1e-10, check_dense},
                                             {"gmres solve of a known wave", 1e-10, check_gmres},
                                             {"Kuramoto-Sivashinsky to t = 20, reference", 1e-8, check_trajectory},
                                             {"gradient against central differences", 1e-7, check_gradient},
                                             {0}};
  return checks;
}
