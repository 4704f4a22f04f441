/*
 * Counter-based random numbers (Philox 4x64-10 of Random123; Salmon et al., SC'11). A number is a pure function of
 * (seed, purpose, stream, index), so initial weights, perturbations and shuffles do not depend on the number of ranks
 * and need no state in a checkpoint. All local.
 */
#ifndef SINODE_RANDOM_H
#define SINODE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* What a number is for; different purposes never share numbers. The values are part of what makes runs repeatable. */
typedef enum {
  SN_RANDOM_WEIGHT = 1,    /* stream: layer, index: element in row-major order */
  SN_RANDOM_BIAS = 2,      /* stream: layer, index: element */
  SN_RANDOM_INITIAL = 3,   /* stream: member, index: mode or place */
  SN_RANDOM_SHUFFLE = 4,   /* stream: epoch, index: position */
  SN_RANDOM_DIRECTION = 5, /* stream: direction, index: parameter */
  SN_RANDOM_TEST = 6,
  SN_RANDOM_NOISE = 7 /* stream: member, index: snapshot times points + point */
} sn_random_purpose;

typedef struct {
  uint64_t seed;
  sn_random_purpose purpose;
  uint64_t stream;
} sn_random;

/* Uniform on (0, 1); both ends excluded. */
double sn_random_uniform(const sn_random *random, uint64_t index);

/* Standard normal, by Box-Muller. */
double sn_random_normal(const sn_random *random, uint64_t index);

/* Uniform integer in [0, bound), bound > 0, without modulo bias that could be seen (64-bit multiply-high). */
uint64_t sn_random_below(const sn_random *random, uint64_t index, uint64_t bound);

/* A random permutation of 0 .. count-1 (Fisher-Yates), the same on every rank. */
void sn_random_permutation(const sn_random *random, ptrdiff_t count, ptrdiff_t *permutation);

#endif
