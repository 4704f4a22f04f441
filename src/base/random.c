#include "sinode/random.h"

#include <Random123/philox.h>
#include <math.h>

static philox4x64_ctr_t draw(const sn_random *random, uint64_t index) {
  philox4x64_ctr_t counter = {{index, random->stream, (uint64_t)random->purpose, 0}};
  philox4x64_key_t key = {{random->seed, 0}};
  return philox4x64(counter, key);
}

/* The 53 high bits, moved to the middle of their interval so that neither 0 nor 1 occurs. */
static double to_unit(uint64_t bits) { return ((double)(bits >> 11) + 0.5) * 0x1.0p-53; }

double sn_random_uniform(const sn_random *random, uint64_t index) { return to_unit(draw(random, index).v[0]); }

double sn_random_normal(const sn_random *random, uint64_t index) {
  philox4x64_ctr_t bits = draw(random, index);
  return sqrt(-2.0 * log(to_unit(bits.v[0]))) * cos(2 * M_PI * to_unit(bits.v[1]));
}

uint64_t sn_random_below(const sn_random *random, uint64_t index, uint64_t bound) {
  __extension__ typedef unsigned __int128 wide;
  return (uint64_t)(((wide)draw(random, index).v[0] * bound) >> 64);
}

void sn_random_permutation(const sn_random *random, ptrdiff_t count, ptrdiff_t *permutation) {
  for (ptrdiff_t i = 0; i < count; i++) permutation[i] = i;
  for (ptrdiff_t i = count - 1; i > 0; i--) {
    ptrdiff_t j = (ptrdiff_t)sn_random_below(random, (uint64_t)i, (uint64_t)i + 1);
    ptrdiff_t kept = permutation[i];
    permutation[i] = permutation[j];
    permutation[j] = kept;
  }
}
