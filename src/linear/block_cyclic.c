#include "block_cyclic.h"

#include "base/blacs.h"
#include "base/lapack.h"
#include "rhs_plan.h"
#include "sinode/count.h"
#include "sinode/memory.h"

enum { BLOCK_MOST = 64 };

/* Item l of process p of P: item l % block of block (l / block) P + p. */
sn_status sn_cyclic_distribute(ptrdiff_t items, ptrdiff_t block, int process, int processes, sn_cyclic *out) {
  ptrdiff_t count = 0;
  for (ptrdiff_t first = process * block; first < items; first += processes * block)
    count += items - first < block ? items - first : block;
  out->count = count;
  SN_TRY(SN_NEW(count, &out->index));
  for (ptrdiff_t i = 0; i < count; i++) out->index[i] = (i / block * processes + process) * block + i % block;
  return SN_OK;
}

void sn_block_cyclic_describe(const sn_block_cyclic *layout, int columns, int column_block, int *descriptor) {
  int zero = 0, info;
  descinit_(descriptor, &layout->order, &columns, &layout->block, &column_block, &zero, &zero, &layout->context,
            &layout->leading, &info);
}

/* The process grid nearest to a square, and blocks small enough to give every process some. */
static void shape_grid(sn_block_cyclic *layout) {
  const int ranks = sn_grid_space_size(layout->grid);
  for (int p = 1; p * p <= ranks; p++)
    if (ranks % p == 0) layout->process_rows = p;
  layout->process_columns = ranks / layout->process_rows;
  const int share = (int)sn_partition_most(layout->order, layout->process_columns);
  layout->block = share < BLOCK_MOST ? share : BLOCK_MOST;
  if (sn_block_cyclic_is_local(layout)) return;
  layout->handle = Csys2blacs_handle(sn_grid_space(layout->grid));
  layout->context = layout->handle;
  Cblacs_gridinit(&layout->context, "Row", layout->process_rows, layout->process_columns);
  Cblacs_gridinfo(layout->context, &layout->process_rows, &layout->process_columns, &layout->process_row,
                  &layout->process_column);
}

static sn_status lay_out(sn_block_cyclic *layout) {
  int fits;
  SN_TRY(sn_cyclic_distribute(layout->order, layout->block, layout->process_row, layout->process_rows, &layout->rows));
  SN_TRY(sn_cyclic_distribute(layout->order, layout->block, layout->process_column, layout->process_columns,
                              &layout->columns));
  layout->leading = layout->rows.count > 1 ? (int)layout->rows.count : 1;
  layout->size = layout->leading * layout->columns.count;
  return sn_count_to_int(layout->size, "the number of elements of a dense factor on a rank", &fits);
}

sn_status sn_block_cyclic_create(const sn_grid *grid, sn_block_cyclic *out) {
  *out = (sn_block_cyclic){.grid = grid, .process_columns = 1};
  SN_TRY(sn_error_collective(sn_count_to_int(sn_grid_points(grid), "the number of grid points", &out->order)));
  shape_grid(out);
  SN_TRY(sn_collective_status(sn_grid_space(grid), lay_out(out)));
  if (!sn_block_cyclic_is_local(out)) sn_block_cyclic_describe(out, out->order, out->block, out->descriptor);
  return SN_OK;
}

void sn_block_cyclic_destroy(sn_block_cyclic *layout) {
  SN_FREE(layout->rows.index);
  SN_FREE(layout->columns.index);
  if (!layout->grid || sn_block_cyclic_is_local(layout)) return;
  Cblacs_gridexit(layout->context);
  Cfree_blacs_system_handle(layout->handle);
}

sn_status sn_block_cyclic_plan(const sn_block_cyclic *layout, bool transpose, sn_redistribution **out) {
  const MPI_Comm space = sn_grid_space(layout->grid);
  const sn_range range = sn_grid_range(layout->grid);
  ptrdiff_t *row = NULL, *column = NULL;
  sn_status status = sn_rhs_plan_count_up(range.start, range.count, &row);
  if (!status) status = sn_rhs_plan_count_up(0, layout->order, &column);
  status = sn_collective_status(space, status);
  if (!status) {
    const sn_redistribution_part from = {.rows = range.count,
                                         .columns = layout->order,
                                         .row_index = row,
                                         .column_index = column,
                                         .row_stride = layout->order,
                                         .column_stride = 1};
    const sn_cyclic *rows = transpose ? &layout->columns : &layout->rows;
    const sn_cyclic *columns = transpose ? &layout->rows : &layout->columns;
    const sn_redistribution_part to = {.rows = rows->count,
                                       .columns = columns->count,
                                       .row_index = rows->index,
                                       .column_index = columns->index,
                                       .row_stride = transpose ? layout->leading : 1,
                                       .column_stride = transpose ? 1 : layout->leading};
    status = sn_redistribution_create(space, &from, &to, sn_grid_timer(layout->grid), out);
  }
  SN_FREE(row);
  SN_FREE(column);
  return status;
}
