/*
 * Observed order of every scheme in the table, forward and adjoint, on a smooth problem: the KS stencil on 16 points
 * and a small tanh network, from a smooth state to T = 1. Reference: dopri5 with 2048 steps. The order is the slope
 * between the two finest step sizes whose errors stand clear of round-off; it must lie within 0.15 of the nominal one.
 *
 * usage: order [scheme]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sinode/integrator.h"
#include "sinode/memory.h"
#include "sinode/model.h"

enum { POINTS = 16, LEVELS = 8, COARSEST = 4, REFERENCE_STEPS = 2048 };
static const double final_time = 1.0, round_off = 5e-13;

#define TRY(expression)                                                     \
  do {                                                                      \
    sn_status try_ = (expression);                                          \
    if (try_) {                                                             \
      fprintf(stderr, "%s: %s\n", #expression, sn_error_get_message(try_)); \
      MPI_Abort(MPI_COMM_WORLD, 1);                                         \
    }                                                                       \
  } while (0)

static sn_model *make_model(const sn_grid *grid) {
  const sn_linear_shape linear = {.kind = SN_LINEAR_STENCIL, .taps = 5, .length = 22};
  const sn_network_shape network = {
      .kind = SN_NETWORK_MLP, .activation = SN_ACTIVATION_TANH, .hidden = 1, .width = {12}};
  const sn_init init = {.kind = SN_INIT_NORMAL, .std = 0.3};
  sn_model *model;
  TRY(sn_model_create(grid, &linear, &network, 1, &model));
  TRY(sn_linear_set_ks(sn_model_linear(model)));
  TRY(sn_network_initialize(sn_model_network(model), &init, 7));
  TRY(sn_model_loaded(model));
  return model;
}

/* The final state, and the derivative by the initial state of sum_j cos(j) u_j(T). */
static void solve(sn_model *model, const sn_tableau *tableau, ptrdiff_t steps, double *state, double *adjoint) {
  const sn_range range = sn_grid_range(sn_model_grid(model));
  const sn_integrator_options options = {.tableau = tableau,
                                         .dt = final_time / (double)steps,
                                         .substeps = steps,
                                         .intervals = 1,
                                         .adjoint = true,
                                         .solver = {.kind = SN_SOLVER_AUTO}};
  sn_integrator *integrator;
  TRY(sn_integrator_create(model, &options, &integrator));
  TRY(sn_integrator_reserve(integrator, 1));
  double states[2 * POINTS], bars[2 * POINTS] = {0};
  for (ptrdiff_t j = 0; j < range.count; j++) {
    const double x = 2 * acos(-1) * (double)(range.start + j) / POINTS;
    states[j] = cos(x) * (1 + sin(x));
    bars[range.count + j] = cos((double)(range.start + j));
  }
  TRY(sn_integrator_forward(integrator, 1, 1, states, true));
  TRY(sn_integrator_backward(integrator, 1, 1, bars, NULL));
  memcpy(state, states + range.count, (size_t)range.count * sizeof *state);
  memcpy(adjoint, bars, (size_t)range.count * sizeof *adjoint);
  sn_integrator_destroy(&integrator);
}

static double distance(const sn_grid *grid, const double *a, const double *b) {
  double sum = 0;
  for (ptrdiff_t j = 0; j < sn_grid_range(grid).count; j++) sum += (a[j] - b[j]) * (a[j] - b[j]);
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, sn_grid_space(grid));
  return sqrt(sum / POINTS);
}

/* Slope between the two finest levels above round-off; errors[k] belongs to COARSEST * 2^k steps. */
static double slope(const double *errors) {
  int last = 1;
  while (last + 1 < LEVELS && errors[last + 1] >= round_off) last++;
  return log2(errors[last - 1] / errors[last]);
}

static int check(const sn_grid *grid, sn_model *model, const sn_tableau *tableau, const double *state,
                 const double *adjoint) {
  double forward[LEVELS], backward[LEVELS], u[POINTS], lambda[POINTS];
  for (int k = 0; k < LEVELS; k++) {
    solve(model, tableau, (ptrdiff_t)COARSEST << k, u, lambda);
    forward[k] = distance(grid, u, state);
    backward[k] = distance(grid, lambda, adjoint);
  }
  const double order = slope(forward), adjoint_order = slope(backward);
  const int bad = !(fabs(order - tableau->order) < 0.15) || !(fabs(adjoint_order - tableau->order) < 0.15);
  if (sn_grid_rank(grid) == 0)
    printf("%-9s nominal %d  forward %.3f  adjoint %.3f%s\n", tableau->name, tableau->order, order, adjoint_order,
           bad ? "  WRONG" : "");
  return bad;
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  int ranks, bad = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  sn_grid *grid;
  TRY(sn_grid_create(MPI_COMM_WORLD, ranks, POINTS, NULL, &grid));
  sn_model *model = make_model(grid);
  double state[POINTS], adjoint[POINTS];
  solve(model, sn_tableau_find("dopri5"), REFERENCE_STEPS, state, adjoint);
  for (int i = 0; i < sn_tableau_count(); i++)
    if (!sn_tableau_at(i)->adaptive && (argc < 2 || strcmp(argv[1], sn_tableau_name_at(i)) == 0))
      bad += check(grid, model, sn_tableau_at(i), state, adjoint);
  sn_model_destroy(&model);
  sn_grid_destroy(&grid);
  MPI_Finalize();
  return bad > 0;
}
