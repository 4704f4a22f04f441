/* The data of sinode predict: where predictions begin, and what they are compared with. */
#include <string.h>

#include "predict.h"
#include "run/data_setup.h"
#include "run/grid_setup.h"
#include "run/input.h"
#include "sinode/memory.h"

/* At most 64 intervals, and about 32 MiB a rank; the same on all ranks. */
static ptrdiff_t chunk_of(const sn_prediction *p, ptrdiff_t members) {
  const double values = (double)members * (double)sn_grid_points(p->grid) / p->app->ranks;
  const double fits = (4 << 20) / values;
  const ptrdiff_t most = p->range.intervals < 64 ? p->range.intervals : 64;
  return fits < 1 ? 1 : fits < (double)most ? (ptrdiff_t)fits : most;
}

/* The part of the data that holds the references of this replica, and from it those references. */
static sn_status read_references(sn_prediction *p) {
  const sn_config *c = &p->app->config;
  const ptrdiff_t starts = p->range.starts, first = p->members.start / starts;
  const ptrdiff_t last = p->members.count ? (p->members.start + p->members.count - 1) / starts : first - 1;
  const ptrdiff_t length = p->known + (starts - 1) * p->range.stride, size = p->known * p->points;
  double *all = NULL;
  SN_TRY(sn_setup_read(p->app, p->grid, p->reader, (sn_range){first, last - first + 1},
                       (sn_range){c->predict.start, length}, &all));
  sn_status status = SN_NEW(p->members.count * size, &p->reference);
  if (!status) status = SN_NEW(p->members.count, &p->start_time);
  status = sn_collective_status(p->app->world, status);
  for (ptrdiff_t m = 0; m < p->members.count && !status; m++) {
    const ptrdiff_t number = p->members.start + m, shift = number % starts * p->range.stride;
    const double *from = all + ((number / starts - first) * length + shift) * p->points;
    memcpy(p->reference + m * size, from, (size_t)size * sizeof *from);
    p->start_time[m] = sn_trajectory_time(p->reader, c->predict.start + shift);
  }
  SN_FREE(all);
  return status;
}

sn_status sn_prediction_load(sn_prediction *p) {
  const sn_config *c = &p->app->config;
  SN_TRY(sn_setup_grid(p->app, &p->grid));
  SN_TRY(sn_setup_trajectory(p->app, c->predict.data, &p->reader));
  SN_TRY(sn_prediction_range_find(c, p->reader, &p->range));
  const ptrdiff_t snapshots = sn_trajectory_snapshots(p->reader);
  p->total = sn_trajectory_members(p->reader) * p->range.starts;
  sn_input_report_idle(p->app, p->grid, p->total, "predictions", "");
  p->chunk = chunk_of(p, p->total);
  p->known = snapshots - c->predict.start;
  if (p->known > p->range.intervals + 1) p->known = p->range.intervals + 1;
  if (p->known <= p->range.intervals)
    sn_log_warning(p->app->log, "%s ends %g before the prediction does: there is no reference after t = %g",
                   c->predict.data, (double)(p->range.intervals + 1 - p->known) * p->range.interval,
                   sn_trajectory_time(p->reader, snapshots - 1));
  p->start = p->range.starts > 1 ? 0 : sn_trajectory_time(p->reader, c->predict.start);
  p->members = sn_grid_share(p->grid, p->total);
  p->points = sn_grid_range(p->grid).count;
  return read_references(p);
}
