#include "revolve.h"

#include <stdint.h>

/* C(s + r, s): the most steps that s snapshots reverse with no step repeated more than r times. Saturates. */
static ptrdiff_t reach(ptrdiff_t s, ptrdiff_t r) {
  ptrdiff_t value = 1;
  for (ptrdiff_t k = 1; k <= r; k++) {
    ptrdiff_t product;
    if (__builtin_mul_overflow(value, s + k, &product)) return PTRDIFF_MAX;
    value = product / k;
  }
  return r < 0 ? 0 : value;
}

static ptrdiff_t repetitions(ptrdiff_t steps, ptrdiff_t snapshots) {
  ptrdiff_t r = 0;
  while (reach(snapshots, r) < steps) r++;
  return r;
}

ptrdiff_t sn_revolve_split(ptrdiff_t steps, ptrdiff_t snapshots) {
  const ptrdiff_t r = repetitions(steps, snapshots);
  const ptrdiff_t left = reach(snapshots, r - 1), right = steps - reach(snapshots - 1, r - 1);
  return left < right ? left : right;
}

ptrdiff_t sn_revolve_advances(ptrdiff_t steps, ptrdiff_t snapshots) {
  const ptrdiff_t r = repetitions(steps, snapshots);
  return r * steps - reach(snapshots + 1, r - 1);
}
