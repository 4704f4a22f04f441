/* How sinode generate begins: its file, whether that is complete already, and the initial state. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "generate.h"
#include "run/data_setup.h"
#include "run/output.h"
#include "run/status_file.h"
#include "sinode/ks_initial.h"
#include "sinode/memory.h"

/* Values of the parameter, and what the file says of the equation. */
static sn_status describe(sn_generation *g) {
  const sn_equation *equation = &g->app->config.generate.equation;
  const sn_equation_values *values = &equation->parameter.values;
  char text[256];
  sn_equation_print(equation, text, sizeof text);
  snprintf(g->about, sizeof g->about, "solution of %s",
           sn_equation_is_ks(equation) ? "the Kuramoto-Sivashinsky equation" : text);
  g->field = (sn_trajectory_variable){"u", g->about};
  SN_TRY(SN_NEW(g->members.count, &g->parameter));
  for (ptrdiff_t m = 0; m < g->members.count && values->count; m++)
    g->parameter[m] = values->value[(g->members.start + m) % values->count];
  return SN_OK;
}

sn_trajectory_spec sn_generation_spec(const sn_generation *g) {
  static const sn_trajectory_variable parameter = {"parameter", "factor mu in the equation"};
  return (sn_trajectory_spec){.members = g->app->config.generate.members,
                              .own_members = g->members,
                              .length = g->app->config.grid.length,
                              .snapshots = g->snapshots,
                              .compression = g->app->config.io.compression,
                              .fields = 1,
                              .field = &g->field,
                              .finals = g->app->config.generate.equation.parameter.values.count > 0,
                              .final = &parameter};
}

sn_status sn_generation_same_run(const sn_app *app, const char *path, const char *kind) {
  static const char *const decisive[] = {"run.seed",           "grid",
                                         "generate.initial",   "generate.initial_file",
                                         "generate.members",   "generate.dt",
                                         "generate.span",      "generate.interval",
                                         "generate.transient", "generate.perturbation",
                                         "generate.dealias",   "generate.equation",
                                         "generate.noise"};
  return sn_output_same_run(app, path, kind, decisive, sizeof decisive / sizeof decisive[0], "generate.file");
}

/* The last snapshot of another trajectory: of each member, or of its only one for all. */
static sn_status read_initial(sn_generation *g) {
  const sn_config *c = &g->app->config;
  sn_trajectory_reader *reader;
  SN_TRY(sn_setup_trajectory(g->app, c->generate.initial_file, &reader));
  const ptrdiff_t there = sn_trajectory_members(reader), last = sn_trajectory_snapshots(reader) - 1;
  sn_status status = SN_OK;
  if (there != 1 && there != c->generate.members)
    status =
        SN_ERROR_ALL(SN_ERROR_USAGE, "%s has %td members, but generate.members is %lld; it must have as many, or one",
                     c->generate.initial_file, there, (long long)c->generate.members);
  const sn_range wanted = there == 1 ? (sn_range){0, g->members.count > 0} : g->members;
  double *read = NULL;
  if (!status) status = sn_setup_read(g->app, g->grid, reader, wanted, (sn_range){last, 1}, &read);
  const ptrdiff_t points = sn_grid_range(g->grid).count;
  for (ptrdiff_t m = 0; m < g->members.count && !status; m++)
    memcpy(g->state + m * points, read + (there == 1 ? 0 : m) * points, (size_t)points * sizeof *read);
  SN_FREE(read);
  sn_trajectory_close(&reader);
  return status;
}

sn_status sn_generation_start(sn_generation *g) {
  const sn_config *c = &g->app->config;
  sn_ks_initial_options initial = c->generate.initial;
  initial.length = c->grid.length;
  initial.seed = (uint64_t)c->run.seed;
  if (initial.kind == SN_KS_INITIAL_FILE) SN_TRY(read_initial(g));
  sn_ks_initial_state(g->grid, &initial, g->members, g->state);
  SN_TRY(sn_etdrk4_set_state(g->etdrk4, g->state, 0));
  SN_TRY(sn_series_prune(g->app, &g->series, 0, -1));
  const sn_trajectory_spec spec = sn_generation_spec(g);
  const bool is_ks = sn_equation_is_ks(&c->generate.equation);
  const sn_provenance provenance =
      sn_output_provenance(g->app, is_ks ? "Kuramoto-Sivashinsky trajectories, ETDRK4" : "trajectories, ETDRK4");
  return sn_trajectory_create(g->grid, c->generate.file, &spec, &provenance, &g->writer);
}

/* A run that was killed before it could say that it is complete is said to be so. For rank 0. */
static sn_status correct_status(const sn_generation *g) {
  const char *directory = g->app->config.run.directory;
  sn_run_status found;
  sn_status status = sn_status_file_read(directory, &found);
  if (status) { /* there is nothing to correct */
    sn_error_destroy(&status);
    return SN_OK;
  }
  const bool ours = found.progress.epochs == 0 && found.progress.steps == (int64_t)sn_generation_steps(g);
  if (!ours || strcmp(found.state, "complete") == 0) return SN_OK;
  found.progress.step = found.progress.steps;
  return sn_status_file_write(directory, SN_RUN_COMPLETE, &found.progress, "", "all snapshots written", g->app->timer);
}

/*
 * Whether the file is there (what has the name is whole) and of this run: a job that is started once more has nothing
 * left to do. A prediction was made with a section generate too, but not by the name of its file.
 */
static sn_status find_complete(sn_generation *g) {
  static const char *const name[] = {"generate.file"};
  const sn_app *app = g->app;
  const char *path = app->config.generate.file;
  int there = app->rank == 0 && !app->overwrite && access(path, F_OK) == 0;
  MPI_Bcast(&there, 1, MPI_INT, 0, app->world);
  if (!there) return SN_OK;
  sn_status status = sn_generation_same_run(app, path, "trajectory");
  if (!status) status = sn_output_same_run(app, path, "trajectory", name, 1, "generate.file");
  g->complete = !status;
  sn_error_destroy(&status); /* what to do about another file is said by the check of the output */
  if (!g->complete) return SN_OK;
  sn_log_line(app->log, "%s is complete already: made by a run of the same parameters", path);
  SN_TRY(sn_collective_status(app->world, app->rank == 0 ? correct_status(g) : SN_OK));
  return sn_series_prune(app, &g->series, 0, -1); /* of a run killed at the very end */
}

sn_status sn_generation_claim(sn_generation *g) {
  const char *path = g->app->config.generate.file;
  char prefix[SN_SERIES_PATH];
  SN_TRY(sn_collective_status(g->app->world, describe(g)));
  SN_TRY(sn_output_lock_file(g->app, path, "generate.file"));
  snprintf(prefix, sizeof prefix, "%s.checkpoint", path);
  g->series = sn_series_at(prefix);
  SN_TRY(find_complete(g));
  return g->complete ? SN_OK : sn_output_check(g->app, path, "generate.file");
}
