/* Halo exchange: every width up to the period, several rows and strides, both types, every split of the ranks. */
#include "unit.h"

#include "sinode/halo.h"
#include "sinode/memory.h"

enum { ROWS = 3, PAD = 2 };

static double field(ptrdiff_t row, ptrdiff_t point, ptrdiff_t points, int salt) {
  return 10000 * salt + 1000 * (double)row + (double)((point + 2 * points) % points);
}

/* Exchanges `rows` rows of the field and compares both halos with it. */
static void exchange(sn_halo *halo, const sn_grid *grid, ptrdiff_t width, ptrdiff_t rows, int salt) {
  ptrdiff_t points = sn_grid_points(grid);
  sn_range range = sn_grid_range(grid);
  ptrdiff_t stride = range.count + PAD;
  double *values;
  assert_ok(SN_NEW(rows * stride, &values));
  for (ptrdiff_t i = 0; i < rows; i++)
    for (ptrdiff_t j = 0; j < range.count; j++) values[i * stride + j] = field(i, range.start + j, points, salt);
  ptrdiff_t calls = sn_memory_calls();
  assert_ok(sn_halo_begin(halo, rows, values, stride));
  for (ptrdiff_t i = 0; i < rows * stride; i++) values[i] = NAN;
  assert_ok(sn_halo_end(halo));
  assert_int_equal(sn_memory_calls(), calls);
  for (ptrdiff_t i = 0; i < rows; i++)
    for (ptrdiff_t j = 0; j < width; j++) {
      assert_close(sn_halo_left(halo)[i * width + j], field(i, range.start - width + j, points, salt), 0);
      assert_close(sn_halo_right(halo)[i * width + j], field(i, range.start + range.count + j, points, salt), 0);
    }
  SN_FREE(values);
}

/* The same in single precision, on the same halo. */
static void exchange_single(sn_halo *halo, const sn_grid *grid, ptrdiff_t width, ptrdiff_t rows) {
  ptrdiff_t points = sn_grid_points(grid);
  sn_range range = sn_grid_range(grid);
  float *values;
  assert_ok(SN_NEW(rows * range.count, &values));
  for (ptrdiff_t i = 0; i < rows; i++)
    for (ptrdiff_t j = 0; j < range.count; j++)
      values[i * range.count + j] = (float)field(i, range.start + j, points, 4);
  assert_ok(sn_halo_begin_single(halo, rows, values, range.count));
  assert_ok(sn_halo_end(halo));
  for (ptrdiff_t i = 0; i < rows; i++)
    for (ptrdiff_t j = 0; j < width; j++) {
      assert_close(sn_halo_left_single(halo)[i * width + j], field(i, range.start - width + j, points, 4), 0);
      assert_close(sn_halo_right_single(halo)[i * width + j], field(i, range.start + range.count + j, points, 4), 0);
    }
  SN_FREE(values);
}

static void halos_hold_the_periodic_neighbours(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  const ptrdiff_t grids[] = {8, 11, 16};
  for (int space = 1; space <= size; space++)
    for (int g = 0; g < 3 && size % space == 0; g++) {
      sn_grid *grid;
      assert_ok(sn_grid_create(MPI_COMM_WORLD, space, grids[g], NULL, &grid));
      for (ptrdiff_t width = 1; width <= grids[g]; width++) {
        sn_halo *halo;
        assert_ok(sn_halo_create(grid, width, ROWS, &halo));
        exchange(halo, grid, width, ROWS, 1);
        exchange(halo, grid, width, 1, 2);
        exchange_single(halo, grid, width, ROWS);
        exchange(halo, grid, width, ROWS - 1, 3);
        sn_halo_destroy(&halo);
      }
      sn_grid_destroy(&grid);
    }
}

static void impossible_halos_are_refused(void **state) {
  (void)state;
  sn_grid *grid;
  assert_ok(sn_grid_create(MPI_COMM_WORLD, 1, 8, NULL, &grid));
  sn_halo *halo;
  sn_status status = sn_halo_create(grid, 9, 1, &halo);
  assert_that(status && !halo && sn_error_get_code(status) == SN_ERROR_USAGE);
  sn_error_destroy(&status);
  status = sn_halo_create(grid, 2, PTRDIFF_MAX / 4, &halo);
  assert_that(status && !halo && sn_error_get_code(status) == SN_ERROR_RUN);
  sn_error_destroy(&status);
  sn_grid_destroy(&grid);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(halos_hold_the_periodic_neighbours),
      cmocka_unit_test(impossible_halos_are_refused),
  };
  return unit_run(argc, argv, tests);
}
