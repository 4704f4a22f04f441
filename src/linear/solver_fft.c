#include <math.h>
#include <stdio.h>

#include "linear_ops.h"
#include "solver_ops.h"
#include "transforms.h"

/* The state of this kind is its transforms. */

/* Symbol `which`: that of (I - gamma[which] A)^-1. */
static sn_status invert(const void *context, int which, ptrdiff_t m, double complex *value) {
  const sn_solver *solver = context;
  return sn_solver_invert_symbol(solver->linear, solver->gamma[which], (double)m, value);
}

static sn_status create(sn_solver *solver) {
  sn_transforms *transforms;
  SN_TRY(sn_transforms_create(solver->grid, solver->options.rigor, solver->gammas, invert, solver, &transforms));
  solver->state = transforms;
  snprintf(solver->reason, sizeof solver->reason,
           "fft: the %s linear part is circulant, so that two transforms solve it to round-off on every grid",
           sn_linear_kind_name(sn_linear_get_kind(solver->linear)));
  return SN_OK;
}

static void destroy(sn_solver *solver) {
  sn_transforms *transforms = solver->state;
  sn_transforms_destroy(&transforms);
  solver->state = NULL;
}

static sn_status reserve(sn_solver *solver, ptrdiff_t samples) {
  SN_TRY(sn_transforms_plan(solver->state, samples));
  solver->bytes = sn_transforms_bytes(solver->state);
  return SN_OK;
}

static sn_status factor(sn_solver *solver, int which) { return sn_transforms_evaluate(solver->state, which); }

static sn_status solve(sn_solver *solver, int which, bool transpose, ptrdiff_t samples, double *x) {
  if (!sn_transforms_is_planned(solver->state, samples)) return sn_solver_not_reserved(samples);
  return sn_transforms_multiply(solver->state, which, transpose, samples, x, x);
}

/* Two transforms, from blocks and back to them. */
static sn_status estimate_cost(const sn_linear *linear, const sn_solver_options *options, int ranks, int gammas,
                               const double *gamma, ptrdiff_t samples, sn_solver_cost *out) {
  (void)options, (void)gamma;
  const sn_fourier_cost f = sn_fourier_estimate_cost(sn_grid_points(linear->grid), ranks, samples);
  const double numbers = sn_fourier_estimate_cost(sn_grid_points(linear->grid), ranks, 1).numbers;
  const ptrdiff_t packet = sn_transforms_packet(sn_grid_points(linear->grid), ranks);
  out->messages = ranks > 1 ? 2 * (f.messages + ranks - 1) * ceil((double)samples / (double)packet) : 0;
  out->sent = 2 * (f.transpose + f.redistribution);
  out->most = f.transpose_most + f.redistribution_most;
  out->held = 2 * 8 * numbers * gammas; /* a symbol and its conjugate */
  return SN_OK;
}

static const char *unsupported(sn_linear_kind linear) {
  return linear == SN_LINEAR_DENSE ? "is not circulant; use dense or gmres" : NULL;
}

const sn_solver_ops sn_solver_fft = {
    .unsupported = unsupported,
    .create = create,
    .destroy = destroy,
    .reserve = reserve,
    .factor = factor,
    .solve = solve,
    .estimate_cost = estimate_cost,
};
