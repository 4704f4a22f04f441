#include "prediction_range.h"

#include <math.h>

static sn_status count_intervals(const sn_config *c, sn_prediction_range *r) {
  const double ratio = c->predict.span / r->interval, whole = fmax(1, round(ratio));
  if (!(fabs(ratio - whole) <= 1e-6 * ratio))
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "predict.span is %.12g, which is not a multiple of the %.12g between the snapshots of %s; "
                        "%.12g would be",
                        c->predict.span, r->interval, c->predict.data, whole * r->interval);
  r->intervals = (ptrdiff_t)whole;
  return SN_OK;
}

/* Several starts are distributed evenly over the snapshots with a reference for the whole span after them. */
static sn_status spread_starts(const sn_config *c, ptrdiff_t snapshots, sn_prediction_range *r) {
  const ptrdiff_t room = snapshots - 1 - c->predict.start - r->intervals;
  r->starts = c->predict.starts;
  if (r->starts == 1) return SN_OK;
  if (room < r->starts - 1)
    return SN_ERROR_ALL(
        SN_ERROR_USAGE,
        "predict.starts is %td, but behind predict.start %s has only %td snapshots with a reference for "
        "predict.span %g; generate more, or lower one of these",
        r->starts, c->predict.data, room < 0 ? 0 : room + 1, c->predict.span);
  r->stride = room / (r->starts - 1);
  return SN_OK;
}

sn_status sn_prediction_range_find(const sn_config *c, const sn_trajectory_reader *reader, sn_prediction_range *range) {
  const ptrdiff_t snapshots = sn_trajectory_snapshots(reader);
  *range = (sn_prediction_range){0};
  SN_TRY(sn_trajectory_interval(reader, &range->interval));
  if (c->predict.start >= snapshots)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "predict.start is snapshot %lld, but %s has only %td (0 to %td)",
                        (long long)c->predict.start, c->predict.data, snapshots, snapshots - 1);
  SN_TRY(count_intervals(c, range));
  return spread_starts(c, snapshots, range);
}
