/* sinode gradient: one loss and its gradient by the discrete adjoint; --check compares it with central differences. */
#include <math.h>
#include <string.h>

#include "commands.h"
#include "run/setup.h"
#include "run/stability_check.h"
#include "sinode/gradient_file.h"
#include "sinode/memory.h"
#include "sinode/objective.h"
#include "sinode/random.h"
#include "sinode/reduction.h"

typedef struct {
  sn_app *app;
  sn_grid *grid;
  sn_model *model;
  sn_integrator *integrator;
  sn_objective *objective;
  ptrdiff_t samples; /* in all */
  sn_range own;      /* of this replica */
  ptrdiff_t points;  /* local */
  double *values;    /* (own samples, window + 1, points): the data */
  double *gradient, *direction, *kept;
  double *states;      /* (own samples, window + 1, points): the trajectory */
  ptrdiff_t steps;     /* time steps of the window */
  double *norms;       /* (steps): of the adjoint */
  double *initial_bar; /* (own samples, points): the derivative by the initial states, kept for the comparison */
} evaluation;

/* Fills the objective's initial states and targets: (time, sample) from (sample, time). */
static void fill(const evaluation *e) {
  const ptrdiff_t window = e->app->config.train.window, n = e->points;
  for (ptrdiff_t s = 0; s < e->own.count; s++)
    for (ptrdiff_t k = 0; k <= window; k++) {
      double *to = k ? sn_objective_targets(e->objective) + ((k - 1) * e->own.count + s) * n
                     : sn_objective_initial(e->objective) + s * n;
      memcpy(to, e->values + (s * (window + 1) + k) * n, (size_t)n * sizeof *to);
    }
}

static double scale_of(const evaluation *e) {
  return 1 / ((double)e->samples * (double)e->app->config.train.window * (double)sn_grid_points(e->grid));
}

/* The loss at the present parameters and initial states. Collective over world. */
static sn_status evaluate_loss(evaluation *e, double *loss) {
  double sum = 0;
  SN_TRY(sn_collective_status(e->app->world, sn_objective_value(e->objective, e->own.count, &sum)));
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, e->app->world);
  *loss = scale_of(e) * sum;
  return SN_OK;
}

/* A random direction in the parameters, the same whatever the ranks: element number in the global array decides. */
static void draw_parameters(const evaluation *e, uint64_t which) {
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
static sn_status difference_parameters(evaluation *e, double h, double *slope) {
  const ptrdiff_t size = sn_parameters_size(sn_model_parameters(e->model));
  double *values = sn_parameters_values(sn_model_parameters(e->model)), loss[2];
  memcpy(e->kept, values, (size_t)size * sizeof *values);
  for (int side = 0; side < 2; side++) {
    for (ptrdiff_t k = 0; k < size; k++) values[k] = e->kept[k] + (side ? h : -h) * e->direction[k];
    SN_TRY(sn_model_loaded(e->model));
    fill(e);
    SN_TRY(evaluate_loss(e, &loss[side]));
  }
  memcpy(values, e->kept, (size_t)size * sizeof *values);
  *slope = (loss[1] - loss[0]) / (2 * h);
  return sn_model_loaded(e->model);
}

static double draw_state(const evaluation *e, uint64_t which, ptrdiff_t sample, ptrdiff_t j) {
  const sn_random random = {
      .seed = (uint64_t)e->app->config.run.seed, .purpose = SN_RANDOM_DIRECTION, .stream = which * 1000 + 999};
  const ptrdiff_t point = sn_grid_range(e->grid).start + j;
  return sn_random_normal(&random, (uint64_t)((e->own.start + sample) * sn_grid_points(e->grid) + point));
}

static sn_status difference_state(evaluation *e, uint64_t which, double h, double *slope) {
  double loss[2];
  for (int side = 0; side < 2; side++) {
    fill(e);
    double *initial = sn_objective_initial(e->objective);
    for (ptrdiff_t s = 0; s < e->own.count; s++)
      for (ptrdiff_t j = 0; j < e->points; j++)
        initial[s * e->points + j] += (side ? h : -h) * draw_state(e, which, s, j);
    SN_TRY(evaluate_loss(e, &loss[side]));
  }
  *slope = (loss[1] - loss[0]) / (2 * h);
  return SN_OK;
}

/* The adjoint's derivative along the same directions. */
static double along_state(const evaluation *e, uint64_t which, const double *initial_bar) {
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

static sn_status check(evaluation *e) {
  const double limit = 1e-5;
  const sn_parameters *parameters = sn_model_parameters(e->model);
  double worst = 0, slopes[WIDTHS];
  const size_t bytes = (size_t)(e->own.count * e->points) * sizeof *e->initial_bar;
  SN_TRY(SN_NEW(e->own.count * e->points, &e->initial_bar)); /* the objective's own is overwritten below */
  memcpy(e->initial_bar, sn_objective_initial_bar(e->objective), bytes);
  sn_log_line(e->app->log, "comparison with central differences in random directions:");
  for (int d = 0; d < DIRECTIONS && sn_parameters_total(parameters, true) > 0; d++) {
    draw_parameters(e, (uint64_t)d);
    for (int k = 0; k < WIDTHS; k++) SN_TRY(difference_parameters(e, widths[k], &slopes[k]));
    const double adjoint = sn_parameters_dot(parameters, e->gradient, e->direction);
    worst = fmax(worst, compare(e->app->log, "parameters", d + 1, adjoint, slopes));
  }
  for (int d = 0; d < DIRECTIONS; d++) {
    for (int k = 0; k < WIDTHS; k++) SN_TRY(difference_state(e, (uint64_t)d, widths[k], &slopes[k]));
    const double adjoint = along_state(e, (uint64_t)d, e->initial_bar);
    worst = fmax(worst, compare(e->app->log, "initial states", d + 1, adjoint, slopes));
  }
  if (!(worst < limit))
    return SN_ERROR_ALL(SN_ERROR_RUN,
                        "the gradient differs from central differences by %.1e relative, more than %.0e; with relu a "
                        "direction that crosses a kink does that (try another run.seed), anything else is a bug",
                        worst, limit);
  sn_log_line(e->app->log, "they agree: largest relative difference %.1e (limit %.0e)", worst, limit);
  return SN_OK;
}

static sn_status prepare(evaluation *e) {
  const sn_config *c = &e->app->config;
  const ptrdiff_t window = c->train.window;
  sn_trajectory_reader *reader;
  double interval;
  SN_TRY(sn_setup_lock_file(e->app, c->gradient.file, "gradient.file"));
  SN_TRY(sn_setup_check_output(e->app, c->gradient.file, "gradient.file"));
  SN_TRY(sn_setup_grid(e->app, &e->grid));
  SN_TRY(sn_setup_trajectory(e->app, c->gradient.data, &reader));
  const ptrdiff_t snapshots = sn_trajectory_snapshots(reader);
  e->samples = sn_trajectory_members(reader);
  e->own = sn_grid_share(e->grid, e->samples);
  e->points = sn_grid_range(e->grid).count;
  sn_status status = sn_trajectory_interval(reader, &interval);
  if (!status && snapshots < window + 1)
    status = SN_ERROR_ALL(SN_ERROR_USAGE, "%s has %td snapshots, but train.window is %td and needs %td",
                          c->gradient.data, snapshots, window, window + 1);
  if (!status)
    status = sn_setup_read(e->app, e->grid, c->gradient.data, reader, e->own, (sn_range){0, window + 1}, &e->values);
  sn_trajectory_close(&reader);
  SN_TRY(status);
  const ptrdiff_t room = e->own.count ? e->own.count : 1;
  SN_TRY(sn_setup_model_from_file(e->app, e->grid, c->gradient.model, room, &e->model));
  SN_TRY(sn_setup_integrator(e->app, e->model, interval, window, SN_PASSES_ADJOINT, &e->integrator));
  SN_TRY(sn_integrator_reserve(e->integrator, room));
  const ptrdiff_t values = e->own.count * (window + 1) * sn_grid_range(e->grid).count;
  SN_TRY(sn_stability_check(e->app, e->model, sn_stability_max_abs_u(e->app, values, e->values),
                            sn_integrator_steps(e->integrator, window)));
  SN_TRY(sn_objective_create(e->model, e->integrator, (sn_loss_kind)c->train.loss, window, &e->objective));
  const ptrdiff_t size = sn_parameters_size(sn_model_parameters(e->model));
  SN_TRY(SN_NEW(size, &e->gradient));
  SN_TRY(SN_NEW(size, &e->direction));
  SN_TRY(SN_NEW(size, &e->kept));
  e->steps = sn_integrator_steps(e->integrator, window);
  SN_TRY(SN_NEW(e->steps, &e->norms));
  return SN_NEW(e->own.count * (window + 1) * e->points, &e->states);
}

/* The states as (sample, time) for the file. */
static void keep_trajectory(evaluation *e) {
  const ptrdiff_t window = e->app->config.train.window, n = e->points;
  const double *states = sn_objective_states(e->objective);
  for (ptrdiff_t s = 0; s < e->own.count; s++)
    for (ptrdiff_t k = 0; k <= window; k++)
      memcpy(e->states + (s * (window + 1) + k) * n, states + (k * e->own.count + s) * n, (size_t)n * sizeof *states);
}

static void report_statistics(const evaluation *e) {
  char statistics[SN_STATISTICS_LENGTH];
  sn_integrator_statistics(e->integrator, statistics, sizeof statistics);
  sn_log_line(e->app->log, "solver: %s; factorizations: %ld", sn_integrator_solver_reason(e->integrator),
              sn_integrator_factorizations(e->integrator));
  if (*statistics) sn_log_line(e->app->log, "%s", statistics);
  sn_log_line(e->app->log, "adjoint storage: %s; %td forward steps for %td",
              sn_integrator_storage_reason(e->integrator), sn_integrator_forward_steps(e->integrator), e->steps);
}

static sn_status evaluate(evaluation *e) {
  const sn_config *c = &e->app->config;
  sn_parameters *parameters = sn_model_parameters(e->model);
  double sum = 0;
  fill(e);
  SN_TRY(sn_collective_status(e->app->world,
                              sn_objective_gradient(e->objective, e->own.count, scale_of(e), &sum, e->gradient)));
  sn_reduction *reduction;
  SN_TRY(sn_reduction_create(parameters, &reduction));
  sn_reduction_sum(reduction, e->gradient);
  sn_reduction_destroy(&reduction);
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, e->app->world);
  const double loss = scale_of(e) * sum, norm = sqrt(sn_parameters_dot(parameters, e->gradient, e->gradient));
  if (!isfinite(loss) || !isfinite(norm)) {
    SN_TRY(sn_objective_diagnose(e->objective, e->own.count, scale_of(e), e->gradient));
    return SN_ERROR_ALL(SN_ERROR_RUN, "loss %g and norm of the gradient %g are not finite", loss, norm);
  }
  sn_integrator_norms(e->integrator, e->norms);
  keep_trajectory(e);
  const sn_gradient_result result = {.loss = loss,
                                     .samples = e->samples,
                                     .own_samples = e->own,
                                     .snapshots = c->train.window + 1,
                                     .trajectory = e->states,
                                     .initial_state = sn_objective_initial_bar(e->objective),
                                     .steps = e->steps,
                                     .adjoint_norm = e->norms,
                                     .parameters = parameters,
                                     .gradient = e->gradient};
  const sn_provenance provenance = sn_setup_provenance(e->app, "loss and gradient");
  SN_TRY(sn_gradient_file_write(e->grid, c->gradient.file, &result, &provenance));
  sn_log_line(e->app->log, "loss %.15e, norm of the gradient %.15e", loss, norm);
  report_statistics(e);
  sn_log_line(e->app->log, "written: %s", c->gradient.file);
  SN_TRY(sn_integrator_check(e->integrator, e->own.count)); /* a finite adjoint may have exploded all the same */
  return e->app->check ? check(e) : SN_OK;
}

sn_status sn_command_gradient(sn_app *app) {
  evaluation e = {.app = app};
  sn_status status = prepare(&e);
  if (!status) status = evaluate(&e);
  status = sn_app_abort_unless_collective(app, status);
  sn_objective_destroy(&e.objective);
  sn_integrator_destroy(&e.integrator);
  sn_model_destroy(&e.model);
  double **arrays[] = {&e.values, &e.gradient, &e.direction, &e.kept, &e.states, &e.norms, &e.initial_bar};
  for (size_t k = 0; k < sizeof arrays / sizeof arrays[0]; k++) SN_FREE(*arrays[k]);
  sn_grid_destroy(&e.grid);
  return status;
}
