#include "shooting.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#include "base/lapack.h"
#include "sinode/memory.h"

/* Added to the diagonal of every state's block, in which an observation counts 1: what is hardly observed moves little
 * in a step, and to where it belongs in several. */
static const double proximal = 1e-3;

/*
 * Arrays of one window after the other, and behind them of the state that follows the last one, which the next replica
 * has: `diagonal` (points, points), lower triangle, then its Cholesky factor L; `border` (parameters, points), products
 * with the parameters, then times L^-T; `coupling` (points, points), rows of the next state, likewise; `right`
 * (points), then L^-1 times it.
 */
struct sn_shooting {
  const sn_grid *grid;
  ptrdiff_t windows;
  int points, parameters;
  bool follows, *linked; /* linked: to the next window */
  double *diagonal, *border, *coupling, *right;
  double *next;     /* (points): a state's step, of the next replica */
  double *incoming; /* an array of the replica before */
};

static ptrdiff_t square_of(const sn_shooting *s) { return (ptrdiff_t)s->points * s->points; }
static ptrdiff_t border_of(const sn_shooting *s) { return (ptrdiff_t)s->points * s->parameters; }

sn_status sn_shooting_create(const sn_grid *grid, ptrdiff_t windows, ptrdiff_t points, ptrdiff_t parameters,
                             sn_shooting **out) {
  SN_TRY(SN_NEW(1, out));
  sn_shooting *s = *out;
  *s = (sn_shooting){.grid = grid, .points = (int)points, .parameters = (int)parameters};
  sn_status status = SN_NEW(windows + 1, &s->linked);
  if (!status) status = SN_NEW((windows + 1) * square_of(s), &s->diagonal);
  if (!status) status = SN_NEW((windows + 1) * border_of(s), &s->border);
  if (!status) status = SN_NEW((windows + 1) * square_of(s), &s->coupling);
  if (!status) status = SN_NEW((windows + 1) * points, &s->right);
  if (!status) status = SN_NEW(points, &s->next);
  if (!status) status = SN_NEW(square_of(s) > border_of(s) ? square_of(s) : border_of(s), &s->incoming);
  if (status) sn_shooting_destroy(out);
  return status;
}

void sn_shooting_destroy(sn_shooting **shooting) {
  sn_shooting *s = *shooting;
  if (!s) return;
  SN_FREE(s->linked);
  SN_FREE(s->diagonal);
  SN_FREE(s->border);
  SN_FREE(s->coupling);
  SN_FREE(s->right);
  SN_FREE(s->next);
  SN_FREE(s->incoming);
  SN_FREE(*shooting);
}

void sn_shooting_clear(sn_shooting *s, ptrdiff_t windows, bool follows) {
  const size_t states = (size_t)windows + 1;
  s->windows = windows;
  s->follows = follows;
  memset(s->linked, 0, states * sizeof *s->linked);
  memset(s->diagonal, 0, states * (size_t)square_of(s) * sizeof *s->diagonal);
  memset(s->border, 0, states * (size_t)border_of(s) * sizeof *s->border);
  memset(s->coupling, 0, states * (size_t)square_of(s) * sizeof *s->coupling);
  memset(s->right, 0, states * (size_t)s->points * sizeof *s->right);
}

void sn_shooting_add(sn_shooting *s, ptrdiff_t window, ptrdiff_t rows, const double *jacobian, ptrdiff_t stride,
                     const double *residual) {
  const int points = s->points, m = (int)rows, ld = (int)stride;
  cblas_dsyrk(CblasRowMajor, CblasLower, CblasNoTrans, points, m, 1, jacobian, ld, 1,
              s->diagonal + window * square_of(s), points);
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, s->parameters, points, m, 1, jacobian + points * stride, ld,
              jacobian, ld, 1, s->border + window * border_of(s), points);
  cblas_dgemv(CblasRowMajor, CblasNoTrans, points, m, 1, jacobian, ld, residual, 1, 1, s->right + window * points, 1);
}

void sn_shooting_add_initial(sn_shooting *s, ptrdiff_t window, const double *misfit) {
  for (ptrdiff_t j = 0; j < s->points; j++) {
    if (isnan(misfit[j])) continue;
    s->diagonal[window * square_of(s) + j * s->points + j] += 1;
    s->right[window * s->points + j] += misfit[j];
  }
}

void sn_shooting_link(sn_shooting *s, ptrdiff_t window, double factor, const double *jacobian, ptrdiff_t stride,
                      const double *residual) {
  const ptrdiff_t points = s->points;
  double *coupling = s->coupling + window * square_of(s), *diagonal = s->diagonal + (window + 1) * square_of(s);
  double *border = s->border + (window + 1) * border_of(s), *right = s->right + (window + 1) * points;
  s->linked[window] = true;
  for (ptrdiff_t j = 0; j < points; j++) {
    diagonal[j * points + j] += factor * factor;
    right[j] -= factor * residual[j];
    for (ptrdiff_t d = 0; d < points; d++) coupling[j * points + d] = -factor * jacobian[d * stride + j];
    for (ptrdiff_t d = 0; d < s->parameters; d++)
      border[d * points + j] -= factor * jacobian[(points + d) * stride + j];
  }
}

/* Adds the state's arrays of another replica to ours, at `window`, or sends them. Parts: diagonal, border, right. */
static void exchange(sn_shooting *s, ptrdiff_t window, int other, bool receives) {
  const MPI_Comm comm = sn_grid_replicas(s->grid);
  double *part[] = {s->diagonal + window * square_of(s), s->border + window * border_of(s),
                    s->right + window * s->points};
  const ptrdiff_t count[] = {square_of(s), border_of(s), s->points};
  for (int k = 0; k < 3; k++) {
    if (!receives) {
      MPI_Send(part[k], (int)count[k], MPI_DOUBLE, other, k, comm);
      continue;
    }
    MPI_Recv(s->incoming, (int)count[k], MPI_DOUBLE, other, k, comm, MPI_STATUS_IGNORE);
    for (ptrdiff_t i = 0; i < count[k]; i++) part[k][i] += s->incoming[i];
  }
}

/* One window's state, out of the next one's arrays and of the normal equations. Whether its block was definite. */
static bool eliminate(sn_shooting *s, ptrdiff_t window, sn_normal_equations *normal) {
  const int n = s->points, parameters = s->parameters;
  double *diagonal = s->diagonal + window * square_of(s), *border = s->border + window * border_of(s);
  double *coupling = s->coupling + window * square_of(s), *right = s->right + window * n;
  int info;
  for (ptrdiff_t j = 0; j < n; j++) diagonal[j * n + j] += proximal;
  dpotrf_("U", &n, diagonal, &n, &info, 1); /* a lower triangle by rows is an upper one by columns */
  cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, parameters, n, 1, diagonal, n, border,
              n);
  cblas_dtrsv(CblasRowMajor, CblasLower, CblasNoTrans, CblasNonUnit, n, diagonal, n, right, 1);
  sn_normal_equations_subtract(normal, n, border, right);
  if (!s->linked[window]) return info == 0;
  cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, n, n, 1, diagonal, n, coupling, n);
  cblas_dsyrk(CblasRowMajor, CblasLower, CblasNoTrans, n, n, -1, coupling, n, 1, diagonal + square_of(s), n);
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, parameters, n, n, -1, border, n, coupling, n, 1,
              border + border_of(s), n);
  cblas_dgemv(CblasRowMajor, CblasNoTrans, n, n, -1, coupling, n, right, 1, 1, right + n, 1);
  return info == 0;
}

sn_status sn_shooting_eliminate(sn_shooting *s, sn_normal_equations *normal) {
  const int replica = sn_grid_replica(s->grid);
  bool definite = true;
  if (s->follows) exchange(s, 0, replica - 1, true);
  for (ptrdiff_t k = 0; k < s->windows; k++) definite &= eliminate(s, k, normal);
  if (s->windows && s->linked[s->windows - 1]) exchange(s, s->windows, replica + 1, false);
  sn_status status =
      definite ? SN_OK
               : SN_ERROR(SN_ERROR_RUN,
                          "the least squares of an initial state have no solution: derivatives are not finite; "
                          "lower integrator.dt or train.window");
  return sn_collective_status(sn_grid_world(s->grid), status);
}

/* From the last window to the first: states holds L^-1 times the right-hand side, then the solution; NULL: no
 * parameters. */
static void substitute(sn_shooting *s, const double *parameters, double *states) {
  const int n = s->points, replica = sn_grid_replica(s->grid);
  const MPI_Comm comm = sn_grid_replicas(s->grid);
  if (s->windows && s->linked[s->windows - 1])
    MPI_Recv(s->next, n, MPI_DOUBLE, replica + 1, 0, comm, MPI_STATUS_IGNORE);
  for (ptrdiff_t k = s->windows - 1; k >= 0; k--) {
    double *step = states + k * n;
    const double *next = k == s->windows - 1 ? s->next : step + n;
    if (parameters)
      cblas_dgemv(CblasRowMajor, CblasTrans, s->parameters, n, -1, s->border + k * border_of(s), n, parameters, 1, 1,
                  step, 1);
    if (s->linked[k])
      cblas_dgemv(CblasRowMajor, CblasTrans, n, n, -1, s->coupling + k * square_of(s), n, next, 1, 1, step, 1);
    cblas_dtrsv(CblasRowMajor, CblasLower, CblasTrans, CblasNonUnit, n, s->diagonal + k * square_of(s), n, step, 1);
  }
  if (s->follows) MPI_Send(states, n, MPI_DOUBLE, replica - 1, 0, comm);
}

void sn_shooting_step(sn_shooting *s, const double *parameters, double part, const double *other, double *states) {
  for (ptrdiff_t k = 0; k < s->windows * s->points; k++) states[k] = -part * s->right[k] - (other ? other[k] / 2 : 0);
  substitute(s, parameters, states);
}

void sn_shooting_reduce(sn_shooting *s, double *right, double *left) {
  const int n = s->points, replica = sn_grid_replica(s->grid);
  const MPI_Comm comm = sn_grid_replicas(s->grid);
  memset(s->next, 0, (size_t)n * sizeof *s->next);
  if (s->follows) MPI_Recv(s->next, n, MPI_DOUBLE, replica - 1, 1, comm, MPI_STATUS_IGNORE);
  for (ptrdiff_t k = 0; k < s->windows; k++) {
    double *own = right + k * n;
    for (ptrdiff_t j = 0; j < n; j++) own[j] -= s->next[j];
    cblas_dtrsv(CblasRowMajor, CblasLower, CblasNoTrans, CblasNonUnit, n, s->diagonal + k * square_of(s), n, own, 1);
    if (left)
      cblas_dgemv(CblasRowMajor, CblasNoTrans, s->parameters, n, -1, s->border + k * border_of(s), n, own, 1, 1, left,
                  1);
    cblas_dgemv(CblasRowMajor, CblasNoTrans, n, n, s->linked[k], s->coupling + k * square_of(s), n, own, 1, 0, s->next,
                1);
  }
  if (s->windows && s->linked[s->windows - 1]) MPI_Send(s->next, n, MPI_DOUBLE, replica + 1, 1, comm);
}

void sn_shooting_solve(sn_shooting *s, double *right, double *states) {
  sn_shooting_reduce(s, right, NULL);
  for (ptrdiff_t k = 0; k < s->windows * s->points; k++) states[k] = -right[k];
  substitute(s, NULL, states);
}
