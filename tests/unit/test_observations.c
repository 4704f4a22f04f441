/*
 * learn/observations: gaps of a stride that divides the grid are filled by the waves that the points tell apart, other
 * gaps linearly, snapshots without any from their neighbours; whatever the ranks.
 */
#include "unit.h"

#include <math.h>

#include "sinode/memory.h"
#include "sinode/observations.h"

enum { POINTS = 24, LINES = 70, STRIDE = 3 }; /* more lines than go at once */

static double wave(ptrdiff_t line, ptrdiff_t point) {
  const double x = 2 * acos(-1) * (double)point / POINTS;
  return 1.5 + cos(x + (double)line) - 0.5 * sin(3 * x) + 0.25 * cos(3 * x - (double)line);
}

static double linear(ptrdiff_t line, ptrdiff_t left, ptrdiff_t right, ptrdiff_t point) {
  const double part = (double)(point - left) / (double)(right - left);
  return (1 - part) * wave(line, left % POINTS) + part * wave(line, right % POINTS);
}

static sn_grid *make_grid(void) {
  int ranks;
  sn_grid *grid;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  assert_ok(sn_grid_create(MPI_COMM_WORLD, ranks, POINTS, NULL, &grid));
  return grid;
}

/* Fills waves of which every stride-th point is observed; of line 5 there is one less, of line 7 nothing. */
static double *fill(const sn_grid *grid, ptrdiff_t stride, ptrdiff_t offset) {
  const sn_range points = sn_grid_range(grid);
  const sn_observations_options options = {.stride = stride, .offset = offset};
  double *values, *counts;
  assert_ok(SN_NEW(LINES * points.count, &values));
  assert_ok(SN_NEW(LINES, &counts));
  for (ptrdiff_t k = 0; k < LINES; k++)
    for (ptrdiff_t j = 0; j < points.count; j++) {
      const ptrdiff_t at = points.start + j;
      values[k * points.count + j] = k == 7 || (k == 5 && at == offset + stride) ? NAN : wave(k, at);
    }
  sn_observations_select(grid, &options, LINES, NULL, values);
  sn_observations_count(grid, LINES, values, counts);
  assert_ok(sn_observations_fill(grid, 2, LINES / 2, counts, values));
  SN_FREE(counts);
  return values;
}

static void waves_are_found_again(void **state) {
  (void)state;
  sn_grid *grid = make_grid();
  const sn_range points = sn_grid_range(grid);
  for (ptrdiff_t offset = 0; offset < STRIDE; offset++) {
    double *values = fill(grid, STRIDE, offset);
    for (ptrdiff_t k = 0; k < LINES; k++)
      for (ptrdiff_t j = 0; j < points.count && k != 5; j++)
        assert_close(values[k * points.count + j], wave(k == 7 ? 6 : k, points.start + j), 1e-13);
    SN_FREE(values);
  }
  sn_grid_destroy(&grid);
}

static void other_gaps_are_filled_linearly(void **state) {
  (void)state;
  sn_grid *grid = make_grid();
  const sn_range points = sn_grid_range(grid);
  double *one_less = fill(grid, STRIDE, 1), *uneven = fill(grid, 5, 2); /* 2, 7, 12, 17, 22, and 26 is 2 again */
  for (ptrdiff_t j = 0; j < points.count; j++) {
    const ptrdiff_t at = points.start + j, past = (at + POINTS - 1) % STRIDE;
    if (at > 1 && at < 7) assert_close(one_less[5 * points.count + j], linear(5, 1, 7, at), 1e-13);
    if (at >= 7) assert_close(one_less[5 * points.count + j], linear(5, at - past, at - past + STRIDE, at), 1e-13);
    if (at > 22) assert_close(uneven[j], linear(0, 22, 26, at), 1e-13);
    if (at < 2) assert_close(uneven[j], linear(0, 22, 26, at + POINTS), 1e-13);
  }
  SN_FREE(one_less);
  SN_FREE(uneven);
  sn_grid_destroy(&grid);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(waves_are_found_again),
                                     cmocka_unit_test(other_gaps_are_filled_linearly)};
  return unit_run(argc, argv, tests);
}
