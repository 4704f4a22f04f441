/* Halo exchange and gradient reduction beside bare exchanges of the same bytes between two ranks. */
#include "benchmark.h"
#include "run/model_setup.h"
#include "sinode/count.h"
#include "sinode/halo.h"
#include "sinode/memory.h"
#include "sinode/reduction.h"

enum { HALO = 2 }; /* of the 5-tap stencil */

typedef struct {
  const sn_grid *grid;
  sn_model *model;
  sn_halo *halo;
  sn_reduction *reduction;
  ptrdiff_t samples, points;
  int gradient;              /* its numbers, where one message carries them */
  double *values, *received; /* as many as the larger of the fields and the gradient */
} exchange;

static sn_status exchange_halo(void *context) {
  const exchange *e = context;
  SN_TRY(sn_halo_begin(e->halo, e->samples, e->values, e->points));
  return sn_halo_end(e->halo);
}

/* What it sends to the left and to the right, without packing. */
static sn_status halo_baseline(void *context) {
  const exchange *e = context;
  const int ranks = sn_grid_space_size(e->grid), rank = sn_grid_space_rank(e->grid);
  const int count = (int)(HALO * e->samples), left = (rank + ranks - 1) % ranks, right = (rank + 1) % ranks;
  const MPI_Comm space = sn_grid_space(e->grid);
  MPI_Sendrecv(e->values, count, MPI_DOUBLE, left, 0, e->received, count, MPI_DOUBLE, right, 0, space,
               MPI_STATUS_IGNORE);
  MPI_Sendrecv(e->values, count, MPI_DOUBLE, right, 1, e->received, count, MPI_DOUBLE, left, 1, space,
               MPI_STATUS_IGNORE);
  return SN_OK;
}

static sn_status reduce_gradient(void *context) {
  const exchange *e = context;
  sn_reduction_sum(e->reduction, e->values);
  return SN_OK;
}

/* The gradient to another replica and back: the least that two ranks must send. */
static sn_status reduction_baseline(void *context) {
  const exchange *e = context;
  const int replica = sn_grid_replica(e->grid), other = replica ^ 1;
  if (other >= sn_grid_replica_count(e->grid)) return SN_OK;
  MPI_Sendrecv(e->values, e->gradient, MPI_DOUBLE, other, 0, e->received, e->gradient, MPI_DOUBLE, other, 0,
               sn_grid_replicas(e->grid), MPI_STATUS_IGNORE);
  return SN_OK;
}

/* Sets e->gradient. Whether one message carries the gradient, on all ranks. Collective over world. */
static bool fits_a_message(const sn_benchmark *b, exchange *e, ptrdiff_t gradient) {
  sn_status status = sn_collective_status(
      b->app->world, sn_count_to_int(gradient, "the number of elements of the gradient", &e->gradient));
  const bool fits = !status;
  sn_error_destroy(&status);
  return fits;
}

static sn_status measure(sn_benchmark *b, exchange *e) {
  const sn_config *c = &b->app->config;
  e->samples = sn_partition_most(c->train.batch, sn_grid_replica_count(b->grid));
  e->points = sn_grid_range(b->grid).count;
  SN_TRY(sn_setup_model(b->app, b->grid, 1, &e->model));
  SN_TRY(sn_halo_create(b->grid, HALO, e->samples, &e->halo));
  SN_TRY(sn_reduction_create(sn_model_parameters(e->model), &e->reduction));
  const ptrdiff_t gradient = sn_parameters_size(sn_model_parameters(e->model)), field = e->samples * e->points;
  const ptrdiff_t most = gradient > field ? gradient : field;
  const bool fits = fits_a_message(b, e, gradient);
  sn_status status = SN_NEW(most, &e->values);
  if (!status) status = SN_NEW(most, &e->received);
  SN_TRY(sn_collective_status(b->app->world, status));
  const sn_benchmark_case halo = {.name = "halo",
                                  .baseline_name = "bare messages of its bytes",
                                  .batch = c->train.batch,
                                  .work = exchange_halo,
                                  .baseline = sn_grid_space_size(b->grid) > 1 ? halo_baseline : NULL,
                                  .context = e};
  const sn_benchmark_case reduction = {
      .name = "reduction",
      .baseline_name = "a bare exchange of its bytes",
      .work = reduce_gradient,
      .baseline = fits && sn_grid_replica_count(b->grid) > 1 ? reduction_baseline : NULL,
      .context = e};
  SN_TRY(sn_benchmark_measure(b, &halo));
  return sn_benchmark_measure(b, &reduction);
}

sn_status sn_benchmark_communication(sn_benchmark *b) {
  exchange e = {.grid = b->grid};
  sn_status status = measure(b, &e);
  SN_FREE(e.values);
  SN_FREE(e.received);
  sn_halo_destroy(&e.halo);
  sn_reduction_destroy(&e.reduction);
  sn_model_destroy(&e.model);
  return status;
}
