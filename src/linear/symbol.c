/*
 * A circulant operator given by its eigenvalues, one for each wave number 0 .. points / 2; they may be trained. Those
 * of wave numbers 0 and points / 2 are real, as A is: what stands for their imaginary parts is not looked at.
 */
#include <complex.h>

#include "linear_ops.h"
#include "sinode/memory.h"
#include "transforms.h"

typedef struct {
  sn_transforms *transforms;
  sn_fourier *fourier;          /* of one field, for gradients */
  double complex *left, *right; /* coefficients of a field */
  long evaluated;               /* version of the coefficients that the transforms have */
  const double *values;         /* (modes, 2) that symbol() reads: the coefficients, or a direction of them */
  sn_transforms *direction;     /* multiplies by a direction */
  double *product;              /* (samples, local points) */
} symbol_state;

static ptrdiff_t modes_of(const sn_linear *linear) { return sn_grid_points(linear->grid) / 2 + 1; }

/* Whether the mode is its own conjugate. */
static bool is_real(const sn_linear *linear, ptrdiff_t m) { return m == 0 || 2 * m == sn_grid_points(linear->grid); }

static double complex value_at(const sn_linear *linear, const double *values, ptrdiff_t m) {
  const ptrdiff_t k = m < 0 ? -m : m;
  const double imaginary = is_real(linear, k) ? 0 : m < 0 ? -values[2 * k + 1] : values[2 * k + 1];
  return CMPLX(values[2 * k], imaginary);
}

/* The local solver, which alone asks between wave numbers, is refused. */
static double complex symbol(const sn_linear *linear, double m) {
  return value_at(linear, sn_linear_coefficients(linear), (ptrdiff_t)llround(m));
}

static sn_status evaluate(const void *context, int index, ptrdiff_t m, double complex *value) {
  const sn_linear *linear = context;
  const symbol_state *state = linear->state;
  (void)index;
  *value = value_at(linear, state->values, m);
  return SN_OK;
}

static sn_status prepare(sn_linear *linear) {
  symbol_state *state;
  SN_TRY(SN_NEW(1, &state));
  linear->state = state;
  state->evaluated = -1;
  SN_TRY(SN_NEW(linear->samples * sn_grid_range(linear->grid).count, &state->product));
  sn_parameter_block block = {.name = "linear/symbol",
                              .dimensions = 2,
                              .shape = {modes_of(linear), 2},
                              .count = {modes_of(linear), 2},
                              .partial = true,
                              .trainable = linear->shape.trainable};
  SN_TRY(sn_parameters_add(linear->parameters, &block));
  linear->offset = block.offset;
  return SN_OK;
}

static sn_status create(sn_linear *linear) {
  const MPI_Comm space = sn_grid_space(linear->grid);
  SN_TRY(sn_collective_status(space, prepare(linear)));
  symbol_state *state = linear->state;
  sn_transforms **both[] = {&state->transforms, &state->direction};
  for (int k = 0; k < 2; k++) {
    SN_TRY(sn_transforms_create(linear->grid, SN_FOURIER_ESTIMATE, 1, evaluate, linear, both[k]));
    SN_TRY(sn_transforms_plan(*both[k], linear->samples));
  }
  SN_TRY(sn_fourier_create(linear->grid, 1, SN_FOURIER_ESTIMATE, &state->fourier));
  sn_status status = SN_NEW(sn_fourier_size(state->fourier), &state->left);
  if (!status) status = SN_NEW(sn_fourier_size(state->fourier), &state->right);
  return sn_collective_status(space, status);
}

static void destroy(sn_linear *linear) {
  symbol_state *state = linear->state;
  if (state->transforms) sn_transforms_destroy(&state->transforms);
  if (state->direction) sn_transforms_destroy(&state->direction);
  if (state->fourier) sn_fourier_destroy(&state->fourier);
  SN_FREE(state->left);
  SN_FREE(state->right);
  SN_FREE(state->product);
  SN_FREE(linear->state);
}

static sn_status set_ks(sn_linear *linear) {
  double *values = sn_linear_coefficients(linear);
  for (ptrdiff_t m = 0; m < modes_of(linear); m++) {
    const double k = 2 * M_PI * (double)m / linear->shape.length;
    values[2 * m] = k * k - k * k * k * k;
    values[2 * m + 1] = 0;
  }
  return SN_OK;
}

static sn_status multiply(sn_transforms *transforms, bool transpose, ptrdiff_t samples, const double *x, double *y) {
  SN_TRY(sn_transforms_plan(transforms, samples));
  return sn_transforms_multiply(transforms, 0, transpose, samples, x, y);
}

static sn_status apply(sn_linear *linear, bool transpose, ptrdiff_t samples, const double *x, double *y) {
  symbol_state *state = linear->state;
  if (state->evaluated != linear->version) {
    state->values = sn_linear_coefficients(linear);
    SN_TRY(sn_transforms_evaluate(state->transforms, 0));
    state->evaluated = linear->version;
  }
  return multiply(state->transforms, transpose, samples, x, y);
}

/* By Parseval left^T A right = 1 / points sum_m conj(L_m) s_m R_m over all m, where s_-m = conj s_m. */
static void add_modes(const sn_linear *linear, double weight, double *gradient) {
  const symbol_state *state = linear->state;
  const ptrdiff_t stride = sn_fourier_mode_stride(state->fourier);
  for (ptrdiff_t i = 0; i < sn_fourier_modes(state->fourier); i++) {
    const ptrdiff_t m = sn_fourier_wave_number(state->fourier, i), k = m < 0 ? -m : m;
    const double scale = weight * sn_fourier_multiplicity(state->fourier, i) / (double)sn_grid_points(linear->grid);
    const double complex product = conj(state->left[i * stride]) * state->right[i * stride];
    gradient[2 * k] += scale * creal(product);
    if (!is_real(linear, k)) gradient[2 * k + 1] -= (m < 0 ? -scale : scale) * cimag(product);
  }
}

static sn_status gradient_of(sn_linear *linear, ptrdiff_t samples, double weight, const double *left,
                             const double *right, double *gradient) {
  const symbol_state *state = linear->state;
  const ptrdiff_t n = sn_grid_range(linear->grid).count;
  for (ptrdiff_t s = 0; s < samples; s++) {
    SN_TRY(sn_fourier_forward(state->fourier, left + s * n, state->left));
    SN_TRY(sn_fourier_forward(state->fourier, right + s * n, state->right));
    add_modes(linear, weight, gradient + linear->offset);
  }
  return SN_OK;
}

static sn_status tangent(sn_linear *linear, ptrdiff_t samples, double weight, const double *direction, const double *x,
                         double *y) {
  symbol_state *state = linear->state;
  const ptrdiff_t count = samples * sn_grid_range(linear->grid).count;
  state->values = direction + linear->offset;
  SN_TRY(sn_transforms_evaluate(state->direction, 0));
  SN_TRY(multiply(state->direction, false, samples, x, state->product));
  for (ptrdiff_t k = 0; k < count; k++) y[k] += weight * state->product[k];
  return SN_OK;
}

const sn_linear_ops sn_linear_symbols = {
    .circulant = true,
    .create = create,
    .destroy = destroy,
    .set_ks = set_ks,
    .symbol = symbol,
    .apply = apply,
    .gradient = gradient_of,
    .tangent = tangent,
};
