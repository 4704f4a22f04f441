#include "cost_model.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "run/setup.h"
#include "run/stability_check.h"
#include "sinode/count.h"
#include "sinode/etdrk4.h"
#include "sinode/ks_initial.h"
#include "sinode/memory.h"
#include "sinode/solver.h"
#include "sinode/tableau.h"

/* Bytes for reading: 1.5 KiB. */
static const char *readable(double bytes, char text[32]) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  int unit = 0;
  for (; bytes >= 1024 && unit < 6; unit++) bytes /= 1024;
  snprintf(text, 32, unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
  return text;
}

void sn_cost_report_generation(const sn_app *app, sn_layout layout) {
  const sn_config *c = &app->config;
  const double snapshots = round(c->generate.span / c->generate.interval) + 1;
  const double steps = (c->generate.span + c->generate.transient) / c->generate.dt;
  const ptrdiff_t members = sn_partition_most(c->generate.members, layout.replicas);
  const sn_etdrk4_cost f = sn_etdrk4_estimate_cost(layout.points, layout.space, members);
  const double held = f.held + 8 * (double)members * (double)sn_partition_most(layout.points, layout.space);
  char text[3][32];
  sn_log_line(app->log, "generate: %.0f ETDRK4 steps; arrays of %s a rank, %.1f doubles a point; %s: %s", steps,
              readable(held, text[0]), held * layout.space / (8 * (double)members * (double)layout.points),
              c->generate.file, readable(8 * snapshots * (double)c->generate.members * (double)layout.points, text[1]));
  sn_log_line(app->log, "generate: a rank sends %.0f messages of %s in all a step", f.messages,
              readable(f.sent, text[2]));
}

void sn_cost_report_network(const sn_app *app, sn_layout layout, const sn_network_shape *shape, ptrdiff_t samples) {
  const int layers = shape->hidden + 1;
  char text[2][32];
  if (layout.space == 1 || shape->kind == SN_NETWORK_NONE) {
    sn_log_line(app->log, "network: no messages in an evaluation");
    return;
  }
  if (shape->kind == SN_NETWORK_KS) {
    const sn_fourier_cost f = sn_fourier_estimate_cost(layout.points, layout.space, samples);
    sn_log_line(app->log,
                "network: a rank sends %s in an evaluation: 4 transposes, 2 redistributions a pair of samples",
                readable(4 * f.transpose + 2 * f.redistribution, text[0]));
    return;
  }
  if (shape->kind == SN_NETWORK_CONV || shape->kind == SN_NETWORK_BILINEAR) {
    const int halo = shape->kernel / 2;
    double channels = 1; /* what has a halo: the input and the hidden layers, or the products */
    for (int k = 0; k < shape->hidden; k++) channels += (double)shape->width[k];
    sn_log_line(app->log, "network: a rank sends 2 x %d messages of %s in all an evaluation, as many back", layers,
                readable(2 * 8 * channels * halo * (double)samples, text[0]));
    return;
  }
  double forward = 0, backward = 0;
  for (int k = 0; k < layers; k++) {
    const double out = k == layers - 1 ? (double)layout.points : (double)shape->width[k];
    const double in = k ? (double)shape->width[k - 1] : (double)layout.points;
    if (k % 2 == 0) forward += out;
    if (k % 2 == 1) backward += in;
    if (k % 2 == 0 && k == layers - 1) backward += out;
  }
  sn_log_line(app->log, "network: %d reductions of %s over the space ranks an evaluation, %d of %s back",
              (layers + 1) / 2, readable(8 * forward * (double)samples, text[0]), layers / 2 + layers % 2,
              readable(8 * backward * (double)samples, text[1]));
}

void sn_cost_report_gradient(const sn_app *app, sn_layout layout, double parameters) {
  const double away = (double)(layout.replicas - 1) / layout.replicas;
  char text[32];
  if (layout.replicas > 1)
    sn_log_line(app->log,
                "gradient: in an iteration a rank sends its parts to the other %d replicas, %s, and gets as much; the "
                "updated parameters likewise",
                layout.replicas - 1, readable(8 * parameters * away, text));
}

sn_status sn_cost_report_solves(const sn_app *app, sn_layout layout, const sn_linear *linear, double memory,
                                ptrdiff_t samples) {
  const sn_config *c = &app->config;
  const sn_tableau *tableau = sn_tableau_find(c->integrator.scheme);
  const sn_solver_options options = {.kind = (sn_solver_kind)c->integrator.solver.kind};
  double gamma[SN_TABLEAU_STAGES];
  int which[SN_TABLEAU_STAGES], solves = 0;
  const int gammas = sn_tableau_gammas(tableau, c->integrator.dt, NULL, gamma, which);
  for (int i = 0; i < tableau->stages; i++) solves += which[i] >= 0;
  sn_solver_cost f;
  char text[2][32];
  if (!gammas) return SN_OK;
  SN_TRY(sn_solver_estimate_cost(linear, &options, layout.space, memory, gammas, gamma, samples, &f));
  if (f.kind == SN_SOLVER_GMRES)
    sn_log_line(app->log, "solves: %d a time step by gmres, whose iterations depend on the right-hand sides", solves);
  else
    sn_log_line(app->log,
                "solves: %d a time step by %s, as many back; in one a rank sends %.0f messages of %s in all; factors "
                "of %s a rank",
                solves, f.name, f.messages, readable(f.sent, text[0]), readable(f.held, text[1]));
  return SN_OK;
}

/* The linear part on a grid of one rank: its coefficients and symbol, no arrays of the grid's size. */
typedef struct {
  sn_grid *grid;
  sn_parameters *parameters;
  sn_linear *linear;
} linear_part;

static sn_status build_linear(const sn_app *app, linear_part *part) {
  const sn_config *c = &app->config;
  const sn_linear_shape shape = sn_setup_linear_shape(app);
  SN_TRY(sn_grid_create(MPI_COMM_SELF, 1, c->grid.points, NULL, &part->grid));
  SN_TRY(sn_parameters_create(part->grid, &part->parameters));
  SN_TRY(sn_linear_create(part->grid, &shape, 0, part->parameters, &part->linear));
  if (shape.kind == SN_LINEAR_DENSE) return SN_OK;
  SN_TRY(sn_parameters_allocate(part->parameters));
  if (shape.kind == SN_LINEAR_STENCIL && c->model.linear.ks) SN_TRY(sn_linear_set_ks(part->linear));
  if (shape.kind == SN_LINEAR_STENCIL && !c->model.linear.ks)
    for (int k = 0; k < shape.taps; k++) sn_parameters_values(part->parameters)[k] = c->model.linear.coefficients[k];
  return sn_linear_update(part->linear);
}

static void free_linear(linear_part *part) {
  sn_linear_destroy(&part->linear);
  sn_parameters_destroy(&part->parameters);
  sn_grid_destroy(&part->grid);
}

/* What the network has, and what of it is on a rank; numbers a sample keeps of an evaluation. */
typedef struct {
  double parameters, own, tape, work;
} network_size;

static network_size size_network(sn_layout layout, const sn_network_shape *shape) {
  const double points = (double)layout.points, own = ceil(points / layout.space);
  const bool is_mlp = shape->kind == SN_NETWORK_MLP;
  network_size size = {0};
  if (shape->kind == SN_NETWORK_BILINEAR) {
    const double channels = (double)shape->width[0];
    size.parameters = size.own = (3 * channels + 1) * shape->kernel;
    size.tape = (1 + 3 * channels) * own;
    size.work = (1 + 5 * channels) * own;
    return size;
  }
  if (shape->kind != SN_NETWORK_MLP && shape->kind != SN_NETWORK_CONV) return size;
  double widest = points;
  for (int k = 0; k <= shape->hidden; k++) {
    const bool last = k == shape->hidden;
    const double in = k ? (double)shape->width[k - 1] : is_mlp ? points : 1;
    const double out = last ? (is_mlp ? points : 1) : (double)shape->width[k];
    size.parameters += out * (is_mlp ? in : in * shape->kernel) + out;
    size.tape += is_mlp ? (last ? 0 : k % 2 ? ceil(out / layout.space) : out) : in * own;
    widest = fmax(widest, out);
  }
  size.own = is_mlp ? ceil(size.parameters / layout.space) : size.parameters;
  size.work = is_mlp ? 2 * widest + (layout.space > 1 ? points : 0) : 3 * own;
  return size;
}

static void report_memory(const sn_app *app, sn_layout layout, const network_size *size, double samples) {
  const sn_config *c = &app->config;
  const double stages = sn_tableau_find(c->integrator.scheme)->stages;
  const double own = (double)sn_partition_most(layout.points, layout.space);
  const double snapshots = round(c->generate.span / c->generate.interval) + 1;
  const double steps = (double)c->train.window * round(c->generate.interval / c->integrator.dt);
  const double data = 8 * (double)c->generate.members * snapshots * own;
  const double tape = 8 * stages * samples * (own + size->tape);
  const double states = 8 * samples * ((2 * stages + 5 + 3 * (double)c->train.window) * own + size->tape + size->work);
  char text[5][32];
  sn_log_line(app->log,
              "memory: arrays of %s a rank: parameters, gradient and moments %s, data %s, adjoint storage %s (all "
              "stages of a window of %.0f steps; one step: %s), states and work the rest, factors besides",
              readable(32 * size->own + data + steps * tape + states, text[0]), readable(32 * size->own, text[1]),
              readable(data, text[2]), readable(steps * tape, text[3]), steps, readable(tape, text[4]));
}

/* What a run would find too large for MPI or the BLAS. */
static sn_status check_counts(sn_layout layout, const sn_network_shape *shape, ptrdiff_t samples) {
  int ignored;
  ptrdiff_t widest = layout.points;
  for (int k = 0; k < shape->hidden; k++) widest = shape->width[k] > widest ? shape->width[k] : widest;
  if (shape->kind != SN_NETWORK_MLP) return SN_OK;
  return sn_count_to_int(samples * widest, "batch times the widest layer", &ignored);
}

static sn_status report_training(const sn_app *app, sn_layout layout, const linear_part *part) {
  const sn_config *c = &app->config;
  const sn_network_shape shape = sn_setup_network_shape(app);
  const network_size size = size_network(layout, &shape);
  const ptrdiff_t samples = sn_partition_most(c->train.batch, layout.replicas);
  const double steps = (double)c->train.window * round(c->generate.interval / c->integrator.dt);
  sn_log_line(app->log,
              "model: %.0f parameters of the network, %.0f of them on a rank; %td samples of a batch a replica",
              size.parameters, size.own, samples);
  SN_TRY(sn_setup_suits_optimizer(app, size.parameters + (double)sn_parameters_total(part->parameters, true)));
  SN_TRY(
      sn_stability_check_parts(app, part->linear, part->grid, shape.kind, SN_KS_TYPICAL_MAX_ABS_U, (ptrdiff_t)steps));
  sn_log_line(app->log, "scheme: %s, dt %g, %.0f steps a window", c->integrator.scheme, c->integrator.dt, steps);
  const double memory = (double)sn_memory_share(MPI_COMM_SELF) / (double)sysconf(_SC_NPROCESSORS_ONLN);
  SN_TRY(sn_cost_report_solves(app, layout, part->linear, memory, samples));
  sn_cost_report_network(app, layout, &shape, samples);
  sn_cost_report_gradient(app, layout, size.own);
  report_memory(app, layout, &size, (double)samples);
  return check_counts(layout, &shape, samples);
}

sn_status sn_cost_report(const sn_app *app) {
  const sn_config *c = &app->config;
  const int ranks = app->estimated_ranks, space = (int)c->parallel.space;
  const sn_layout layout = {c->grid.points, space, ranks / space};
  SN_TRY(sn_grid_allows(ranks, space, c->grid.points));
  sn_log_line(app->log, "%d ranks, estimated: %d replica%s x %d in space; %td points on [0, %g), at most %td on a rank",
              ranks, layout.replicas, layout.replicas == 1 ? "" : "s", space, layout.points, c->grid.length,
              sn_partition_most(layout.points, space));
  sn_cost_report_generation(app, layout);
  linear_part part = {0};
  sn_status status = build_linear(app, &part);
  if (!status) status = report_training(app, layout, &part);
  free_linear(&part);
  if (!status) sn_log_line(app->log, "the parameters are valid");
  return status;
}
