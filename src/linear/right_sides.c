#include "right_sides.h"

#include "sinode/memory.h"

sn_status sn_right_sides_count_up(ptrdiff_t start, ptrdiff_t count, ptrdiff_t **index) {
  SN_TRY(SN_NEW(count, index));
  for (ptrdiff_t i = 0; i < count; i++) (*index)[i] = start + i;
  return SN_OK;
}

sn_status sn_right_sides_add(const sn_solver *solver, ptrdiff_t samples, sn_right_sides **list) {
  sn_right_sides *one;
  SN_TRY(sn_agree(sn_grid_space(solver->grid), SN_NEW(1, &one)));
  *one = (sn_right_sides){.samples = samples, .next = *list};
  *list = one;
  return SN_OK;
}

sn_right_sides *sn_right_sides_find(sn_right_sides *list, ptrdiff_t samples) {
  while (list && list->samples != samples) list = list->next;
  return list;
}

void sn_right_sides_destroy(sn_right_sides **list) {
  for (sn_right_sides *one = *list, *next; one; one = next) {
    next = one->next;
    sn_exchange_destroy(&one->exchange);
    sn_memory_give(&one);
  }
  *list = NULL;
}

sn_status sn_right_sides_plan(const sn_solver *solver, sn_right_sides *one, const sn_right_sides_layout *layout) {
  MPI_Comm space = sn_grid_space(solver->grid);
  const sn_range range = sn_grid_range(solver->grid);
  ptrdiff_t *point = NULL, *sample = NULL;
  sn_status status = sn_right_sides_count_up(range.start, range.count, &point);
  if (!status) status = sn_right_sides_count_up(0, one->samples, &sample);
  status = sn_agree(space, status);
  if (!status) {
    const sn_exchange_part from = {.rows = range.count,
                                   .columns = one->samples,
                                   .row_index = point,
                                   .column_index = sample,
                                   .row_stride = 1,
                                   .column_stride = range.count};
    const sn_exchange_part to = {.rows = layout->rows,
                                 .columns = layout->columns,
                                 .row_index = layout->row_index,
                                 .column_index = layout->column_index,
                                 .row_stride = 1,
                                 .column_stride = layout->leading};
    status = sn_exchange_create(space, &from, &to, sn_grid_timer(solver->grid), &one->exchange);
  }
  sn_memory_give(&point);
  sn_memory_give(&sample);
  return status;
}
