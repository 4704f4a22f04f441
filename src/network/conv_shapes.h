/*
 * The shapes of the tiles of conv_tiles.h, for the width of this processor's registers. Included by conv_kernel.c
 * alone.
 *
 * Tiles are there for one number at a time in ISO C, and where the compiler has GNU's vector types for as many as fit a
 * register (HAS_VECTORS); both give the same to round-off (CMakeLists.txt).
 */
#ifndef SINODE_NETWORK_CONV_SHAPES_H
#define SINODE_NETWORK_CONV_SHAPES_H

#include "conv_kernel.h"

/*
 * Tiles take up to OUTPUTS outputs and TILE_VECTORS vectors of points, or up to WIDEST and one vector less; in
 * gradients up to BARS outputs and TILE_TAPS (at most TAPS) taps: as many sums as there are vector registers for, 16
 * or 32. SUMS: room for those of a gradient's tile, up to whole vectors of them. Points of a row are taken BLOCK at a
 * time, all channels, which stay in the second-level cache while they are worked on.
 */
enum { OUTPUTS = 6, WIDEST = 9, BARS = 4, TAPS = 5, SUMS = BARS * TAPS + 15 };
enum { BLOCK = 512, TAPS_BLOCK = 256, GRADIENT_BLOCK = 8192 / sizeof(real) };

/* Of long kernels: LONG_TAPS taps share their loads; up to LONG_OUTPUTS outputs, of gradients LONG_BARS, take so many
 * vectors of points at a time. */
enum { LONG_VECTORS = 8, LONG_TAPS = 4, LONG_BARS = 2, BAR_VECTORS = 4 };

/* What is done to sums before they are stored; constants of a tile. */
typedef enum { PLAIN, RECTIFIED, GATED } epilogue_kind;

/* Where a panel's outputs go from a point on, and their epilogue. */
typedef struct {
  real *z;
  ptrdiff_t stride;
  const double *bias; /* NULL: 0 */
  bool rectifies;
  const real *gate; /* NULL: none */
  ptrdiff_t gate_stride;
} sn_convolution_target;

/* What is so many outputs and points further. */
static inline sn_convolution_target sn_convolution_target_at(const sn_convolution_target *from, ptrdiff_t outputs,
                                                             ptrdiff_t points) {
  sn_convolution_target to = *from;
  to.z += outputs * to.stride + points;
  if (to.gate) to.gate += outputs * to.gate_stride + points;
  if (to.bias) to.bias += outputs;
  return to;
}

/* What a gradient is summed over in registers, of some samples. */
typedef struct {
  ptrdiff_t samples, points;
  ptrdiff_t delta_sample, delta_row, input_sample; /* from one to the next */
} sn_convolution_piece;

#if defined __GNUC__ && !defined SINODE_ISO_C
#define HAS_VECTORS
#define INLINE static inline __attribute__((always_inline))
#if defined __AVX512F__
enum { REGISTER = 64, TILE_VECTORS = 4, TILE_TAPS = 5, LONG_OUTPUTS = 2, TAPS_MOST = WIDEST };
#elif defined __AVX__
enum { REGISTER = 32, TILE_VECTORS = 2, TILE_TAPS = 2, LONG_OUTPUTS = 1, TAPS_MOST = OUTPUTS };
#else
enum { REGISTER = 16, TILE_VECTORS = 2, TILE_TAPS = 2, LONG_OUTPUTS = 1, TAPS_MOST = OUTPUTS };
#endif
#pragma GCC diagnostic ignored "-Wpsabi" /* nobody outside calls these functions */
typedef real vector __attribute__((vector_size(REGISTER), aligned(sizeof(real)), may_alias));
typedef __typeof__((vector){0} > (vector){0}) mask;
enum { LANES_MOST = REGISTER / sizeof(real) };
#else
#define INLINE static inline
enum { LANES_MOST = 1, TILE_VECTORS = 4, TILE_TAPS = 4, LONG_OUTPUTS = 1, TAPS_MOST = OUTPUTS };
#endif

/*
 * Where the compiler can shuffle vectors (GCC from 12 on, clang): every second one of the lanes of two of them, from
 * the first or the second on, as __builtin_shufflevector wants it.
 */
#if defined HAS_VECTORS && defined __has_builtin
#if __has_builtin(__builtin_shufflevector)
#define PICK_2(first) first, (first) + 2
#define PICK_4(first) PICK_2(first), PICK_2((first) + 4)
#define PICK_8(first) PICK_4(first), PICK_4((first) + 8)
#define PICK_16(first) PICK_8(first), PICK_8((first) + 16)
#if defined __AVX512F__ && defined SINODE_SINGLE
#define EVERY_SECOND PICK_16
#elif defined __AVX512F__ || (defined __AVX__ && defined SINODE_SINGLE)
#define EVERY_SECOND PICK_8
#elif defined __AVX__ || defined SINODE_SINGLE
#define EVERY_SECOND PICK_4
#else
#define EVERY_SECOND PICK_2
#endif
#endif
#endif

#endif
