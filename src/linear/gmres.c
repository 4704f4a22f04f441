#include "sinode/gmres.h"

#include <math.h>
#include <string.h>

#include "sinode/count.h"
#include "sinode/memory.h"

struct sn_gmres {
  const sn_grid *grid;
  ptrdiff_t samples, points; /* most samples; local points */
  int restart;
  double *basis;                    /* (restart + 1, samples, points): v_0 .. of the samples in use, close packed */
  double *work;                     /* (samples, points) */
  double *sums;                     /* (restart + 2, samples): inner products to be reduced */
  double *hessenberg;               /* (samples, restart, restart + 1): columns, made triangular as they come */
  double *cosine, *sine, *residual; /* (samples, restart + 1): Givens rotations and rotated right-hand side */
  double *scale;                    /* (samples): |b| */
  int *size;                        /* (samples): Krylov vectors a sample uses in this cycle */
  unsigned char *active;
};

sn_status sn_gmres_create(const sn_grid *grid, ptrdiff_t samples, int restart, sn_gmres **out) {
  SN_TRY(SN_NEW(1, out));
  sn_gmres *g = *out;
  *g = (sn_gmres){.grid = grid, .samples = samples, .points = sn_grid_range(grid).count, .restart = restart};
  const ptrdiff_t m = restart, values = samples * g->points;
  int fits;
  sn_status status = sn_count_to_int((m + 2) * samples, "the number of inner products of GMRES", &fits);
  if (!status) status = SN_NEW((m + 1) * values, &g->basis);
  if (!status) status = SN_NEW(values, &g->work);
  if (!status) status = SN_NEW((m + 2) * samples, &g->sums);
  if (!status) status = SN_NEW(samples * m * (m + 1), &g->hessenberg);
  if (!status) status = SN_NEW(samples * (m + 1), &g->cosine);
  if (!status) status = SN_NEW(samples * (m + 1), &g->sine);
  if (!status) status = SN_NEW(samples * (m + 1), &g->residual);
  if (!status) status = SN_NEW(samples, &g->scale);
  if (!status) status = SN_NEW(samples, &g->size);
  if (!status) status = SN_NEW(samples, &g->active);
  if (status) sn_gmres_destroy(out);
  return status;
}

void sn_gmres_destroy(sn_gmres **gmres) {
  sn_gmres *g = *gmres;
  if (!g) return;
  SN_FREE(g->basis);
  SN_FREE(g->work);
  SN_FREE(g->sums);
  SN_FREE(g->hessenberg);
  SN_FREE(g->cosine);
  SN_FREE(g->sine);
  SN_FREE(g->residual);
  SN_FREE(g->scale);
  SN_FREE(g->size);
  SN_FREE(g->active);
  SN_FREE(*gmres);
}

static double dot(ptrdiff_t count, const double *restrict a, const double *restrict b) {
  double sum = 0;
  for (ptrdiff_t k = 0; k < count; k++) sum += a[k] * b[k];
  return sum;
}

static void subtract(ptrdiff_t count, double factor, const double *restrict x, double *restrict y) {
  for (ptrdiff_t k = 0; k < count; k++) y[k] -= factor * x[k];
}

static void norms(const sn_gmres *g, ptrdiff_t samples, const double *x, double *norm) {
  for (ptrdiff_t s = 0; s < samples; s++) norm[s] = dot(g->points, x + s * g->points, x + s * g->points);
  sn_grid_sum_over_space(g->grid, samples, norm);
  for (ptrdiff_t s = 0; s < samples; s++) norm[s] = sqrt(norm[s]);
}

static double *column(const sn_gmres *g, ptrdiff_t sample, int j) {
  return g->hessenberg + (sample * g->restart + j) * (g->restart + 1);
}

/* Subtracts the components along v_0 .. v_j from work and adds them to column j: one pass of classical Gram-Schmidt. */
static void orthogonalize(sn_gmres *g, ptrdiff_t samples, int j) {
  const ptrdiff_t n = g->points;
  for (int i = 0; i <= j; i++)
    for (ptrdiff_t s = 0; s < samples; s++)
      g->sums[i * samples + s] = dot(n, g->basis + (i * samples + s) * n, g->work + s * n);
  sn_grid_sum_over_space(g->grid, (j + 1) * samples, g->sums);
  for (int i = 0; i <= j; i++)
    for (ptrdiff_t s = 0; s < samples; s++) {
      subtract(n, g->sums[i * samples + s], g->basis + (i * samples + s) * n, g->work + s * n);
      column(g, s, j)[i] += g->sums[i * samples + s];
    }
}

/* Rotates the new column of a sample into triangular form; the rotated right-hand side then ends in its residual. */
static void rotate(sn_gmres *g, ptrdiff_t s, int j) {
  double *h = column(g, s, j), *c = g->cosine + s * (g->restart + 1), *sine = g->sine + s * (g->restart + 1);
  double *r = g->residual + s * (g->restart + 1);
  for (int i = 0; i < j; i++) {
    const double upper = c[i] * h[i] + sine[i] * h[i + 1];
    h[i + 1] = -sine[i] * h[i] + c[i] * h[i + 1];
    h[i] = upper;
  }
  const double length = hypot(h[j], h[j + 1]);
  c[j] = length > 0 ? h[j] / length : 1;
  sine[j] = length > 0 ? h[j + 1] / length : 0;
  h[j] = length;
  r[j + 1] = -sine[j] * r[j];
  r[j] = c[j] * r[j];
}

/* x += V y with R y = residual, for the Krylov vectors each sample has used. */
static void add_correction(sn_gmres *g, ptrdiff_t samples, double *x) {
  const ptrdiff_t n = g->points;
  for (ptrdiff_t s = 0; s < samples; s++) {
    double *y = g->residual + s * (g->restart + 1);
    for (int i = g->size[s] - 1; i >= 0; i--) {
      for (int k = i + 1; k < g->size[s]; k++) y[i] -= column(g, s, k)[i] * y[k];
      y[i] = column(g, s, i)[i] > 0 ? y[i] / column(g, s, i)[i] : 0;
      subtract(n, -y[i], g->basis + (i * samples + s) * n, x + s * n);
    }
  }
}

/* v_j of every active sample from work and its norms in sums; 0 where a sample is done. */
static void extend_basis(sn_gmres *g, ptrdiff_t samples, int j, const double *norm) {
  for (ptrdiff_t s = 0; s < samples; s++) {
    const double factor = g->active[s] && norm[s] > 0 ? 1 / norm[s] : 0;
    double *v = g->basis + (j * samples + s) * g->points;
    for (ptrdiff_t k = 0; k < g->points; k++) v[k] = factor * g->work[s * g->points + k];
  }
}

/* One cycle of up to restart iterations from the residual in work. Returns the iterations made. */
static sn_status cycle(sn_gmres *g, ptrdiff_t samples, sn_gmres_operator apply, void *context, double tolerance,
                       int most, int *made) {
  const ptrdiff_t values = samples * g->points;
  double *norm = g->sums + g->restart * samples; /* behind the inner products */
  norms(g, samples, g->work, norm);
  int active = 0;
  for (ptrdiff_t s = 0; s < samples; s++) {
    g->active[s] = norm[s] > tolerance * g->scale[s];
    g->size[s] = 0;
    g->residual[s * (g->restart + 1)] = norm[s];
    active += g->active[s];
  }
  extend_basis(g, samples, 0, norm);
  memset(g->hessenberg, 0, (size_t)(samples * g->restart * (g->restart + 1)) * sizeof *g->hessenberg);
  int j = 0;
  for (; j < most && j < g->restart && active; j++) {
    SN_TRY(apply(context, samples, g->basis + j * values, g->work));
    orthogonalize(g, samples, j);
    orthogonalize(g, samples, j); /* twice is enough (Giraud et al. 2005) */
    norms(g, samples, g->work, norm);
    active = 0;
    for (ptrdiff_t s = 0; s < samples; s++) {
      if (!g->active[s]) continue;
      column(g, s, j)[j + 1] = norm[s];
      rotate(g, s, j);
      g->size[s] = j + 1;
      g->active[s] = fabs(g->residual[s * (g->restart + 1) + j + 1]) > tolerance * g->scale[s];
      active += g->active[s];
    }
    extend_basis(g, samples, j + 1, norm);
  }
  *made = j;
  return SN_OK;
}

/* The largest residual relative to its right-hand side. */
static double worst(const sn_gmres *g, ptrdiff_t samples, const double *norm) {
  double most = 0, largest = 0;
  for (ptrdiff_t s = 0; s < samples; s++) largest = fmax(largest, g->scale[s]);
  for (ptrdiff_t s = 0; s < samples; s++) {
    if (g->scale[s] == 0 || sn_gmres_is_noise(norm[s], largest)) continue;
    const double relative = norm[s] / g->scale[s];
    if (isnan(relative)) return relative;
    most = fmax(most, relative);
  }
  return most;
}

sn_status sn_gmres_solve(sn_gmres *g, ptrdiff_t samples, sn_gmres_operator apply, void *context, const double *b,
                         double *x, const sn_gmres_limits *limits, sn_gmres_result *result) {
  const ptrdiff_t values = samples * g->points;
  *result = (sn_gmres_result){0};
  memset(x, 0, (size_t)values * sizeof *x);
  memcpy(g->work, b, (size_t)values * sizeof *b);
  norms(g, samples, b, g->scale);
  double *norm = g->sums + g->restart * samples;
  for (;;) {
    int made = 0;
    SN_TRY(cycle(g, samples, apply, context, limits->tolerance, limits->max_iterations - result->iterations, &made));
    result->iterations += made;
    if (made) add_correction(g, samples, x);
    /* The recurrence's residual drifts from the true one, so the true one decides. */
    SN_TRY(apply(context, samples, x, g->work));
    for (ptrdiff_t k = 0; k < values; k++) g->work[k] = b[k] - g->work[k];
    norms(g, samples, g->work, norm);
    result->residual = worst(g, samples, norm);
    if (!(result->residual > 2 * limits->tolerance) || made == 0 || result->iterations >= limits->max_iterations)
      return SN_OK;
  }
}
