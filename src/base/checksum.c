#include "sinode/checksum.h"

#include <string.h>

/* A mixing of 64 bits (the finalizer of SplitMix64; Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static uint64_t salt_of(uint64_t array) { return mix(array + 0x9e3779b97f4a7c15u); }

uint64_t sn_checksum_share(uint64_t bits, uint64_t array, uint64_t index) {
  return mix(bits ^ mix(index ^ salt_of(array)));
}

uint64_t sn_checksum_run(const void *numbers, ptrdiff_t count, uint64_t array, uint64_t index) {
  const unsigned char *bytes = numbers;
  const uint64_t salt = salt_of(array);
  uint64_t sum = 0;
  for (ptrdiff_t k = 0; k < count; k++) {
    uint64_t bits;
    memcpy(&bits, bytes + 8 * k, sizeof bits);
    sum += mix(bits ^ mix((index + (uint64_t)k) ^ salt));
  }
  return sum;
}
