/* sinode generate: Kuramoto-Sivashinsky trajectories into a trajectory file. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "run/data_setup.h"
#include "run/grid_setup.h"
#include "run/input.h"
#include "run/output.h"
#include "run/run_directory.h"
#include "run/status_file.h"
#include "run/stop_policy.h"
#include "sinode/checkpoint_file.h"
#include "sinode/etdrk4.h"
#include "sinode/ks_initial.h"
#include "sinode/ks_resolution.h"
#include "sinode/memory.h"

typedef struct {
  sn_app *app;
  sn_grid *grid;
  sn_range members; /* of this replica */
  double *state;    /* (members, local points) */
  sn_etdrk4 *etdrk4;
  sn_trajectory_writer *writer;
  sn_ks_resolution resolution;
  ptrdiff_t transient, interval, snapshots; /* steps, steps, number */
  ptrdiff_t recorded;                       /* snapshots so far */
  sn_stop_policy policy;
  double told;                     /* clock when status.json was written */
  bool begun;                      /* the run directory is ours */
  bool complete;                   /* before it began */
  sn_series series;                /* of checkpoints */
  char checkpoint[SN_SERIES_PATH]; /* the newest, or "" */
} generation;

static double steps_in_all(const generation *g) { return (double)(g->transient + (g->snapshots - 1) * g->interval); }

static sn_run_progress progress_of(const generation *g) {
  const int64_t done = g->etdrk4 ? sn_etdrk4_steps_done(g->etdrk4) : 0;
  return (sn_run_progress){.step = done,
                           .steps = (int64_t)steps_in_all(g),
                           .loss = NAN,
                           .rate = NAN,
                           .seconds_left = sn_log_seconds_left(g->app->log, (double)done, steps_in_all(g)),
                           .memory_mib = (double)sn_memory_resident_peak() / 1048576};
}

static sn_status report_status(const generation *g, sn_run_state state, const char *reason) {
  const sn_app *app = g->app;
  sn_status status = SN_OK;
  if (app->rank == 0) {
    const sn_run_progress progress = progress_of(g);
    status = sn_status_file_write(app->config.run.directory, state, &progress, g->checkpoint, reason, app->timer);
  }
  return sn_collective_status(app->world, status);
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
  if (!status) status = sn_setup_read(g->app, g->grid, reader, wanted, (sn_range){last, 1}, &read);
  const ptrdiff_t points = sn_grid_range(g->grid).count;
  for (ptrdiff_t m = 0; m < g->members.count && !status; m++)
    memcpy(g->state + m * points, read + (there == 1 ? 0 : m) * points, (size_t)points * sizeof *read);
  SN_FREE(read);
  sn_trajectory_close(&reader);
  return status;
}

/* What a checkpoint holds. */
enum { RESOLUTION = 20 };
typedef struct {
  int64_t steps, recorded, space, replicas;
  double resolution[RESOLUTION];
  sn_checkpoint_array array[2];
  sn_checkpoint_number number[5];
  sn_checkpoint whole;
} contents;

/* The record of the resolution as plain numbers, and back. */
static void pack_resolution(const sn_ks_resolution *r, double *numbers) {
  const double head[] = {r->tail, r->budget, r->tail_time, r->budget_time, r->held};
  memcpy(numbers, head, sizeof head);
  for (int k = 0; k < 3; k++) {
    const sn_ks_balance *b = &r->last[k].balance;
    const double balance[] = {b->energy, b->production, b->dissipation, b->tail, (double)r->last[k].step};
    memcpy(numbers + 5 + 5 * k, balance, sizeof balance);
  }
}

static void unpack_resolution(const double *numbers, sn_ks_resolution *r) {
  *r = (sn_ks_resolution){.tail = numbers[0],
                          .budget = numbers[1],
                          .tail_time = numbers[2],
                          .budget_time = numbers[3],
                          .held = (int)numbers[4]};
  for (int k = 0; k < 3; k++) {
    const double *n = numbers + 5 + 5 * k;
    r->last[k].balance = (sn_ks_balance){n[0], n[1], n[2], n[3]};
    r->last[k].step = (ptrdiff_t)n[4];
  }
}

/* The state, and the coefficients that belong to it: `count` numbers of this rank of `total`, from `start` on. */
static void list_contents(generation *g, double *coefficients, ptrdiff_t total, ptrdiff_t start, ptrdiff_t count,
                          contents *c) {
  const sn_range points = sn_grid_range(g->grid);
  c->array[0] = (sn_checkpoint_array){.name = "u",
                                      .dimensions = 2,
                                      .shape = {g->app->config.generate.members, sn_grid_points(g->grid)},
                                      .start = {g->members.start, points.start},
                                      .count = {g->members.count, points.count},
                                      .values = g->state};
  c->array[1] = (sn_checkpoint_array){.name = "coefficients",
                                      .dimensions = 1,
                                      .shape = {total},
                                      .start = {start},
                                      .count = {count},
                                      .values = coefficients};
  const sn_checkpoint_number numbers[] = {{"steps", SN_CHECKPOINT_INT64, 1, &c->steps},
                                          {"snapshots", SN_CHECKPOINT_INT64, 1, &c->recorded},
                                          {"space", SN_CHECKPOINT_INT64, 1, &c->space},
                                          {"replicas", SN_CHECKPOINT_INT64, 1, &c->replicas},
                                          {"resolution", SN_CHECKPOINT_FLOAT64, RESOLUTION, c->resolution}};
  memcpy(c->number, numbers, sizeof numbers);
  c->whole = (sn_checkpoint){.arrays = 2, .array = c->array, .numbers = 5, .number = c->number};
}

/* Where this rank's coefficients stand among those of all. */
static void place_coefficients(const generation *g, ptrdiff_t count, ptrdiff_t *start, ptrdiff_t *total) {
  *start = 0;
  MPI_Exscan(&count, start, 1, MPI_AINT, MPI_SUM, g->app->world);
  if (g->app->rank == 0) *start = 0;
  MPI_Allreduce(&count, total, 1, MPI_AINT, MPI_SUM, g->app->world);
}

/* Everything on disk: the snapshots first, then the checkpoint that counts on them. */
static sn_status save(generation *g) {
  contents c = {.steps = sn_etdrk4_steps_done(g->etdrk4),
                .recorded = g->recorded,
                .space = sn_grid_space_size(g->grid),
                .replicas = sn_grid_replica_count(g->grid)};
  const sn_provenance provenance = sn_output_provenance(g->app, "checkpoint of a generation of trajectories");
  const double started = sn_clock();
  ptrdiff_t count, start, total;
  double *coefficients = sn_etdrk4_coefficients(g->etdrk4, &count);
  place_coefficients(g, count, &start, &total);
  pack_resolution(&g->resolution, c.resolution);
  SN_TRY(sn_etdrk4_get_state(g->etdrk4, g->state));
  list_contents(g, coefficients, total, start, count, &c);
  SN_TRY(sn_trajectory_save(g->writer));
  char path[SN_SERIES_PATH];
  sn_series_path(&g->series, c.steps, path);
  SN_TRY(sn_checkpoint_file_write(g->grid, path, NULL, &c.whole, &provenance));
  memcpy(g->checkpoint, path, sizeof path);
  SN_TRY(sn_series_prune(g->app, &g->series, 2, -1));
  sn_stop_policy_saved(&g->policy, sn_clock() - started);
  return SN_OK;
}

/*
 * Reads a checkpoint. The coefficients go on to the bit where they are split as before: over any replicas if no member
 * is split. Elsewhere they are read for the checksum alone and the state begins anew from u.
 */
static sn_status read_checkpoint(generation *g, const char *path, contents *c) {
  ptrdiff_t count, start, total, there;
  double *coefficients = sn_etdrk4_coefficients(g->etdrk4, &count), *scratch = NULL;
  place_coefficients(g, count, &start, &total);
  list_contents(g, coefficients, total, start, count, c);
  SN_TRY(sn_checkpoint_file_read_numbers(g->grid, path, 5, c->number));
  SN_TRY(sn_checkpoint_file_count(g->grid, path, "/state/coefficients", &there));
  const int space = sn_grid_space_size(g->grid), replicas = sn_grid_replica_count(g->grid);
  const bool same = there == total && c->space == space && (space == 1 || c->replicas == replicas);
  if (!same) {
    const sn_range share = sn_partition_range((sn_partition){.points = there, .ranks = g->app->ranks}, g->app->rank);
    SN_TRY(sn_collective_status(g->app->world, SN_NEW(share.count, &scratch)));
    list_contents(g, scratch, there, share.start, share.count, c);
  }
  sn_status status = sn_checkpoint_file_read(g->grid, path, &c->whole);
  SN_FREE(scratch);
  if (status) return status;
  if (!same) return sn_etdrk4_set_state(g->etdrk4, g->state, (ptrdiff_t)c->steps);
  sn_etdrk4_set_steps_done(g->etdrk4, (ptrdiff_t)c->steps);
  return SN_OK;
}

static sn_trajectory_spec spec_of(const generation *g) {
  static const sn_trajectory_variable field = {"u", "solution of the Kuramoto-Sivashinsky equation"};
  return (sn_trajectory_spec){.members = g->app->config.generate.members,
                              .own_members = g->members,
                              .length = g->app->config.grid.length,
                              .snapshots = g->snapshots,
                              .compression = g->app->config.io.compression,
                              .fields = 1,
                              .field = &field};
}

/* Sees that a file was made by a run of these parameters, as far as they decide the trajectories. */
static sn_status validate_same_run(const sn_app *app, const char *path, const char *kind) {
  static const char *const decisive[] = {
      "run.seed",        "grid",          "generate.initial",  "generate.initial_file", "generate.members",
      "generate.dt",     "generate.span", "generate.interval", "generate.transient",    "generate.perturbation",
      "generate.dealias"};
  return sn_output_same_run(app, path, kind, decisive, sizeof decisive / sizeof decisive[0], "generate.file");
}

/* Goes on from a checkpoint and from the snapshots that it counts on. */
static sn_status pick_up(void *context, const char *path) {
  generation *g = context;
  contents c;
  SN_TRY(validate_same_run(g->app, path, "checkpoint"));
  SN_TRY(read_checkpoint(g, path, &c));
  const int64_t expected = c.recorded ? g->transient + (c.recorded - 1) * g->interval : c.steps;
  if (c.recorded < 0 || c.recorded > g->snapshots || c.steps != expected || c.steps < 0 ||
      (!c.recorded && c.steps > g->transient))
    return SN_ERROR_ALL(SN_ERROR_FILE, "%s: step %lld does not go with %lld snapshots: the file is damaged", path,
                        (long long)c.steps, (long long)c.recorded);
  const sn_trajectory_spec spec = spec_of(g);
  SN_TRY(sn_trajectory_continue(g->grid, g->app->config.generate.file, &spec, (ptrdiff_t)c.recorded, &g->writer));
  g->recorded = (ptrdiff_t)c.recorded;
  unpack_resolution(c.resolution, &g->resolution);
  return SN_OK;
}

/* Where an earlier run has stopped, if one has; what cannot be read any more is begun anew. */
static sn_status resume(generation *g, bool *resumed) {
  sn_app *app = g->app;
  int64_t number;
  sn_status status = sn_series_resume(app, &g->series, pick_up, g, &number);
  *resumed = !status && number >= 0;
  if (*resumed) {
    sn_series_path(&g->series, number, g->checkpoint);
    sn_log_line(app->log, "resuming from %s: step %lld, %td snapshots", g->checkpoint, (long long)number, g->recorded);
  }
  if (!status || sn_error_get_code(status) != SN_ERROR_FILE) return status;
  sn_log_warning(app->log, "%s; beginning anew", sn_error_get_message(status));
  sn_error_destroy(&status);
  return SN_OK;
}

static sn_status start(generation *g) {
  const sn_config *c = &g->app->config;
  sn_ks_initial_options initial = c->generate.initial;
  initial.length = c->grid.length;
  initial.seed = (uint64_t)c->run.seed;
  if (initial.kind == SN_KS_INITIAL_FILE) SN_TRY(read_initial(g));
  sn_ks_initial_state(g->grid, &initial, g->members, g->state);
  SN_TRY(sn_etdrk4_set_state(g->etdrk4, g->state, 0));
  SN_TRY(sn_series_prune(g->app, &g->series, 0, -1));
  const sn_trajectory_spec spec = spec_of(g);
  const sn_provenance provenance = sn_output_provenance(g->app, "Kuramoto-Sivashinsky trajectories, ETDRK4");
  return sn_trajectory_create(g->grid, c->generate.file, &spec, &provenance, &g->writer);
}

/* A run that was killed before it could say that it is complete is said to be so. For rank 0. */
static sn_status correct_status(const generation *g) {
  const char *directory = g->app->config.run.directory;
  sn_run_status found;
  sn_status status = sn_status_file_read(directory, &found);
  if (status) { /* there is nothing to correct */
    sn_error_destroy(&status);
    return SN_OK;
  }
  const bool ours = found.progress.epochs == 0 && found.progress.steps == (int64_t)steps_in_all(g);
  if (!ours || strcmp(found.state, "complete") == 0) return SN_OK;
  found.progress.step = found.progress.steps;
  return sn_status_file_write(directory, SN_RUN_COMPLETE, &found.progress, "", "all snapshots written", g->app->timer);
}

/*
 * Whether the file is there (what has the name is whole) and of this run: a job that is started once more has nothing
 * left to do. A prediction was made with a section generate too, but not by the name of its file.
 */
static sn_status find_complete(generation *g) {
  static const char *const name[] = {"generate.file"};
  const sn_app *app = g->app;
  const char *path = app->config.generate.file;
  int there = app->rank == 0 && !app->overwrite && access(path, F_OK) == 0;
  MPI_Bcast(&there, 1, MPI_INT, 0, app->world);
  if (!there) return SN_OK;
  sn_status status = validate_same_run(app, path, "trajectory");
  if (!status) status = sn_output_same_run(app, path, "trajectory", name, 1, "generate.file");
  g->complete = !status;
  sn_error_destroy(&status); /* what to do about another file is said by the claim */
  if (!g->complete) return SN_OK;
  sn_log_line(app->log, "%s is complete already: made by a run of the same parameters", path);
  SN_TRY(sn_collective_status(app->world, app->rank == 0 ? correct_status(g) : SN_OK));
  return sn_series_prune(app, &g->series, 0, -1); /* of a run killed at the very end */
}

/* Takes the place of the file. */
static sn_status take_place(generation *g) {
  const char *path = g->app->config.generate.file;
  char prefix[SN_SERIES_PATH];
  SN_TRY(sn_output_lock_file(g->app, path, "generate.file"));
  snprintf(prefix, sizeof prefix, "%s.checkpoint", path);
  g->series = sn_series_at(prefix);
  SN_TRY(find_complete(g));
  return g->complete ? SN_OK : sn_output_check(g->app, path, "generate.file");
}

static sn_status prepare(generation *g) {
  sn_app *app = g->app;
  const sn_config *c = &app->config;
  SN_TRY(sn_setup_grid(app, &g->grid));
  g->members = sn_grid_share(g->grid, c->generate.members);
  g->transient = llround(c->generate.transient / c->generate.etdrk4.dt);
  g->interval = llround(c->generate.interval / c->generate.etdrk4.dt);
  g->snapshots = llround(c->generate.span / c->generate.interval) + 1;
  SN_TRY(take_place(g));
  if (g->complete) return SN_OK;
  sn_input_report_idle(app, g->grid, c->generate.members, "members", "generate.members");
  SN_TRY(sn_collective_status(app->world, SN_NEW(g->members.count * sn_grid_range(g->grid).count, &g->state)));
  sn_etdrk4_options options = c->generate.etdrk4;
  options.length = c->grid.length;
  options.rigor = c->fft.plan;
  SN_TRY(sn_etdrk4_create(g->grid, g->members.count, &options, &g->etdrk4));
  SN_TRY(sn_setup_keep_wisdom(app));
  const double mebibytes = (double)g->snapshots * (double)c->generate.members * (double)c->grid.points / 131072;
  sn_log_line(app->log, "%lld member%s, %td snapshots every %g after a transient of %g; %s will take %.1f MiB",
              (long long)c->generate.members, c->generate.members == 1 ? "" : "s", g->snapshots, c->generate.interval,
              c->generate.transient, c->generate.file, mebibytes);
  bool resumed = false;
  if (!app->overwrite) SN_TRY(resume(g, &resumed));
  if (!resumed) SN_TRY(start(g));
  SN_TRY(sn_run_lock(app));
  g->begun = true;
  return SN_OK;
}

static void show(generation *g) {
  const sn_run_progress now = progress_of(g);
  if (g->app->rank == 0)
    sn_status_file_refresh(g->app->config.run.directory, &now, g->checkpoint, "generating", g->app->timer, &g->told);
  sn_log_progress(g->app->log, "generating", (double)now.step, steps_in_all(g), "t %g", sn_etdrk4_time(g->etdrk4));
}

/* Stops here, with everything on disk. */
static sn_status stop(generation *g) {
  char reason[80];
  snprintf(reason, sizeof reason, "stopped by %s", sn_stop_policy_reason(&g->policy, g->app));
  SN_TRY(save(g));
  SN_TRY(report_status(g, SN_RUN_CHECKPOINTED, reason));
  return SN_ERROR_ALL(SN_ERROR_STOPPED,
                      "%s after step %td, %td of %td snapshots; %s is written: run the same command again to go on",
                      reason, sn_etdrk4_steps_done(g->etdrk4), g->recorded, g->snapshots, g->checkpoint);
}

/* Does what all ranks agreed on. */
static sn_status comply(generation *g, sn_stop_request request) {
  show(g);
  if (request == SN_STOP_REQUEST_STOP) return stop(g);
  if (request != SN_STOP_REQUEST_CHECKPOINT) return SN_OK;
  SN_TRY(save(g));
  return report_status(g, SN_RUN_RUNNING, "generating");
}

/* In pieces, so that a blow-up is noticed where it happens and progress is shown. */
static sn_status pass_transient(generation *g) {
  while (sn_etdrk4_steps_done(g->etdrk4) < g->transient) {
    const ptrdiff_t left = g->transient - sn_etdrk4_steps_done(g->etdrk4);
    sn_stop_request request = sn_stop_policy_request(&g->policy, g->app);
    SN_TRY(sn_etdrk4_step(g->etdrk4, left < g->interval ? left : g->interval));
    SN_TRY(sn_etdrk4_check(g->etdrk4, &request));
    SN_TRY(comply(g, request));
  }
  return SN_OK;
}

static sn_status record(generation *g) {
  const double *fields[] = {g->state};
  SN_TRY(sn_etdrk4_get_state(g->etdrk4, g->state));
  return sn_trajectory_append(g->writer, (double)g->recorded++ * g->app->config.generate.interval, fields, NULL);
}

static sn_status integrate(generation *g) {
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
  SN_TRY(sn_trajectory_finish(&g->writer, NULL));
  g->checkpoint[0] = '\0';
  return sn_series_prune(g->app, &g->series, 0, -1);
}

static sn_status generate(generation *g) {
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
  generation g = {.app = app};
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
