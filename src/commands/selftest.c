/* sinode selftest: proves an installation on the ranks it is given: every check at every split that says something. */
#include <math.h>
#include <stdio.h>

#include "commands.h"
#include "selftest.h"

/* The most space ranks that divide the world and leave each enough points for ScaLAPACK's band. */
static int most_in_space(int ranks) {
  int space = SN_SELFTEST_POINTS / 8;
  while (ranks % space) space--;
  return space;
}

static sn_status run_check(sn_app *app, const sn_grid *grid, const sn_selftest_check *check, int *passed, int *failed) {
  double error = INFINITY;
  const double started = sn_clock();
  sn_status status = sn_collective_status(app->world, check->measure(grid, &error));
  if (status) {
    sn_log_line(app->log, "  FAILED  %-44s %s", check->name, sn_error_get_message(status));
    sn_error_destroy(&status);
    ++*failed;
    return SN_OK;
  }
  const bool good = error <= check->limit;
  sn_log_line(app->log, "  %s  %-44s error %.1e, allowed %.0e  (%.2f s)", good ? "ok    " : "FAILED", check->name,
              error, check->limit, sn_clock() - started);
  ++*(good ? passed : failed);
  return SN_OK;
}

static sn_status run_checks(sn_app *app, int space, const sn_selftest_check *check, int *passed, int *failed) {
  sn_grid *grid;
  SN_TRY(sn_grid_create(app->world, space, SN_SELFTEST_POINTS, NULL, &grid));
  sn_log_line(app->log, "%d replica%s of %d rank%s in space:", app->ranks / space, app->ranks / space == 1 ? "" : "s",
              space, space == 1 ? "" : "s");
  for (; check->name; check++) SN_TRY(run_check(app, grid, check, passed, failed));
  sn_grid_destroy(&grid);
  return SN_OK;
}

double sn_selftest_worst(const sn_grid *grid, double error) {
  if (isnan(error)) error = INFINITY;
  MPI_Allreduce(MPI_IN_PLACE, &error, 1, MPI_DOUBLE, MPI_MAX, sn_grid_world(grid));
  return error;
}

static sn_status run_selftest(sn_app *app) {
  const double started = sn_clock();
  const int space = most_in_space(app->ranks);
  int passed = 0, failed = 0;
  SN_TRY(run_checks(app, space, sn_selftest_numerics(), &passed, &failed));
  if (space > 1) SN_TRY(run_checks(app, 1, sn_selftest_numerics(), &passed, &failed));
  SN_TRY(run_checks(app, space, sn_selftest_system(), &passed, &failed));
  if (failed)
    return SN_ERROR_ALL(SN_ERROR_RUN, "selftest: %d of %d checks failed on %d ranks: do not trust this installation",
                        failed, passed + failed, app->ranks);
  sn_log_line(app->log, "selftest: all %d checks passed on %d rank%s in %.1f s", passed, app->ranks,
              app->ranks == 1 ? "" : "s", sn_clock() - started);
  return SN_OK;
}

const sn_command sn_command_selftest = {
    .name = "selftest",
    .operand = "",
    .summary = "proves an installation, on any number of ranks, within a minute",
    .help =
        "Compares transforms, solvers, a trajectory and a gradient with what is known, at every split of the ranks; "
        "writes\n"
        "two small files into the present folder, reads them back and removes them. Status 0 if all is well, else 1.",
    .run = run_selftest};
