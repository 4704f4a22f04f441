/*
 * Communication of the transposed transform (fourier_transposed.c), points = n1 n2: point j = j1 n2 + j2 is in line j1
 * and column j2. A rank has a block of points, as everywhere in the program; of the transforms' values some columns; of
 * the coefficients some of the rows k1 = 0 .. n1 / 2. A redistribution leads from blocks to columns, the transpose from
 * columns to rows. Not installed.
 */
#ifndef SINODE_PARALLEL_TRANSPOSE_H
#define SINODE_PARALLEL_TRANSPOSE_H

#include <complex.h>

#include "sinode/grid.h"

/*
 * Doubles in a cache line; columns in a strip: two cache lines, which take no longer to fetch than one. In the buffers
 * of rows and columns, pieces of a strip are contiguous: (peer, field, strip, row, column of the strip).
 */
enum { SN_CACHE_LINE = 8, SN_STRIP = 2 * SN_CACHE_LINE };

/* How many lines ahead values are prefetched: at a stride of a line the hardware's prefetchers do not. */
enum { SN_LINES_AHEAD = 16 };

/* How many numbers go to or come from each peer, and where they are. A rank sends itself none. */
typedef struct {
  int *count, *start;
} sn_messages;

/* Where the values of a line, of own columns and field f, begin: at start + f * field_stride. */
typedef struct {
  ptrdiff_t start, field_stride;
} sn_line;

/* A piece of a line that two messages share, in its message and in the assembled line. */
typedef struct {
  sn_line message, assembled;
  ptrdiff_t count;
} sn_line_piece;

typedef struct {
  const sn_grid *grid;
  int ranks, self;
  ptrdiff_t fields, n1, n2, heights; /* heights: how many rows, n1 / 2 + 1 */
  sn_range row, column;              /* of this rank */
  sn_messages rows, columns;         /* of own rows in a peer's columns, of a peer's rows in own columns */
  sn_messages blocks, lines;         /* of points of own block in a peer's columns, of a peer's block in own columns */
  double complex *row_buffer, *column_buffer;
  /*
   * Values in columns are in the order of the messages, (peer, field, line, column), followed by the lines that two
   * messages share. `line` has n1 + SN_LINES_AHEAD of them, the last again and again.
   */
  double *values;
  ptrdiff_t size;
  sn_line *line;
  sn_line_piece *piece;
  int pieces;
} sn_transpose;

/*
 * The factor n1 of points = n1 n2 with which `ranks` ranks have least to transform and to send, n1 / 2 + 1 and n2 both
 * at least `ranks`; 0 if there is none. Local.
 */
ptrdiff_t sn_transpose_factor(ptrdiff_t points, int ranks);

/* How many points of a block are in a range of columns, n2 of which are a line. Local. */
ptrdiff_t sn_transpose_points(ptrdiff_t n2, sn_range column, sn_range block);

/* Fills t, for sn_transpose_clear to empty. Error: no memory, or a count past what MPI can carry. Local. */
SN_MUST_CHECK sn_status sn_transpose_plan(const sn_grid *grid, ptrdiff_t fields, sn_transpose *t);
void sn_transpose_clear(sn_transpose *t);

/* The rows and the columns of a rank; the strip of a range of columns that begins `first` after its start. Local. */
sn_range sn_transpose_rows(const sn_transpose *t, int rank);
sn_range sn_transpose_columns(const sn_transpose *t, int rank);
sn_range sn_transpose_strip(sn_range column, ptrdiff_t first);

/* Of the rows' buffer, the numbers in a peer's columns; those that stay here are in the columns' buffer at once. */
double complex *sn_transpose_part(const sn_transpose *t, int peer);

/* From the rows' buffer to the columns', and back. Collective over the space ranks. */
void sn_transpose_to_columns(const sn_transpose *t);
void sn_transpose_to_rows(const sn_transpose *t);

/* From blocks (fields, local points) to t->values in columns, and back; destroys the rows' buffer. Collective over the
 * space ranks. */
void sn_transpose_from_blocks(const sn_transpose *t, const double *real);
void sn_transpose_to_blocks(const sn_transpose *t, double *real);

#endif
