#include "sinode/ordered_loss.h"

#include <string.h>

#include "sinode/memory.h"
#include "sinode/ordered_reduction.h"

struct sn_ordered_loss {
  const sn_grid *grid;
  sn_model *model;
  sn_objective *objective;
  const sn_dataset *dataset;
  ptrdiff_t slice, size;                    /* size: of the parameters */
  sn_ordered_reduction *gradients, *losses; /* a gradient with its loss behind it; a loss alone */
  sn_set set;
  ptrdiff_t windows;
  const ptrdiff_t *index;
  ptrdiff_t doubtful; /* the first slice of this rank that was not within_bounds, or the number of slices */
};

static ptrdiff_t slices_of(const sn_ordered_loss *s, ptrdiff_t windows) { return (windows + s->slice - 1) / s->slice; }

static ptrdiff_t most_windows(const sn_dataset *dataset) {
  const ptrdiff_t training = sn_dataset_windows(dataset, SN_SET_TRAINING);
  const ptrdiff_t validation = sn_dataset_windows(dataset, SN_SET_VALIDATION);
  return training > validation ? training : validation;
}

sn_status sn_ordered_loss_create(sn_model *model, sn_objective *objective, const sn_dataset *dataset,
                                 ptrdiff_t windows_most, sn_ordered_loss **out) {
  const sn_grid *grid = sn_model_grid(model);
  SN_TRY(sn_collective_status(sn_grid_world(grid), SN_NEW(1, out)));
  sn_ordered_loss *s = *out;
  *s = (sn_ordered_loss){.grid = grid,
                         .model = model,
                         .objective = objective,
                         .dataset = dataset,
                         .slice = sn_model_samples(model),
                         .size = sn_parameters_size(sn_model_parameters(model))};
  sn_status status = sn_ordered_reduction_create(grid, s->size + 1, slices_of(s, windows_most), &s->gradients);
  if (!status) status = sn_ordered_reduction_create(grid, 1, slices_of(s, most_windows(dataset)), &s->losses);
  status = sn_collective_status(sn_grid_world(grid), status);
  if (status) sn_ordered_loss_destroy(out);
  return status;
}

void sn_ordered_loss_destroy(sn_ordered_loss **ordered) {
  if (!*ordered) return;
  sn_ordered_reduction_destroy(&(*ordered)->gradients);
  sn_ordered_reduction_destroy(&(*ordered)->losses);
  SN_FREE(*ordered);
}

/* Puts a slice into the objective; its number of samples. */
static ptrdiff_t gather(sn_ordered_loss *s, ptrdiff_t slice) {
  const ptrdiff_t first = slice * s->slice, left = s->windows - first, samples = left < s->slice ? left : s->slice;
  sn_dataset_gather(s->dataset, s->set, samples, s->index ? s->index + first : NULL, first,
                    sn_objective_initial(s->objective), sn_objective_targets(s->objective));
  return samples;
}

ptrdiff_t sn_ordered_loss_recall(sn_ordered_loss *s) {
  ptrdiff_t slice = s->doubtful;
  MPI_Allreduce(MPI_IN_PLACE, &slice, 1, MPI_AINT, MPI_MIN, sn_grid_space(s->grid));
  return slice < slices_of(s, s->windows) ? gather(s, slice) : 0;
}

/* One slice into its leaf: the gradient, if wanted, and the loss behind it. */
static sn_status evaluate_slice(sn_ordered_loss *s, ptrdiff_t slice, double scale, bool with_gradient, double *leaf) {
  const ptrdiff_t samples = gather(s, slice);
  if (!with_gradient) return sn_objective_value(s->objective, samples, leaf);
  return sn_objective_gradient(s->objective, samples, scale, leaf + s->size, leaf);
}

/* Sums over space what every space rank has a share of; the others have nothing to add to a block that each holds. */
static void sum_over_space(const sn_ordered_loss *s, bool with_gradient, double *values) {
  const sn_parameters *parameters = sn_model_parameters(s->model);
  const MPI_Comm space = sn_grid_space(s->grid);
  double *loss = with_gradient ? values + s->size : values;
  if (sn_grid_space_size(s->grid) == 1) return;
  MPI_Allreduce(MPI_IN_PLACE, loss, 1, MPI_DOUBLE, MPI_SUM, space);
  for (int i = 0; i < sn_parameters_blocks(parameters) && with_gradient; i++) {
    const sn_parameter_block *block = sn_parameters_block(parameters, i);
    const ptrdiff_t size = sn_parameter_block_size(block);
    if (block->split || !block->trainable) continue;
    if (!block->partial && sn_grid_space_rank(s->grid))
      memset(values + block->offset, 0, (size_t)size * sizeof *values);
    MPI_Allreduce(MPI_IN_PLACE, values + block->offset, (int)size, MPI_DOUBLE, MPI_SUM, space);
  }
}

sn_status sn_ordered_loss_evaluate(sn_ordered_loss *s, sn_set set, ptrdiff_t windows, const ptrdiff_t *index,
                                   double scale, double *loss, double *gradient, bool *within_bounds) {
  sn_ordered_reduction *sum = gradient ? s->gradients : s->losses;
  const sn_range own = sn_ordered_reduction_begin(sum, slices_of(s, windows));
  sn_status status = SN_OK;
  s->set = set;
  s->windows = windows;
  s->index = index;
  s->doubtful = slices_of(s, windows);
  for (ptrdiff_t k = own.start; k < own.start + own.count; k++) {
    double *leaf = sn_ordered_reduction_leaf(sum);
    if (!status) status = evaluate_slice(s, k, scale, gradient != NULL, leaf);
    const bool fine = !status && sn_objective_within_bounds(s->objective);
    if (!fine && k < s->doubtful) s->doubtful = k;
    sn_ordered_reduction_add(sum); /* all the same, since other ranks count on it */
  }
  *within_bounds = s->doubtful == slices_of(s, windows);
  sn_timer_start(sn_grid_timer(s->grid), SN_TIME_REDUCE);
  double *total = sn_ordered_reduction_finish(sum);
  if (total) sum_over_space(s, gradient != NULL, total);
  const double *shared = sn_ordered_reduction_share(sum);
  if (gradient) memcpy(gradient, shared, (size_t)s->size * sizeof *gradient);
  *loss = gradient ? shared[s->size] : shared[0];
  sn_timer_stop(sn_grid_timer(s->grid), SN_TIME_REDUCE);
  return status;
}
