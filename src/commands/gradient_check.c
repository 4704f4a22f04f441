/* sinode gradient --check: the gradient by the adjoint against central differences. */
#include <math.h>
#include <string.h>

#include "gradient.h"
#include "sinode/random.h"

static double *initial_state(const sn_gradient_evaluation *e, ptrdiff_t sample) {
  return e->values + sample * (e->app->config.train.window + 1) * e->points;
}

/* The loss at the present parameters and initial states. Collective over world. */
static sn_status evaluate_loss(sn_gradient_evaluation *e, double *loss) {
  sn_window_result found;
  SN_TRY(sn_window_loss_value(e->loss, &e->windows, &found));
  *loss = 1 / found.values * found.sum;
  return SN_OK;
}

/* A random direction in the parameters, the same whatever the ranks: element number in the global array decides. */
static void draw_parameters(const sn_gradient_evaluation *e, uint64_t which) {
  const sn_parameters *parameters = sn_model_parameters(e->model);
  memset(e->direction, 0, (size_t)sn_parameters_size(parameters) * sizeof *e->direction);
  for (int i = 0; i < sn_parameters_blocks(parameters); i++) {
    const sn_parameter_block *block = sn_parameters_block(parameters, i);
    if (!block->trainable) continue;
    const sn_random random = {.seed = (uint64_t)e->app->config.run.seed,
                              .purpose = SN_RANDOM_DIRECTION,
                              .stream = which * 1000 + (uint64_t)i};
    ptrdiff_t shape[3] = {1, 1, 1}, start[3] = {0}, count[3] = {1, 1, 1};
    for (int d = 0; d < block->dimensions; d++) {
      shape[d] = block->shape[d];
      start[d] = block->start[d];
      count[d] = block->count[d];
    }
    double *to = e->direction + block->offset;
    for (ptrdiff_t a = 0; a < count[0]; a++)
      for (ptrdiff_t b = 0; b < count[1]; b++)
        for (ptrdiff_t c = 0; c < count[2]; c++)
          *to++ = sn_random_normal(&random,
                                   (uint64_t)(((start[0] + a) * shape[1] + start[1] + b) * shape[2] + start[2] + c));
  }
}

/* Derivative of the loss along e->direction by central differences of width h. */
static sn_status difference_parameters(sn_gradient_evaluation *e, double h, double *slope) {
  const ptrdiff_t size = sn_parameters_size(sn_model_parameters(e->model));
  double *values = sn_parameters_values(sn_model_parameters(e->model)), loss[2];
  memcpy(e->kept, values, (size_t)size * sizeof *values);
  for (int side = 0; side < 2; side++) {
    for (ptrdiff_t k = 0; k < size; k++) values[k] = e->kept[k] + (side ? h : -h) * e->direction[k];
    SN_TRY(sn_model_loaded(e->model));
    SN_TRY(evaluate_loss(e, &loss[side]));
  }
  memcpy(values, e->kept, (size_t)size * sizeof *values);
  *slope = (loss[1] - loss[0]) / (2 * h);
  return sn_model_loaded(e->model);
}

static double draw_state(const sn_gradient_evaluation *e, uint64_t which, ptrdiff_t sample, ptrdiff_t j) {
  const sn_random random = {
      .seed = (uint64_t)e->app->config.run.seed, .purpose = SN_RANDOM_DIRECTION, .stream = which * 1000 + 999};
  const ptrdiff_t point = sn_grid_range(e->grid).start + j;
  return sn_random_normal(&random, (uint64_t)((e->own.start + sample) * sn_grid_points(e->grid) + point));
}

/* kept (own windows, points): the initial states as they are and will be again. */
static sn_status difference_state(sn_gradient_evaluation *e, uint64_t which, double h, const double *kept,
                                  double *slope) {
  double loss[2];
  for (int side = 0; side < 2; side++) {
    for (ptrdiff_t s = 0; s < e->own.count; s++)
      for (ptrdiff_t j = 0; j < e->points; j++)
        initial_state(e, s)[j] = kept[s * e->points + j] + (side ? h : -h) * draw_state(e, which, s, j);
    SN_TRY(evaluate_loss(e, &loss[side]));
  }
  for (ptrdiff_t s = 0; s < e->own.count; s++)
    memcpy(initial_state(e, s), kept + s * e->points, (size_t)e->points * sizeof *kept);
  *slope = (loss[1] - loss[0]) / (2 * h);
  return SN_OK;
}

/* The adjoint's derivative along the same directions. */
static double along_state(const sn_gradient_evaluation *e, uint64_t which, const double *initial_bar) {
  double sum = 0;
  for (ptrdiff_t s = 0; s < e->own.count; s++)
    for (ptrdiff_t j = 0; j < e->points; j++) sum += initial_bar[s * e->points + j] * draw_state(e, which, s, j);
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, e->app->world);
  return sum;
}

enum { DIRECTIONS = 3, WIDTHS = 4 };
static const double widths[WIDTHS] = {1e-3, 1e-4, 1e-5, 1e-6};

/* One line of the comparison: the adjoint's slope, the differences' that comes closest, and their relative distance. */
static double compare(sn_log *log, const char *what, int number, double adjoint, const double *slopes) {
  int best = 0;
  for (int k = 1; k < WIDTHS; k++)
    if (fabs(slopes[k] - adjoint) < fabs(slopes[best] - adjoint)) best = k;
  const double size = fmax(fabs(adjoint), fabs(slopes[best]));
  const double error = size > 0 ? fabs(slopes[best] - adjoint) / size : 0;
  sn_log_line(log, "  %-14s %d  adjoint %+.12e  differences %+.12e (h %.0e)  relative %.1e", what, number, adjoint,
              slopes[best], widths[best], error);
  return error;
}

sn_status sn_gradient_check(sn_gradient_evaluation *e) {
  const double limit = 1e-5;
  const sn_parameters *parameters = sn_model_parameters(e->model);
  double worst = 0, slopes[WIDTHS];
  const double *initial_bar = sn_objective_initial_bar(e->objective); /* losses leave it alone */
  sn_log_line(e->app->log, "comparison with central differences in random directions:");
  for (int d = 0; d < DIRECTIONS && sn_parameters_total(parameters, true) > 0; d++) {
    draw_parameters(e, (uint64_t)d);
    for (int k = 0; k < WIDTHS; k++) SN_TRY(difference_parameters(e, widths[k], &slopes[k]));
    const double adjoint = sn_parameters_dot(parameters, e->gradient, e->direction);
    worst = fmax(worst, compare(e->app->log, "parameters", d + 1, adjoint, slopes));
  }
  for (int d = 0; d < DIRECTIONS; d++) {
    for (int k = 0; k < WIDTHS; k++) SN_TRY(difference_state(e, (uint64_t)d, widths[k], e->initial, &slopes[k]));
    worst =
        fmax(worst, compare(e->app->log, "initial states", d + 1, along_state(e, (uint64_t)d, initial_bar), slopes));
  }
  if (!(worst < limit))
    return SN_ERROR_ALL(SN_ERROR_RUN,
                        "the gradient differs from central differences by %.1e relative, more than %.0e; with relu a "
                        "direction that crosses a kink does that (try another run.seed), anything else is a bug",
                        worst, limit);
  sn_log_line(e->app->log, "they agree: largest relative difference %.1e (limit %.0e)", worst, limit);
  return SN_OK;
}
