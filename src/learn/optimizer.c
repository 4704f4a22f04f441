#include "sinode/optimizer.h"

#include <math.h>

#include "sinode/memory.h"

/* An optimizer of the family: the names of its state vectors and the update of one block. */
typedef struct {
  int vectors;
  const char *names[2];
  void (*update)(const sn_optimizer *optimizer, double rate, ptrdiff_t count, double *restrict value,
                 const double *restrict gradient, double *restrict first, double *restrict second);
} optimizer_ops;

struct sn_optimizer {
  const optimizer_ops *ops;
  sn_optimizer_options options;
  sn_parameters *parameters;
  double *vectors[2];
  int64_t steps;
};

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

static const optimizer_ops families[] = {
    [SN_OPTIMIZER_ADAMW] = {.vectors = 2, .names = {"exp_avg", "exp_avg_sq"}, .update = update_adamw},
    [SN_OPTIMIZER_SGD] = {.vectors = 1, .names = {"momentum_buffer"}, .update = update_sgd},
};

sn_status sn_optimizer_create(sn_parameters *parameters, const sn_optimizer_options *options, sn_optimizer **out) {
  SN_TRY(SN_NEW(1, out));
  **out = (sn_optimizer){.ops = &families[options->kind], .options = *options, .parameters = parameters};
  for (int v = 0; v < (*out)->ops->vectors; v++) {
    sn_status status = SN_NEW(sn_parameters_size(parameters), &(*out)->vectors[v]);
    if (status) {
      sn_optimizer_destroy(out);
      return status;
    }
  }
  return SN_OK;
}

void sn_optimizer_destroy(sn_optimizer **optimizer) {
  if (!*optimizer) return;
  for (int v = 0; v < 2; v++) sn_memory_give(&(*optimizer)->vectors[v]);
  sn_memory_give(optimizer);
}

void sn_optimizer_begin_step(sn_optimizer *optimizer) { optimizer->steps++; }

void sn_optimizer_update(sn_optimizer *optimizer, double learning_rate, const double *gradient, sn_range part) {
  const ptrdiff_t at = part.start;
  double *second = optimizer->vectors[1] ? optimizer->vectors[1] + at : NULL;
  optimizer->ops->update(optimizer, learning_rate, part.count, sn_parameters_values(optimizer->parameters) + at,
                         gradient + at, optimizer->vectors[0] + at, second);
}

int sn_optimizer_vectors(const sn_optimizer *optimizer) { return optimizer->ops->vectors; }
const char *sn_optimizer_vector_name(const sn_optimizer *optimizer, int index) { return optimizer->ops->names[index]; }
double *sn_optimizer_vector(sn_optimizer *optimizer, int index) { return optimizer->vectors[index]; }
int64_t *sn_optimizer_steps(sn_optimizer *optimizer) { return &optimizer->steps; }
