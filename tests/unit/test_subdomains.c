/* Overlapping subdomains: what they read and keep, and that the transposes are the transposes. */
#include "unit.h"

#include <string.h>

#include "sinode/memory.h"
#include "sinode/random.h"
#include "sinode/subdomains.h"

enum { ROWS = 2 };

static double field(ptrdiff_t row, ptrdiff_t point, ptrdiff_t points) {
  return 1000 * (double)(row + 1) + (double)((point + 2 * points) % points);
}

typedef struct {
  sn_grid *grid;
  sn_subdomains *subdomains;
  double *values, *subdomain;
  ptrdiff_t local;
} fixture;

static fixture make(int space, ptrdiff_t points, const sn_subdomains_options *options) {
  fixture f;
  assert_ok(sn_grid_create(MPI_COMM_WORLD, space, points, NULL, &f.grid));
  assert_ok(sn_subdomains_create(f.grid, options, ROWS, &f.subdomains));
  f.local = sn_grid_range(f.grid).count;
  assert_ok(SN_NEW(ROWS * f.local, &f.values));
  assert_ok(SN_NEW(sn_subdomains_length(f.subdomains), &f.subdomain));
  return f;
}

static void destroy(fixture *f) {
  SN_FREE(f->values);
  SN_FREE(f->subdomain);
  sn_subdomains_destroy(&f->subdomains);
  sn_grid_destroy(&f->grid);
}

/* Every subdomain's points, zeros behind them, and every point kept once, far enough from both ends. */
static void check_reading(const fixture *f, const sn_subdomains_options *options) {
  const sn_subdomains *s = f->subdomains;
  const ptrdiff_t points = sn_grid_points(f->grid), first = sn_grid_range(f->grid).start;
  ptrdiff_t next = 0;
  for (ptrdiff_t i = 0; i < sn_subdomains_count(s); i++) {
    const sn_range kept = sn_subdomains_kept(s, i);
    const ptrdiff_t offset = sn_subdomains_offset(s, i), start = kept.start - offset;
    assert_int_equal(kept.start, next);
    assert_that(offset >= options->overlap);
    assert_that(offset + kept.count + options->overlap <= sn_subdomains_length(s));
    next += kept.count;
    for (ptrdiff_t row = 0; row < ROWS; row++) {
      sn_subdomains_read(s, i, row, f->values, f->subdomain);
      for (ptrdiff_t j = 0; j < sn_subdomains_length(s); j++) {
        const bool is_read = start + j < f->local + options->overlap;
        assert_close(f->subdomain[j], is_read ? field(row, first + start + j, points) : 0, 0);
      }
      sn_subdomains_write(s, i, row, f->subdomain, f->values);
    }
  }
  assert_int_equal(next, f->local);
}

static void subdomains_read_their_points_and_keep_each_once(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (int space = 1; space <= size; space++)
    for (ptrdiff_t length = 0; length <= 64 && size % space == 0; length += 16) {
      const sn_subdomains_options options = {.overlap = 7, .length = length};
      fixture f = make(space, 61, &options);
      for (ptrdiff_t row = 0; row < ROWS; row++)
        for (ptrdiff_t j = 0; j < f.local; j++)
          f.values[row * f.local + j] = field(row, sn_grid_range(f.grid).start + j, 61);
      const ptrdiff_t calls = sn_memory_calls();
      assert_ok(sn_subdomains_exchange(f.subdomains, ROWS, f.values));
      check_reading(&f, &options);
      assert_int_equal(sn_memory_calls(), calls);
      destroy(&f);
    }
}

static void fill(int salt, ptrdiff_t count, double *values) {
  const sn_random random = {.purpose = SN_RANDOM_TEST, .stream = (uint64_t)salt};
  for (ptrdiff_t j = 0; j < count; j++) values[j] = sn_random_normal(&random, (uint64_t)j);
}

static double product(ptrdiff_t count, const double *x, const double *y) {
  double sum = 0;
  for (ptrdiff_t j = 0; j < count; j++) sum += x[j] * y[j];
  return sum;
}

/* <read x, y> = <x, add y>, and <write x, y> = <x, write_transpose y>, summed over subdomains, rows and ranks. */
static void transposes_are_transposes(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (ptrdiff_t length = 0; length <= 64; length += 16) {
    const sn_subdomains_options options = {.overlap = 7, .taper = 3, .length = length};
    fixture f = make(size, 61, &options);
    sn_subdomains *s = f.subdomains;
    const ptrdiff_t count = ROWS * f.local, m = sn_subdomains_length(s);
    double *x, *x_bar, *y, *written, sums[4] = {0};
    assert_ok(SN_NEW(count, &x));
    assert_ok(SN_NEW(count, &x_bar));
    assert_ok(SN_NEW(count, &written));
    assert_ok(SN_NEW(m, &y));
    const int rank = sn_grid_rank(f.grid);
    fill(rank, count, x);
    assert_ok(sn_subdomains_exchange(s, ROWS, x));
    sn_subdomains_begin_add(s, ROWS);
    for (ptrdiff_t row = 0; row < ROWS; row++)
      for (ptrdiff_t i = 0; i < sn_subdomains_count(s); i++) {
        fill(100 + (int)(100 * row + 10 * i) + rank, m, y);
        sn_subdomains_read(s, i, row, x, f.subdomain);
        sums[0] += product(m, f.subdomain, y);
        sn_subdomains_add(s, i, row, y, x_bar);
        sn_subdomains_write(s, i, row, y, written);
        sn_subdomains_write_transpose(s, i, row, x, f.subdomain);
        sums[2] += product(m, f.subdomain, y);
      }
    assert_ok(sn_subdomains_end_add(s, ROWS, x_bar));
    sums[1] = product(count, x, x_bar);
    sums[3] = product(count, x, written);
    MPI_Allreduce(MPI_IN_PLACE, sums, 4, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    assert_close(sums[0], sums[1], 1e-12 * (double)m);
    assert_close(sums[2], sums[3], 1e-12 * (double)m);
    SN_FREE(x);
    SN_FREE(x_bar);
    SN_FREE(written);
    SN_FREE(y);
    destroy(&f);
  }
}

static void overlaps_that_do_not_fit_are_refused(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  sn_grid *grid;
  assert_ok(sn_grid_create(MPI_COMM_WORLD, size, 40, NULL, &grid));
  const sn_subdomains_options options = {.overlap = 40 / size + 1};
  sn_subdomains *subdomains;
  sn_status status = sn_subdomains_create(grid, &options, 1, &subdomains);
  assert_that(status && !subdomains && sn_error_get_code(status) == SN_ERROR_USAGE);
  sn_error_destroy(&status);
  sn_grid_destroy(&grid);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(subdomains_read_their_points_and_keep_each_once),
      cmocka_unit_test(transposes_are_transposes),
      cmocka_unit_test(overlaps_that_do_not_fit_are_refused),
  };
  return unit_run(argc, argv, tests);
}
