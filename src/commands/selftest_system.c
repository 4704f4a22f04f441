/* Checks of what is around the numerics: files in the present folder, signals. */
#include <math.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "run/stop_signal.h"
#include "selftest.h"
#include "sinode/memory.h"
#include "sinode/model.h"
#include "sinode/model_file.h"
#include "sinode/trajectory_file.h"

static const char *const trajectory = "sinode-selftest-trajectory.h5", *const model_name = "sinode-selftest-model.h5";
static const sn_provenance provenance = {.title = "selftest", .config = "", .command_line = "sinode selftest"};

static void remove_file(const sn_grid *grid, const char *path) {
  MPI_Barrier(sn_grid_world(grid));
  if (sn_grid_rank(grid) == 0) unlink(path);
}

static double value_at(ptrdiff_t snapshot, ptrdiff_t point) { return sin((double)(snapshot * 1000 + point)); }

static sn_status write_trajectory(const sn_grid *grid, double *u) {
  static const sn_trajectory_variable field = {"u", "numbers"};
  const sn_range own = sn_grid_share(grid, 1), range = sn_grid_range(grid);
  const sn_trajectory_spec spec = {
      .members = 1, .own_members = own, .length = 1, .snapshots = 3, .passing = true, .fields = 1, .field = &field};
  const double *fields[] = {u};
  sn_trajectory_writer *writer;
  SN_TRY(sn_trajectory_create(grid, trajectory, &spec, &provenance, &writer));
  sn_status status = SN_OK;
  for (ptrdiff_t k = 0; k < 3 && !status; k++) {
    for (ptrdiff_t j = 0; j < range.count; j++) u[j] = value_at(k, range.start + j);
    status = sn_trajectory_append(writer, (double)k, fields, NULL);
  }
  if (!status) status = sn_trajectory_finish(&writer, NULL);
  sn_trajectory_abandon(&writer);
  return status;
}

/* Read back in another distribution of the points: all on every rank. */
static sn_status read_trajectory(const sn_grid *grid, double *u, double *error) {
  sn_trajectory_reader *reader;
  SN_TRY(sn_trajectory_open(sn_grid_world(grid), trajectory, &reader));
  *error = sn_trajectory_snapshots(reader) == 3 && sn_trajectory_points(reader) == SN_SELFTEST_POINTS ? 0 : INFINITY;
  sn_status status = SN_OK;
  for (ptrdiff_t k = 0; k < 3 && !status && *error == 0; k++) {
    status = sn_trajectory_read(reader, (sn_range){0, 1}, (sn_range){k, 1}, (sn_range){0, SN_SELFTEST_POINTS}, u);
    for (ptrdiff_t j = 0; j < SN_SELFTEST_POINTS; j++) *error = fmax(*error, fabs(u[j] - value_at(k, j)));
  }
  sn_trajectory_close(&reader);
  *error = sn_selftest_worst(grid, *error);
  return status;
}

static sn_status check_trajectory_file(const sn_grid *grid, double *error) {
  double *u;
  SN_TRY(sn_collective_status(sn_grid_world(grid), SN_NEW(SN_SELFTEST_POINTS, &u)));
  sn_status status = write_trajectory(grid, u);
  if (!status) status = read_trajectory(grid, u, error);
  remove_file(grid, trajectory);
  SN_FREE(u);
  return status;
}

static sn_status round_trip(const sn_grid *grid, sn_model *model, double *kept, double *error) {
  sn_parameters *parameters = sn_model_parameters(model);
  const size_t bytes = (size_t)sn_parameters_size(parameters) * sizeof(double);
  const sn_init init = {.kind = SN_INIT_XAVIER};
  const sn_model_description description = {.grid_points = SN_SELFTEST_POINTS,
                                            .domain_length = 1,
                                            .activation = "relu",
                                            .nonlinear_kind = "mlp",
                                            .linear_kind = "stencil"};
  double *values = sn_parameters_values(parameters);
  SN_TRY(sn_network_initialize(sn_model_network(model), &init, 1));
  memcpy(kept, values, bytes);
  SN_TRY(sn_model_file_write(grid, model_name, &description, parameters, values, &provenance));
  memset(values, 0, bytes);
  SN_TRY(sn_model_file_read(grid, model_name, parameters, values));
  *error = sn_selftest_worst(grid, memcmp(kept, values, bytes) == 0 ? 0 : INFINITY);
  return SN_OK;
}

static sn_status check_model_file(const sn_grid *grid, double *error) {
  const sn_linear_shape linear = {.kind = SN_LINEAR_STENCIL, .taps = 5, .length = 1};
  const sn_network_shape network = {.kind = SN_NETWORK_MLP, .hidden = 1, .width = {33}};
  sn_model *model;
  double *kept = NULL;
  SN_TRY(sn_model_create(grid, &linear, &network, 1, &model));
  sn_status status =
      sn_collective_status(sn_grid_world(grid), SN_NEW(sn_parameters_size(sn_model_parameters(model)), &kept));
  if (!status) status = round_trip(grid, model, kept, error);
  remove_file(grid, model_name);
  SN_FREE(kept);
  sn_model_destroy(&model);
  return status;
}

/* One rank is signalled and all know. The last check, since the next signal would end the program. */
static sn_status check_signal(const sn_grid *grid, double *error) {
  sn_stop_signal_install();
  if (sn_grid_rank(grid) == 0) raise(SIGUSR1);
  int received = sn_stop_signal();
  MPI_Allreduce(MPI_IN_PLACE, &received, 1, MPI_INT, MPI_MAX, sn_grid_world(grid));
  *error = received == SIGUSR1 ? 0 : INFINITY;
  return SN_OK;
}

const sn_selftest_check *sn_selftest_system(void) {
  static const sn_selftest_check checks[] = {{"trajectory file written and read back", 0, check_trajectory_file},
                                             {"model file written and read back", 0, check_model_file},
                                             {"SIGUSR1 stops a run", 0, check_signal},
                                             {0}};
  return checks;
}
