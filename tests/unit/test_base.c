/* base/ and the block partition: checked counts, memory, random numbers, errors and their agreement. */
#include "unit.h"

#include <float.h>

#include "sinode/count.h"
#include "sinode/finite.h"
#include "sinode/grid.h"
#include "sinode/memory.h"
#include "sinode/name.h"
#include "sinode/partition.h"
#include "sinode/random.h"

static void counts_are_checked(void **state) {
  (void)state;
  ptrdiff_t result;
  assert_that(sn_count_multiply(3, 4, &result) && result == 12);
  assert_that(!sn_count_multiply(PTRDIFF_MAX / 2, 3, &result));
  assert_that(!sn_count_add(PTRDIFF_MAX, 1, &result));
  assert_that(!sn_count_multiply(-1, 3, &result));
  int small;
  assert_ok(sn_count_to_int(7, "seven", &small));
  assert_int_equal(small, 7);
  sn_status status = sn_count_to_int((ptrdiff_t)1 << 31, "a large count", &small);
  assert_that(status && sn_error_get_code(status) == SN_ERROR_RUN);
  sn_error_destroy(&status);
}

static void memory_is_aligned_zeroed_and_counted(void **state) {
  (void)state;
  ptrdiff_t before = sn_memory_bytes(), calls = sn_memory_calls();
  double *values;
  assert_ok(SN_NEW(1000, &values));
  assert_that((uintptr_t)values % 64 == 0);
  for (int i = 0; i < 1000; i++) assert_that(values[i] == 0);
  assert_that(sn_memory_bytes() >= before + 8000 && sn_memory_calls() == calls + 1);
  SN_FREE(values);
  assert_null(values);
  assert_int_equal(sn_memory_bytes(), before);
  sn_status status = SN_NEW(PTRDIFF_MAX / 4, &values);
  assert_that(status && !values);
  sn_error_destroy(&status);
}

static void what_is_not_finite_is_found(void **state) {
  (void)state;
  enum { COUNT = 37 };
  const double beyond[] = {NAN, INFINITY, -INFINITY};
  double values[COUNT];
  for (int i = 0; i < COUNT; i++) values[i] = i % 2 ? -DBL_MAX : DBL_MIN;
  assert_that(sn_all_finite(COUNT, values) && sn_all_finite(0, values));
  for (int i = 0; i < COUNT; i++)
    for (int k = 0; k < 3; k++) {
      const double kept = values[i];
      values[i] = beyond[k];
      assert_that(!sn_all_finite(COUNT, values));
      values[i] = kept;
    }
}

static void random_numbers_have_their_moments(void **state) {
  (void)state;
  const sn_random source = {.seed = 5, .purpose = SN_RANDOM_TEST, .stream = 3};
  enum { COUNT = 200000 };
  double mean = 0, square = 0, uniform = 0;
  for (int i = 0; i < COUNT; i++) {
    double normal = sn_random_normal(&source, (uint64_t)i), flat = sn_random_uniform(&source, (uint64_t)i);
    assert_that(flat > 0 && flat < 1);
    mean += normal / COUNT;
    square += normal * normal / COUNT;
    uniform += flat / COUNT;
  }
  /* Five standard errors of each moment. */
  assert_close(mean, 0, 5 / sqrt(COUNT));
  assert_close(square, 1, 5 * sqrt(2.0 / COUNT));
  assert_close(uniform, 0.5, 5 * sqrt(1.0 / 12 / COUNT));
  const sn_random other = {.seed = 6, .purpose = SN_RANDOM_TEST, .stream = 3};
  assert_that(sn_random_uniform(&source, 0) != sn_random_uniform(&other, 0));
  assert_that(sn_random_uniform(&source, 0) == sn_random_uniform(&source, 0));
}

static void permutations_hold_everything_once(void **state) {
  (void)state;
  enum { COUNT = 1001 };
  ptrdiff_t order[COUNT];
  const sn_random source = {.seed = 1, .purpose = SN_RANDOM_SHUFFLE, .stream = 0};
  sn_random_permutation(&source, COUNT, order);
  bool seen[COUNT] = {false};
  ptrdiff_t fixed = 0;
  for (ptrdiff_t i = 0; i < COUNT; i++) {
    assert_that(order[i] >= 0 && order[i] < COUNT && !seen[order[i]]);
    seen[order[i]] = true;
    fixed += order[i] == i;
  }
  assert_that(fixed < 10);
}

static void blocks_cover_the_grid(void **state) {
  (void)state;
  for (int ranks = 1; ranks <= 9; ranks++)
    for (ptrdiff_t points = ranks; points <= 70; points++) {
      sn_partition partition = {.points = points, .ranks = ranks};
      ptrdiff_t next = 0, least = points, most = 0;
      for (int rank = 0; rank < ranks; rank++) {
        sn_range range = sn_partition_range(partition, rank);
        assert_int_equal(range.start, next);
        next += range.count;
        if (range.count < least) least = range.count;
        if (range.count > most) most = range.count;
        for (ptrdiff_t j = range.start; j < next; j++) assert_int_equal(sn_partition_owner(partition, j), rank);
      }
      assert_int_equal(next, points);
      assert_that(most - least <= 1);
      assert_int_equal(sn_partition_most(points, ranks), most);
    }
}

static void failure_of_one_becomes_failure_of_all(void **state) {
  (void)state;
  int rank, size;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  assert_ok(sn_collective_status(MPI_COMM_WORLD, SN_OK));
  sn_status mine = rank == size - 1 ? SN_ERROR(SN_ERROR_FILE, "disk full on rank %d", rank) : SN_OK;
  sn_status all = sn_collective_status(MPI_COMM_WORLD, mine);
  assert_that(all && sn_error_get_code(all) == SN_ERROR_FILE && sn_error_is_collective(all, MPI_COMM_WORLD));
  assert_non_null(strstr(sn_error_get_message(all), "disk full"));
  sn_error_destroy(&all);
}

static void process_grid_is_replicas_by_space(void **state) {
  (void)state;
  int rank, size;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (int space = 1; space <= size; space++) {
    sn_grid *grid;
    sn_status status = sn_grid_create(MPI_COMM_WORLD, space, 17, NULL, &grid);
    if (size % space) {
      assert_that(status && sn_error_get_code(status) == SN_ERROR_USAGE &&
                  sn_error_is_collective(status, MPI_COMM_WORLD));
      sn_error_destroy(&status);
      continue;
    }
    assert_ok(status);
    assert_int_equal(sn_grid_space_rank(grid) + space * sn_grid_replica(grid), rank);
    ptrdiff_t points = sn_grid_range(grid).count, samples = sn_grid_share(grid, 5).count;
    MPI_Allreduce(MPI_IN_PLACE, &points, 1, MPI_AINT, MPI_SUM, sn_grid_space(grid));
    MPI_Allreduce(MPI_IN_PLACE, &samples, 1, MPI_AINT, MPI_SUM, sn_grid_replicas(grid));
    assert_int_equal(points, 17);
    assert_int_equal(samples, 5);
    sn_grid_destroy(&grid);
  }
  sn_grid *grid;
  sn_status status = sn_grid_create(MPI_COMM_WORLD, size, 2 * size - 1, NULL, &grid);
  if (size > 1) {
    assert_that(status && sn_error_get_code(status) == SN_ERROR_USAGE);
    sn_error_destroy(&status);
  } else {
    sn_grid_destroy(&grid);
  }
}

static void names_are_found(void **state) {
  (void)state;
  static const sn_name table[] = {{"all", 2}, {"some", 0}, {"none", 7}, {NULL, 0}};
  char text[32], cut[8];
  for (const sn_name *entry = table; entry->name; entry++) {
    assert_string_equal(sn_name_of(table, entry->value), entry->name);
    assert_int_equal(sn_name_value(table, entry->name), entry->value);
  }
  assert_null(sn_name_of(table, 1));
  assert_int_equal(sn_name_value(table, "al"), -1);
  sn_name_list(table, " or ", text, sizeof text);
  assert_string_equal(text, "all, some or none");
  sn_name_list(table + 2, " or ", text, sizeof text);
  assert_string_equal(text, "none");
  sn_name_list(table, ", ", cut, sizeof cut);
  assert_string_equal(cut, "all, so");
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(counts_are_checked),
      cmocka_unit_test(memory_is_aligned_zeroed_and_counted),
      cmocka_unit_test(what_is_not_finite_is_found),
      cmocka_unit_test(random_numbers_have_their_moments),
      cmocka_unit_test(permutations_hold_everything_once),
      cmocka_unit_test(blocks_cover_the_grid),
      cmocka_unit_test(failure_of_one_becomes_failure_of_all),
      cmocka_unit_test(process_grid_is_replicas_by_space),
      cmocka_unit_test(names_are_found),
  };
  return unit_run(argc, argv, tests);
}
