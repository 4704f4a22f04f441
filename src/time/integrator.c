#include "sinode/integrator.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "integrator_parts.h"
#include "sinode/count.h"
#include "sinode/memory.h"
#include "sinode/stability.h"

static sn_stepper_creator creator(const sn_tableau *tableau) {
  if (tableau->adaptive) return sn_adaptive_create;
  if (tableau->kind == SN_TABLEAU_EXPONENTIAL) return sn_exponential_stepper_create;
  return tableau->kind == SN_TABLEAU_IMPLICIT ? sn_implicit_create : sn_imex_create;
}

/* The steps an interval, and their length, which makes up for the round-off in dt. */
static sn_status divide_interval(sn_integrator *it) {
  const double interval = it->options.interval, ratio = it->options.tableau->adaptive ? 1 : interval / it->options.dt;
  it->substeps = (ptrdiff_t)llround(ratio);
  if (it->substeps < 1 || !(fabs(ratio - (double)it->substeps) <= 1e-6 * ratio))
    return SN_ERROR_ALL(
        SN_ERROR_USAGE,
        "integrator.dt is %.12g, but the data have a snapshot every %.12g, which must be a multiple of it; "
        "%.12g would do",
        it->options.dt, interval, interval / fmax(1, (double)it->substeps));
  it->dt = interval / (double)it->substeps;
  return SN_OK;
}

static sn_status build(sn_integrator *it) {
  const sn_integrator_options *options = &it->options;
  const MPI_Comm world = sn_grid_world(sn_model_grid(it->model));
  const ptrdiff_t samples = sn_model_samples(it->model), count = samples * it->points;
  SN_TRY(divide_interval(it));
  SN_TRY(sn_subdomain_stepper_create(it->model, options, it->dt, it->domain, &it->stepper));
  if (!it->stepper)
    SN_TRY(sn_collective_status(world, creator(options->tableau)(it->model, options, it->dt, &it->stepper)));
  if (!sn_count_multiply(options->intervals, it->substeps, &it->capacity))
    return SN_ERROR_ALL(SN_ERROR_RUN, "%td intervals of %td time steps are more than can be counted",
                        options->intervals, it->substeps);
  const sn_stepper_ops *ops = it->stepper->ops;
  if (options->adjoint) {
    const ptrdiff_t tape = ops->tape_size(it->stepper, samples);
    const sn_storage_sizes sizes = {
        .state = count,
        .tape = tape,
        .last = options->fused && ops->fused_tape_size && samples ? ops->fused_tape_size(it->stepper) : tape,
        .record = ops->record_size ? ops->record_size(it->stepper) : 0};
    SN_TRY(sn_storage_create(options, world, it->capacity, &sizes, &it->storage));
    if (ops->reserve) SN_TRY(ops->reserve(it->stepper, sn_storage_tapes(&it->storage)));
  }
  if (options->tangent && !ops->tangent)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "%s has no tangents; use an IMEX or an explicit scheme with a fixed step",
                        options->tableau->name);
  if (options->tangent) SN_TRY(SN_NEW(ops->tape_size(it->stepper, samples), &it->tape));
  SN_TRY(SN_NEW(it->capacity, &it->square));
  SN_TRY(SN_NEW(it->capacity, &it->total));
  if (it->stepper->estimate) SN_TRY(SN_NEW(it->capacity * samples, &it->estimate));
  for (int k = 0; k < (ops->forward_backward && options->adjoint ? 4 : 3); k++) SN_TRY(SN_NEW(count, &it->buffer[k]));
  return SN_OK;
}

sn_status sn_integrator_create(sn_model *model, const sn_integrator_options *options, sn_integrator **out) {
  const sn_grid *grid = sn_model_grid(model);
  SN_TRY(sn_collective_status(sn_grid_world(grid), SN_NEW(1, out)));
  **out = (sn_integrator){.model = model, .options = *options, .points = sn_grid_range(grid).count};
  sn_status status = sn_collective_status(sn_grid_world(grid), build(*out));
  if (status) sn_integrator_destroy(out);
  return status;
}

void sn_integrator_destroy(sn_integrator **integrator) {
  sn_integrator *it = *integrator;
  if (!it) return;
  if (it->stepper) it->stepper->ops->destroy(&it->stepper);
  sn_storage_destroy(&it->storage);
  SN_FREE(it->tape);
  sn_tangent_plan_clear(&it->tangents);
  SN_FREE(it->square);
  SN_FREE(it->total);
  SN_FREE(it->estimate);
  for (int k = 0; k < 4; k++) SN_FREE(it->buffer[k]);
  SN_FREE(*integrator);
}

sn_status sn_integrator_reserve(sn_integrator *it, ptrdiff_t samples) {
  if (it->stepper->ops->prepare) return it->stepper->ops->prepare(it->stepper, samples);
  return it->stepper->solver ? sn_solver_reserve(it->stepper->solver, samples) : SN_OK;
}

sn_status sn_integrator_reserve_tangents(sn_integrator *it, ptrdiff_t samples, ptrdiff_t directions) {
  SN_TRY(sn_integrator_reserve(it, samples));
  return sn_tangent_plan_reserve(&it->tangents, it->stepper, it->model, samples, directions);
}

void sn_integrator_skip_initial_bar(sn_integrator *it) { it->skips_initial = true; }

bool sn_integrator_within_bounds(const sn_integrator *it) { return it->within_bounds; }

double sn_integrator_dt(const sn_integrator *it) { return it->dt; }

ptrdiff_t sn_integrator_steps(const sn_integrator *it, ptrdiff_t intervals) { return intervals * it->substeps; }

/* Sums of squares over all ranks, into it->total. */
static void sum_over_ranks(sn_integrator *it) {
  MPI_Allreduce(it->square, it->total, (int)it->steps, MPI_DOUBLE, MPI_SUM, sn_grid_world(sn_model_grid(it->model)));
}

void sn_integrator_norms(sn_integrator *it, double *norms) {
  sum_over_ranks(it);
  for (ptrdiff_t k = 0; k < it->steps; k++) norms[k] = sqrt(it->total[k]);
}

const double *sn_integrator_estimates(const sn_integrator *it) { return it->estimate; }

sn_status sn_integrator_stable_step(const sn_integrator *it, double *limit) {
  return sn_stability_limit(sn_model_linear(it->model), sn_model_grid(it->model), it->options.tableau, limit);
}

/* What to do about a state that blew up. */
static sn_status advice_for(const sn_integrator *it, char *text, size_t size) {
  double limit;
  SN_TRY(sn_integrator_stable_step(it, &limit));
  if (limit < it->dt && !it->options.tableau->adaptive)
    snprintf(text, size,
             "the largest stable step of %s on this linear part is %.3g: lower integrator.dt (now %g) or use an "
             "IMEX scheme such as l2",
             it->options.tableau->name, limit, it->dt);
  else
    snprintf(text, size, "lower integrator.dt (now %g) or, in training, train.optimizer.learning_rate", it->dt);
  return SN_OK;
}

void sn_integrator_begin_at(sn_integrator *it, double time, ptrdiff_t steps) {
  it->start = time;
  it->before = steps;
}

static sn_status blew_up(const sn_integrator *it, ptrdiff_t step, double rms) {
  const double dt = it->dt, before = it->start + (double)step * dt;
  const ptrdiff_t number = it->before + step + 1;
  char advice[240];
  if (it->backward)
    return SN_ERROR_ALL(
        SN_ERROR_RUN,
        "the adjoint of %s blew up going back through step %td (t = %g): its norm (root mean square) is %g; shorten "
        "train.window or lower integrator.dt (now %g)",
        it->options.tableau->name, number, before, fabs(rms), dt);
  SN_TRY(advice_for(it, advice, sizeof advice));
  return SN_ERROR_ALL(SN_ERROR_RUN,
                      "%s blew up in step %td, at t = %g: the norm (root mean square) of the state is %g; %s",
                      it->options.tableau->name, number, before + dt, fabs(rms), advice);
}

sn_status sn_integrator_check(sn_integrator *it, ptrdiff_t samples) {
  double sums[2] = {(double)(samples * it->points), it->given};
  sum_over_ranks(it);
  MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_DOUBLE, MPI_SUM, sn_grid_world(sn_model_grid(it->model)));
  /* An adjoint has no scale of its own: only its growth tells. */
  const double limit = it->backward ? SN_ADJOINT_GROWTH_LIMIT * sqrt(sums[1] / sums[0]) : SN_STATE_RMS_LIMIT;
  for (ptrdiff_t k = 0; k < it->steps; k++) {
    const ptrdiff_t step = it->backward ? it->steps - 1 - k : k;
    const double rms = sqrt(it->total[step] / sums[0]);
    if (!(rms <= limit)) return blew_up(it, step, rms);
  }
  return SN_OK;
}

const char *sn_integrator_domain_reason(const sn_integrator *it) { return it->domain; }

const char *sn_integrator_solver_reason(const sn_integrator *it) {
  if (it->stepper->exponential) return sn_exponential_reason(it->stepper->exponential);
  return it->stepper->solver ? sn_solver_reason(it->stepper->solver) : "none: the scheme is explicit";
}

long sn_integrator_factorizations(const sn_integrator *it) {
  if (it->stepper->exponential) return sn_exponential_evaluations(it->stepper->exponential);
  return it->stepper->solver ? sn_solver_factorizations(it->stepper->solver) : 0;
}

void sn_integrator_statistics(const sn_integrator *it, char *text, size_t size) {
  *text = '\0';
  if (it->stepper->ops->statistics) it->stepper->ops->statistics(it->stepper, text, size);
}

const char *sn_integrator_storage_reason(const sn_integrator *it) {
  return it->options.adjoint ? it->storage.reason : "none: no gradient is wanted";
}

ptrdiff_t sn_integrator_forward_steps(const sn_integrator *it) { return it->made; }

ptrdiff_t sn_integrator_storage_bytes(const sn_integrator *it) { return it->storage.bytes; }

ptrdiff_t sn_integrator_factor_bytes(const sn_integrator *it) {
  if (it->stepper->exponential) return sn_exponential_bytes(it->stepper->exponential);
  return it->stepper->solver ? sn_solver_bytes(it->stepper->solver) : 0;
}
