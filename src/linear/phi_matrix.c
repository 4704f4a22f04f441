#include "phi_matrix.h"

#include <math.h>
#include <string.h>

#include <cblas.h>

#include "base/lapack.h"
#include "sinode/memory.h"

/* Terms of the series at |Y| = 1. */
enum { SERIES = 18 };

static sn_status allocate_dual(const sn_phi_matrix *m, sn_dual_matrix *out) {
  SN_TRY(SN_NEW(m->layout.size, &out->value));
  return m->changes ? SN_NEW(m->layout.size, &out->change) : SN_OK;
}

static sn_status allocate(sn_phi_matrix *m) {
  sn_dual_matrix *const matrices[] = {&m->a, &m->y, &m->work};
  for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) SN_TRY(allocate_dual(m, matrices[i]));
  for (int k = 0; k < SN_PHI_MATRIX_POWERS; k++) SN_TRY(allocate_dual(m, &m->phi[k]));
  return SN_OK;
}

sn_status sn_phi_matrix_create(const sn_grid *grid, bool changes, sn_phi_matrix *out) {
  *out = (sn_phi_matrix){.changes = changes};
  SN_TRY(sn_block_cyclic_create(grid, &out->layout));
  SN_TRY(sn_block_cyclic_plan(&out->layout, true, &out->fill));
  if (changes) SN_TRY(sn_block_cyclic_plan(&out->layout, false, &out->straight));
  return sn_collective_status(sn_grid_space(grid), allocate(out));
}

static void free_dual(sn_dual_matrix *matrix) {
  SN_FREE(matrix->value);
  SN_FREE(matrix->change);
}

void sn_phi_matrix_destroy(sn_phi_matrix *m) {
  free_dual(&m->a);
  free_dual(&m->y);
  free_dual(&m->work);
  for (int k = 0; k < SN_PHI_MATRIX_POWERS; k++) free_dual(&m->phi[k]);
  sn_redistribution_destroy(&m->fill);
  sn_redistribution_destroy(&m->straight);
  sn_block_cyclic_destroy(&m->layout);
}

sn_status sn_phi_matrix_set(sn_phi_matrix *m, const double *rows) {
  const sn_grid *grid = m->layout.grid;
  m->norm = 0;
  for (ptrdiff_t i = 0; i < sn_grid_range(grid).count; i++)
    m->norm = fmax(m->norm, cblas_dasum(m->layout.order, rows + i * m->layout.order, 1));
  MPI_Allreduce(MPI_IN_PLACE, &m->norm, 1, MPI_DOUBLE, MPI_MAX, sn_grid_space(grid));
  return sn_redistribution_forward(m->fill, rows, m->a.value);
}

/* The layout holds the transpose of A; a change of that is in its place as it is. */
sn_status sn_phi_matrix_set_change(sn_phi_matrix *m, bool of_transpose, const double *rows) {
  return sn_redistribution_forward(of_transpose ? m->straight : m->fill, rows, m->a.change);
}

sn_status sn_phi_matrix_get(sn_phi_matrix *m, int k, double *rows) {
  return sn_redistribution_backward(m->fill, m->phi[k].value, rows);
}

sn_status sn_phi_matrix_get_change(sn_phi_matrix *m, bool of_transpose, int k, double *rows) {
  return sn_redistribution_backward(of_transpose ? m->straight : m->fill, m->phi[k].change, rows);
}

/* c := a b + keep c */
static void multiply_arrays(const sn_phi_matrix *m, const double *a, const double *b, double keep, double *c) {
  const sn_block_cyclic *l = &m->layout;
  const int n = l->order, first = 1, *d = l->descriptor;
  const double one = 1;
  if (sn_block_cyclic_is_local(l))
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, a, n, b, n, keep, c, n);
  else
    pdgemm_("N", "N", &n, &n, &n, &one, a, &first, &first, d, b, &first, &first, d, &keep, c, &first, &first, d, 1, 1);
}

static void multiply(const sn_phi_matrix *m, const sn_dual_matrix *a, const sn_dual_matrix *b, double keep,
                     sn_dual_matrix *c) {
  multiply_arrays(m, a->value, b->value, keep, c->value);
  if (!m->varies) return;
  multiply_arrays(m, a->change, b->value, keep, c->change);
  multiply_arrays(m, a->value, b->change, 1, c->change);
}

/* y := factor x, whatever y was: numbers that an earlier A made overflow are gone. */
static void set(const sn_phi_matrix *m, double factor, const sn_dual_matrix *x, sn_dual_matrix *y) {
  for (ptrdiff_t i = 0; i < m->layout.size; i++) y->value[i] = factor * x->value[i];
  for (ptrdiff_t i = 0; i < m->layout.size && m->varies; i++) y->change[i] = factor * x->change[i];
}

static void set_zero(const sn_phi_matrix *m, sn_dual_matrix *y) {
  const size_t bytes = (size_t)m->layout.size * sizeof *y->value;
  memset(y->value, 0, bytes);
  if (m->varies) memset(y->change, 0, bytes);
}

/* y += factor x */
static void add(const sn_phi_matrix *m, double factor, const sn_dual_matrix *x, sn_dual_matrix *y) {
  for (ptrdiff_t i = 0; i < m->layout.size; i++) y->value[i] += factor * x->value[i];
  for (ptrdiff_t i = 0; i < m->layout.size && m->varies; i++) y->change[i] += factor * x->change[i];
}

/* matrix += value I */
static void shift(const sn_phi_matrix *m, double value, sn_dual_matrix *matrix) {
  const sn_block_cyclic *l = &m->layout;
  for (ptrdiff_t j = 0; j < l->columns.count; j++)
    for (ptrdiff_t i = 0; i < l->rows.count; i++)
      if (l->rows.index[i] == l->columns.index[j]) matrix->value[j * l->leading + i] += value;
}

static double inverse_factorial(int n) { return 1 / tgamma(n + 1); }

/* phi[k] := phi_k(2Y) of phi_k(Y) */
static void twice(sn_phi_matrix *m, int highest) {
  for (int k = highest; k >= 0; k--) {
    set_zero(m, &m->work);
    for (int j = 1; j <= k; j++) add(m, inverse_factorial(k - j), &m->phi[j], &m->work);
    multiply(m, &m->phi[0], &m->phi[k], 1, &m->work);
    set(m, ldexp(1, -k), &m->work, &m->phi[k]);
  }
}

/* Halvings after which a norm is at most 1; none of a norm that is no number, whose functions are none either. */
static int count_halvings(double norm) {
  int halvings = 0;
  while (isfinite(norm) && ldexp(norm, -halvings) > 1) halvings++;
  return halvings;
}

void sn_phi_matrix_evaluate(sn_phi_matrix *m, double scale, int highest, bool varies) {
  sn_dual_matrix *top = &m->phi[highest];
  const int halvings = count_halvings(fabs(scale) * m->norm);
  m->varies = varies;
  set(m, ldexp(scale, -halvings), &m->a, &m->y);
  set_zero(m, top);
  shift(m, inverse_factorial(highest + SERIES), top);
  for (int n = SERIES - 1; n >= 0; n--) {
    multiply(m, &m->y, top, 0, &m->work);
    set(m, 1, &m->work, top);
    shift(m, inverse_factorial(highest + n), top);
  }
  for (int k = highest - 1; k >= 0; k--) {
    multiply(m, &m->y, &m->phi[k + 1], 0, &m->phi[k]);
    shift(m, inverse_factorial(k), &m->phi[k]);
  }
  for (int n = 0; n < halvings; n++) twice(m, highest);
}
