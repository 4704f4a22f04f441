/* Checkpoints of sinode generate: everything that makes a resumed run the same as an unbroken one. */
#include <string.h>

#include "generate.h"
#include "run/output.h"
#include "sinode/checkpoint_file.h"
#include "sinode/memory.h"

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
static void list_contents(sn_generation *g, double *coefficients, ptrdiff_t total, ptrdiff_t start, ptrdiff_t count,
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
static void place_coefficients(const sn_generation *g, ptrdiff_t count, ptrdiff_t *start, ptrdiff_t *total) {
  *start = 0;
  MPI_Exscan(&count, start, 1, MPI_AINT, MPI_SUM, g->app->world);
  if (g->app->rank == 0) *start = 0;
  MPI_Allreduce(&count, total, 1, MPI_AINT, MPI_SUM, g->app->world);
}

sn_status sn_generation_save(sn_generation *g) {
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
static sn_status read_checkpoint(sn_generation *g, const char *path, contents *c) {
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

/* Goes on from a checkpoint and from the snapshots that it counts on. */
static sn_status pick_up(void *context, const char *path) {
  sn_generation *g = context;
  contents c;
  SN_TRY(sn_generation_same_run(g->app, path, "checkpoint"));
  SN_TRY(read_checkpoint(g, path, &c));
  const int64_t expected = c.recorded ? g->transient + (c.recorded - 1) * g->interval : c.steps;
  if (c.recorded < 0 || c.recorded > g->snapshots || c.steps != expected || c.steps < 0 ||
      (!c.recorded && c.steps > g->transient))
    return SN_ERROR_ALL(SN_ERROR_FILE, "%s: step %lld does not go with %lld snapshots: the file is damaged", path,
                        (long long)c.steps, (long long)c.recorded);
  const sn_trajectory_spec spec = sn_generation_spec(g);
  SN_TRY(sn_trajectory_continue(g->grid, g->app->config.generate.file, &spec, (ptrdiff_t)c.recorded, &g->writer));
  g->recorded = (ptrdiff_t)c.recorded;
  unpack_resolution(c.resolution, &g->resolution);
  return SN_OK;
}

sn_status sn_generation_resume(sn_generation *g, bool *resumed) {
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
