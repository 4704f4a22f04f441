/* The trajectories that sinode train has estimated with the weights, and how noisy the observations seem beside them.
 */
#include <math.h>
#include <string.h>

#include "run/output.h"
#include "sinode/memory.h"
#include "train.h"

/* Of the windows of this replica's members, all of one number. */
typedef struct {
  sn_range members;
  ptrdiff_t windows, window, points; /* of a member; intervals; local */
  double *states;                    /* (window + 1, samples, points) of a pass */
  double *frames;                    /* (window + 1, members, points) */
  double misfit, observed;           /* sum of squares, and values */
} estimate;

/* Window number `index` of all members, as many at a time as the model has room for. */
static sn_status roll_out(const sn_training *t, const estimate *e, ptrdiff_t index) {
  const ptrdiff_t most = sn_model_samples(t->model), points = e->points;
  const double *states = sn_model_states(t->model);
  for (ptrdiff_t first = 0, count; first < e->members.count; first += count) {
    count = e->members.count - first < most ? e->members.count - first : most;
    for (ptrdiff_t s = 0; s < count; s++)
      memcpy(e->states + s * points, states + ((e->members.start + first + s) * e->windows + index) * points,
             (size_t)points * sizeof *states);
    if (t->parameters)
      SN_TRY(sn_linear_set_parameters(sn_model_linear(t->model), count, t->parameters + e->members.start + first));
    SN_TRY(sn_integrator_reserve(t->integrator, count));
    SN_TRY(sn_integrator_forward(t->integrator, count, e->window, e->states, false));
    for (ptrdiff_t k = 0; k <= e->window; k++)
      memcpy(e->frames + (k * e->members.count + first) * points, e->states + k * count * points,
             (size_t)(count * points) * sizeof *states);
  }
  return SN_OK;
}

static void compare(const sn_training *t, estimate *e, ptrdiff_t snapshot, const double *frame) {
  for (ptrdiff_t m = 0; m < e->members.count; m++)
    for (ptrdiff_t j = 0; j < e->points; j++) {
      const ptrdiff_t line = (e->members.start + m) * t->observed.snapshots + snapshot;
      const double d = frame[m * e->points + j] - t->observed.values[line * e->points + j];
      if (isnan(d)) continue;
      e->misfit += d * d;
      e->observed++;
    }
}

static sn_status write_all(const sn_training *t, estimate *e, sn_trajectory_writer *writer) {
  const ptrdiff_t size = e->members.count * e->points;
  for (ptrdiff_t w = 0; w < e->windows; w++) {
    const bool last = w == e->windows - 1;
    SN_TRY(sn_collective_status(t->app->world, roll_out(t, e, w)));
    for (ptrdiff_t k = 0; k < e->window + last; k++) {
      const double *fields[] = {e->frames + k * size};
      const ptrdiff_t snapshot = w * e->window + k;
      compare(t, e, snapshot, fields[0]);
      SN_TRY(sn_trajectory_append(writer, t->observed.start + (double)snapshot * t->observed.interval, fields, NULL));
    }
  }
  return SN_OK;
}

/* Degrees of freedom: what was observed, less the parameters and one state a trajectory. */
static void report(const sn_training *t, const estimate *e) {
  double sums[] = {e->misfit, e->observed};
  MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_DOUBLE, MPI_SUM, sn_grid_world(t->grid));
  const double unknowns = (double)sn_parameters_total(sn_model_parameters(t->model), true) +
                          (double)(t->observed.members * sn_grid_points(t->grid));
  sn_log_line(t->app->log, "estimated trajectories: rms misfit %.4g of %.0f observations", sqrt(sums[0] / sums[1]),
              sums[1]);
  if (sums[1] > unknowns)
    sn_log_line(t->app->log, "noise of the observations: standard deviation %.4g",
                sqrt(sums[0] / (sums[1] - unknowns)));
}

sn_status sn_training_write_estimate(const sn_training *t) {
  static const sn_trajectory_variable field = {"u", "estimated field"};
  const sn_config *c = &t->app->config;
  const ptrdiff_t windows = sn_dataset_windows(t->dataset, SN_SET_TRAINING), members = t->observed.members;
  estimate e = {.members = sn_grid_share(t->grid, members),
                .windows = windows / members,
                .window = c->train.window,
                .points = sn_grid_range(t->grid).count};
  const sn_trajectory_spec spec = {.members = members,
                                   .own_members = e.members,
                                   .length = c->grid.length,
                                   .snapshots = e.windows * e.window + 1,
                                   .fields = 1,
                                   .field = &field};
  const sn_provenance provenance = sn_output_provenance(t->app, "trajectories estimated from observations");
  const ptrdiff_t samples = sn_model_samples(t->model);
  sn_trajectory_writer *writer = NULL;
  char path[SN_RUN_PATH];
  sn_run_path(t->app, "estimated.h5", path);
  sn_status status = SN_NEW((e.window + 1) * samples * e.points, &e.states);
  if (!status) status = SN_NEW((e.window + 1) * e.members.count * e.points, &e.frames);
  status = sn_collective_status(t->app->world, status);
  if (!status) status = sn_trajectory_create(t->grid, path, &spec, &provenance, &writer);
  if (!status) status = write_all(t, &e, writer);
  if (!status) status = sn_trajectory_finish(&writer, NULL);
  if (!status) report(t, &e);
  sn_trajectory_abandon(&writer);
  SN_FREE(e.states);
  SN_FREE(e.frames);
  return status;
}
