#include "input.h"

#include <math.h>
#include <string.h>

/* Differences below this have squares that are 0, or have no digits left. */
static const double smallest = 1e-150;

sn_status sn_input_check_x(const sn_app *app, const char *path, sn_trajectory_reader *reader) {
  if (app->config.grid.coordinates == SN_COORDINATES_CHECK) return sn_trajectory_check_x(reader);
  const char *against = sn_trajectory_ignore_x(reader);
  if (against)
    sn_log_warning(app->log, "%s: grid.coordinates is ignore, so that this is not seen to: %s", path, against);
  return SN_OK;
}

void sn_input_report_notes(const sn_app *app, const char *path, const sn_trajectory_reader *reader) {
  for (int k = 0; k < sn_trajectory_notes(reader); k++)
    sn_log_line(app->log, "%s: %s", path, sn_trajectory_note(reader, k));
}

void sn_input_warn_degenerate(const sn_app *app, const char *path, ptrdiff_t members, ptrdiff_t snapshots,
                              ptrdiff_t points, const double *values) {
  /* By what values reach to both sides, and how much they change from one snapshot to the next. */
  double reach[3] = {-INFINITY, -INFINITY, 0};
  for (ptrdiff_t m = 0; m < members; m++)
    for (ptrdiff_t k = 0; k < snapshots * points; k++) {
      const double *at = values + m * snapshots * points + k;
      reach[0] = fmax(reach[0], *at);
      reach[1] = fmax(reach[1], -*at);
      if (k >= points) reach[2] = fmax(reach[2], fabs(*at - *(at - points)));
    }
  double several = snapshots > 1;
  MPI_Allreduce(MPI_IN_PLACE, reach, 3, MPI_DOUBLE, MPI_MAX, app->world);
  MPI_Allreduce(MPI_IN_PLACE, &several, 1, MPI_DOUBLE, MPI_MAX, app->world);
  if (reach[0] + reach[1] == 0)
    sn_log_warning(app->log, "%s: u is the same everywhere (%g): there is nothing to learn from it", path, reach[0]);
  else if (!(reach[0] + reach[1] >= smallest))
    sn_log_warning(app->log, "%s: u differs by %g at most, too little to be squared: every loss will be 0; scale it",
                   path, reach[0] + reach[1]);
  else if (several > 0 && reach[2] == 0)
    sn_log_warning(app->log, "%s: u is the same in all snapshots: there is nothing to learn from it", path);
}

void sn_input_report_idle(const sn_app *app, const sn_grid *grid, ptrdiff_t count, const char *what, const char *key) {
  const int replicas = sn_grid_replica_count(grid), space = sn_grid_space_size(grid);
  char remedy[160] = "";
  if (count >= replicas || count < 1) return;
  /* The least split that leaves no replica idle. */
  int split = space;
  while (split <= app->ranks && (app->ranks % split || app->ranks / split > count)) split++;
  if (split <= app->ranks && split <= sn_grid_points(grid))
    snprintf(remedy, sizeof remedy, "; parallel.space %d would use them", split);
  if (*key)
    snprintf(remedy + strlen(remedy), sizeof remedy - strlen(remedy), "%s %s %d%s", *remedy ? ", or" : ";", key,
             replicas, *remedy ? "" : " would use them");
  sn_log_line(app->log, "%d of %d ranks idle: there are fewer %s (%td) than replicas (%d)%s",
              (replicas - (int)count) * space, app->ranks, what, count, replicas, remedy);
}
