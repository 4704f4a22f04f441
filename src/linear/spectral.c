#include <math.h>

#include "linear_ops.h"
#include "transforms.h"

/* The state of this kind is its transforms. */

static double complex symbol(const sn_linear *linear, double m) {
  double k = 2 * M_PI * m / linear->shape.length;
  return k * k - k * k * k * k;
}

static sn_status evaluate(const void *context, int index, ptrdiff_t m, double complex *value) {
  (void)index;
  *value = symbol(context, (double)m);
  return SN_OK;
}

static sn_status create(sn_linear *linear) {
  sn_transforms *transforms;
  SN_TRY(sn_transforms_create(linear->grid, SN_FOURIER_ESTIMATE, 1, evaluate, linear, &transforms));
  linear->state = transforms;
  SN_TRY(sn_transforms_plan(transforms, linear->samples));
  return sn_transforms_evaluate(transforms, 0);
}

static void destroy(sn_linear *linear) {
  sn_transforms *transforms = linear->state;
  sn_transforms_destroy(&transforms);
  linear->state = NULL;
}

/* It is that of Kuramoto-Sivashinsky by definition. */
static sn_status set_ks(sn_linear *linear) {
  (void)linear;
  return SN_OK;
}

static sn_status apply(sn_linear *linear, bool transpose, ptrdiff_t samples, const double *x, double *y) {
  SN_TRY(sn_transforms_plan(linear->state, samples));
  return sn_transforms_multiply(linear->state, 0, transpose, samples, x, y);
}

const sn_linear_ops sn_linear_spectral = {
    .circulant = true,
    .create = create,
    .destroy = destroy,
    .set_ks = set_ks,
    .symbol = symbol,
    .apply = apply,
};
