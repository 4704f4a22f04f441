#include "decay.h"

#include <math.h>
#include <string.h>

#include "linear_ops.h"
#include "sinode/fourier.h"
#include "sinode/memory.h"
#include "solver_ops.h"

/* Kernels are computed on grids of 2^8 points or more: four times the overlap. */
enum { POINTS_LEAST = 1 << 8, LEVELS = 9 };
_Static_assert(POINTS_LEAST << (LEVELS - 1) == 4 * SN_DECAY_OVERLAP_MOST, "the largest grid suits the largest overlap");

/* A grid of so many points and its transform; NULL until it is wanted. */
typedef struct {
  sn_grid *grid;
  sn_fourier *fourier;
} level;

struct sn_decay {
  level levels[LEVELS];
  ptrdiff_t points; /* that the arrays are for */
  double complex *coefficients;
  double *kernel;   /* (points) G_0, G_1, ..., G_-1 */
  double *weighted; /* (points) the same times e^{shift d} */
  double *size;     /* (points / 2) |G_d| + |G_-d|, d = 1, 2, ... */
};

sn_status sn_decay_create(sn_decay **out) {
  SN_TRY(SN_NEW(1, out));
  **out = (sn_decay){0};
  return SN_OK;
}

static void free_arrays(sn_decay *decay) {
  SN_FREE(decay->coefficients);
  SN_FREE(decay->kernel);
  SN_FREE(decay->weighted);
  SN_FREE(decay->size);
  decay->points = 0;
}

void sn_decay_destroy(sn_decay **decay) {
  if (!*decay) return;
  for (int l = 0; l < LEVELS; l++) {
    sn_fourier_destroy(&(*decay)->levels[l].fourier);
    sn_grid_destroy(&(*decay)->levels[l].grid);
  }
  free_arrays(*decay);
  SN_FREE(*decay);
}

static sn_status prepare(sn_decay *decay, level *on, ptrdiff_t points) {
  if (!on->grid) SN_TRY(sn_grid_create(MPI_COMM_SELF, 1, points, NULL, &on->grid));
  if (!on->fourier) SN_TRY(sn_fourier_create(on->grid, 1, SN_FOURIER_ESTIMATE, &on->fourier));
  if (points <= decay->points) return SN_OK;
  free_arrays(decay);
  SN_TRY(SN_NEW(points / 2 + 1, &decay->coefficients));
  SN_TRY(SN_NEW(points, &decay->kernel));
  SN_TRY(SN_NEW(points, &decay->weighted));
  SN_TRY(SN_NEW(points / 2, &decay->size));
  decay->points = points;
  return SN_OK;
}

/* kernel[d] := e^{shift d} G_d, which has the Fourier coefficients of G at angles raised by i shift. */
static sn_status evaluate(sn_decay *decay, const level *on, const sn_linear *linear, double gamma, double shift,
                          double *kernel) {
  const ptrdiff_t points = sn_grid_points(on->grid);
  const double step = (double)sn_grid_points(linear->grid) / (double)points;
  for (ptrdiff_t i = 0; i <= points / 2; i++) {
    const double m = (double)i * step;
    if (shift == 0)
      SN_TRY(sn_solver_invert_symbol(linear, gamma, m, &decay->coefficients[i]));
    else
      decay->coefficients[i] = 1 / (1 - gamma * linear->ops->continued_symbol(linear, m, shift));
  }
  return sn_fourier_inverse(on->fourier, decay->coefficients, kernel);
}

/* Place of d = -points/2 .. points/2. */
static ptrdiff_t place(ptrdiff_t points, ptrdiff_t d) { return d < 0 ? points + d : d; }

/* Whether G is what the weighted kernel says: not if the shift has gone past a zero of 1 - gamma a. */
static bool agrees(const sn_decay *decay, ptrdiff_t points, int side, double shift) {
  static const double round_off = 1e-12;
  double largest = 0;
  for (ptrdiff_t d = 0; d < points; d++) largest = fmax(largest, fabs(decay->kernel[d]));
  for (ptrdiff_t d = 0; d <= points / 4; d++) {
    const ptrdiff_t at = place(points, side * d);
    const double value = decay->weighted[at] * exp(-shift * (double)d);
    if (!(fabs(value - decay->kernel[at]) <= round_off * largest)) return false;
  }
  return true;
}

/*
 * Adds |G_d|, d = side, 2 side, .. to the sizes. A transform has absolute errors of eps max |G|, which hide the tail;
 * that of the weighted kernel has errors of eps max |e^{shift d} G_d|, before the weight is taken off again. A shift of
 * half of what there is room for, up to the nearest zero of 1 - gamma a, shows |G_d| down to about eps^(3/2).
 */
static sn_status add_side(sn_decay *decay, const level *on, const sn_linear *linear, double gamma, bool decays,
                          int side) {
  static const double weight_least = 16; /* logarithm of the least weight that is of use, over the whole grid */
  const ptrdiff_t points = sn_grid_points(on->grid);
  double shift = decays && linear->ops->continued_symbol ? 1 : 0;
  for (; shift * (double)points >= weight_least; shift /= 2) {
    SN_TRY(evaluate(decay, on, linear, gamma, side * shift, decay->weighted));
    if (agrees(decay, points, side, shift)) break;
  }
  if (shift * (double)points < weight_least) shift = 0;
  const double *kernel = shift > 0 ? decay->weighted : decay->kernel;
  for (ptrdiff_t d = 1; d <= points / 2; d++)
    decay->size[d - 1] += fabs(kernel[place(points, side * d)]) * exp(-shift * (double)d);
  return SN_OK;
}

/* sum |kernel| over |d| from `least` to `most`. */
static double sum_of_kernel(const sn_decay *decay, ptrdiff_t points, ptrdiff_t least, ptrdiff_t most) {
  double sum = 0;
  for (ptrdiff_t d = least; d <= most; d++)
    sum += fabs(decay->kernel[d]) + (d > 0 && 2 * d < points ? fabs(decay->kernel[points - d]) : 0);
  return sum;
}

/*
 * overlap := the least that does on a grid, at least `least`; returns the fraction that is left beyond it. The sum goes
 * from the far end, where it begins with what a kernel that falls as 1 / d^2 has further out.
 */
static double walk_in(const sn_decay *decay, ptrdiff_t points, double total, double tolerance, ptrdiff_t least,
                      ptrdiff_t *overlap) {
  ptrdiff_t d = points / 2;
  double sum = (double)d * decay->size[d - 1];
  for (; d > least && 2 * (sum + decay->size[d - 1]) <= tolerance * total; d--) sum += decay->size[d - 1];
  *overlap = d;
  return 2 * sum / total;
}

sn_status sn_decay_find_overlap(sn_decay *decay, const sn_linear *linear, double gamma, double tolerance,
                                ptrdiff_t most, ptrdiff_t *overlap, double *left) {
  static const double hopeless = 1e-9; /* a tail beyond a quarter of the grid that is no round-off */
  for (int l = 0; l < LEVELS; l++) {
    level *on = &decay->levels[l];
    const ptrdiff_t points = (ptrdiff_t)POINTS_LEAST << l, within = points / 4;
    const bool last = l == LEVELS - 1 || within >= most;
    SN_TRY(prepare(decay, on, points));
    SN_TRY(evaluate(decay, on, linear, gamma, 0, decay->kernel));
    const double total = sum_of_kernel(decay, points, 0, points / 2);
    const bool decays = sum_of_kernel(decay, points, within + 1, points / 2) <= fmax(hopeless, tolerance) * total;
    if (!last && !decays) continue;
    memset(decay->size, 0, (size_t)(points / 2) * sizeof *decay->size);
    for (int side = -1; side <= 1; side += 2) SN_TRY(add_side(decay, on, linear, gamma, decays, side));
    *left = walk_in(decay, points, total, tolerance, 1, overlap);
    if (*overlap <= within && *overlap <= most) break;
    if (!last) continue;
    ptrdiff_t at;
    *left = walk_in(decay, points, total, HUGE_VAL, most, &at);
    *overlap = most + 1;
  }
  return SN_OK;
}
