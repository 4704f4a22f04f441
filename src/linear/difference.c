#include "difference.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

/*
 * Each difference taken out helps smooth fields and costs rough ones, whose terms no longer cancel: by up to 34 for 5
 * taps, 198 for 7, and 5.8^half in general. The first is always taken, so that the sum of the taps stands by itself;
 * further ones as long as the bound on the rounding of the roughest field grows by no more than this.
 */
static const double ROUGH_FIELD_LOSS = 64;

static double magnitude(int half, const double *taps) {
  double sum = fabs(taps[0]);
  for (int k = 1; k <= half; k++) sum += 2 * fabs(taps[k]);
  return sum;
}

/* The sum of the taps, 0 if that is what it would be but for their rounding. */
static double tap_sum(int half, const double *taps) {
  double sum = taps[0];
  for (int k = 1; k <= half; k++) sum += 2 * taps[k];
  return fabs(sum) <= 4 * DBL_EPSILON * magnitude(half, taps) ? 0 : sum;
}

/*
 * The taps of half - 1 that do to D u what the given ones, less their sum, do to u: q_i = sum_{k>i} (k - i) taps_k.
 * Returns their magnitude; q_i is written over taps_{i+1} if `keep` is set.
 */
static double deflate(int half, double *taps, bool keep) {
  double tail = 0, value = 0, sum = 0;
  for (int i = half - 1; i >= 0; i--) {
    tail += taps[i + 1];
    value += tail;
    sum += (i ? 2 : 1) * fabs(value);
    if (keep) taps[i + 1] = value;
  }
  return sum;
}

void sn_difference_make(sn_difference *form, const double *taps) {
  memcpy(form->coefficients, taps, (size_t)(form->half + 1) * sizeof *taps);
  double limit = ROUGH_FIELD_LOSS * magnitude(form->half, taps);
  double taken = 0, power = 1; /* |D^p u| <= 4^p |u| */
  for (form->depth = 0; form->depth < form->half; form->depth++) {
    int half = form->half - form->depth;
    double *rest = form->coefficients + form->depth;
    double sum = tap_sum(half, rest);
    taken += power * fabs(sum);
    power *= 4;
    if (form->depth > 0 && taken + power * deflate(half, rest, false) > limit) break;
    deflate(half, rest, true);
    rest[0] = sum;
  }
}

double sn_difference_symbol(const sn_difference *form, double theta, double s) {
  const double *rest = form->coefficients + form->depth;
  double value = rest[0];
  for (int k = 1; k <= form->half - form->depth; k++) value += 2 * rest[k] * cos(k * theta);
  for (int p = form->depth - 1; p >= 0; p--) value = form->coefficients[p] - s * s * value;
  return value;
}

static void add_multiple(ptrdiff_t count, double factor, const double *restrict u, double *restrict y) {
  for (ptrdiff_t j = 0; j < count; j++) y[j] += factor * u[j];
}

/* In this form, of two differences, nothing is rounded where neighbours are close (Sterbenz). */
static void difference(ptrdiff_t count, const double *restrict u, double *restrict d) {
  for (ptrdiff_t j = 0; j < count; j++) d[j] = (u[j + 2] - u[j + 1]) - (u[j + 1] - u[j]);
}

static void difference_in_place(ptrdiff_t count, double *u) {
  for (ptrdiff_t j = 0; j < count; j++) u[j] = (u[j + 2] - u[j + 1]) - (u[j + 1] - u[j]);
}

void sn_difference_apply(const sn_difference *form, ptrdiff_t count, double scale, const double *u, double *y,
                         double *work) {
  const double *field = u - form->half; /* D^p u, from the leftmost point it is known at */
  for (int p = 0; p < form->depth; p++) {
    int reach = form->half - p;
    double alpha = form->coefficients[p];
    if (alpha != 0) add_multiple(count, scale * alpha, field + reach, y);
    if (p == 0)
      difference(count + 2 * (reach - 1), field, work);
    else
      difference_in_place(count + 2 * (reach - 1), work);
    field = work;
  }
  const double *rest = form->coefficients + form->depth;
  int reach = form->half - form->depth;
  add_multiple(count, scale * rest[0], field + reach, y);
  for (int k = 1; k <= reach; k++) {
    add_multiple(count, scale * rest[k], field + reach + k, y);
    add_multiple(count, scale * rest[k], field + reach - k, y);
  }
}
