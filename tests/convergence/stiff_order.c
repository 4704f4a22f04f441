/*
 * Stiff order of the exponential schemes: u_t = u_xx + 10 tanh(2u + 1) on (0, 1), u = 0 at the ends, where the
 * nonlinear part is not. A is the full matrix of central differences, dt |A| from 2500 to 300. Functions of A that do
 * not fulfil the stiff order conditions lose order there (Hochbruck, Ostermann 2005): Lawson's schemes to less
 * than 1.5, etdrk4 to less than 2, krogstad to less than 4; exprk5s8 has its order 5. From a state of t = 0.05, so that
 * the solution fulfils what the equation demands at the ends. Reference: dopri5 with 4096 steps.
 */
#include <math.h>
#include <string.h>

#include "problem.h"

enum { POINTS = 63, COARSEST = 2, LEVELS = 4, REFERENCE_STEPS = 4096 };
static const double begin = 0.05, span = 0.3;

static const struct {
  const char *name;
  double least, most; /* order between the two finest steps */
} schemes[] = {{"etdrk2", 1.85, 2.15},   {"etdrk4", 1.7, 2.0},  {"krogstad", 3.6, 3.9},
               {"exprk5s8", 4.85, 5.15}, {"lawson4", 1.2, 1.5}, {"lawson5", 1.2, 1.5}};

static void set_model(sn_model *model) {
  sn_parameters *parameters = sn_model_parameters(model);
  const double second = (double)(POINTS + 1) * (POINTS + 1);
  for (int b = 0; b < sn_parameters_blocks(parameters); b++) {
    const sn_parameter_block *block = sn_parameters_block(parameters, b);
    double *values = sn_parameters_values(parameters) + block->offset;
    const bool is_matrix = strcmp(block->name, "linear/matrix") == 0, is_first = strstr(block->name, "layer_0") != NULL;
    for (ptrdiff_t i = 0; i < block->count[0]; i++) {
      if (block->dimensions == 1) values[i] = is_first ? 1 : 0;
      for (ptrdiff_t j = 0; block->dimensions == 2 && j < block->count[1]; j++) {
        const ptrdiff_t away = block->start[0] + i - block->start[1] - j;
        const double diagonal = is_matrix ? -2 * second : is_first ? 2 : -10;
        values[i * block->count[1] + j] = away == 0 ? diagonal : is_matrix && (away == 1 || away == -1) ? second : 0;
      }
    }
  }
  TRY(sn_model_loaded(model));
}

/* One pass over `time` in so many steps. */
static void solve(sn_model *model, const char *scheme, double time, ptrdiff_t steps, const double *from, double *to) {
  const ptrdiff_t count = sn_grid_range(sn_model_grid(model)).count;
  const sn_integrator_options options = {
      .tableau = sn_tableau_find(scheme), .dt = time / (double)steps, .interval = time, .intervals = 1};
  double states[2 * POINTS];
  sn_integrator *integrator;
  TRY(sn_integrator_create(model, &options, &integrator));
  TRY(sn_integrator_reserve(integrator, 1));
  memcpy(states, from, (size_t)count * sizeof *states);
  TRY(sn_integrator_forward(integrator, 1, 1, states, false));
  TRY(sn_integrator_check(integrator, 1));
  memcpy(to, states + count, (size_t)count * sizeof *states);
  sn_integrator_destroy(&integrator);
}

static double distance(const sn_model *model, const double *a, const double *b) {
  const sn_grid *grid = sn_model_grid(model);
  double sum = 0;
  for (ptrdiff_t j = 0; j < sn_grid_range(grid).count; j++) sum += (a[j] - b[j]) * (a[j] - b[j]);
  sn_grid_sum_over_space(grid, 1, &sum);
  return sqrt(sum / POINTS);
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  const sn_linear_shape linear = {.kind = SN_LINEAR_DENSE, .length = 1};
  const sn_network_shape network = {
      .kind = SN_NETWORK_MLP, .activation = SN_ACTIVATION_TANH, .hidden = 1, .width = {POINTS}};
  double start[POINTS], reference[POINTS], found[POINTS];
  int ranks, bad = 0;
  sn_grid *grid;
  sn_model *model;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  TRY(sn_grid_create(MPI_COMM_WORLD, ranks, POINTS, NULL, &grid));
  TRY(sn_model_create(grid, &linear, &network, 1, &model));
  set_model(model);
  for (ptrdiff_t j = 0; j < sn_grid_range(grid).count; j++) {
    const double x = (double)(sn_grid_range(grid).start + j + 1) / (POINTS + 1);
    start[j] = 4 * x * (1 - x);
  }
  solve(model, "dopri5", begin, REFERENCE_STEPS, start, start);
  solve(model, "dopri5", span, REFERENCE_STEPS, start, reference);
  for (size_t k = 0; k < sizeof schemes / sizeof *schemes; k++) {
    double error[LEVELS];
    for (int level = 0; level < LEVELS; level++) {
      solve(model, schemes[k].name, span, (ptrdiff_t)COARSEST << level, start, found);
      error[level] = distance(model, found, reference);
    }
    const double order = log2(error[LEVELS - 2] / error[LEVELS - 1]);
    const bool is_wrong = !(order >= schemes[k].least && order <= schemes[k].most);
    bad += is_wrong;
    if (sn_grid_rank(grid) == 0)
      printf("%-9s errors %.2e to %.2e, order %.2f%s\n", schemes[k].name, error[0], error[LEVELS - 1], order,
             is_wrong ? "  WRONG" : "");
  }
  sn_model_destroy(&model);
  sn_grid_destroy(&grid);
  MPI_Finalize();
  return bad > 0;
}
