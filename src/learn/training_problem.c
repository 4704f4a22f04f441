#include "training_problem.h"

#include <math.h>
#include <string.h>

#include "sinode/count.h"
#include "sinode/memory.h"

/* Each trainable element's unit vector, as this rank has it. */
static sn_status make_directions(sn_training_problem *p) {
  const sn_parameters *parameters = sn_model_parameters(p->model);
  const ptrdiff_t size = sn_parameters_size(parameters);
  double *unit;
  SN_TRY(SN_NEW(p->directions * size, &p->thetas));
  SN_TRY(SN_NEW(p->directions, &unit));
  for (ptrdiff_t k = 0; k < p->directions; k++) {
    unit[k] = 1;
    sn_parameters_spread(parameters, unit, p->thetas + k * size);
    unit[k] = 0;
  }
  SN_FREE(unit);
  return SN_OK;
}

static sn_status allocate_arrays(sn_training_problem *p, ptrdiff_t window) {
  const ptrdiff_t count = sn_model_samples(p->model) * sn_grid_range(sn_model_grid(p->model)).count;
  int fits;
  SN_TRY(sn_count_to_int(count, "the number of residuals of a batch on a rank", &fits));
  SN_TRY(make_directions(p));
  SN_TRY(SN_NEW((window + 1) * p->directions * count, &p->tangents));
  return SN_NEW(window * count, &p->residuals);
}

sn_status sn_training_problem_create(sn_model *model, sn_objective *objective, const sn_dataset *dataset, sn_set set,
                                     ptrdiff_t window, bool tangents, sn_reduction *reduction, sn_training_problem *p) {
  *p = (sn_training_problem){
      .model = model, .objective = objective, .dataset = dataset, .set = set, .reduction = reduction};
  sn_training_problem_set_window(p, window);
  if (!tangents) return SN_OK;
  p->directions = sn_parameters_total(sn_model_parameters(model), true);
  return sn_collective_status(sn_grid_world(sn_model_grid(model)), allocate_arrays(p, window));
}

void sn_training_problem_destroy(sn_training_problem *p) {
  SN_FREE(p->thetas);
  SN_FREE(p->tangents);
  SN_FREE(p->residuals);
}

void sn_training_problem_set_window(sn_training_problem *p, ptrdiff_t window) {
  p->count =
      (double)sn_dataset_windows(p->dataset, p->set) * (double)window * (double)sn_grid_points(sn_model_grid(p->model));
}

/* What is done with each chunk of windows once it stands in the objective; adds to the sum of the loss. */
typedef sn_status (*chunk_visitor)(sn_training_problem *p, ptrdiff_t samples, double *sum, void *context);

/* The mean loss over all windows and ranks; infinite if some state was not finite. */
static sn_status visit_chunks(sn_training_problem *p, chunk_visitor visit, void *context, double *loss) {
  const sn_grid *grid = sn_model_grid(p->model);
  const sn_range share = sn_grid_share(grid, sn_dataset_windows(p->dataset, p->set));
  const ptrdiff_t most = sn_model_samples(p->model);
  double sums[2] = {0, 0}; /* of the loss; of chunks that were not within_bounds */
  SN_TRY(sn_model_stepped(p->model));
  /* One replica may fail alone: the others learn of it here. */
  sn_status status = SN_OK;
  double sum;
  for (ptrdiff_t done = 0; done < share.count && !status; done += most) {
    const ptrdiff_t samples = share.count - done < most ? share.count - done : most;
    sum = 0;
    sn_dataset_gather(p->dataset, p->set, samples, NULL, share.start + done, sn_objective_initial(p->objective),
                      sn_objective_targets(p->objective));
    status = visit(p, samples, &sum, context);
    sums[0] += sum;
    sums[1] += !sn_objective_within_bounds(p->objective);
  }
  SN_TRY(sn_collective_status(sn_grid_world(grid), status));
  MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_DOUBLE, MPI_SUM, sn_grid_world(grid));
  *loss = sums[1] > 0 || !isfinite(sums[0]) ? INFINITY : sums[0] / p->count;
  return SN_OK;
}

static sn_status visit_value(sn_training_problem *p, ptrdiff_t samples, double *sum, void *context) {
  (void)context;
  return sn_objective_value(p->objective, samples, sum);
}

static sn_status loss_of(void *context, double *loss) { return visit_chunks(context, visit_value, NULL, loss); }

static sn_status visit_gradient(sn_training_problem *p, ptrdiff_t samples, double *sum, void *context) {
  return sn_objective_add_gradient(p->objective, samples, 1 / p->count, sum, context);
}

static sn_status gradient_of(void *context, double *loss, double *gradient) {
  sn_training_problem *p = context;
  const sn_parameters *parameters = sn_model_parameters(p->model);
  memset(gradient, 0, (size_t)sn_parameters_size(parameters) * sizeof *gradient);
  SN_TRY(visit_chunks(p, visit_gradient, gradient, loss));
  sn_reduction_sum(p->reduction, gradient);
  return SN_OK;
}

static sn_status visit_tangents(sn_training_problem *p, ptrdiff_t samples, double *sum, void *context) {
  sn_normal_equations *normal = context;
  const ptrdiff_t count = samples * sn_grid_range(sn_model_grid(p->model)).count;
  SN_TRY(sn_objective_tangent(p->objective, samples, p->directions, p->thetas, p->tangents, p->residuals, sum));
  for (ptrdiff_t k = 0; k < sn_objective_window(p->objective); k++)
    sn_normal_equations_add(normal, count, p->tangents + (k + 1) * p->directions * count, p->residuals + k * count);
  return SN_OK;
}

static sn_status normal_of(void *context, double *loss, sn_normal_equations *normal) {
  sn_training_problem *p = context;
  sn_normal_equations_clear(normal);
  SN_TRY(visit_chunks(p, visit_tangents, normal, loss));
  return sn_normal_equations_sum(normal, 1 / p->count);
}

sn_problem sn_training_problem_view(sn_training_problem *p) {
  return (sn_problem){.context = p, .loss = loss_of, .gradient = gradient_of, .normal = normal_of};
}
