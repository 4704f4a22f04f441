#include "scores.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/quantile.h"
#include "sinode/memory.h"

/* The predictions whose numbers this rank brings: space rank 0 of each replica has its replica's. */
static ptrdiff_t own(const sn_grid *grid, const sn_scores *scores) {
  return sn_grid_space_rank(grid) == 0 ? scores->members.count : 0;
}

static double valid_time(const sn_scores *scores, ptrdiff_t index) {
  return isnan(scores->valid_time[index]) ? scores->span : scores->valid_time[index];
}

/* A score of all predictions, NaN as the span; each replica brings its own. */
static void gather(const sn_app *app, const sn_grid *grid, const sn_scores *scores, const double *score, double *all) {
  memset(all, 0, (size_t)scores->total * sizeof *all);
  for (ptrdiff_t m = 0; m < own(grid, scores); m++)
    all[scores->members.start + m] = isnan(score[m]) ? scores->span : score[m];
  MPI_Allreduce(MPI_IN_PLACE, all, (int)scores->total, MPI_DOUBLE, MPI_SUM, app->world);
}

static void report(const sn_app *app, const sn_scores *scores, double *sorted) {
  const sn_config *c = &app->config;
  const double exponent = c->predict.lyapunov_exponent;
  double mean = 0;
  ptrdiff_t endless = 0;
  for (ptrdiff_t m = 0; m < scores->total; m++) {
    endless += sorted[m] >= scores->span;
    mean += sorted[m] / (double)scores->total;
  }
  sn_quantile_sort(scores->total, sorted);
  const double low = sn_quantile(scores->total, sorted, 0.25);
  const double median = sn_quantile(scores->total, sorted, 0.5);
  const double high = sn_quantile(scores->total, sorted, 0.75);
  if (scores->total == 1)
    sn_log_line(app->log, "valid time (nrmse <= %g): %g, that is %.2f Lyapunov times (exponent %g)",
                c->predict.threshold, median, median * exponent, exponent);
  else
    sn_log_line(app->log,
                "valid time (nrmse <= %g) of %td predictions: median %g, that is %.2f Lyapunov times (exponent %g); "
                "quartiles %.2f and %.2f, mean %.2f, least %.2f",
                c->predict.threshold, scores->total, median, median * exponent, exponent, low * exponent,
                high * exponent, mean * exponent, sorted[0] * exponent);
  if (endless > 0)
    sn_log_line(app->log, "%td of %td predictions are valid to the end of the span or of the reference", endless,
                scores->total);
}

sn_status sn_scores_report_valid_times(const sn_app *app, const sn_grid *grid, const sn_scores *scores) {
  double *times;
  SN_TRY(sn_collective_status(app->world, SN_NEW(scores->total, &times)));
  gather(app, grid, scores, scores->valid_time, times);
  report(app, scores, times);
  SN_FREE(times);
  return SN_OK;
}

static void tell(const sn_app *app, ptrdiff_t total, double *all, const char *name, bool time) {
  sn_quantile_sort(total, all);
  const double low = sn_quantile(total, all, 0.25), high = sn_quantile(total, all, 0.75);
  const double median = sn_quantile(total, all, 0.5);
  char lyapunov[16] = "";
  if (time) snprintf(lyapunov, sizeof lyapunov, "%.2f", median * app->config.predict.lyapunov_exponent);
  sn_log_line(app->log, "%-36s %12.4g %12.4g %12.4g %16s", name, median, low, high, lyapunov);
}

/* The first time at which the correlation, the mean of all predictions', is below `level`; else the span. */
static double mean_correlation_time(const sn_scores *scores, const double *correlation, double level) {
  for (ptrdiff_t k = 0; k <= scores->intervals; k++)
    if (correlation[k] / (double)scores->total < level) return (double)k * scores->interval;
  return scores->span;
}

static void tell_mean_correlation(const sn_app *app, const sn_grid *grid, const sn_scores *scores, double *sums) {
  for (ptrdiff_t k = 0; k <= scores->intervals; k++)
    sums[k] = own(grid, scores) ? sn_skill_correlations(scores->skill, k) : 0;
  MPI_Allreduce(MPI_IN_PLACE, sums, (int)scores->intervals + 1, MPI_DOUBLE, MPI_SUM, app->world);
  const double high = mean_correlation_time(scores, sums, 0.9), low = mean_correlation_time(scores, sums, 0.8);
  sn_log_line(app->log, "correlation, mean of all predictions: 0.9 to t = %.4g, 0.8 to t = %.4g", high, low);
}

sn_status sn_scores_report_skill(const sn_app *app, const sn_grid *grid, const sn_scores *scores) {
  char names[SN_SKILL_SCORES][64] = {[SN_SKILL_CORRELATION_TIME_90] = "time to a correlation of 0.9",
                                     [SN_SKILL_CORRELATION_TIME_80] = "time to a correlation of 0.8"};
  const ptrdiff_t most = scores->total > scores->intervals + 1 ? scores->total : scores->intervals + 1;
  double *all;
  SN_TRY(sn_collective_status(app->world, SN_NEW(most, &all)));
  snprintf(names[SN_SKILL_LOCAL_VALID_TIME], sizeof names[0], "local valid time, windows of %.4g",
           sn_skill_window(scores->skill));
  snprintf(names[SN_SKILL_GEOMETRIC_MEAN], sizeof names[0], "geometric mean of nrmse, %td steps", scores->steps);
  sn_log_line(app->log, "%-36s %12s %12s %12s %16s", "score", "median", "1st quartile", "3rd quartile",
              "Lyapunov times");
  for (int k = 0; k < SN_SKILL_SCORES; k++) {
    if (k == SN_SKILL_GEOMETRIC_MEAN && scores->steps == 0) continue; /* no reference */
    gather(app, grid, scores, sn_skill_get(scores->skill, (sn_skill_score)k), all);
    tell(app, scores->total, all, names[k], k != SN_SKILL_GEOMETRIC_MEAN);
  }
  tell_mean_correlation(app, grid, scores, all);
  SN_FREE(all);
  return SN_OK;
}

void sn_scores_report_baselines(const sn_app *app, const sn_grid *grid, const sn_scores *scores) {
  const ptrdiff_t members = scores->members.count;
  sn_log_line(app->log, "%-18s %12s %14s   nrmse at t = %-9g t = %g", "mean of", "valid time", "Lyapunov times",
              scores->mark[0], scores->mark[1]);
  for (int k = 0; k < scores->scores; k++) {
    double means[1 + SN_MARKS] = {0};
    for (ptrdiff_t m = 0; m < own(grid, scores); m++) {
      means[0] += valid_time(scores, k * members + m) / (double)scores->total;
      for (int i = 0; i < SN_MARKS; i++)
        means[1 + i] += scores->marked[(i * scores->scores + k) * members + m] / (double)scores->total;
    }
    MPI_Allreduce(MPI_IN_PLACE, means, 1 + SN_MARKS, MPI_DOUBLE, MPI_SUM, app->world);
    sn_log_line(app->log, "%-18s %12.4g %14.2f %19.3e %13.3e", k ? sn_baseline_name((sn_baseline)(k - 1)) : "model",
                means[0], means[0] * app->config.predict.lyapunov_exponent, means[1], means[2]);
  }
}
