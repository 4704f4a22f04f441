/* The data of sinode train: read, identified, and cut into windows. */
#include <stdio.h>

#include "run/data_setup.h"
#include "run/input.h"
#include "run/stability_check.h"
#include "sinode/checksum.h"
#include "train.h"

/* By what the data will be known again, on any split. */
static void identify(sn_training *t, ptrdiff_t members, ptrdiff_t snapshots) {
  const sn_range points = sn_grid_range(t->grid);
  uint64_t sum = 0;
  for (ptrdiff_t k = 0; k < members * snapshots; k++)
    sum += sn_checksum_run(t->values + k * points.count, points.count, 0,
                           (uint64_t)(k * sn_grid_points(t->grid) + points.start));
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_UINT64_T, MPI_SUM, sn_grid_space(t->grid));
  t->data = (sn_training_data){members, snapshots, (int64_t)sum};
}

static void describe_held_out(sn_training *t, ptrdiff_t members, ptrdiff_t snapshots) {
  const ptrdiff_t first = sn_dataset_boundary(t->dataset);
  const bool in_time = t->app->config.data.split == SN_SPLIT_TIME;
  const ptrdiff_t last = (in_time ? snapshots : members) - 1;
  if (first > last)
    snprintf(t->held_out, sizeof t->held_out, "none");
  else
    snprintf(t->held_out, sizeof t->held_out, "%s %td to %td%s", in_time ? "snapshots" : "members", first, last,
             in_time ? " of every member" : "");
}

sn_status sn_training_load(sn_training *t, double *interval) {
  const sn_config *c = &t->app->config;
  sn_trajectory_reader *reader;
  SN_TRY(sn_setup_trajectory(t->app, c->data.file, &reader));
  const ptrdiff_t members = sn_trajectory_members(reader), snapshots = sn_trajectory_snapshots(reader);
  sn_status status = sn_trajectory_interval(reader, interval);
  if (!status)
    status = sn_setup_read(t->app, t->grid, reader, (sn_range){0, members}, (sn_range){0, snapshots}, &t->values);
  const sn_linear_shape linear = sn_linear_shape_of(&c->model.linear, c->grid.length);
  if (!status) status = sn_setup_parameters(t->app, c->data.file, reader, &linear, &t->parameters);
  sn_trajectory_close(&reader);
  if (status) return status;
  identify(t, members, snapshots);
  sn_input_warn_degenerate(t->app, c->data.file, members, snapshots, sn_grid_range(t->grid).count, t->values);
  t->max_abs_u = sn_stability_max_abs_u(t->app, members * snapshots * sn_grid_range(t->grid).count, t->values);
  SN_TRY(sn_setup_dataset(t->app, t->grid, members, snapshots, t->values, &t->dataset));
  sn_dataset_set_parameters(t->dataset, t->parameters);
  describe_held_out(t, members, snapshots);
  return SN_OK;
}
