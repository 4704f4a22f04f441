#include "initial_states.h"

#include <math.h>
#include <string.h>

#include "shooting.h"
#include "sinode/count.h"
#include "sinode/memory.h"

struct sn_initial_states {
  const sn_grid *grid;
  sn_model *model;
  sn_objective *objective;
  const sn_dataset *dataset;
  double jump_weight;
  ptrdiff_t windows, points; /* points: local */
  ptrdiff_t *number;         /* (samples): of the windows in the objective */
  /* For least squares. */
  sn_shooting *shooting;
  sn_range own;
  double *kept;      /* all parameters, when the states were eliminated */
  double *step;      /* of the parameters */
  double *steps;     /* (own windows, points) */
  double *bend;      /* (own windows, points): J^T r'' along the last step, reduced */
  double *left;      /* (parameters): what the states take away from theirs */
  double *before;    /* all states, before they were moved */
  double part;       /* of the states' own step that the next trial takes */
  int *count, *from; /* (replicas): of the states */
};

/* Whose states are where, as MPI counts them. */
static sn_status share_out(sn_initial_states *x) {
  const int replicas = sn_grid_replica_count(x->grid);
  int fits;
  SN_TRY(sn_count_to_int(x->windows * x->points, "the number of values of all initial states", &fits));
  SN_TRY(SN_NEW(replicas, &x->count));
  SN_TRY(SN_NEW(replicas, &x->from));
  for (int r = 0; r < replicas; r++) {
    const sn_range range = sn_partition_range((sn_partition){x->windows, replicas}, r);
    x->count[r] = (int)(range.count * x->points);
    x->from[r] = (int)(range.start * x->points);
  }
  return SN_OK;
}

static sn_status allocate_least_squares(sn_initial_states *x) {
  const sn_parameters *parameters = sn_model_parameters(x->model);
  const ptrdiff_t most = sn_partition_most(x->windows, sn_grid_replica_count(x->grid)),
                  trained = sn_parameters_total(parameters, true);
  SN_TRY(SN_NEW(sn_parameters_size(parameters), &x->kept));
  SN_TRY(SN_NEW(trained, &x->step));
  SN_TRY(SN_NEW(trained, &x->left));
  SN_TRY(SN_NEW(most * x->points, &x->steps));
  SN_TRY(SN_NEW(most * x->points, &x->bend));
  SN_TRY(SN_NEW(x->windows * x->points, &x->before));
  SN_TRY(share_out(x));
  return sn_shooting_create(x->grid, most, x->points, trained, &x->shooting);
}

sn_status sn_initial_states_create(sn_model *model, sn_objective *objective, const sn_dataset *dataset,
                                   double jump_weight, bool jacobian, sn_initial_states **out) {
  const sn_grid *grid = sn_model_grid(model);
  SN_TRY(sn_collective_status(sn_grid_world(grid), SN_NEW(1, out)));
  sn_initial_states *x = *out;
  *x = (sn_initial_states){.grid = grid,
                           .model = model,
                           .objective = objective,
                           .dataset = dataset,
                           .jump_weight = jump_weight,
                           .windows = sn_dataset_windows(dataset, SN_SET_TRAINING),
                           .points = sn_grid_range(grid).count};
  sn_status status = SN_NEW(sn_model_samples(model), &x->number);
  if (!status && jacobian) status = allocate_least_squares(x);
  status = sn_collective_status(sn_grid_world(grid), status);
  if (status) sn_initial_states_destroy(out);
  return status;
}

void sn_initial_states_destroy(sn_initial_states **states) {
  sn_initial_states *x = *states;
  if (!x) return;
  sn_shooting_destroy(&x->shooting);
  SN_FREE(x->number);
  SN_FREE(x->kept);
  SN_FREE(x->step);
  SN_FREE(x->steps);
  SN_FREE(x->bend);
  SN_FREE(x->left);
  SN_FREE(x->before);
  SN_FREE(x->count);
  SN_FREE(x->from);
  SN_FREE(*states);
}

void sn_initial_states_set_jump_weight(sn_initial_states *x, double weight) { x->jump_weight = weight; }

void sn_initial_states_guess(sn_initial_states *x) {
  for (ptrdiff_t k = 0; k < x->windows; k++)
    sn_dataset_gather(x->dataset, SN_SET_TRAINING, 1, NULL, k, sn_model_states(x->model) + k * x->points,
                      sn_objective_targets(x->objective));
}

void sn_initial_states_gather(sn_initial_states *x, ptrdiff_t samples, const ptrdiff_t *index, ptrdiff_t first) {
  const double *states = sn_model_states(x->model);
  const size_t bytes = (size_t)x->points * sizeof *states;
  double *end = sn_objective_targets(x->objective) + (sn_objective_window(x->objective) - 1) * samples * x->points;
  sn_dataset_gather_initial(x->dataset, SN_SET_TRAINING, samples, index, first, sn_objective_observed(x->objective));
  for (ptrdiff_t s = 0; s < samples; s++) {
    const ptrdiff_t number = index ? index[s] : first + s, next = sn_dataset_next(x->dataset, SN_SET_TRAINING, number);
    x->number[s] = number;
    memcpy(sn_objective_initial(x->objective) + s * x->points, states + number * x->points, bytes);
    sn_objective_end_weight(x->objective)[s] = next < 0 ? 1 : x->jump_weight;
    if (next >= 0) memcpy(end + s * x->points, states + next * x->points, bytes);
  }
}

void sn_initial_states_add_gradient(const sn_initial_states *x, ptrdiff_t samples, double *gradient) {
  const double *initial = sn_objective_initial_bar(x->objective), *end = sn_objective_end_bar(x->objective);
  double *states = gradient + sn_parameters_model_size(sn_model_parameters(x->model));
  for (ptrdiff_t s = 0; s < samples; s++) {
    const ptrdiff_t next = sn_dataset_next(x->dataset, SN_SET_TRAINING, x->number[s]);
    for (ptrdiff_t j = 0; j < x->points; j++) {
      states[x->number[s] * x->points + j] += initial[s * x->points + j];
      if (next >= 0) states[next * x->points + j] -= end[s * x->points + j];
    }
  }
}

ptrdiff_t sn_initial_states_directions(const sn_initial_states *x) { return x->points; }

void sn_initial_states_set_tangents(const sn_initial_states *x, ptrdiff_t samples, ptrdiff_t directions,
                                    double *tangents) {
  const ptrdiff_t count = samples * x->points;
  memset(tangents, 0, (size_t)(directions * count) * sizeof *tangents);
  for (ptrdiff_t d = 0; d < x->points; d++)
    for (ptrdiff_t s = 0; s < samples; s++) tangents[d * count + s * x->points + d] = 1;
}

static bool jumps(const sn_initial_states *x, ptrdiff_t number) {
  return x->jump_weight > 0 && sn_dataset_next(x->dataset, SN_SET_TRAINING, number) >= 0;
}

void sn_initial_states_begin(sn_initial_states *x, sn_range own) {
  sn_parameters *parameters = sn_model_parameters(x->model);
  x->own = own;
  x->part = 1;
  memcpy(x->before, sn_model_states(x->model), (size_t)(x->windows * x->points) * sizeof *x->before);
  memset(x->bend, 0, (size_t)(own.count * x->points) * sizeof *x->bend);
  memcpy(x->kept, sn_parameters_values(parameters), (size_t)sn_parameters_size(parameters) * sizeof *x->kept);
  sn_shooting_clear(x->shooting, own.count, own.count && jumps(x, own.start - 1));
}

void sn_initial_states_add(sn_initial_states *x, ptrdiff_t samples, ptrdiff_t directions, const double *tangents,
                           const double *residuals) {
  const ptrdiff_t points = x->points, count = samples * points, window = sn_objective_window(x->objective);
  const double *initial = sn_objective_initial(x->objective), *observed = sn_objective_observed(x->objective);
  for (ptrdiff_t s = 0; s < samples; s++) {
    const ptrdiff_t own = x->number[s] - x->own.start;
    double *misfit = x->steps + own * points; /* free until a step is made */
    for (ptrdiff_t j = 0; j < points; j++) misfit[j] = initial[s * points + j] - observed[s * points + j];
    sn_shooting_add_initial(x->shooting, own, misfit);
    for (ptrdiff_t k = 0; k < window; k++)
      sn_shooting_add(x->shooting, own, points, tangents + (k + 1) * directions * count + s * points, count,
                      residuals + k * count + s * points);
    if (jumps(x, x->number[s]))
      sn_shooting_link(x->shooting, own, sqrt(x->jump_weight), tangents + window * directions * count + s * points,
                       count, residuals + (window - 1) * count + s * points);
  }
}

sn_status sn_initial_states_eliminate(sn_initial_states *x, sn_normal_equations *normal) {
  return sn_shooting_eliminate(x->shooting, normal);
}

/* By how much the trained parameters differ from others (NULL: 0), block after block as the normal equations have them.
 */
static void take_step(sn_initial_states *x, const double *values, const double *from) {
  const sn_parameters *parameters = sn_model_parameters(x->model);
  double *step = x->step;
  for (int i = 0; i < sn_parameters_blocks(parameters); i++) {
    const sn_parameter_block *block = sn_parameters_block(parameters, i);
    if (!block->trainable || block->states) continue;
    for (ptrdiff_t k = block->offset; k < block->offset + sn_parameter_block_size(block); k++)
      *step++ = values[k] - (from ? from[k] : 0);
  }
}

/* The states of this replica's windows become base (NULL: 0) + steps, and all replicas have those of all. */
static void move(sn_initial_states *x, const double *base, double *states) {
  const ptrdiff_t first = x->own.start * x->points;
  for (ptrdiff_t k = 0; k < x->own.count * x->points; k++)
    states[first + k] = (base ? base[first + k] : 0) + x->steps[k];
  MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DOUBLE, states, x->count, x->from, MPI_DOUBLE, sn_grid_replicas(x->grid));
}

void sn_initial_states_follow(sn_initial_states *x) {
  sn_parameters *parameters = sn_model_parameters(x->model);
  take_step(x, sn_parameters_values(parameters), x->kept);
  sn_shooting_step(x->shooting, x->step, x->part, x->bend, x->steps);
  x->part *= 0.5;
  move(x, x->kept + sn_parameters_model_size(parameters), sn_model_states(x->model));
}

void sn_initial_states_complete(sn_initial_states *x, double *step) {
  take_step(x, step, NULL);
  sn_shooting_step(x->shooting, x->step, x->part, NULL, x->steps);
  move(x, NULL, step + sn_parameters_model_size(sn_model_parameters(x->model)));
}

void sn_initial_states_bend(sn_initial_states *x, const double *gradient, double values, double *product) {
  const sn_parameters *parameters = sn_model_parameters(x->model);
  const ptrdiff_t trained = sn_parameters_total(parameters, true);
  const double *states = gradient + sn_parameters_model_size(parameters) + x->own.start * x->points;
  for (ptrdiff_t k = 0; k < x->own.count * x->points; k++) x->bend[k] = values * states[k];
  memset(x->left, 0, (size_t)trained * sizeof *x->left);
  sn_shooting_reduce(x->shooting, x->bend, x->left);
  MPI_Allreduce(MPI_IN_PLACE, x->left, (int)trained, MPI_DOUBLE, MPI_SUM, sn_grid_replicas(x->grid));
  for (ptrdiff_t k = 0; k < trained; k++) product[k] += x->left[k] / values;
}

void sn_initial_states_relax(sn_initial_states *x, double *gradient) {
  double *right = gradient + sn_parameters_model_size(sn_model_parameters(x->model)) + x->own.start * x->points;
  memcpy(x->before, sn_model_states(x->model), (size_t)(x->windows * x->points) * sizeof *x->before);
  sn_shooting_solve(x->shooting, right, x->steps);
  move(x, x->before, sn_model_states(x->model));
}

void sn_initial_states_put_back(sn_initial_states *x) {
  memcpy(sn_model_states(x->model), x->before, (size_t)(x->windows * x->points) * sizeof *x->before);
}
