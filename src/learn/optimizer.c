#include "sinode/optimizer.h"

#include <math.h>
#include <stdio.h>

#include "optimizer_ops.h"
#include "sinode/memory.h"

static void update_adamw(const sn_optimizer *optimizer, double rate, ptrdiff_t count, double *restrict value,
                         const double *restrict gradient, double *restrict mean, double *restrict square) {
  const sn_optimizer_options *o = &optimizer->options;
  const double beta1 = o->beta1, beta2 = o->beta2, epsilon = o->epsilon;
  const double step = rate / (1 - pow(beta1, (double)optimizer->steps));
  const double correction = 1 / sqrt(1 - pow(beta2, (double)optimizer->steps));
  const double decay = 1 - rate * o->weight_decay;
  for (ptrdiff_t k = 0; k < count; k++) {
    mean[k] = beta1 * mean[k] + (1 - beta1) * gradient[k];
    square[k] = beta2 * square[k] + (1 - beta2) * gradient[k] * gradient[k];
    value[k] = decay * value[k] - step * mean[k] / (sqrt(square[k]) * correction + epsilon);
  }
}

static void update_sgd(const sn_optimizer *optimizer, double rate, ptrdiff_t count, double *restrict value,
                       const double *restrict gradient, double *restrict velocity, double *restrict unused) {
  (void)unused;
  const double decay = optimizer->options.weight_decay, momentum = optimizer->options.momentum;
  for (ptrdiff_t k = 0; k < count; k++) {
    velocity[k] = momentum * velocity[k] + gradient[k] + decay * value[k];
    value[k] -= rate * velocity[k];
  }
}

const sn_optimizer_ops sn_optimizer_adamw = {.vectors = 2, .names = {"exp_avg", "exp_avg_sq"}, .update = update_adamw};
const sn_optimizer_ops sn_optimizer_sgd = {.vectors = 1, .names = {"momentum_buffer"}, .update = update_sgd};

static const sn_optimizer_ops *const kinds[] = {SN_OPTIMIZERS(SN_NAME_FUNCTIONS)};

const sn_name sn_optimizer_kinds[] = {SN_OPTIMIZERS(SN_NAME_ENTRY){NULL, 0}};

static sn_status build(sn_optimizer *optimizer) {
  const sn_optimizer_ops *ops = optimizer->ops;
  const bool named = ops->names[0] || !ops->vectors;
  optimizer->vectors = named ? ops->vectors : 2 * optimizer->options.history;
  for (int v = 0; v < optimizer->vectors; v++) {
    if (named)
      snprintf(optimizer->name[v], SN_OPTIMIZER_NAME, "%s", ops->names[v]);
    else
      snprintf(optimizer->name[v], SN_OPTIMIZER_NAME, "%s_%d", v % 2 ? "change" : "step", v / 2);
    SN_TRY(SN_NEW(sn_parameters_size(optimizer->parameters), &optimizer->vector[v]));
  }
  return ops->create ? ops->create(optimizer) : SN_OK;
}

sn_status sn_optimizer_create(sn_parameters *parameters, const sn_optimizer_options *options, sn_optimizer **out) {
  SN_TRY(SN_NEW(1, out));
  **out = (sn_optimizer){.ops = kinds[options->kind], .options = *options, .parameters = parameters};
  sn_status status = build(*out);
  if (status) sn_optimizer_destroy(out);
  return status;
}

void sn_optimizer_destroy(sn_optimizer **optimizer) {
  if (!*optimizer) return;
  if ((*optimizer)->state) (*optimizer)->ops->destroy(*optimizer);
  for (int v = 0; v < (*optimizer)->vectors; v++) SN_FREE((*optimizer)->vector[v]);
  SN_FREE(*optimizer);
}

void sn_optimizer_begin_step(sn_optimizer *optimizer) { optimizer->steps++; }

static void update_range(sn_optimizer *optimizer, double learning_rate, const double *gradient, sn_range part) {
  const ptrdiff_t at = part.start;
  double *second = optimizer->vector[1] ? optimizer->vector[1] + at : NULL;
  optimizer->ops->update(optimizer, learning_rate, part.count, sn_parameters_values(optimizer->parameters) + at,
                         gradient + at, optimizer->vector[0] + at, second);
}

/* States of windows do not decay. */
void sn_optimizer_update(sn_optimizer *optimizer, double learning_rate, const double *gradient, sn_range part) {
  const ptrdiff_t own = sn_parameters_model_size(optimizer->parameters), end = part.start + part.count;
  const double decay = optimizer->options.weight_decay;
  update_range(optimizer, learning_rate, gradient, sn_range_intersect(part, (sn_range){0, own}));
  if (end <= own) return;
  optimizer->options.weight_decay = 0;
  update_range(optimizer, learning_rate, gradient, sn_range_intersect(part, (sn_range){own, end - own}));
  optimizer->options.weight_decay = decay;
}

/* Scales a gradient down to the norm `most`. */
static void clip_norm(const sn_optimizer *optimizer, const sn_reduction *reduction, double most, double *gradient) {
  if (!(most > 0)) return;
  const double factor = most / sqrt(sn_reduction_square(reduction, gradient));
  for (ptrdiff_t k = 0; k < sn_parameters_size(optimizer->parameters) && factor < 1; k++) gradient[k] *= factor;
}

void sn_optimizer_step(sn_optimizer *optimizer, sn_reduction *reduction, double learning_rate, double clip,
                       double *gradient) {
  double *values = sn_parameters_values(optimizer->parameters);
  sn_timer *timer = sn_grid_timer(sn_parameters_grid(optimizer->parameters));
  sn_timer_start(timer, SN_TIME_OPTIMIZER);
  clip_norm(optimizer, reduction, clip, gradient);
  sn_optimizer_begin_step(optimizer);
  for (int k = 0; k < sn_reduction_parts(reduction); k++) {
    sn_optimizer_update(optimizer, learning_rate, gradient, sn_reduction_part(reduction, k));
    sn_reduction_share(reduction, k, values);
  }
  sn_reduction_complete(reduction);
  sn_timer_stop(timer, SN_TIME_OPTIMIZER);
}

bool sn_optimizer_kind_is_full_batch(sn_optimizer_kind kind) { return kinds[kind]->minimize != NULL; }
bool sn_optimizer_is_full_batch(const sn_optimizer *optimizer) { return optimizer->ops->minimize != NULL; }
bool sn_optimizer_kind_wants_tangents(sn_optimizer_kind kind) { return kinds[kind]->tangents; }
bool sn_optimizer_wants_tangents(const sn_optimizer *optimizer) { return optimizer->ops->tangents; }
bool sn_optimizer_wants_second_derivatives(const sn_optimizer *optimizer) {
  return optimizer->ops->tangents && optimizer->options.acceleration;
}

sn_status sn_optimizer_minimize(sn_optimizer *optimizer, const sn_problem *problem, double learning_rate, double *loss,
                                bool *moved) {
  optimizer->steps++;
  return optimizer->ops->minimize(optimizer, problem, learning_rate, loss, moved);
}

void sn_optimizer_restart(sn_optimizer *optimizer) {
  if (optimizer->ops->restart) optimizer->ops->restart(optimizer);
}

sn_normal_equations *sn_optimizer_normal(sn_optimizer *optimizer) {
  return optimizer->ops->normal ? optimizer->ops->normal(optimizer) : NULL;
}

int sn_optimizer_vectors(const sn_optimizer *optimizer) { return optimizer->vectors; }
const char *sn_optimizer_vector_name(const sn_optimizer *optimizer, int index) { return optimizer->name[index]; }
double *sn_optimizer_vector(sn_optimizer *optimizer, int index) { return optimizer->vector[index]; }
int sn_optimizer_numbers(const sn_optimizer *optimizer) { return optimizer->ops->numbers; }
double *sn_optimizer_number(sn_optimizer *optimizer) { return optimizer->number; }
int64_t *sn_optimizer_steps(sn_optimizer *optimizer) { return &optimizer->steps; }
