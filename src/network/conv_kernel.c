#include "conv_kernel.h"

#include <stdbool.h>
#include <string.h>

#include "conv_shapes.h"
#include "sinode/memory.h"

#ifdef HAS_VECTORS
#define LANES LANES_MOST
#define VECTOR vector
#define OF(name) vector_##name
#define WHERE(condition, x) ((vector)((mask)(x) & (condition)))
#define UNLESS(condition, x) ((vector)((mask)(x) & ~(condition)))
#include "conv_tiles.h"
#undef WHERE
#undef UNLESS
#undef LANES
#undef VECTOR
#undef OF
#undef EVERY_SECOND
#endif

#define LANES 1
#define VECTOR real
#define OF(name) scalar_##name
#define WHERE(condition, x) ((condition) ? (x) : 0)
#define UNLESS(condition, x) ((condition) ? 0 : (x))
#include "conv_tiles.h"
#undef WHERE
#undef UNLESS
#undef LANES
#undef VECTOR
#undef OF

sn_status sn_convolution_check(const sn_grid *grid, int kernel) {
  if (kernel >= 1 && kernel % 2 == 1 && kernel <= sn_grid_points(grid)) return SN_OK;
  return SN_ERROR_ALL(SN_ERROR_USAGE,
                      "model.nonlinear.kernel is %d, but must be odd and at most the %td points of the grid", kernel,
                      sn_grid_points(grid));
}

sn_status sn_convolution_create(const sn_grid *grid, int kernel, ptrdiff_t rows, sn_convolution *c) {
  const ptrdiff_t points = sn_grid_range(grid).count, reach = kernel / 2;
  *c = (sn_convolution){.points = points,
                        .kernel = kernel,
                        .reach = reach,
                        .span = sn_convolution_lines(points + 2 * reach),
                        .lead = sn_convolution_lines(reach) - reach};
  return reach && sn_grid_space_size(grid) > 1 ? sn_halo_create(grid, reach, rows, &c->halo) : SN_OK;
}

void sn_convolution_destroy(sn_convolution *c) { sn_halo_destroy(&c->halo); }

sn_status sn_convolution_new(const sn_convolution *c, ptrdiff_t numbers, real **padded) {
  real *memory;
  *padded = NULL;
  SN_TRY(SN_NEW(c->lead + numbers, &memory));
  *padded = memory + c->lead;
  return SN_OK;
}

void sn_convolution_free(const sn_convolution *c, real **padded) {
  real *memory = *padded ? *padded - c->lead : NULL;
  SN_FREE(memory);
  *padded = NULL;
}

sn_rows sn_convolution_plain(const sn_convolution *c, const real *values) {
  return (sn_rows){(real *)values, c->points};
}

sn_rows sn_convolution_interior(const sn_convolution *c, real *padded) { return (sn_rows){padded + c->reach, c->span}; }

void sn_convolution_copy(const sn_convolution *c, ptrdiff_t rows, const double *values, real *padded) {
  for (ptrdiff_t i = 0; i < rows; i++, values += c->points, padded += c->span)
    for (ptrdiff_t j = 0; j < c->points; j++) padded[c->reach + j] = (real)values[j];
}

sn_status sn_convolution_fill_halos(sn_convolution *c, ptrdiff_t rows, real *padded) {
  const ptrdiff_t reach = c->reach;
  if (c->halo) {
    SN_TRY(SN_REAL(sn_halo_begin)(c->halo, rows, padded + reach, c->span));
    SN_TRY(sn_halo_end(c->halo));
  }
  const real *left = c->halo ? SN_REAL(sn_halo_left)(c->halo) : padded + c->points;
  const real *right = c->halo ? SN_REAL(sn_halo_right)(c->halo) : padded + reach;
  const ptrdiff_t stride = c->halo ? reach : c->span;
  for (ptrdiff_t i = 0; i < rows; i++, left += stride, right += stride) {
    real *row = padded + i * c->span;
    for (ptrdiff_t j = 0; j < reach; j++) row[j] = left[j];
    for (ptrdiff_t j = 0; j < reach; j++) row[reach + c->points + j] = right[j];
  }
  return SN_OK;
}

sn_status sn_convolution_pad(sn_convolution *c, ptrdiff_t rows, const double *values, real *padded) {
  sn_convolution_copy(c, rows, values, padded);
  return sn_convolution_fill_halos(c, rows, padded);
}

/* The first of equal parts, of `most` at most. */
static ptrdiff_t part_of(ptrdiff_t count, ptrdiff_t most) {
  const ptrdiff_t parts = (count + most - 1) / most;
  return (count + parts - 1) / parts;
}

static ptrdiff_t panel_of(ptrdiff_t left) { return part_of(left, OUTPUTS); }

void sn_convolution_pack(const sn_convolution *c, ptrdiff_t out, ptrdiff_t in, const double *weight, real *packed) {
  const ptrdiff_t width = in * c->kernel;
  for (ptrdiff_t first = 0, outputs; first < out; first += outputs, packed += outputs * width) {
    outputs = panel_of(out - first);
    for (ptrdiff_t o = 0; o < outputs; o++)
      for (ptrdiff_t k = 0; k < width; k++) packed[k * outputs + o] = (real)weight[(first + o) * width + k];
  }
}

void sn_convolution_pack_transposed(const sn_convolution *c, ptrdiff_t out, ptrdiff_t in, const double *weight,
                                    real *packed) {
  const ptrdiff_t taps = c->kernel;
  for (ptrdiff_t first = 0, inputs; first < in; first += inputs) {
    inputs = panel_of(in - first);
    for (ptrdiff_t o = 0; o < out; o++)
      for (ptrdiff_t k = 0; k < taps; k++)
        for (ptrdiff_t i = 0; i < inputs; i++) *packed++ = (real)weight[(o * in + first + i + 1) * taps - 1 - k];
  }
}

/* No block is shorter than a vector where there are as many points in all. */
static ptrdiff_t end_of_block(ptrdiff_t first, ptrdiff_t end, ptrdiff_t block) {
  return end - first < block + LANES_MOST ? end : first + block;
}

static void apply_panel(const sn_convolution *c, ptrdiff_t outputs, int terms, const sn_convolution_term *term,
                        ptrdiff_t first, ptrdiff_t end, const sn_convolution_target *to) {
#ifdef HAS_VECTORS
  if (end - first >= LANES_MOST)
    vector_panel(outputs, c, terms, term, first, end, to);
  else
#endif
    scalar_panel(outputs, c, terms, term, first, end, to);
}

/* Panel after panel. */
static void apply_panels(const sn_convolution *c, ptrdiff_t out, int terms, const sn_convolution_term *from,
                         ptrdiff_t first, ptrdiff_t end, const sn_convolution_target *to) {
  sn_convolution_term term[SN_CONVOLUTION_TERMS];
  for (int t = 0; t < terms; t++) term[t] = from[t];
  for (ptrdiff_t o = 0, outputs; o < out; o += outputs) {
    const sn_convolution_target panel = sn_convolution_target_at(to, o, 0);
    outputs = panel_of(out - o);
    apply_panel(c, outputs, terms, term, first, end, &panel);
    for (int t = 0; t < terms; t++) term[t].weight += outputs * term[t].in * c->kernel;
  }
}

/* The epilogue of an output that is stored already, but for the bias. */
static void finish_row(const sn_convolution_target *to, ptrdiff_t first, ptrdiff_t end) {
  for (ptrdiff_t j = first; j < end && to->rectifies; j++) to->z[j] = 0 > to->z[j] ? 0 : to->z[j];
  for (ptrdiff_t j = first; j < end && to->gate; j++) to->z[j] = to->gate[j] > 0 ? to->z[j] : 0;
}

/*
 * A single output of many inputs by its taps, which take the place of outputs as they are packed like a panel of them:
 * what is loaded serves all taps, whose sums are shifted and added up in the end.
 */
static void apply_taps(const sn_convolution *c, int terms, const sn_convolution_term *term, ptrdiff_t first,
                       ptrdiff_t end, const sn_convolution_target *to) {
  enum { STRIDE = TAPS_BLOCK + LANES_MOST + WIDEST };
  const sn_convolution of_tap = {.points = c->points, .kernel = 1, .span = c->span};
  real sum[WIDEST][STRIDE];
  const sn_convolution_target sums = {.z = sum[0], .stride = STRIDE};
  const real bias = to->bias ? (real)*to->bias : 0;
  sn_convolution_term shifted[SN_CONVOLUTION_TERMS];
  for (ptrdiff_t j = first, next; j < end; j = next) {
    next = end_of_block(j, end, TAPS_BLOCK);
    for (int t = 0; t < terms; t++) {
      shifted[t] = term[t];
      shifted[t].padded += j;
    }
    apply_panel(&of_tap, c->kernel, terms, shifted, 0, next - j + c->kernel - 1, &sums);
#ifdef HAS_VECTORS
    if (next - j >= LANES_MOST)
      vector_add_shifted(c->kernel, sum[0], STRIDE, bias, next - j, to->z + j);
    else
#endif
      scalar_add_shifted(c->kernel, sum[0], STRIDE, bias, next - j, to->z + j);
  }
  finish_row(to, first, end);
}

static bool is_by_taps(const sn_convolution *c, ptrdiff_t out, int terms, const sn_convolution_term *term) {
  enum { INPUTS_LEAST = 5 };
  ptrdiff_t inputs = 0;
  for (int t = 0; t < terms; t++) inputs += term[t].in;
  return out == 1 && c->kernel > 1 && c->kernel <= TAPS_MOST && inputs >= INPUTS_LEAST;
}

/* All outputs of a sample at the points first .. end - 1. */
static void apply_block(const sn_convolution *c, ptrdiff_t out, int terms, const sn_convolution_term *term,
                        ptrdiff_t first, ptrdiff_t end, const sn_convolution_target *to) {
  if (is_by_taps(c, out, terms, term))
    apply_taps(c, terms, term, first, end, to);
  else
    apply_panels(c, out, terms, term, first, end, to);
}

void sn_convolution_apply(const sn_convolution *c, sn_convolution_part part, ptrdiff_t out, int terms,
                          const sn_convolution_term *from, const sn_convolution_epilogue *epilogue, sn_rows z,
                          sn_convolution_finish finish, void *context) {
  const sn_convolution_epilogue e = epilogue ? *epilogue : (sn_convolution_epilogue){0};
  sn_convolution_term term[SN_CONVOLUTION_TERMS];
  for (ptrdiff_t s = part.sample; s < part.sample + part.samples; s++) {
    for (int t = 0; t < terms; t++) {
      term[t] = from[t];
      term[t].padded += s * term[t].in * c->span;
    }
    const sn_convolution_target to = {z.values + s * out * z.stride,
                                      z.stride,
                                      e.bias,
                                      e.rectifies,
                                      e.gate.values ? e.gate.values + s * out * e.gate.stride : NULL,
                                      e.gate.stride};
    for (ptrdiff_t first = part.first, end; first < part.end; first = end) {
      end = end_of_block(first, part.end, BLOCK);
      apply_block(c, out, terms, term, first, end, &to);
      if (finish) finish(context, s, first, end - first);
    }
  }
}

sn_convolution_result sn_convolution_result_of(const sn_convolution *c, double *states, ptrdiff_t stride, real *own) {
  if (sizeof(real) == sizeof(double)) return (sn_convolution_result){{(real *)(void *)states, stride}, NULL, stride};
  return (sn_convolution_result){{own, c->points}, states, stride};
}

void sn_convolution_give(void *result, ptrdiff_t sample, ptrdiff_t first, ptrdiff_t count) {
  const sn_convolution_result *r = result;
  if (!r->states) return;
  const real *from = r->rows.values + sample * r->rows.stride + first;
  double *restrict to = r->states + sample * r->stride + first;
  for (ptrdiff_t j = 0; j < count; j++) to[j] = from[j];
}

void sn_convolution_finish_part(sn_convolution_part part, sn_convolution_finish finish, void *context) {
  for (ptrdiff_t s = part.sample; s < part.sample + part.samples; s++)
    finish(context, s, part.first, part.end - part.first);
}

/* z[0 .. count) += factor x[0 .. count) */
static void add_scaled(ptrdiff_t count, double factor, const real *restrict x, real *restrict z) {
  for (ptrdiff_t j = 0; j < count; j++) z[j] += (real)factor * x[j];
}

void sn_convolution_add_sparse(const sn_convolution *c, sn_convolution_part part, ptrdiff_t out, ptrdiff_t in,
                               const double *weight, const real *padded, sn_rows z) {
  const ptrdiff_t count = part.end - part.first;
  for (ptrdiff_t o = 0; o < out; o++)
    for (ptrdiff_t i = 0; i < in; i++)
      for (ptrdiff_t k = 0; k < c->kernel; k++, weight++)
        for (ptrdiff_t s = part.sample; s < part.sample + part.samples && *weight != 0; s++)
          add_scaled(count, *weight, padded + (s * in + i) * c->span + part.first + k,
                     z.values + (s * out + o) * z.stride + part.first);
}

/* All weights' derivatives of a piece; taps of a row in equal parts. */
static void add_piece(const sn_convolution *c, ptrdiff_t out, ptrdiff_t in, const sn_convolution_piece *piece,
                      const real *delta, const real *padded, double *gradient) {
  const ptrdiff_t row = in * c->kernel;
  sn_convolution_piece rest = *piece, *p = &rest;
#ifdef HAS_VECTORS
  if (out <= LONG_BARS && c->kernel > 2 * LANES_MOST) {
    const ptrdiff_t together = BAR_VECTORS * LANES_MOST, points = p->points / together * together;
    for (ptrdiff_t i = 0; i < in; i++)
      vector_long_correlate_panel(out, c->kernel, p, points, delta, padded + i * c->span, gradient + i * c->kernel,
                                  row);
    p->points -= points;
    delta += points;
    padded += points;
    if (p->points == 0) return;
  }
#endif
  for (ptrdiff_t o = 0, outputs; o < out; o += outputs) {
    const real *from = delta + o * p->delta_row;
    outputs = part_of(out - o, BARS);
    for (ptrdiff_t k = 0, taps; k < c->kernel; k += taps) {
      taps = part_of(c->kernel - k, TILE_TAPS);
      for (ptrdiff_t i = 0; i < in; i++) {
        const real *x = padded + i * c->span + k;
        double *to = gradient + o * row + i * c->kernel + k;
#ifdef HAS_VECTORS
        if (p->points >= LANES_MOST)
          vector_correlate_panel(outputs, taps, p, from, x, to, row);
        else
#endif
          scalar_correlate_panel(outputs, taps, p, from, x, to, row);
      }
    }
  }
}

void sn_convolution_add_gradient(const sn_convolution *c, sn_convolution_part part, ptrdiff_t out, ptrdiff_t in,
                                 sn_rows delta, const real *padded, double *gradient) {
  const ptrdiff_t count = part.end - part.first, together = count < GRADIENT_BLOCK ? GRADIENT_BLOCK / count : 1;
  const ptrdiff_t beyond = part.sample + part.samples;
  sn_convolution_piece p = {
      .delta_sample = out * delta.stride, .delta_row = delta.stride, .input_sample = in * c->span};
  for (ptrdiff_t s = part.sample; s < beyond; s += p.samples) {
    p.samples = beyond - s < together ? beyond - s : together;
    for (ptrdiff_t first = part.first; first < part.end; first += p.points) {
      p.points = end_of_block(first, part.end, GRADIENT_BLOCK) - first;
      add_piece(c, out, in, &p, delta.values + s * p.delta_sample + first, padded + s * p.input_sample + first,
                gradient);
    }
  }
}

static void reverse_taps(const sn_convolution *c, ptrdiff_t rows, double *weight) {
  for (ptrdiff_t i = 0; i < rows; i++, weight += c->kernel)
    for (ptrdiff_t k = 0; k < c->kernel / 2; k++) {
      const double value = weight[k];
      weight[k] = weight[c->kernel - 1 - k];
      weight[c->kernel - 1 - k] = value;
    }
}

void sn_convolution_add_single_gradient(const sn_convolution *c, sn_convolution_part part, ptrdiff_t in,
                                        const real *delta, sn_rows input, double *gradient) {
  reverse_taps(c, in, gradient);
  sn_convolution_add_gradient(c, part, in, 1, input, delta, gradient);
  reverse_taps(c, in, gradient);
}

/* Parts of the sum do not wait for one another. */
static double sum(ptrdiff_t count, const real *x) {
  enum { PARTS = 32 };
  double part[PARTS] = {0};
  ptrdiff_t j = 0;
  for (; j + PARTS <= count; j += PARTS)
    for (int k = 0; k < PARTS; k++) part[k] += x[j + k];
  for (int k = 0; j + k < count; k++) part[k] += x[j + k];
  for (int half = PARTS / 2; half; half /= 2)
    for (int k = 0; k < half; k++) part[k] += part[k + half];
  return part[0];
}

void sn_convolution_add_sums(sn_convolution_part part, ptrdiff_t out, sn_rows delta, double *gradient) {
  const real *row = delta.values + part.sample * out * delta.stride + part.first;
  for (ptrdiff_t i = 0; i < part.samples * out; i++, row += delta.stride)
    gradient[i % out] += sum(part.end - part.first, row);
}
