#include <math.h>
#include <string.h>

#include <cblas.h>

#include "difference.h"
#include "linear_ops.h"
#include "sinode/halo.h"
#include "sinode/memory.h"

/* Rows are worked on in pieces of this many points, so that what belongs to a piece stays in the first-level cache. */
enum { TILE = 1024 };

/*
 * The taps are split in their even and odd parts about the centre, c_{h+k} = even_k + odd_k, c_{h-k} = even_k - odd_k.
 * The odd part is M times a symmetric stencil of half - 1, where M u_j = u_{j+1} - u_{j-1}:
 * u_{j+k} - u_{j-k} = (M u)_{j+k-1} + (M u)_{j+k-3} + ... + (M u)_{j-k+1}.
 */
typedef struct {
  int half;
  bool symmetric; /* no odd part */
  sn_difference even, odd;
  sn_halo *halo; /* NULL for a single tap */
  double *taps;  /* (2 half + 1) scratch: taps of one part, sums of a gradient */
  double *piece; /* a tile with its neighbours, where it meets an end of the block */
  double *work, *slope;
} stencil;

static sn_status prepare(sn_linear *linear) {
  const sn_linear_shape *shape = &linear->shape;
  int half = shape->taps / 2;
  stencil *state;
  SN_TRY(SN_NEW(1, &state));
  linear->state = state;
  state->half = state->even.half = half;
  state->odd.half = half > 0 ? half - 1 : 0;
  SN_TRY(SN_NEW(half + 1, &state->even.coefficients));
  SN_TRY(SN_NEW(half + 1, &state->odd.coefficients));
  SN_TRY(SN_NEW(shape->taps, &state->taps));
  ptrdiff_t longest = TILE + 4 * (ptrdiff_t)half;
  SN_TRY(SN_NEW(longest, &state->piece));
  SN_TRY(SN_NEW(longest, &state->work));
  SN_TRY(SN_NEW(longest, &state->slope));
  sn_parameter_block block = {.name = "linear/stencil",
                              .dimensions = 1,
                              .shape = {shape->taps},
                              .count = {shape->taps},
                              .partial = true,
                              .trainable = shape->trainable};
  SN_TRY(sn_parameters_add(linear->parameters, &block));
  linear->offset = block.offset;
  linear->size = sn_parameter_block_size(&block);
  return SN_OK;
}

static sn_status create(sn_linear *linear) {
  SN_TRY(sn_collective_status(sn_grid_space(linear->grid), prepare(linear)));
  stencil *state = linear->state;
  if (state->half > 0) SN_TRY(sn_halo_create(linear->grid, state->half, linear->samples, &state->halo));
  return SN_OK;
}

static void destroy(sn_linear *linear) {
  stencil *state = linear->state;
  sn_halo_destroy(&state->halo);
  SN_FREE(state->even.coefficients);
  SN_FREE(state->odd.coefficients);
  SN_FREE(state->taps);
  SN_FREE(state->piece);
  SN_FREE(state->work);
  SN_FREE(state->slope);
  SN_FREE(linear->state);
}

static sn_status set_derivatives(sn_linear *linear, const sn_linear_init *init) {
  double taps[SN_LINEAR_TAPS_MOST];
  const int count = sn_linear_difference(linear, init, taps);
  if (linear->shape.taps != count)
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "differences of these derivatives are a stencil of %d coefficients, not of %d; give the "
                        "coefficients as a list, or use %d",
                        count, linear->shape.taps, count);
  memcpy(sn_linear_coefficients(linear), taps, (size_t)count * sizeof *taps);
  return SN_OK;
}

static void update(sn_linear *linear) {
  stencil *state = linear->state;
  const double *centre = sn_linear_coefficients(linear) + state->half;
  double *part = state->taps;
  part[0] = centre[0];
  for (int k = 1; k <= state->half; k++) part[k] = (centre[k] + centre[-k]) / 2;
  sn_difference_make(&state->even, part);

  memset(part, 0, (size_t)linear->shape.taps * sizeof *part);
  state->symmetric = true;
  for (int k = 1; k <= state->half; k++) {
    double odd = (centre[k] - centre[-k]) / 2;
    if (odd != 0) state->symmetric = false;
    for (int i = k - 1; i >= 0; i -= 2) part[i] += odd;
  }
  sn_difference_make(&state->odd, part);
}

static double complex symbol(const sn_linear *linear, double m) {
  const stencil *state = linear->state;
  double theta = 2 * M_PI * m / (double)sn_grid_points(linear->grid), s = 2 * sin(theta / 2);
  double real = sn_difference_symbol(&state->even, theta, s);
  return state->symmetric ? real : CMPLX(real, 2 * sin(theta) * sn_difference_symbol(&state->odd, theta, s));
}

/*
 * The operation on a piece of a row: `count` points that begin at `position` of the local array, where u points at the
 * first and may be read `half` points to either side.
 */
typedef void (*visitor)(stencil *state, ptrdiff_t position, ptrdiff_t count, const double *u, void *context);

/* A piece that reaches past an end of the block: assembled from the block and its halo. */
static void visit_end(stencil *state, ptrdiff_t row, ptrdiff_t n, ptrdiff_t first, ptrdiff_t count, const double *u,
                      visitor visit, void *context) {
  ptrdiff_t half = state->half;
  const double *left = sn_halo_left(state->halo) + row * half + half, *right = sn_halo_right(state->halo) + row * half;
  for (ptrdiff_t i = 0, j = first - half; j < first + count + half; i++, j++)
    state->piece[i] = j < 0 ? left[j] : j < n ? u[row * n + j] : right[j - n];
  visit(state, row * n + first, count, state->piece + half, context);
}

/* Visits all points, the interior while the halo exchange is in progress. */
static sn_status visit_pieces(const sn_linear *linear, ptrdiff_t samples, const double *u, visitor visit,
                              void *context) {
  stencil *state = linear->state;
  ptrdiff_t n = sn_grid_range(linear->grid).count, half = state->half;
  if (state->halo) SN_TRY(sn_halo_begin(state->halo, samples, u, n));
  for (ptrdiff_t row = 0; row < samples; row++)
    for (ptrdiff_t first = half; first < n - half; first += TILE) {
      ptrdiff_t rest = n - half - first;
      visit(state, row * n + first, rest < TILE ? rest : TILE, u + row * n + first, context);
    }
  if (!state->halo) return SN_OK;
  SN_TRY(sn_halo_end(state->halo));
  for (ptrdiff_t row = 0; row < samples; row++) {
    if (n <= 2 * half) {
      visit_end(state, row, n, 0, n, u, visit, context);
    } else {
      visit_end(state, row, n, 0, half, u, visit, context);
      visit_end(state, row, n, n - half, half, u, visit, context);
    }
  }
  return SN_OK;
}

typedef struct {
  double *y, odd_sign;
} application;

static void apply_piece(stencil *state, ptrdiff_t position, ptrdiff_t count, const double *u, void *context) {
  const application *to = context;
  double *y = to->y + position;
  memset(y, 0, (size_t)count * sizeof *y);
  sn_difference_apply(&state->even, count, 1, u, y, state->work);
  if (state->symmetric) return;
  ptrdiff_t reach = state->odd.half;
  for (ptrdiff_t i = 0; i < count + 2 * reach; i++) state->slope[i] = u[i - reach + 1] - u[i - reach - 1];
  sn_difference_apply(&state->odd, count, to->odd_sign, state->slope + reach, y, state->work);
}

static sn_status apply(sn_linear *linear, bool transpose, ptrdiff_t samples, const double *x, double *y) {
  application to = {.y = y, .odd_sign = transpose ? -1 : 1};
  return visit_pieces(linear, samples, x, apply_piece, &to);
}

static void gradient_piece(stencil *state, ptrdiff_t position, ptrdiff_t count, const double *u, void *context) {
  const double *left = context;
  for (int k = -state->half; k <= state->half; k++)
    state->taps[state->half + k] += cblas_ddot((int)count, left + position, 1, u + k, 1);
}

static sn_status gradient(sn_linear *linear, ptrdiff_t samples, double weight, const double *left, const double *right,
                          double *sum) {
  stencil *state = linear->state;
  memset(state->taps, 0, (size_t)linear->shape.taps * sizeof *state->taps);
  SN_TRY(visit_pieces(linear, samples, right, gradient_piece, (void *)left));
  for (int k = 0; k < linear->shape.taps; k++) sum[linear->offset + k] += weight * state->taps[k];
  return SN_OK;
}

typedef struct {
  const double *taps; /* of the centre */
  double weight, *y;
} variation;

static void tangent_piece(stencil *state, ptrdiff_t position, ptrdiff_t count, const double *u, void *context) {
  const variation *of = context;
  for (int k = -state->half; k <= state->half; k++)
    cblas_daxpy((int)count, of->weight * of->taps[k], u + k, 1, of->y + position, 1);
}

static sn_status tangent(sn_linear *linear, ptrdiff_t samples, double weight, const double *direction, const double *x,
                         double *y) {
  const stencil *state = linear->state;
  variation of = {.taps = direction + linear->offset + state->half, .weight = weight, .y = y};
  return visit_pieces(linear, samples, x, tangent_piece, &of);
}

static void rows(const sn_linear *linear, double *matrix) {
  ptrdiff_t size = sn_grid_range(linear->grid).count * sn_grid_points(linear->grid);
  memset(matrix, 0, (size_t)size * sizeof *matrix);
  sn_linear_add_taps(linear->grid, linear->shape.taps, sn_linear_coefficients(linear), matrix);
}

const sn_linear_ops sn_linear_stencil = {
    .circulant = true,
    .create = create,
    .destroy = destroy,
    .set_derivatives = set_derivatives,
    .update = update,
    .symbol = symbol,
    .apply = apply,
    .gradient = gradient,
    .tangent = tangent,
    .rows = rows,
};
