#include "sinode/exponential.h"

#include <string.h>

#include "exponential_ops.h"
#include "sinode/memory.h"

static sn_status prepare(sn_exponential *exponential, const sn_phi_sum *function) {
  SN_TRY(SN_NEW(exponential->functions, &exponential->function));
  memcpy(exponential->function, function, (size_t)exponential->functions * sizeof *function);
  return SN_OK;
}

static sn_status build(sn_exponential *exponential, const sn_phi_sum *function) {
  SN_TRY(sn_collective_status(sn_grid_space(exponential->grid), prepare(exponential, function)));
  SN_TRY(exponential->ops->create(exponential));
  SN_TRY(exponential->ops->reserve(exponential, exponential->options.samples));
  return sn_linear_version(exponential->linear) ? sn_exponential_update(exponential) : SN_OK;
}

sn_status sn_exponential_create(const sn_grid *grid, sn_linear *linear, const sn_exponential_options *options,
                                int functions, const sn_phi_sum *function, sn_exponential **out) {
  *out = NULL;
  const sn_exponential_ops *ops = sn_linear_is_circulant(linear) ? &sn_exponential_circulant : &sn_exponential_dense;
  sn_exponential *exponential;
  SN_TRY(sn_collective_status(sn_grid_space(grid), SN_NEW(1, &exponential)));
  *exponential =
      (sn_exponential){.ops = ops, .grid = grid, .linear = linear, .options = *options, .functions = functions};
  sn_exponential_forget(exponential);
  exponential->options.gradient &= sn_linear_is_trainable(linear);
  exponential->options.tangent &= sn_linear_is_trainable(linear);
  sn_status status = build(exponential, function);
  if (status) sn_exponential_destroy(&exponential);
  *out = exponential;
  return status;
}

void sn_exponential_destroy(sn_exponential **exponential) {
  if (!*exponential) return;
  if ((*exponential)->state) (*exponential)->ops->destroy(*exponential);
  SN_FREE((*exponential)->function);
  SN_FREE(*exponential);
}

sn_status sn_exponential_reserve(sn_exponential *exponential, ptrdiff_t samples) {
  return samples ? exponential->ops->reserve(exponential, samples) : SN_OK;
}

ptrdiff_t sn_exponential_size(const sn_exponential *exponential, ptrdiff_t samples) {
  return samples > exponential->options.samples ? exponential->ops->size(exponential, samples) : exponential->size;
}

void sn_exponential_forget(sn_exponential *exponential) {
  for (int k = 0; k < SN_LINEAR_VALUES_MOST; k++) exponential->made[k] = -1;
}

/* For the parameters of the samples that are worked on. */
sn_status sn_exponential_update(sn_exponential *exponential) {
  const sn_linear *linear = exponential->linear;
  const long version = sn_linear_version(linear);
  sn_timer *timer = sn_grid_timer(exponential->grid);
  bool makes = false;
  for (ptrdiff_t s = 0; s < (linear->row ? linear->rows : 1); s++) {
    const int parameter = linear->row ? linear->row[s] : 0;
    if (exponential->made[parameter] == version) continue;
    SN_TRY_TIMED(timer, SN_TIME_FACTOR, exponential->ops->make(exponential, parameter));
    exponential->made[parameter] = version;
    makes = true;
  }
  exponential->evaluations += makes;
  return SN_OK;
}

sn_status sn_exponential_transform(sn_exponential *exponential, bool transpose, ptrdiff_t samples, const double *state,
                                   double *transformed) {
  return exponential->ops->transform(exponential, transpose, samples, state, transformed);
}

sn_status sn_exponential_sum(sn_exponential *exponential, bool transpose, ptrdiff_t samples, int terms,
                             const sn_exponential_term *term, double *state) {
  return exponential->ops->sum(exponential, transpose, samples, terms, term, state);
}

void sn_exponential_clear(sn_exponential *exponential) { exponential->ops->clear(exponential); }

void sn_exponential_gather(sn_exponential *exponential, ptrdiff_t samples, int function, double weight,
                           const double *left, const double *right) {
  exponential->ops->gather(exponential, samples, function, weight, left, right);
}

sn_status sn_exponential_gradient(sn_exponential *exponential, double *gradient) {
  return exponential->ops->gradient(exponential, gradient);
}

sn_status sn_exponential_set_direction(sn_exponential *exponential, ptrdiff_t samples, const double *direction) {
  return exponential->ops->set_direction(exponential, samples, direction);
}

const char *sn_exponential_reason(const sn_exponential *exponential) { return exponential->reason; }
long sn_exponential_evaluations(const sn_exponential *exponential) { return exponential->evaluations; }
ptrdiff_t sn_exponential_bytes(const sn_exponential *exponential) { return exponential->bytes; }
