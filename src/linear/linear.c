#include "sinode/linear.h"

#include <string.h>

#include "linear_ops.h"
#include "sinode/memory.h"

static const sn_linear_ops *const kinds[] = {SN_LINEARS(SN_NAME_FUNCTIONS)[SN_LINEAR_SYMBOL] = &sn_linear_symbols};

const sn_name sn_linear_kinds[] = {SN_LINEARS(SN_NAME_ENTRY){NULL, 0}};

const sn_name sn_linear_terms[] = {{"none", 0},       {"u", 1 << 0},      {"u_x", 1 << 1},  {"u_xx", 1 << 2},
                                   {"u_xxx", 1 << 3}, {"u_xxxx", 1 << 4}, {"u_5x", 1 << 5}, {"u_6x", 1 << 6},
                                   {"u_7x", 1 << 7},  {"u_8x", 1 << 8},   {NULL, 0}};

const char *sn_linear_kind_name(sn_linear_kind kind) {
  return kind == SN_LINEAR_SYMBOL ? "symbol" : sn_name_of(sn_linear_kinds, (int)kind);
}

/* A matrix has as many rows as there are points. */
bool sn_linear_is_of_one_grid(sn_linear_kind kind) { return !kinds[kind]->circulant; }

sn_linear_shape sn_linear_shape_of(const sn_linear_options *options, double length) {
  const sn_linear_init *init = &options->coefficients;
  return (sn_linear_shape){
      .kind = options->kind,
      .taps = init->derivatives ? sn_linear_difference_taps(init->derivatives, options->accuracy) : init->taps,
      .length = length,
      .trainable = options->trainable,
      .derivatives = init->derivatives,
      .scaled = (unsigned)options->scaled,
      .accuracy = options->accuracy};
}

/* At first every sample has the parameter 1. */
static sn_status prepare_parameters(sn_linear *linear) {
  linear->values = 1;
  if (!linear->shape.scaled) return SN_OK;
  SN_TRY(SN_NEW(SN_LINEAR_VALUES_MOST, &linear->value));
  linear->value[0] = 1;
  linear->rows = linear->samples;
  return SN_NEW(linear->samples, &linear->row);
}

/* The place of a value among those that there are, or behind them. */
static int place_of(const sn_linear *linear, double value) {
  int place = 0;
  while (place < linear->values && linear->value[place] != value) place++;
  return place;
}

sn_status sn_linear_expect_parameters(sn_linear *linear, ptrdiff_t count, const double *values) {
  const int before = linear->values;
  if (!linear->shape.scaled || !values) return SN_OK;
  for (ptrdiff_t k = 0; k < count; k++) {
    const int place = place_of(linear, values[k]);
    if (place == SN_LINEAR_VALUES_MOST)
      return SN_ERROR(SN_ERROR_USAGE,
                      "samples have had more than %d different values of the parameter, the most that a "
                      "model takes",
                      SN_LINEAR_VALUES_MOST);
    if (place == linear->values) linear->value[linear->values++] = values[k];
  }
  if (linear->values == before) return SN_OK;
  linear->version++;
  return linear->ops->extend(linear);
}

sn_status sn_linear_set_parameters(sn_linear *linear, ptrdiff_t samples, const double *values) {
  if (!linear->shape.scaled || !values) return SN_OK;
  SN_TRY(sn_linear_expect_parameters(linear, samples, values));
  linear->rows = samples;
  for (ptrdiff_t s = 0; s < samples; s++) linear->row[s] = place_of(linear, values[s]);
  return SN_OK;
}

sn_status sn_linear_take_parameters(sn_linear *linear, const sn_linear *from, ptrdiff_t samples) {
  if (!linear->row) return SN_OK;
  linear->values = from->values;
  linear->rows = samples;
  linear->version++;
  memcpy(linear->value, from->value, (size_t)from->values * sizeof *from->value);
  memcpy(linear->row, from->row, (size_t)samples * sizeof *from->row);
  return linear->ops->extend(linear);
}

void sn_linear_note_trained(sn_linear *linear, ptrdiff_t count, const double *values) {
  double *range = linear->shape.trained;
  range[0] = range[1] = values[0];
  for (ptrdiff_t k = 1; k < count; k++) {
    range[0] = fmin(range[0], values[k]);
    range[1] = fmax(range[1], values[k]);
  }
}

sn_status sn_linear_create(const sn_grid *grid, const sn_linear_shape *shape, ptrdiff_t samples,
                           sn_parameters *parameters, sn_linear **out) {
  *out = NULL;
  if (shape->kind == SN_LINEAR_STENCIL &&
      (shape->taps < 1 || shape->taps % 2 == 0 || shape->taps > sn_grid_points(grid)))
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "a linear stencil of %d coefficients was asked for; their number must be odd and at most the "
                        "%td grid points",
                        shape->taps, sn_grid_points(grid));
  sn_linear *linear;
  SN_TRY(sn_collective_status(sn_grid_space(grid), SN_NEW(1, &linear)));
  *linear = (sn_linear){
      .ops = kinds[shape->kind], .grid = grid, .shape = *shape, .parameters = parameters, .samples = samples};
  linear->symbol_at = 1;
  sn_status status = sn_collective_status(sn_grid_space(grid), prepare_parameters(linear));
  if (!status) status = linear->ops->create(linear);
  if (status) sn_linear_destroy(&linear);
  *out = linear;
  return status;
}

void sn_linear_destroy(sn_linear **linear) {
  if (!*linear) return;
  if ((*linear)->state) (*linear)->ops->destroy(*linear);
  SN_FREE((*linear)->value);
  SN_FREE((*linear)->row);
  SN_FREE(*linear);
}

void sn_linear_add_taps(const sn_grid *grid, int count, const double *taps, double *rows) {
  ptrdiff_t points = sn_grid_points(grid);
  sn_range range = sn_grid_range(grid);
  for (ptrdiff_t i = 0; i < range.count; i++)
    for (int k = 0; k < count; k++) {
      ptrdiff_t column = (range.start + i + k - count / 2) % points;
      if (column < 0) column += points;
      rows[i * points + column] += taps[k];
    }
}

sn_status sn_linear_set_ks(sn_linear *linear) { return linear->ops->set_derivatives(linear, sn_linear_ks()); }

sn_status sn_linear_initialize(sn_linear *linear, const sn_linear_init *init) {
  if (init->derivatives) return linear->ops->set_derivatives(linear, init);
  if (linear->shape.kind != SN_LINEAR_STENCIL || linear->shape.taps != init->taps)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "a list of %d coefficients is not for this %s linear part of %d", init->taps,
                        sn_linear_kind_name(linear->shape.kind), linear->shape.taps);
  memcpy(sn_linear_coefficients(linear), init->value, (size_t)init->taps * sizeof(double));
  return SN_OK;
}

sn_status sn_linear_update(sn_linear *linear) {
  linear->version++;
  if (linear->ops->update) linear->ops->update(linear);
  return SN_OK;
}

long sn_linear_version(const sn_linear *linear) { return linear->version; }
sn_linear_kind sn_linear_get_kind(const sn_linear *linear) { return linear->shape.kind; }
const sn_grid *sn_linear_grid(const sn_linear *linear) { return linear->grid; }
const sn_linear_shape *sn_linear_get_shape(const sn_linear *linear) { return &linear->shape; }
double sn_linear_length(const sn_linear *linear) { return linear->shape.length; }
bool sn_linear_is_circulant(const sn_linear *linear) { return linear->ops->circulant; }

bool sn_linear_is_trainable(const sn_linear *linear) { return linear->shape.trainable && linear->ops->gradient; }

double complex sn_linear_symbol(const sn_linear *linear, ptrdiff_t m) { return linear->ops->symbol(linear, (double)m); }

/* As many at a time as there is room for; of samples that have parameters all, as often as they fit. */
static sn_status apply(sn_linear *linear, bool transpose, ptrdiff_t samples, const double *x, double *y) {
  const ptrdiff_t n = sn_grid_range(linear->grid).count, room = linear->samples;
  const ptrdiff_t most = linear->rows ? room - room % linear->rows : room;
  for (ptrdiff_t s = 0; s < samples; s += most)
    SN_TRY(linear->ops->apply(linear, transpose, samples - s < most ? samples - s : most, x + s * n, y + s * n));
  return SN_OK;
}

sn_status sn_linear_apply(sn_linear *linear, ptrdiff_t samples, const double *x, double *y) {
  return apply(linear, false, samples, x, y);
}

sn_status sn_linear_apply_transpose(sn_linear *linear, ptrdiff_t samples, const double *x, double *y) {
  return apply(linear, true, samples, x, y);
}

sn_status sn_linear_gradient(sn_linear *linear, ptrdiff_t samples, double weight, const double *left,
                             const double *right, double *gradient) {
  if (!sn_linear_is_trainable(linear)) return SN_OK;
  return linear->ops->gradient(linear, samples, weight, left, right, gradient);
}

/* All ranks have the coefficients of a circulant, but each its own rows of a matrix. */
bool sn_linear_varies(const sn_linear *linear, const double *direction) {
  if (!sn_linear_is_trainable(linear)) return false;
  const double *change = direction + linear->offset;
  ptrdiff_t k = 0;
  while (k < linear->size && change[k] == 0) k++;
  int varies = k < linear->size;
  if (!linear->ops->circulant) MPI_Allreduce(MPI_IN_PLACE, &varies, 1, MPI_INT, MPI_MAX, sn_grid_space(linear->grid));
  return varies;
}

sn_status sn_linear_tangent(sn_linear *linear, ptrdiff_t samples, double weight, const double *direction,
                            const double *x, double *y) {
  if (!sn_linear_varies(linear, direction)) return SN_OK;
  return linear->ops->tangent(linear, samples, weight, direction, x, y);
}

sn_status sn_linear_rows(const sn_linear *linear, double *rows) {
  if (!linear->ops->rows)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "a %s linear operator has no matrix; use the fft solver with it",
                        sn_linear_kind_name(linear->shape.kind));
  linear->ops->rows(linear, rows);
  return SN_OK;
}
