#include "data_setup.h"

#include <math.h>

#include "input.h"
#include "model_setup.h"
#include "sinode/memory.h"

sn_status sn_setup_trajectory(const sn_app *app, const char *path, sn_trajectory_reader **reader) {
  SN_TRY(sn_trajectory_open(app->world, path, reader));
  sn_status status = sn_input_check_x(app, path, *reader);
  if (!status) status = sn_setup_same_grid(app, path, sn_trajectory_points(*reader), sn_trajectory_length(*reader));
  if (status) {
    sn_trajectory_close(reader);
    return status;
  }
  sn_input_report_notes(app, path, *reader);
  return SN_OK;
}

/* A window must fit into what is held out, or a member; where the fraction is less than that, more is held out. */
static void report_held_out(const sn_app *app, const sn_dataset *dataset, ptrdiff_t members, ptrdiff_t snapshots) {
  const sn_config *c = &app->config;
  const bool in_time = c->data.split == SN_SPLIT_TIME;
  const ptrdiff_t all = in_time ? snapshots : members, held = all - sn_dataset_boundary(dataset);
  const double asked = round(c->data.validation * (double)all);
  if ((double)held > asked)
    sn_log_warning(app->log, "train.validation %g is %.0f of %td %s, but %td are held out, the least there can be%s",
                   c->data.validation, asked, all, in_time ? "snapshots" : "members", held,
                   in_time ? " (train.window + 1)" : "");
}

sn_status sn_setup_dataset(const sn_app *app, const sn_grid *grid, ptrdiff_t members, ptrdiff_t snapshots,
                           const double *values, sn_dataset **dataset) {
  const sn_config *c = &app->config;
  SN_TRY(sn_dataset_create(members, snapshots, sn_grid_range(grid).count, values, c->train.window, c->data.split,
                           c->data.validation, dataset));
  report_held_out(app, *dataset, members, snapshots);
  return SN_OK;
}

sn_status sn_setup_read(const sn_app *app, const sn_grid *grid, sn_trajectory_reader *reader, sn_range members,
                        sn_range snapshots, double **values) {
  const sn_range points = sn_grid_range(grid);
  const ptrdiff_t count = members.count * snapshots.count * points.count;
  SN_TRY(sn_collective_status(app->world, SN_NEW(count, values)));
  SN_TRY_TIMED(app->timer, SN_TIME_READ, sn_trajectory_read(reader, members, snapshots, points, *values));
  return sn_trajectory_verify(reader, members, snapshots, points, *values);
}

/* Whether the parameters are those of a model. */
static void judge_parameters(const sn_app *app, const char *path, const sn_linear_shape *linear, ptrdiff_t members,
                             const double *parameters) {
  const double least = linear->trained[0], most = linear->trained[1];
  bool same = true;
  for (ptrdiff_t m = 0; m < members; m++) {
    const double value = parameters[m];
    same = same && value == parameters[0];
    if (!linear->scaled || (least == 0 && most == 0) || (value >= least && value <= most)) continue;
    sn_log_warning(app->log, "%s: the parameter of member %td is %g, but the model was trained with %g to %g", path, m,
                   value, least, most);
    return;
  }
  if (!linear->scaled && !same)
    sn_log_warning(app->log,
                   "%s: members differ in their parameter, of which the model knows nothing: "
                   "model.linear.parameter is none",
                   path);
}

sn_status sn_setup_parameters(const sn_app *app, const char *path, const sn_trajectory_reader *reader,
                              const sn_linear_shape *linear, double **parameters) {
  const ptrdiff_t members = sn_trajectory_members(reader);
  *parameters = NULL;
  if (!sn_trajectory_has_parameters(reader)) {
    if (!linear->scaled) return SN_OK;
    return SN_ERROR_ALL(SN_ERROR_FILE,
                        "%s: has no parameter(member), which multiplies %s in the model; write it, as "
                        "generate.equation.parameter does, or set model.linear.parameter to none",
                        path, sn_name_of(sn_linear_terms, (int)linear->scaled));
  }
  SN_TRY(sn_collective_status(app->world, SN_NEW(members, parameters)));
  SN_TRY(sn_trajectory_read_parameters(reader, *parameters));
  judge_parameters(app, path, linear, members, *parameters);
  if (!linear->scaled) SN_FREE(*parameters);
  return SN_OK;
}
