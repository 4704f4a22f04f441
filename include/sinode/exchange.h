/*
 * Redistribution of a table of rows x columns from one layout over the ranks of a communicator to another, by a plan
 * made once and one MPI_Alltoallv an execution. In each layout a rank owns the product of a set of rows and a set of
 * columns, both given as sorted global indices; a set may be empty. Every element has one owner in each layout. This
 * joins our blocks to the layouts of FFTW-MPI and of ScaLAPACK.
 */
#ifndef SINODE_EXCHANGE_H
#define SINODE_EXCHANGE_H

#include <mpi.h>
#include <stddef.h>

#include "sinode/error.h"
#include "sinode/timer.h"

typedef struct sn_exchange sn_exchange;

/* The part of a table of doubles on this rank and where its elements lie in memory. */
typedef struct {
  ptrdiff_t rows, columns;             /* how many of each on this rank */
  const ptrdiff_t *row_index;          /* (rows) global, ascending; not kept */
  const ptrdiff_t *column_index;       /* (columns) global, ascending; not kept */
  ptrdiff_t row_stride, column_stride; /* element (i, j) at i * row_stride + j * column_stride */
} sn_exchange_part;

/*
 * Plans the way from layout `from` to layout `to`. The timer may be NULL. Collective over comm. Error: no memory, a
 * count that passes what MPI can carry, or layouts that do not match.
 */
sn_status sn_exchange_create(MPI_Comm comm, const sn_exchange_part *from, const sn_exchange_part *to, sn_timer *timer,
                             sn_exchange **out);
void sn_exchange_destroy(sn_exchange **exchange);

/* Moves the data forth (from -> to) or back. Collective over comm. Source and target do not overlap. */
sn_status sn_exchange_forward(sn_exchange *exchange, const double *from, double *to);
sn_status sn_exchange_backward(sn_exchange *exchange, const double *to, double *from);

#endif
