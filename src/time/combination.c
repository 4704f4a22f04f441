#include "combination.h"

#include <stdbool.h>
#include <string.h>

void sn_combination_add(sn_combination *sum, double factor, const double *vector) {
  if (factor == 0) return;
  sum->factor[sum->terms] = factor;
  sum->vector[sum->terms++] = vector;
}

void sn_add_scaled(ptrdiff_t count, double factor, const double *restrict x, double *restrict y) {
  for (ptrdiff_t k = 0; k < count; k++) y[k] += factor * x[k];
}

void sn_copy_rows(ptrdiff_t rows, ptrdiff_t width, const double *from, ptrdiff_t from_stride, double *to,
                  ptrdiff_t to_stride) {
  for (ptrdiff_t d = 0; d < rows; d++) memcpy(to + d * to_stride, from + d * from_stride, (size_t)width * sizeof *to);
}

/* y, or 0, and four terms in their order. */
static void add_four(ptrdiff_t count, bool from_zero, const double *factor, const double *const *vector,
                     ptrdiff_t start, double *restrict y) {
  const double a = factor[0], b = factor[1], c = factor[2], d = factor[3];
  const double *x = vector[0] + start, *z = vector[1] + start, *v = vector[2] + start, *w = vector[3] + start;
  for (ptrdiff_t k = 0; k < count; k++) y[k] = (from_zero ? 0 : y[k]) + a * x[k] + b * z[k] + c * v[k] + d * w[k];
}

void sn_combination_evaluate(const sn_combination *sum, ptrdiff_t count, double *out) {
  enum { PIECE = 512 };
  for (ptrdiff_t start = 0; start < count; start += PIECE) {
    ptrdiff_t length = count - start < PIECE ? count - start : PIECE;
    double piece[PIECE];
    int t = 0;
    if (sum->terms < 4) memset(piece, 0, (size_t)length * sizeof *piece);
    for (; t + 4 <= sum->terms; t += 4) add_four(length, t == 0, sum->factor + t, sum->vector + t, start, piece);
    for (; t < sum->terms; t++) sn_add_scaled(length, sum->factor[t], sum->vector[t] + start, piece);
    memcpy(out + start, piece, (size_t)length * sizeof *out);
  }
}
