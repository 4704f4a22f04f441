#include "sinode/stability.h"

#include <complex.h>
#include <math.h>

#include "sinode/exponential_form.h"
#include "sinode/memory.h"

enum { MODES_MOST = 4096 };

/* The stability function R(z) of an explicit scheme: u_{n+1} = R(z) u_n for u' = a u, z = dt a. */
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
  SN_TRY(sn_collective_status(sn_grid_space(grid), SN_NEW(own * points, &rows)));
  sn_status status = sn_linear_rows(linear, rows);
  for (ptrdiff_t i = 0; i < own && !status; i++) {
    double sum = 0;
    for (ptrdiff_t j = 0; j < points; j++) sum += fabs(rows[i * points + j]);
    most = fmax(most, sum);
  }
  SN_FREE(rows);
  MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_DOUBLE, MPI_MAX, sn_grid_space(grid));
  *eigenvalue = -most;
  return status;
}

sn_status sn_stability_limit(const sn_linear *linear, const sn_grid *grid, const sn_tableau *tableau, double *limit) {
  double complex *eigenvalue;
  int modes = 1;
  *limit = INFINITY;
  if (tableau->kind != SN_TABLEAU_EXPLICIT) return SN_OK;
  SN_TRY(sn_collective_status(sn_grid_space(grid), SN_NEW(MODES_MOST, &eigenvalue)));
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
  SN_FREE(eigenvalue);
  return status;
}

/* R of an IMEX scheme for u' = explicit u + implicit u, both times dt, with the solution formed as in imex.c. */
static double complex imex_amplification(const sn_tableau *tableau, double complex w, double complex z) {
  const int stages = tableau->stages, last = stages - 1;
  const bool from_last = sn_tableau_is_stiffly_accurate(tableau);
  double complex stage[SN_TABLEAU_STAGES] = {0}, derivative[SN_TABLEAU_STAGES] = {0}; /* derivative: z times it */
  for (int i = 0; i < stages; i++) {
    double complex right = 1;
    for (int j = 0; j < i; j++) right += w * tableau->a[i][j] * stage[j] + tableau->at[i][j] * derivative[j];
    const double diagonal = tableau->at[i][i];
    stage[i] = right / (1 - z * diagonal);
    derivative[i] = diagonal != 0 ? (stage[i] - right) / diagonal : z * right;
  }
  double complex solution = from_last ? stage[last] : 1;
  for (int j = 0; j < stages; j++) {
    solution += w * (tableau->b[j] - (from_last ? tableau->a[last][j] : 0)) * stage[j];
    if (!from_last) solution += tableau->bt[j] * derivative[j];
  }
  return solution;
}

double sn_stability_amplification(const sn_linear *linear, const sn_grid *grid, const sn_tableau *tableau, double dt,
                                  double max_abs_u, ptrdiff_t *mode) {
  const ptrdiff_t highest = sn_grid_points(grid) / 2;
  const bool exponential = tableau->kind == SN_TABLEAU_EXPONENTIAL;
  double most = 0;
  *mode = 0;
  if ((tableau->kind != SN_TABLEAU_IMEX && !exponential) || !sn_linear_is_circulant(linear)) return 0;
  const sn_exponential_form form = exponential ? sn_exponential_form_of(tableau) : (sn_exponential_form){0};
  /* Every wave number at first, then in ratios of a percent, the highest last. */
  for (ptrdiff_t m = 1; m <= highest;) {
    const double k = 2 * M_PI * (double)m / sn_linear_length(linear);
    const double complex w = CMPLX(0, dt * k * max_abs_u), z = dt * sn_linear_symbol(linear, m);
    const double own = exp(fmin(creal(z), 700));
    const double found =
        cabs(exponential ? sn_exponential_form_amplification(&form, w, z) : imex_amplification(tableau, w, z)) /
        fmax(1, own);
    if (!(found <= most)) {
      most = found;
      *mode = m;
    }
    const ptrdiff_t next = m + 1 + m / 100;
    m = m < highest && next > highest ? highest : next;
  }
  return most;
}
