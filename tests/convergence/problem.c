#include "problem.h"

#include <math.h>
#include <string.h>

enum { UNITS = 12 };

static const struct {
  const char *name;
  ptrdiff_t points;
  double final_time;
} problems[] = {{"smooth", 16, 1}, {"longer", 16, 1.5}, {"stiff", 64, 2}};

/* Of grid point j, from 0 to 2 pi. */
static double angle(const problem *p, ptrdiff_t j) { return 2 * acos(-1) * (double)j / (double)p->points; }

/* Unit h listens to one long wave of u and answers with another; phases keep all symmetries out. */
static double weight(const problem *p, int layer, ptrdiff_t row, ptrdiff_t column) {
  const ptrdiff_t h = layer ? column : row, j = layer ? row : column;
  const double wave = (double)(1 + (layer ? h : h / 2) % 4), phase = 1 + 2.4 * (double)h + layer;
  return (layer ? 1.0 : 5.0 / (double)p->points) * cos(wave * angle(p, j) + phase);
}

static void set_weights(const problem *p) {
  sn_parameters *parameters = sn_model_parameters(p->model);
  for (int layer = 0; layer < 2; layer++) {
    char name[SN_PARAMETER_NAME_LENGTH];
    snprintf(name, sizeof name, "nonlinear/layer_%d/weight", layer);
    const sn_parameter_block *block = sn_parameters_find(parameters, name);
    double *values = sn_parameters_values(parameters) + block->offset;
    for (ptrdiff_t i = 0; i < block->count[0]; i++)
      for (ptrdiff_t j = 0; j < block->count[1]; j++)
        values[i * block->count[1] + j] = weight(p, layer, block->start[0] + i, block->start[1] + j);
  }
}

void problem_create(const char *name, problem *out) {
  const sn_linear_shape linear = {.kind = SN_LINEAR_STENCIL, .taps = 5, .length = 22};
  const sn_network_shape network = {
      .kind = SN_NETWORK_MLP, .activation = SN_ACTIVATION_TANH, .hidden = 1, .width = {UNITS}};
  int ranks;
  size_t k = 0;
  while (strcmp(problems[k].name, name) != 0) k++;
  *out = (problem){.name = name, .points = problems[k].points, .final_time = problems[k].final_time};
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  TRY(sn_grid_create(MPI_COMM_WORLD, ranks, out->points, NULL, &out->grid));
  TRY(sn_model_create(out->grid, &linear, &network, 1, &out->model));
  TRY(sn_linear_set_ks(sn_model_linear(out->model)));
  set_weights(out);
  TRY(sn_model_loaded(out->model));
}

void problem_destroy(problem *p) {
  sn_model_destroy(&p->model);
  sn_grid_destroy(&p->grid);
}

sn_status problem_integrator(const problem *p, const sn_tableau *tableau, ptrdiff_t steps, double tolerance,
                             sn_integrator **out) {
  if (tableau->adaptive) steps = 1; /* one interval of data, which the scheme divides as it likes */
  const double dt = p->final_time / (double)steps;
  const sn_integrator_options options = {.tableau = tableau,
                                         .dt = tableau->adaptive ? 0.01 * dt : dt,
                                         .interval = p->final_time,
                                         .control = {.rtol = tolerance, .atol = tolerance, .minimum_step = 1e-9},
                                         .newton = {.precondition = true},
                                         .intervals = 1,
                                         .adjoint = true,
                                         .storage = SN_STORAGE_ALL,
                                         .solver = {.kind = SN_SOLVER_AUTO}};
  SN_TRY(sn_integrator_create(p->model, &options, out));
  return sn_integrator_reserve(*out, 1);
}

/* The program says how many steps were accepted only in words, and of all passes together. */
static long accepted_steps(const sn_integrator *integrator) {
  char text[SN_STATISTICS_LENGTH];
  long accepted = 0;
  sn_integrator_statistics(integrator, text, sizeof text);
  return sscanf(text, "steps of samples: %ld accepted", &accepted) == 1 ? accepted : 0;
}

sn_status problem_forward(const problem *p, sn_integrator *integrator, bool tape, solution *out) {
  const sn_range range = sn_grid_range(p->grid);
  const long before = accepted_steps(integrator);
  double states[2 * PROBLEM_POINTS_MOST];
  for (ptrdiff_t j = 0; j < range.count; j++) {
    const double x = angle(p, range.start + j);
    states[j] = cos(x) * (1 + sin(x));
  }
  SN_TRY(sn_integrator_forward(integrator, 1, 1, states, tape));
  memcpy(out->state, states + range.count, (size_t)range.count * sizeof *states);
  out->steps = accepted_steps(integrator) - before;
  if (out->steps == 0) out->steps = sn_integrator_steps(integrator, 1);
  return sn_integrator_check(integrator, 1);
}

sn_status problem_backward(const problem *p, sn_integrator *integrator, double *gradient, solution *out) {
  const sn_range range = sn_grid_range(p->grid);
  double bars[2 * PROBLEM_POINTS_MOST] = {0};
  for (ptrdiff_t j = 0; j < range.count; j++) {
    const double x = angle(p, range.start + j);
    bars[range.count + j] = cos(x + 1) + 0.5 * sin(2 * x);
  }
  const sn_gradient sum = {.values = gradient};
  SN_TRY(sn_integrator_backward(integrator, 1, 1, bars, gradient ? &sum : NULL));
  memcpy(out->adjoint, bars, (size_t)range.count * sizeof *bars);
  return sn_integrator_check(integrator, 1);
}

sn_status problem_solve(const problem *p, const sn_tableau *tableau, ptrdiff_t steps, double tolerance, solution *out) {
  sn_integrator *integrator = NULL;
  sn_status status = problem_integrator(p, tableau, steps, tolerance, &integrator);
  if (!status) status = problem_forward(p, integrator, true, out);
  if (!status) status = problem_backward(p, integrator, NULL, out);
  sn_integrator_destroy(&integrator);
  return status;
}

double problem_distance(const problem *p, const double *a, const double *b) {
  double sum = 0;
  for (ptrdiff_t j = 0; j < sn_grid_range(p->grid).count; j++) {
    const double difference = a[j] - (b ? b[j] : 0);
    sum += difference * difference;
  }
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, sn_grid_space(p->grid));
  return sqrt(sum / (double)p->points);
}
