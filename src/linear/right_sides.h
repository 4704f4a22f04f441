/*
 * Right-hand sides of a direct solver: the numbers of samples it was announced, and for each the way between our blocks
 * of the grid and the solver's layout, planned once. Private to this folder.
 */
#ifndef SINODE_LINEAR_RIGHT_SIDES_H
#define SINODE_LINEAR_RIGHT_SIDES_H

#include "sinode/exchange.h"
#include "solver_kind.h"

enum { SN_RIGHT_SIDES_DESCRIPTOR = 9 };

typedef struct sn_right_sides {
  ptrdiff_t samples;
  int descriptor[SN_RIGHT_SIDES_DESCRIPTOR]; /* ScaLAPACK's, the solver's to fill */
  sn_exchange *exchange;                     /* NULL: the layouts are the same */
  struct sn_right_sides *next;
} sn_right_sides;

/* The rows (points) and columns (samples) of the right-hand sides on this rank; columns `leading` apart. */
typedef struct {
  ptrdiff_t rows, columns, leading;
  const ptrdiff_t *row_index, *column_index;
} sn_right_sides_layout;

/* start, start + 1, ...: the indices of a contiguous part. */
sn_status sn_right_sides_count_up(ptrdiff_t start, ptrdiff_t count, ptrdiff_t **index);

/* An entry for `samples` at the head of the list. Collective over space. */
sn_status sn_right_sides_add(const sn_solver *solver, ptrdiff_t samples, sn_right_sides **list);
sn_right_sides *sn_right_sides_find(sn_right_sides *list, ptrdiff_t samples);
void sn_right_sides_destroy(sn_right_sides **list);

/* Plans the entry's way from our blocks to the solver's layout. Collective over space. */
sn_status sn_right_sides_plan(const sn_solver *solver, sn_right_sides *one, const sn_right_sides_layout *layout);

#endif
