#include "rhs_plan.h"

#include "sinode/memory.h"

sn_status sn_rhs_plan_count_up(ptrdiff_t start, ptrdiff_t count, ptrdiff_t **index) {
  SN_TRY(SN_NEW(count, index));
  for (ptrdiff_t i = 0; i < count; i++) (*index)[i] = start + i;
  return SN_OK;
}

sn_status sn_rhs_plan_add(const sn_solver *solver, ptrdiff_t samples, sn_rhs_plan **list) {
  sn_rhs_plan *one;
  SN_TRY(sn_collective_status(sn_grid_space(solver->grid), SN_NEW(1, &one)));
  *one = (sn_rhs_plan){.samples = samples, .next = *list};
  *list = one;
  return SN_OK;
}

sn_rhs_plan *sn_rhs_plan_find(sn_rhs_plan *list, ptrdiff_t samples) {
  while (list && list->samples != samples) list = list->next;
  return list;
}

void sn_rhs_plan_destroy(sn_rhs_plan **list) {
  for (sn_rhs_plan *one = *list, *next; one; one = next) {
    next = one->next;
    sn_redistribution_destroy(&one->redistribution);
    SN_FREE(one);
  }
  *list = NULL;
}

sn_status sn_rhs_plan_create_redistribution(const sn_solver *solver, sn_rhs_plan *one,
                                            const sn_rhs_plan_layout *layout) {
  MPI_Comm space = sn_grid_space(solver->grid);
  const sn_range range = sn_grid_range(solver->grid);
  ptrdiff_t *point = NULL, *sample = NULL;
  sn_status status = sn_rhs_plan_count_up(range.start, range.count, &point);
  if (!status) status = sn_rhs_plan_count_up(0, one->samples, &sample);
  status = sn_collective_status(space, status);
  if (!status) {
    const sn_redistribution_part from = {.rows = range.count,
                                         .columns = one->samples,
                                         .row_index = point,
                                         .column_index = sample,
                                         .row_stride = 1,
                                         .column_stride = range.count};
    const sn_redistribution_part to = {.rows = layout->rows,
                                       .columns = layout->columns,
                                       .row_index = layout->row_index,
                                       .column_index = layout->column_index,
                                       .row_stride = 1,
                                       .column_stride = layout->leading};
    status = sn_redistribution_create(space, &from, &to, sn_grid_timer(solver->grid), &one->redistribution);
  }
  SN_FREE(point);
  SN_FREE(sample);
  return status;
}
