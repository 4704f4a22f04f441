/*
 * IMEX Runge-Kutta by a tableau, its discrete adjoint and its tangents, in the notation of docs/method.md.
 *
 * With G = -F, gamma_i = dt at_ii and S_i = (I - gamma_i A)^-1, stage i = 1 .. s of a step is
 *
 *   r_i = u_n + dt sum_{j<i} (a_ij G_j + at_ij H_j)     U_i = S_i r_i
 *   H_i = A U_i = (U_i - r_i) / gamma_i                 G_i = G(U_i)
 *
 * The stage derivative H_i comes from the solve: applying A would lose eps / dx^4. Where gamma_i = 0, U_i = r_i and H_i
 * = A r_i. Where the last stage has the weights of the solution for A (at_sj = bt_j), the solution is
 * U_s + dt sum_j (b_j - a_sj) G_j: summing up the H_j, large on fine grids, would bring back their round-off.
 *
 * Networks evaluate F: the arrays f hold F_i = -G_i, f_bar holds the derivative of the loss by F_i, that is -dt times
 * the weighted sum which makes the bar of G_i.
 */
#include <string.h>

#include "combination.h"
#include "sinode/memory.h"
#include "stepper_ops.h"

enum { STAGES = SN_TABLEAU_STAGES };

typedef struct {
  sn_stepper base;
  const sn_tableau *tableau;
  sn_model *model;
  ptrdiff_t points; /* local */
  double dt;
  bool from_last; /* the solution is based on the last stage, not on u */
  bool estimates; /* the embedded method's difference is wanted */
  bool needs_f[STAGES], needs_h[STAGES], used[STAGES];
  int first;            /* of the stages in use */
  double gamma[STAGES]; /* the distinct ones, as the solver has them */
  int solve[STAGES];    /* which of them a stage is solved with; -1: an explicit stage */
  double *f[STAGES], *h[STAGES];
  ptrdiff_t fields;                      /* rows of points that there is room for */
  double *stage;                         /* U_i when no tape is kept */
  double *r_bar[STAGES], *f_bar, *h_bar; /* adjoint */
} imex;

/* 0 for an explicit stage. */
static double gamma_of(const imex *scheme, int i) { return scheme->solve[i] < 0 ? 0 : scheme->gamma[scheme->solve[i]]; }

/* F as stage i needs it. */
static sn_network *network_of(const imex *scheme, int i) {
  sn_network *network = sn_model_network(scheme->model);
  const sn_range kept = scheme->base.counted;
  if (!scheme->base.beyond) return network;
  const ptrdiff_t beyond = scheme->base.beyond[i];
  sn_network_restrict(network, (sn_range){kept.start - beyond, kept.count + 2 * beyond});
  return network;
}

/* Weights of G_j and H_j in stage i, or in the solution (i = stages) beside U_s where that is the base. */
static double nonlinear_weight(const imex *scheme, int i, int j) {
  const sn_tableau *tableau = scheme->tableau;
  const double weight = sn_tableau_nonlinear(tableau, i, j);
  return i == tableau->stages && scheme->from_last ? weight - sn_tableau_nonlinear(tableau, i - 1, j) : weight;
}

static double linear_weight(const imex *scheme, int i, int j) {
  return i == scheme->tableau->stages && scheme->from_last ? 0 : sn_tableau_linear(scheme->tableau, i, j);
}

/* The right-hand side of stage i, or the new solution for i = stages. */
static void add_row(const imex *scheme, int i, sn_combination *sum) {
  for (int j = 0; j < i; j++) {
    if (scheme->needs_f[j]) sn_combination_add(sum, -scheme->dt * nonlinear_weight(scheme, i, j), scheme->f[j]);
    if (scheme->needs_h[j]) sn_combination_add(sum, scheme->dt * linear_weight(scheme, i, j), scheme->h[j]);
  }
}

/* h := (stage - h) * factor: A U_i from the right-hand side in h. */
static void stage_derivative(ptrdiff_t count, double factor, const double *restrict stage, double *restrict h) {
  for (ptrdiff_t k = 0; k < count; k++) h[k] = (stage[k] - h[k]) * factor;
}

static sn_status stage_forward(imex *scheme, int i, ptrdiff_t samples, const double *u, double *stage, double *tape) {
  const ptrdiff_t count = samples * scheme->points;
  sn_combination sum;
  sn_combination_begin(&sum);
  sn_combination_add(&sum, 1, u);
  add_row(scheme, i, &sum);
  const double gamma = gamma_of(scheme, i);
  double *h = scheme->h[i];
  const bool keeps = gamma != 0 && scheme->needs_h[i];
  sn_combination_evaluate(&sum, count, keeps ? h : stage);
  if (keeps) {
    SN_TRY(sn_solver_solve_from(scheme->base.solver, scheme->solve[i], samples, h, stage));
    stage_derivative(count, 1 / gamma, stage, h);
  } else if (gamma != 0) {
    SN_TRY(sn_solver_solve(scheme->base.solver, scheme->solve[i], samples, stage));
  } else if (scheme->needs_h[i]) {
    SN_TRY(sn_linear_apply(sn_model_linear(scheme->model), samples, stage, h));
  }
  if (scheme->needs_f[i]) SN_TRY(sn_network_forward(network_of(scheme, i), samples, stage, scheme->f[i], tape));
  return SN_OK;
}

/* A step's tape: for every stage its value U_i, then the network's tape. */
static ptrdiff_t stage_tape_size(const imex *scheme, ptrdiff_t samples) {
  return sn_stepper_aligned(samples * scheme->points) +
         sn_stepper_aligned(sn_network_tape_size(sn_model_network(scheme->model), samples));
}

static ptrdiff_t tape_size(const sn_stepper *stepper, ptrdiff_t samples) {
  const imex *scheme = (const imex *)stepper;
  return scheme->tableau->stages * stage_tape_size(scheme, samples);
}

/* Sums of squares, sample by sample, of the difference between the solution and that of the embedded method. */
static void estimate(imex *scheme, ptrdiff_t samples, const double *u, const double *next) {
  const double *weight = scheme->tableau->embedded;
  const ptrdiff_t n = scheme->points;
  sn_combination sum;
  sn_combination_begin(&sum);
  sn_combination_add(&sum, 1, next);
  sn_combination_add(&sum, -1, u);
  for (int j = 0; j < scheme->tableau->stages; j++) {
    if (scheme->needs_f[j]) sn_combination_add(&sum, scheme->dt * weight[j], scheme->f[j]);
    if (scheme->needs_h[j]) sn_combination_add(&sum, -scheme->dt * weight[j], scheme->h[j]);
  }
  sn_combination_evaluate(&sum, samples * n, scheme->stage);
  const sn_range counted = scheme->base.counted;
  for (ptrdiff_t s = 0; s < samples; s++)
    scheme->base.estimate[s] = sn_sum_of_squares(counted.count, scheme->stage + s * n + counted.start);
}

static sn_status forward(sn_stepper *stepper, ptrdiff_t samples, const double *u, double *next, double *tape) {
  imex *scheme = (imex *)stepper;
  const int stages = scheme->tableau->stages;
  const ptrdiff_t count = samples * scheme->points;
  double *stage = scheme->stage;
  for (int i = 0; i < stages; i++) {
    if (!scheme->used[i]) continue;
    double *network_tape = NULL;
    if (tape) {
      stage = tape + i * stage_tape_size(scheme, samples);
      network_tape = stage + sn_stepper_aligned(count);
    }
    SN_TRY(stage_forward(scheme, i, samples, u, stage, network_tape));
  }
  sn_combination sum;
  sn_combination_begin(&sum);
  sn_combination_add(&sum, 1, scheme->from_last ? stage : u);
  add_row(scheme, stages, &sum);
  sn_combination_evaluate(&sum, count, next);
  if (scheme->estimates) estimate(scheme, samples, u, next);
  return SN_OK;
}

/* Adds weight (b_i lambda + sum_{j>i} a_ji r_bar_j), with the coefficients of G or of H. */
static void add_column(const imex *scheme, int i, double weight, double (*coefficient)(const imex *, int, int),
                       const double *lambda, sn_combination *sum) {
  const int stages = scheme->tableau->stages;
  sn_combination_add(sum, weight * coefficient(scheme, stages, i), lambda);
  for (int j = i + 1; j < stages; j++)
    if (scheme->used[j]) sn_combination_add(sum, weight * coefficient(scheme, j, i), scheme->r_bar[j]);
}

/* The network's part: u_bar = J_i^T G_bar_i (NULL: not wanted), and its gradient. f_bar = -G_bar_i. */
static sn_status network_backward(imex *scheme, int i, ptrdiff_t samples, const double *tape, const double *lambda,
                                  double *u_bar, const sn_gradient *gradient) {
  const ptrdiff_t count = samples * scheme->points;
  if (!scheme->needs_f[i]) {
    if (u_bar) memset(u_bar, 0, (size_t)count * sizeof *u_bar);
    return SN_OK;
  }
  sn_combination sum;
  sn_combination_begin(&sum);
  sn_gradient own;
  add_column(scheme, i, -scheme->dt, nonlinear_weight, lambda, &sum);
  sn_combination_evaluate(&sum, count, scheme->f_bar);
  return sn_network_backward(network_of(scheme, i), samples, tape, tape + sn_stepper_aligned(count), scheme->f_bar,
                             u_bar, sn_gradient_for_pass(gradient, i == scheme->first, &own));
}

/*
 * The adjoint of stage i, eq. (5) of the paper; lambda is the derivative by the new solution, a bar marks that by a
 * part of the stage, J_i = G'(U_i):
 *
 *   G_bar_i = dt b_i lambda + dt sum_{j>i} a_ji r_bar_j,   H_bar_i = dt bt_i lambda + dt sum_{j>i} at_ji r_bar_j
 *
 *   gamma_i != 0:  w       = S_i^T (J_i^T G_bar_i + H_bar_i / gamma_i)
 *                  r_bar_i = w - H_bar_i / gamma_i,                       A_bar += gamma_i w U_i^T
 *   gamma_i = 0:   r_bar_i = J_i^T G_bar_i + A^T H_bar_i,                 A_bar += H_bar_i U_i^T
 *
 *   theta_bar += (dG/dtheta (U_i))^T G_bar_i
 *
 * Where the solution comes from the last stage, lambda enters as that stage's U_bar beside J_i^T G_bar_i, and b and bt
 * drop out. h_bar holds H_bar_i / gamma_i in implicit stages.
 */
static sn_status stage_backward(imex *scheme, int i, ptrdiff_t samples, const double *tape, const double *lambda,
                                const sn_gradient *gradient) {
  const ptrdiff_t count = samples * scheme->points;
  const double *stage = tape;
  const double gamma = gamma_of(scheme, i);
  double *r_bar = scheme->r_bar[i], *h_bar = scheme->h_bar;
  sn_linear *linear = sn_model_linear(scheme->model);

  const bool ends_here = scheme->base.skips_lambda && i == scheme->first && !sn_linear_is_trainable(linear);
  SN_TRY(network_backward(scheme, i, samples, tape, lambda, ends_here ? NULL : r_bar, gradient));
  if (ends_here) return SN_OK;
  if (scheme->from_last && i == scheme->tableau->stages - 1) sn_add_scaled(count, 1, lambda, r_bar);
  if (scheme->needs_h[i]) {
    sn_combination sum;
    sn_combination_begin(&sum);
    add_column(scheme, i, gamma != 0 ? scheme->dt / gamma : scheme->dt, linear_weight, lambda, &sum);
    sn_combination_evaluate(&sum, count, h_bar);
  }
  if (gamma != 0) {
    if (scheme->needs_h[i]) sn_add_scaled(count, 1, h_bar, r_bar);
    SN_TRY(sn_solver_solve_transpose(scheme->base.solver, scheme->solve[i], samples, r_bar));
    if (gradient) SN_TRY(sn_linear_gradient(linear, samples, gamma, r_bar, stage, gradient->values));
    if (scheme->needs_h[i]) sn_add_scaled(count, -1, h_bar, r_bar);
  } else if (scheme->needs_h[i]) {
    if (gradient) SN_TRY(sn_linear_gradient(linear, samples, 1, h_bar, stage, gradient->values));
    SN_TRY(sn_linear_apply_transpose(linear, samples, h_bar, scheme->stage));
    sn_add_scaled(count, 1, scheme->stage, r_bar);
  }
  return SN_OK;
}

/* lambda := lambda + sum_i r_bar_i, or sum_i r_bar_i where the solution comes from the last stage. */
static sn_status backward(sn_stepper *stepper, ptrdiff_t samples, const double *tape, double *lambda,
                          const sn_gradient *gradient) {
  imex *scheme = (imex *)stepper;
  const int stages = scheme->tableau->stages;
  sn_combination sum;
  sn_combination_begin(&sum);
  if (!scheme->from_last) sn_combination_add(&sum, 1, lambda);
  for (int i = stages - 1; i >= 0; i--) {
    if (!scheme->used[i]) continue;
    SN_TRY(stage_backward(scheme, i, samples, tape + i * stage_tape_size(scheme, samples), lambda, gradient));
    sn_combination_add(&sum, 1, scheme->r_bar[i]);
  }
  sn_combination_evaluate(&sum, samples * scheme->points, lambda);
  return SN_OK;
}

/* Whether A does along any direction. */
static bool changes_linear(const imex *scheme, const sn_directions *along) {
  bool varies = false;
  for (ptrdiff_t d = 0; d < along->count && along->dtheta && !varies; d++)
    varies = sn_linear_varies(sn_model_linear(scheme->model), along->dtheta + d * along->size);
  return varies;
}

/* y += weight dA x along every direction. */
static sn_status add_linear_tangents(const imex *scheme, ptrdiff_t samples, double weight, const sn_directions *along,
                                     const double *x, double *y) {
  for (ptrdiff_t d = 0; d < along->count && along->dtheta; d++)
    SN_TRY(sn_linear_tangent(sn_model_linear(scheme->model), samples, weight, along->dtheta + d * along->size, x,
                             y + d * samples * scheme->points));
  return SN_OK;
}

/* The tangents of stage i: dU_i into `stage`, dF_i = -dG_i and dH_i in the arrays of F_i and H_i. */
static sn_status stage_tangent(imex *scheme, int i, ptrdiff_t samples, const double *tape, const sn_directions *along) {
  const ptrdiff_t fields = along->count * samples, count = fields * scheme->points;
  const double gamma = gamma_of(scheme, i), *value = tape,
               *network_tape = tape + sn_stepper_aligned(samples * scheme->points);
  double *h = scheme->h[i], *stage = scheme->stage;
  sn_combination sum;
  sn_combination_begin(&sum);
  sn_combination_add(&sum, 1, along->du);
  add_row(scheme, i, &sum);
  const bool keeps = gamma != 0 && scheme->needs_h[i], changes = changes_linear(scheme, along);
  sn_combination_evaluate(&sum, count, keeps && !changes ? h : stage);
  if (keeps && changes) memcpy(h, stage, (size_t)count * sizeof *h);
  if (gamma != 0) {
    SN_TRY(add_linear_tangents(scheme, samples, gamma, along, value, stage));
    SN_TRY(sn_solver_solve_from(scheme->base.solver, scheme->solve[i], fields, keeps && !changes ? h : stage, stage));
    if (scheme->needs_h[i]) stage_derivative(count, 1 / gamma, stage, h);
  } else if (scheme->needs_h[i]) {
    SN_TRY(sn_linear_apply(sn_model_linear(scheme->model), fields, stage, h));
    SN_TRY(add_linear_tangents(scheme, samples, 1, along, value, h));
  }
  if (!scheme->needs_f[i]) return SN_OK;
  const sn_network_directions of_stage = {along->count, stage, along->dtheta, along->support};
  return sn_network_tangents(network_of(scheme, i), samples, value, network_tape, &of_stage, scheme->f[i]);
}

static sn_status tangents(sn_stepper *stepper, ptrdiff_t samples, const double *tape, const sn_directions *along) {
  imex *scheme = (imex *)stepper;
  const int stages = scheme->tableau->stages;
  const ptrdiff_t count = samples * scheme->points;
  for (int i = 0; i < stages; i++)
    if (scheme->used[i]) SN_TRY(stage_tangent(scheme, i, samples, tape + i * stage_tape_size(scheme, samples), along));
  sn_combination sum;
  sn_combination_begin(&sum);
  sn_combination_add(&sum, 1, scheme->from_last ? scheme->stage : along->du);
  add_row(scheme, stages, &sum);
  sn_combination_evaluate(&sum, along->count * count, along->du);
  return SN_OK;
}

static sn_status tangent(sn_stepper *stepper, ptrdiff_t samples, const double *tape, double *du, const double *dtheta) {
  const sn_directions one = {.count = 1, .du = du, .dtheta = dtheta};
  return tangents(stepper, samples, tape, &one);
}

/* Room for so many fields in what stages leave. */
static sn_status reserve_fields(imex *scheme, ptrdiff_t fields) {
  const ptrdiff_t count = fields * scheme->points;
  for (int i = 0; i < scheme->tableau->stages; i++) {
    SN_FREE(scheme->f[i]);
    SN_FREE(scheme->h[i]);
    if (scheme->needs_f[i]) SN_TRY(SN_NEW(count, &scheme->f[i]));
    if (scheme->needs_h[i]) SN_TRY(SN_NEW(count, &scheme->h[i]));
  }
  SN_FREE(scheme->stage);
  scheme->fields = fields;
  return SN_NEW(count, &scheme->stage);
}

static sn_status reserve_tangents(sn_stepper *stepper, ptrdiff_t samples, ptrdiff_t directions) {
  imex *scheme = (imex *)stepper;
  const ptrdiff_t fields = samples * directions;
  const sn_status status = fields > scheme->fields ? reserve_fields(scheme, fields) : SN_OK;
  SN_TRY(sn_collective_status(sn_grid_space(sn_model_grid(scheme->model)), status));
  return scheme->base.solver ? sn_solver_reserve(scheme->base.solver, fields) : SN_OK;
}

static void destroy(sn_stepper **stepper) {
  imex *scheme = (imex *)*stepper;
  if (!scheme) return;
  for (int i = 0; i < STAGES; i++) {
    SN_FREE(scheme->f[i]);
    SN_FREE(scheme->h[i]);
    SN_FREE(scheme->r_bar[i]);
  }
  SN_FREE(scheme->stage);
  SN_FREE(scheme->f_bar);
  SN_FREE(scheme->h_bar);
  SN_FREE(scheme->base.estimate);
  sn_solver_destroy(&scheme->base.solver);
  SN_FREE(*stepper);
}

static const sn_stepper_ops ops = {.destroy = destroy,
                                   .tape_size = tape_size,
                                   .forward = forward,
                                   .backward = backward,
                                   .tangent = tangent,
                                   .reserve_tangents = reserve_tangents,
                                   .tangents = tangents};

/* Which stage values, network values and stage derivatives anything depends on. */
static void find_needs(imex *scheme, bool has_network) {
  const sn_tableau *tableau = scheme->tableau;
  const int stages = tableau->stages;
  for (int j = stages - 1; j >= 0; j--) {
    for (int i = j + 1; i <= stages; i++) {
      if (i < stages && !scheme->used[i]) continue;
      scheme->needs_f[j] |= has_network && nonlinear_weight(scheme, i, j) != 0;
      scheme->needs_h[j] |= linear_weight(scheme, i, j) != 0;
    }
    if (scheme->estimates && tableau->embedded[j] != 0) {
      scheme->needs_f[j] = has_network;
      scheme->needs_h[j] = true;
    }
    scheme->used[j] = scheme->needs_f[j] || scheme->needs_h[j] || (scheme->from_last && j == stages - 1);
    if (scheme->used[j]) scheme->first = j;
  }
}

static sn_status allocate_arrays(imex *scheme, bool adjoint) {
  const ptrdiff_t count = sn_model_samples(scheme->model) * scheme->points;
  for (int i = 0; i < scheme->tableau->stages; i++)
    if (adjoint && scheme->used[i]) SN_TRY(SN_NEW(count, &scheme->r_bar[i]));
  SN_TRY(reserve_fields(scheme, sn_model_samples(scheme->model)));
  if (scheme->estimates) SN_TRY(SN_NEW(sn_model_samples(scheme->model), &scheme->base.estimate));
  if (!adjoint) return SN_OK;
  SN_TRY(SN_NEW(count, &scheme->f_bar));
  return SN_NEW(count, &scheme->h_bar);
}

sn_status sn_imex_create(sn_model *model, const sn_integrator_options *options, double dt, sn_stepper **out) {
  const sn_grid *grid = sn_model_grid(model);
  imex *scheme;
  SN_TRY(sn_collective_status(sn_grid_world(grid), SN_NEW(1, &scheme)));
  *out = &scheme->base;
  scheme->base.ops = &ops;
  scheme->tableau = options->tableau;
  scheme->model = model;
  scheme->points = sn_grid_range(grid).count;
  scheme->base.counted.count = scheme->points;
  scheme->dt = dt;
  scheme->from_last = sn_tableau_is_stiffly_accurate(options->tableau);
  scheme->estimates = options->estimate && sn_tableau_is_embedded(options->tableau);
  find_needs(scheme, sn_network_get_shape(sn_model_network(model))->kind != SN_NETWORK_NONE);
  const int count = sn_tableau_gammas(options->tableau, options->dt, scheme->used, scheme->gamma, scheme->solve);
  sn_status status = sn_collective_status(sn_grid_world(grid), allocate_arrays(scheme, options->adjoint));
  if (!status && count)
    status =
        sn_solver_create(grid, sn_model_linear(model), &options->solver, count, scheme->gamma, &scheme->base.solver);
  if (status) destroy(out);
  return status;
}
