/*
 * Backward Euler (theta = 1) and Crank-Nicolson (theta = 1/2) for the whole right-hand side f(u) = -F(u) + A u:
 *
 *   U = r + gamma f(U),  gamma = theta dt,  r = u + (1 - theta) dt f(u)
 *
 * by Newton's method on the residual multiplied by S = (I - gamma A)^-1, the factorized linear part:
 *
 *   (I + gamma S F'(U)) delta = S (r - gamma F(U)) - U
 *
 * Each Newton step is solved by GMRES, inexactly: to a tolerance that follows the outer residual (Dembo, Eisenstat,
 * Steihaug 1982). S bounds the operator whatever the grid, and A itself is never applied to U. (S can be left out, to
 * measure what it saves.) The first guess is a semi-implicit Euler step. The adjoint is one transposed solve a step
 * with the same preconditioner, as exact as Newton's method: (I + gamma S^T F'(U)^T) w = S^T lambda.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sinode/gmres.h"
#include "sinode/memory.h"
#include "stepper_ops.h"

enum { NEWTON_MOST = 100, KRYLOV_MOST = 1000, RESTART = 40 };

typedef struct {
  sn_stepper base;
  const char *name;
  sn_model *model;
  ptrdiff_t points; /* local */
  double dt, theta, gamma;
  sn_newton_control newton;
  sn_gmres *gmres;
  double *right, *residual, *delta, *f, *scratch;
  long newtons, krylovs;           /* iterations so far */
  double history[NEWTON_MOST + 1]; /* relative residuals of the step under way */
  double hardest[NEWTON_MOST + 1]; /* of the step that took most iterations, and how many they are */
  int hardest_length;
  double *own_tape;           /* of one step, where the caller keeps none */
  const double *at, *at_tape; /* U and its network tape, where the GMRES operators linearize */
} implicit;

/* A step's tape: U, the network's tape at U, and for theta < 1 the old state and the network's tape there. */
typedef struct {
  double *end, *end_tape, *start, *start_tape;
} step_tape;

static ptrdiff_t half_size(const implicit *scheme, ptrdiff_t samples) {
  return sn_stepper_aligned(samples * scheme->points) +
         sn_stepper_aligned(sn_network_tape_size(sn_model_network(scheme->model), samples));
}

static ptrdiff_t tape_size(const sn_stepper *stepper, ptrdiff_t samples) {
  const implicit *scheme = (const implicit *)stepper;
  return (scheme->theta < 1 ? 2 : 1) * half_size(scheme, samples);
}

static step_tape lay_out(const implicit *scheme, ptrdiff_t samples, double *tape) {
  const ptrdiff_t count = sn_stepper_aligned(samples * scheme->points);
  double *start = tape + half_size(scheme, samples);
  return (step_tape){.end = tape, .end_tape = tape + count, .start = start, .start_tape = start + count};
}

/* Largest over the samples of |x| / |reference|. Collective over space. */
static double relative_norm(implicit *scheme, ptrdiff_t samples, const double *x, const double *reference) {
  const ptrdiff_t n = scheme->points;
  double *sums = scheme->scratch; /* free where this is called; at least 2 a sample as points >= 2 */
  memset(sums, 0, 2 * (size_t)samples * sizeof *sums);
  for (ptrdiff_t s = 0; s < samples; s++)
    for (ptrdiff_t k = s * n; k < (s + 1) * n; k++) {
      sums[2 * s] += x[k] * x[k];
      sums[2 * s + 1] += reference[k] * reference[k];
    }
  sn_grid_sum_over_space(sn_model_grid(scheme->model), 2 * samples, sums);
  double most = 0, largest = 0;
  for (ptrdiff_t s = 0; s < samples; s++) largest = fmax(largest, sums[2 * s + 1]);
  for (ptrdiff_t s = 0; s < samples; s++) {
    if (sn_gmres_is_noise(sqrt(sums[2 * s]), sqrt(largest))) continue;
    const double relative = sqrt(sums[2 * s] / (sums[2 * s + 1] > 0 ? sums[2 * s + 1] : 1));
    if (isnan(relative)) return relative;
    most = fmax(most, relative);
  }
  return most;
}

/*
 * From y = F'(U) x, or its transpose times x, to the operator of the linear solve: x + gamma S y, or without the
 * preconditioner x + gamma (y - A x).
 */
static sn_status complete(implicit *scheme, ptrdiff_t samples, bool transposed, const double *x, double *y) {
  const ptrdiff_t count = samples * scheme->points;
  sn_linear *linear = sn_model_linear(scheme->model);
  if (scheme->newton.precondition) {
    SN_TRY((transposed ? sn_solver_solve_transpose : sn_solver_solve)(scheme->base.solver, 0, samples, y));
  } else {
    SN_TRY((transposed ? sn_linear_apply_transpose : sn_linear_apply)(linear, samples, x, scheme->scratch));
    for (ptrdiff_t k = 0; k < count; k++) y[k] -= scheme->scratch[k];
  }
  for (ptrdiff_t k = 0; k < count; k++) y[k] = x[k] + scheme->gamma * y[k];
  return SN_OK;
}

static sn_status newton_operator(void *context, ptrdiff_t samples, const double *x, double *y) {
  implicit *scheme = context;
  SN_TRY(sn_network_tangent(sn_model_network(scheme->model), samples, scheme->at, scheme->at_tape, x, NULL, y));
  return complete(scheme, samples, false, x, y);
}

static sn_status adjoint_operator(void *context, ptrdiff_t samples, const double *x, double *y) {
  implicit *scheme = context;
  SN_TRY(sn_network_backward(sn_model_network(scheme->model), samples, scheme->at, scheme->at_tape, x, y, NULL));
  return complete(scheme, samples, true, x, y);
}

/* S (r - gamma F(U)) - U, or without the preconditioner r - gamma F(U) - U + gamma A U; F(U) is in f. */
static sn_status find_residual(implicit *scheme, ptrdiff_t samples, const double *u) {
  const ptrdiff_t count = samples * scheme->points;
  double *residual = scheme->residual;
  for (ptrdiff_t i = 0; i < count; i++) residual[i] = scheme->right[i] - scheme->gamma * scheme->f[i];
  if (scheme->newton.precondition) {
    SN_TRY(sn_solver_solve(scheme->base.solver, 0, samples, residual));
  } else {
    SN_TRY(sn_linear_apply(sn_model_linear(scheme->model), samples, u, scheme->scratch));
    for (ptrdiff_t i = 0; i < count; i++) residual[i] += scheme->gamma * scheme->scratch[i];
  }
  for (ptrdiff_t i = 0; i < count; i++) residual[i] -= u[i];
  return SN_OK;
}

/* " 1.2e-01 3.4e-05", the middle of a long history left out. */
static void write_history(const double *history, int count, char *text, size_t size) {
  enum { ENDS = 8 };
  size_t used = 0;
  *text = '\0';
  for (int k = 0; k < count && used < size; k++) {
    if (k == ENDS && count > 2 * ENDS) {
      used += (size_t)snprintf(text + used, size - used, " ...");
      k = count - ENDS;
    }
    if (used < size) used += (size_t)snprintf(text + used, size - used, " %.1e", history[k]);
  }
}

static sn_status diverged(const implicit *scheme, int count) {
  char text[256];
  write_history(scheme->history, count, text, sizeof text);
  return SN_ERROR(
      SN_ERROR_RUN,
      "Newton's method did not converge in step %td of %s, at t = %g (relative residuals:%s); lower integrator.dt (now "
      "%g), or use an IMEX scheme, which has no nonlinear solve",
      scheme->base.step, scheme->name, scheme->base.time, text, scheme->dt);
}

static void converged(implicit *scheme, int count) {
  if (count <= scheme->hardest_length) return;
  memcpy(scheme->hardest, scheme->history, (size_t)count * sizeof *scheme->history);
  scheme->hardest_length = count;
}

static void statistics(const sn_stepper *stepper, char *text, size_t size) {
  const implicit *scheme = (const implicit *)stepper;
  char history[256];
  write_history(scheme->hardest, scheme->hardest_length, history, sizeof history);
  snprintf(text, size, "iterations: %ld of Newton's method, %ld of GMRES; relative residuals of the hardest step:%s",
           scheme->newtons, scheme->krylovs, history);
}

/* Newton's method from the guess in tape->end, where it leaves U and its network tape. */
static sn_status newton(implicit *scheme, ptrdiff_t samples, const step_tape *tape) {
  const ptrdiff_t count = samples * scheme->points;
  sn_network *network = sn_model_network(scheme->model);
  double *history = scheme->history, *u = tape->end;
  scheme->at = u;
  scheme->at_tape = tape->end_tape;
  for (int k = 0; k <= scheme->newton.max_iterations; k++) {
    SN_TRY(sn_network_forward(network, samples, u, scheme->f, tape->end_tape));
    SN_TRY(find_residual(scheme, samples, u));
    history[k] = relative_norm(scheme, samples, scheme->residual, u);
    /* Converged, or as far as round-off lets it: no longer falling, and small. */
    if (history[k] <= scheme->newton.tolerance ||
        (k && history[k] >= 0.5 * history[k - 1] && history[k] < 100 * scheme->newton.tolerance)) {
      converged(scheme, k + 1);
      return SN_OK;
    }
    if (!isfinite(history[k]) || k == scheme->newton.max_iterations) return diverged(scheme, k + 1);
    const sn_gmres_limits limits = {
        .tolerance = fmax(fmin(0.1, history[k]), 0.1 * scheme->newton.tolerance / history[k]),
        .max_iterations = KRYLOV_MOST};
    sn_gmres_result result;
    SN_TRY(sn_gmres_solve(scheme->gmres, samples, newton_operator, scheme, scheme->residual, scheme->delta, &limits,
                          &result));
    scheme->newtons++;
    scheme->krylovs += result.iterations;
    for (ptrdiff_t i = 0; i < count; i++) u[i] += scheme->delta[i];
  }
  return SN_OK;
}

static sn_status forward(sn_stepper *stepper, ptrdiff_t samples, const double *u, double *next, double *tape) {
  implicit *scheme = (implicit *)stepper;
  const ptrdiff_t count = samples * scheme->points;
  const step_tape at = lay_out(scheme, samples, tape ? tape : scheme->own_tape);
  sn_network *network = sn_model_network(scheme->model);
  const double start_weight = (1 - scheme->theta) * scheme->dt;
  double *start_tape = NULL;
  if (scheme->theta < 1) {
    memcpy(at.start, u, (size_t)count * sizeof *u);
    start_tape = at.start_tape;
    SN_TRY(sn_linear_apply(sn_model_linear(scheme->model), samples, u, scheme->scratch));
  }
  SN_TRY(sn_network_forward(network, samples, u, scheme->f, start_tape));
  for (ptrdiff_t k = 0; k < count; k++) {
    scheme->right[k] = u[k] + (scheme->theta < 1 ? start_weight * (scheme->scratch[k] - scheme->f[k]) : 0);
    at.end[k] = scheme->right[k] - scheme->gamma * scheme->f[k];
  }
  SN_TRY(sn_solver_solve(scheme->base.solver, 0, samples, at.end));
  SN_TRY(newton(scheme, samples, &at));
  memcpy(next, at.end, (size_t)count * sizeof *next);
  return SN_OK;
}

/*
 * The adjoint of U = r + gamma f(U), r = u + (1 - theta) dt f(u), f = G + A:
 *
 *   w = (I - gamma f'(U))^-T lambda, solved as (I + gamma S^T F'(U)^T) w = S^T lambda;  theta_bar += gamma G_theta(U)^T
 * w lambda := w + (1 - theta) dt f'(u)^T w;                          theta_bar += (1 - theta) dt G_theta(u)^T w
 *
 * G_theta the derivative by the network's parameters; A_bar likewise, with w U^T and w u^T.
 */
static sn_status backward(sn_stepper *stepper, ptrdiff_t samples, const double *tape, double *lambda,
                          const sn_gradient *gradient) {
  implicit *scheme = (implicit *)stepper;
  const ptrdiff_t count = samples * scheme->points;
  const step_tape at = lay_out(scheme, samples, (double *)tape);
  sn_network *network = sn_model_network(scheme->model);
  sn_linear *linear = sn_model_linear(scheme->model);
  double *w = scheme->delta, *scaled = scheme->f;
  sn_gradient own;
  scheme->at = at.end;
  scheme->at_tape = at.end_tape;
  if (scheme->newton.precondition) SN_TRY(sn_solver_solve_transpose(scheme->base.solver, 0, samples, lambda));
  const sn_gmres_limits limits = {.tolerance = scheme->newton.tolerance, .max_iterations = KRYLOV_MOST};
  sn_gmres_result result;
  SN_TRY(sn_gmres_solve(scheme->gmres, samples, adjoint_operator, scheme, lambda, w, &limits, &result));
  scheme->krylovs += result.iterations;
  if (!(result.residual <= 1e3 * limits.tolerance))
    return SN_ERROR(SN_ERROR_RUN,
                    "the adjoint solve of a step of %s did not converge: relative residual %.1e after %d iterations; "
                    "lower integrator.dt (now %g)",
                    scheme->name, result.residual, result.iterations, scheme->dt);
  if (gradient) {
    for (ptrdiff_t k = 0; k < count; k++) scaled[k] = -scheme->gamma * w[k];
    SN_TRY(sn_network_backward(network, samples, at.end, at.end_tape, scaled, scheme->scratch,
                               sn_gradient_for_pass(gradient, scheme->theta == 1, &own)));
    SN_TRY(sn_linear_gradient(linear, samples, scheme->gamma, w, at.end, gradient->values));
  }
  memcpy(lambda, w, (size_t)count * sizeof *lambda);
  if (scheme->theta == 1) return SN_OK;

  const double start_weight = (1 - scheme->theta) * scheme->dt;
  for (ptrdiff_t k = 0; k < count; k++) scaled[k] = -start_weight * w[k];
  SN_TRY(sn_network_backward(network, samples, at.start, at.start_tape, scaled, scheme->scratch, gradient));
  for (ptrdiff_t k = 0; k < count; k++) lambda[k] += scheme->scratch[k];
  if (gradient) SN_TRY(sn_linear_gradient(linear, samples, start_weight, w, at.start, gradient->values));
  SN_TRY(sn_linear_apply_transpose(linear, samples, w, scheme->scratch));
  for (ptrdiff_t k = 0; k < count; k++) lambda[k] += start_weight * scheme->scratch[k];
  return SN_OK;
}

static void destroy(sn_stepper **stepper) {
  implicit *scheme = (implicit *)*stepper;
  if (!scheme) return;
  double **arrays[] = {&scheme->right, &scheme->residual, &scheme->delta,
                       &scheme->f,     &scheme->scratch,  &scheme->own_tape};
  for (size_t k = 0; k < sizeof arrays / sizeof arrays[0]; k++) SN_FREE(*arrays[k]);
  sn_gmres_destroy(&scheme->gmres);
  sn_solver_destroy(&scheme->base.solver);
  SN_FREE(*stepper);
}

static const sn_stepper_ops ops = {
    .destroy = destroy, .tape_size = tape_size, .forward = forward, .backward = backward, .statistics = statistics};

static sn_status allocate_arrays(implicit *scheme) {
  const ptrdiff_t samples = sn_model_samples(scheme->model), count = samples * scheme->points;
  double **arrays[] = {&scheme->right, &scheme->residual, &scheme->delta, &scheme->f, &scheme->scratch};
  for (size_t k = 0; k < sizeof arrays / sizeof arrays[0]; k++) SN_TRY(SN_NEW(count, arrays[k]));
  SN_TRY(SN_NEW(tape_size(&scheme->base, samples), &scheme->own_tape));
  return sn_gmres_create(sn_model_grid(scheme->model), samples, RESTART, &scheme->gmres);
}

static sn_status build(implicit *scheme, const sn_integrator_options *options) {
  const sn_grid *grid = sn_model_grid(scheme->model);
  SN_TRY(sn_collective_status(sn_grid_world(grid), allocate_arrays(scheme)));
  return sn_solver_create(grid, sn_model_linear(scheme->model), &options->solver, 1, &scheme->gamma,
                          &scheme->base.solver);
}

sn_status sn_implicit_create(sn_model *model, const sn_integrator_options *options, double dt, sn_stepper **out) {
  implicit *scheme;
  SN_TRY(sn_collective_status(sn_grid_world(sn_model_grid(model)), SN_NEW(1, &scheme)));
  *out = &scheme->base;
  const int last = options->tableau->stages - 1;
  scheme->base.ops = &ops;
  scheme->name = options->tableau->name;
  scheme->model = model;
  scheme->points = sn_grid_range(sn_model_grid(model)).count;
  scheme->dt = dt;
  scheme->theta = sn_tableau_linear(options->tableau, last, last);
  scheme->gamma = scheme->theta * scheme->dt;
  scheme->newton = options->newton;
  if (scheme->newton.tolerance == 0) scheme->newton.tolerance = 1e-13;
  if (scheme->newton.max_iterations == 0) scheme->newton.max_iterations = 20;
  if (scheme->newton.max_iterations > NEWTON_MOST) scheme->newton.max_iterations = NEWTON_MOST;
  sn_status status = build(scheme, options);
  if (status) destroy(out);
  return status;
}
