#include "sinode/count.h"

#include <limits.h>

bool sn_count_multiply(ptrdiff_t a, ptrdiff_t b, ptrdiff_t *result) {
  return a >= 0 && b >= 0 && !__builtin_mul_overflow(a, b, result);
}

bool sn_count_add(ptrdiff_t a, ptrdiff_t b, ptrdiff_t *result) {
  return a >= 0 && b >= 0 && !__builtin_add_overflow(a, b, result);
}

sn_status sn_count_to_int(ptrdiff_t value, const char *what, int *result) {
  if (value < 0 || value > INT_MAX)
    return SN_ERROR(SN_ERROR_RUN, "%s is %td, more than the library below can count (%d); use more ranks", what, value,
                    INT_MAX);
  *result = (int)value;
  return SN_OK;
}
