#include "check_estimate.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "run/generator_setup.h"
#include "run/linear_part.h"
#include "run/stability_check.h"
#include "run/training_setup.h"
#include "sinode/count.h"
#include "sinode/etdrk4.h"
#include "sinode/ks_initial.h"
#include "sinode/memory.h"
#include "sinode/reduction.h"
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

sn_status sn_estimate_report_generation(const sn_app *app, sn_layout layout) {
  const sn_config *c = &app->config;
  const double snapshots = round(c->generate.span / c->generate.interval) + 1;
  const double steps = (c->generate.span + c->generate.transient) / c->generate.etdrk4.dt;
  const ptrdiff_t members = sn_partition_most(c->generate.members, layout.replicas);
  const sn_etdrk4_options options = sn_setup_generator_options(app);
  sn_cost_generator way;
  SN_TRY(sn_cost_choose_generator(layout, &options, &way));
  const sn_etdrk4_cost f =
      sn_etdrk4_estimate_cost(options.equation, way.local ? &way.division : NULL, layout.points, layout.space, members);
  const double held = f.held + 8 * (double)members * (double)sn_partition_most(layout.points, layout.space);
  char text[3][32];
  sn_log_line(app->log, "generate: %.0f ETDRK4 steps; arrays of %s a rank, %.1f doubles a point; %s: %s", steps,
              readable(held, text[0]), held * layout.space / (8 * (double)members * (double)layout.points),
              c->generate.file, readable(8 * snapshots * (double)c->generate.members * (double)layout.points, text[1]));
  sn_log_line(app->log, "generate: a rank sends %.10g messages of %s in all a step, by %s", f.messages,
              readable(f.sent, text[2]), way.text);
  return SN_OK;
}

static void report_network(const sn_app *app, sn_layout layout, const sn_network_shape *shape, ptrdiff_t samples) {
  const sn_cost there = sn_cost_evaluation(layout, shape, samples, false);
  const sn_cost back = sn_cost_evaluation(layout, shape, samples, true);
  const double sent = there.of[SN_COST_BYTES];
  char text[2][32];
  if (layout.space == 1 || shape->kind == SN_NETWORK_NONE)
    sn_log_line(app->log, "network: no messages in an evaluation");
  else if (shape->kind == SN_NETWORK_KS)
    sn_log_line(app->log,
                "network: a rank sends %s in an evaluation: 4 transposes, 2 redistributions a pair of samples",
                readable(sent, text[0]));
  else if (shape->kind == SN_NETWORK_MLP)
    sn_log_line(app->log, "network: %.0f reductions of %s over the space ranks an evaluation, %.0f of %s back",
                there.of[SN_COST_MESSAGES], readable(sent, text[0]), back.of[SN_COST_MESSAGES],
                readable(back.of[SN_COST_BYTES], text[1]));
  else
    sn_log_line(app->log, "network: a rank sends 2 x %d messages of %s in all an evaluation, as many back",
                shape->hidden + 1, readable(sent, text[0]));
}

void sn_estimate_report_gradient(const sn_app *app, sn_layout layout, double parameters) {
  const double away = (double)(layout.replicas - 1) / layout.replicas;
  const int messages = sn_reduction_messages(layout.replicas);
  char text[32];
  if (layout.replicas > 1 && messages == layout.replicas - 1)
    sn_log_line(app->log,
                "gradient: in an iteration a rank sends its parts to the other %d replicas, %s, and gets as much; the "
                "updated parameters likewise",
                messages, readable(8 * parameters * away, text));
  else if (layout.replicas > 1)
    sn_log_line(
        app->log,
        "gradient: in an iteration a rank sends at most %d messages a bucket, %s in all, and gets as much, to be "
        "summed in groups of its %d replicas; the updated parameters likewise",
        messages, readable(8 * parameters, text), layout.replicas);
}

/* Of an exponential scheme: a pair of transforms is a solve by them, and a function takes what the factor of one does;
 * of a trained circulant, its derivative as well, and with tangents a third and, once, A's own change. */
static sn_status report_functions(const sn_app *app, sn_layout layout, const sn_linear *linear,
                                  const sn_cost_stages *stages, ptrdiff_t samples) {
  const double one = app->config.integrator.dt, points = (double)layout.points;
  const bool circulant = sn_linear_is_circulant(linear), trained = sn_linear_is_trainable(linear) && circulant;
  const bool tangents = trained && sn_setup_training_passes(app) & SN_PASSES_TANGENT;
  const int held = stages->functions * (1 + trained + tangents) + tangents;
  const sn_solver_options options = {.kind = SN_SOLVER_FFT};
  sn_solver_cost f = {.held = 8 * points * points / layout.space};
  char text[2][32];
  if (circulant) SN_TRY(sn_solver_estimate_cost(linear, &options, layout.space, 0, 1, &one, samples, &f));
  if (circulant)
    sn_log_line(app->log,
                "functions of A: %d transforms a time step, as many back; in two a rank sends %.0f messages "
                "of %s in all",
                stages->transforms, f.messages, readable(f.sent, text[0]));
  else
    sn_log_line(app->log, "functions of A: a rank takes part in %d gatherings of %s a time step, and %d sums back",
                layout.space > 1 ? stages->transforms / 2 + 1 : 0, readable(8 * points * (double)samples, text[0]),
                layout.space > 1 ? stages->transforms / 2 + 1 : 0);
  sn_log_line(app->log, "functions of A: %d, %s a rank", stages->functions, readable(f.held * held, text[1]));
  return SN_OK;
}

static sn_status report_solves(const sn_app *app, sn_layout layout, const sn_linear *linear, double memory,
                               ptrdiff_t samples) {
  const sn_config *c = &app->config;
  const sn_tableau *tableau = c->integrator.tableau;
  const sn_solver_options options = c->integrator.solver;
  const sn_cost_stages stages = sn_cost_count_stages(tableau, c->integrator.dt, true, false);
  sn_solver_cost f;
  char text[2][32];
  if (stages.functions) return report_functions(app, layout, linear, &stages, samples);
  if (!stages.gammas) return SN_OK;
  SN_TRY(sn_solver_estimate_cost(linear, &options, layout.space, memory, stages.gammas, stages.gamma, samples, &f));
  if (f.kind == SN_SOLVER_GMRES)
    sn_log_line(app->log, "solves: %d a time step by gmres, whose iterations depend on the right-hand sides",
                stages.solves);
  else
    sn_log_line(app->log,
                "solves: %d a time step by %s, as many back; in one a rank sends %.0f messages of %s in all; factors "
                "of %s a rank",
                stages.solves, f.name, f.messages, readable(f.sent, text[0]), readable(f.held, text[1]));
  if (f.kind == SN_SOLVER_LOCAL)
    sn_log_line(app->log, "solves: a rank has at most %td subdomains of %td points, which overlap by %td", f.subdomains,
                f.length, f.overlap);
  return SN_OK;
}

/* How steps are cut into subdomains, if they are. */
static sn_status plan_subdomains(const sn_app *app, sn_layout layout, const sn_linear *linear,
                                 const sn_network_shape *shape, sn_subdomain_plan *plan) {
  const sn_integrator_options *options = &app->config.integrator;
  return sn_subdomain_steps_plan(linear, shape, options->tableau, options->dt, &options->subdomains, layout.space,
                                 plan);
}

sn_status sn_estimate_report_steps(const sn_app *app, sn_layout layout, const sn_linear *linear,
                                   const sn_network_shape *shape, double memory, ptrdiff_t samples) {
  sn_subdomain_plan plan;
  char text[32];
  SN_TRY(plan_subdomains(app, layout, linear, shape, &plan));
  if (!plan.overlap) {
    SN_TRY(report_solves(app, layout, linear, memory, samples));
    report_network(app, layout, shape, samples);
    return SN_OK;
  }
  sn_log_line(app->log,
              "steps: on %td subdomains of %td points a rank, which overlap by %td; in one a rank sends %d messages of "
              "%s in all, as many back",
              plan.count, plan.length, plan.overlap, sn_subdomain_messages(layout.space),
              readable(sn_subdomain_bytes(&plan, layout.space, samples), text));
  return SN_OK;
}

/* Doubles a sample keeps of an evaluation of the network, and those it works on besides. */
typedef struct {
  double tape, work;
} evaluation_size;

static evaluation_size size_in_double(sn_layout layout, const sn_network_shape *shape) {
  const double points = (double)layout.points, own = ceil(points / layout.space);
  const bool is_mlp = shape->kind == SN_NETWORK_MLP;
  evaluation_size size = {0};
  if (shape->kind == SN_NETWORK_BILINEAR) {
    const double channels = (double)shape->width[0];
    return (evaluation_size){.tape = (1 + 3 * channels) * own, .work = (1 + 5 * channels) * own};
  }
  if (shape->kind != SN_NETWORK_MLP && shape->kind != SN_NETWORK_CONV) return size;
  double widest = points;
  for (int k = 0; k <= shape->hidden; k++) {
    const bool last = k == shape->hidden;
    const double in = k ? (double)shape->width[k - 1] : 1;
    const double out = last ? points : (double)shape->width[k];
    size.tape += is_mlp ? (last ? 0 : k % 2 ? ceil(out / layout.space) : out) : in * own;
    widest = fmax(widest, out);
  }
  size.work = is_mlp ? 2 * widest + (layout.space > 1 ? points : 0) : 3 * own;
  return size;
}

static evaluation_size size_evaluation(sn_layout layout, const sn_network_shape *shape) {
  const evaluation_size size = size_in_double(layout, shape);
  const double part = shape->precision == SN_PRECISION_DOUBLE ? 1 : 0.5;
  return (evaluation_size){.tape = part * size.tape, .work = part * size.work};
}

/* Numbers that a time step works on: its stages, of all samples together or of one subdomain, and states between. */
static double size_step(const sn_tableau *tableau, double points, double samples, const evaluation_size *size,
                        const sn_subdomain_plan *plan) {
  const double stages = tableau->stages, arrays = tableau->kind == SN_TABLEAU_EXPONENTIAL ? stages + 9 : 2 * stages + 5;
  if (!plan->overlap) return samples * (arrays * points + size->tape + size->work);
  const double part = (double)plan->length / points;
  return samples * 5 * points + (2 * stages + 3) * (double)plan->length + part * (size->tape + size->work);
}

static void report_memory(const sn_app *app, sn_layout layout, double parameters, const evaluation_size *size,
                          const sn_subdomain_plan *plan, double samples) {
  const sn_config *c = &app->config;
  const double stages = c->integrator.tableau->stages;
  const double own = (double)sn_partition_most(layout.points, layout.space);
  const double snapshots = round(c->generate.span / c->generate.interval) + 1;
  const double steps = (double)c->train.window * round(c->generate.interval / c->integrator.dt);
  const double data = 8 * (double)c->generate.members * snapshots * own;
  const double overlapping = plan->overlap ? (double)plan->count * (double)plan->length / own : 1;
  const bool keeps_states = c->integrator.tableau->kind == SN_TABLEAU_EXPONENTIAL && c->model.linear.trainable;
  const double tape = 8 * samples * (stages * overlapping * (own + size->tape) + keeps_states * (stages + 1) * own);
  /* Of the last step, and of one that is repeated, that of one subdomain. */
  const double last = plan->overlap ? 8 * stages * (double)plan->length * (1 + size->tape / own) : tape;
  const double storage = (steps - 1) * tape + last;
  const double states =
      8 * (samples * 3 * (double)c->train.window * own + size_step(c->integrator.tableau, own, samples, size, plan));
  char text[5][32];
  sn_log_line(app->log,
              "memory: arrays of %s a rank: parameters, gradient and moments %s, data %s, adjoint storage %s (all "
              "stages of a window of %.0f steps; one %sstep: %s), states and work the rest, factors besides",
              readable(32 * parameters + data + storage + states, text[0]), readable(32 * parameters, text[1]),
              readable(data, text[2]), readable(storage, text[3]), steps, plan->overlap ? "subdomain's " : "",
              readable(last, text[4]));
}

/* What a run would find too large for MPI or the BLAS. */
static sn_status check_counts(sn_layout layout, const sn_network_shape *shape, ptrdiff_t samples) {
  int ignored;
  ptrdiff_t widest = layout.points;
  for (int k = 0; k < shape->hidden; k++) widest = shape->width[k] > widest ? shape->width[k] : widest;
  if (shape->kind != SN_NETWORK_MLP) return SN_OK;
  return sn_count_to_int(samples * widest, "batch times the widest layer", &ignored);
}

static sn_status report_training(const sn_app *app, sn_layout layout, const sn_linear_part *part) {
  const sn_config *c = &app->config;
  const sn_network_shape shape = sn_network_shape_of(&c->model.network, c->grid.length);
  const sn_cost_parameters size = sn_cost_count_parameters(layout, &shape);
  const evaluation_size evaluation = size_evaluation(layout, &shape);
  const ptrdiff_t samples = sn_partition_most(c->train.batch, layout.replicas);
  const double steps = (double)c->train.window * round(c->generate.interval / c->integrator.dt);
  sn_log_line(app->log,
              "model: %.0f parameters of the network, %.0f of them on a rank; %td samples of a batch a replica",
              size.all, size.own, samples);
  SN_TRY(sn_setup_suits_optimizer(app, size.all + (double)sn_parameters_total(part->parameters, true)));
  SN_TRY(
      sn_stability_check_parts(app, part->linear, part->grid, shape.kind, SN_KS_TYPICAL_MAX_ABS_U, (ptrdiff_t)steps));
  sn_log_line(app->log, "scheme: %s, dt %g, %.0f steps a window", c->integrator.tableau->name, c->integrator.dt, steps);
  const double memory = (double)sn_memory_share(MPI_COMM_SELF) / (double)sysconf(_SC_NPROCESSORS_ONLN);
  SN_TRY(sn_estimate_report_steps(app, layout, part->linear, &shape, memory, samples));
  sn_estimate_report_gradient(app, layout, size.own);
  sn_subdomain_plan plan;
  SN_TRY(plan_subdomains(app, layout, part->linear, &shape, &plan));
  report_memory(app, layout, size.own, &evaluation, &plan, (double)samples);
  return check_counts(layout, &shape, samples);
}

sn_status sn_estimate_report(const sn_app *app) {
  const sn_config *c = &app->config;
  const int ranks = app->estimated_ranks, space = (int)c->parallel.space;
  const sn_layout layout = {c->grid.points, space, ranks / space};
  SN_TRY(sn_grid_allows(ranks, space, c->grid.points));
  sn_log_line(app->log, "%d ranks, estimated: %d replica%s x %d in space; %td points on [0, %g), at most %td on a rank",
              ranks, layout.replicas, layout.replicas == 1 ? "" : "s", space, layout.points, c->grid.length,
              sn_partition_most(layout.points, space));
  SN_TRY(sn_estimate_report_generation(app, layout));
  sn_linear_part part;
  sn_status status = sn_linear_part_build(app, &part);
  if (!status) status = report_training(app, layout, &part);
  sn_linear_part_free(&part);
  if (!status) sn_log_line(app->log, "the parameters are valid");
  return status;
}
