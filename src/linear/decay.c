#include "sinode/decay.h"

#include <math.h>
#include <string.h>

#include "base/lapack.h"
#include "linear_ops.h"
#include "sinode/fourier.h"
#include "sinode/memory.h"
#include "solver_ops.h"

/* Kernels are computed as far as 128 points to either side or more: twice the overlap. */
enum { LENGTH_LEAST = 1 << 7, LENGTH_MOST = 2 * SN_DECAY_OVERLAP_MOST };

struct sn_decay {
  ptrdiff_t length, numbers; /* that size and column, and band, are for */
  double *size;              /* (length + 1) |G_0|, then |G_d| + |G_-d| */
  double *column;            /* (2 length + 1) */
  double *band;              /* (numbers) of a stencil, LAPACK's general band */
  int *pivots;
  double complex *coefficients; /* of a symbol alone */
  sn_grid *grid;
  sn_fourier *fourier;
};

sn_status sn_decay_create(sn_decay **out) {
  SN_TRY(SN_NEW(1, out));
  **out = (sn_decay){0};
  return SN_OK;
}

static void free_arrays(sn_decay *decay) {
  SN_FREE(decay->size);
  SN_FREE(decay->column);
  SN_FREE(decay->band);
  SN_FREE(decay->pivots);
  SN_FREE(decay->coefficients);
  sn_fourier_destroy(&decay->fourier);
  sn_grid_destroy(&decay->grid);
  decay->length = decay->numbers = 0;
}

void sn_decay_destroy(sn_decay **decay) {
  if (!*decay) return;
  free_arrays(*decay);
  SN_FREE(*decay);
}

static sn_status reserve(sn_decay *decay, ptrdiff_t length, ptrdiff_t numbers) {
  if (length <= decay->length && numbers <= decay->numbers) return SN_OK;
  free_arrays(decay);
  SN_TRY(SN_NEW(length + 1, &decay->size));
  SN_TRY(SN_NEW(2 * length + 1, &decay->column));
  SN_TRY(SN_NEW(2 * length + 1, &decay->pivots));
  SN_TRY(SN_NEW(length + 1, &decay->coefficients));
  SN_TRY(SN_NEW(numbers, &decay->band));
  decay->length = length;
  decay->numbers = numbers;
  return SN_OK;
}

/* Rows of LAPACK's general band. */
static int leading_of(const sn_linear *linear) { return 3 * (linear->shape.taps / 2) + 1; }

/* Whether kernels as long as this are the last to be looked at. */
static bool is_last(ptrdiff_t length, ptrdiff_t most) { return length / 2 >= most || length >= LENGTH_MOST; }

sn_status sn_decay_reserve(sn_decay *decay, const sn_linear *linear, ptrdiff_t most) {
  ptrdiff_t length = LENGTH_LEAST;
  while (!is_last(length, most)) length *= 2;
  return reserve(decay, length, linear->shape.kind == SN_LINEAR_STENCIL ? leading_of(linear) * (2 * length + 1) : 0);
}

/*
 * Of a stencil, the middle column of the inverse of a band matrix as long as that. Elimination keeps every entry of a
 * decaying column to its own precision, where a transform would bury what is below 1e-16 of the largest.
 */
static sn_status eliminate(sn_decay *decay, const sn_linear *linear, double gamma, ptrdiff_t length) {
  const double *taps = sn_linear_coefficients(linear);
  const int one = 1, half = linear->shape.taps / 2, order = (int)(2 * length + 1), leading = leading_of(linear);
  const ptrdiff_t numbers = (ptrdiff_t)leading * order;
  int info;
  SN_TRY(reserve(decay, length, numbers));
  memset(decay->band, 0, (size_t)numbers * sizeof *decay->band);
  memset(decay->column, 0, (size_t)order * sizeof *decay->column);
  decay->column[length] = 1;
  for (ptrdiff_t j = 0; j < order; j++)
    for (int k = -half; k <= half; k++) /* row j - k, which meets column j with tap k */
      decay->band[j * leading + 2 * half - k] = (k == 0) - gamma * taps[half + k];
  dgbtrf_(&order, &order, &half, &half, decay->band, &leading, decay->pivots, &info);
  if (info > 0) return SN_ERROR(SN_ERROR_RUN, "I - gamma A is singular for gamma = %g: use a smaller step", gamma);
  dgbtrs_("N", &order, &half, &half, &one, decay->band, &leading, decay->pivots, decay->column, &order, &info, 1);
  return SN_OK;
}

/* Of a symbol, by the transform of its inverse on 2 length points. */
static sn_status transform(sn_decay *decay, const sn_linear *linear, double gamma, ptrdiff_t length) {
  const double step = (double)sn_grid_points(linear->grid) / (double)(2 * length);
  SN_TRY(reserve(decay, length, 0));
  if (!decay->grid || sn_grid_points(decay->grid) != 2 * length) {
    sn_fourier_destroy(&decay->fourier);
    sn_grid_destroy(&decay->grid);
    SN_TRY(sn_grid_create(MPI_COMM_SELF, 1, 2 * length, NULL, &decay->grid));
    SN_TRY(sn_fourier_create(decay->grid, 1, SN_FOURIER_ESTIMATE, &decay->fourier));
  }
  for (ptrdiff_t i = 0; i <= length; i++)
    SN_TRY(sn_solver_invert_symbol(linear, gamma, (double)i * step, &decay->coefficients[i]));
  SN_TRY(sn_fourier_inverse(decay->fourier, decay->coefficients, decay->column));
  /* From G_0, G_1, ..., G_-1 to -length .. length; the value at both ends stands for half of each. */
  for (ptrdiff_t d = 0; d < length; d++) {
    const double left = decay->column[d];
    decay->column[d] = decay->column[length + d];
    decay->column[length + d] = left;
  }
  decay->column[0] /= 2;
  decay->column[2 * length] = decay->column[0];
  return SN_OK;
}

/* size[0 .. length] of the kernel. */
static sn_status measure(sn_decay *decay, const sn_linear *linear, double gamma, ptrdiff_t length) {
  const bool is_stencil = linear->shape.kind == SN_LINEAR_STENCIL;
  SN_TRY(is_stencil ? eliminate(decay, linear, gamma, length) : transform(decay, linear, gamma, length));
  const double *middle = decay->column + length;
  decay->size[0] = fabs(middle[0]);
  for (ptrdiff_t d = 1; d <= length; d++) decay->size[d] = fabs(middle[d]) + fabs(middle[-d]);
  return SN_OK;
}

static double total_of(const sn_decay *decay, ptrdiff_t length) {
  double sum = 0;
  for (ptrdiff_t d = 0; d <= length; d++) sum += decay->size[d];
  return sum;
}

/*
 * overlap := the least that does, at least `least`; returns the fraction that is left beyond it. The sum goes from the
 * far end, where it begins with what a kernel that falls as 1 / d^2 has further out.
 */
static double walk_in(const sn_decay *decay, ptrdiff_t length, double tolerance, ptrdiff_t least, ptrdiff_t *overlap) {
  const double total = total_of(decay, length);
  ptrdiff_t d = length;
  double sum = (double)d * decay->size[d];
  for (; d > least && 2 * (sum + decay->size[d]) <= tolerance * total; d--) sum += decay->size[d];
  *overlap = d;
  return 2 * sum / total;
}

sn_status sn_decay_find_overlap(sn_decay *decay, const sn_linear *linear, double gamma, double tolerance,
                                ptrdiff_t most, ptrdiff_t *overlap, double *left) {
  for (ptrdiff_t length = LENGTH_LEAST;; length *= 2) {
    SN_TRY(measure(decay, linear, gamma, length));
    *left = walk_in(decay, length, tolerance, 1, overlap);
    if (2 * *overlap <= length && *overlap <= most) return SN_OK;
    if (is_last(length, most)) break;
  }
  ptrdiff_t at;
  const ptrdiff_t within = most < decay->length ? most : decay->length;
  *left = walk_in(decay, decay->length, HUGE_VAL, within, &at);
  *overlap = most + 1;
  return SN_OK;
}

/* The logarithm of sum_d |G_d| exp(rate |d|) / sum_d |G_d|; infinite, or none, where an exponential is. */
static double log_moment(const sn_decay *decay, ptrdiff_t length, double rate) {
  double sum = 0;
  for (ptrdiff_t d = 0; d <= length; d++) sum += decay->size[d] * exp(rate * (double)d);
  return log(sum / total_of(decay, length));
}

/*
 * By Chernoff's bound: what a convolution of kernels has beyond a distance d is at most
 * exp(-rate d) prod_i sum_k |G_i(k)| exp(rate |k|), for every rate > 0.
 */
sn_status sn_decay_find_overlap_of_product(sn_decay *decay, const sn_linear *linear, int count, const double *gamma,
                                           double tolerance, ptrdiff_t most, ptrdiff_t *overlap) {
  enum { RATES = 96 };
  static const double largest = 4, ratio = 1.1;
  *overlap = 0;
  if (!count) return SN_OK;
  for (ptrdiff_t length = LENGTH_LEAST;; length *= 2) {
    double sum[RATES] = {0}, least = (double)length;
    for (int i = 0; i < count; i++) {
      SN_TRY(measure(decay, linear, gamma[i], length));
      for (int r = 0; r < RATES; r++) sum[r] += log_moment(decay, length, largest * pow(ratio, -r));
    }
    for (int r = 0; r < RATES; r++) least = fmin(least, (sum[r] - log(tolerance / 2)) / (largest * pow(ratio, -r)));
    *overlap = (ptrdiff_t)ceil(least);
    if (2 * *overlap <= length && *overlap <= most) return SN_OK;
    if (is_last(length, most)) break;
  }
  *overlap = most + 1;
  return SN_OK;
}
