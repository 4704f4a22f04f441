/* Writing a trajectory and a checkpoint beside a plain contiguous write of the same bytes, synced as they are. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "benchmark.h"
#include "run/model_setup.h"
#include "run/output.h"
#include "run/run_directory.h"
#include "sinode/checkpoint_file.h"
#include "sinode/memory.h"
#include "sinode/optimizer.h"
#include "sinode/trajectory_file.h"

enum { SNAPSHOTS_MOST = 1000, TRAJECTORY_BYTES = 1 << 25 };

typedef struct {
  sn_benchmark *b;
  char path[SN_RUN_PATH];
  sn_model *model;
  sn_optimizer *optimizer;
  ptrdiff_t snapshots;
  ptrdiff_t bytes; /* of this rank, for the baseline */
  double *values;  /* so many */
} writing;

static sn_status write_trajectory(void *context) {
  const writing *w = context;
  const sn_app *app = w->b->app;
  static const sn_trajectory_variable u = {"u", "velocity"};
  const sn_trajectory_spec spec = {.members = sn_grid_replica_count(w->b->grid),
                                   .own_members = {sn_grid_replica(w->b->grid), 1},
                                   .length = app->config.grid.length,
                                   .snapshots = w->snapshots,
                                   .passing = true,
                                   .fields = 1,
                                   .field = &u};
  const sn_provenance provenance = sn_output_provenance(app, "benchmark");
  sn_trajectory_writer *writer;
  SN_TRY(sn_trajectory_create(w->b->grid, w->path, &spec, &provenance, &writer));
  const double *fields[] = {w->values};
  sn_status status = SN_OK;
  for (ptrdiff_t k = 0; k < w->snapshots && !status; k++)
    status = sn_trajectory_append(writer, (double)k, fields, NULL);
  if (!status) status = sn_trajectory_finish(&writer, NULL);
  sn_trajectory_abandon(&writer);
  return status;
}

static sn_status write_checkpoint(void *context) {
  const writing *w = context;
  const sn_model_description description = sn_setup_describe(w->b->app, w->model);
  const sn_provenance provenance = sn_output_provenance(w->b->app, "benchmark");
  sn_parameters *parameters = sn_model_parameters(w->model);
  sn_checkpoint_vector vectors[2];
  for (int v = 0; v < 2; v++)
    vectors[v] =
        (sn_checkpoint_vector){sn_optimizer_vector_name(w->optimizer, v), sn_optimizer_vector(w->optimizer, v)};
  const sn_checkpoint all = {
      .parameters = parameters, .values = sn_parameters_values(parameters), .vectors = 2, .vector = vectors};
  return sn_checkpoint_file_write(w->b->grid, w->path, &description, &all, &provenance);
}

/* A file of this rank alone. */
static sn_status write_plainly(const writing *w) {
  char path[SN_RUN_PATH + 16];
  snprintf(path, sizeof path, "%s.%d", w->path, w->b->app->rank);
  const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  bool failed = file < 0;
  for (ptrdiff_t done = 0; !failed && done < w->bytes;) {
    const ssize_t wrote = write(file, (const char *)w->values + done, (size_t)(w->bytes - done));
    failed = wrote < 0;
    done += wrote;
  }
  failed = failed || fsync(file) != 0;
  const int reason = errno;
  if (file >= 0) close(file);
  unlink(path);
  return failed ? SN_ERROR(SN_ERROR_FILE, "%s: cannot be written: %s", path, strerror(reason)) : SN_OK;
}

static sn_status plain_write(void *context) {
  const writing *w = context;
  return sn_collective_status(w->b->app->world, write_plainly(w));
}

static sn_status measure_trajectory(writing *w) {
  const sn_benchmark *b = w->b;
  const ptrdiff_t points = sn_grid_range(b->grid).count, row = (ptrdiff_t)sizeof(double) * sn_grid_points(b->grid);
  w->snapshots = TRAJECTORY_BYTES / row < 2 ? 2 : TRAJECTORY_BYTES / row;
  if (w->snapshots > SNAPSHOTS_MOST) w->snapshots = SNAPSHOTS_MOST;
  w->bytes = w->snapshots * points * (ptrdiff_t)sizeof(double);
  SN_TRY(sn_collective_status(b->app->world, SN_NEW(w->snapshots * points, &w->values)));
  const sn_benchmark_case one = {.name = "write_trajectory",
                                 .baseline_name = "plain writes of its bytes",
                                 .batch = w->snapshots,
                                 .work = write_trajectory,
                                 .baseline = plain_write,
                                 .context = w};
  SN_TRY(sn_benchmark_measure(w->b, &one));
  SN_FREE(w->values);
  return SN_OK;
}

static sn_status measure_checkpoint(writing *w) {
  const sn_benchmark *b = w->b;
  const sn_optimizer_options options = {.kind = SN_OPTIMIZER_ADAMW, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
  SN_TRY(sn_setup_model(b->app, b->grid, 1, &w->model));
  SN_TRY(
      sn_collective_status(b->app->world, sn_optimizer_create(sn_model_parameters(w->model), &options, &w->optimizer)));
  /* One replica writes: each rank of it its parameters and two moments. */
  const ptrdiff_t count = 3 * sn_parameters_size(sn_model_parameters(w->model));
  w->bytes = sn_grid_replica(b->grid) == 0 ? count * (ptrdiff_t)sizeof(double) : 0;
  SN_TRY(sn_collective_status(b->app->world, SN_NEW(count, &w->values)));
  const sn_benchmark_case one = {.name = "write_checkpoint",
                                 .baseline_name = "a plain write of its bytes",
                                 .work = write_checkpoint,
                                 .baseline = plain_write,
                                 .context = w};
  return sn_benchmark_measure(w->b, &one);
}

sn_status sn_benchmark_files(sn_benchmark *b) {
  writing w = {.b = b};
  sn_run_path(b->app, "benchmark.tmp.h5", w.path);
  sn_status status = SN_OK;
  if (sn_benchmark_wants(b, "write_trajectory")) status = measure_trajectory(&w);
  if (!status && sn_benchmark_wants(b, "write_checkpoint")) status = measure_checkpoint(&w);
  SN_FREE(w.values);
  sn_optimizer_destroy(&w.optimizer);
  sn_model_destroy(&w.model);
  if (b->app->rank == 0) unlink(w.path);
  return status;
}
