/*
 * Functions of a full matrix A, kept as A is, their rows split over the space ranks.
 *
 * Where A is trained, the sum of weight y^T f(dt A) x over all its terms is <E, f(dt A)> with E the sum of weight y
 * x^T, which is kept for every function, and its derivative by A is dt L_f(dt A^T, E), L_f(M, E) being the derivative
 * of f at M along E (Frechet). Going forward, the change of f(dt A) along dA is a matrix of its own.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "exponential_ops.h"
#include "linear_ops.h"
#include "phi_matrix.h"
#include "row_matrix.h"
#include "sinode/count.h"
#include "sinode/memory.h"

typedef struct {
  sn_row_matrix rows;
  ptrdiff_t size;    /* of the rows of a matrix here */
  double *functions; /* (functions, size) */
  double *shares;    /* (samples, points), on several ranks */
  /* Where A is trained; else phi is there while the functions are made. */
  sn_phi_matrix phi;
  double *matrix;   /* (size) */
  double *gathered; /* (functions, size): E of each */
  bool has_gathered;
  double *change; /* (functions, size): of each along a direction */
} dense;

static bool is_trained(const sn_exponential *exponential) {
  return exponential->options.gradient || exponential->options.tangent;
}

static sn_status allocate(sn_exponential *exponential) {
  const sn_exponential_options *options = &exponential->options;
  dense *state;
  SN_TRY(SN_NEW(1, &state));
  exponential->state = state;
  state->phi.layout.process_columns = 1;
  SN_TRY(sn_row_matrix_create(exponential->grid, options->samples, &state->rows));
  const ptrdiff_t points = state->rows.points;
  ptrdiff_t all;
  state->size = points * state->rows.local;
  if (!sn_count_multiply(state->size, exponential->functions, &all)) all = PTRDIFF_MAX;
  SN_TRY(SN_NEW(all, &state->functions));
  if (options->gradient) SN_TRY(SN_NEW(all, &state->gathered));
  if (options->tangent) SN_TRY(SN_NEW(all, &state->change));
  exponential->size = options->samples * points;
  exponential->bytes = (1 + options->gradient + options->tangent) * all * (ptrdiff_t)sizeof(double);
  return state->rows.ranks > 1 ? SN_NEW(options->samples * points, &state->shares) : SN_OK;
}

/* Memory to make functions with; a fixed A frees it after each use. Collective. */
static sn_status open_phi(const sn_exponential *exponential) {
  dense *state = exponential->state;
  if (state->matrix) return SN_OK;
  SN_TRY(sn_collective_status(sn_grid_space(exponential->grid), SN_NEW(state->size, &state->matrix)));
  return sn_phi_matrix_create(exponential->grid, is_trained(exponential), &state->phi);
}

static void close_phi(const sn_exponential *exponential) {
  dense *state = exponential->state;
  if (state->matrix) sn_phi_matrix_destroy(&state->phi);
  SN_FREE(state->matrix);
}

static sn_status create(sn_exponential *exponential) {
  snprintf(exponential->reason, sizeof exponential->reason,
           "none: the scheme is exponential, by %d functions of the linear part's matrix", exponential->functions);
  SN_TRY(sn_collective_status(sn_grid_space(exponential->grid), allocate(exponential)));
  return is_trained(exponential) ? open_phi(exponential) : SN_OK;
}

static void destroy(sn_exponential *exponential) {
  dense *state = exponential->state;
  close_phi(exponential);
  sn_row_matrix_destroy(&state->rows);
  SN_FREE(state->functions);
  SN_FREE(state->shares);
  SN_FREE(state->gathered);
  SN_FREE(state->change);
  SN_FREE(exponential->state);
}

/* Whatever the samples. */
static sn_status reserve(sn_exponential *exponential, ptrdiff_t samples) {
  (void)exponential, (void)samples;
  return SN_OK;
}

static ptrdiff_t size_of(const sn_exponential *exponential, ptrdiff_t samples) {
  return samples * ((const dense *)exponential->state)->rows.points;
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

/* What phi_k(c z) counts in a function. */
static double factor_of(const sn_phi_sum *sum, int k, double c) {
  for (int t = 0; t < sum->terms; t++)
    if (sum->term[t].k == k && sum->term[t].c == c) return sum->term[t].factor;
  return 0;
}

static void add_scaled(ptrdiff_t count, double factor, const double *x, double *y) {
  for (ptrdiff_t i = 0; i < count && factor != 0; i++) y[i] += factor * x[i];
}

/* sums (functions, size) := the functions, or their change, of what phi was given. */
static sn_status add_up(const sn_exponential *exponential, bool change, double *sums) {
  dense *state = exponential->state;
  double c = -1;
  int highest;
  memset(sums, 0, (size_t)(exponential->functions * state->size) * sizeof *sums);
  while (next_argument(exponential, &c, &highest)) {
    sn_phi_matrix_evaluate(&state->phi, c * exponential->options.dt, highest, change);
    for (int k = 0; k <= highest; k++) {
      SN_TRY(change ? sn_phi_matrix_get_change(&state->phi, false, k, state->matrix)
                    : sn_phi_matrix_get(&state->phi, k, state->matrix));
      for (int f = 0; f < exponential->functions; f++)
        add_scaled(state->size, factor_of(&exponential->function[f], k, c), state->matrix, sums + f * state->size);
    }
  }
  return SN_OK;
}

static sn_status make_functions(sn_exponential *exponential) {
  dense *state = exponential->state;
  SN_TRY(open_phi(exponential));
  SN_TRY(sn_linear_rows(exponential->linear, state->matrix));
  SN_TRY(sn_phi_matrix_set(&state->phi, state->matrix));
  return add_up(exponential, false, state->functions);
}

static sn_status make(sn_exponential *exponential, int parameter) {
  (void)parameter;
  sn_status status = make_functions(exponential);
  if (!is_trained(exponential)) close_phi(exponential);
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
    const double *function = (term[t].varied ? own->change : own->functions) + term[t].function * own->size;
    if (transpose)
      sn_row_matrix_multiply_transposed(&own->rows, term[t].weight, function, count, term[t].x, t > 0, result);
    else
      sn_row_matrix_multiply(&own->rows, term[t].weight, function, count, term[t].x, t > 0, result);
  }
  if (result != state) sn_row_matrix_add_shares(&own->rows, count, result, state);
  return SN_OK;
}

static void clear(sn_exponential *exponential) {
  dense *state = exponential->state;
  if (state->has_gathered)
    memset(state->gathered, 0, (size_t)(exponential->functions * state->size) * sizeof *state->gathered);
  state->has_gathered = false;
}

static void gather(sn_exponential *exponential, ptrdiff_t samples, int function, double weight, const double *left,
                   const double *right) {
  dense *state = exponential->state;
  sn_row_matrix_add_outer(&state->rows, weight, (int)samples, left, right, state->gathered + function * state->size);
  state->has_gathered = true;
}

/* matrix := the sum of what was gathered for phi_k(c z). */
static void add_gathered(const sn_exponential *exponential, int k, double c) {
  const dense *state = exponential->state;
  memset(state->matrix, 0, (size_t)state->size * sizeof *state->matrix);
  for (int f = 0; f < exponential->functions; f++)
    add_scaled(state->size, factor_of(&exponential->function[f], k, c), state->gathered + f * state->size,
               state->matrix);
}

/* A term whose function of A is 1 for every A adds nothing. */
static sn_status gradient(sn_exponential *exponential, double *sums) {
  dense *state = exponential->state;
  double c = 0;
  int highest;
  if (!state->has_gathered) return SN_OK;
  while (next_argument(exponential, &c, &highest))
    for (int k = 0; k <= highest; k++) {
      add_gathered(exponential, k, c);
      SN_TRY(sn_phi_matrix_set_change(&state->phi, true, state->matrix));
      sn_phi_matrix_evaluate(&state->phi, c * exponential->options.dt, k, true);
      SN_TRY(sn_phi_matrix_get_change(&state->phi, true, k, state->matrix));
      add_scaled(state->size, 1, state->matrix, sums + exponential->linear->offset);
    }
  clear(exponential);
  return SN_OK;
}

static sn_status set_direction(sn_exponential *exponential, ptrdiff_t samples, const double *direction) {
  dense *state = exponential->state;
  (void)samples;
  SN_TRY(sn_phi_matrix_set_change(&state->phi, false, direction + exponential->linear->offset));
  return add_up(exponential, true, state->change);
}

const sn_exponential_ops sn_exponential_dense = {.create = create,
                                                 .destroy = destroy,
                                                 .reserve = reserve,
                                                 .size = size_of,
                                                 .make = make,
                                                 .transform = transform,
                                                 .sum = sum,
                                                 .clear = clear,
                                                 .gather = gather,
                                                 .gradient = gradient,
                                                 .set_direction = set_direction};
