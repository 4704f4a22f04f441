#include "combination.h"

#include <stdbool.h>
#include <string.h>

#include <cblas.h>

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

double sn_sum_of_squares(ptrdiff_t count, const double *x) {
  enum { MOST = 1 << 20 }; /* an int has room for */
  double sum = 0;
  for (ptrdiff_t k = 0; k < count; k += MOST) {
    const int length = (int)(count - k < MOST ? count - k : MOST);
    sum += cblas_ddot(length, x + k, 1, x + k, 1);
  }
  return sum;
}

enum { TOGETHER = 6, PIECE = 512 };

/* y, or 0, and so many terms in their order. */
static inline void add_terms(const int terms, bool from_zero, ptrdiff_t count, const double *factor,
                             const double *const *vector, ptrdiff_t start, double *restrict y) {
  const double *x[TOGETHER];
  double a[TOGETHER];
  for (int t = 0; t < terms; t++) {
    x[t] = vector[t] + start;
    a[t] = factor[t];
  }
  for (ptrdiff_t k = 0; k < count; k++) {
    double sum = from_zero ? 0 : y[k];
    for (int t = 0; t < terms; t++) sum += a[t] * x[t][k];
    y[k] = sum;
  }
}

static bool is_one_of(const double *out, const sn_combination *sum) {
  for (int t = 0; t < sum->terms; t++)
    if (sum->vector[t] == out) return true;
  return false;
}

#define ADD_TERMS(terms)                                        \
  case terms:                                                   \
    add_terms(terms, t == 0, length, factor, vector, start, y); \
    break

void sn_combination_evaluate(const sn_combination *sum, ptrdiff_t count, double *out) {
  const bool in_place = is_one_of(out, sum);
  for (ptrdiff_t start = 0; start < count; start += PIECE) {
    const ptrdiff_t length = count - start < PIECE ? count - start : PIECE;
    double piece[PIECE], *y = in_place ? piece : out + start;
    if (sum->terms == 0) memset(y, 0, (size_t)length * sizeof *y);
    for (int t = 0, terms; t < sum->terms; t += terms) {
      const double *factor = sum->factor + t, *const *vector = sum->vector + t;
      terms = sum->terms - t < TOGETHER ? sum->terms - t : TOGETHER;
      switch (terms) {
        ADD_TERMS(1);
        ADD_TERMS(2);
        ADD_TERMS(3);
        ADD_TERMS(4);
        ADD_TERMS(5);
        default:
          add_terms(TOGETHER, t == 0, length, factor, vector, start, y);
      }
    }
    if (in_place) memcpy(out + start, piece, (size_t)length * sizeof *out);
  }
}

#undef ADD_TERMS
