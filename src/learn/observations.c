#include "sinode/observations.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sinode/fourier.h"
#include "sinode/memory.h"

const sn_name sn_missings[] = {{"refuse", SN_MISSING_REFUSE}, {"skip", SN_MISSING_SKIP}, {NULL, 0}};

bool sn_observations_are_partial(const sn_observations_options *o) {
  return o->stride > 1 || *o->mask || o->missing == SN_MISSING_SKIP || o->interval > 0;
}

void sn_observations_select(const sn_grid *grid, const sn_observations_options *o, ptrdiff_t lines, const double *mask,
                            double *values) {
  const sn_range points = sn_grid_range(grid);
  for (ptrdiff_t k = 0; k < lines; k++)
    for (ptrdiff_t j = 0; j < points.count; j++) {
      const ptrdiff_t at = k * points.count + j;
      if ((points.start + j) % o->stride != o->offset || (mask && mask[at] == 0)) values[at] = NAN;
    }
}

void sn_observations_count(const sn_grid *grid, ptrdiff_t lines, const double *values, double *counts) {
  const ptrdiff_t points = sn_grid_range(grid).count;
  for (ptrdiff_t k = 0; k < lines; k++) {
    counts[k] = 0;
    for (ptrdiff_t j = 0; j < points; j++) counts[k] += !isnan(values[k * points + j]);
  }
  sn_grid_sum_over_space(grid, lines, counts);
}

/* The first and the last observed point of a rank's part of a line; place -1: there is none. */
typedef struct {
  double place, value;
} anchor;

typedef struct {
  anchor first, last;
} ends;

static ends find_ends(sn_range points, const double *line) {
  ends found = {{-1, 0}, {-1, 0}};
  for (ptrdiff_t j = 0; j < points.count; j++) {
    if (isnan(line[j])) continue;
    found.last = (anchor){(double)(points.start + j), line[j]};
    if (found.first.place < 0) found.first = found.last;
  }
  return found;
}

/* The nearest observed point of other ranks, going up or down from `rank` round the domain; its own at the last. */
static anchor look_round(const ends *all, int ranks, ptrdiff_t stride, int rank, int way, double length) {
  for (int other = rank + way;; other += way) {
    const int wrapped = (other + ranks) % ranks;
    anchor found = way > 0 ? all[wrapped * stride].first : all[wrapped * stride].last;
    if (found.place < 0) continue;
    if (other != wrapped) found.place += way * length;
    return found;
  }
}

static void fill_line(sn_range points, anchor left, anchor right, double *line) {
  for (ptrdiff_t j = 0; j < points.count; j++) {
    const double place = (double)(points.start + j);
    if (!isnan(line[j])) {
      left = (anchor){place, line[j]};
      continue;
    }
    ptrdiff_t next = j + 1;
    while (next < points.count && isnan(line[next])) next++;
    const anchor to = next < points.count ? (anchor){(double)(points.start + next), line[next]} : right;
    const double part = (place - left.place) / (to.place - left.place);
    line[j] = (1 - part) * left.value + part * to.value;
    left = (anchor){place, line[j]};
  }
}

/* Lines of which nothing is observed take those of the line before, the first ones those of the first behind them. */
static void fill_times(ptrdiff_t snapshots, ptrdiff_t points, const double *counts, double *lines) {
  ptrdiff_t first = 0;
  while (first < snapshots && counts[first] == 0) first++;
  for (ptrdiff_t k = 0; k < snapshots && first < snapshots; k++)
    if (counts[k] == 0)
      memcpy(lines + k * points, lines + (k < first ? first : k - 1) * points, (size_t)points * sizeof *lines);
}

static double or_zero(double x) { return isnan(x) ? 0 : x; }

/* Of a line that is 0 beside every stride-th point: the waves that these tell apart are those of the interpolant, but
 * for the factor; the last one is met half by its mirror image. */
static void keep_low_modes(const sn_fourier *fourier, ptrdiff_t points, ptrdiff_t stride, double complex *spectrum) {
  const ptrdiff_t spectra = sn_fourier_spectra(fourier), modes = sn_fourier_modes(fourier);
  for (ptrdiff_t s = 0; s < spectra; s++)
    for (ptrdiff_t m = 0; m < modes; m++) {
      const ptrdiff_t k = labs(sn_fourier_wave_number(fourier, m)) * 2 * stride;
      const double factor = k < points ? 1 : k == points ? 0.5 : 0;
      spectrum[s * sn_fourier_spectrum_stride(fourier) + m * sn_fourier_mode_stride(fourier)] *=
          factor * (double)stride;
    }
}

enum { LINES_AT_ONCE = 64 };

/* Fills the lines of this stride. real (room, local points), spectrum: work space. */
static sn_status interpolate_lines(const sn_grid *grid, sn_fourier *fourier, ptrdiff_t stride, sn_range lines,
                                   const ptrdiff_t *strides, ptrdiff_t room, double *real, double complex *spectrum,
                                   double *values) {
  const ptrdiff_t points = sn_grid_range(grid).count;
  for (ptrdiff_t k = 0; k < room * points; k++)
    real[k] = k < lines.count * points ? or_zero(values[lines.start * points + k]) : 0;
  SN_TRY(sn_fourier_forward(fourier, real, spectrum));
  keep_low_modes(fourier, sn_grid_points(grid), stride, spectrum);
  SN_TRY(sn_fourier_inverse(fourier, spectrum, real));
  for (ptrdiff_t k = 0; k < lines.count; k++)
    for (ptrdiff_t j = 0; j < points && strides[lines.start + k] == stride; j++) {
      double *value = values + (lines.start + k) * points + j;
      if (isnan(*value)) *value = real[k * points + j];
    }
  return SN_OK;
}

static sn_status interpolate(const sn_grid *grid, ptrdiff_t stride, ptrdiff_t lines, const ptrdiff_t *strides,
                             double *values) {
  sn_fourier *fourier;
  double *real;
  double complex *spectrum = NULL;
  const ptrdiff_t room = lines < LINES_AT_ONCE ? lines : LINES_AT_ONCE;
  SN_TRY(sn_fourier_create(grid, room, SN_FOURIER_ESTIMATE, &fourier));
  sn_status status = SN_NEW(room * sn_grid_range(grid).count, &real);
  if (!status) status = SN_NEW(sn_fourier_size(fourier), &spectrum);
  status = sn_collective_status(sn_grid_space(grid), status);
  for (ptrdiff_t first = 0; first < lines && !status; first += room) {
    const sn_range some = {first, lines - first < room ? lines - first : room};
    status = interpolate_lines(grid, fourier, stride, some, strides, room, real, spectrum, values);
  }
  SN_FREE(real);
  SN_FREE(spectrum);
  sn_fourier_destroy(&fourier);
  return status;
}

/* Of each line the stride, if every point of one that divides the grid is observed and no other; else 1. rests (2
 * lines): the first and the last remainder of an observed point by it, the last as a negative number. */
static void find_strides(const sn_grid *grid, ptrdiff_t lines, const double *counts, const double *values, int *rests,
                         ptrdiff_t *strides) {
  const sn_range points = sn_grid_range(grid);
  const ptrdiff_t all = sn_grid_points(grid);
  for (ptrdiff_t k = 0; k < lines; k++) {
    const ptrdiff_t count = (ptrdiff_t)counts[k];
    strides[k] = count > 1 && all % count == 0 ? all / count : 1;
    rests[2 * k] = (int)strides[k];
    rests[2 * k + 1] = 0;
    for (ptrdiff_t j = 0; j < points.count; j++) {
      const int rest = (int)((points.start + j) % strides[k]);
      if (isnan(values[k * points.count + j])) continue;
      if (rest < rests[2 * k]) rests[2 * k] = rest;
      if (-rest < rests[2 * k + 1]) rests[2 * k + 1] = -rest;
    }
  }
  MPI_Allreduce(MPI_IN_PLACE, rests, (int)(2 * lines), MPI_INT, MPI_MIN, sn_grid_space(grid));
  for (ptrdiff_t k = 0; k < lines; k++)
    if (rests[2 * k] != -rests[2 * k + 1]) strides[k] = 1;
}

/* Lines of one stride after those of another. */
static sn_status interpolate_strides(const sn_grid *grid, ptrdiff_t lines, const double *counts, double *values) {
  ptrdiff_t *strides;
  int *rests = NULL;
  sn_status status = SN_NEW(lines, &strides);
  if (!status) status = SN_NEW(2 * lines, &rests);
  status = sn_collective_status(sn_grid_space(grid), status);
  if (!status) find_strides(grid, lines, counts, values, rests, strides);
  for (ptrdiff_t done = 1, next = 1; !status; done = next) {
    for (ptrdiff_t k = 0; k < lines; k++)
      if (strides[k] > done && (next == done || strides[k] < next)) next = strides[k];
    if (next == done) break;
    status = interpolate(grid, next, lines, strides, values);
  }
  SN_FREE(strides);
  SN_FREE(rests);
  return status;
}

sn_status sn_observations_fill(const sn_grid *grid, ptrdiff_t members, ptrdiff_t snapshots, const double *counts,
                               double *values) {
  const sn_range points = sn_grid_range(grid);
  const double length = (double)sn_grid_points(grid);
  const int ranks = sn_grid_space_size(grid), rank = sn_grid_space_rank(grid), numbers = (int)(4 * snapshots);
  ends *own, *all = NULL;
  SN_TRY(interpolate_strides(grid, members * snapshots, counts, values));
  sn_status status = SN_NEW(snapshots, &own);
  if (!status) status = SN_NEW(snapshots * ranks, &all);
  status = sn_collective_status(sn_grid_space(grid), status);
  for (ptrdiff_t m = 0; m < members && !status; m++) {
    double *lines = values + m * snapshots * points.count;
    const double *observed = counts + m * snapshots;
    for (ptrdiff_t k = 0; k < snapshots; k++) own[k] = find_ends(points, lines + k * points.count);
    MPI_Allgather(own, numbers, MPI_DOUBLE, all, numbers, MPI_DOUBLE, sn_grid_space(grid));
    for (ptrdiff_t k = 0; k < snapshots; k++)
      if (observed[k] > 0)
        fill_line(points, look_round(all + k, ranks, snapshots, rank, -1, length),
                  look_round(all + k, ranks, snapshots, rank, 1, length), lines + k * points.count);
    fill_times(snapshots, points.count, observed, lines);
  }
  SN_FREE(own);
  SN_FREE(all);
  return status;
}
