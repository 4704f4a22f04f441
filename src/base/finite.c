#include "sinode/finite.h"

#include <float.h>
#include <math.h>

bool sn_all_finite(ptrdiff_t count, const double *values) {
  int beyond = 0;
  for (ptrdiff_t k = 0; k < count; k++) beyond |= !(fabs(values[k]) <= DBL_MAX);
  return !beyond;
}
