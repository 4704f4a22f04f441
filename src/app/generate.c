/* sinode generate: Kuramoto-Sivashinsky trajectories into a trajectory file. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "setup.h"
#include "sinode/etdrk4.h"
#include "sinode/ks_initial.h"
#include "sinode/ks_resolution.h"
#include "sinode/memory.h"
#include "status_file.h"

typedef struct {
  sn_app *app;
  sn_grid *grid;
  sn_range members; /* of this replica */
  double *state;    /* (members, local points) */
  sn_etdrk4 *etdrk4;
  sn_trajectory_writer *writer;
  sn_ks_resolution resolution;
  double told;                              /* clock when status.json was written */
  ptrdiff_t transient, interval, snapshots; /* steps, steps, number */
} generation;

static double steps_in_all(const generation *g) { return (double)(g->transient + (g->snapshots - 1) * g->interval); }

static sn_run_progress progress_of(const generation *g) {
  const int64_t done = g->etdrk4 ? sn_etdrk4_steps_done(g->etdrk4) : 0;
  return (sn_run_progress){.step = done,
                           .steps = (int64_t)steps_in_all(g),
                           .seconds_left = sn_log_seconds_left(g->app->log, (double)done, steps_in_all(g)),
                           .memory_mib = (double)sn_memory_resident_peak() / 1048576};
}

static sn_status say_status(const generation *g, sn_run_state state, const char *reason) {
  const sn_app *app = g->app;
  sn_status status = SN_OK;
  if (app->rank == 0) {
    status = sn_file_make_directory(app->config.run.directory);
    const sn_run_progress progress = progress_of(g);
    if (!status) status = sn_status_file_write(app->config.run.directory, state, &progress, "", reason);
  }
  return sn_agree(app->world, status);
}

/* The last snapshot of another trajectory: of each member, or of its only one for all. */
static sn_status read_initial(generation *g) {
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
  if (!status)
    status = sn_setup_read(g->app, g->grid, c->generate.initial_file, reader, wanted, (sn_range){last, 1}, &read);
  const ptrdiff_t points = sn_grid_range(g->grid).count;
  for (ptrdiff_t m = 0; m < g->members.count && !status; m++)
    memcpy(g->state + m * points, read + (there == 1 ? 0 : m) * points, (size_t)points * sizeof *read);
  sn_memory_give(&read);
  sn_trajectory_close(&reader);
  return status;
}

static sn_status prepare(generation *g) {
  sn_app *app = g->app;
  const sn_config *c = &app->config;
  SN_TRY(sn_setup_grid(app, &g->grid));
  g->members = sn_grid_share(g->grid, c->generate.members);
  g->transient = llround(c->generate.transient / c->generate.dt);
  g->interval = llround(c->generate.interval / c->generate.dt);
  g->snapshots = llround(c->generate.span / c->generate.interval) + 1;
  SN_TRY(sn_agree(app->world, SN_NEW(g->members.count * sn_grid_range(g->grid).count, &g->state)));
  const sn_ks_initial_options initial = {.kind = (sn_ks_initial)c->generate.initial,
                                         .length = c->grid.length,
                                         .seed = (uint64_t)c->run.seed,
                                         .perturbation = c->generate.perturbation};
  if (initial.kind == SN_KS_INITIAL_FILE) SN_TRY(read_initial(g));
  sn_ks_initial_state(g->grid, &initial, g->members, g->state);
  const sn_etdrk4_options options = {.length = c->grid.length,
                                     .dt = c->generate.dt,
                                     .dealias = c->generate.dealias,
                                     .effort = (sn_fourier_effort)c->fft.plan};
  SN_TRY(sn_etdrk4_create(g->grid, g->members.count, &options, &g->etdrk4));
  SN_TRY(sn_etdrk4_set_state(g->etdrk4, g->state, 0));
  const double mebibytes = (double)g->snapshots * (double)c->generate.members * (double)c->grid.points / 131072;
  sn_log_line(app->log, "%lld member%s, %td snapshots every %g after a transient of %g; %s will take %.1f MiB",
              (long long)c->generate.members, c->generate.members == 1 ? "" : "s", g->snapshots, c->generate.interval,
              c->generate.transient, c->generate.file, mebibytes);
  SN_TRY(sn_setup_claim(app, c->generate.file, "generate.file"));
  static const sn_trajectory_variable field = {"u", "solution of the Kuramoto-Sivashinsky equation"};
  const sn_provenance provenance = sn_setup_provenance(app, "Kuramoto-Sivashinsky trajectories, ETDRK4");
  const sn_trajectory_spec spec = {.members = c->generate.members,
                                   .own_members = g->members,
                                   .length = c->grid.length,
                                   .snapshots = g->snapshots,
                                   .gzip = c->io.compression ? (int)c->io.level : 0,
                                   .fields = 1,
                                   .field = &field};
  return sn_trajectory_create(g->grid, c->generate.file, &spec, &provenance, &g->writer);
}

static void show(generation *g) {
  const sn_run_progress progress = progress_of(g);
  if (g->app->rank == 0) sn_status_file_refresh(g->app->config.run.directory, &progress, "", "generating", &g->told);
  sn_log_progress(g->app->log, "generating", (double)progress.step, steps_in_all(g), "t %g", sn_etdrk4_time(g->etdrk4));
}

/* In pieces, so that a blow-up is noticed where it happens and progress is shown. */
static sn_status pass_transient(generation *g) {
  for (ptrdiff_t done = 0; done < g->transient;) {
    const ptrdiff_t left = g->transient - done, steps = left < g->interval ? left : g->interval;
    sn_timer_start(g->app->timer, SN_TIME_STEP);
    SN_TRY(sn_etdrk4_step(g->etdrk4, steps));
    sn_timer_stop(g->app->timer, SN_TIME_STEP);
    SN_TRY(sn_etdrk4_check(g->etdrk4));
    done += steps;
    show(g);
  }
  return SN_OK;
}

static sn_status record(generation *g, ptrdiff_t snapshot) {
  const double *fields[] = {g->state};
  SN_TRY(sn_etdrk4_get_state(g->etdrk4, g->state));
  return sn_trajectory_append(g->writer, (double)snapshot * g->app->config.generate.interval, fields, NULL);
}

static sn_status integrate(generation *g) {
  sn_log_progress_start(g->app->log, 0);
  SN_TRY(pass_transient(g));
  SN_TRY(record(g, 0));
  for (ptrdiff_t k = 1; k < g->snapshots; k++) {
    sn_timer_start(g->app->timer, SN_TIME_STEP);
    SN_TRY(sn_ks_resolution_step(&g->resolution, g->etdrk4, g->interval));
    sn_timer_stop(g->app->timer, SN_TIME_STEP);
    SN_TRY(sn_etdrk4_check(g->etdrk4));
    SN_TRY(record(g, k));
    show(g);
  }
  return sn_trajectory_finish(&g->writer, NULL);
}

static sn_status generate(generation *g) {
  char verdict[400];
  SN_TRY(prepare(g));
  SN_TRY(say_status(g, SN_RUN_RUNNING, "generating"));
  SN_TRY(integrate(g));
  if (sn_ks_resolution_verdict(&g->resolution, verdict, sizeof verdict))
    sn_log_line(g->app->log, "%s", verdict);
  else
    sn_log_warning(g->app->log, "%s", verdict);
  sn_log_line(g->app->log, "written: %s", g->app->config.generate.file);
  return say_status(g, SN_RUN_COMPLETE, "all snapshots written");
}

sn_status sn_command_generate(sn_app *app) {
  generation g = {.app = app};
  sn_status status = generate(&g);
  if (status && g.etdrk4 && sn_error_is_collective(status) && sn_error_get_code(status) == SN_ERROR_RUN) {
    sn_status ignored = say_status(&g, SN_RUN_FAILED, sn_error_get_message(status));
    sn_error_destroy(&ignored);
  }
  sn_trajectory_abandon(&g.writer);
  sn_etdrk4_destroy(&g.etdrk4);
  sn_memory_give(&g.state);
  sn_grid_destroy(&g.grid);
  return status;
}
