/*
 * Exponential Runge-Kutta, its discrete adjoint and its tangents, in the notation of docs/method.md. With z = dt A and
 * G = -F, stage i = 1 .. s of a step and the solution are
 *
 *   U_i   = e^{c_i z} u_n + dt sum_{j<i} a_ij(z) G(U_j)
 *   u_n+1 = e^z u_n + dt sum_j b_j(z) G(U_j)
 *
 * The functions act on u_n and F(U_j), each transformed once; every sum is taken of them and transformed back.
 */
#include <string.h>

#include "combination.h"
#include "sinode/exponential_form.h"
#include "sinode/memory.h"
#include "stepper_ops.h"

enum { STAGES = SN_TABLEAU_STAGES, STATES = STAGES + 1, TERMS = 2 * STATES };

typedef struct {
  sn_stepper base;
  sn_exponential_form form;
  sn_model *model;
  ptrdiff_t points, size; /* local; doubles of a transformed state */
  double dt;
  bool varies, estimates; /* A is trained; the embedded method's difference is wanted */
  bool differentiates;    /* tangents are wanted of a trained A */
  bool used[STAGES];
  double *state[STATES];  /* transformed F_j, and in the last place u; going back, derivatives by U_i and u_n+1 */
  double *stage, *work;   /* U_i when no tape is kept; values of the network, and derivatives by them */
  ptrdiff_t fields;       /* samples, or directions times samples, that state, stage and work have room for */
  double *change[STATES]; /* (fields): what a change of A adds to stages and solution */
  double *u_bar;          /* of a stage that is u itself */
} exponential;

typedef struct {
  int terms;
  sn_exponential_term term[TERMS];
} combination;

/* In the list of states. */
static int solution_of(const exponential *scheme) { return scheme->form.stages; }

static void add(combination *sum, int function, bool varied, double weight, const double *x) {
  sum->term[sum->terms++] = (sn_exponential_term){function, varied, weight, x};
}

/* Adds row i of the form: what acts on the states in a stage, in the solution, or in its error estimate. */
static void add_row(const exponential *scheme, int i, bool varied, double *const *state, combination *sum) {
  const sn_exponential_form *form = &scheme->form;
  if (i <= form->stages && form->growth[i] >= 0) add(sum, form->growth[i], varied, 1, state[form->stages]);
  for (int j = 0; j < form->stages && j < i; j++) {
    const sn_exponential_weight *weight = &form->weight[i][j];
    if (weight->function >= 0 && scheme->used[j])
      add(sum, weight->function, varied, -scheme->dt * weight->factor, state[j]);
  }
}

static sn_status transform(const exponential *scheme, bool transpose, ptrdiff_t samples, const double *state,
                           double *transformed) {
  return sn_exponential_transform(scheme->base.exponential, transpose, samples, state, transformed);
}

static sn_status evaluate(const exponential *scheme, bool transpose, ptrdiff_t samples, const combination *sum,
                          double *state) {
  return sn_exponential_sum(scheme->base.exponential, transpose, samples, sum->terms, sum->term, state);
}

/* A step's tape: the transformed states where A is trained; for every stage in use its value, then the network's tape.
 */
static ptrdiff_t stage_tape_size(const exponential *scheme, ptrdiff_t samples) {
  return sn_stepper_aligned(samples * scheme->points) +
         sn_stepper_aligned(sn_network_tape_size(sn_model_network(scheme->model), samples));
}

static ptrdiff_t states_size(const exponential *scheme) {
  return scheme->varies ? (scheme->form.stages + 1) * scheme->size : 0;
}

static ptrdiff_t tape_size(const sn_stepper *stepper, ptrdiff_t samples) {
  const exponential *scheme = (const exponential *)stepper;
  return states_size(scheme) + scheme->form.stages * stage_tape_size(scheme, samples);
}

static ptrdiff_t stage_offset(const exponential *scheme, ptrdiff_t samples, int i) {
  return states_size(scheme) + i * stage_tape_size(scheme, samples);
}

/* The transformed states of a step, on its tape if that has them. */
static void find_states(exponential *scheme, const double *tape, double *state[STATES]) {
  for (int j = 0; j <= scheme->form.stages; j++)
    state[j] = tape && scheme->varies ? (double *)tape + j * scheme->size : scheme->state[j];
}

/* The difference between the solution and that of the embedded method, sample by sample. */
static sn_status estimate(exponential *scheme, ptrdiff_t samples, double *const *state) {
  const ptrdiff_t n = scheme->points;
  combination sum = {0};
  add_row(scheme, solution_of(scheme) + 1, false, state, &sum);
  if (sum.terms) SN_TRY(evaluate(scheme, false, samples, &sum, scheme->work));
  for (ptrdiff_t s = 0; s < samples; s++)
    scheme->base.estimate[s] = sum.terms ? sn_sum_of_squares(n, scheme->work + s * n) : 0;
  return SN_OK;
}

/* The first stage is u. */
static sn_status stage_forward(exponential *scheme, int i, ptrdiff_t samples, const double *u, double *const *state,
                               double *tape) {
  const size_t bytes = (size_t)(samples * scheme->points) * sizeof(double);
  double *stage = tape ? tape + stage_offset(scheme, samples, i) : scheme->stage;
  double *network_tape = tape ? stage + sn_stepper_aligned(samples * scheme->points) : NULL;
  combination sum = {0};
  add_row(scheme, i, false, state, &sum);
  if (sum.terms)
    SN_TRY(evaluate(scheme, false, samples, &sum, stage));
  else
    memcpy(stage, u, bytes);
  SN_TRY(sn_network_forward(sn_model_network(scheme->model), samples, stage, scheme->work, network_tape));
  return transform(scheme, false, samples, scheme->work, state[i]);
}

static sn_status forward(sn_stepper *stepper, ptrdiff_t samples, const double *u, double *next, double *tape) {
  exponential *scheme = (exponential *)stepper;
  double *state[STATES];
  combination sum = {0};
  find_states(scheme, tape, state);
  SN_TRY(sn_exponential_update(scheme->base.exponential));
  SN_TRY(transform(scheme, false, samples, u, state[solution_of(scheme)]));
  for (int i = 0; i < scheme->form.stages; i++)
    if (scheme->used[i]) SN_TRY(stage_forward(scheme, i, samples, u, state, tape));
  add_row(scheme, solution_of(scheme), false, state, &sum);
  SN_TRY(evaluate(scheme, false, samples, &sum, next));
  return scheme->estimates ? estimate(scheme, samples, state) : SN_OK;
}

/* Adds column j of the transposed form to the derivative by F_j, or, j = s, to that by u; and where A is trained, what
 * the same products are by A. */
static void add_column(const exponential *scheme, int j, ptrdiff_t samples, double *const *state, bool gathers,
                       combination *sum) {
  const sn_exponential_form *form = &scheme->form;
  for (int i = 0; i <= form->stages; i++) {
    const bool by_u = j == form->stages;
    const int function = by_u ? form->growth[i] : i > j ? form->weight[i][j].function : SN_EXPONENTIAL_NONE;
    if (function < 0 || (i < form->stages && !scheme->used[i])) continue;
    const double weight = by_u ? 1 : -scheme->dt * form->weight[i][j].factor;
    add(sum, function, false, weight, scheme->state[i]);
    if (gathers) sn_exponential_gather(scheme->base.exponential, samples, function, weight, scheme->state[i], state[j]);
  }
}

/* The derivative by U_i, transformed where U_i is not u itself. */
static sn_status stage_backward(exponential *scheme, int i, ptrdiff_t samples, const double *tape, double *const *state,
                                const sn_gradient *gradient) {
  const double *value = tape + stage_offset(scheme, samples, i);
  const double *network_tape = value + sn_stepper_aligned(samples * scheme->points);
  const bool wanted = !scheme->base.skips_lambda || i > 0;
  combination sum = {0};
  sn_gradient own;
  add_column(scheme, i, samples, state, gradient && scheme->varies, &sum);
  SN_TRY(evaluate(scheme, true, samples, &sum, scheme->work));
  SN_TRY(sn_network_backward(sn_model_network(scheme->model), samples, value, network_tape, scheme->work,
                             wanted ? scheme->u_bar : NULL, sn_gradient_for_pass(gradient, i == 0, &own)));
  return wanted && scheme->form.growth[i] >= 0 ? transform(scheme, true, samples, scheme->u_bar, scheme->state[i])
                                               : SN_OK;
}

static sn_status backward(sn_stepper *stepper, ptrdiff_t samples, const double *tape, double *lambda,
                          const sn_gradient *gradient) {
  exponential *scheme = (exponential *)stepper;
  const int last = solution_of(scheme);
  double *state[STATES];
  combination sum = {0};
  find_states(scheme, tape, state);
  SN_TRY(transform(scheme, true, samples, lambda, scheme->state[last]));
  for (int i = last - 1; i >= 0; i--)
    if (scheme->used[i]) SN_TRY(stage_backward(scheme, i, samples, tape, state, gradient));
  add_column(scheme, last, samples, state, gradient && scheme->varies, &sum);
  if (scheme->base.skips_lambda) return SN_OK;
  SN_TRY(evaluate(scheme, true, samples, &sum, lambda));
  for (ptrdiff_t k = 0; k < samples * scheme->points && scheme->used[0]; k++) lambda[k] += scheme->u_bar[k];
  return SN_OK;
}

static void begin_backward(sn_stepper *stepper) {
  exponential *scheme = (exponential *)stepper;
  if (scheme->varies) sn_exponential_clear(scheme->base.exponential);
}

static sn_status end_backward(sn_stepper *stepper, const sn_gradient *gradient) {
  exponential *scheme = (exponential *)stepper;
  return scheme->varies ? sn_exponential_gradient(scheme->base.exponential, gradient->values) : SN_OK;
}

/* Whether A changes along direction d. */
static bool varies_along(const exponential *scheme, const sn_directions *along, ptrdiff_t d) {
  return scheme->varies && along->dtheta &&
         sn_linear_varies(sn_model_linear(scheme->model), along->dtheta + d * along->size);
}

/* What the changes of A along the directions add to every row, with the states of the tape. */
static sn_status find_changes(exponential *scheme, ptrdiff_t samples, const double *tape, const sn_directions *along) {
  double *state[STATES];
  find_states(scheme, tape, state);
  for (ptrdiff_t d = 0; d < along->count; d++) {
    if (!varies_along(scheme, along, d)) continue;
    SN_TRY(sn_exponential_set_direction(scheme->base.exponential, samples, along->dtheta + d * along->size));
    for (int i = 0; i <= solution_of(scheme); i++) {
      combination sum = {0};
      add_row(scheme, i, true, state, &sum);
      if (sum.terms && scheme->change[i])
        SN_TRY(evaluate(scheme, false, samples, &sum, scheme->change[i] + d * samples * scheme->points));
    }
  }
  return SN_OK;
}

/* The tangents of row i. */
static sn_status row_tangents(exponential *scheme, int i, ptrdiff_t samples, const sn_directions *along, double *out) {
  const ptrdiff_t count = samples * scheme->points;
  combination sum = {0};
  add_row(scheme, i, false, scheme->state, &sum);
  if (sum.terms)
    SN_TRY(evaluate(scheme, false, along->count * samples, &sum, out));
  else
    memcpy(out, along->du, (size_t)(along->count * count) * sizeof *out);
  for (ptrdiff_t d = 0; d < along->count && sum.terms; d++)
    if (varies_along(scheme, along, d)) sn_add_scaled(count, 1, scheme->change[i] + d * count, out + d * count);
  return SN_OK;
}

static sn_status stage_tangents(exponential *scheme, int i, ptrdiff_t samples, const double *tape,
                                const sn_directions *along) {
  const double *value = tape + stage_offset(scheme, samples, i),
               *network_tape = value + sn_stepper_aligned(samples * scheme->points);
  const sn_network_directions of_stage = {along->count, scheme->stage, along->dtheta, along->support};
  SN_TRY(row_tangents(scheme, i, samples, along, scheme->stage));
  SN_TRY(sn_network_tangents(sn_model_network(scheme->model), samples, value, network_tape, &of_stage, scheme->work));
  return transform(scheme, false, along->count * samples, scheme->work, scheme->state[i]);
}

static sn_status tangents(sn_stepper *stepper, ptrdiff_t samples, const double *tape, const sn_directions *along) {
  exponential *scheme = (exponential *)stepper;
  const int last = solution_of(scheme);
  SN_TRY(find_changes(scheme, samples, tape, along));
  SN_TRY(transform(scheme, false, along->count * samples, along->du, scheme->state[last]));
  for (int i = 0; i < last; i++)
    if (scheme->used[i]) SN_TRY(stage_tangents(scheme, i, samples, tape, along));
  return row_tangents(scheme, last, samples, along, along->du);
}

static sn_status tangent(sn_stepper *stepper, ptrdiff_t samples, const double *tape, double *du, const double *dtheta) {
  const sn_directions one = {.count = 1, .du = du, .dtheta = dtheta};
  return tangents(stepper, samples, tape, &one);
}

/* Room for so many fields in all that tangents need, which is what forward steps work on as well. */
static sn_status reserve_fields(exponential *scheme, ptrdiff_t fields) {
  const ptrdiff_t count = fields * scheme->points, size = sn_exponential_size(scheme->base.exponential, fields);
  const int last = solution_of(scheme);
  for (int j = 0; j <= last; j++) {
    SN_FREE(scheme->state[j]);
    SN_FREE(scheme->change[j]);
    if (j < last && !scheme->used[j]) continue;
    SN_TRY(SN_NEW(size, &scheme->state[j]));
    if (scheme->differentiates) SN_TRY(SN_NEW(count, &scheme->change[j]));
  }
  SN_FREE(scheme->stage);
  SN_FREE(scheme->work);
  scheme->fields = fields;
  SN_TRY(SN_NEW(count, &scheme->stage));
  return SN_NEW(count, &scheme->work);
}

static sn_status reserve_tangents(sn_stepper *stepper, ptrdiff_t samples, ptrdiff_t directions) {
  exponential *scheme = (exponential *)stepper;
  const ptrdiff_t fields = samples * directions;
  SN_TRY(sn_exponential_reserve(stepper->exponential, samples));
  SN_TRY(sn_exponential_reserve(stepper->exponential, fields));
  const sn_status status = fields > scheme->fields ? reserve_fields(scheme, fields) : SN_OK;
  return sn_collective_status(sn_grid_space(sn_model_grid(scheme->model)), status);
}

static sn_status prepare(sn_stepper *stepper, ptrdiff_t samples) {
  return sn_exponential_reserve(stepper->exponential, samples);
}

static void destroy(sn_stepper **stepper) {
  exponential *scheme = (exponential *)*stepper;
  if (!scheme) return;
  for (int i = 0; i < STATES; i++) {
    SN_FREE(scheme->state[i]);
    SN_FREE(scheme->change[i]);
  }
  SN_FREE(scheme->stage);
  SN_FREE(scheme->work);
  SN_FREE(scheme->u_bar);
  SN_FREE(scheme->base.estimate);
  sn_exponential_destroy(&scheme->base.exponential);
  SN_FREE(*stepper);
}

static const sn_stepper_ops ops = {.destroy = destroy,
                                   .tape_size = tape_size,
                                   .prepare = prepare,
                                   .forward = forward,
                                   .begin_backward = begin_backward,
                                   .backward = backward,
                                   .end_backward = end_backward,
                                   .tangent = tangent,
                                   .reserve_tangents = reserve_tangents,
                                   .tangents = tangents};

static sn_status allocate_arrays(exponential *scheme, const sn_integrator_options *options) {
  const ptrdiff_t samples = sn_model_samples(scheme->model);
  SN_TRY(reserve_fields(scheme, samples));
  if (scheme->estimates) SN_TRY(SN_NEW(samples, &scheme->base.estimate));
  return options->adjoint ? SN_NEW(samples * scheme->points, &scheme->u_bar) : SN_OK;
}

static sn_status create_functions(exponential *scheme, const sn_integrator_options *options) {
  const sn_exponential_options wanted = {.rigor = options->solver.rigor,
                                         .dt = scheme->dt,
                                         .samples = sn_model_samples(scheme->model),
                                         .gradient = options->adjoint,
                                         .tangent = options->tangent};
  SN_TRY(sn_exponential_create(sn_model_grid(scheme->model), sn_model_linear(scheme->model), &wanted,
                               scheme->form.functions, scheme->form.function, &scheme->base.exponential));
  scheme->size = sn_stepper_aligned(sn_exponential_size(scheme->base.exponential, sn_model_samples(scheme->model)));
  return SN_OK;
}

sn_status sn_exponential_stepper_create(sn_model *model, const sn_integrator_options *options, double dt,
                                        sn_stepper **out) {
  const sn_grid *grid = sn_model_grid(model);
  const sn_linear *linear = sn_model_linear(model);
  const MPI_Comm world = sn_grid_world(grid);
  exponential *scheme;
  SN_TRY(sn_collective_status(world, SN_NEW(1, &scheme)));
  *out = &scheme->base;
  scheme->base.ops = &ops;
  scheme->base.lone_directions = sn_linear_is_trainable(linear) && !sn_linear_is_circulant(linear);
  scheme->form = sn_exponential_form_of(options->tableau);
  scheme->model = model;
  scheme->points = sn_grid_range(grid).count;
  scheme->dt = dt;
  scheme->varies = sn_linear_is_trainable(linear) && (options->adjoint || options->tangent);
  scheme->differentiates = scheme->varies && options->tangent;
  scheme->estimates = options->estimate && sn_tableau_is_embedded(options->tableau);
  if (sn_network_get_shape(sn_model_network(model))->kind != SN_NETWORK_NONE)
    sn_exponential_form_used(&scheme->form, scheme->estimates, scheme->used);
  sn_status status = sn_collective_status(world, create_functions(scheme, options));
  if (!status) status = sn_collective_status(world, allocate_arrays(scheme, options));
  if (status) destroy(out);
  return status;
}
