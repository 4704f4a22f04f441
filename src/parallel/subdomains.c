#include "sinode/subdomains.h"

#include <math.h>
#include <string.h>

#include "sinode/halo.h"
#include "sinode/memory.h"

struct sn_subdomains {
  sn_subdomains_options options;
  ptrdiff_t points; /* local */
  ptrdiff_t count, rows;
  sn_halo *halo;
  double *ramp;    /* (taper) from 0 to 1 */
  double *bars[2]; /* (rows, overlap) derivatives by the halos, left and right */
};

static ptrdiff_t least(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static ptrdiff_t greatest(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }

/* Rises from 0 to 1 within round-off of both at its ends, with all derivatives: erf, whose width is a fifth of it. */
static sn_status make_ramp(sn_subdomains *s) {
  const ptrdiff_t taper = s->options.taper;
  SN_TRY(SN_NEW(taper, &s->ramp));
  for (ptrdiff_t j = 0; j < taper; j++) s->ramp[j] = 0.5 * (1 + erf(5.4 * (2 * ((double)j + 0.5) / (double)taper - 1)));
  return SN_OK;
}

ptrdiff_t sn_subdomains_needed(ptrdiff_t block, ptrdiff_t overlap, ptrdiff_t length) {
  return (block + length - 2 * overlap - 1) / (length - 2 * overlap);
}

/* The numbers in all subdomains times the logarithm of their length. */
static double work_of(ptrdiff_t block, ptrdiff_t overlap, ptrdiff_t length) {
  return (double)(sn_subdomains_needed(block, overlap, length) * length) * log2((double)length);
}

ptrdiff_t sn_subdomains_choose_length(ptrdiff_t block, ptrdiff_t overlap) {
  static const ptrdiff_t factors[] = {1, 3, 5, 9, 15};
  enum { FACTORS = sizeof factors / sizeof *factors, LENGTH_LEAST = 16, LENGTH_MOST = 4096, OVERLAPS_MOST = 8 };
  const ptrdiff_t most = OVERLAPS_MOST * overlap > LENGTH_MOST ? OVERLAPS_MOST * overlap : LENGTH_MOST;
  ptrdiff_t best = 0;
  for (int f = 0; f < FACTORS; f++)
    for (ptrdiff_t length = LENGTH_LEAST * factors[f]; length <= most; length *= 2) {
      if (length <= 2 * overlap) continue;
      if (!best || work_of(block, overlap, length) < work_of(block, overlap, best)) best = length;
    }
  return best;
}

static sn_status prepare(sn_subdomains *s, const sn_grid *grid) {
  const ptrdiff_t overlap = s->options.overlap;
  SN_TRY(sn_halo_create(grid, overlap, s->rows, &s->halo));
  for (int side = 0; side < 2; side++) SN_TRY(SN_NEW(s->rows * overlap, &s->bars[side]));
  return make_ramp(s);
}

sn_status sn_subdomains_create(const sn_grid *grid, const sn_subdomains_options *options, ptrdiff_t rows,
                               sn_subdomains **out) {
  *out = NULL;
  const ptrdiff_t shortest = sn_grid_points(grid) / sn_grid_space_size(grid);
  if (options->overlap > shortest)
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "subdomains that overlap by %td points do not fit the %td points of a rank's block; use fewer "
                        "ranks in space or a larger domain",
                        options->overlap, shortest);
  sn_subdomains *s;
  SN_TRY(sn_collective_status(sn_grid_space(grid), SN_NEW(1, &s)));
  *s = (sn_subdomains){.options = *options, .points = sn_grid_range(grid).count, .rows = rows};
  if (!s->options.length) s->options.length = s->points + 2 * options->overlap;
  s->count = sn_subdomains_needed(s->points, options->overlap, s->options.length);
  sn_status status = sn_collective_status(sn_grid_space(grid), prepare(s, grid));
  if (status) sn_subdomains_destroy(&s);
  *out = s;
  return status;
}

void sn_subdomains_destroy(sn_subdomains **subdomains) {
  sn_subdomains *s = *subdomains;
  if (!s) return;
  sn_halo_destroy(&s->halo);
  SN_FREE(s->ramp);
  for (int side = 0; side < 2; side++) SN_FREE(s->bars[side]);
  SN_FREE(*subdomains);
}

ptrdiff_t sn_subdomains_count(const sn_subdomains *s) { return s->count; }
ptrdiff_t sn_subdomains_length(const sn_subdomains *s) { return s->options.length; }

sn_range sn_subdomains_kept(const sn_subdomains *s, ptrdiff_t i) {
  return sn_partition_range((sn_partition){s->points, (int)s->count}, (int)i);
}

/* What subdomain i reads of the block and its halos: the kept points in its middle, but never past a halo's end. */
static sn_range range_read(const sn_subdomains *s, ptrdiff_t i) {
  const sn_range kept = sn_subdomains_kept(s, i);
  const ptrdiff_t overlap = s->options.overlap, length = s->options.length, end = s->points + overlap;
  const ptrdiff_t centred = kept.start - (length - kept.count) / 2;
  const ptrdiff_t start = greatest(-overlap, least(centred, end - length));
  return (sn_range){start, least(length, end - start)};
}

ptrdiff_t sn_subdomains_offset(const sn_subdomains *s, ptrdiff_t i) {
  return sn_subdomains_kept(s, i).start - range_read(s, i).start;
}

sn_status sn_subdomains_exchange(sn_subdomains *s, ptrdiff_t rows, const double *values) {
  SN_TRY(sn_halo_begin(s->halo, rows, values, s->points));
  return sn_halo_end(s->halo);
}

/* The parts of what a subdomain reads: in the left halo, the block, the right halo; starts in each. */
typedef struct {
  sn_range left, block, right;
} parts;

static parts split(const sn_subdomains *s, sn_range read) {
  const ptrdiff_t overlap = s->options.overlap, n = s->points;
  parts p = {sn_range_intersect(read, (sn_range){-overlap, overlap}), sn_range_intersect(read, (sn_range){0, n}),
             sn_range_intersect(read, (sn_range){n, overlap})};
  p.left.start += overlap;
  p.right.start -= n;
  return p;
}

static void taper(const sn_subdomains *s, ptrdiff_t count, double *subdomain) {
  for (ptrdiff_t j = 0; j < s->options.taper; j++) {
    subdomain[j] *= s->ramp[j];
    subdomain[count - 1 - j] *= s->ramp[j];
  }
}

static void copy(double *to, const double *from, ptrdiff_t count) {
  if (count) memcpy(to, from, (size_t)count * sizeof *to);
}

void sn_subdomains_read(const sn_subdomains *s, ptrdiff_t i, ptrdiff_t row, const double *values, double *subdomain) {
  const sn_range read = range_read(s, i);
  const parts p = split(s, read);
  const ptrdiff_t overlap = s->options.overlap;
  copy(subdomain, sn_halo_left(s->halo) + row * overlap + p.left.start, p.left.count);
  copy(subdomain + p.left.count, values + row * s->points + p.block.start, p.block.count);
  copy(subdomain + p.left.count + p.block.count, sn_halo_right(s->halo) + row * overlap + p.right.start, p.right.count);
  memset(subdomain + read.count, 0, (size_t)(s->options.length - read.count) * sizeof *subdomain);
  taper(s, read.count, subdomain);
}

void sn_subdomains_write(const sn_subdomains *s, ptrdiff_t i, ptrdiff_t row, const double *subdomain, double *values) {
  const sn_range kept = sn_subdomains_kept(s, i);
  copy(values + row * s->points + kept.start, subdomain + sn_subdomains_offset(s, i), kept.count);
}

void sn_subdomains_write_transpose(const sn_subdomains *s, ptrdiff_t i, ptrdiff_t row, const double *value_bars,
                                   double *subdomain_bar) {
  const sn_range kept = sn_subdomains_kept(s, i);
  memset(subdomain_bar, 0, (size_t)s->options.length * sizeof *subdomain_bar);
  copy(subdomain_bar + sn_subdomains_offset(s, i), value_bars + row * s->points + kept.start, kept.count);
}

void sn_subdomains_begin_add(sn_subdomains *s, ptrdiff_t rows) {
  for (int side = 0; side < 2; side++)
    memset(s->bars[side], 0, (size_t)(rows * s->options.overlap) * sizeof *s->bars[side]);
}

/* to[0 .. count) += the derivatives by the points from `first` on of what a subdomain reads, times the taper there. */
static void add(const sn_subdomains *s, sn_range read, ptrdiff_t first, ptrdiff_t count, const double *bar,
                double *to) {
  const ptrdiff_t width = s->options.taper;
  for (ptrdiff_t j = 0; j < count; j++) {
    const ptrdiff_t k = first + j, edge = least(k, read.count - 1 - k);
    to[j] += edge < width ? s->ramp[edge] * bar[k] : bar[k];
  }
}

void sn_subdomains_add(sn_subdomains *s, ptrdiff_t i, ptrdiff_t row, const double *subdomain_bar, double *value_bars) {
  const sn_range read = range_read(s, i);
  const parts p = split(s, read);
  const ptrdiff_t overlap = s->options.overlap;
  add(s, read, 0, p.left.count, subdomain_bar, s->bars[0] + row * overlap + p.left.start);
  add(s, read, p.left.count, p.block.count, subdomain_bar, value_bars + row * s->points + p.block.start);
  add(s, read, p.left.count + p.block.count, p.right.count, subdomain_bar, s->bars[1] + row * overlap + p.right.start);
}

sn_status sn_subdomains_end_add(sn_subdomains *s, ptrdiff_t rows, double *value_bars) {
  return sn_halo_add(s->halo, rows, s->bars[0], s->bars[1], value_bars, s->points);
}
