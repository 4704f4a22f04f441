#include "scores.h"

#include <math.h>

#include "base/quantile.h"
#include "sinode/memory.h"

/* The predictions whose numbers this rank brings: space rank 0 of each replica has its replica's. */
static ptrdiff_t own(const sn_grid *grid, const sn_scores *scores) {
  return sn_grid_space_rank(grid) == 0 ? scores->members.count : 0;
}

static double valid_time(const sn_scores *scores, ptrdiff_t index) {
  return isnan(scores->valid_time[index]) ? scores->span : scores->valid_time[index];
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
  double *times; /* of all predictions; each replica brings its own */
  SN_TRY(sn_collective_status(app->world, SN_NEW(scores->total, &times)));
  for (ptrdiff_t m = 0; m < own(grid, scores); m++) times[scores->members.start + m] = valid_time(scores, m);
  MPI_Allreduce(MPI_IN_PLACE, times, (int)scores->total, MPI_DOUBLE, MPI_SUM, app->world);
  report(app, scores, times);
  SN_FREE(times);
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
