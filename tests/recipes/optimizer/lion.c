/* Lion: Chen et al. 2023, Symbolic discovery of optimization algorithms. */
#include "optimizer_ops.h"

static void update(const sn_optimizer *optimizer, double rate, ptrdiff_t count, double *restrict value,
                   const double *restrict gradient, double *restrict mean, double *restrict unused) {
  const sn_optimizer_options *o = &optimizer->options;
  (void)unused;
  for (ptrdiff_t k = 0; k < count; k++) {
    const double direction = o->beta1 * mean[k] + (1 - o->beta1) * gradient[k];
    value[k] -= rate * ((direction > 0) - (direction < 0) + o->weight_decay * value[k]);
    mean[k] = o->beta2 * mean[k] + (1 - o->beta2) * gradient[k];
  }
}

const sn_optimizer_ops sn_optimizer_lion = {.vectors = 1, .names = {"exp_avg"}, .update = update};
