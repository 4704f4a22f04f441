/*
 * Functions of a full matrix A, made as phi.c makes those of a number: with Y = c dt A / 2^s, |Y| <= 1, a Taylor series
 * of the highest phi_K(Y) by Horner's rule, the recurrence downwards, and s doublings, all of them products of matrices
 * (Skaflestad, Wright 2009, with a series for their Pade approximation, so that no system is solved), by the BLAS or
 * over several ranks by ScaLAPACK. The functions are kept as A is, their rows split over the space ranks.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cblas.h>

#include "base/lapack.h"
#include "block_cyclic.h"
#include "exponential_ops.h"
#include "row_matrix.h"
#include "sinode/count.h"
#include "sinode/memory.h"

/* Terms of the series at |Y| = 1. */
enum { SERIES = 18, POWERS = SN_PHI_MOST + 1 };

typedef struct {
  sn_row_matrix rows;
  ptrdiff_t size;    /* of the rows of a matrix here */
  double *functions; /* (functions, size) */
  double *shares;    /* (samples, points), on several ranks */
} dense;

/* What the functions are made with, in ScaLAPACK's layout. */
typedef struct {
  sn_block_cyclic layout;
  sn_redistribution *fill; /* from rows; on one rank the layouts are the same */
  double *a, *y, *work, *phi[POWERS];
  double *row; /* rows of A, then of a function */
  double norm; /* of A */
} workshop;

static sn_status allocate(sn_exponential *exponential) {
  const ptrdiff_t samples = exponential->options.samples;
  dense *state;
  SN_TRY(SN_NEW(1, &state));
  exponential->state = state;
  SN_TRY(sn_row_matrix_create(exponential->grid, samples, &state->rows));
  const ptrdiff_t points = state->rows.points;
  ptrdiff_t all;
  state->size = points * state->rows.local;
  if (!sn_count_multiply(state->size, exponential->functions, &all)) all = PTRDIFF_MAX;
  SN_TRY(SN_NEW(all, &state->functions));
  exponential->size = samples * points;
  exponential->bytes = all * (ptrdiff_t)sizeof *state->functions;
  return state->rows.ranks > 1 ? SN_NEW(samples * points, &state->shares) : SN_OK;
}

static sn_status create(sn_exponential *exponential) {
  snprintf(exponential->reason, sizeof exponential->reason,
           "none: the scheme is exponential, by %d functions of the linear part's matrix", exponential->functions);
  return sn_collective_status(sn_grid_space(exponential->grid), allocate(exponential));
}

static void destroy(sn_exponential *exponential) {
  dense *state = exponential->state;
  sn_row_matrix_destroy(&state->rows);
  SN_FREE(state->functions);
  SN_FREE(state->shares);
  SN_FREE(exponential->state);
}

/* Whatever the samples. */
static sn_status reserve(sn_exponential *exponential, ptrdiff_t samples) {
  (void)exponential, (void)samples;
  return SN_OK;
}

static sn_status allocate_workshop(workshop *w, ptrdiff_t rows) {
  SN_TRY(SN_NEW(rows, &w->row));
  SN_TRY(SN_NEW(w->layout.size, &w->a));
  SN_TRY(SN_NEW(w->layout.size, &w->y));
  SN_TRY(SN_NEW(w->layout.size, &w->work));
  for (int k = 0; k < POWERS; k++) SN_TRY(SN_NEW(w->layout.size, &w->phi[k]));
  return SN_OK;
}

static void close_workshop(workshop *w) {
  double **const arrays[] = {&w->row, &w->a, &w->y, &w->work};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) SN_FREE(*arrays[i]);
  for (int k = 0; k < POWERS; k++) SN_FREE(w->phi[k]);
  sn_redistribution_destroy(&w->fill);
  sn_block_cyclic_destroy(&w->layout);
}

/* Rows, split as the grid points are, to the layout of the products, or back. */
static sn_status exchange(const workshop *w, bool back, double *rows, double *matrix) {
  if (!sn_block_cyclic_is_local(&w->layout))
    return back ? sn_redistribution_backward(w->fill, matrix, rows) : sn_redistribution_forward(w->fill, rows, matrix);
  memcpy(back ? rows : matrix, back ? matrix : rows, (size_t)w->layout.size * sizeof *rows);
  return SN_OK;
}

/* The largest sum of absolute values of a row. */
static double norm_of(const sn_exponential *exponential, const double *rows) {
  const dense *state = exponential->state;
  double norm = 0;
  for (int i = 0; i < state->rows.local; i++)
    norm = fmax(norm, cblas_dasum(state->rows.points, rows + (ptrdiff_t)i * state->rows.points, 1));
  MPI_Allreduce(MPI_IN_PLACE, &norm, 1, MPI_DOUBLE, MPI_MAX, sn_grid_space(exponential->grid));
  return norm;
}

/* What comes collectively first. */
static sn_status open_workshop(sn_exponential *exponential, workshop *w) {
  SN_TRY(sn_block_cyclic_create(exponential->grid, &w->layout));
  SN_TRY(sn_block_cyclic_plan(&w->layout, &w->fill));
  SN_TRY(sn_collective_status(sn_grid_space(exponential->grid),
                              allocate_workshop(w, ((dense *)exponential->state)->size)));
  SN_TRY(sn_linear_rows(exponential->linear, w->row));
  w->norm = norm_of(exponential, w->row);
  return exchange(w, false, w->row, w->a);
}

/* c := a b + keep c */
static void multiply(const workshop *w, const double *a, const double *b, double keep, double *c) {
  const sn_block_cyclic *l = &w->layout;
  const int n = l->order, first = 1, *d = l->descriptor;
  const double one = 1;
  if (sn_block_cyclic_is_local(l))
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, a, n, b, n, keep, c, n);
  else
    pdgemm_("N", "N", &n, &n, &n, &one, a, &first, &first, d, b, &first, &first, d, &keep, c, &first, &first, d, 1, 1);
}

/* matrix := factor matrix + value I */
static void shift(const workshop *w, double factor, double value, double *matrix) {
  const sn_block_cyclic *l = &w->layout;
  for (ptrdiff_t j = 0; j < l->columns.count; j++)
    for (ptrdiff_t i = 0; i < l->rows.count; i++) {
      double *x = matrix + j * l->leading + i;
      *x = factor * *x + (l->rows.index[i] == l->columns.index[j] ? value : 0);
    }
}

static double inverse_factorial(int n) { return 1 / tgamma(n + 1); }

/* phi[k] := phi_k(2Y) of phi_k(Y) */
static void twice(workshop *w, int highest) {
  for (int k = highest; k >= 0; k--) {
    memset(w->work, 0, (size_t)w->layout.size * sizeof *w->work);
    for (int j = 1; j <= k; j++)
      for (ptrdiff_t i = 0; i < w->layout.size; i++) w->work[i] += inverse_factorial(k - j) * w->phi[j][i];
    multiply(w, w->phi[0], w->phi[k], 1, w->work);
    for (ptrdiff_t i = 0; i < w->layout.size; i++) w->phi[k][i] = ldexp(w->work[i], -k);
  }
}

/* phi[k] := phi_k(c dt A), k = 0 .. highest */
static void evaluate(workshop *w, double scale, int highest) {
  int halvings = 0;
  while (ldexp(fabs(scale) * w->norm, -halvings) > 1) halvings++;
  const double factor = ldexp(scale, -halvings);
  for (ptrdiff_t i = 0; i < w->layout.size; i++) w->y[i] = factor * w->a[i];
  double *top = w->phi[highest];
  shift(w, 0, inverse_factorial(highest + SERIES), top);
  for (int n = SERIES - 1; n >= 0; n--) {
    multiply(w, w->y, top, 0, w->work);
    memcpy(top, w->work, (size_t)w->layout.size * sizeof *top);
    shift(w, 1, inverse_factorial(highest + n), top);
  }
  for (int k = highest - 1; k >= 0; k--) {
    multiply(w, w->y, w->phi[k + 1], 0, w->phi[k]);
    shift(w, 1, inverse_factorial(k), w->phi[k]);
  }
  for (int n = 0; n < halvings; n++) twice(w, highest);
}

/* Adds to the functions what they have of phi_k(c dt A). */
static sn_status add_terms(const sn_exponential *exponential, workshop *w, int k, double c) {
  const dense *state = exponential->state;
  SN_TRY(exchange(w, true, w->row, w->phi[k]));
  for (int f = 0; f < exponential->functions; f++)
    for (int t = 0; t < exponential->function[f].terms; t++) {
      const sn_phi_term *term = &exponential->function[f].term[t];
      double *sum = state->functions + f * state->size;
      for (ptrdiff_t i = 0; i < state->size && term->k == k && term->c == c; i++) sum[i] += term->factor * w->row[i];
    }
  return SN_OK;
}

/* The next larger c of any term, and the highest function of it; false: there is none. */
static bool next_argument(const sn_exponential *exponential, double *c, int *highest) {
  double next = INFINITY;
  *highest = 0;
  for (int f = 0; f < exponential->functions; f++)
    for (int t = 0; t < exponential->function[f].terms; t++) {
      const sn_phi_term *term = &exponential->function[f].term[t];
      if (term->c <= *c || term->c > next) continue;
      *highest = term->c < next || term->k > *highest ? term->k : *highest;
      next = term->c;
    }
  *c = next;
  return isfinite(next);
}

static sn_status make_functions(sn_exponential *exponential, workshop *w) {
  const dense *state = exponential->state;
  double c = -1;
  int highest;
  SN_TRY(open_workshop(exponential, w));
  memset(state->functions, 0, (size_t)exponential->bytes);
  while (next_argument(exponential, &c, &highest)) {
    evaluate(w, c * exponential->options.dt, highest);
    for (int k = 0; k <= highest; k++) SN_TRY(add_terms(exponential, w, k, c));
  }
  return SN_OK;
}

static sn_status make(sn_exponential *exponential) {
  workshop w = {.layout.process_columns = 1};
  sn_status status = make_functions(exponential, &w);
  close_workshop(&w);
  return status;
}

/* Forward the points of all ranks; back those of this one. */
static sn_status transform(sn_exponential *exponential, bool transpose, ptrdiff_t samples, const double *state,
                           double *transformed) {
  dense *own = exponential->state;
  if (transpose || own->rows.ranks == 1)
    memcpy(transformed, state, (size_t)(samples * own->rows.local) * sizeof *state);
  else
    sn_row_matrix_gather(&own->rows, (int)samples, state, transformed);
  return SN_OK;
}

static sn_status sum(sn_exponential *exponential, bool transpose, ptrdiff_t samples, int terms,
                     const sn_exponential_term *term, double *state) {
  dense *own = exponential->state;
  const int count = (int)samples;
  double *result = transpose && own->rows.ranks > 1 ? own->shares : state;
  for (int t = 0; t < terms; t++) {
    const double *function = own->functions + term[t].function * own->size, keep = t > 0;
    if (transpose)
      sn_row_matrix_multiply_transposed(&own->rows, term[t].weight, function, count, term[t].x, keep, result);
    else
      sn_row_matrix_multiply(&own->rows, term[t].weight, function, count, term[t].x, keep, result);
  }
  if (result != state) sn_row_matrix_add_shares(&own->rows, count, result, state);
  return SN_OK;
}

const sn_exponential_ops sn_exponential_dense = {
    .create = create, .destroy = destroy, .reserve = reserve, .make = make, .transform = transform, .sum = sum};
