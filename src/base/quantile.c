#include "quantile.h"

#include <stdlib.h>

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

void sn_quantile_sort(ptrdiff_t count, double *values) { qsort(values, (size_t)count, sizeof *values, compare); }

double sn_quantile(ptrdiff_t count, const double *sorted, double part) {
  const double place = part * (double)(count - 1);
  const ptrdiff_t below = (ptrdiff_t)place, above = below + 1 < count ? below + 1 : below;
  return sorted[below] + (place - (double)below) * (sorted[above] - sorted[below]);
}
