/*
 * L-BFGS. Its state vectors are the newest pairs s = change of the parameters, y = change of the gradient, in a ring;
 * its numbers tell how many there are and where the oldest is.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "optimizer_ops.h"
#include "sinode/memory.h"

enum { PAIRS, OLDEST, NUMBERS, TRIALS_MOST = 25 };

/* Of the Wolfe conditions: decrease, and flattening of the slope. */
static const double enough = 1e-4, flat = 0.9;

typedef struct {
  double *gradient, *next; /* before and after a step */
  double *direction, *kept;
  bool known; /* `gradient` is that of the parameters as they are, of loss `loss` */
  double loss;
} lbfgs;

/* A point of the line search. */
typedef struct {
  double step, loss, slope;
} point;

static sn_status create(sn_optimizer *optimizer) {
  const ptrdiff_t size = sn_parameters_size(optimizer->parameters);
  lbfgs *l;
  SN_TRY(SN_NEW(1, &l));
  optimizer->state = l;
  SN_TRY(SN_NEW(size, &l->gradient));
  SN_TRY(SN_NEW(size, &l->next));
  SN_TRY(SN_NEW(size, &l->direction));
  return SN_NEW(size, &l->kept);
}

static void destroy(sn_optimizer *optimizer) {
  lbfgs *l = optimizer->state;
  SN_FREE(l->gradient);
  SN_FREE(l->next);
  SN_FREE(l->direction);
  SN_FREE(l->kept);
  SN_FREE(optimizer->state);
}

static double dot(const sn_optimizer *optimizer, const double *a, const double *b) {
  return sn_parameters_dot(optimizer->parameters, a, b);
}

/* y += factor x on what is trainable. */
static void add(const sn_optimizer *optimizer, double factor, const double *x, double *y) {
  for (int i = 0; i < sn_parameters_blocks(optimizer->parameters); i++) {
    const sn_parameter_block *block = sn_parameters_block(optimizer->parameters, i);
    const ptrdiff_t end = block->offset + sn_parameter_block_size(block);
    for (ptrdiff_t k = block->offset; k < end && block->trainable; k++) y[k] += factor * x[k];
  }
}

/* direction = -H gradient by the two loops; age 0 is the newest pair. */
static void find_direction(sn_optimizer *optimizer, lbfgs *l) {
  const int pairs = (int)optimizer->number[PAIRS], oldest = (int)optimizer->number[OLDEST];
  const int history = optimizer->options.history;
  double weight[SN_OPTIMIZER_HISTORY_MOST], curvature[SN_OPTIMIZER_HISTORY_MOST];
  memset(l->direction, 0, (size_t)sn_parameters_size(optimizer->parameters) * sizeof *l->direction);
  add(optimizer, -1, l->gradient, l->direction);
  for (int age = 0; age < pairs; age++) {
    const int pair = (oldest + pairs - 1 - age) % history;
    const double *s = optimizer->vector[2 * pair], *y = optimizer->vector[2 * pair + 1];
    curvature[age] = dot(optimizer, s, y);
    weight[age] = dot(optimizer, s, l->direction) / curvature[age];
    add(optimizer, -weight[age], y, l->direction);
    if (age == pairs - 1) { /* all pairs seen; the scale is the newest's */
      const double *newest = optimizer->vector[2 * ((oldest + pairs - 1) % history) + 1];
      const double scale = curvature[0] / dot(optimizer, newest, newest);
      for (ptrdiff_t k = 0; k < sn_parameters_size(optimizer->parameters); k++) l->direction[k] *= scale;
    }
  }
  for (int age = pairs - 1; age >= 0; age--) {
    const int pair = (oldest + pairs - 1 - age) % history;
    const double *s = optimizer->vector[2 * pair], *y = optimizer->vector[2 * pair + 1];
    add(optimizer, weight[age] - dot(optimizer, y, l->direction) / curvature[age], s, l->direction);
  }
}

/* Loss and slope at a step along the direction; the parameters stay there, and `next` is the gradient. */
static sn_status look(sn_optimizer *optimizer, const sn_problem *problem, lbfgs *l, double step, point *at) {
  double *values = sn_parameters_values(optimizer->parameters);
  memcpy(values, l->kept, (size_t)sn_parameters_size(optimizer->parameters) * sizeof *values);
  add(optimizer, step, l->direction, values);
  at->step = step;
  SN_TRY(problem->gradient(problem->context, &at->loss, l->next));
  at->slope = isfinite(at->loss) ? dot(optimizer, l->next, l->direction) : INFINITY;
  return SN_OK;
}

/* Where the cubic through two points has its minimum, kept off the ends of the interval; bisection if that fails. */
static double between(const point *a, const point *b) {
  const double width = b->step - a->step, low = fmin(a->step, b->step), high = fmax(a->step, b->step);
  const double d1 = a->slope + b->slope - 3 * (b->loss - a->loss) / width, root = d1 * d1 - a->slope * b->slope;
  double step = 0.5 * (low + high);
  if (isfinite(root) && root >= 0) {
    const double d2 = copysign(sqrt(root), width);
    step = b->step - width * (b->slope + d2 - d1) / (b->slope - a->slope + 2 * d2);
  }
  const double margin = 0.1 * (high - low);
  return isfinite(step) ? fmin(fmax(step, low + margin), high - margin) : 0.5 * (low + high);
}

static bool decreases(const point *start, const point *at) {
  return at->loss <= start->loss + enough * at->step * start->slope;
}

/* A step that meets the strong Wolfe conditions, or the best that decreases the loss; *found is false if none does. */
static sn_status search(sn_optimizer *optimizer, const sn_problem *problem, lbfgs *l, const point *start, double step,
                        bool *found, point *at) {
  point low = *start, high = {0};
  bool bracketed = false;
  *found = false;
  for (int trial = 0; trial < TRIALS_MOST; trial++) {
    SN_TRY(look(optimizer, problem, l, step, at));
    if (!decreases(start, at) || (at->loss >= low.loss && low.step > 0)) {
      high = *at;
      bracketed = true;
    } else {
      if (fabs(at->slope) <= -flat * start->slope) {
        *found = true;
        return SN_OK;
      }
      if (at->slope * (bracketed ? high.step - low.step : 1) >= 0) {
        high = low;
        bracketed = true;
      }
      low = *at;
    }
    step = bracketed ? between(&low, &high) : 4 * at->step;
    if (bracketed && fabs(high.step - low.step) <= 1e-9 * fmax(high.step, low.step)) break;
  }
  if (low.step == 0) return SN_OK;
  *found = true;
  return at->step == low.step ? SN_OK : look(optimizer, problem, l, low.step, at);
}

/* Keeps the pair of the step that was made, unless its curvature is not positive. */
static void remember(sn_optimizer *optimizer, lbfgs *l) {
  const int history = optimizer->options.history, pairs = (int)optimizer->number[PAIRS];
  const int place = (int)(optimizer->number[OLDEST] + pairs) % history;
  const size_t bytes = (size_t)sn_parameters_size(optimizer->parameters) * sizeof(double);
  double *s = optimizer->vector[2 * place], *y = optimizer->vector[2 * place + 1];
  double *change = l->kept; /* no longer needed */
  for (ptrdiff_t k = 0; k < sn_parameters_size(optimizer->parameters); k++) {
    change[k] = sn_parameters_values(optimizer->parameters)[k] - l->kept[k];
    l->gradient[k] = l->next[k] - l->gradient[k];
  }
  const double curvature = dot(optimizer, change, l->gradient);
  if (curvature > DBL_EPSILON * dot(optimizer, l->gradient, l->gradient)) {
    memcpy(s, change, bytes);
    memcpy(y, l->gradient, bytes);
    if (pairs < history)
      optimizer->number[PAIRS]++;
    else
      optimizer->number[OLDEST] = (place + 1) % history;
  }
  memcpy(l->gradient, l->next, bytes);
}

static sn_status minimize(sn_optimizer *optimizer, const sn_problem *problem, double rate, double *loss, bool *moved) {
  lbfgs *l = optimizer->state;
  double *values = sn_parameters_values(optimizer->parameters);
  const size_t bytes = (size_t)sn_parameters_size(optimizer->parameters) * sizeof *values;
  *moved = false;
  if (!l->known) SN_TRY(problem->gradient(problem->context, &l->loss, l->gradient));
  l->known = true;
  *loss = l->loss;
  if (!isfinite(*loss)) return SN_OK; /* the caller finds out why */
  memcpy(l->kept, values, bytes);
  find_direction(optimizer, l);
  double slope = dot(optimizer, l->gradient, l->direction);
  const bool fresh = optimizer->number[PAIRS] == 0;
  const point start = {0, *loss, slope};
  point at = start;
  if (slope < 0) SN_TRY(search(optimizer, problem, l, &start, fresh ? fmin(1, rate / sqrt(-slope)) : 1, moved, &at));
  if (!*moved) {
    memcpy(values, l->kept, bytes);
    optimizer->number[PAIRS] = optimizer->number[OLDEST] = 0; /* begins anew, along the gradient */
    *moved = !fresh;
    return SN_OK;
  }
  remember(optimizer, l);
  l->loss = at.loss;
  return SN_OK;
}

static void restart(sn_optimizer *optimizer) {
  lbfgs *l = optimizer->state;
  l->known = false;
  optimizer->number[PAIRS] = optimizer->number[OLDEST] = 0;
}

const sn_optimizer_ops sn_optimizer_lbfgs = {
    .vectors = 2, .numbers = NUMBERS, .create = create, .destroy = destroy, .restart = restart, .minimize = minimize};
