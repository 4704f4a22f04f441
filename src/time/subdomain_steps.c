/*
 * Steps on overlapping subdomains (restricted additive Schwarz over a whole time step). With R_i the points that
 * subdomain i reads, P_i those that it keeps, and Phi a step on a periodic grid of the subdomain's length,
 *
 *   u_n+1 = sum_i P_i^T Phi(R_i u_n)
 *
 * is the step on the whole grid to round-off, where the overlap is as wide as a step reaches: what a value of u_n+1
 * owes to u_n at a distance d is a product of the stages' kernels, which decay exponentially, shifted by the taps of
 * the network. The adjoint is that of this formula, sum_i R_i^T Phi'^T P_i lambda, and so exact whatever the overlap.
 */
#include <stdio.h>
#include <string.h>

#include "sinode/decay.h"
#include "sinode/memory.h"
#include "sinode/subdomains.h"
#include "stepper_ops.h"

typedef struct {
  sn_stepper base;
  sn_model *model; /* of the whole grid; that of the subdomains follows it */
  double dt, tolerance;
  const sn_tableau *tableau;
  ptrdiff_t points;
  sn_subdomain_plan plan;
  sn_subdomains *subdomains;
  sn_decay *decay;
  long linear_version; /* of A, for which the overlap was found to do */
  sn_grid *grid;       /* of a subdomain */
  sn_model *own;
  sn_stepper *inner;
  ptrdiff_t tape; /* doubles of a subdomain's step */
  double *from, *to;
  double *lambda;                      /* (samples, local points) */
  ptrdiff_t beyond[SN_TABLEAU_STAGES]; /* as the inner stepper has it */
} subdomain_stepper;

enum { WHOLE_GRID = -1 };

/*
 * Points to either side that the stages of a step depend on, from `first` on. WHOLE_GRID: all, or more than `most`.
 * Explicit stages apply A, so that every stage adds half a stencil and the network's taps to what the solves reach.
 */
static sn_status find_reach(sn_decay *decay, const sn_linear *linear, const sn_network_shape *shape,
                            const sn_tableau *tableau, int first, double dt, double tolerance, ptrdiff_t most,
                            ptrdiff_t *reach) {
  const ptrdiff_t network = sn_network_reach(shape);
  double gamma[SN_TABLEAU_STAGES];
  int solves = 0;
  *reach = WHOLE_GRID;
  if (network == SN_NETWORK_WHOLE_GRID || sn_linear_get_kind(linear) != SN_LINEAR_STENCIL) return SN_OK;
  if (sn_linear_version(linear) == 0) return SN_OK;
  for (int i = first; i < tableau->stages; i++) {
    const double g = dt * sn_tableau_linear(tableau, i, i);
    if (g != 0) gamma[solves++] = g;
  }
  ptrdiff_t overlap;
  SN_TRY(sn_decay_find_overlap_of_product(decay, linear, solves, gamma, tolerance, most, &overlap));
  if (overlap > most) return SN_OK;
  *reach = overlap + (tableau->stages - first) * (network + sn_linear_get_shape(linear)->taps / 2);
  if (*reach < 1 && first == 0) *reach = 1;
  if (*reach > most) *reach = WHOLE_GRID;
  return SN_OK;
}

/* Whether the overlap does for A as it is, and at which points stages matter: those that later ones reach. */
static sn_status find_points(subdomain_stepper *s, bool *fits) {
  const sn_linear *linear = sn_model_linear(s->model);
  const sn_network_shape *shape = sn_network_get_shape(sn_model_network(s->model));
  ptrdiff_t reach;
  SN_TRY(find_reach(s->decay, linear, shape, s->tableau, 0, s->dt, s->tolerance, s->plan.overlap, &reach));
  *fits = reach != WHOLE_GRID;
  for (int i = 0; i < s->tableau->stages; i++) {
    SN_TRY(find_reach(s->decay, linear, shape, s->tableau, i + 1, s->dt, s->tolerance, s->plan.overlap, &reach));
    s->beyond[i] = reach == WHOLE_GRID ? s->plan.overlap : reach;
  }
  return SN_OK;
}

static sn_status build(subdomain_stepper *s, const sn_integrator_options *options, double dt) {
  const sn_grid *whole = sn_model_grid(s->model);
  const ptrdiff_t samples = sn_model_samples(s->model);
  const sn_subdomains_options cut = {.overlap = s->plan.overlap, .length = s->plan.length};
  /* What is collective comes first: all that follows is this rank's own. */
  SN_TRY(sn_subdomains_create(whole, &cut, samples, &s->subdomains));
  SN_TRY(sn_decay_create(&s->decay));
  SN_TRY(sn_decay_reserve(s->decay, sn_model_linear(s->model), s->plan.overlap));
  SN_TRY(sn_grid_create(MPI_COMM_SELF, 1, cut.length, sn_grid_timer(whole), &s->grid));
  SN_TRY(sn_model_create_like(s->model, s->grid, 1, &s->own));
  SN_TRY(sn_model_follow(s->own, s->model));
  sn_integrator_options inner = *options;
  if (inner.solver.kind == SN_SOLVER_LOCAL) inner.solver.kind = SN_SOLVER_FFT; /* what is local already */
  SN_TRY(sn_imex_create(s->own, &inner, dt, &s->inner));
  if (s->inner->estimate) SN_TRY(SN_NEW(samples, &s->base.estimate));
  if (s->inner->solver) SN_TRY(sn_solver_reserve(s->inner->solver, 1));
  s->base.solver = s->inner->solver;
  s->inner->beyond = s->beyond;
  bool fits;
  SN_TRY(find_points(s, &fits));
  s->tape = sn_stepper_aligned(s->inner->ops->tape_size(s->inner, 1));
  SN_TRY(SN_NEW(cut.length, &s->from));
  SN_TRY(SN_NEW(cut.length, &s->to));
  return options->adjoint || options->tangent ? SN_NEW(samples * s->points, &s->lambda) : SN_OK;
}

static void destroy(sn_stepper **stepper) {
  subdomain_stepper *s = (subdomain_stepper *)*stepper;
  if (!s) return;
  if (s->inner) s->inner->ops->destroy(&s->inner);
  sn_model_destroy(&s->own);
  sn_grid_destroy(&s->grid);
  sn_subdomains_destroy(&s->subdomains);
  sn_decay_destroy(&s->decay);
  SN_FREE(s->from);
  SN_FREE(s->to);
  SN_FREE(s->lambda);
  SN_FREE(s->base.estimate);
  SN_FREE(*stepper);
}

static ptrdiff_t tape_size(const sn_stepper *stepper, ptrdiff_t samples) {
  const subdomain_stepper *s = (const subdomain_stepper *)stepper;
  return samples * sn_subdomains_count(s->subdomains) * s->tape;
}

static ptrdiff_t fused_tape_size(const sn_stepper *stepper) { return ((const subdomain_stepper *)stepper)->tape; }

/* Done when it was made: it takes subdomains one by one, whatever the samples. */
static sn_status prepare(sn_stepper *stepper, ptrdiff_t samples) {
  (void)stepper;
  (void)samples;
  return SN_OK;
}

/*
 * The parameters as they are now; once a trained stencil has changed, whether the overlap still does. Nothing is
 * allocated for that, so that all ranks find the same without a word between them.
 */
static sn_status follow(subdomain_stepper *s) {
  SN_TRY(sn_model_follow(s->own, s->model));
  const long version = sn_linear_version(sn_model_linear(s->model));
  if (version == s->linear_version) return SN_OK;
  bool fits;
  SN_TRY(find_points(s, &fits));
  if (!fits)
    return SN_ERROR_ALL(SN_ERROR_RUN,
                        "the linear part has changed so that a step of %s reaches further than the %td points by which "
                        "subdomains overlap; use integrator.subdomains.domain whole",
                        s->tableau->name, s->plan.overlap);
  s->linear_version = version;
  return SN_OK;
}

/* The inner stepper's next step is that of subdomain i. */
static void turn_to(subdomain_stepper *s, ptrdiff_t i) {
  s->inner->counted = (sn_range){sn_subdomains_offset(s->subdomains, i), sn_subdomains_kept(s->subdomains, i).count};
}

/* The tape of a subdomain's step within that of the step. */
static double *tape_of(const subdomain_stepper *s, const double *tape, ptrdiff_t row, ptrdiff_t i) {
  return tape ? (double *)tape + (row * sn_subdomains_count(s->subdomains) + i) * s->tape : NULL;
}

static sn_status begin_forward(subdomain_stepper *s, ptrdiff_t samples, const double *u) {
  SN_TRY(follow(s));
  if (s->base.estimate) memset(s->base.estimate, 0, (size_t)samples * sizeof *s->base.estimate);
  return sn_subdomains_exchange(s->subdomains, samples, u);
}

/* Subdomain i of a sample; tape: its own. */
static sn_status forward_of(subdomain_stepper *s, ptrdiff_t i, ptrdiff_t row, const double *u, double *next,
                            double *tape) {
  sn_subdomains_read(s->subdomains, i, row, u, s->from);
  turn_to(s, i);
  SN_TRY(s->inner->ops->forward(s->inner, 1, s->from, s->to, tape));
  sn_subdomains_write(s->subdomains, i, row, s->to, next);
  if (s->base.estimate) s->base.estimate[row] += s->inner->estimate[0];
  return SN_OK;
}

static sn_status forward(sn_stepper *stepper, ptrdiff_t samples, const double *u, double *next, double *tape) {
  subdomain_stepper *s = (subdomain_stepper *)stepper;
  SN_TRY(begin_forward(s, samples, u));
  for (ptrdiff_t row = 0; row < samples; row++)
    for (ptrdiff_t i = 0; i < sn_subdomains_count(s->subdomains); i++)
      SN_TRY(forward_of(s, i, row, u, next, tape_of(s, tape, row, i)));
  return SN_OK;
}

static void begin_backward(subdomain_stepper *s, ptrdiff_t samples, double *u_bar) {
  s->inner->skips_lambda = s->base.skips_lambda;
  memset(u_bar, 0, (size_t)(samples * s->points) * sizeof *u_bar);
  sn_subdomains_begin_add(s->subdomains, samples);
}

/* u_bar += what subdomain i of a sample adds. */
static sn_status backward_of(subdomain_stepper *s, ptrdiff_t i, ptrdiff_t row, const double *tape,
                             const double *next_bar, double *u_bar, const sn_gradient *gradient) {
  sn_subdomains_write_transpose(s->subdomains, i, row, next_bar, s->to);
  turn_to(s, i);
  SN_TRY(s->inner->ops->backward(s->inner, 1, tape, s->to, gradient));
  if (!s->base.skips_lambda) sn_subdomains_add(s->subdomains, i, row, s->to, u_bar);
  return SN_OK;
}

static sn_status end_backward(subdomain_stepper *s, ptrdiff_t samples, double *u_bar) {
  return s->base.skips_lambda ? SN_OK : sn_subdomains_end_add(s->subdomains, samples, u_bar);
}

static sn_status backward(sn_stepper *stepper, ptrdiff_t samples, const double *tape, double *lambda,
                          const sn_gradient *gradient) {
  subdomain_stepper *s = (subdomain_stepper *)stepper;
  const ptrdiff_t subdomains = sn_subdomains_count(s->subdomains), passes = samples * subdomains;
  sn_gradient own;
  memcpy(s->lambda, lambda, (size_t)(samples * s->points) * sizeof *lambda);
  begin_backward(s, samples, lambda);
  for (ptrdiff_t pass = 0; pass < passes; pass++) {
    const ptrdiff_t row = pass / subdomains, i = pass % subdomains;
    SN_TRY(backward_of(s, i, row, tape_of(s, tape, row, i), s->lambda, lambda,
                       sn_gradient_for_pass(gradient, pass == passes - 1, &own)));
  }
  return end_backward(s, samples, lambda);
}

/* Every subdomain forward and backward at once, all on the tape of the first, which so stays in the cache. */
static sn_status forward_backward(sn_stepper *stepper, ptrdiff_t samples, const double *u, double *next, double *tape,
                                  const sn_step_loss *loss, double *u_bar, const sn_gradient *gradient) {
  subdomain_stepper *s = (subdomain_stepper *)stepper;
  /* A repeated step is timed as a whole. */
  sn_timer *timer = loss->loss ? sn_grid_timer(sn_model_grid(s->model)) : NULL;
  const ptrdiff_t subdomains = sn_subdomains_count(s->subdomains), passes = samples * subdomains;
  sn_gradient own;
  SN_TRY_TIMED(timer, SN_TIME_FORWARD, begin_forward(s, samples, u));
  begin_backward(s, samples, u_bar);
  for (ptrdiff_t pass = 0; pass < passes; pass++) {
    const ptrdiff_t row = pass / subdomains, i = pass % subdomains;
    const sn_range kept = sn_subdomains_kept(s->subdomains, i);
    const sn_gradient *of_pass = sn_gradient_for_pass(gradient, pass == passes - 1, &own);
    SN_TRY_TIMED(timer, SN_TIME_FORWARD, forward_of(s, i, row, u, next, tape));
    sn_step_loss_add(loss, (sn_range){row * s->points + kept.start, kept.count}, next);
    SN_TRY_TIMED(timer, SN_TIME_BACKWARD, backward_of(s, i, row, tape, loss->bar, u_bar, of_pass));
  }
  SN_TRY_TIMED(timer, SN_TIME_BACKWARD, end_backward(s, samples, u_bar));
  return SN_OK;
}

static sn_status tangent(sn_stepper *stepper, ptrdiff_t samples, const double *tape, double *du, const double *dtheta) {
  subdomain_stepper *s = (subdomain_stepper *)stepper;
  SN_TRY(sn_subdomains_exchange(s->subdomains, samples, du));
  for (ptrdiff_t row = 0; row < samples; row++)
    for (ptrdiff_t i = 0; i < sn_subdomains_count(s->subdomains); i++) {
      sn_subdomains_read(s->subdomains, i, row, du, s->from);
      turn_to(s, i);
      SN_TRY(s->inner->ops->tangent(s->inner, 1, tape_of(s, tape, row, i), s->from, dtheta));
      sn_subdomains_write(s->subdomains, i, row, s->from, s->lambda);
    }
  memcpy(du, s->lambda, (size_t)(samples * s->points) * sizeof *du);
  return SN_OK;
}

static const sn_stepper_ops ops = {.destroy = destroy,
                                   .tape_size = tape_size,
                                   .prepare = prepare,
                                   .forward = forward,
                                   .backward = backward,
                                   .fused_tape_size = fused_tape_size,
                                   .forward_backward = forward_backward,
                                   .tangent = tangent};

/*
 * Where `auto` takes subdomains: on one rank, if several are short enough for the cache and the whole is not; over
 * several, of any size at which what is computed twice is a small part, since one exchange takes the place of some for
 * every stage.
 */
enum { POINTS_LEAST = 1 << 14, LENGTH_MOST = 1 << 14, OVERLAPS_LEAST = 8 };

const sn_name sn_step_domains[] = {
    {"auto", SN_STEPS_AUTO}, {"whole", SN_STEPS_WHOLE_GRID}, {"subdomains", SN_STEPS_SUBDOMAINS}, {NULL, 0}};

static bool has_short_steps(const sn_tableau *tableau) {
  return !tableau->adaptive && (tableau->kind == SN_TABLEAU_IMEX || tableau->kind == SN_TABLEAU_EXPLICIT);
}

static sn_status refuse(const sn_linear *linear, const sn_network_shape *network, const sn_tableau *tableau,
                        ptrdiff_t most) {
  static const char asked[] = "integrator.subdomains.domain is subdomains, but";
  if (!has_short_steps(tableau))
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "%s the steps of %s depend on all points; use an IMEX scheme or an explicit one with a fixed "
                        "step, or domain whole",
                        asked, tableau->name);
  if (sn_linear_get_kind(linear) != SN_LINEAR_STENCIL || sn_network_reach(network) == SN_NETWORK_WHOLE_GRID)
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "%s a step with a %s linear part and a network of kind %s depends on all points; use a stencil "
                        "and a conv or product network, or domain whole",
                        asked, sn_linear_kind_name(sn_linear_get_kind(linear)), sn_network_kind_name(network->kind));
  return SN_ERROR_ALL(SN_ERROR_USAGE,
                      "%s a step of %s reaches further than the %td points that subdomains may overlap by here: there "
                      "is no locality to use; use domain whole, a longer domain or fewer ranks in space",
                      asked, tableau->name, most);
}

static double tolerance_of(const sn_subdomain_control *control) {
  return control->tolerance > 0 ? control->tolerance : 1e-15;
}

sn_status sn_subdomain_steps_plan(const sn_linear *linear, const sn_network_shape *network, const sn_tableau *tableau,
                                  double dt, const sn_subdomain_control *control, int ranks, sn_subdomain_plan *out) {
  const sn_partition partition = {sn_grid_points(sn_linear_grid(linear)), ranks};
  const ptrdiff_t shortest = partition.points / ranks, longest = sn_partition_most(partition.points, ranks);
  const bool chooses = control->domain == SN_STEPS_AUTO;
  const ptrdiff_t most = ranks == 1 ? shortest / 4 : chooses ? shortest / OVERLAPS_LEAST : shortest;
  ptrdiff_t reach = WHOLE_GRID;
  *out = (sn_subdomain_plan){0};
  if (control->domain == SN_STEPS_WHOLE_GRID) return SN_OK;
  if (has_short_steps(tableau) && (!chooses || ranks > 1 || shortest >= POINTS_LEAST)) {
    sn_decay *decay;
    SN_TRY(sn_decay_create(&decay));
    sn_status status = find_reach(decay, linear, network, tableau, 0, dt, tolerance_of(control), most, &reach);
    sn_decay_destroy(&decay);
    if (status) return status;
  }
  if (reach == WHOLE_GRID) return chooses ? SN_OK : refuse(linear, network, tableau, most);
  if (control->length && control->length <= 2 * reach)
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "integrator.subdomains.length is %td, but a step of %s reaches %td points to either side; use "
                        "more than twice as many, or 0 for a length that is chosen",
                        control->length, tableau->name, reach);
  const ptrdiff_t length = control->length ? control->length : sn_subdomains_choose_length(longest, reach);
  if (chooses && ranks == 1 && length > LENGTH_MOST) return SN_OK;
  *out = (sn_subdomain_plan){reach, length, sn_subdomains_needed(longest, reach, length)};
  return SN_OK;
}

int sn_subdomain_messages(int ranks) { return ranks > 2 ? 2 : ranks - 1; }

double sn_subdomain_bytes(const sn_subdomain_plan *plan, int ranks, ptrdiff_t samples) {
  return ranks > 1 ? 2 * (double)sizeof(double) * (double)plan->overlap * (double)samples : 0;
}

static void describe(const subdomain_stepper *s, char *reason) {
  snprintf(reason, SN_STEPPER_REASON_LENGTH,
           "%td subdomains of %td points a rank, which overlap by the %td that a step reaches (to %.0e)",
           sn_subdomains_count(s->subdomains), s->plan.length, s->plan.overlap, s->tolerance);
}

sn_status sn_subdomain_stepper_create(sn_model *model, const sn_integrator_options *options, double dt, char *reason,
                                      sn_stepper **out) {
  const sn_grid *grid = sn_model_grid(model);
  const sn_linear *linear = sn_model_linear(model);
  sn_subdomain_plan plan;
  *out = NULL;
  snprintf(reason, SN_STEPPER_REASON_LENGTH, "the whole grid");
  SN_TRY(sn_collective_status(
      sn_grid_world(grid),
      sn_subdomain_steps_plan(linear, sn_network_get_shape(sn_model_network(model)), options->tableau, dt,
                              &options->subdomains, sn_grid_space_size(grid), &plan)));
  if (!plan.overlap) return SN_OK;
  subdomain_stepper *s;
  SN_TRY(sn_collective_status(sn_grid_world(grid), SN_NEW(1, &s)));
  *s = (subdomain_stepper){.base.ops = &ops,
                           .model = model,
                           .dt = dt,
                           .tolerance = tolerance_of(&options->subdomains),
                           .tableau = options->tableau,
                           .points = sn_grid_range(grid).count,
                           .plan = plan,
                           .linear_version = sn_linear_version(linear)};
  *out = &s->base;
  sn_status status = sn_collective_status(sn_grid_world(grid), build(s, options, dt));
  if (status)
    destroy(out);
  else
    describe(s, reason);
  return status;
}
