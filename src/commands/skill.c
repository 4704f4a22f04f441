#include "skill.h"

#include <math.h>
#include <string.h>

#include "base/quantile.h"
#include "sinode/memory.h"

/* Sums over x, of prediction p and reference r, less the reference's mean; behind them the windows' squared errors. */
enum { P, R, PP, RR, PR, SUMS };

struct sn_skill {
  const sn_grid *grid;
  sn_skill_options options;
  ptrdiff_t windows, window_points, width; /* width: SUMS and the windows */
  double *sums;                            /* (chunk, members, width) */
  double *ends;                            /* (members, windows): valid times of the windows */
  double *sorted;                          /* (windows) */
  double *correlation;                     /* (members) */
  double *total;                           /* (intervals + 1): sums of correlations over the members */
  double *score[SN_SKILL_SCORES];          /* (members) */
};

static sn_status allocate_arrays(sn_skill *s) {
  const ptrdiff_t members = s->options.members;
  SN_TRY(SN_NEW(s->options.chunk * members * s->width, &s->sums));
  SN_TRY(SN_NEW(members * s->windows, &s->ends));
  SN_TRY(SN_NEW(s->windows, &s->sorted));
  SN_TRY(SN_NEW(members, &s->correlation));
  SN_TRY(SN_NEW(s->options.intervals + 1, &s->total));
  for (int k = 0; k < SN_SKILL_SCORES; k++) SN_TRY(SN_NEW(members, &s->score[k]));
  for (ptrdiff_t k = 0; k < members * s->windows; k++) s->ends[k] = NAN;
  for (ptrdiff_t m = 0; m < members; m++)
    s->score[SN_SKILL_CORRELATION_TIME_90][m] = s->score[SN_SKILL_CORRELATION_TIME_80][m] = NAN;
  return SN_OK;
}

sn_status sn_skill_create(const sn_grid *grid, const sn_skill_options *options, sn_skill **out) {
  const double points = (double)sn_grid_points(grid);
  SN_TRY(SN_NEW(1, out));
  sn_skill *s = *out;
  *s = (sn_skill){.grid = grid, .options = *options};
  s->window_points = (ptrdiff_t)fmin(fmax(1, round(options->window / options->length * points)), points);
  s->windows = (ptrdiff_t)fmin(round(points / (double)s->window_points), SN_SKILL_WINDOWS_MOST);
  s->width = SUMS + s->windows;
  sn_status status = allocate_arrays(s);
  if (status) sn_skill_destroy(out);
  return status;
}

void sn_skill_destroy(sn_skill **skill) {
  sn_skill *s = *skill;
  if (!s) return;
  double **arrays[] = {&s->sums, &s->ends, &s->sorted, &s->correlation, &s->total};
  for (size_t k = 0; k < sizeof arrays / sizeof arrays[0]; k++) SN_FREE(*arrays[k]);
  for (int k = 0; k < SN_SKILL_SCORES; k++) SN_FREE(s->score[k]);
  SN_FREE(*skill);
}

double sn_skill_window(const sn_skill *s) {
  return (double)s->window_points * s->options.length / (double)sn_grid_points(s->grid);
}

/* This rank's part of the squared error over `window`, which may go past the end of the grid. */
static double squares(const sn_skill *s, sn_range window, const double *p, const double *r) {
  const sn_range own = sn_grid_range(s->grid);
  double sum = 0;
  for (int turn = 0; turn < 2; turn++, window.start -= sn_grid_points(s->grid)) {
    const sn_range part = sn_range_intersect(window, own);
    for (ptrdiff_t j = part.start - own.start; j < part.start - own.start + part.count; j++)
      sum += (p[j] - r[j]) * (p[j] - r[j]);
  }
  return sum;
}

void sn_skill_compare(sn_skill *s, ptrdiff_t index, const double *states, const double *truth) {
  const ptrdiff_t members = s->options.members, points = sn_grid_range(s->grid).count;
  for (ptrdiff_t m = 0; m < members; m++) {
    const double *p = states + m * points, *r = truth + m * points, mean = s->options.mean[m];
    double sums[SUMS] = {0}, *to = s->sums + (index * members + m) * s->width;
    for (ptrdiff_t j = 0; j < points; j++) {
      const double a = p[j] - mean, b = r[j] - mean;
      sums[P] += a;
      sums[R] += b;
      sums[PP] += a * a;
      sums[RR] += b * b;
      sums[PR] += a * b;
    }
    memcpy(to, sums, sizeof sums);
    for (ptrdiff_t k = 0; k < s->windows; k++) {
      const sn_range window = {k * sn_grid_points(s->grid) / s->windows, s->window_points};
      to[SUMS + k] = squares(s, window, p, r);
    }
  }
}

void sn_skill_sum(sn_skill *s, ptrdiff_t count) {
  sn_grid_sum_over_space(s->grid, count * s->options.members * s->width, s->sums);
}

static double correlate(const double *sums, double points) {
  const double p = sums[PP] - sums[P] * sums[P] / points, r = sums[RR] - sums[R] * sums[R] / points;
  return (sums[PR] - sums[P] * sums[R] / points) / sqrt(p * r);
}

static void note_first(double *time, bool over, double now) {
  if (isnan(*time) && over) *time = now;
}

const double *sn_skill_measure(sn_skill *s, ptrdiff_t index, ptrdiff_t step, const double *nrmse) {
  const ptrdiff_t members = s->options.members;
  const double now = (double)step * s->options.interval;
  for (ptrdiff_t m = 0; m < members; m++) {
    const double *sums = s->sums + (index * members + m) * s->width;
    for (ptrdiff_t k = 0; k < s->windows; k++) {
      const double error = sqrt(sums[SUMS + k] / (double)s->window_points) / s->options.spread[m];
      note_first(&s->ends[m * s->windows + k], error > s->options.threshold, now);
    }
    const double found = s->correlation[m] = correlate(sums, (double)sn_grid_points(s->grid));
    s->total[step] += found;
    note_first(&s->score[SN_SKILL_CORRELATION_TIME_90][m], found < 0.9, now);
    note_first(&s->score[SN_SKILL_CORRELATION_TIME_80][m], found < 0.8, now);
    if (step >= 1 && step <= s->options.steps)
      s->score[SN_SKILL_GEOMETRIC_MEAN][m] += log(nrmse[m]) / (double)s->options.steps;
  }
  return s->correlation;
}

/* The median over the windows of each member; one that is valid to the end counts as the span. */
static void find_local_valid_times(sn_skill *s) {
  const double span = (double)s->options.intervals * s->options.interval;
  for (ptrdiff_t m = 0; m < s->options.members; m++) {
    for (ptrdiff_t k = 0; k < s->windows; k++) {
      const double end = s->ends[m * s->windows + k];
      s->sorted[k] = isnan(end) ? span : end;
    }
    sn_quantile_sort(s->windows, s->sorted);
    const double median = sn_quantile(s->windows, s->sorted, 0.5);
    s->score[SN_SKILL_LOCAL_VALID_TIME][m] = median < span ? median : NAN;
  }
}

void sn_skill_finish(sn_skill *s) {
  find_local_valid_times(s);
  double *mean = s->score[SN_SKILL_GEOMETRIC_MEAN];
  for (ptrdiff_t m = 0; m < s->options.members; m++) mean[m] = s->options.steps ? exp(mean[m]) : NAN;
}

const double *sn_skill_get(const sn_skill *s, sn_skill_score score) { return s->score[score]; }
double sn_skill_correlations(const sn_skill *s, ptrdiff_t step) { return s->total[step]; }
