/* Blocks of parameters: layout, reduction over space and replicas, inner product, at every split of the ranks. */
#include "parallel/reduction_ops.h"
#include "unit.h"

#include "sinode/memory.h"
#include "sinode/parameters.h"

enum { POINTS = 13, HIDDEN = 5, TAPS = 3 };

/* An element of a global array, different for every block and element, and small enough that sums are exact. */
static double element(int block, ptrdiff_t index) { return 1000 * (block + 1) + (double)index; }

static sn_grid *make_grid(int space) {
  sn_grid *grid;
  assert_ok(sn_grid_create(MPI_COMM_WORLD, space, POINTS, NULL, &grid));
  return grid;
}

static sn_parameters *make_parameters(const sn_grid *grid) {
  sn_range range = sn_grid_range(grid);
  sn_parameter_block blocks[] = {
      {.name = "fixed", .dimensions = 1, .shape = {TAPS}, .count = {TAPS}},
      {.name = "weight",
       .dimensions = 2,
       .shape = {HIDDEN, POINTS},
       .start = {0, range.start},
       .count = {HIDDEN, range.count},
       .split = true,
       .trainable = true},
      {.name = "stencil", .dimensions = 1, .shape = {TAPS}, .count = {TAPS}, .partial = true, .trainable = true},
      {.name = "frozen",
       .dimensions = 1,
       .shape = {POINTS},
       .start = {range.start},
       .count = {range.count},
       .split = true},
      {.name = "bias", .dimensions = 1, .shape = {HIDDEN}, .count = {HIDDEN}, .trainable = true},
  };
  sn_parameters *parameters;
  assert_ok(sn_parameters_create(grid, &parameters));
  ptrdiff_t end = 0;
  for (int i = 0; i < (int)(sizeof blocks / sizeof *blocks); i++) {
    assert_ok(sn_parameters_add(parameters, &blocks[i]));
    assert_that(blocks[i].offset % 8 == 0 && blocks[i].offset >= end);
    end = blocks[i].offset + sn_parameter_block_size(&blocks[i]);
  }
  assert_ok(sn_parameters_allocate(parameters));
  assert_that(sn_parameters_size(parameters) >= end && sn_parameters_blocks(parameters) == 5);
  return parameters;
}

/* The global index of local element i of a block. */
static ptrdiff_t global_index(const sn_parameter_block *block, ptrdiff_t i) {
  if (block->dimensions == 1) return block->start[0] + i;
  return (block->start[0] + i / block->count[1]) * block->shape[1] + block->start[1] + i % block->count[1];
}

static void blocks_are_found_and_counted(void **state) {
  (void)state;
  sn_grid *grid = make_grid(1);
  sn_parameters *parameters = make_parameters(grid);
  assert_null(sn_parameters_find(parameters, "weights"));
  assert_ptr_equal(sn_parameters_find(parameters, "bias"), sn_parameters_block(parameters, 4));
  assert_int_equal(sn_parameters_total(parameters, false), 2 * TAPS + HIDDEN * POINTS + POINTS + HIDDEN);
  assert_int_equal(sn_parameters_total(parameters, true), TAPS + HIDDEN * POINTS + HIDDEN);
  sn_parameter_block huge = {.name = "huge", .dimensions = 2, .shape = {PTRDIFF_MAX / 2, 3}, .trainable = true};
  sn_status status = sn_parameters_add(parameters, &huge);
  assert_that(status && strstr(sn_error_get_message(status), "huge"));
  sn_error_destroy(&status);
  /* Many blocks: the list grows. */
  for (int i = 0; i < 40; i++) {
    sn_parameter_block more = {.dimensions = 1, .shape = {1}, .count = {1}};
    snprintf(more.name, sizeof more.name, "more_%d", i);
    assert_ok(sn_parameters_add(parameters, &more));
  }
  assert_non_null(sn_parameters_find(parameters, "weight"));
  assert_non_null(sn_parameters_find(parameters, "more_39"));
  sn_parameters_destroy(&parameters);
  sn_grid_destroy(&grid);
}

static void check_sum(int space, int groups) {
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  sn_grid *grid = make_grid(space);
  sn_parameters *parameters = make_parameters(grid);
  double *gradient;
  assert_ok(SN_NEW(sn_parameters_size(parameters), &gradient));
  int replica = sn_grid_replica(grid), space_rank = sn_grid_space_rank(grid);
  sn_reduction *reduction;
  assert_ok(sn_reduction_create_in_groups(parameters, groups, &reduction));
  ptrdiff_t calls = sn_memory_calls();
  sn_reduction_begin(reduction, 1, 1, gradient);
  const sn_gradient *sum = sn_reduction_chunk(reduction, true);
  for (int b = 0; b < sn_parameters_blocks(parameters); b++) {
    const sn_parameter_block *block = sn_parameters_block(parameters, b);
    for (ptrdiff_t i = 0; i < sn_parameter_block_size(block); i++)
      sum->values[block->offset + i] =
          element(b, global_index(block, i)) * (replica + 1) + (block->partial ? 7 * space_rank : 0);
  }
  double numbers[2] = {1, replica}, value;
  /* What a backward pass is done with, from the end; replicas may be so at different times. */
  for (int b = sn_parameters_blocks(parameters) - 1; b > replica; b--) {
    sn_gradient own;
    sn_gradient_final_from(sn_gradient_for_pass(sum, b < 3, &own), sn_parameters_block(parameters, b)->offset);
  }
  sn_reduction_add(reduction, 3);
  assert_that(sn_reduction_finish(reduction, &value, 2, numbers));
  sn_reduction_gather(reduction, gradient);
  assert_int_equal(sn_memory_calls(), calls);
  assert_close(value, 3 * size, 0);
  assert_close(numbers[0], size, 0);
  assert_close(numbers[1], (double)size * (sn_grid_replica_count(grid) - 1) / 2, 0);
  sn_reduction_destroy(&reduction);

  int replicas = sn_grid_replica_count(grid), all = replicas * (replicas + 1) / 2;
  for (int b = 0; b < sn_parameters_blocks(parameters); b++) {
    const sn_parameter_block *block = sn_parameters_block(parameters, b);
    for (ptrdiff_t i = 0; i < sn_parameter_block_size(block); i++) {
      double once = element(b, global_index(block, i)), expected = once * all;
      if (block->partial) expected = once * all * space + 7.0 * replicas * space * (space - 1) / 2;
      if (!block->trainable) expected = once * (replica + 1);
      assert_close(gradient[block->offset + i], expected, 0);
    }
  }
  SN_FREE(gradient);
  sn_parameters_destroy(&parameters);
  sn_grid_destroy(&grid);
}

/* Directly, and in any number of groups of replicas. */
static void gradients_are_summed_once(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (int space = 1; space <= size; space++)
    for (int groups = 1; size % space == 0 && groups <= size / space; groups++) check_sum(space, groups);
}

static void inner_product_counts_each_element_once(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  double expected = 0;
  for (ptrdiff_t i = 0; i < HIDDEN * POINTS; i++) expected += element(1, i) * element(1, i);
  for (ptrdiff_t i = 0; i < TAPS; i++) expected += element(2, i) * element(2, i);
  for (ptrdiff_t i = 0; i < HIDDEN; i++) expected += element(4, i) * element(4, i);
  for (int space = 1; space <= size; space++) {
    if (size % space) continue;
    sn_grid *grid = make_grid(space);
    sn_parameters *parameters = make_parameters(grid);
    double *values = sn_parameters_values(parameters);
    for (int b = 0; b < sn_parameters_blocks(parameters); b++) {
      const sn_parameter_block *block = sn_parameters_block(parameters, b);
      for (ptrdiff_t i = 0; i < sn_parameter_block_size(block); i++)
        values[block->offset + i] = element(b, global_index(block, i));
    }
    assert_close(sn_parameters_dot(parameters, values, values), expected, 0);
    sn_parameters_destroy(&parameters);
    sn_grid_destroy(&grid);
  }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(blocks_are_found_and_counted),
      cmocka_unit_test(gradients_are_summed_once),
      cmocka_unit_test(inner_product_counts_each_element_once),
  };
  return unit_run(argc, argv, tests);
}
