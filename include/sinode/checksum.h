/*
 * Checksums of arrays that do not depend on who holds which part: every element has a share, made of its bits and its
 * place, and the shares are summed modulo 2^64. So ranks sum what they hold and one reduction gives the checksum of the
 * complete. A changed, moved or missing element changes it; it is no protection against somebody who means to deceive.
 * All local.
 */
#ifndef SINODE_CHECKSUM_H
#define SINODE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* The share of 64 bits that stand at `index` of the array with the number `array`. */
uint64_t sn_checksum_share(uint64_t bits, uint64_t array, uint64_t index);

/* Sum of the shares of 8-byte numbers, which stand at index, index + 1, ... */
uint64_t sn_checksum_run(const void *numbers, ptrdiff_t count, uint64_t array, uint64_t index);

#endif
