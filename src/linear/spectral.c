#include <math.h>

#include "operator.h"
#include "sinode/memory.h"
#include "transforms.h"

typedef struct {
  sn_transforms *transforms;
  double complex *symbol; /* on the local modes */
} spectral;

static double complex symbol(const sn_linear *linear, ptrdiff_t m) {
  double k = 2 * M_PI * (double)m / linear->shape.length;
  return k * k - k * k * k * k;
}

static sn_status create(sn_linear *linear) {
  MPI_Comm space = sn_grid_space(linear->grid);
  spectral *state;
  SN_TRY(sn_agree(space, SN_NEW(1, &state)));
  linear->state = state;
  SN_TRY(sn_transforms_create(linear->grid, SN_FOURIER_ESTIMATE, &state->transforms));
  ptrdiff_t modes = sn_transforms_modes(state->transforms);
  SN_TRY(sn_agree(space, SN_NEW(modes, &state->symbol)));
  for (ptrdiff_t i = 0; i < modes; i++)
    state->symbol[i] = symbol(linear, sn_transforms_wave_number(state->transforms, i));
  return sn_transforms_plan(state->transforms, linear->samples);
}

static void destroy(sn_linear *linear) {
  spectral *state = linear->state;
  sn_transforms_destroy(&state->transforms);
  sn_memory_give(&state->symbol);
  sn_memory_give(&linear->state);
}

/* It is that of Kuramoto-Sivashinsky by definition. */
static sn_status set_ks(sn_linear *linear) {
  (void)linear;
  return SN_OK;
}

/* The symbol is real, so the transpose is the same. */
static sn_status apply(sn_linear *linear, bool transpose, ptrdiff_t samples, const double *x, double *y) {
  (void)transpose;
  spectral *state = linear->state;
  SN_TRY(sn_transforms_plan(state->transforms, samples));
  return sn_transforms_multiply(state->transforms, samples, state->symbol, x, y);
}

const sn_linear_operations sn_linear_spectral = {
    .name = "spectral",
    .circulant = true,
    .create = create,
    .destroy = destroy,
    .set_ks = set_ks,
    .symbol = symbol,
    .apply = apply,
};
