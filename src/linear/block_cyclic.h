/*
 * ScaLAPACK's layout of a square matrix over the space ranks, in blocks over the process grid nearest to a square. It
 * holds the transpose, since our rows are Fortran's columns. On one rank that is the matrix as it is, and LAPACK and
 * the BLAS are called directly. Private to this folder.
 */
#ifndef SINODE_LINEAR_BLOCK_CYCLIC_H
#define SINODE_LINEAR_BLOCK_CYCLIC_H

#include "sinode/grid.h"
#include "sinode/redistribution.h"

enum { SN_BLOCK_CYCLIC_DESCRIPTOR = 9 };

/* This rank's indices of one dimension, distributed block-cyclically over the rows or columns of the process grid. */
typedef struct {
  ptrdiff_t count, *index;
} sn_cyclic;

typedef struct {
  const sn_grid *grid;
  int handle, context; /* of BLACS, on several ranks */
  int process_rows, process_columns, process_row, process_column;
  int order, block, leading;
  int descriptor[SN_BLOCK_CYCLIC_DESCRIPTOR];
  sn_cyclic rows, columns;
  ptrdiff_t size; /* numbers of a matrix on this rank; its columns are `leading` apart */
} sn_block_cyclic;

/* Of the order of the grid's points. Collective over space. Error: too many for Fortran; no memory. */
SN_MUST_CHECK sn_status sn_block_cyclic_create(const sn_grid *grid, sn_block_cyclic *out);
/* Collective over space. */
void sn_block_cyclic_destroy(sn_block_cyclic *layout);

/*
 * On one process matrix and right-hand sides need no redistribution, and LAPACK is called directly: as fast as
 * ScaLAPACK for dozens of right-hand sides, two to four times faster for a single one (N = 64 to 1024).
 */
static inline bool sn_block_cyclic_is_local(const sn_block_cyclic *layout) { return layout->process_columns == 1; }

/* The items of this process among several. Local. */
SN_MUST_CHECK sn_status sn_cyclic_distribute(ptrdiff_t items, ptrdiff_t block, int process, int processes,
                                             sn_cyclic *out);

/* Descriptor of a matrix with so many columns, its rows as those of the layout. Local. */
void sn_block_cyclic_describe(const sn_block_cyclic *layout, int columns, int column_block, int *descriptor);

/*
 * Plans the way from rows of the matrix, split as the grid points are, to this layout, of the transpose or of the
 * matrix itself. Collective over space.
 */
SN_MUST_CHECK sn_status sn_block_cyclic_plan(const sn_block_cyclic *layout, bool transpose, sn_redistribution **out);

#endif
