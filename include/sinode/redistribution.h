/*
 * Redistribution of a table of rows x columns from one layout over the ranks of a communicator to another, by a plan
 * made once and one MPI_Alltoallv an execution. In each layout a rank owns the product of a set of rows and a set of
 * columns, both given as sorted global indices; a set may be empty. Every element has one owner in each layout. This
 * joins our blocks to the layouts of FFTW-MPI and of ScaLAPACK.
 */
#ifndef SINODE_REDISTRIBUTION_H
#define SINODE_REDISTRIBUTION_H

#include <mpi.h>
#include <stddef.h>

#include "sinode/error.h"
#include "sinode/timer.h"

typedef struct sn_redistribution sn_redistribution;

/* The part of a table of doubles on this rank and where its elements lie in memory. */
typedef struct {
  ptrdiff_t rows, columns;             /* how many of each on this rank */
  const ptrdiff_t *row_index;          /* (rows) global, ascending; not kept */
  const ptrdiff_t *column_index;       /* (columns) global, ascending; not kept */
  ptrdiff_t row_stride, column_stride; /* element (i, j) at i * row_stride + j * column_stride */
} sn_redistribution_part;

/*
 * Plans the way from layout `from` to layout `to`. The timer may be NULL. Collective over comm. Error: no memory, a
 * count that passes what MPI can carry, or layouts that do not match.
 */
SN_MUST_CHECK sn_status sn_redistribution_create(MPI_Comm comm, const sn_redistribution_part *from,
                                                 const sn_redistribution_part *to, sn_timer *timer,
                                                 sn_redistribution **out);
void sn_redistribution_destroy(sn_redistribution **redistribution);

/* Moves the data forth (from -> to) or back. Collective over comm. Source and target do not overlap. */
SN_MUST_CHECK sn_status sn_redistribution_forward(sn_redistribution *redistribution, const double *from, double *to);
SN_MUST_CHECK sn_status sn_redistribution_backward(sn_redistribution *redistribution, const double *to, double *from);

#endif
