/* Training iterations and rollouts beside their bare matrix products: same BLAS, same shapes, one after the other;
 * those of convolutions beside as many multiply-adds of one product. */
#include <math.h>
#include <string.h>

#include <cblas.h>

#include "benchmark.h"
#include "cost/cost.h"
#include "run/integrator_setup.h"
#include "run/model_setup.h"
#include "run/training_setup.h"
#include "sinode/memory.h"
#include "sinode/trainer.h"

enum { BATCHES = 8, LAYERS = SN_NETWORK_HIDDEN_MOST + 1 };

/* The products of the layers as this rank makes them, (samples, in) times (in, out), each layer with its own operands.
 */
typedef struct {
  int layers;
  int in[LAYERS], out[LAYERS];
  long evaluations; /* of the network in a forward pass */
  double *weight[LAYERS], *gradient[LAYERS], *value[LAYERS + 1], *bar[2];
} products;

typedef struct {
  sn_grid *grid;
  double *values;
  sn_dataset *dataset;
  sn_model *model;
  sn_integrator *integrator, *rollout;
  sn_objective *objective;
  sn_optimizer *optimizer;
  sn_trainer *trainer;
  ptrdiff_t samples, steps; /* worked on at once; time steps of a rollout */
  ptrdiff_t share, passes;  /* this replica's of a batch, and how many times it works on some of that */
  double *states;           /* (2, points): of one trajectory */
  products baseline;
  sn_benchmark_reference reference;
} bench;

static sn_stop_request always_stop(void *context) {
  (void)context;
  return SN_STOP_REQUEST_STOP;
}

static sn_status after_iteration(void *context, const sn_trainer *trainer, double loss, sn_stop_request request) {
  (void)context, (void)trainer, (void)loss, (void)request;
  return SN_OK;
}

static sn_status after_epoch(void *context, const sn_trainer *trainer, const sn_trainer_record *record) {
  (void)context, (void)trainer, (void)record;
  return SN_OK;
}

/* One iteration: the trainer is asked to stop after each. */
static sn_status iterate(void *context) {
  const sn_trainer_hooks hooks = {NULL, always_stop, after_iteration, after_epoch};
  bool stopped;
  return sn_trainer_run(((bench *)context)->trainer, &hooks, &stopped);
}

static sn_status roll(void *context) {
  bench *t = context;
  return sn_integrator_forward(t->rollout, 1, 1, t->states, false);
}

static void forward_products(const products *p, int samples) {
  for (int l = 0; l < p->layers; l++)
    if (samples == 1)
      cblas_dgemv(CblasRowMajor, CblasNoTrans, p->out[l], p->in[l], 1, p->weight[l], p->in[l], p->value[l], 1, 0,
                  p->value[l + 1], 1);
    else
      cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, samples, p->out[l], p->in[l], 1, p->value[l], p->in[l],
                  p->weight[l], p->in[l], 0, p->value[l + 1], p->out[l]);
}

/* Nothing depends on the very first stage's input but the initial state, whose derivative training does not want. */
static void backward_products(const products *p, int samples, bool needs_input) {
  for (int l = p->layers - 1; l >= 0; l--) {
    const double *delta = p->bar[l % 2];
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, p->out[l], p->in[l], samples, 1, delta, p->out[l], p->value[l],
                p->in[l], 1, p->gradient[l], p->in[l]);
    if (l == 0 && !needs_input) continue;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, samples, p->in[l], p->out[l], 1, delta, p->out[l],
                p->weight[l], p->in[l], 0, p->bar[(l + 1) % 2], p->in[l]);
  }
}

static sn_status training_baseline(void *context) {
  const bench *t = context;
  for (ptrdiff_t pass = 0; pass < t->passes; pass++)
    for (long k = 0; k < t->baseline.evaluations; k++) {
      forward_products(&t->baseline, (int)t->samples);
      backward_products(&t->baseline, (int)t->samples, k > 0);
    }
  return SN_OK;
}

/* The same number of multiply-adds is in a share of it. */
static sn_status reference_product(void *context) {
  sn_benchmark_product(&((const bench *)context)->reference);
  return SN_OK;
}

/* The baseline with a barrier an iteration, as the sum of gradients implies one. */
static sn_status meeting(void *context) {
  const bench *t = context;
  SN_TRY(training_baseline(context));
  MPI_Barrier(sn_grid_world(t->grid));
  return SN_OK;
}

static sn_status rollout_baseline(void *context) {
  const bench *t = context;
  for (long k = 0; k < t->baseline.evaluations * t->steps; k++) forward_products(&t->baseline, 1);
  return SN_OK;
}

/* The widths of a perceptron's layers, split as the network splits them. */
static sn_status prepare_products(bench *t) {
  products *p = &t->baseline;
  const sn_network_shape *shape = sn_network_get_shape(sn_model_network(t->model));
  const ptrdiff_t points = sn_grid_points(t->grid);
  ptrdiff_t widest = 0;
  p->layers = shape->hidden + 1;
  for (int l = 0; l < p->layers; l++) {
    const ptrdiff_t in = l ? shape->width[l - 1] : points, out = l == shape->hidden ? points : shape->width[l];
    const int ranks = sn_grid_space_size(t->grid), rank = sn_grid_space_rank(t->grid);
    p->in[l] = (int)(l % 2 ? in : sn_partition_range((sn_partition){in, ranks}, rank).count);
    p->out[l] = (int)(l % 2 ? sn_partition_range((sn_partition){out, ranks}, rank).count : out);
    if (widest < in) widest = in;
    if (widest < out) widest = out;
    SN_TRY(SN_NEW((ptrdiff_t)p->in[l] * p->out[l], &p->weight[l]));
    SN_TRY(SN_NEW((ptrdiff_t)p->in[l] * p->out[l], &p->gradient[l]));
    SN_TRY(SN_NEW(t->samples * in, &p->value[l]));
  }
  SN_TRY(SN_NEW(t->samples * widest, &p->value[p->layers]));
  SN_TRY(SN_NEW(t->samples * widest, &p->bar[0]));
  return SN_NEW(t->samples * widest, &p->bar[1]);
}

static void free_products(products *p) {
  for (int l = 0; l < LAYERS; l++) {
    SN_FREE(p->weight[l]);
    SN_FREE(p->gradient[l]);
  }
  for (int l = 0; l <= LAYERS; l++) SN_FREE(p->value[l]);
  for (int k = 0; k < 2; k++) SN_FREE(p->bar[k]);
}

/* Smooth made-up snapshots, enough for some batches. */
static sn_status make_data(const sn_app *app, bench *t) {
  const sn_config *c = &app->config;
  const ptrdiff_t snapshots = BATCHES * c->train.batch + c->train.window;
  const sn_range range = sn_grid_range(t->grid);
  SN_TRY(sn_collective_status(app->world, SN_NEW(snapshots * range.count, &t->values)));
  for (ptrdiff_t s = 0; s < snapshots; s++)
    for (ptrdiff_t j = 0; j < range.count; j++) {
      const double x = 2 * M_PI * (double)(range.start + j) / (double)c->grid.points;
      t->values[s * range.count + j] = cos(3 * x - 0.01 * (double)s) + 0.5 * sin(2 * x + 0.02 * (double)s);
    }
  SN_TRY(sn_dataset_create(1, snapshots, range.count, t->values, c->train.window, SN_SPLIT_TIME, 0, &t->dataset));
  SN_TRY(sn_collective_status(app->world, SN_NEW(2 * range.count, &t->states)));
  memcpy(t->states, t->values, (size_t)range.count * sizeof *t->states);
  return SN_OK;
}

static sn_status prepare_training(sn_app *app, bench *t) {
  const sn_config *c = &app->config;
  t->share = sn_trainer_samples(t->grid, t->dataset, c->train.batch, 0);
  t->samples = sn_setup_samples(app, t->grid, t->dataset, c->generate.interval);
  t->passes = (t->share + t->samples - 1) / t->samples;
  SN_TRY(sn_setup_model(app, t->grid, t->samples, &t->model));
  SN_TRY(sn_setup_integrator(app, t->model, c->generate.interval, c->train.window, SN_PASSES_ADJOINT, &t->integrator));
  SN_TRY(sn_objective_create(t->model, t->integrator, c->loss, c->train.window, &t->objective));
  const sn_optimizer_options optimizer = {.kind = SN_OPTIMIZER_ADAMW, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
  SN_TRY(sn_optimizer_create(sn_model_parameters(t->model), &optimizer, &t->optimizer));
  const sn_trainer_options options = {.batch = c->train.batch,
                                      .epochs = INT64_MAX,
                                      .seed = 1,
                                      .window = c->train.window,
                                      .schedule = {.kind = SN_SCHEDULE_CONSTANT},
                                      .slice = sn_setup_slice(app)};
  SN_TRY(sn_trainer_create(t->model, t->objective, t->dataset, t->optimizer, &options, 1e-6, &t->trainer));
  SN_TRY(sn_trainer_reserve(t->trainer, t->integrator));
  t->steps = sn_integrator_steps(t->integrator, 1);
  SN_TRY(sn_setup_integrator(app, t->model, c->generate.interval, 1, SN_PASSES_FORWARD, &t->rollout));
  return sn_integrator_reserve(t->rollout, 1);
}

/* Evaluations of a step. Fixed ones may take the grid piece by piece, but do what the tableau says; of others the timer
 * knows. */
static sn_status count_evaluations(sn_app *app, bench *t) {
  const sn_tableau *tableau = app->config.integrator.tableau;
  if (tableau->kind != SN_TABLEAU_IMPLICIT && !tableau->adaptive) {
    t->baseline.evaluations = sn_cost_count_stages(tableau, app->config.integrator.dt, true, false).evaluations;
    return SN_OK;
  }
  const long before = sn_timer_calls(app->timer, SN_TIME_NETWORK);
  SN_TRY(roll(t));
  t->baseline.evaluations = (sn_timer_calls(app->timer, SN_TIME_NETWORK) - before) / t->steps;
  return SN_OK;
}

/* The last step of the rollout, whose state is the trainer's first sample or follows from it. */
static void report_estimate(const sn_app *app, const bench *t) {
  const double *estimates = sn_integrator_estimates(t->rollout);
  if (!estimates) return;
  double square = estimates[t->steps - 1];
  MPI_Allreduce(MPI_IN_PLACE, &square, 1, MPI_DOUBLE, MPI_SUM, sn_grid_space(t->grid));
  sn_log_line(app->log, "%-16s error estimate of a step by the embedded method: %.2e (rms over x); dt %g", "",
              sqrt(square / (double)sn_grid_points(t->grid)), app->config.integrator.dt);
}

/* Of an evaluation with one sample. */
static double multiply_adds(const bench *t) {
  const sn_layout layout = {sn_grid_points(t->grid), sn_grid_space_size(t->grid), sn_grid_replica_count(t->grid)};
  return sn_cost_multiply_adds(layout, sn_network_get_shape(sn_model_network(t->model)));
}

static sn_status measure(sn_benchmark *b, bench *t) {
  const sn_config *c = &b->app->config;
  SN_TRY(make_data(b->app, t));
  SN_TRY(prepare_training(b->app, t));
  SN_TRY(count_evaluations(b->app, t));
  const bool products_matter = c->model.network.kind == SN_NETWORK_MLP;
  if (products_matter) SN_TRY(sn_collective_status(b->app->world, prepare_products(t)));
  const double convolved = products_matter ? 0 : multiply_adds(t);
  if (convolved > 0) SN_TRY(sn_collective_status(b->app->world, sn_benchmark_create_reference(&t->reference)));
  const char *baseline_name = products_matter ? "its matrix products" : "its multiply-adds by DGEMM";
  const double evaluated = convolved * (double)t->baseline.evaluations * (double)t->steps;
  const sn_benchmark_case rollout = {.name = "predict_step",
                                     .baseline_name = baseline_name,
                                     .batch = 1,
                                     .work = roll,
                                     .baseline = products_matter ? rollout_baseline
                                                 : convolved > 0 ? reference_product
                                                                 : NULL,
                                     .share = evaluated / SN_BENCHMARK_PRODUCT,
                                     .context = t};
  sn_timer_sample(b->app->timer, b->app->ranks == 1); /* as predict does */
  SN_TRY(sn_benchmark_measure(b, &rollout));
  sn_timer_sample(b->app->timer, false);
  if (sn_benchmark_wants(b, "predict_step")) report_estimate(b->app, t);
  t->baseline.evaluations *= t->steps * c->train.window; /* of a window */
  const sn_benchmark_case iteration = {
      .name = "train_iteration",
      .baseline_name = baseline_name,
      .batch = c->train.batch,
      .work = iterate,
      .baseline = products_matter ? training_baseline
                  : convolved > 0 ? reference_product
                                  : NULL,
      .share = 3 * evaluated * (double)(t->share * c->train.window) / SN_BENCHMARK_PRODUCT,
      .context = t};
  SN_TRY(sn_benchmark_measure(b, &iteration));
  if (!products_matter || b->app->ranks == 1) return SN_OK;
  const sn_benchmark_case met = {.name = "train_meeting",
                                 .baseline_name = "the same, never meeting",
                                 .batch = c->train.batch,
                                 .work = meeting,
                                 .baseline = training_baseline,
                                 .context = t};
  return sn_benchmark_measure(b, &met);
}

sn_status sn_benchmark_training(sn_benchmark *b) {
  bench t = {.grid = b->grid};
  sn_status status = measure(b, &t);
  sn_trainer_destroy(&t.trainer);
  sn_optimizer_destroy(&t.optimizer);
  sn_objective_destroy(&t.objective);
  sn_integrator_destroy(&t.rollout);
  sn_integrator_destroy(&t.integrator);
  sn_model_destroy(&t.model);
  sn_dataset_destroy(&t.dataset);
  free_products(&t.baseline);
  sn_benchmark_destroy_reference(&t.reference);
  SN_FREE(t.values);
  SN_FREE(t.states);
  return status;
}
