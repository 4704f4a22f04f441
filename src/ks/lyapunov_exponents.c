#include "sinode/lyapunov_exponents.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#include "base/lapack.h"
#include "sinode/count.h"
#include "sinode/memory.h"
#include "sinode/random.h"

struct sn_lyapunov {
  const sn_grid *grid;
  sn_integrator *integrator;
  double interval;
  ptrdiff_t exponents, samples, points;
  ptrdiff_t passed; /* intervals so far, transients included */
  double *states;   /* (2, samples, points) */
  double *tangents; /* (2, exponents, samples, points): before and after an interval */
  double *gram;     /* (samples, exponents, exponents): Q Q^T, then its factor */
};

static sn_status allocate_arrays(sn_lyapunov *l) {
  const ptrdiff_t state = l->samples * l->points, gram = l->samples * l->exponents * l->exponents;
  int fits;
  SN_TRY(sn_count_to_int(state, "the number of elements of the states on a rank", &fits));
  SN_TRY(sn_count_to_int(gram, "the number of elements of the perturbations' products", &fits));
  SN_TRY(SN_NEW(2 * state, &l->states));
  SN_TRY(SN_NEW(2 * l->exponents * state, &l->tangents));
  return SN_NEW(gram, &l->gram);
}

static void draw(sn_lyapunov *l, ptrdiff_t first, uint64_t seed) {
  const sn_range range = sn_grid_range(l->grid);
  for (ptrdiff_t d = 0; d < l->exponents; d++) {
    const sn_random random = {.seed = seed, .purpose = SN_RANDOM_DIRECTION, .stream = (uint64_t)d};
    for (ptrdiff_t s = 0; s < l->samples; s++)
      for (ptrdiff_t j = 0; j < l->points; j++)
        l->tangents[(d * l->samples + s) * l->points + j] =
            sn_random_normal(&random, (uint64_t)((first + s) * sn_grid_points(l->grid) + range.start + j));
  }
}

/*
 * Gram matrices of all samples over the space ranks, then their Cholesky factors: row d of the upper triangle, in the
 * row-major order of ours, is column d of Fortran's lower one. info: LAPACK's, the same on all space ranks.
 */
static int factorize(sn_lyapunov *l, const double *tangents) {
  const int k = (int)l->exponents, leading = (int)(l->samples * l->points);
  int info = 0;
  for (ptrdiff_t s = 0; s < l->samples; s++)
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasNoTrans, k, (int)l->points, 1, tangents + s * l->points, leading, 0,
                l->gram + s * k * k, k);
  sn_grid_sum_over_space(l->grid, l->samples * k * k, l->gram);
  for (ptrdiff_t s = 0; s < l->samples && info == 0; s++) dpotrf_("L", &k, l->gram + s * k * k, &k, &info, 1);
  return info;
}

/* tangents := R^-T tangents with R^T R the Gram matrix, and the logarithms of R's diagonal are added to sums. */
static sn_status orthonormalize(sn_lyapunov *l, double *tangents, double *sums) {
  const int k = (int)l->exponents, leading = (int)(l->samples * l->points);
  if (factorize(l, tangents))
    return SN_ERROR_ALL(
        SN_ERROR_RUN,
        "perturbations of the state became linearly dependent within lyapunov.interval %g; lower it, or "
        "ask for fewer lyapunov.exponents (now %td)",
        l->interval, l->exponents);
  for (ptrdiff_t s = 0; s < l->samples; s++) {
    const double *factor = l->gram + s * k * k;
    cblas_dtrsm(CblasRowMajor, CblasLeft, CblasUpper, CblasTrans, CblasNonUnit, k, (int)l->points, 1, factor, k,
                tangents + s * l->points, leading);
    for (ptrdiff_t d = 0; sums && d < k; d++) sums[d * l->samples + s] += log(factor[d * k + d]);
  }
  return SN_OK;
}

/* Once more, for round-off. */
static sn_status orthonormalize_twice(sn_lyapunov *l, double *tangents, double *sums) {
  SN_TRY(orthonormalize(l, tangents, sums));
  return orthonormalize(l, tangents, sums);
}

sn_status sn_lyapunov_create(sn_model *model, sn_integrator *integrator, double interval, ptrdiff_t exponents,
                             ptrdiff_t first, ptrdiff_t samples, uint64_t seed, sn_lyapunov **out) {
  const sn_grid *grid = sn_model_grid(model);
  *out = NULL;
  if (exponents < 1 || exponents > sn_grid_points(grid))
    return SN_ERROR_ALL(SN_ERROR_USAGE, "lyapunov.exponents is %td, but there are only as many as the %td grid points",
                        exponents, sn_grid_points(grid));
  sn_lyapunov *l;
  SN_TRY(sn_collective_status(sn_grid_space(grid), SN_NEW(1, &l)));
  *l = (sn_lyapunov){.grid = grid,
                     .integrator = integrator,
                     .interval = interval,
                     .exponents = exponents,
                     .samples = samples,
                     .points = sn_grid_range(grid).count};
  sn_status status = sn_collective_status(sn_grid_space(grid), allocate_arrays(l));
  if (!status) {
    draw(l, first, seed);
    status = orthonormalize_twice(l, l->tangents, NULL);
  }
  if (status) sn_lyapunov_destroy(&l);
  *out = l;
  return status;
}

void sn_lyapunov_destroy(sn_lyapunov **lyapunov) {
  if (!*lyapunov) return;
  SN_FREE((*lyapunov)->states);
  SN_FREE((*lyapunov)->tangents);
  SN_FREE((*lyapunov)->gram);
  SN_FREE(*lyapunov);
}

double *sn_lyapunov_states(sn_lyapunov *l) { return l->states; }

/* States and perturbations over one interval. */
static sn_status pass_interval(sn_lyapunov *l, double *sums) {
  const ptrdiff_t state = l->samples * l->points, all = l->exponents * state;
  SN_TRY(sn_integrator_tangent(l->integrator, l->samples, 1, l->states, l->exponents, NULL, l->tangents));
  memcpy(l->states, l->states + state, (size_t)state * sizeof *l->states);
  memcpy(l->tangents, l->tangents + all, (size_t)all * sizeof *l->tangents);
  return orthonormalize_twice(l, l->tangents, sums);
}

/* All replicas stop where the first state blows up, which is also why its perturbations may have failed. */
static sn_status pass_together(sn_lyapunov *l, double *sums) {
  sn_integrator_begin_at(l->integrator, (double)l->passed * l->interval,
                         l->passed * sn_integrator_steps(l->integrator, 1));
  sn_status status = pass_interval(l, sums), blown = sn_integrator_check(l->integrator, l->samples);
  if (blown) sn_error_destroy(&status);
  l->passed++;
  return blown ? blown : sn_collective_status(sn_grid_world(l->grid), status);
}

sn_status sn_lyapunov_advance(sn_lyapunov *l, ptrdiff_t intervals, double *rates) {
  const ptrdiff_t count = l->exponents * l->samples;
  if (rates) memset(rates, 0, (size_t)count * sizeof *rates);
  for (ptrdiff_t k = 0; k < intervals; k++) SN_TRY(pass_together(l, rates));
  for (ptrdiff_t k = 0; rates && k < count; k++) rates[k] /= (double)intervals * l->interval;
  return SN_OK;
}

double sn_lyapunov_dimension(ptrdiff_t count, const double *exponents) {
  double sum = 0;
  for (ptrdiff_t j = 0; j < count; j++) {
    if (sum + exponents[j] < 0) return (double)j + sum / fabs(exponents[j]);
    sum += exponents[j];
  }
  return NAN;
}
