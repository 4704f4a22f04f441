#include "baselines.h"

#include <math.h>
#include <string.h>

#include "run/integrator_setup.h"
#include "sinode/memory.h"

struct sn_baselines {
  const sn_app *app;
  const sn_grid *grid;
  ptrdiff_t members, points, last; /* last: intervals of the last advance */
  double *initial, *climate;       /* (members, points), (members) */
  sn_model *model;                 /* the linear part alone */
  sn_integrator *integrator;
  double *states; /* (intervals + 1, members, points), to be multiplied by ... */
  double *scale;  /* (members): what is linear is brought back to size 1 now and then, and grows without overflow */
  double *sizes;  /* (members) */
};

const char *sn_baseline_name(sn_baseline baseline) {
  static const char *const names[SN_BASELINES] = {
      [SN_BASELINE_PERSISTENCE] = "persistence",
      [SN_BASELINE_CLIMATOLOGY] = "climatology",
      [SN_BASELINE_LINEAR] = "linear",
  };
  return names[baseline];
}

/* The same linear operator with no network beside it. */
static sn_status copy_linear_part(const sn_app *app, const sn_model *whole, ptrdiff_t samples, sn_model **out) {
  sn_linear_shape shape = *sn_linear_get_shape(sn_model_linear(whole));
  const sn_network_shape none = {.kind = SN_NETWORK_NONE};
  shape.trainable = false;
  SN_TRY(sn_collective_status(app->world, sn_model_create(sn_model_grid(whole), &shape, &none, samples, out)));
  sn_parameters *from = sn_model_parameters(whole), *to = sn_model_parameters(*out);
  for (int i = 0; i < sn_parameters_blocks(to); i++) {
    const sn_parameter_block *target = sn_parameters_block(to, i), *source = sn_parameters_find(from, target->name);
    memcpy(sn_parameters_values(to) + target->offset, sn_parameters_values(from) + source->offset,
           (size_t)sn_parameter_block_size(source) * sizeof(double));
  }
  SN_TRY(sn_linear_take_parameters(sn_model_linear(*out), sn_model_linear(whole), samples));
  return sn_model_loaded(*out);
}

static sn_status build(sn_baselines *b, sn_app *app, const sn_model *model, double interval, ptrdiff_t intervals) {
  const ptrdiff_t state = b->members * b->points, samples = b->members ? b->members : 1;
  SN_TRY(copy_linear_part(app, model, samples, &b->model));
  SN_TRY(sn_setup_integrator(app, b->model, interval, intervals, SN_PASSES_FORWARD, &b->integrator));
  SN_TRY(sn_integrator_reserve(b->integrator, samples));
  SN_TRY(SN_NEW(state, &b->initial));
  SN_TRY(SN_NEW(b->members, &b->climate));
  SN_TRY(SN_NEW((intervals + 1) * state, &b->states));
  SN_TRY(SN_NEW(b->members, &b->scale));
  return SN_NEW(b->members, &b->sizes);
}

sn_status sn_baselines_create(sn_app *app, const sn_model *model, double interval, ptrdiff_t intervals,
                              ptrdiff_t members, const double *initial, const double *climate, sn_baselines **out) {
  SN_TRY(sn_collective_status(app->world, SN_NEW(1, out)));
  sn_baselines *b = *out;
  *b = (sn_baselines){.app = app, .grid = sn_model_grid(model), .members = members};
  b->points = sn_grid_range(b->grid).count;
  sn_status status = sn_collective_status(app->world, build(b, app, model, interval, intervals));
  if (status) {
    sn_baselines_destroy(out);
    return status;
  }
  const size_t bytes = (size_t)(members * b->points) * sizeof *initial;
  memcpy(b->initial, initial, bytes);
  memcpy(b->states, initial, bytes);
  memcpy(b->climate, climate, (size_t)members * sizeof *climate);
  for (ptrdiff_t m = 0; m < members; m++) b->scale[m] = 1;
  return SN_OK;
}

void sn_baselines_destroy(sn_baselines **baselines) {
  sn_baselines *b = *baselines;
  if (!b) return;
  sn_integrator_destroy(&b->integrator);
  sn_model_destroy(&b->model);
  double **arrays[] = {&b->initial, &b->climate, &b->states, &b->scale, &b->sizes};
  for (size_t k = 0; k < sizeof arrays / sizeof arrays[0]; k++) SN_FREE(*arrays[k]);
  SN_FREE(*baselines);
}

/* Takes the last states as the first ones of the next advance, brought to a root mean square of 1. One reduction. */
static void begin_from_last(sn_baselines *b) {
  const ptrdiff_t state = b->members * b->points;
  memmove(b->states, b->states + b->last * state, (size_t)state * sizeof *b->states);
  for (ptrdiff_t m = 0; m < b->members; m++) {
    b->sizes[m] = 0;
    for (ptrdiff_t k = m * b->points; k < (m + 1) * b->points; k++) b->sizes[m] += b->states[k] * b->states[k];
  }
  sn_grid_sum_over_space(b->grid, b->members, b->sizes);
  for (ptrdiff_t m = 0; m < b->members; m++) {
    const double size = sqrt(b->sizes[m] / (double)sn_grid_points(b->grid));
    if (!(size > 0) || isinf(size)) continue;
    for (ptrdiff_t k = m * b->points; k < (m + 1) * b->points; k++) b->states[k] /= size;
    b->scale[m] *= size;
  }
}

sn_status sn_baselines_advance(sn_baselines *b, ptrdiff_t count) {
  begin_from_last(b);
  SN_TRY_TIMED(
      b->app->timer, SN_TIME_BASELINES,
      sn_collective_status(b->app->world, sn_integrator_forward(b->integrator, b->members, count, b->states, false)));
  b->last = count;
  return SN_OK;
}

void sn_baselines_compare(const sn_baselines *b, ptrdiff_t step, const double *truth, double *sums) {
  const double *linear = b->states + step * b->members * b->points;
  memset(sums, 0, (size_t)(SN_BASELINES * b->members) * sizeof *sums);
  for (ptrdiff_t m = 0; m < b->members; m++)
    for (ptrdiff_t k = m * b->points; k < (m + 1) * b->points; k++) {
      const double differences[SN_BASELINES] = {
          [SN_BASELINE_PERSISTENCE] = b->initial[k] - truth[k],
          [SN_BASELINE_CLIMATOLOGY] = b->climate[m] - truth[k],
          [SN_BASELINE_LINEAR] = b->scale[m] * linear[k] - truth[k],
      };
      for (int i = 0; i < SN_BASELINES; i++) sums[i * b->members + m] += differences[i] * differences[i];
    }
}
