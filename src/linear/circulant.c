#include "circulant.h"

#include "sinode/memory.h"
#include "transforms.h"

typedef struct {
  const sn_circulant_form *form;
  sn_transforms *transforms;
  long evaluated;       /* version of the coefficients that the transforms have */
  const double *values; /* that eigenvalues are made of: the coefficients, or a direction of them */
  /* Where there is something to train: */
  sn_fourier *fourier;          /* of one field, for gradients */
  double complex *left, *right; /* coefficients of a field */
  sn_transforms *direction;     /* multiplies by a direction */
  double *product;              /* (samples, local points) */
} circulant;

/* For the parameter number `index`. */
static sn_status evaluate(const void *context, int index, ptrdiff_t m, double complex *value) {
  const sn_linear *linear = context;
  const circulant *state = linear->state;
  const sn_linear at = sn_linear_at(linear, index);
  *value = state->form->value(&at, state->values, (double)m);
  return SN_OK;
}

static sn_status prepare(sn_linear *linear, const sn_circulant_form *form, sn_parameter_block *block) {
  circulant *state;
  SN_TRY(SN_NEW(1, &state));
  linear->state = state;
  state->form = form;
  state->evaluated = -1;
  if (!block->dimensions) return SN_OK;
  for (int d = 0; d < block->dimensions; d++) block->count[d] = block->shape[d];
  block->partial = true;
  block->trainable = linear->shape.trainable;
  SN_TRY(sn_parameters_add(linear->parameters, block));
  linear->offset = block->offset;
  linear->size = sn_parameter_block_size(block);
  return SN_OK;
}

static sn_status plan(const sn_linear *linear, sn_transforms *transforms, ptrdiff_t samples) {
  return linear->row ? sn_transforms_plan_rows(transforms, samples) : sn_transforms_plan(transforms, samples);
}

static sn_status make_transforms(const sn_linear *linear, sn_transforms **transforms) {
  SN_TRY(sn_transforms_create(linear->grid, SN_FOURIER_ESTIMATE, linear->values, evaluate, linear, transforms));
  return plan(linear, *transforms, linear->samples);
}

sn_status sn_circulant_extend(sn_linear *linear) {
  circulant *state = linear->state;
  SN_TRY(sn_transforms_resize(state->transforms, linear->values));
  return state->direction ? sn_transforms_resize(state->direction, linear->values) : SN_OK;
}

sn_status sn_circulant_create(sn_linear *linear, const sn_circulant_form *form, sn_parameter_block *block) {
  const MPI_Comm space = sn_grid_space(linear->grid);
  SN_TRY(sn_collective_status(space, prepare(linear, form, block)));
  circulant *state = linear->state;
  SN_TRY(make_transforms(linear, &state->transforms));
  if (!linear->shape.trainable || !form->add_gradient || !linear->samples) return SN_OK;
  SN_TRY(make_transforms(linear, &state->direction));
  SN_TRY(sn_fourier_create(linear->grid, 1, SN_FOURIER_ESTIMATE, &state->fourier));
  sn_status status = SN_NEW(sn_fourier_size(state->fourier), &state->left);
  if (!status) status = SN_NEW(sn_fourier_size(state->fourier), &state->right);
  if (!status) status = SN_NEW(linear->samples * sn_grid_range(linear->grid).count, &state->product);
  return sn_collective_status(space, status);
}

void sn_circulant_destroy(sn_linear *linear) {
  circulant *state = linear->state;
  sn_transforms_destroy(&state->transforms);
  sn_transforms_destroy(&state->direction);
  sn_fourier_destroy(&state->fourier);
  SN_FREE(state->left);
  SN_FREE(state->right);
  SN_FREE(state->product);
  SN_FREE(linear->state);
}

double complex sn_circulant_symbol(const sn_linear *linear, double m) {
  const circulant *state = linear->state;
  return state->form->value(linear, sn_linear_coefficients(linear), m);
}

static sn_status multiply(const sn_linear *linear, sn_transforms *transforms, bool transpose, ptrdiff_t samples,
                          const double *x, double *y) {
  const sn_transforms_rows rows = {linear->row, linear->rows, 1};
  SN_TRY(plan(linear, transforms, samples));
  if (linear->row) return sn_transforms_multiply_rows(transforms, 0, &rows, transpose, samples, x, y);
  return sn_transforms_multiply(transforms, 0, transpose, samples, x, y);
}

sn_status sn_circulant_apply(sn_linear *linear, bool transpose, ptrdiff_t samples, const double *x, double *y) {
  circulant *state = linear->state;
  if (state->evaluated != linear->version) {
    state->values = sn_linear_coefficients(linear);
    SN_TRY(sn_transforms_evaluate(state->transforms, 0, linear->values));
    state->evaluated = linear->version;
  }
  return multiply(linear, state->transforms, transpose, samples, x, y);
}

/* By Parseval left^T A right = 1 / points sum_m conj(L_m) s_m R_m over all m, where s_-m = conj s_m. */
static void add_modes(const sn_linear *linear, int parameter, double weight, double *gradient) {
  const sn_linear at = sn_linear_at(linear, parameter);
  const circulant *state = linear->state;
  const ptrdiff_t stride = sn_fourier_mode_stride(state->fourier);
  for (ptrdiff_t i = 0; i < sn_fourier_modes(state->fourier); i++) {
    const double scale = weight * sn_fourier_multiplicity(state->fourier, i) / (double)sn_grid_points(linear->grid);
    const double complex product = conj(state->left[i * stride]) * state->right[i * stride];
    state->form->add_gradient(&at, sn_fourier_wave_number(state->fourier, i), scale * product, gradient);
  }
}

sn_status sn_circulant_gradient(sn_linear *linear, ptrdiff_t samples, double weight, const double *left,
                                const double *right, double *gradient) {
  const circulant *state = linear->state;
  const ptrdiff_t n = sn_grid_range(linear->grid).count;
  for (ptrdiff_t s = 0; s < samples; s++) {
    SN_TRY(sn_fourier_forward(state->fourier, left + s * n, state->left));
    SN_TRY(sn_fourier_forward(state->fourier, right + s * n, state->right));
    add_modes(linear, linear->row ? linear->row[s] : 0, weight, gradient + linear->offset);
  }
  return SN_OK;
}

sn_status sn_circulant_tangent(sn_linear *linear, ptrdiff_t samples, double weight, const double *direction,
                               const double *x, double *y) {
  circulant *state = linear->state;
  const ptrdiff_t count = samples * sn_grid_range(linear->grid).count;
  state->values = direction + linear->offset;
  SN_TRY(sn_transforms_evaluate(state->direction, 0, linear->values));
  SN_TRY(multiply(linear, state->direction, false, samples, x, state->product));
  for (ptrdiff_t k = 0; k < count; k++) y[k] += weight * state->product[k];
  return SN_OK;
}
