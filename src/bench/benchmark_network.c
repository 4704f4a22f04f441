/*
 * The network alone, with a replica's share of a batch: its passes beside as many multiply-adds of a product of
 * matrices, and forward and backward together beside a pass through memory of the bytes that must move where the arrays
 * of a batch are larger than the caches, layers following one another within them.
 */
#include <math.h>

#include "benchmark.h"
#include "cost/cost.h"
#include "run/model_setup.h"
#include "sinode/memory.h"

typedef struct {
  sn_model *model;
  sn_network *network;
  ptrdiff_t samples;
  double *u, *f, *bar, *out, *tape; /* bar: what is passed back, and the direction of the tangent */
  double *gradient;
  sn_benchmark_reference reference;
} bench;

static sn_status product(void *context) {
  sn_benchmark_product(&((const bench *)context)->reference);
  return SN_OK;
}

static sn_status triad(void *context) {
  sn_benchmark_triad(&((const bench *)context)->reference);
  return SN_OK;
}

static sn_status forward(void *context) {
  const bench *t = context;
  return sn_network_forward(t->network, t->samples, t->u, t->f, t->tape);
}

static sn_status backward(void *context) {
  const bench *t = context;
  const sn_gradient gradient = {.values = t->gradient};
  return sn_network_backward(t->network, t->samples, t->u, t->tape, t->bar, t->out, &gradient);
}

static sn_status both(void *context) {
  SN_TRY(forward(context));
  return backward(context);
}

/* Along a direction of the states. */
static sn_status tangent(void *context) {
  const bench *t = context;
  return sn_network_tangent(t->network, t->samples, t->u, t->tape, t->bar, NULL, t->out);
}

static sn_status allocate(bench *t, const sn_grid *grid) {
  const sn_range range = sn_grid_range(grid);
  const ptrdiff_t count = t->samples * range.count;
  double **const arrays[] = {&t->u, &t->f, &t->bar, &t->out};
  for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++) SN_TRY(SN_NEW(count, arrays[k]));
  for (ptrdiff_t i = 0; i < count; i++) {
    t->u[i] = cos(0.3 * (double)(range.start + i));
    t->bar[i] = sin(0.2 * (double)(range.start + i));
  }
  SN_TRY(SN_NEW(sn_network_tape_size(t->network, t->samples), &t->tape));
  SN_TRY(SN_NEW(sn_parameters_size(sn_model_parameters(t->model)), &t->gradient));
  return sn_benchmark_create_reference(&t->reference);
}

static sn_status measure(sn_benchmark *b, bench *t) {
  const sn_config *c = &b->app->config;
  const sn_layout layout = {sn_grid_points(b->grid), sn_grid_space_size(b->grid), sn_grid_replica_count(b->grid)};
  t->samples = sn_partition_most(c->train.batch, layout.replicas);
  SN_TRY(sn_setup_model(b->app, b->grid, t->samples, &t->model));
  t->network = sn_model_network(t->model);
  const double evaluation = sn_cost_multiply_adds(layout, sn_network_get_shape(t->network)) * (double)t->samples;
  if (evaluation == 0) return SN_OK;
  SN_TRY(sn_collective_status(b->app->world, allocate(t, b->grid)));
  SN_TRY(forward(t)); /* for the tape */
  /* Each way the tape, the states that go in and what comes out. */
  const double points = (double)(t->samples * sn_grid_range(b->grid).count);
  const double bytes = 2 * 8 * ((double)sn_network_tape_size(t->network, t->samples) + 2 * points);
  const struct {
    const char *name, *baseline_name;
    sn_benchmark_call work, baseline;
    double share;
  } cases[] = {
      {"network_forward", "its multiply-adds by DGEMM", forward, product, evaluation / SN_BENCHMARK_PRODUCT},
      {"network_backward", "its multiply-adds by DGEMM", backward, product, 2 * evaluation / SN_BENCHMARK_PRODUCT},
      {"network_tangent", "its multiply-adds by DGEMM", tangent, product, evaluation / SN_BENCHMARK_PRODUCT},
      {"network_memory", "its bytes through memory", both, triad, bytes / SN_BENCHMARK_TRIAD}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    const sn_benchmark_case one = {.name = cases[k].name,
                                   .baseline_name = cases[k].baseline_name,
                                   .batch = c->train.batch,
                                   .work = cases[k].work,
                                   .baseline = cases[k].baseline,
                                   .share = cases[k].share,
                                   .context = t};
    SN_TRY(sn_benchmark_measure(b, &one));
  }
  return SN_OK;
}

sn_status sn_benchmark_network(sn_benchmark *b) {
  bench t = {0};
  sn_status status = measure(b, &t);
  sn_model_destroy(&t.model);
  double **const arrays[] = {&t.u, &t.f, &t.bar, &t.out, &t.tape, &t.gradient};
  for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++) SN_FREE(*arrays[k]);
  sn_benchmark_destroy_reference(&t.reference);
  return status;
}
