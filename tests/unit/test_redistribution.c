/* Redistribution between layouts: uneven blocks, block-cyclic in both directions, ranks without a share. */
#include "unit.h"

#include "sinode/memory.h"
#include "sinode/partition.h"
#include "sinode/redistribution.h"

enum { ROWS = 23, COLUMNS = 7 };

typedef struct {
  sn_redistribution_part part;
  ptrdiff_t row[ROWS], column[COLUMNS];
} layout;

typedef enum { BLOCKS, BY_COLUMNS, CYCLIC, ON_LAST, LAYOUTS } layout_kind;

/* The indices i with i / block % ranks == rank. */
static ptrdiff_t deal(ptrdiff_t count, ptrdiff_t block, int ranks, int rank, ptrdiff_t *index) {
  ptrdiff_t found = 0;
  for (ptrdiff_t i = 0; i < count; i++)
    if (i / block % ranks == rank) index[found++] = i;
  return found;
}

static void lay_out(layout_kind kind, int ranks, int rank, layout *out) {
  sn_range range = sn_partition_range((sn_partition){.points = ROWS, .ranks = ranks}, rank);
  const int grid_rows = ranks % 2 ? 1 : 2, grid_columns = ranks / grid_rows;
  ptrdiff_t rows = deal(ROWS, ROWS, 1, 0, out->row), columns = deal(COLUMNS, COLUMNS, 1, 0, out->column);
  switch (kind) {
    case BLOCKS:
      rows = range.count;
      for (ptrdiff_t i = 0; i < rows; i++) out->row[i] = range.start + i;
      break;
    case BY_COLUMNS:
      columns = deal(COLUMNS, 1, ranks, rank, out->column);
      break;
    case CYCLIC:
      rows = deal(ROWS, 3, grid_rows, rank % grid_rows, out->row);
      columns = deal(COLUMNS, 2, grid_columns, rank / grid_rows, out->column);
      break;
    default:
      if (rank != ranks - 1) rows = 0;
  }
  const bool row_major = kind != CYCLIC;
  out->part = (sn_redistribution_part){.rows = rows,
                                       .columns = columns,
                                       .row_index = out->row,
                                       .column_index = out->column,
                                       .row_stride = row_major ? columns : 1,
                                       .column_stride = row_major ? 1 : rows};
}

static double value_of(ptrdiff_t i, ptrdiff_t j) { return (double)(i * COLUMNS + j); }

static void fill(const layout *where, double *values) {
  const sn_redistribution_part *part = &where->part;
  for (ptrdiff_t i = 0; i < part->rows; i++)
    for (ptrdiff_t j = 0; j < part->columns; j++)
      values[i * part->row_stride + j * part->column_stride] = value_of(where->row[i], where->column[j]);
}

static void check(const layout *where, const double *values) {
  const sn_redistribution_part *part = &where->part;
  for (ptrdiff_t i = 0; i < part->rows; i++)
    for (ptrdiff_t j = 0; j < part->columns; j++)
      assert_close(values[i * part->row_stride + j * part->column_stride], value_of(where->row[i], where->column[j]),
                   0);
}

static void every_pair_of_layouts_both_ways(void **state) {
  (void)state;
  int rank, ranks;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  for (int a = 0; a < LAYOUTS; a++)
    for (int b = 0; b < LAYOUTS; b++) {
      layout from, to;
      lay_out((layout_kind)a, ranks, rank, &from);
      lay_out((layout_kind)b, ranks, rank, &to);
      double source[ROWS * COLUMNS], target[ROWS * COLUMNS] = {0}, back[ROWS * COLUMNS] = {0};
      sn_redistribution *redistribution;
      assert_ok(sn_redistribution_create(MPI_COMM_WORLD, &from.part, &to.part, NULL, &redistribution));
      ptrdiff_t taken = sn_memory_calls();
      fill(&from, source);
      assert_ok(sn_redistribution_forward(redistribution, source, target));
      check(&to, target);
      assert_ok(sn_redistribution_backward(redistribution, target, back));
      check(&from, back);
      assert_int_equal(sn_memory_calls(), taken);
      sn_redistribution_destroy(&redistribution);
      assert_null(redistribution);
    }
}

static void an_element_without_owner_is_an_error_of_all(void **state) {
  (void)state;
  int rank, ranks;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  layout from, to;
  lay_out(BLOCKS, ranks, rank, &from);
  lay_out(BY_COLUMNS, ranks, rank, &to);
  if (rank == ranks - 1) to.part.columns--;
  sn_redistribution *redistribution;
  sn_status status = sn_redistribution_create(MPI_COMM_WORLD, &from.part, &to.part, NULL, &redistribution);
  assert_that(status && sn_error_is_collective(status, MPI_COMM_WORLD) && !redistribution);
  assert_non_null(strstr(sn_error_get_message(status), "owner"));
  sn_error_destroy(&status);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_pair_of_layouts_both_ways),
      cmocka_unit_test(an_element_without_owner_is_an_error_of_all),
  };
  return unit_run(argc, argv, tests);
}
