/*
 * A circulant A on overlapping subdomains (restricted additive Schwarz): each is solved as if it were periodic by
 * itself, in its Fourier basis, and keeps the points that are at least an overlap away from its ends. There the kernel
 * of (I - gamma A)^-1 has decayed, so that what lies beyond, other values there and the wrong neighbours of the
 * period, is not felt (decay.h). A symbol loses nothing of I on any grid, where a band matrix of the subdomain would;
 * and transforms in the cache are faster than LAPACK's band solves, whose points wait for one another.
 *
 * The overlap belongs to a version of A: it is found again for each and, where it is another, the subdomains are made
 * anew. It is a multiple of OVERLAP_STEP, so that this is seldom, and depends on nothing but A, so that a resumed
 * training has the same bits.
 */
#include <math.h>
#include <stdio.h>

#include "linear_ops.h"
#include "sinode/decay.h"
#include "sinode/memory.h"
#include "sinode/subdomains.h"
#include "sinode/wisdom.h"
#include "solver_ops.h"
#include "transforms.h"

enum { OVERLAP_STEP = 16 };

typedef struct {
  sn_decay *decay;
  long version;   /* of A, that the overlap is for */
  ptrdiff_t rows; /* reserved */
  ptrdiff_t overlap, length;
  sn_subdomains *subdomains;
  sn_grid *grid; /* of one subdomain */
  sn_transforms *transforms;
  ptrdiff_t ahead;    /* subdomains that are read before one is written over */
  double **subdomain; /* (ahead + 1) arrays of length */
} local;

/* Points of the shortest block and of the longest. */
static ptrdiff_t shortest(const sn_linear *linear, int ranks) { return sn_grid_points(linear->grid) / ranks; }
static ptrdiff_t longest(const sn_linear *linear, int ranks) {
  return sn_partition_most(sn_grid_points(linear->grid), ranks);
}

static double tolerance_of(const sn_solver_options *options) {
  return options->overlap_tolerance > 0 ? options->overlap_tolerance : 1e-15;
}

/* No overlap that fits the blocks: `left` of the kernel lies beyond the `most` points of the longest that would. */
static sn_status refuse(const sn_linear *linear, int ranks, double gamma, double tolerance, double left, ptrdiff_t most,
                        sn_error_code code) {
  const ptrdiff_t points = sn_grid_points(linear->grid);
  const double dx = sn_linear_length(linear) / (double)points;
  const char *advice = sn_linear_get_kind(linear) != SN_LINEAR_STENCIL
                           ? "model.linear.kind stencil, whose kernel decays faster"
                       : ranks > 1 ? "fewer ranks in space"
                                   : "a longer domain or a coarser grid";
  return SN_ERROR_ALL(
      code,
      "integrator.solver.kind local: the kernel of (I - gamma A)^-1 should decay within an overlap, but at gamma = %g "
      "a part of %.1e lies beyond %td points, a length of %.3g, the most that subdomains of %td points over %d rank%s "
      "in space overlap by; at most %.0e may (integrator.solver.overlap_tolerance). There is no locality%s: use "
      "integrator.solver.kind fft, or %s",
      gamma, fmin(left, 1), most, (double)most * dx, points, ranks, ranks == 1 ? "" : "s", tolerance,
      ranks == 1 ? "" : " within a rank's block", advice);
}

/* Error of that code: there is none that fits the blocks of so many ranks. Local. */
static sn_status find_overlap(sn_decay *decay, const sn_linear *linear, int ranks, const sn_solver_options *options,
                              int gammas, const double *gamma, sn_error_code code, ptrdiff_t *overlap) {
  const ptrdiff_t block = shortest(linear, ranks);
  const ptrdiff_t most = block < SN_DECAY_OVERLAP_MOST ? block : SN_DECAY_OVERLAP_MOST;
  const double tolerance = tolerance_of(options);
  *overlap = 1;
  for (int g = 0; g < gammas; g++) {
    ptrdiff_t found;
    double left;
    SN_TRY(sn_decay_find_overlap(decay, linear, gamma[g], tolerance, most, &found, &left));
    if (found > most) return refuse(linear, ranks, gamma[g], tolerance, left, most, code);
    if (found > *overlap) *overlap = found;
  }
  *overlap = (*overlap + OVERLAP_STEP - 1) / OVERLAP_STEP * OVERLAP_STEP;
  if (*overlap > most) *overlap = most;
  return SN_OK;
}

/* Symbol `which` at wave number m of a subdomain. */
static sn_status invert(const void *context, int which, ptrdiff_t m, double complex *value) {
  const sn_solver *solver = context;
  const local *state = solver->state;
  const double of_grid = (double)m * (double)sn_grid_points(solver->grid) / (double)state->length;
  return sn_solver_invert_symbol(solver->linear, solver->gamma[which], of_grid, value);
}

static void free_subdomains(local *state) {
  for (ptrdiff_t i = 0; state->subdomain && i <= state->ahead; i++) SN_FREE(state->subdomain[i]);
  SN_FREE(state->subdomain);
  sn_transforms_destroy(&state->transforms);
  sn_grid_destroy(&state->grid);
  sn_subdomains_destroy(&state->subdomains);
}

/* How many of those behind a subdomain read points that it keeps. */
static ptrdiff_t readers_behind(const sn_subdomains *subdomains) {
  const ptrdiff_t count = sn_subdomains_count(subdomains);
  ptrdiff_t most = 0;
  for (ptrdiff_t i = 0, j = 0; i < count; i++) {
    const sn_range kept = sn_subdomains_kept(subdomains, i);
    while (j + 1 < count && sn_subdomains_kept(subdomains, j + 1).start - sn_subdomains_offset(subdomains, j + 1) <
                                kept.start + kept.count)
      j++;
    if (j - i > most) most = j - i;
  }
  return most;
}

static sn_status plan_transforms(sn_solver *solver) {
  local *state = solver->state;
  SN_TRY(sn_transforms_create(state->grid, solver->options.rigor, solver->gammas, invert, solver, &state->transforms));
  return sn_transforms_plan(state->transforms, 1);
}

/* What works on one subdomain after the other. Local. */
static sn_status make_work(sn_solver *solver) {
  local *state = solver->state;
  state->ahead = readers_behind(state->subdomains);
  SN_TRY(SN_NEW(state->ahead + 1, &state->subdomain));
  for (ptrdiff_t i = 0; i <= state->ahead; i++) SN_TRY(SN_NEW(state->length, &state->subdomain[i]));
  SN_TRY(sn_grid_create(MPI_COMM_SELF, 1, state->length, sn_grid_timer(solver->grid), &state->grid));
  return plan_transforms(solver);
}

/* Collective over space. */
static sn_status make_subdomains(sn_solver *solver) {
  local *state = solver->state;
  const MPI_Comm space = sn_grid_space(solver->grid);
  free_subdomains(state);
  state->length =
      sn_subdomains_choose_length(longest(solver->linear, sn_grid_space_size(solver->grid)), state->overlap);
  const sn_subdomains_options options = {.overlap = state->overlap, .length = state->length};
  SN_TRY(sn_subdomains_create(solver->grid, &options, state->rows, &state->subdomains));
  SN_TRY(sn_collective_status(space, make_work(solver)));
  if (solver->options.rigor == SN_FOURIER_MEASURE && sn_grid_space_size(solver->grid) > 1) {
    sn_wisdom_share(space); /* ranks may have measured different plans */
    sn_transforms_destroy(&state->transforms);
    SN_TRY(sn_collective_status(space, plan_transforms(solver)));
  }
  solver->bytes = sn_transforms_bytes(state->transforms);
  for (int g = 0; g < solver->gammas; g++) solver->version[g] = -1;
  return SN_OK;
}

/* Finds the overlap for the present A; subdomains of another have to be made anew then. Collective over space. */
static sn_status update_overlap(sn_solver *solver, sn_error_code code) {
  local *state = solver->state;
  if (state->version == sn_linear_version(solver->linear)) return SN_OK;
  ptrdiff_t overlap;
  SN_TRY(sn_collective_status(sn_grid_space(solver->grid),
                              find_overlap(state->decay, solver->linear, sn_grid_space_size(solver->grid),
                                           &solver->options, solver->gammas, solver->gamma, code, &overlap)));
  state->version = sn_linear_version(solver->linear);
  if (overlap != state->overlap) free_subdomains(state);
  state->overlap = overlap;
  return SN_OK;
}

static void say_why(sn_solver *solver) {
  const local *state = solver->state;
  const bool several = sn_grid_space_size(solver->grid) > 1;
  const char *why =
      several ? "sending to neighbours alone" : "in the cache, where a transform of all points does not fit";
  char overlap[64] = "";
  if (state->overlap) snprintf(overlap, sizeof overlap, " that overlap by %td points", state->overlap);
  snprintf(solver->reason, sizeof solver->reason,
           "local: on subdomains%s, which leave %.0e of the kernel of the %s linear part, %s", overlap,
           tolerance_of(&solver->options), sn_linear_kind_name(sn_linear_get_kind(solver->linear)),
           solver->options.kind == SN_SOLVER_LOCAL ? "as asked" : why);
}

static sn_status create(sn_solver *solver) {
  local *state;
  const MPI_Comm space = sn_grid_space(solver->grid);
  SN_TRY(sn_collective_status(space, SN_NEW(1, &state)));
  solver->state = state;
  *state = (local){.version = -1};
  SN_TRY(sn_collective_status(space, sn_decay_create(&state->decay)));
  if (sn_linear_version(solver->linear) > 0) SN_TRY(update_overlap(solver, SN_ERROR_USAGE));
  say_why(solver);
  return SN_OK;
}

static void destroy(sn_solver *solver) {
  local *state = solver->state;
  free_subdomains(state);
  sn_decay_destroy(&state->decay);
  SN_FREE(solver->state);
}

static sn_status reserve(sn_solver *solver, ptrdiff_t samples) {
  local *state = solver->state;
  if (samples <= state->rows) return SN_OK;
  state->rows = samples;
  return state->overlap ? make_subdomains(solver) : SN_OK;
}

static sn_status factor(sn_solver *solver, int which) {
  local *state = solver->state;
  SN_TRY(update_overlap(solver, SN_ERROR_RUN));
  if (!state->subdomains) SN_TRY(make_subdomains(solver));
  return sn_collective_status(sn_grid_space(solver->grid), sn_transforms_evaluate(state->transforms, which, 1));
}

/* A row, in place: a subdomain is written when all that read of it have done so. */
static sn_status solve_row(local *state, int which, bool transpose, ptrdiff_t row, double *x) {
  const ptrdiff_t count = sn_subdomains_count(state->subdomains), arrays = state->ahead + 1;
  for (ptrdiff_t i = 0, next = 0; i < count; i++) {
    for (; next < count && next <= i + state->ahead; next++)
      sn_subdomains_read(state->subdomains, next, row, x, state->subdomain[next % arrays]);
    double *subdomain = state->subdomain[i % arrays];
    SN_TRY(sn_transforms_multiply(state->transforms, which, transpose, 1, subdomain, subdomain));
    sn_subdomains_write(state->subdomains, i, row, subdomain, x);
  }
  return SN_OK;
}

static sn_status solve(sn_solver *solver, int which, bool transpose, ptrdiff_t samples, double *x) {
  local *state = solver->state;
  if (samples > state->rows) return sn_solver_not_reserved(samples);
  if (samples == 0) return SN_OK;
  SN_TRY(sn_subdomains_exchange(state->subdomains, samples, x));
  for (ptrdiff_t row = 0; row < samples; row++) SN_TRY(solve_row(state, which, transpose, row, x));
  return SN_OK;
}

static sn_status estimate_cost(const sn_linear *linear, const sn_solver_options *options, int ranks, int gammas,
                               const double *gamma, ptrdiff_t samples, sn_solver_cost *out) {
  const ptrdiff_t block = longest(linear, ranks);
  sn_decay *decay;
  SN_TRY(sn_decay_create(&decay));
  const sn_status status = find_overlap(decay, linear, ranks, options, gammas, gamma, SN_ERROR_USAGE, &out->overlap);
  sn_decay_destroy(&decay);
  if (status) return status;
  out->length = sn_subdomains_choose_length(block, out->overlap);
  out->subdomains = sn_subdomains_needed(block, out->overlap, out->length);
  out->messages = ranks > 2 ? 2 : ranks - 1;
  out->sent = ranks > 1 ? 16 * (double)(out->overlap * samples) : 0;
  out->held = 2 * 16 * (double)((out->length / 2 + 1) * gammas); /* a symbol and its conjugate */
  return SN_OK;
}

static const char *unsupported(sn_linear_kind linear) {
  return linear == SN_LINEAR_DENSE ? "is not circulant; use dense or gmres" : NULL;
}

const sn_solver_ops sn_solver_local = {
    .unsupported = unsupported,
    .create = create,
    .destroy = destroy,
    .reserve = reserve,
    .factor = factor,
    .solve = solve,
    .estimate_cost = estimate_cost,
};
