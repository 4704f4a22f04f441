/* The data of sinode train: read, identified, and cut into windows. */
#include <stdio.h>

#include "run/input.h"
#include "run/stability_check.h"
#include "sinode/checksum.h"
#include "train.h"

/* By what the data will be known again, on any split. */
static void identify(sn_training *t) {
  const sn_observed *d = &t->observed;
  const sn_range points = sn_grid_range(t->grid);
  uint64_t sum = 0;
  for (ptrdiff_t k = 0; k < d->members * d->snapshots; k++)
    sum += sn_checksum_run(d->values + k * points.count, points.count, 0,
                           (uint64_t)(k * sn_grid_points(t->grid) + points.start));
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_UINT64_T, MPI_SUM, sn_grid_space(t->grid));
  t->data = (sn_training_data){d->members, d->snapshots, (int64_t)sum};
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

sn_status sn_training_load(sn_training *t) {
  const sn_config *c = &t->app->config;
  sn_observed *d = &t->observed;
  sn_trajectory_reader *reader;
  SN_TRY(sn_setup_trajectory(t->app, c->data.file, &reader));
  sn_status status = sn_setup_observed(t->app, t->grid, c->data.file, reader, &c->data.observations, d);
  const sn_linear_shape linear = sn_linear_shape_of(&c->model.linear, c->grid.length);
  if (!status) status = sn_setup_parameters(t->app, c->data.file, reader, &linear, &t->parameters);
  sn_trajectory_close(&reader);
  if (status) return status;
  const ptrdiff_t points = sn_grid_range(t->grid).count;
  identify(t);
  sn_input_warn_degenerate(t->app, c->data.file, d->members, d->snapshots, points, d->values);
  t->max_abs_u = sn_stability_max_abs_u(t->app, d->members * d->snapshots * points, d->values);
  SN_TRY(sn_setup_dataset(t->app, t->grid, d->members, d->snapshots, d->values, &t->dataset));
  if (d->counts) SN_TRY(sn_dataset_observe(t->dataset, d->initial, d->counts));
  sn_dataset_set_parameters(t->dataset, t->parameters);
  describe_held_out(t, d->members, d->snapshots);
  return SN_OK;
}
