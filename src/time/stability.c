#include "sinode/stability.h"

#include <complex.h>
#include <math.h>

#include "sinode/memory.h"

enum { MODES_MOST = 4096 };

/* R(z) of an explicit scheme: what it makes of u' = a u in one step, z = dt a. */
static double complex amplification(const sn_tableau *tableau, double complex z) {
  double complex stage[SN_TABLEAU_STAGES], sum = 1;
  for (int i = 0; i < tableau->stages; i++) {
    stage[i] = 1;
    for (int j = 0; j < i; j++) stage[i] += z * tableau->a[i][j] * stage[j];
    sum += z * tableau->b[i] * stage[i];
  }
  return sum;
}

static bool is_stable(const sn_tableau *tableau, double dt, int modes, const double complex *eigenvalue) {
  for (int m = 0; m < modes; m++) {
    const double own = exp(fmin(dt * creal(eigenvalue[m]), 700));
    if (!(cabs(amplification(tableau, dt * eigenvalue[m])) <= (1 + 1e-9) * fmax(1, own))) return false;
  }
  return true;
}

/* Wave numbers spread evenly, the highest last. Returns how many. */
static int list_symbol(const sn_linear *linear, ptrdiff_t points, double complex *eigenvalue) {
  const ptrdiff_t highest = points / 2;
  const int modes = highest + 1 < MODES_MOST ? (int)highest + 1 : MODES_MOST;
  for (int m = 0; m < modes; m++)
    eigenvalue[m] = sn_linear_symbol(linear, modes > 1 ? (ptrdiff_t)((double)highest * m / (modes - 1)) : 0);
  return modes;
}

static sn_status bound_matrix(const sn_linear *linear, const sn_grid *grid, double complex *eigenvalue) {
  const ptrdiff_t points = sn_grid_points(grid), own = sn_grid_range(grid).count;
  double *rows, most = 0;
  SN_TRY(SN_NEW(own * points, &rows));
  sn_status status = sn_linear_rows(linear, rows);
  for (ptrdiff_t i = 0; i < own && !status; i++) {
    double sum = 0;
    for (ptrdiff_t j = 0; j < points; j++) sum += fabs(rows[i * points + j]);
    most = fmax(most, sum);
  }
  sn_memory_give(&rows);
  MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_DOUBLE, MPI_MAX, sn_grid_space(grid));
  *eigenvalue = -most;
  return status;
}

sn_status sn_stability_limit(const sn_linear *linear, const sn_grid *grid, const sn_tableau *tableau, double *limit) {
  double complex *eigenvalue;
  int modes = 1;
  *limit = INFINITY;
  if (tableau->kind != SN_TABLEAU_EXPLICIT) return SN_OK;
  SN_TRY(SN_NEW(MODES_MOST, &eigenvalue));
  sn_status status = SN_OK;
  if (sn_linear_is_circulant(linear))
    modes = list_symbol(linear, sn_grid_points(grid), eigenvalue);
  else
    status = bound_matrix(linear, grid, eigenvalue);
  /* Stability regions of explicit schemes are bounded: some step is too large, unless A is 0. */
  double low = 0, high = 1e-12;
  while (high < 1e12 && is_stable(tableau, high, modes, eigenvalue)) high *= 2;
  if (high < 1e12) {
    for (int k = 0; k < 50; k++) {
      const double middle = 0.5 * (low + high);
      if (is_stable(tableau, middle, modes, eigenvalue))
        low = middle;
      else
        high = middle;
    }
    *limit = low;
  }
  sn_memory_give(&eigenvalue);
  return status;
}
