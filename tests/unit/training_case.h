/* A small training, for tests of trainers and optimizers, on waves that travel; no model has them to round-off. */
#ifndef SINODE_TEST_TRAINING_CASE_H
#define SINODE_TEST_TRAINING_CASE_H

#include "unit.h"

#include "sinode/memory.h"
#include "sinode/observations.h"
#include "sinode/trainer.h"

enum { POINTS = 12, MEMBERS = 2, WINDOW = 2 };

typedef struct {
  int space;
  ptrdiff_t snapshots;
  double validation;
  sn_network_shape network;
  sn_optimizer_options optimizer;
  sn_trainer_options options;
  double rate;
  const char *scheme;
  ptrdiff_t substeps;
  bool gaps; /* every fifth value is not observed, nor is the fourth snapshot */
} training_shape;

typedef struct {
  sn_grid *grid;
  double *values, *filled, *counts;
  sn_dataset *dataset;
  sn_model *model;
  sn_integrator *integrator;
  sn_objective *objective;
  sn_optimizer *optimizer;
  sn_trainer *trainer;
} setting;

static double *make_values(const sn_grid *grid, ptrdiff_t snapshots) {
  const sn_range range = sn_grid_range(grid);
  double *values;
  assert_ok(SN_NEW(MEMBERS * snapshots * range.count, &values));
  for (ptrdiff_t k = 0; k < MEMBERS * snapshots; k++)
    for (ptrdiff_t j = 0; j < range.count; j++)
      values[k * range.count + j] = sin(0.5 * (double)(range.start + j) - 0.2 * (double)k);
  return values;
}

static void make_gaps(setting *s, ptrdiff_t snapshots) {
  const sn_range range = sn_grid_range(s->grid);
  const ptrdiff_t lines = MEMBERS * snapshots, values = lines * range.count;
  for (ptrdiff_t k = 0; k < values; k++)
    if ((k / range.count * POINTS + range.start + k % range.count) % 5 == 0 || k / range.count == 3) s->values[k] = NAN;
  assert_ok(SN_NEW(values, &s->filled));
  assert_ok(SN_NEW(lines, &s->counts));
  memcpy(s->filled, s->values, (size_t)values * sizeof *s->values);
  sn_observations_count(s->grid, lines, s->values, s->counts);
  assert_ok(sn_observations_fill(s->grid, MEMBERS, snapshots, s->counts, s->filled));
  assert_ok(sn_dataset_observe(s->dataset, s->filled, s->counts));
}

static setting make_training(const training_shape *shape) {
  setting s = {0};
  const sn_linear_shape linear = {.kind = SN_LINEAR_STENCIL, .taps = 5, .length = 22, .trainable = true};
  const sn_init init = {.kind = SN_INIT_NORMAL, .std = 0.1};
  const bool tangents = shape->optimizer.kind == SN_OPTIMIZER_LM;
  const sn_integrator_options integration = {
      .tableau = sn_tableau_find(shape->scheme),
      .dt = 0.1,
      .interval = 0.1 * (double)shape->substeps,
      .intervals = WINDOW,
      .adjoint = !tangents || shape->optimizer.acceleration || shape->options.initial == SN_INITIAL_ESTIMATED,
      .tangent = tangents,
      .storage = SN_STORAGE_ALL};
  const sn_trainer_options *options = &shape->options;
  assert_ok(sn_grid_create(MPI_COMM_WORLD, shape->space, POINTS, NULL, &s.grid));
  s.values = make_values(s.grid, shape->snapshots);
  assert_ok(sn_dataset_create(MEMBERS, shape->snapshots, sn_grid_range(s.grid).count, s.values, WINDOW, SN_SPLIT_TIME,
                              shape->validation, &s.dataset));
  if (options->initial == SN_INITIAL_ESTIMATED) sn_dataset_tile(s.dataset);
  if (shape->gaps) make_gaps(&s, shape->snapshots);
  assert_ok(sn_model_create(s.grid, &linear, &shape->network,
                            sn_trainer_samples(s.grid, s.dataset, options->batch, options->slice), &s.model));
  if (options->initial == SN_INITIAL_ESTIMATED)
    assert_ok(sn_model_add_states(s.model, sn_dataset_windows(s.dataset, SN_SET_TRAINING)));
  assert_ok(sn_linear_set_ks(sn_model_linear(s.model)));
  assert_ok(sn_network_initialize(sn_model_network(s.model), &init, 1));
  assert_ok(sn_model_loaded(s.model));
  assert_ok(sn_integrator_create(s.model, &integration, &s.integrator));
  assert_ok(sn_objective_create(s.model, s.integrator, SN_LOSS_MSE, WINDOW, &s.objective));
  assert_ok(sn_optimizer_create(sn_model_parameters(s.model), &shape->optimizer, &s.optimizer));
  assert_ok(sn_trainer_create(s.model, s.objective, s.dataset, s.optimizer, options, shape->rate, &s.trainer));
  sn_trainer_guess_states(s.trainer);
  assert_ok(sn_trainer_reserve(s.trainer, s.integrator));
  return s;
}

static void end_setting(setting *s) {
  sn_trainer_destroy(&s->trainer);
  sn_optimizer_destroy(&s->optimizer);
  sn_objective_destroy(&s->objective);
  sn_integrator_destroy(&s->integrator);
  sn_model_destroy(&s->model);
  sn_dataset_destroy(&s->dataset);
  SN_FREE(s->values);
  SN_FREE(s->filled);
  SN_FREE(s->counts);
  sn_grid_destroy(&s->grid);
}

/* What the hooks see and do. */
typedef struct {
  double losses[64];
  int iterations, epochs, stop_after;
  ptrdiff_t allocations; /* at the end of the first epoch */
  double best;
} witness;

static sn_stop_request request(void *context) {
  const witness *w = context;
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return w->iterations + 1 == w->stop_after && rank == 0 ? SN_STOP_REQUEST_STOP
                                                         : SN_STOP_REQUEST_NONE; /* one's is everyone's */
}

static sn_status after_iteration(void *context, const sn_trainer *trainer, double loss, sn_stop_request agreed) {
  witness *w = context;
  (void)trainer, (void)agreed;
  w->losses[w->iterations++] = loss;
  return SN_OK;
}

static sn_status after_epoch(void *context, const sn_trainer *trainer, const sn_trainer_record *record) {
  witness *w = context;
  (void)trainer;
  if (w->epochs++ == 0) w->allocations = sn_memory_calls();
  w->best = record->best ? record->validation_loss : w->best;
  return SN_OK;
}

static inline sn_trainer_hooks hooks_for(witness *w) {
  return (sn_trainer_hooks){w, request, after_iteration, after_epoch};
}

#endif
