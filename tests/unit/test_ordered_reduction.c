/* parallel/ordered_reduction: the same bits as one rank's sum in the order of the tree, for any number of leaves. */
#include "unit.h"

#include "sinode/memory.h"
#include "sinode/ordered_reduction.h"

enum { LENGTH = 5, MOST = 40 };

/* Of sizes so different that every order of adding shows in the bits. */
static double number(ptrdiff_t leaf, int k) {
  return sin((double)(1 + leaf * LENGTH + k)) * pow(2, (double)(leaf % 7) * 9);
}

static double in_order(ptrdiff_t leaves, int k) {
  double nodes[MOST];
  for (ptrdiff_t i = 0; i < leaves; i++) nodes[i] = number(i, k);
  for (ptrdiff_t count = leaves; count > 1; count = (count + 1) / 2)
    for (ptrdiff_t i = 0; i < (count + 1) / 2; i++)
      nodes[i] = nodes[2 * i] + (2 * i + 1 < count ? nodes[2 * i + 1] : 0);
  return nodes[0];
}

static void any_replicas_give_the_bits_of_one(void **state) {
  (void)state;
  const ptrdiff_t before = sn_memory_bytes();
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (int space = 1; space <= size; space++) {
    if (size % space) continue;
    sn_grid *grid;
    sn_ordered_reduction *sum;
    assert_ok(sn_grid_create(MPI_COMM_WORLD, space, 16, NULL, &grid));
    assert_ok(sn_ordered_reduction_create(grid, LENGTH, MOST, &sum));
    const ptrdiff_t calls = sn_memory_calls();
    for (ptrdiff_t leaves = 1; leaves <= MOST; leaves++) {
      const sn_range own = sn_ordered_reduction_begin(sum, leaves);
      for (ptrdiff_t leaf = own.start; leaf < own.start + own.count; leaf++) {
        double *values = sn_ordered_reduction_leaf(sum);
        for (int k = 0; k < LENGTH; k++) values[k] = number(leaf, k);
        sn_ordered_reduction_add(sum);
      }
      assert_that((sn_ordered_reduction_finish(sum) != NULL) == (sn_grid_replica(grid) == 0));
      const double *total = sn_ordered_reduction_share(sum);
      for (int k = 0; k < LENGTH; k++) assert_that(total[k] == in_order(leaves, k));
    }
    assert_int_equal(sn_memory_calls(), calls);
    sn_ordered_reduction_destroy(&sum);
    sn_grid_destroy(&grid);
  }
  assert_int_equal(sn_memory_bytes(), before);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(any_replicas_give_the_bits_of_one)};
  return unit_run(argc, argv, tests);
}
