/*
 * How far the inverse of I - gamma A reaches for a stencil A. Its kernel g is a column of the inverse of a band matrix,
 * long enough that its ends are no matter. Elimination keeps every entry of a decaying column to its own precision, so
 * that a tail of 1e-15 of the whole is known as well as the rest; a transform would bury it in round-off.
 *
 * Of several, one after the other, the kernel is at most |g_1| * ... * |g_n| (* the convolution), of which what is
 * beyond a distance d is at most exp(-a d) prod_i sum_k |g_i(k)| exp(a |k|), for every a > 0: Chernoff's bound, a
 * seventh further than the tail itself for kernels that decay exponentially, and all that is needed of each are its
 * moments.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/lapack.h"
#include "linear_ops.h"
#include "sinode/memory.h"

typedef struct {
  int half, order, leading;
  double *band; /* LAPACK's general band, (leading, order) column-major */
  int *pivots;
  double *kernel; /* (order) */
} column;

static sn_status allocate(column *c) {
  SN_TRY(SN_NEW((ptrdiff_t)c->leading * c->order, &c->band));
  SN_TRY(SN_NEW(c->order, &c->pivots));
  return SN_NEW(c->order, &c->kernel);
}

static void free_column(column *c) {
  SN_FREE(c->band);
  SN_FREE(c->pivots);
  SN_FREE(c->kernel);
}

/* kernel := absolute values of the middle column of (I - gamma A)^-1 */
static sn_status solve(column *c, const double *taps, double gamma) {
  const int one = 1, half = c->half, diagonal = 2 * half;
  int info;
  memset(c->band, 0, (size_t)c->leading * (size_t)c->order * sizeof *c->band);
  memset(c->kernel, 0, (size_t)c->order * sizeof *c->kernel);
  c->kernel[c->order / 2] = 1;
  for (ptrdiff_t j = 0; j < c->order; j++)
    for (int k = -half; k <= half; k++) /* row j - k, which column j meets with tap k */
      c->band[j * c->leading + diagonal - k] = (k == 0) - gamma * taps[half + k];
  dgbtrf_(&c->order, &c->order, &half, &half, c->band, &c->leading, c->pivots, &info);
  if (info > 0) return SN_ERROR(SN_ERROR_RUN, "I - gamma A is singular for gamma = %g; use a smaller step", gamma);
  dgbtrs_("N", &c->order, &half, &half, &one, c->band, &c->leading, c->pivots, c->kernel, &c->order, &info, 1);
  for (int j = 0; j < c->order; j++) c->kernel[j] = fabs(c->kernel[j]);
  return SN_OK;
}

/* sum_k |g(k)| exp(a |k|) / sum_k |g(k)|; not a finite number where the exponential is none. */
static double moment(const column *c, double a) {
  const ptrdiff_t middle = c->order / 2;
  double all = 0, weighted = 0;
  for (ptrdiff_t j = 0; j < c->order; j++) {
    all += c->kernel[j];
    weighted += c->kernel[j] * exp(a * (double)labs(j - middle));
  }
  return weighted / all;
}

static sn_status reach_within(const sn_linear *linear, int count, const double *gamma, double tolerance,
                              ptrdiff_t length, ptrdiff_t *reach) {
  enum { RATES = 96 };
  static const double largest = 4, ratio = 1.1;
  const int half = linear->shape.taps / 2;
  column c = {.half = half, .order = (int)(2 * length + 1), .leading = 3 * half + 1};
  double sum[RATES] = {0}, least = INFINITY; /* logarithms of the product of moments, for every a */
  sn_status status = allocate(&c);
  for (int i = 0; i < count && !status; i++) {
    status = solve(&c, sn_linear_coefficients(linear), gamma[i]);
    for (int r = 0; r < RATES && !status; r++) sum[r] += log(moment(&c, largest * pow(ratio, -r)));
  }
  free_column(&c);
  for (int r = 0; r < RATES; r++) least = fmin(least, (sum[r] - log(tolerance)) / (largest * pow(ratio, -r)));
  *reach = least < (double)length ? (ptrdiff_t)ceil(least) : length;
  return status;
}

sn_status sn_linear_reach(const sn_linear *linear, int count, const double *gamma, double tolerance, ptrdiff_t most,
                          ptrdiff_t *reach) {
  enum { LEAST = 128, LONGEST = 1 << 22 };
  *reach = count ? SN_LINEAR_WHOLE_GRID : 0;
  if (!count || linear->shape.kind != SN_LINEAR_STENCIL || linear->version == 0) return SN_OK;
  if (most > LONGEST) most = LONGEST;
  /* Twice as far as it reaches, so that the ends are no matter. */
  for (ptrdiff_t length = LEAST; length / 4 < most; length *= 2) {
    SN_TRY(reach_within(linear, count, gamma, tolerance, length, reach));
    if (*reach <= length / 2 && *reach <= most) return SN_OK;
    *reach = SN_LINEAR_WHOLE_GRID;
  }
  return SN_OK;
}
