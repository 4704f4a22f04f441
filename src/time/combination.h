/* Linear combinations of vectors, as steps make of their stages. */
#ifndef SINODE_TIME_COMBINATION_H
#define SINODE_TIME_COMBINATION_H

#include <stddef.h>

#include "sinode/tableau.h"

enum { SN_COMBINATION_TERMS = 2 * SN_TABLEAU_STAGES + 2 };

/* One under construction. */
typedef struct {
  int terms;
  double factor[SN_COMBINATION_TERMS];
  const double *vector[SN_COMBINATION_TERMS];
} sn_combination;

/* Of no terms: 0. Beyond these nothing is read, so that the rest is left as it is. */
static inline void sn_combination_begin(sn_combination *sum) { sum->terms = 0; }

/* A factor of 0 adds no term. */
void sn_combination_add(sn_combination *sum, double factor, const double *vector);

/* out (count), which may be one of the vectors. Terms are added in their order. */
void sn_combination_evaluate(const sn_combination *sum, ptrdiff_t count, double *out);

double sn_sum_of_squares(ptrdiff_t count, const double *x);

/* y += factor x */
void sn_add_scaled(ptrdiff_t count, double factor, const double *restrict x, double *restrict y);

/* Copies rows of `width` numbers, `from_stride` and `to_stride` apart. */
void sn_copy_rows(ptrdiff_t rows, ptrdiff_t width, const double *from, ptrdiff_t from_stride, double *to,
                  ptrdiff_t to_stride);

#endif
