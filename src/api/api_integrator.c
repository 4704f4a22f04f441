/* The integrator of sinode.h. */
#include <math.h>
#include <string.h>

#include "api.h"
#include "config/config.h"
#include "sinode/memory.h"
#include "sinode/tableau.h"

static MPI_Comm world_of(const sinode_integrator *it) { return sn_grid_world(it->model->grid->grid); }

const char *sinode_scheme(int index) { return index < sn_tableau_count() ? sn_tableau_name_at(index) : NULL; }

static sn_status find(const char *what, const char *name, const sn_name *names, int *value) {
  char expected[128];
  if (!name) return SN_OK;
  *value = sn_name_value(names, name);
  if (*value >= 0) return SN_OK;
  sn_name_list(names, " or ", expected, sizeof expected);
  return SN_ERROR_ALL(SN_ERROR_USAGE, "there is no %s '%s'; it must be %s", what, name, expected);
}

static sn_status find_scheme(const char *name, const sn_tableau **tableau) {
  char names[512] = "";
  *tableau = sn_tableau_find(name ? name : "l2");
  if (*tableau) return SN_OK;
  for (int k = 0; k < sn_tableau_count(); k++) {
    strncat(names, k ? ", " : "", sizeof names - strlen(names) - 1);
    strncat(names, sn_tableau_name_at(k), sizeof names - strlen(names) - 1);
  }
  return SN_ERROR_ALL(SN_ERROR_USAGE, "there is no scheme '%s'; it must be one of %s", name, names);
}

static void take(double given, double *value) {
  if (given != 0) *value = given;
}

/* What is not given is as in the parameter file. */
static sn_status to_options(const sinode_integrator_options *o, sn_integrator_options *options) {
  sn_config defaults;
  SN_TRY(sn_config_parse_kept("", "", 0, &defaults));
  *options = defaults.integrator;
  SN_TRY(find_scheme(o->scheme, &options->tableau));
  int solver = (int)options->solver.kind, storage = (int)options->storage;
  SN_TRY(find("solver", o->solver, sn_solver_kinds, &solver));
  SN_TRY(find("storage", o->storage, sn_storage_kinds, &storage));
  options->solver.kind = (sn_solver_kind)solver;
  options->storage = (sn_storage_kind)storage;
  options->dt = o->dt;
  options->interval = o->interval;
  options->intervals = o->intervals ? o->intervals : 1;
  take(o->tolerance, &options->solver.tolerance);
  if (o->max_iterations) options->solver.max_iterations = o->max_iterations;
  options->solver.precondition = !o->unconditioned;
  options->snapshots = o->snapshots ? o->snapshots : 10;
  take(o->memory, &options->memory);
  take(o->rtol, &options->control.rtol);
  take(o->atol, &options->control.atol);
  take(o->minimum_step, &options->control.minimum_step);
  options->adjoint = o->adjoint;
  options->tangent = o->tangent;
  const double positive[] = {o->dt,
                             o->interval,
                             (double)options->intervals,
                             (double)options->snapshots,
                             options->solver.tolerance,
                             (double)options->solver.max_iterations,
                             options->control.rtol,
                             options->control.atol,
                             options->control.minimum_step};
  static const char *const names[] = {"dt",   "interval", "intervals",   "snapshots", "tolerance", "max_iterations",
                                      "rtol", "atol",     "minimum_step"};
  for (size_t k = 0; k < sizeof positive / sizeof *positive; k++)
    if (!(positive[k] > 0) || !isfinite(positive[k]))
      return SN_ERROR_ALL(SN_ERROR_USAGE, "%s is %g, but must be positive and finite", names[k], positive[k]);
  return SN_OK;
}

static sn_status build(const sinode_integrator_options *options, sinode_integrator *it) {
  sn_integrator_options own;
  const api_network *network = it->model->network;
  SN_TRY(sn_collective_status(world_of(it), to_options(options, &own)));
  if (network && own.adjoint && !network->network.backward)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "backward passes need the network's function backward, which is NULL");
  const bool tangents = own.tangent || own.tableau->kind == SN_TABLEAU_IMPLICIT;
  if (network && tangents && !network->network.tangent)
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "tangents and fully implicit schemes need the network's function tangent, which is NULL");
  return sn_integrator_create(it->model->model, &own, &it->integrator);
}

sinode_error *sinode_integrator_create(sinode_model *model, const sinode_integrator_options *options,
                                       sinode_integrator **out) {
  const MPI_Comm world = sn_grid_world(model->grid->grid);
  sn_status status = sn_collective_status(world, SN_NEW(1, out));
  if (status) return api_error(status);
  **out = (sinode_integrator){.model = model, .samples = -1};
  status = sn_collective_status(world, build(options, *out));
  if (status) sinode_integrator_destroy(out);
  return api_error(status);
}

void sinode_integrator_destroy(sinode_integrator **integrator) {
  if (!*integrator) return;
  sn_integrator_destroy(&(*integrator)->integrator);
  SN_FREE(*integrator);
}

/* Ready for so many samples; a pass that was under way is forgotten. Collective over space. */
static sn_status begin(sinode_integrator *it, ptrdiff_t samples) {
  it->samples = -1;
  SN_TRY(api_model_check_samples(it->model, samples));
  return samples ? sn_integrator_reserve(it->integrator, samples) : SN_OK;
}

/* The error of any rank, or that the pass has left the bounds. */
static sn_status end(sinode_integrator *it, ptrdiff_t samples, sn_status status) {
  SN_TRY(sn_collective_status(world_of(it), status));
  return sn_integrator_check(it->integrator, samples);
}

static sn_status forward(sinode_integrator *it, ptrdiff_t samples, ptrdiff_t intervals, double *states, bool tape) {
  SN_TRY(sn_collective_status(world_of(it), begin(it, samples)));
  SN_TRY(end(it, samples, sn_integrator_forward(it->integrator, samples, intervals, states, tape)));
  if (tape) it->samples = samples;
  it->intervals = intervals;
  return SN_OK;
}

sinode_error *sinode_integrator_forward(sinode_integrator *it, ptrdiff_t samples, ptrdiff_t intervals, double *states,
                                        bool tape) {
  return api_error(forward(it, samples, intervals, states, tape));
}

/* The gradient of all samples: split arrays over the replicas, whole ones over all ranks. Collective over world. */
static void sum_gradient(const sinode_integrator *it, double *gradient) {
  const sn_grid *grid = it->model->grid->grid;
  sn_parameters *parameters = sn_model_parameters(it->model->model);
  const ptrdiff_t size = sn_parameters_size(parameters);
  enum { MOST = 1 << 28 };
  sn_parameters_pack_replicated(parameters, gradient);
  for (ptrdiff_t first = 0; first < size && sn_grid_replica_count(grid) > 1; first += MOST)
    MPI_Allreduce(MPI_IN_PLACE, gradient + first, (int)(size - first < MOST ? size - first : MOST), MPI_DOUBLE, MPI_SUM,
                  sn_grid_replicas(grid));
  if (sn_grid_space_size(grid) > 1) sn_parameters_sum_replicated(parameters, gradient, 0, NULL);
}

static sn_status backward(sinode_integrator *it, ptrdiff_t samples, ptrdiff_t intervals, double *state_bars,
                          double *gradient) {
  sn_status status = SN_OK;
  if (it->samples != samples || it->intervals != intervals)
    status = SN_ERROR(SN_ERROR_USAGE,
                      "a backward pass of %td samples and %td intervals must follow a forward pass of as many with "
                      "tape, and no other pass between them",
                      samples, intervals);
  SN_TRY(sn_collective_status(world_of(it), status));
  it->samples = -1;
  const sn_gradient own = {.values = gradient, .final = true};
  if (gradient)
    memset(gradient, 0, (size_t)sn_parameters_size(sn_model_parameters(it->model->model)) * sizeof *gradient);
  SN_TRY(
      end(it, samples, sn_integrator_backward(it->integrator, samples, intervals, state_bars, gradient ? &own : NULL)));
  if (gradient) sum_gradient(it, gradient);
  return SN_OK;
}

sinode_error *sinode_integrator_backward(sinode_integrator *it, ptrdiff_t samples, ptrdiff_t intervals,
                                         double *state_bars, double *gradient) {
  return api_error(backward(it, samples, intervals, state_bars, gradient));
}

static sn_status tangent(sinode_integrator *it, ptrdiff_t samples, ptrdiff_t intervals, double *states,
                         ptrdiff_t directions, const double *parameters, double *tangents) {
  SN_TRY(sn_collective_status(world_of(it), begin(it, samples)));
  return end(it, samples,
             sn_integrator_tangent(it->integrator, samples, intervals, states, directions, parameters, tangents));
}

sinode_error *sinode_integrator_tangent(sinode_integrator *it, ptrdiff_t samples, ptrdiff_t intervals, double *states,
                                        ptrdiff_t directions, const double *parameters, double *tangents) {
  return api_error(tangent(it, samples, intervals, states, directions, parameters, tangents));
}

const char *sinode_integrator_solver(const sinode_integrator *it) {
  return sn_integrator_solver_reason(it->integrator);
}
const char *sinode_integrator_storage(const sinode_integrator *it) {
  return sn_integrator_storage_reason(it->integrator);
}
