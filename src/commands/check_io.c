#include "check_io.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/model_setup.h"
#include "run/output.h"
#include "run/run_directory.h"
#include "sinode/checkpoint_file.h"
#include "sinode/checksum.h"
#include "sinode/memory.h"
#include "sinode/mpi_library.h"

/* What is written of a trajectory at most, in bytes. */
static const double most_bytes = 1073741824;

typedef struct {
  double bytes, writing, reading; /* seconds */
} passage;

static double mebibytes_a_second(double bytes, double seconds) { return bytes / 1048576 / fmax(seconds, 1e-9); }

static void report(const sn_app *app, const char *what, const passage *p) {
  sn_log_line(app->log,
              "io: %s: %.1f MiB written and synced in %.3f s (%.0f MiB/s), read back in %.3f s (%.0f MiB/s), every "
              "byte as it was written",
              what, p->bytes / 1048576, p->writing, mebibytes_a_second(p->bytes, p->writing), p->reading,
              mebibytes_a_second(p->bytes, p->reading));
}

/* The slowest rank's seconds since `started`. */
static double since(const sn_app *app, double started) {
  double seconds = sn_clock() - started;
  MPI_Allreduce(MPI_IN_PLACE, &seconds, 1, MPI_DOUBLE, MPI_MAX, app->world);
  return seconds;
}

/* Something between 0 and 1 that no other element has. */
static double number_at(ptrdiff_t array, ptrdiff_t index) {
  return (double)(sn_checksum_share(0, (uint64_t)array, (uint64_t)index) >> 11) * 0x1.0p-53;
}

static void fill(const sn_grid *grid, sn_range members, ptrdiff_t snapshot, double *u) {
  const sn_range points = sn_grid_range(grid);
  for (ptrdiff_t m = 0; m < members.count; m++)
    for (ptrdiff_t j = 0; j < points.count; j++)
      *u++ = number_at(snapshot, (members.start + m) * sn_grid_points(grid) + points.start + j);
}

static sn_status write_trajectory(const sn_grid *grid, const char *path, const sn_trajectory_spec *spec,
                                  const sn_provenance *provenance, double *u) {
  sn_trajectory_writer *writer;
  const double *fields[] = {u};
  SN_TRY(sn_trajectory_create(grid, path, spec, provenance, &writer));
  sn_status status = SN_OK;
  for (ptrdiff_t k = 0; k < spec->snapshots && !status; k++) {
    fill(grid, spec->own_members, k, u);
    status = sn_trajectory_append(writer, (double)k, fields, NULL);
  }
  if (!status) return sn_trajectory_finish(&writer, NULL);
  sn_trajectory_abandon(&writer);
  return status;
}

/* Some snapshots at a time. What is compared is the checksum of what was computed with that of what comes back. */
static sn_status read_trajectory(const sn_grid *grid, const char *path, const sn_trajectory_spec *spec) {
  const ptrdiff_t frame = spec->own_members.count * sn_grid_range(grid).count, at_once = 16;
  sn_trajectory_reader *reader;
  double *u;
  SN_TRY(sn_trajectory_open(sn_grid_world(grid), path, &reader));
  sn_status status = sn_collective_status(sn_grid_world(grid), SN_NEW(at_once * frame, &u));
  for (ptrdiff_t k = 0; k < spec->snapshots && !status; k += at_once) {
    const ptrdiff_t left = spec->snapshots - k;
    const sn_range snapshots = {k, left < at_once ? left : at_once};
    status = sn_trajectory_read(reader, spec->own_members, snapshots, sn_grid_range(grid), u);
    if (!status) status = sn_trajectory_verify(reader, spec->own_members, snapshots, sn_grid_range(grid), u);
  }
  SN_FREE(u);
  sn_trajectory_close(&reader);
  return status;
}

static sn_status pass_trajectory(sn_app *app, const sn_grid *grid, const char *path, passage *p) {
  static const sn_trajectory_variable field = {"u", "test of the file system"};
  const sn_config *c = &app->config;
  const double frame = 8 * (double)c->generate.members * (double)c->grid.points;
  const double all = round(c->generate.span / c->generate.interval) + 1, fit = fmax(1, floor(most_bytes / frame));
  const sn_trajectory_spec spec = {.members = c->generate.members,
                                   .own_members = sn_grid_share(grid, c->generate.members),
                                   .length = c->grid.length,
                                   .snapshots = (ptrdiff_t)fmin(all, fit),
                                   .passing = true,
                                   .fields = 1,
                                   .field = &field};
  const sn_provenance provenance = sn_output_provenance(app, "test of the file system");
  double *u;
  SN_TRY(sn_collective_status(app->world, SN_NEW(spec.own_members.count * sn_grid_range(grid).count, &u)));
  double started = sn_clock();
  sn_status status = write_trajectory(grid, path, &spec, &provenance, u);
  SN_FREE(u);
  if (status) return status;
  p->bytes = frame * (double)spec.snapshots;
  p->writing = since(app, started);
  started = sn_clock();
  SN_TRY(read_trajectory(grid, path, &spec));
  p->reading = since(app, started);
  return SN_OK;
}

/* The parameters and two vectors of their layout, as adamw keeps them; writing reads them back by itself. */
static sn_status pass_checkpoint(sn_app *app, const sn_grid *grid, const char *path, passage *p) {
  sn_model *model;
  SN_TRY(sn_setup_model(app, grid, 1, &model));
  sn_parameters *parameters = sn_model_parameters(model);
  const sn_model_description description = sn_setup_describe(app, model);
  const sn_provenance provenance = sn_output_provenance(app, "test of the file system");
  double *values = sn_parameters_values(parameters);
  const sn_checkpoint_vector vectors[] = {{"exp_avg", values}, {"exp_avg_sq", values}};
  const sn_checkpoint whole = {.parameters = parameters, .values = values, .vectors = 2, .vector = vectors};
  double started = sn_clock();
  sn_status status = sn_checkpoint_file_write(grid, path, &description, &whole, &provenance);
  p->bytes = 3 * 8 * (double)sn_parameters_total(parameters, false);
  p->writing = since(app, started);
  started = sn_clock();
  if (!status) status = sn_checkpoint_file_read(grid, path, &whole);
  p->reading = since(app, started);
  sn_model_destroy(&model);
  return status;
}

static void report_component(const sn_app *app) {
  char library[MPI_MAX_LIBRARY_VERSION_STRING], component[200];
  sn_mpi_library_name(library, sizeof library);
  const char *warning = sn_mpi_library_io(component, sizeof component);
  sn_log_line(app->log, "io: MPI-IO of %s%s%s", library, *component ? ": " : "", component);
  if (warning) sn_log_warning(app->log, "%s", warning);
}

sn_status sn_check_io(sn_app *app, const sn_grid *grid) {
  char trajectory[SN_SERIES_PATH], checkpoint[SN_RUN_PATH];
  passage p = {0};
  snprintf(trajectory, sizeof trajectory, "%.1000s.io-check", app->config.generate.file);
  sn_run_path(app, "io-check.h5", checkpoint);
  sn_status status = pass_trajectory(app, grid, trajectory, &p);
  if (!status) report(app, trajectory, &p);
  if (!status) status = pass_checkpoint(app, grid, checkpoint, &p);
  if (!status) report(app, checkpoint, &p);
  if (!status) report_component(app);
  if (app->rank == 0) {
    unlink(trajectory);
    unlink(checkpoint);
  }
  return status;
}
