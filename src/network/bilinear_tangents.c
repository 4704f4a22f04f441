/*
 * Tangents of the bilinear convolution along many directions at once, on grids of few points. Its derivative by u is a
 * matrix for each sample,
 *
 *   dF/du = r * (p * u) Q + r * (q * u) P + L,
 *
 * P, Q, L the matrices of the convolutions: a change of one point changes the products by shifted taps, which r is
 * convolved with, and nothing else is. All directions are then multiplied by that matrix at once. What a weight of p or
 * q changes is a shifted input, and again only r is convolved with it; of r and l a shifted input is all.
 */
#include <cblas.h>
#include <string.h>

#include "bilinear_conv.h"
#include "sinode/memory.h"

/* Directions whose products are convolved together, in the first-level cache. */
enum { TOGETHER = 16 };

/*
 * By multiply-adds for a point, of which those of a product of matrices take half of the time. `channels` convolutions
 * are saved a direction, and one more for the change of a point.
 */
static bool is_less_work(const sn_bilinear *b, ptrdiff_t directions) {
  const ptrdiff_t n = b->base.points, kernel = b->convolution.kernel, channels = b->channels;
  return !b->convolution.halo && !b->remakes &&
         n * (2 * kernel * channels + directions) < 2 * directions * kernel * (2 * channels + 1);
}

sn_status sn_bilinear_reserve_tangents(sn_network *network, ptrdiff_t directions) {
  sn_bilinear *b = (sn_bilinear *)network;
  if (b->jacobian || !is_less_work(b, directions)) return SN_OK;
  sn_convolution_free(&b->convolution, &b->rows);
  SN_FREE(b->made);
  SN_TRY(sn_convolution_new(&b->convolution, TOGETHER * b->channels * b->convolution.span, &b->rows));
  if (sizeof(real) < sizeof(double)) SN_TRY(SN_NEW(TOGETHER * network->points, &b->made));
  return SN_NEW(network->points * network->points, &b->jacobian);
}

bool sn_bilinear_takes_together(const sn_network *network, ptrdiff_t directions) {
  const sn_bilinear *b = (const sn_bilinear *)network;
  return b->jacobian && b->base.range.count == 0 && is_less_work(b, directions);
}

/* A sample on the tape. */
typedef struct {
  const real *input, *products, *factors;
} place;

static real *row_of(const sn_bilinear *b, ptrdiff_t row, ptrdiff_t channel) {
  return b->rows + (row * b->channels + channel) * b->convolution.span + b->convolution.reach;
}

/* The points within reach of one, in pieces without the jump from the last point to the first. */
typedef struct {
  ptrdiff_t tap, point, count; /* the first tap, of those in reverse order, and its point; how many */
} piece;

static bool next_piece(const sn_convolution *c, ptrdiff_t point, piece *p) {
  p->tap += p->count;
  p->point = (point - c->reach + p->tap + c->points) % c->points;
  const ptrdiff_t left = c->kernel - p->tap, straight = c->points - p->point;
  p->count = left < straight ? left : straight;
  return left > 0;
}

static void add_scaled(ptrdiff_t count, double factor, const real *restrict x, double *restrict z) {
  for (ptrdiff_t j = 0; j < count; j++) z[j] += factor * x[j];
}

static void add_product(ptrdiff_t count, real factor, const real *restrict x, const real *restrict y,
                        real *restrict z) {
  for (ptrdiff_t j = 0; j < count; j++) z[j] += factor * x[j] * y[j];
}

/* Row `row`: the change of the products with that of one point. */
static void change_of_point(const sn_bilinear *b, const place *at, ptrdiff_t point, ptrdiff_t row) {
  const ptrdiff_t n = b->base.points, kernel = b->convolution.kernel, all = b->channels;
  for (ptrdiff_t channel = 0; channel < all; channel++) {
    real *made = row_of(b, row, channel);
    memset(made, 0, (size_t)n * sizeof *made);
    for (piece x = {0}; next_piece(&b->convolution, point, &x);) {
      const real *p = at->factors + channel * n + x.point, *q = p + all * n;
      const real *p_taps = sn_bilinear_transposed(b, b->factors) + channel * kernel + x.tap;
      const real *q_taps = p_taps + all * kernel;
      real *restrict to = made + x.point;
      for (ptrdiff_t k = 0; k < x.count; k++) to[k] = p[k] * q_taps[k] + p_taps[k] * q[k];
    }
  }
}

/* Of a direction, the weights of a block that may move: first .. end - 1. */
typedef struct {
  const double *dtheta;
  ptrdiff_t first, end;
} change;

static change change_of(const sn_bilinear *b, const sn_network_directions *along, ptrdiff_t d, ptrdiff_t block,
                        ptrdiff_t count) {
  change x = {along->dtheta + d * sn_parameters_model_size(b->base.parameters) + block, 0, count};
  if (!along->support) return x;
  const ptrdiff_t first = along->support[d].start - block, end = first + along->support[d].count;
  if (first > 0) x.first = first;
  if (end < count) x.end = end;
  return x;
}

/* Row `row`: their change with the factors' weights; false if these stand still. */
static bool change_of_factors(const sn_bilinear *b, const place *at, const sn_network_directions *along, ptrdiff_t d,
                              ptrdiff_t row) {
  const ptrdiff_t n = b->base.points, kernel = b->convolution.kernel, all = b->channels;
  const change x = change_of(b, along, d, b->factors, 2 * all * kernel);
  ptrdiff_t k = x.first;
  while (k < x.end && x.dtheta[k] == 0) k++;
  if (k >= x.end) return false;
  memset(row_of(b, row, 0) - b->convolution.reach, 0, (size_t)(all * b->convolution.span) * sizeof *b->rows);
  for (; k < x.end; k++) {
    const ptrdiff_t factor = k / kernel;
    const real *input = at->input + k % kernel, *other = at->factors + (factor + all) % (2 * all) * n;
    if (x.dtheta[k] != 0) add_product(n, (real)x.dtheta[k], input, other, row_of(b, row, factor % all));
  }
  return true;
}

/* df += W * padded with the change of a weight (1, channels, kernel): shifted rows. */
static void add_shifted(const sn_bilinear *b, const change *x, const real *padded, double *df) {
  const ptrdiff_t kernel = b->convolution.kernel;
  for (ptrdiff_t k = x->first; k < x->end; k++) {
    const real *row = padded + k / kernel * b->convolution.span + k % kernel;
    if (x->dtheta[k] != 0) add_scaled(b->base.points, x->dtheta[k], row, df);
  }
}

/* z (count rows, `stride` apart) = r * the first rows. */
static sn_status convolve(sn_bilinear *b, ptrdiff_t count, double *z, ptrdiff_t stride) {
  sn_convolution *c = &b->convolution;
  const sn_convolution_part part = {0, count, 0, c->points};
  const sn_convolution_term term = {sn_bilinear_packed(b, b->out), b->channels, b->rows};
  SN_TRY(sn_convolution_fill_halos(c, count * b->channels, b->rows));
  sn_convolution_result result = sn_convolution_result_of(c, z, stride, b->made);
  sn_convolution_apply(c, part, 1, 1, &term, NULL, result.rows, sn_convolution_give, &result);
  return SN_OK;
}

static sn_status find_jacobian(sn_bilinear *b, const place *at) {
  const ptrdiff_t n = b->base.points;
  for (ptrdiff_t first = 0, count; first < n; first += count) {
    count = n - first < TOGETHER ? n - first : TOGETHER;
    for (ptrdiff_t k = 0; k < count; k++) change_of_point(b, at, first + k, k);
    SN_TRY(convolve(b, count, b->jacobian + first * n, n));
  }
  for (ptrdiff_t point = 0; point < n; point++)
    for (piece x = {0}; next_piece(&b->convolution, point, &x);) {
      const real *taps = sn_bilinear_transposed(b, b->linear) + x.tap;
      double *restrict to = b->jacobian + point * n + x.point;
      for (ptrdiff_t k = 0; k < x.count; k++) to[k] += taps[k];
    }
  return SN_OK;
}

/* df = (dF/dtheta) dtheta, directions `stride` apart. */
static sn_status along_parameters(sn_bilinear *b, const place *at, const sn_network_directions *along, double *df,
                                  ptrdiff_t stride) {
  const ptrdiff_t kernel = b->convolution.kernel;
  for (ptrdiff_t d = 0, count; d < along->count; d += count ? count : 1) {
    for (count = 0; count < TOGETHER && d + count < along->count; count++)
      if (!change_of_factors(b, at, along, d + count, count)) break;
    SN_TRY(convolve(b, count, df + d * stride, stride));
    if (count == 0) memset(df + d * stride, 0, (size_t)b->base.points * sizeof *df);
  }
  for (ptrdiff_t d = 0; d < along->count; d++) {
    const change of_out = change_of(b, along, d, b->out, b->channels * kernel),
                 of_linear = change_of(b, along, d, b->linear, kernel);
    add_shifted(b, &of_out, at->products, df + d * stride);
    add_shifted(b, &of_linear, at->input, df + d * stride);
  }
  return SN_OK;
}

sn_status sn_bilinear_tangents(sn_network *network, ptrdiff_t samples, const double *tape,
                               const sn_network_directions *along, double *df) {
  sn_bilinear *b = (sn_bilinear *)network;
  const ptrdiff_t n = network->points, span = b->convolution.span, stride = samples * n;
  for (ptrdiff_t s = 0; s < samples; s++) {
    const ptrdiff_t first = s / b->group * b->group, left = samples - first, own = s - first;
    const real *from = (const real *)tape + b->convolution.lead + first * b->tape_width;
    const sn_bilinear_parts parts = sn_bilinear_parts_of(b, left < b->group ? left : b->group, from);
    const place at = {parts.input + own * span, parts.products + own * b->channels * span,
                      parts.factors + own * 2 * b->channels * n};
    if (along->dtheta) SN_TRY(along_parameters(b, &at, along, df + s * n, stride));
    SN_TRY(find_jacobian(b, &at));
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)along->count, (int)n, (int)n, 1, along->du + s * n,
                (int)stride, b->jacobian, (int)n, along->dtheta ? 1 : 0, df + s * n, (int)stride);
  }
  return SN_OK;
}
