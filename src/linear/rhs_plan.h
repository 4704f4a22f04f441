/*
 * Right-hand sides of a direct solver: for each number of samples reserved, the redistribution between the grid's
 * blocks and the solver's layout, planned once. Private to this folder.
 */
#ifndef SINODE_LINEAR_RHS_PLAN_H
#define SINODE_LINEAR_RHS_PLAN_H

#include "sinode/redistribution.h"
#include "solver_ops.h"

enum { SN_RHS_PLAN_DESCRIPTOR = 9 };

typedef struct sn_rhs_plan {
  ptrdiff_t samples;
  int descriptor[SN_RHS_PLAN_DESCRIPTOR]; /* ScaLAPACK's; filled by the solver */
  sn_redistribution *redistribution;      /* NULL: the layouts are the same */
  struct sn_rhs_plan *next;
} sn_rhs_plan;

/* The rows (points) and columns (samples) of the right-hand sides on this rank; columns `leading` apart. */
typedef struct {
  ptrdiff_t rows, columns, leading;
  const ptrdiff_t *row_index, *column_index;
} sn_rhs_plan_layout;

/* start, start + 1, ...: the indices of a contiguous part. */
SN_MUST_CHECK sn_status sn_rhs_plan_count_up(ptrdiff_t start, ptrdiff_t count, ptrdiff_t **index);

/* An entry for `samples` at the head of the list. Collective over space. */
SN_MUST_CHECK sn_status sn_rhs_plan_add(const sn_solver *solver, ptrdiff_t samples, sn_rhs_plan **list);
sn_rhs_plan *sn_rhs_plan_find(sn_rhs_plan *list, ptrdiff_t samples);
void sn_rhs_plan_destroy(sn_rhs_plan **list);

/* Plans the entry's redistribution from the grid's blocks to the solver's layout. Collective over space. */
SN_MUST_CHECK sn_status sn_rhs_plan_create_redistribution(const sn_solver *solver, sn_rhs_plan *one,
                                                          const sn_rhs_plan_layout *layout);

#endif
