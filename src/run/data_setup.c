#include "data_setup.h"

#include <math.h>
#include <string.h>

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
  if (c->train.initial == SN_INITIAL_ESTIMATED) sn_dataset_tile(*dataset);
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

/* The place of a time on a grid of such intervals that begins with the first snapshot, or -1: it lies between. */
static ptrdiff_t place_in_time(const sn_trajectory_reader *reader, double interval, ptrdiff_t snapshot) {
  const double ratio = (sn_trajectory_time(reader, snapshot) - sn_trajectory_time(reader, 0)) / interval;
  return fabs(ratio - round(ratio)) <= 1e-6 * fmax(1, fabs(ratio)) && fabs(ratio) < 1e15 ? (ptrdiff_t)round(ratio) : -1;
}

sn_status sn_setup_times(const char *path, const sn_trajectory_reader *reader, const sn_observations_options *o,
                         double *interval, ptrdiff_t *snapshots) {
  ptrdiff_t before = -1;
  *snapshots = sn_trajectory_snapshots(reader);
  if (!(o->interval > 0)) return sn_trajectory_interval(reader, interval);
  *interval = o->interval;
  for (ptrdiff_t k = 0; k < *snapshots; k++) {
    const ptrdiff_t place = place_in_time(reader, o->interval, k);
    if (place <= before)
      return SN_ERROR_ALL(
          SN_ERROR_FILE,
          "%s: the time %.12g of snapshot %td is %s behind the first one (%.12g), but must be a greater "
          "multiple of observations.interval (%.12g) than that of the snapshot before",
          path, sn_trajectory_time(reader, k), k, place < 0 ? "no multiple" : "not far enough",
          sn_trajectory_time(reader, 0), o->interval);
    before = place;
  }
  *snapshots = before + 1;
  return SN_OK;
}

/* Recorded snapshots to their places in time; nothing is observed between them. */
static sn_status spread_in_time(const sn_trajectory_reader *reader, double interval, ptrdiff_t members,
                                ptrdiff_t recorded, ptrdiff_t snapshots, ptrdiff_t points, double **values) {
  double *spread;
  SN_TRY(SN_NEW(members * snapshots * points, &spread));
  for (ptrdiff_t k = 0; k < members * snapshots * points; k++) spread[k] = NAN;
  for (ptrdiff_t m = 0; m < members; m++)
    for (ptrdiff_t k = 0; k < recorded; k++)
      memcpy(spread + (m * snapshots + place_in_time(reader, interval, k)) * points,
             *values + (m * recorded + k) * points, (size_t)points * sizeof *spread);
  SN_FREE(*values);
  *values = spread;
  return SN_OK;
}

/* Makes NaN of what is not observed. */
static sn_status select(const sn_app *app, const sn_grid *grid, sn_trajectory_reader *reader,
                        const sn_observations_options *o, sn_range members, sn_range snapshots, double *values) {
  const sn_range points = sn_grid_range(grid);
  const ptrdiff_t lines = members.count * snapshots.count;
  double *mask = NULL;
  sn_status status = *o->mask ? sn_collective_status(app->world, SN_NEW(lines * points.count, &mask)) : SN_OK;
  if (!status && mask) status = sn_trajectory_read_mask(reader, o->mask, members, snapshots, points, mask);
  if (!status) sn_observations_select(grid, o, lines, mask, values);
  SN_FREE(mask);
  return status;
}

static sn_status fill_gaps(const sn_app *app, const sn_grid *grid, const char *path, sn_observed *d) {
  const ptrdiff_t lines = d->members * d->snapshots, values = lines * sn_grid_range(grid).count;
  double observed = 0;
  sn_status status = SN_NEW(lines, &d->counts);
  if (!status) status = SN_NEW(values, &d->initial);
  SN_TRY(sn_collective_status(app->world, status));
  sn_observations_count(grid, lines, d->values, d->counts);
  for (ptrdiff_t k = 0; k < lines; k++) observed += d->counts[k];
  const double all = (double)lines * (double)sn_grid_points(grid);
  if (observed == 0)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "%s: nothing is observed: its mask, or what is missing, hides all of u", path);
  sn_log_line(app->log, "%s: %.4g %% of u on %td snapshots every %g is observed", path, 100 * observed / all,
              d->snapshots, d->interval);
  memcpy(d->initial, d->values, (size_t)values * sizeof *d->values);
  return sn_collective_status(app->world, sn_observations_fill(grid, d->members, d->snapshots, d->counts, d->initial));
}

sn_status sn_setup_observed(const sn_app *app, const sn_grid *grid, const char *path, sn_trajectory_reader *reader,
                            const sn_observations_options *o, sn_observed *d) {
  const ptrdiff_t recorded = sn_trajectory_snapshots(reader);
  *d = (sn_observed){.members = sn_trajectory_members(reader), .start = sn_trajectory_time(reader, 0)};
  const sn_range members = {0, d->members}, snapshots = {0, recorded};
  SN_TRY(sn_setup_times(path, reader, o, &d->interval, &d->snapshots));
  if (o->missing == SN_MISSING_SKIP) sn_trajectory_take_gaps(reader);
  SN_TRY(sn_setup_read(app, grid, reader, members, snapshots, &d->values));
  if (!sn_observations_are_partial(o)) return SN_OK;
  SN_TRY(select(app, grid, reader, o, members, snapshots, d->values));
  if (d->snapshots > recorded)
    SN_TRY(sn_collective_status(app->world, spread_in_time(reader, d->interval, d->members, recorded, d->snapshots,
                                                           sn_grid_range(grid).count, &d->values)));
  return fill_gaps(app, grid, path, d);
}

void sn_setup_free_observed(sn_observed *d) {
  SN_FREE(d->values);
  SN_FREE(d->initial);
  SN_FREE(d->counts);
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

static sn_status count_parameters(const char *path, ptrdiff_t members, const double *parameters) {
  ptrdiff_t different = 1; /* 1 is one of them, which samples have at first */
  for (ptrdiff_t m = 0; m < members; m++) {
    ptrdiff_t before = 0;
    while (parameters[before] != parameters[m]) before++;
    different += before == m && parameters[m] != 1;
  }
  if (different <= SN_LINEAR_VALUES_MOST) return SN_OK;
  return SN_ERROR_ALL(
      SN_ERROR_USAGE,
      "%s: members have %td different values of the parameter, 1 counted, but a model takes at most %d; "
      "use fewer members",
      path, different, SN_LINEAR_VALUES_MOST);
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
  sn_status status = sn_trajectory_read_parameters(reader, *parameters);
  if (!status) judge_parameters(app, path, linear, members, *parameters);
  if (!status && linear->scaled) status = count_parameters(path, members, *parameters);
  if (status || !linear->scaled) SN_FREE(*parameters);
  return status;
}
