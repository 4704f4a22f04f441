/* sinode generate: Kuramoto-Sivashinsky trajectories into a trajectory file. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "commands.h"
#include "generate.h"
#include "run/generator_setup.h"
#include "run/grid_setup.h"
#include "run/input.h"
#include "run/run_directory.h"
#include "run/stall.h"
#include "run/status_file.h"
#include "sinode/memory.h"
#include "sinode/random.h"

double sn_generation_steps(const sn_generation *g) { return (double)(g->transient + (g->snapshots - 1) * g->interval); }

static sn_run_progress progress_of(const sn_generation *g) {
  const int64_t done = g->etdrk4 ? sn_etdrk4_steps_done(g->etdrk4) : 0;
  return (sn_run_progress){.step = done,
                           .steps = (int64_t)sn_generation_steps(g),
                           .loss = NAN,
                           .rate = NAN,
                           .seconds_left = sn_log_seconds_left(g->app->log, (double)done, sn_generation_steps(g)),
                           .memory_mib = (double)sn_memory_resident_peak() / 1048576};
}

static sn_status report_status(const sn_generation *g, sn_run_state state, const char *reason) {
  const sn_app *app = g->app;
  sn_status status = SN_OK;
  if (app->rank == 0) {
    const sn_run_progress progress = progress_of(g);
    status = sn_status_file_write(app->config.run.directory, state, &progress, g->checkpoint, reason, app->timer);
  }
  return sn_collective_status(app->world, status);
}

static sn_status prepare(sn_generation *g) {
  sn_app *app = g->app;
  const sn_config *c = &app->config;
  SN_TRY(sn_setup_grid(app, &g->grid));
  g->members = sn_grid_share(g->grid, c->generate.members);
  g->transient = llround(c->generate.transient / c->generate.etdrk4.dt);
  g->interval = llround(c->generate.interval / c->generate.etdrk4.dt);
  g->snapshots = llround(c->generate.span / c->generate.interval) + 1;
  SN_TRY(sn_generation_claim(g));
  if (g->complete) return SN_OK;
  sn_input_report_idle(app, g->grid, c->generate.members, "members", "generate.members");
  SN_TRY(sn_collective_status(app->world, SN_NEW(g->members.count * sn_grid_range(g->grid).count, &g->state)));
  SN_TRY(sn_setup_generator(app, g->grid, g->members, &g->etdrk4));
  SN_TRY(sn_setup_keep_wisdom(app));
  const double mebibytes = (double)g->snapshots * (double)c->generate.members * (double)c->grid.points / 131072;
  sn_log_line(app->log, "%lld member%s, %td snapshots every %g after a transient of %g; %s will take %.1f MiB",
              (long long)c->generate.members, c->generate.members == 1 ? "" : "s", g->snapshots, c->generate.interval,
              c->generate.transient, c->generate.file, mebibytes);
  bool resumed = false;
  if (!app->overwrite) SN_TRY(sn_generation_resume(g, &resumed));
  if (!resumed) SN_TRY(sn_generation_start(g));
  SN_TRY(sn_run_lock(app));
  g->begun = true;
  return SN_OK;
}

static void show(sn_generation *g) {
  const sn_run_progress now = progress_of(g);
  if (g->app->rank == 0)
    sn_status_file_refresh(g->app->config.run.directory, &now, g->checkpoint, "generating", g->app->timer, &g->told);
  sn_log_progress(g->app->log, "generating", (double)now.step, sn_generation_steps(g), "t %g",
                  sn_etdrk4_time(g->etdrk4));
}

/* Stops here, with everything on disk. */
static sn_status stop(sn_generation *g) {
  char reason[80];
  snprintf(reason, sizeof reason, "stopped by %s", sn_stop_policy_reason(&g->policy, g->app));
  SN_TRY(sn_generation_save(g));
  SN_TRY(report_status(g, SN_RUN_CHECKPOINTED, reason));
  return SN_ERROR_ALL(SN_ERROR_STOPPED,
                      "%s after step %td, %td of %td snapshots; %s is written: run the same command again to go on",
                      reason, sn_etdrk4_steps_done(g->etdrk4), g->recorded, g->snapshots, g->checkpoint);
}

/* Does what the ranks' requests come to. */
static sn_status comply(sn_generation *g, sn_stop_request request) {
  show(g);
  if (request == SN_STOP_REQUEST_STOP) return stop(g);
  if (request != SN_STOP_REQUEST_CHECKPOINT) return SN_OK;
  SN_TRY(sn_generation_save(g));
  return report_status(g, SN_RUN_RUNNING, "generating");
}

/* In pieces, so that a blow-up is noticed where it happens and progress is shown. */
static sn_status pass_transient(sn_generation *g) {
  while (sn_etdrk4_steps_done(g->etdrk4) < g->transient) {
    const ptrdiff_t left = g->transient - sn_etdrk4_steps_done(g->etdrk4);
    sn_stop_request request = sn_stop_policy_request(&g->policy, g->app);
    SN_TRY(sn_etdrk4_step(g->etdrk4, left < g->interval ? left : g->interval));
    SN_TRY(sn_etdrk4_check(g->etdrk4, &request));
    SN_TRY(comply(g, request));
  }
  return SN_OK;
}

/* By the global place of every value, whatever the ranks. */
static void add_noise(const sn_generation *g) {
  const sn_config *c = &g->app->config;
  const sn_range points = sn_grid_range(g->grid);
  for (ptrdiff_t m = 0; m < g->members.count && c->generate.noise > 0; m++) {
    const sn_random random = {
        .seed = (uint64_t)c->run.seed, .purpose = SN_RANDOM_NOISE, .stream = (uint64_t)(g->members.start + m)};
    for (ptrdiff_t j = 0; j < points.count; j++)
      g->state[m * points.count + j] +=
          c->generate.noise *
          sn_random_normal(&random, (uint64_t)(g->recorded * sn_grid_points(g->grid) + points.start + j));
  }
}

static sn_status record(sn_generation *g) {
  const double *fields[] = {g->state};
  SN_TRY(sn_etdrk4_get_state(g->etdrk4, g->state));
  add_noise(g);
  return sn_trajectory_append(g->writer, (double)g->recorded++ * g->app->config.generate.interval, fields, NULL);
}

static sn_status integrate(sn_generation *g) {
  sn_log_progress_start(g->app->log, (double)sn_etdrk4_steps_done(g->etdrk4));
  if (!g->recorded) {
    SN_TRY(pass_transient(g));
    SN_TRY(record(g));
  }
  while (g->recorded < g->snapshots) {
    sn_stop_request request = sn_stop_policy_request(&g->policy, g->app);
    SN_TRY(sn_ks_resolution_step(&g->resolution, g->etdrk4, g->interval));
    SN_TRY(sn_etdrk4_check(g->etdrk4, &request));
    SN_TRY(record(g));
    SN_TRY(comply(g, g->recorded < g->snapshots ? request : SN_STOP_REQUEST_NONE));
  }
  SN_TRY(sn_trajectory_finish(&g->writer, (const double *const[]){g->parameter}));
  g->checkpoint[0] = '\0';
  return sn_series_prune(g->app, &g->series, 0, -1);
}

static sn_status generate(sn_generation *g) {
  char verdict[400];
  SN_TRY(prepare(g));
  if (g->complete) return SN_OK;
  SN_TRY(report_status(g, SN_RUN_RUNNING, "generating"));
  const double values = (double)g->app->config.generate.members * (double)sn_grid_points(g->grid);
  sn_stop_policy_start(&g->policy, g->app, g->app->config.run.checkpoint_interval, 4 * 8 * values);
  SN_TRY(integrate(g));
  if (sn_ks_resolution_verdict(&g->resolution, verdict, sizeof verdict))
    sn_log_line(g->app->log, "%s", verdict);
  else
    sn_log_warning(g->app->log, "%s", verdict);
  sn_log_line(g->app->log, "written: %s", g->app->config.generate.file);
  return report_status(g, SN_RUN_COMPLETE, "all snapshots written");
}

static sn_status run_generate(sn_app *app) {
  sn_generation g = {.app = app};
  sn_stall_watch(app);
  sn_status status = sn_app_abort_unless_collective(app, generate(&g));
  const bool failed = status && sn_error_get_code(status) != SN_ERROR_STOPPED;
  if (failed && g.begun) {
    sn_status ignored = report_status(&g, SN_RUN_FAILED, sn_error_get_message(status));
    sn_error_destroy(&ignored);
  }
  if (failed && g.begun && sn_error_get_code(status) == SN_ERROR_RUN) {
    sn_status ignored = sn_series_prune(app, &g.series, 0, -1); /* nothing will come of them */
    sn_error_destroy(&ignored);
  }
  /* Of a run that failed for want of disk there may be a checkpoint, to go on from once there is room. */
  if (g.checkpoint[0] && status && sn_error_get_code(status) != SN_ERROR_RUN)
    sn_trajectory_leave(&g.writer);
  else
    sn_trajectory_abandon(&g.writer);
  sn_etdrk4_destroy(&g.etdrk4);
  SN_FREE(g.state);
  SN_FREE(g.parameter);
  sn_grid_destroy(&g.grid);
  return status;
}

const sn_command sn_command_generate = {
    .name = "generate",
    .operand = "CONFIG.yaml",
    .summary = "Kuramoto-Sivashinsky trajectories (Fourier pseudo-spectral, ETDRK4)",
    .help = "Reads the sections run, grid, parallel and generate; writes the trajectory file generate.file.",
    .reads = SN_FOR_GENERATE,
    .run = run_generate};
