/*
 * What convolutional networks are made of: periodic 1-D cross-correlations over channels on the split grid,
 *
 *   z[o, j] = b[o] + sum_{i, k} W[o, i, k] a[i, j + k - kernel/2]
 *
 * Arrays are (samples, channels, local points) or "padded", (samples, channels, span): with their halos on both sides,
 * in which values are computed in place. Padded ones begin `lead` numbers behind the boundary of a cache line and rows
 * are whole lines apart, so that their points lie at boundaries: vectors of them are loaded and stored from one line
 * instead of two. W is (out, in, kernel), the same on all ranks, and is read packed. Everything is local but halos.
 *
 * What is made of this is compiled for double precision and, by files *_single.c, which define SINODE_SINGLE and
 * include it, for single: values, slopes and packed weights are `real`, while states, parameters and the sums of
 * gradients are double in both.
 */
#ifndef SINODE_NETWORK_CONVOLUTION_H
#define SINODE_NETWORK_CONVOLUTION_H

#include <stdbool.h>
#include <stddef.h>

#include "sinode/error.h"
#include "sinode/grid.h"
#include "sinode/halo.h"

#ifdef SINODE_SINGLE
typedef float real;
#define SN_REAL(name) name##_single
#define sn_convolution_check SN_REAL(sn_convolution_check)
#define sn_convolution_create SN_REAL(sn_convolution_create)
#define sn_convolution_destroy SN_REAL(sn_convolution_destroy)
#define sn_convolution_new SN_REAL(sn_convolution_new)
#define sn_convolution_free SN_REAL(sn_convolution_free)
#define sn_convolution_plain SN_REAL(sn_convolution_plain)
#define sn_convolution_interior SN_REAL(sn_convolution_interior)
#define sn_convolution_copy SN_REAL(sn_convolution_copy)
#define sn_convolution_fill_halos SN_REAL(sn_convolution_fill_halos)
#define sn_convolution_pad SN_REAL(sn_convolution_pad)
#define sn_convolution_pack SN_REAL(sn_convolution_pack)
#define sn_convolution_pack_transposed SN_REAL(sn_convolution_pack_transposed)
#define sn_convolution_apply SN_REAL(sn_convolution_apply)
#define sn_convolution_finish_part SN_REAL(sn_convolution_finish_part)
#define sn_convolution_add_sparse SN_REAL(sn_convolution_add_sparse)
#define sn_convolution_add_gradient SN_REAL(sn_convolution_add_gradient)
#define sn_convolution_add_single_gradient SN_REAL(sn_convolution_add_single_gradient)
#define sn_convolution_add_sums SN_REAL(sn_convolution_add_sums)
#define sn_convolution_run SN_REAL(sn_convolution_run)
#define sn_convolution_choose_pieces SN_REAL(sn_convolution_choose_pieces)
#define sn_convolution_find_window SN_REAL(sn_convolution_find_window)
#define sn_convolution_given_part SN_REAL(sn_convolution_given_part)
#define sn_convolution_window_part SN_REAL(sn_convolution_window_part)
#define sn_convolution_result_of SN_REAL(sn_convolution_result_of)
#define sn_convolution_give SN_REAL(sn_convolution_give)
#else
typedef double real;
#define SN_REAL(name) name
#endif

enum { SN_CONVOLUTION_LINE = 64 / sizeof(real) };

/* Whole cache lines of so many numbers. */
static inline ptrdiff_t sn_convolution_lines(ptrdiff_t numbers) {
  return (numbers + SN_CONVOLUTION_LINE - 1) / SN_CONVOLUTION_LINE * SN_CONVOLUTION_LINE;
}

typedef struct {
  ptrdiff_t points;        /* local */
  ptrdiff_t kernel, reach; /* reach: points of halo on a side */
  ptrdiff_t span, lead;    /* span: from one padded row to the next; lead: in front of the first, less than a line */
  sn_halo *halo;           /* NULL for kernel 1, and on one space rank */
} sn_convolution;

/* Error: the kernel is even or wider than the grid. `rows`: the most that are padded at once. Collective over space. */
SN_MUST_CHECK sn_status sn_convolution_check(const sn_grid *grid, int kernel);
SN_MUST_CHECK sn_status sn_convolution_create(const sn_grid *grid, int kernel, ptrdiff_t rows,
                                              sn_convolution *convolution);
void sn_convolution_destroy(sn_convolution *convolution);

/* Memory of so many numbers from the first of a padded row on, 0 at first; the caller frees it. Local. */
SN_MUST_CHECK sn_status sn_convolution_new(const sn_convolution *convolution, ptrdiff_t numbers, real **padded);
void sn_convolution_free(const sn_convolution *convolution, real **padded);

/* The doubles of memory for so many numbers. */
static inline ptrdiff_t sn_convolution_doubles(ptrdiff_t numbers) {
  const ptrdiff_t size = (ptrdiff_t)sizeof(double);
  return (numbers * (ptrdiff_t)sizeof(real) + size - 1) / size;
}

/* Rows of local points, so far apart: (samples, channels) of them. */
typedef struct {
  real *values;
  ptrdiff_t stride;
} sn_rows;

sn_rows sn_convolution_plain(const sn_convolution *convolution, const real *values);
sn_rows sn_convolution_interior(const sn_convolution *convolution, real *padded);

/* Copies rows of states into padded ones, halos left out. */
void sn_convolution_copy(const sn_convolution *convolution, ptrdiff_t rows, const double *values, real *padded);

/* The halos of rows whose interior is there, or of rows that are copied first (pad). Collective over space. */
SN_MUST_CHECK sn_status sn_convolution_fill_halos(sn_convolution *convolution, ptrdiff_t rows, real *padded);
SN_MUST_CHECK sn_status sn_convolution_pad(sn_convolution *convolution, ptrdiff_t rows, const double *values,
                                           real *padded);

/*
 * A weight in the order in which it is read, of as many numbers: outputs in panels of a few, in each for every input
 * and tap the panel's numbers side by side. The weight of the transposed convolution has `in` outputs.
 */
void sn_convolution_pack(const sn_convolution *convolution, ptrdiff_t out, ptrdiff_t in, const double *weight,
                         real *packed);
void sn_convolution_pack_transposed(const sn_convolution *convolution, ptrdiff_t out, ptrdiff_t in,
                                    const double *weight, real *packed);

/* What is worked on at once: points first .. end - 1 of some samples. */
typedef struct {
  ptrdiff_t sample, samples; /* the first, and how many */
  ptrdiff_t first, end;
} sn_convolution_part;

/* W * a, W packed, a padded (samples, in, span). */
typedef struct {
  const real *weight;
  ptrdiff_t in;
  const real *padded;
} sn_convolution_term;

enum { SN_CONVOLUTION_TERMS = 2 };

/* Does with all rows of a sample what is due at the points first .. first + count - 1, while they are in the cache. */
typedef void (*sn_convolution_finish)(void *context, ptrdiff_t sample, ptrdiff_t first, ptrdiff_t count);

/*
 * What is done to a sum while it is in a register: a bias is added, and it becomes 0 where it is negative (rectifies),
 * or where the gate is not positive. These are relu and its derivative.
 */
typedef struct {
  const double *bias; /* (out); NULL: 0 */
  bool rectifies;
  sn_rows gate; /* (samples, out rows); values NULL: none */
} sn_convolution_epilogue;

/*
 * z (samples, out rows) = the sum of up to SN_CONVOLUTION_TERMS terms, with an epilogue (NULL: none); finish may be
 * NULL.
 */
void sn_convolution_apply(const sn_convolution *convolution, sn_convolution_part part, ptrdiff_t out, int terms,
                          const sn_convolution_term *term, const sn_convolution_epilogue *epilogue, sn_rows z,
                          sn_convolution_finish finish, void *context);

/*
 * Rows in which a pass leaves what it computes in the end, one a sample; where they are not the states themselves
 * (NULL) but rows of its own in single precision, `give`, a function of the kind above, copies them into these.
 */
typedef struct {
  sn_rows rows;
  double *states;
  ptrdiff_t stride; /* of the states */
} sn_convolution_result;

sn_convolution_result sn_convolution_result_of(const sn_convolution *convolution, double *states, ptrdiff_t stride,
                                               real *own);
void sn_convolution_give(void *result, ptrdiff_t sample, ptrdiff_t first, ptrdiff_t count);

/* Calls `finish` for every sample of a part whose rows are whole. Local. */
void sn_convolution_finish_part(sn_convolution_part part, sn_convolution_finish finish, void *context);

/* z += W * padded with a weight that is not packed and mostly 0, which costs nothing: a tangent's direction. */
void sn_convolution_add_sparse(const sn_convolution *convolution, sn_convolution_part part, ptrdiff_t out, ptrdiff_t in,
                               const double *weight, const real *padded, sn_rows z);

/* This rank's share of the derivative by W: gradient (out, in, kernel) += sum over samples and points of delta a. */
void sn_convolution_add_gradient(const sn_convolution *convolution, sn_convolution_part part, ptrdiff_t out,
                                 ptrdiff_t in, sn_rows delta, const real *padded, double *gradient);

/*
 * The same of a single output whose delta is padded (samples, span), inputs being rows: summed over the points of the
 * input, what is loaded of delta serves several inputs.
 */
void sn_convolution_add_single_gradient(const sn_convolution *convolution, sn_convolution_part part, ptrdiff_t in,
                                        const real *delta, sn_rows input, double *gradient);

/* And by b (out): gradient += sum over samples and points of delta. */
void sn_convolution_add_sums(sn_convolution_part part, ptrdiff_t out, sn_rows delta, double *gradient);

/*
 * The points first .. end - 1 at which the last of `stages` convolutions is wanted, in whole cache lines and far from
 * the ends of the row. Forward, a stage works on as many lines more as later ones reach; backward, on as many more as
 * it reaches itself: what comes in and what it leaves is 0 beyond, as far as is read.
 */
typedef struct {
  ptrdiff_t first, end;
  int stages;
} sn_convolution_window;

/* Of the points that are wanted, into *window; NULL: all are to be taken. `block` as of sn_convolution_run. */
const sn_convolution_window *sn_convolution_find_window(const sn_convolution *convolution, sn_range wanted, int stages,
                                                        ptrdiff_t block, sn_convolution_window *window);

/* The points of a window and those that so many stages reach beyond it, or, for NULL, all; of some samples. */
sn_convolution_part sn_convolution_window_part(const sn_convolution *convolution, const sn_convolution_window *window,
                                               ptrdiff_t samples, ptrdiff_t stages);

/* Of a part of a backward pass, the points at which what the stage is given is not 0. */
sn_convolution_part sn_convolution_given_part(const sn_convolution *convolution, const sn_convolution_window *window,
                                              sn_convolution_part part);

/*
 * A pass through stages, each a convolution of what the one before left in padded rows. `work` does a part of a stage,
 * whose input there has all the neighbours it needs; `output` returns the rows (their number for a sample in *rows)
 * whose halos the next stage needs, or NULL if it needs none. The input of stage 0 has its halos already.
 */
typedef void (*sn_convolution_work)(void *context, int stage, sn_convolution_part part);
typedef real *(*sn_convolution_output)(void *context, int stage, ptrdiff_t *rows);
typedef struct {
  int stages;
  sn_convolution_work work;
  sn_convolution_output output;
  void *context;
  const sn_convolution_window *window; /* NULL: all points */
  real *given;                         /* backward: padded rows, one a sample, that stage 0 begins with; else NULL */
  double *states;                      /* (samples, points) that the last stage leaves; NULL: none */
} sn_convolution_pass;

/*
 * How many samples pass through the stages together, so that what they work on, so many numbers a point, stays in the
 * second-level cache, and how many points of a row that is too long for it. A message between space ranks is of all
 * samples: they wait for fewer of them.
 */
void sn_convolution_choose_pieces(const sn_convolution *convolution, ptrdiff_t samples, ptrdiff_t numbers,
                                  ptrdiff_t *group, ptrdiff_t *block);

/*
 * Where rows are long, `block` points at a time go through all stages, and halos follow for the points near the ends;
 * otherwise stage by stage. Collective over space.
 */
SN_MUST_CHECK sn_status sn_convolution_run(sn_convolution *convolution, ptrdiff_t samples, ptrdiff_t block,
                                           const sn_convolution_pass *pass);

#endif
