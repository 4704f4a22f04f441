#include "conv_kernel.h"

#include <string.h>

/* Points of an output row that are summed up in registers before they are written. */
enum { TILE = 32 };

sn_status sn_convolution_check(const sn_grid *grid, int kernel) {
  if (kernel >= 1 && kernel % 2 == 1 && kernel <= sn_grid_points(grid)) return SN_OK;
  return SN_ERROR_ALL(SN_ERROR_USAGE,
                      "model.nonlinear.kernel is %d, but must be odd and at most the %td points of the grid", kernel,
                      sn_grid_points(grid));
}

sn_status sn_convolution_create(const sn_grid *grid, int kernel, ptrdiff_t rows, sn_convolution *c) {
  const ptrdiff_t points = sn_grid_range(grid).count, reach = kernel / 2;
  *c = (sn_convolution){.points = points, .kernel = kernel, .reach = reach, .span = points + 2 * reach};
  return reach ? sn_halo_create(grid, reach, rows, &c->halo) : SN_OK;
}

void sn_convolution_destroy(sn_convolution *c) { sn_halo_destroy(&c->halo); }

sn_status sn_convolution_pad(sn_convolution *c, ptrdiff_t rows, const double *values, double *padded) {
  const ptrdiff_t n = c->points, reach = c->reach;
  if (c->halo) SN_TRY(sn_halo_begin(c->halo, rows, values, n));
  for (ptrdiff_t i = 0; i < rows; i++) memcpy(padded + i * c->span + reach, values + i * n, (size_t)n * sizeof *values);
  if (!c->halo) return SN_OK;
  SN_TRY(sn_halo_end(c->halo));
  for (ptrdiff_t i = 0; i < rows; i++) {
    memcpy(padded + i * c->span, sn_halo_left(c->halo) + i * reach, (size_t)reach * sizeof *padded);
    memcpy(padded + i * c->span + reach + n, sn_halo_right(c->halo) + i * reach, (size_t)reach * sizeof *padded);
  }
  return SN_OK;
}

/* z[0 .. count) += sum_k weight[k step] x[k .. k + count), a tile at a time; step is 1 or -1. */
static void add_taps(ptrdiff_t count, ptrdiff_t taps, const double *restrict weight, ptrdiff_t step,
                     const double *restrict x, double *restrict z) {
  ptrdiff_t first = 0;
  for (; first + TILE <= count; first += TILE) {
    double sum[TILE];
    for (int j = 0; j < TILE; j++) sum[j] = z[first + j];
    for (ptrdiff_t k = 0; k < taps; k++) {
      const double factor = weight[k * step];
      for (int j = 0; j < TILE; j++) sum[j] += factor * x[first + k + j];
    }
    for (int j = 0; j < TILE; j++) z[first + j] = sum[j];
  }
  for (ptrdiff_t k = 0; k < taps; k++)
    for (ptrdiff_t j = first; j < count; j++) z[j] += weight[k * step] * x[k + j];
}

/* The taps from the first to the last that is not 0. */
static ptrdiff_t trim(ptrdiff_t taps, const double *weight, ptrdiff_t *first) {
  ptrdiff_t end = taps;
  for (*first = 0; *first < taps && weight[*first] == 0;) ++*first;
  while (end > *first && weight[end - 1] == 0) end--;
  return end - *first;
}

void sn_convolution_add(const sn_convolution *c, ptrdiff_t samples, ptrdiff_t out, ptrdiff_t in, const double *weight,
                        const double *padded, double *z) {
  for (ptrdiff_t o = 0; o < out; o++)
    for (ptrdiff_t i = 0; i < in; i++) {
      ptrdiff_t first;
      const double *row = weight + (o * in + i) * c->kernel;
      const ptrdiff_t taps = trim(c->kernel, row, &first);
      for (ptrdiff_t s = 0; s < samples && taps; s++)
        add_taps(c->points, taps, row + first, 1, padded + (s * in + i) * c->span + first,
                 z + (s * out + o) * c->points);
    }
}

void sn_convolution_add_transposed(const sn_convolution *c, ptrdiff_t samples, ptrdiff_t out, ptrdiff_t in,
                                   const double *weight, const double *padded, double *in_bar) {
  for (ptrdiff_t s = 0; s < samples; s++)
    for (ptrdiff_t i = 0; i < in; i++)
      for (ptrdiff_t o = 0; o < out; o++)
        add_taps(c->points, c->kernel, weight + (o * in + i + 1) * c->kernel - 1, -1, padded + (s * out + o) * c->span,
                 in_bar + (s * in + i) * c->points);
}

static double dot(ptrdiff_t count, const double *restrict x, const double *restrict y) {
  double sum = 0;
  for (ptrdiff_t j = 0; j < count; j++) sum += x[j] * y[j];
  return sum;
}

void sn_convolution_add_gradient(const sn_convolution *c, ptrdiff_t samples, ptrdiff_t out, ptrdiff_t in,
                                 const double *delta, const double *padded, double *gradient) {
  for (ptrdiff_t s = 0; s < samples; s++)
    for (ptrdiff_t o = 0; o < out; o++)
      for (ptrdiff_t i = 0; i < in; i++)
        for (ptrdiff_t k = 0; k < c->kernel; k++)
          gradient[(o * in + i) * c->kernel + k] +=
              dot(c->points, delta + (s * out + o) * c->points, padded + (s * in + i) * c->span + k);
}
