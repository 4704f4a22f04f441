/*
 * sinode check: what a run of these parameters on this number of ranks would do and need. It builds the objects of the
 * run and asks them, so that what it says is what a run gets; nothing is computed and, but for --io, which removes what
 * it writes, no file is written.
 */
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "check_estimate.h"
#include "check_io.h"
#include "commands.h"
#include "prediction_range.h"
#include "run/data_setup.h"
#include "run/grid_setup.h"
#include "run/integrator_setup.h"
#include "run/memory_estimate.h"
#include "run/model_setup.h"
#include "run/stability_check.h"
#include "run/training_setup.h"
#include "sinode/dataset.h"
#include "sinode/ks_initial.h"
#include "sinode/memory.h"
#include "sinode/objective.h"
#include "sinode/optimizer.h"
#include "sinode/trainer.h"

static double mebibytes(double bytes) { return bytes / 1048576; }

static double most_over_ranks(const sn_app *app, double value) {
  MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_DOUBLE, MPI_MAX, app->world);
  return value;
}

static sn_layout layout_of(const sn_grid *grid) {
  return (sn_layout){sn_grid_points(grid), sn_grid_space_size(grid), sn_grid_replica_count(grid)};
}

/*
 * Says what a rank holds at its peak: what is held now, with the objective, the optimizer and the trainer, which are
 * made here and destroyed again; beside them the data.
 */
static sn_status report_memory(const sn_app *app, sn_model *model, sn_integrator *integrator, const sn_dataset *dataset,
                               double data, double libraries) {
  const sn_config *c = &app->config;
  sn_parameters *parameters = sn_model_parameters(model);
  const sn_trainer_options training = {
      .batch = c->train.batch, .window = c->train.window, .initial = c->train.initial, .slice = sn_setup_slice(app)};
  sn_objective *objective = NULL;
  sn_optimizer *optimizer = NULL;
  sn_trainer *trainer = NULL;
  sn_status status = sn_objective_create(model, integrator, c->loss, c->train.window, &objective);
  if (!status) status = sn_setup_optimizer(app, parameters, &optimizer);
  if (!status)
    status = sn_trainer_create(model, objective, dataset, optimizer, &training, c->train.schedule.start, &trainer);
  const double arrays = (double)sn_memory_bytes() + data;
  sn_trainer_destroy(&trainer);
  sn_optimizer_destroy(&optimizer);
  sn_objective_destroy(&objective);
  SN_TRY(sn_collective_status(app->world, status));
  sn_log_line(
      app->log,
      "memory: about %.0f MiB a rank at its peak: arrays %.1f (of which adjoint storage %.1f, factors %.1f), the rest "
      "MPI, HDF5 and the program itself",
      mebibytes(most_over_ranks(app, sn_memory_estimate_peak(parameters, arrays, libraries))),
      mebibytes(most_over_ranks(app, arrays)),
      mebibytes(most_over_ranks(app, (double)sn_integrator_storage_bytes(integrator))),
      mebibytes(most_over_ranks(app, (double)sn_integrator_factor_bytes(integrator))));
  return SN_OK;
}

static sn_status report_integration(const sn_app *app, sn_model *model, const sn_dataset *dataset, double interval,
                                    double data, double libraries) {
  const sn_config *c = &app->config;
  const sn_grid *grid = sn_model_grid(model);
  const ptrdiff_t samples = sn_model_samples(model);
  sn_integrator *integrator;
  const double share = -most_over_ranks(app, -(double)sn_memory_share(sn_grid_world(grid)));
  SN_TRY(sn_setup_integrator(app, model, interval, c->train.window, sn_setup_training_passes(app), &integrator));
  const ptrdiff_t states = c->train.initial == SN_INITIAL_ESTIMATED ? sn_grid_points(grid) : 0,
                  directions = sn_parameters_total(sn_model_parameters(model), true) + states;
  sn_status status =
      sn_collective_status(app->world, sn_setup_training_passes(app) & SN_PASSES_TANGENT
                                           ? sn_integrator_reserve_tangents(integrator, samples, directions)
                                           : sn_integrator_reserve(integrator, samples));
  if (!status)
    status = sn_stability_check(app, model, SN_KS_TYPICAL_MAX_ABS_U, sn_integrator_steps(integrator, c->train.window));
  const double window = (double)c->train.window * round(interval / c->integrator.dt);
  sn_log_line(app->log, "scheme: %s, dt %g, %.0f steps a window; steps on %s; solver %s", c->integrator.tableau->name,
              c->integrator.dt, window, sn_integrator_domain_reason(integrator),
              sn_integrator_solver_reason(integrator));
  sn_log_line(app->log, "adjoint storage: %s", sn_integrator_storage_reason(integrator));
  const sn_layout layout = layout_of(grid);
  if (!status)
    status = sn_estimate_report_steps(app, layout, sn_model_linear(model),
                                      sn_network_get_shape(sn_model_network(model)), share, samples);
  const double parameters = (double)sn_parameters_size(sn_model_parameters(model));
  sn_estimate_report_gradient(app, layout, most_over_ranks(app, parameters));
  if (!status) status = report_memory(app, model, integrator, dataset, data, libraries);
  sn_integrator_destroy(&integrator);
  return status;
}

/* The run on a dataset without values; parameters: of its members, or NULL. */
static sn_status report_training(const sn_app *app, const sn_grid *grid, const sn_dataset *dataset, double interval,
                                 double data, double libraries, ptrdiff_t members, const double *parameters) {
  sn_model *model;
  const ptrdiff_t share = sn_trainer_samples(grid, dataset, app->config.train.batch, sn_setup_slice(app));
  const ptrdiff_t samples = sn_setup_samples(app, grid, dataset, interval);
  sn_log_line(
      app->log, "train: %td training and %td validation windows, %td samples of a batch a replica, %td at a time",
      sn_dataset_windows(dataset, SN_SET_TRAINING), sn_dataset_windows(dataset, SN_SET_VALIDATION), share, samples);
  SN_TRY(sn_setup_model_to_train(app, grid, samples, &model));
  sn_status status =
      sn_collective_status(app->world, sn_linear_expect_parameters(sn_model_linear(model), members, parameters));
  if (!status && app->config.train.initial == SN_INITIAL_ESTIMATED)
    status = sn_model_add_states(model, sn_dataset_windows(dataset, SN_SET_TRAINING));
  if (!status) {
    sn_log_line(app->log, "model: %td parameters, %td of them trained",
                sn_parameters_total(sn_model_parameters(model), false),
                sn_parameters_total(sn_model_parameters(model), true));
    status = report_integration(app, model, dataset, interval, data, libraries);
  }
  sn_model_destroy(&model);
  return status;
}

static bool is_there(const sn_app *app, const char *path) {
  int there = app->rank == 0 && *path && access(path, F_OK) == 0;
  MPI_Bcast(&there, 1, MPI_INT, 0, app->world);
  return there;
}

/* Whether the data of predictions, where they are there already, suit these. */
static sn_status look_at_prediction(const sn_app *app) {
  const sn_config *c = &app->config;
  sn_trajectory_reader *reader;
  sn_prediction_range range;
  SN_TRY(sn_setup_trajectory(app, c->predict.data, &reader));
  sn_status status = sn_prediction_range_find(c, reader, &range);
  if (!status)
    sn_log_line(app->log, "predict: %td predictions of %td x %g", sn_trajectory_members(reader) * range.starts,
                range.intervals, range.interval);
  sn_trajectory_close(&reader);
  return status;
}

/* What is wrong with the data is no error: others may take their place before there is anything to predict. */
static sn_status report_prediction(const sn_app *app) {
  if (!is_there(app, app->config.predict.data)) return SN_OK;
  sn_status status = sn_app_abort_unless_collective(app, look_at_prediction(app));
  if (!status || sn_error_get_code(status) == SN_ERROR_RUN) return status;
  sn_log_warning(app->log, "with the data that are there now, predict would be refused: %s",
                 sn_error_get_message(status));
  sn_error_destroy(&status);
  return SN_OK;
}

/* Of the data that are there. */
static sn_status look_at_data(const sn_app *app, double *interval, ptrdiff_t *members, ptrdiff_t *snapshots,
                              double **parameters) {
  const sn_config *c = &app->config;
  const sn_linear_shape linear = sn_linear_shape_of(&c->model.linear, c->grid.length);
  sn_trajectory_reader *reader;
  SN_TRY(sn_setup_trajectory(app, c->data.file, &reader));
  *members = sn_trajectory_members(reader);
  sn_status status = sn_setup_times(c->data.file, reader, &c->data.observations, interval, snapshots);
  if (!status) status = sn_setup_parameters(app, c->data.file, reader, &linear, parameters);
  sn_trajectory_close(&reader);
  return status;
}

static sn_status check_training(const sn_app *app, const sn_grid *grid) {
  const sn_config *c = &app->config;
  /* What the process holds beside our arrays before any of them is large. */
  const double libraries = sn_memory_of_libraries();
  const sn_equation_values *values = &c->generate.equation.parameter.values;
  double interval = c->generate.interval, *parameters = NULL;
  ptrdiff_t members = c->generate.members, snapshots = llround(c->generate.span / c->generate.interval) + 1;
  if (is_there(app, c->data.file)) {
    SN_TRY(look_at_data(app, &interval, &members, &snapshots, &parameters));
  } else {
    sn_log_line(app->log, "data: %s is not there yet; taken as the generate section says",
                *c->data.file ? c->data.file : "train.data");
  }
  const double data = 8 * (double)members * (double)snapshots * (double)sn_grid_range(grid).count;
  sn_log_line(app->log, "data: %td member(s), %td snapshots every %g: %.1f MiB a rank", members, snapshots, interval,
              mebibytes(most_over_ranks(app, data)));
  sn_dataset *dataset = NULL;
  const bool there = parameters != NULL;
  sn_status status = sn_setup_dataset(app, grid, members, snapshots, NULL, &dataset);
  if (!status)
    status = report_training(app, grid, dataset, interval, data, libraries, there ? members : values->count,
                             there ? parameters : values->value);
  SN_FREE(parameters);
  sn_dataset_destroy(&dataset);
  return status;
}

static sn_status check_this_run(sn_app *app) {
  sn_grid *grid;
  SN_TRY(sn_setup_grid(app, &grid));
  sn_status status = sn_estimate_report_generation(app, layout_of(grid));
  if (!status) status = check_training(app, grid);
  if (!status) status = report_prediction(app);
  if (!status && app->io) status = sn_check_io(app, grid);
  status = sn_app_abort_unless_collective(app, status);
  if (!status) sn_log_line(app->log, "the parameters are valid");
  sn_grid_destroy(&grid);
  return status;
}

static sn_status run_check(sn_app *app) {
  app->dry = true;
  app->times = false;
  SN_TRY(app->estimated_ranks ? sn_estimate_report(app) : check_this_run(app));
  if (sn_log_speaks(app->log)) putchar('\n');
  return SN_OK;
}

static const sn_option options[] = {{.name = "--io", .type = SN_OPTION_FLAG, .member = offsetof(sn_app, io)},
                                    {.name = "--ranks",
                                     .type = SN_OPTION_RANKS,
                                     .member = offsetof(sn_app, estimated_ranks),
                                     .value = "a number of ranks",
                                     .advice = "mpirun -n starts ranks"},
                                    {.name = NULL}};

const sn_command sn_command_check = {
    .name = "check",
    .operand = "CONFIG.yaml",
    .summary = "dry run: process grid, memory, solver, messages; runs nothing",
    .help =
        "Validates the parameters and says what a run on this number of ranks would do and need.\n"
        "  --io        writes files of the run's shape where the run would, syncs, reads them back and compares; says "
        "how\n"
        "              fast\n"
        "  --ranks N   says it for a run on N ranks, by formula, in no time",
    .reads = SN_FOR_ALL,
    .run = run_check,
    .options = options};
