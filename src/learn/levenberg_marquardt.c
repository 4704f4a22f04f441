/*
 * Levenberg-Marquardt with Nielsen's control of the damping mu. Its numbers are mu and the factor by which the next
 * rejected step raises it.
 *
 * With loss |r|^2 / count, B = J^T J / count and g = J^T r / count, a step d promises the decrease
 * -2 g d - d B d = d (mu D d - g), D = diag(B); the gain is the true decrease over that.
 *
 * A valley is curved where residuals stay small along an arc: r'' along d is then what J can undo by a change of the
 * second order, (B + mu D) a = -J^T r'' / count. The step is d + a/2, unless a is so large that the arc has ended.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "optimizer_ops.h"
#include "sinode/memory.h"

enum { MU, GROWTH, NUMBERS, TRIALS_MOST = 30 };

typedef struct {
  ptrdiff_t order; /* trainable elements in all */
  sn_normal_equations *normal;
  double *damping, *step; /* (order) */
  double *acceleration;   /* (order): a below */
  double *local, *kept;   /* this rank's part of a step; the parameters before it */
} marquardt;

static sn_status allocate_arrays(const sn_optimizer *optimizer, marquardt *m) {
  const ptrdiff_t size = sn_parameters_size(optimizer->parameters);
  SN_TRY(SN_NEW(m->order, &m->damping));
  SN_TRY(SN_NEW(m->order, &m->step));
  SN_TRY(SN_NEW(m->order, &m->acceleration));
  SN_TRY(SN_NEW(size, &m->local));
  return SN_NEW(size, &m->kept);
}

static void restart(sn_optimizer *optimizer) {
  optimizer->number[MU] = optimizer->options.damping;
  optimizer->number[GROWTH] = 2;
}

static sn_status create(sn_optimizer *optimizer) {
  MPI_Comm world = sn_grid_world(sn_parameters_grid(optimizer->parameters));
  marquardt *m;
  SN_TRY(sn_collective_status(world, SN_NEW(1, &m)));
  optimizer->state = m;
  m->order = sn_parameters_total(optimizer->parameters, true);
  restart(optimizer);
  SN_TRY(sn_collective_status(world, allocate_arrays(optimizer, m)));
  return sn_normal_equations_create(world, m->order, &m->normal);
}

static void destroy(sn_optimizer *optimizer) {
  marquardt *m = optimizer->state;
  sn_normal_equations_destroy(&m->normal);
  SN_FREE(m->damping);
  SN_FREE(m->step);
  SN_FREE(m->acceleration);
  SN_FREE(m->local);
  SN_FREE(m->kept);
  SN_FREE(optimizer->state);
}

static sn_normal_equations *normal(sn_optimizer *optimizer) { return ((marquardt *)optimizer->state)->normal; }

/* The decrease of the loss that the quadratic model promises for the step. */
static double promise(const marquardt *m) {
  const double *right = sn_normal_equations_right(m->normal);
  double sum = 0;
  for (ptrdiff_t k = 0; k < m->order; k++) sum += m->step[k] * (m->damping[k] * m->step[k] - right[k]);
  return sum;
}

/* The largest 2 |a| / |d| of a step that is tried. */
static const double acceleration_most = 0.75;

static double norm_of(const marquardt *m, const double *x) {
  double sum = 0;
  for (ptrdiff_t k = 0; k < m->order; k++) sum += m->damping[k] * x[k] * x[k];
  return sqrt(sum);
}

/* Finds a for the step; *acceptable is false where it is too large. */
static sn_status accelerate(const sn_optimizer *optimizer, const sn_problem *problem, marquardt *m, bool *acceptable) {
  *acceptable = true;
  if (!optimizer->options.acceleration) return SN_OK;
  sn_parameters_spread(optimizer->parameters, m->step, m->local);
  SN_TRY(problem->second_derivative(problem->context, m->local, m->acceleration));
  *acceptable = isfinite(norm_of(m, m->acceleration));
  if (!*acceptable) return SN_OK;
  SN_TRY_TIMED(sn_grid_timer(sn_parameters_grid(optimizer->parameters)), SN_TIME_NORMAL,
               sn_normal_equations_solve_again(m->normal, m->acceleration, m->acceleration));
  *acceptable = 2 * norm_of(m, m->acceleration) <= acceleration_most * norm_of(m, m->step);
  return SN_OK;
}

/* Solves with the present mu; directions that no residual depends on are held in place. */
static sn_status find_step(const sn_optimizer *optimizer, marquardt *m, bool *definite) {
  const double *diagonal = sn_normal_equations_diagonal(m->normal);
  double most = 0;
  for (ptrdiff_t k = 0; k < m->order; k++) most = fmax(most, diagonal[k]);
  for (ptrdiff_t k = 0; k < m->order; k++)
    m->damping[k] = optimizer->number[MU] * fmax(diagonal[k], most * DBL_EPSILON) + (most > 0 ? 0 : 1);
  SN_TRY_TIMED(sn_grid_timer(sn_parameters_grid(optimizer->parameters)), SN_TIME_NORMAL,
               sn_normal_equations_solve(m->normal, m->damping, m->step, definite));
  return SN_OK;
}

static void move(sn_optimizer *optimizer, marquardt *m) {
  double *values = sn_parameters_values(optimizer->parameters);
  const ptrdiff_t size = sn_parameters_size(optimizer->parameters);
  sn_parameters_spread(optimizer->parameters, m->step, m->local);
  for (ptrdiff_t k = 0; k < size; k++) values[k] = m->kept[k] + m->local[k];
  if (!optimizer->options.acceleration) return;
  sn_parameters_spread(optimizer->parameters, m->acceleration, m->local);
  for (ptrdiff_t k = 0; k < size; k++) values[k] += m->local[k] / 2;
}

static sn_status minimize(sn_optimizer *optimizer, const sn_problem *problem, double rate, double *loss, bool *moved) {
  marquardt *m = optimizer->state;
  double *mu = &optimizer->number[MU], *growth = &optimizer->number[GROWTH];
  double *values = sn_parameters_values(optimizer->parameters);
  const size_t bytes = (size_t)sn_parameters_size(optimizer->parameters) * sizeof *values;
  (void)rate;
  *moved = false;
  SN_TRY(problem->normal(problem->context, loss, m->normal));
  memcpy(m->kept, values, bytes);
  for (int trial = 0; trial < TRIALS_MOST; trial++) {
    bool acceptable;
    double found = INFINITY;
    SN_TRY(find_step(optimizer, m, &acceptable));
    if (acceptable) SN_TRY(accelerate(optimizer, problem, m, &acceptable));
    if (acceptable) {
      move(optimizer, m);
      SN_TRY(problem->loss(problem->context, &found));
    }
    const double gain = (*loss - found) / promise(m);
    if (acceptable && found < *loss && gain > 0) {
      *mu *= fmax(1.0 / 3, 1 - pow(2 * gain - 1, 3));
      *growth = 2;
      *moved = true;
      return SN_OK;
    }
    memcpy(values, m->kept, bytes);
    *mu *= *growth;
    *growth *= 2;
  }
  *growth = 2;
  return SN_OK;
}

const sn_optimizer_ops sn_optimizer_lm = {.numbers = NUMBERS,
                                          .tangents = true,
                                          .create = create,
                                          .destroy = destroy,
                                          .restart = restart,
                                          .normal = normal,
                                          .minimize = minimize};
