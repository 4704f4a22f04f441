/* What the parts of the bilinear convolution share. */
#ifndef SINODE_NETWORK_BILINEAR_CONV_H
#define SINODE_NETWORK_BILINEAR_CONV_H

#include "conv_kernel.h"
#include "network_ops.h"

#ifdef SINODE_SINGLE
#define sn_bilinear_parts_of SN_REAL(sn_bilinear_parts_of)
#define sn_bilinear_packed SN_REAL(sn_bilinear_packed)
#define sn_bilinear_transposed SN_REAL(sn_bilinear_transposed)
#define sn_bilinear_reserve_tangents SN_REAL(sn_bilinear_reserve_tangents)
#define sn_bilinear_takes_together SN_REAL(sn_bilinear_takes_together)
#define sn_bilinear_tangents SN_REAL(sn_bilinear_tangents)
#endif

typedef struct {
  sn_network base;
  sn_convolution convolution;
  ptrdiff_t channels;             /* C */
  ptrdiff_t factors, out, linear; /* offsets in the parameters */
  ptrdiff_t group, block;         /* the most samples that are worked on together; points of a long row that are */
  bool remakes;                   /* all but the input is made anew for a pass backward or along a direction */
  ptrdiff_t tape_width;           /* numbers a sample of own_tape, and of others unless it remakes */
  real *packed, *transposed;      /* the parameters from `factors` on, as they are read forward and backward */
  real *own_tape;                 /* of a group */
  real *padded_input;             /* (group, span) */
  real *padded;                   /* (group, 2 C, span) */
  real *value;                    /* (group, 2 C, points) */
  real *result;                   /* (group, points), in single precision */
  sn_convolution_window window;
  /* Of a sample, for tangents along many directions; NULL where they are taken one after the other. */
  double *jacobian; /* (points, points): what comes of the change of a point, one after the other */
  real *rows;       /* (some directions, C, span): tangents of the products */
  real *made;       /* (as many, points): what r makes of them, in single precision */
} sn_bilinear;

/* A tape of `samples` samples. */
typedef struct {
  real *input;    /* (samples, span) */
  real *products; /* (samples, C, span) */
  real *factors;  /* (samples, 2 C, points) */
} sn_bilinear_parts;

sn_bilinear_parts sn_bilinear_parts_of(const sn_bilinear *network, ptrdiff_t samples, const real *tape);

/* A weight, by its offset, as the kernels read it; and that of the transpose, whose taps are in reverse order. */
const real *sn_bilinear_packed(const sn_bilinear *network, ptrdiff_t weight);
const real *sn_bilinear_transposed(const sn_bilinear *network, ptrdiff_t weight);

/* The functions of network_ops.h. */
SN_MUST_CHECK sn_status sn_bilinear_reserve_tangents(sn_network *network, ptrdiff_t directions);
bool sn_bilinear_takes_together(const sn_network *network, ptrdiff_t directions);
SN_MUST_CHECK sn_status sn_bilinear_tangents(sn_network *network, ptrdiff_t samples, const double *tape,
                                             const sn_network_directions *along, double *df);

#endif
