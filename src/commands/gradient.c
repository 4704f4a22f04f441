/* sinode gradient: one loss and its gradient by the discrete adjoint; --check compares it with central differences. */
#include <math.h>
#include <string.h>

#include "commands.h"
#include "gradient.h"
#include "run/data_setup.h"
#include "run/grid_setup.h"
#include "run/input.h"
#include "run/integrator_setup.h"
#include "run/model_setup.h"
#include "run/output.h"
#include "run/stability_check.h"
#include "sinode/gradient_file.h"
#include "sinode/memory.h"

static sn_status prepare(sn_gradient_evaluation *e) {
  const sn_config *c = &e->app->config;
  const ptrdiff_t window = c->train.window;
  sn_trajectory_reader *reader;
  double interval;
  SN_TRY(sn_output_lock_file(e->app, c->gradient.file, "gradient.file"));
  SN_TRY(sn_output_check(e->app, c->gradient.file, "gradient.file"));
  SN_TRY(sn_setup_grid(e->app, &e->grid));
  SN_TRY(sn_setup_trajectory(e->app, c->gradient.data, &reader));
  const ptrdiff_t snapshots = sn_trajectory_snapshots(reader);
  e->windows = (sn_windows){.set = SN_SET_TRAINING, .count = sn_trajectory_members(reader)};
  e->own = sn_grid_share(e->grid, e->windows.count);
  e->points = sn_grid_range(e->grid).count;
  sn_status status = sn_trajectory_interval(reader, &interval);
  if (!status && snapshots < window + 1)
    status = SN_ERROR_ALL(SN_ERROR_USAGE, "%s has %td snapshots, but train.window is %td and needs %td",
                          c->gradient.data, snapshots, window, window + 1);
  if (!status) status = sn_setup_read(e->app, e->grid, reader, e->own, (sn_range){0, window + 1}, &e->values);
  const ptrdiff_t room = e->own.count ? e->own.count : 1;
  if (!status) status = sn_setup_model_from_file(e->app, e->grid, c->gradient.model, room, &e->model);
  if (!status)
    status = sn_setup_parameters(e->app, c->gradient.data, reader, sn_linear_get_shape(sn_model_linear(e->model)),
                                 &e->parameters);
  sn_trajectory_close(&reader);
  SN_TRY(status);
  sn_input_warn_degenerate(e->app, c->gradient.data, e->own.count, window + 1, e->points, e->values);
  sn_input_report_idle(e->app, e->grid, e->windows.count, "members", "");
  SN_TRY(sn_setup_integrator(e->app, e->model, interval, window, SN_PASSES_ADJOINT, &e->integrator));
  SN_TRY(sn_integrator_reserve(e->integrator, room));
  const ptrdiff_t values = e->own.count * (window + 1) * sn_grid_range(e->grid).count;
  SN_TRY(sn_stability_check(e->app, e->model, sn_stability_max_abs_u(e->app, values, e->values),
                            sn_integrator_steps(e->integrator, window)));
  SN_TRY(sn_objective_create(e->model, e->integrator, c->loss, window, &e->objective));
  SN_TRY(sn_dataset_create(e->windows.count, window + 1, e->points, e->values, window, SN_SPLIT_TIME, 0, &e->dataset));
  sn_dataset_begin_at(e->dataset, e->own.start);
  sn_dataset_set_parameters(e->dataset, e->parameters);
  const sn_window_loss_options options = {.ordered = false};
  SN_TRY(sn_window_loss_create(e->model, e->objective, e->dataset, &options, &e->loss));
  const ptrdiff_t size = sn_parameters_size(sn_model_parameters(e->model));
  SN_TRY(SN_NEW(size, &e->gradient));
  SN_TRY(SN_NEW(size, &e->direction));
  SN_TRY(SN_NEW(size, &e->kept));
  e->steps = sn_integrator_steps(e->integrator, window);
  SN_TRY(SN_NEW(e->steps, &e->norms));
  SN_TRY(SN_NEW(e->own.count * e->points, &e->initial));
  return SN_NEW(e->own.count * (window + 1) * e->points, &e->states);
}

/* The states as (sample, time) for the file, and the initial ones by themselves. */
static void keep_trajectory(sn_gradient_evaluation *e) {
  const ptrdiff_t window = e->app->config.train.window, n = e->points;
  const double *states = sn_objective_states(e->objective);
  for (ptrdiff_t s = 0; s < e->own.count; s++)
    for (ptrdiff_t k = 0; k <= window; k++)
      memcpy(e->states + (s * (window + 1) + k) * n, states + (k * e->own.count + s) * n, (size_t)n * sizeof *states);
  memcpy(e->initial, states, (size_t)(e->own.count * n) * sizeof *states);
}

static void report_statistics(const sn_gradient_evaluation *e) {
  char statistics[SN_STATISTICS_LENGTH];
  sn_integrator_statistics(e->integrator, statistics, sizeof statistics);
  sn_log_line(e->app->log, "solver: %s; factorizations: %ld", sn_integrator_solver_reason(e->integrator),
              sn_integrator_factorizations(e->integrator));
  if (*statistics) sn_log_line(e->app->log, "%s", statistics);
  sn_log_line(e->app->log, "adjoint storage: %s; %td forward steps for %td",
              sn_integrator_storage_reason(e->integrator), sn_integrator_forward_steps(e->integrator), e->steps);
}

static sn_status evaluate(sn_gradient_evaluation *e) {
  const sn_config *c = &e->app->config;
  sn_parameters *parameters = sn_model_parameters(e->model);
  sn_window_result found;
  SN_TRY(sn_collective_status(e->app->world, sn_window_loss_gradient(e->loss, &e->windows, e->gradient, NULL, &found)));
  sn_reduction_gather(sn_window_loss_reduction(e->loss), e->gradient);
  const double loss = 1 / found.values * found.sum;
  const double norm = sqrt(sn_parameters_dot(parameters, e->gradient, e->gradient));
  if (!isfinite(loss) || !isfinite(norm)) {
    SN_TRY(sn_objective_diagnose(e->objective, e->own.count, 1 / found.values));
    return SN_ERROR_ALL(SN_ERROR_RUN, "loss %g and norm of the gradient %g are not finite", loss, norm);
  }
  sn_integrator_norms(e->integrator, e->norms);
  keep_trajectory(e);
  const sn_gradient_result result = {.loss = loss,
                                     .samples = e->windows.count,
                                     .own_samples = e->own,
                                     .snapshots = c->train.window + 1,
                                     .trajectory = e->states,
                                     .initial_state = sn_objective_initial_bar(e->objective),
                                     .steps = e->steps,
                                     .adjoint_norm = e->norms,
                                     .parameters = parameters,
                                     .gradient = e->gradient};
  const sn_provenance provenance = sn_output_provenance(e->app, "loss and gradient");
  SN_TRY(sn_gradient_file_write(e->grid, c->gradient.file, &result, &provenance));
  sn_log_line(e->app->log, "loss %.15e, norm of the gradient %.15e", loss, norm);
  report_statistics(e);
  sn_log_line(e->app->log, "written: %s", c->gradient.file);
  SN_TRY(sn_integrator_check(e->integrator, e->own.count)); /* a finite adjoint may have exploded all the same */
  return e->app->check ? sn_gradient_check(e) : SN_OK;
}

static sn_status run_gradient(sn_app *app) {
  sn_gradient_evaluation e = {.app = app};
  sn_status status = prepare(&e);
  if (!status) status = evaluate(&e);
  status = sn_app_abort_unless_collective(app, status);
  sn_window_loss_destroy(&e.loss);
  sn_dataset_destroy(&e.dataset);
  sn_objective_destroy(&e.objective);
  sn_integrator_destroy(&e.integrator);
  sn_model_destroy(&e.model);
  double **arrays[] = {&e.values, &e.parameters, &e.gradient, &e.direction, &e.kept, &e.states, &e.initial, &e.norms};
  for (size_t k = 0; k < sizeof arrays / sizeof arrays[0]; k++) SN_FREE(*arrays[k]);
  sn_grid_destroy(&e.grid);
  return status;
}

static const sn_option options[] = {{.name = "--check", .type = SN_OPTION_FLAG, .member = offsetof(sn_app, check)},
                                    {.name = NULL}};

const sn_command sn_command_gradient = {
    .name = "gradient",
    .operand = "CONFIG.yaml",
    .summary = "one loss and gradient evaluation",
    .help =
        "Reads gradient.model and gradient.data; writes gradient.file. Every member of the data is one sample: its "
        "first\n"
        "snapshot is the initial state, the next train.window snapshots are the targets.\n"
        "  --check   compares the gradient with central differences in random directions",
    .reads = SN_FOR_GRADIENT,
    .run = run_gradient,
    .options = options};
