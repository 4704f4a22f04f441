#include <math.h>

#include "parts.h"
#include "sinode/error.h"
#include "sinode/etdrk4.h"
#include "sinode/fourier.h"

/*
 * Half width of the 5-tap stencil; bytes a mode that a generator's step reads and writes beside its transforms, and
 * where both are in the cache, the binary digits of a transform that its stages take as long as; numbers summed with
 * the gradient, the loss and the ranks' requests for what comes next; bytes a parameter that Adam reads and writes.
 */
enum { HALF_WIDTH = 2, SWEPT = 512, STAGES = 40, LOSS = 4, OPTIMIZER = 56 };

const char *sn_cost_name(sn_cost_kind kind) {
  static const char *const names[SN_COSTS] = {
      [SN_COST_MESSAGES] = "messages", [SN_COST_BYTES] = "bytes",         [SN_COST_PRODUCTS] = "products",
      [SN_COST_MEMORY] = "memory",     [SN_COST_STRIPS] = "strips",       [SN_COST_TRANSFORMS] = "transforms",
      [SN_COST_LINES] = "lines",       [SN_COST_LATENCIES] = "latencies", [SN_COST_CARRIED] = "carried",
      [SN_COST_REDUCED] = "reduced"};
  return names[kind];
}

sn_cost sn_cost_unknown(void) {
  sn_cost cost;
  for (int k = 0; k < SN_COSTS; k++) cost.of[k] = NAN;
  return cost;
}

static sn_cost without_work(double messages, double bytes) {
  sn_cost cost = sn_cost_unknown();
  cost.of[SN_COST_MESSAGES] = messages;
  cost.of[SN_COST_BYTES] = bytes;
  return cost;
}

/* sum + factor * cost */
static sn_cost add(sn_cost sum, double factor, sn_cost cost) {
  for (int k = 0; k < SN_COSTS; k++) sum.of[k] += factor * cost.of[k];
  return sum;
}

static double n_log_n(double n) { return n * log2(n > 2 ? n : 2); }

/*
 * There and back. Over several ranks, points = n1 n2, rows of complex numbers and columns of real ones, half the work,
 * are transformed in the cache; in memory the pieces and the factors between the two are read, and the pieces written,
 * before the columns' transforms or after them, and the same for the rows with what multiplies them: seven times.
 */
static sn_cost transforms(sn_layout layout, double fields) {
  const double points = (double)layout.points;
  if (layout.space == 1) return (sn_cost){.of[SN_COST_TRANSFORMS] = 2 * fields * n_log_n(points)};
  const sn_fourier_cost f = sn_fourier_estimate_cost(layout.points, layout.space, (ptrdiff_t)fields);
  if (!f.n1) return without_work(2 * f.messages, f.transpose_most);
  const ptrdiff_t n1 = f.n1, n2 = layout.points / n1;
  const double rows = (double)sn_partition_most(n1 / 2 + 1, layout.space);
  const double columns = (double)sn_partition_most(n2, layout.space);
  const double lines = rows * (double)n2 * log2((double)n2) + columns * (double)n1 / 2 * log2((double)n1);
  return (sn_cost){.of = {[SN_COST_MESSAGES] = 2 * f.messages,
                          [SN_COST_BYTES] = f.transpose_most,
                          [SN_COST_MEMORY] = 7 * 16 * fields * rows * (double)n2,
                          [SN_COST_LINES] = 2 * fields * lines,
                          [SN_COST_LATENCIES] = 2 * f.messages,
                          [SN_COST_CARRIED] = f.transpose_most}};
}

/* Over several ranks, the squares and the rows that are transformed next are in the cache already. */
static sn_cost generate_step_globally(sn_layout layout) {
  const double swept = layout.space == 1 ? SWEPT : SWEPT / 2;
  const sn_cost stages = {.of[SN_COST_MEMORY] = swept * (double)layout.points / 2 / layout.space};
  return add(stages, 4, transforms(layout, 1));
}

/*
 * Eight transforms of a subdomain and two more for each exchange, the stages among them, in the cache; in memory values
 * are read and written once an exchange. The two messages of an exchange wait for one another.
 */
static sn_cost generate_step_locally(sn_layout layout, const sn_etdrk4_division *d) {
  const sn_etdrk4_cost f = sn_etdrk4_estimate_cost(sn_equation_ks(), d, layout.points, layout.space, 1);
  const double most = (double)sn_partition_most(layout.points, layout.space), steps = (double)d->steps;
  const double kept = (double)(d->length - 2 * d->overlap), numbers = ceil(most / kept) * (double)d->length;
  const double digits = (8 + 2 / steps) * log2((double)d->length) + STAGES;
  return (sn_cost){.of = {[SN_COST_MESSAGES] = f.messages,
                          [SN_COST_BYTES] = f.most,
                          [SN_COST_MEMORY] = 24 * most / steps,
                          [SN_COST_LINES] = numbers / 2 * digits,
                          [SN_COST_LATENCIES] = f.messages,
                          [SN_COST_CARRIED] = f.most}};
}

sn_cost sn_cost_generate_step(sn_layout layout, const sn_etdrk4_division *division) {
  return division ? generate_step_locally(layout, division) : generate_step_globally(layout);
}

sn_cost sn_cost_halo(sn_layout layout, ptrdiff_t samples) {
  if (layout.space == 1) return without_work(0, 0);
  return without_work(layout.space == 2 ? 1 : 2, 16.0 * HALF_WIDTH * (double)samples);
}

/* Two transforms; on one rank also coefficients read and written and the symbol; over several the way to the columns
 * and back, into buffers and out of them, and the columns from lines and back. */
static sn_cost transform_solve(sn_layout layout, ptrdiff_t samples) {
  const double own = 8 * (double)samples * (double)layout.points / layout.space;
  if (layout.space == 1) return add((sn_cost){.of[SN_COST_MEMORY] = 3 * own}, 1, transforms(layout, (double)samples));
  const sn_fourier_cost f = sn_fourier_estimate_cost(layout.points, layout.space, samples);
  const double messages = 2 * (layout.space - 1);
  const sn_cost moved = {.of = {[SN_COST_MESSAGES] = messages,
                                [SN_COST_BYTES] = f.redistribution_most,
                                [SN_COST_MEMORY] = 4 * own,
                                [SN_COST_STRIPS] = 2 * own,
                                [SN_COST_LATENCIES] = messages,
                                [SN_COST_CARRIED] = f.redistribution_most}};
  return add(moved, 1, transforms(layout, (double)samples));
}

/* Each subdomain is transformed there and back in the cache, its points read and written. */
static sn_cost subdomain_solve(sn_layout layout, const sn_solver_cost *found, ptrdiff_t samples) {
  const double length = (double)found->length, rows = (double)samples;
  const double own = (double)sn_partition_most(layout.points, layout.space);
  return (sn_cost){.of = {[SN_COST_MESSAGES] = found->messages,
                          [SN_COST_BYTES] = found->most,
                          [SN_COST_MEMORY] = 2 * 8 * rows * own,
                          [SN_COST_LINES] = 2 * rows * (double)found->subdomains * length / 2 * log2(length),
                          [SN_COST_LATENCIES] = found->messages,
                          [SN_COST_CARRIED] = found->most}};
}

/* By the solver that is asked for or that `auto` takes; no work, but by transforms and on subdomains. */
static sn_cost solve(const sn_cost_case *c, sn_solver_kind kind, const sn_cost_stages *stages, ptrdiff_t samples) {
  sn_solver_cost found;
  sn_solver_options options = c->solver;
  options.kind = kind;
  sn_status status = sn_solver_estimate_cost(c->linear, &options, c->layout.space, c->memory, stages->gammas,
                                             stages->gamma, samples, &found);
  const bool refused = status || found.kind == SN_SOLVER_GMRES;
  sn_error_destroy(&status);
  if (refused) return sn_cost_unknown();
  sn_cost cost = without_work(found.messages, found.most);
  if (found.kind == SN_SOLVER_FFT) cost = transform_solve(c->layout, samples);
  if (found.kind == SN_SOLVER_LOCAL) cost = subdomain_solve(c->layout, &found, samples);
  cost.of[SN_COST_MESSAGES] = found.messages; /* in packets */
  return cost;
}

static sn_cost_stages stages_of(const sn_cost_case *c, bool estimates) {
  return sn_cost_count_stages(c->tableau, c->dt, c->network.kind != SN_NETWORK_NONE, estimates);
}

sn_cost sn_cost_solve(const sn_cost_case *c, sn_solver_kind kind, double gamma) {
  const sn_cost_stages one = {.gammas = 1, .gamma = {gamma}};
  return solve(c, kind, &one, c->samples);
}

/* Whether the steps of the scheme are evaluations and solves, of kinds whose messages are known. */
static bool is_known(const sn_cost_case *c, const sn_cost_stages *stages) {
  const sn_network_kind kind = c->network.kind;
  const bool known = kind == SN_NETWORK_MLP || kind == SN_NETWORK_CONV || kind == SN_NETWORK_NONE;
  const bool suits = c->tableau->kind == SN_TABLEAU_EXPONENTIAL ? sn_linear_is_circulant(c->linear)
                                                                : c->tableau->kind == SN_TABLEAU_IMEX;
  return known && c->network.precision == SN_PRECISION_DOUBLE && suits && !stages->applies && !c->trains_linear &&
         !c->ordered;
}

/* A solve, or, where the scheme is exponential, a transform and its inverse. */
static sn_cost one_pair(const sn_cost_case *c, const sn_cost_stages *stages, ptrdiff_t samples) {
  const sn_cost_stages single = {.gammas = 1, .gamma = {c->dt}};
  return stages->transforms ? solve(c, SN_SOLVER_FFT, &single, samples) : solve(c, c->solver.kind, stages, samples);
}

/* The transform alone. */
static sn_cost one_transform(const sn_cost_case *c, ptrdiff_t samples, sn_cost pair) {
  sn_cost cost = add((sn_cost){0}, 0.5, pair);
  cost.of[SN_COST_BYTES] = sn_fourier_estimate_cost(c->layout.points, c->layout.space, samples).forward_most;
  return cost;
}

/* Whether steps are made on subdomains, and how they are cut. */
static bool has_subdomains(const sn_cost_case *c, sn_subdomain_plan *plan) {
  sn_status status =
      sn_subdomain_steps_plan(c->linear, &c->network, c->tableau, c->dt, &c->subdomains, c->layout.space, plan);
  const bool found = !status && plan->overlap > 0;
  sn_error_destroy(&status);
  return found;
}

/*
 * A step of `samples` samples on subdomains, or its adjoint: an exchange, a transform there and back a solve in the
 * cache, states read and written. Networks have no work counted.
 */
static sn_cost subdomain_step(const sn_cost_case *c, const sn_subdomain_plan *plan, const sn_cost_stages *stages,
                              ptrdiff_t samples) {
  const double messages = sn_subdomain_messages(c->layout.space);
  const double bytes = sn_subdomain_bytes(plan, c->layout.space, samples), length = (double)plan->length;
  if (c->network.kind != SN_NETWORK_NONE) return without_work(messages, bytes);
  const double own = 8 * (double)samples * (double)sn_partition_most(c->layout.points, c->layout.space);
  return (sn_cost){.of = {[SN_COST_MESSAGES] = messages,
                          [SN_COST_BYTES] = bytes,
                          [SN_COST_MEMORY] = 2 * own,
                          [SN_COST_LINES] = (double)samples * (double)plan->count * stages->solves * n_log_n(length),
                          [SN_COST_LATENCIES] = messages,
                          [SN_COST_CARRIED] = bytes}};
}

sn_cost sn_cost_predict_step(const sn_cost_case *c) {
  const sn_cost_stages stages = stages_of(c, true);
  sn_subdomain_plan plan;
  if (has_subdomains(c, &plan)) return add((sn_cost){0}, (double)c->steps, subdomain_step(c, &plan, &stages, 1));
  if (!is_known(c, &stages)) return sn_cost_unknown();
  const sn_cost pair = one_pair(c, &stages, 1);
  sn_cost step = {0};
  step = add(step, stages.evaluations, sn_cost_evaluation(c->layout, &c->network, 1, false));
  step = add(step, stages.transforms ? stages.transforms / 2 : stages.solves, pair);
  if (stages.transforms % 2) step = add(step, 1, one_transform(c, 1, pair));
  return without_work((double)c->steps * step.of[SN_COST_MESSAGES], (double)c->steps * step.of[SN_COST_BYTES]);
}

/* Of the very first stage no derivative by the initial state is wanted: a solve less where it is implicit, a transform
 * where the scheme is exponential, and in convolutions the halo of the first layer. */
static sn_cost unwanted(const sn_cost_case *c, const sn_cost_stages *stages, sn_cost pair) {
  sn_cost cost = {0};
  if (stages->starts_with_solve || stages->transforms) cost = pair;
  if (stages->transforms) cost = add(cost, -1, one_transform(c, c->samples, pair));
  if (c->network.kind != SN_NETWORK_CONV || c->layout.space == 1 || c->network.kernel < 2) return cost;
  const double channels = (double)(c->network.hidden ? c->network.width[0] : 1);
  cost.of[SN_COST_MESSAGES] += c->layout.space == 2 ? 1 : 2;
  cost.of[SN_COST_BYTES] += 16.0 * (c->network.kernel / 2) * (double)c->samples * channels;
  return cost;
}

/* A perceptron's three products a layer and stage, the optimizer's share, sums over the space ranks; nothing else has
 * its work counted. */
static sn_cost network_work(const sn_cost_case *c, double evaluations, sn_cost sent) {
  const double weights = sn_cost_count_parameters(c->layout, &c->network).own;
  sn_cost cost = {.of = {[SN_COST_PRODUCTS] = 3 * evaluations * (double)c->samples * weights,
                         [SN_COST_MEMORY] = OPTIMIZER * weights / c->layout.replicas}};
  if (c->network.kind != SN_NETWORK_MLP) return without_work(0, 0);
  if (c->layout.space == 1) return cost;
  cost.of[SN_COST_LATENCIES] = sent.of[SN_COST_MESSAGES] * ceil(log2(c->layout.space));
  cost.of[SN_COST_REDUCED] = sent.of[SN_COST_BYTES] * 2 * (c->layout.space - 1) / c->layout.space;
  return cost;
}

/* Every step there and back; of the very first no derivative by the initial state is wanted. */
static sn_cost train_on_subdomains(const sn_cost_case *c, const sn_subdomain_plan *plan, const sn_cost_stages *stages) {
  if (c->ordered) return sn_cost_unknown();
  const sn_cost step = subdomain_step(c, plan, stages, c->samples);
  sn_cost cost = add((sn_cost){0}, 2 * (double)(c->window * c->steps), step);
  for (int k = SN_COST_MESSAGES; k <= SN_COST_BYTES; k++) cost.of[k] -= step.of[k];
  return add(cost, 1, sn_cost_reduction_with(c, LOSS));
}

sn_cost sn_cost_train_iteration(const sn_cost_case *c) {
  const sn_cost_stages stages = stages_of(c, false);
  sn_subdomain_plan plan;
  if (has_subdomains(c, &plan)) return train_on_subdomains(c, &plan, &stages);
  if (!is_known(c, &stages)) return sn_cost_unknown();
  const double steps = (double)(c->window * c->steps), evaluations = steps * stages.evaluations;
  const sn_cost pair = one_pair(c, &stages, c->samples);
  sn_cost sent = add((sn_cost){0}, evaluations, sn_cost_evaluation(c->layout, &c->network, c->samples, false));
  sent = add(sent, evaluations, sn_cost_evaluation(c->layout, &c->network, c->samples, true));
  sn_cost cost = add(sent, steps * (stages.transforms ? stages.transforms : 2 * stages.solves), pair);
  cost = add(cost, -1, unwanted(c, &stages, pair));
  cost = add(cost, 1, network_work(c, evaluations, sent));
  return add(cost, 1, sn_cost_reduction_with(c, LOSS));
}
