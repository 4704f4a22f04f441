#include "transpose.h"

#include <math.h>
#include <string.h>

#include "sinode/count.h"
#include "sinode/memory.h"

ptrdiff_t sn_transpose_factor(ptrdiff_t points, int ranks) {
  ptrdiff_t best = 0;
  double least = INFINITY;
  for (ptrdiff_t a = 1; a * a <= points; a++) {
    if (points % a) continue;
    for (int swap = 0; swap < 2; swap++) {
      const ptrdiff_t n1 = swap ? points / a : a, n2 = points / n1, heights = n1 / 2 + 1;
      if (heights < ranks || n2 < ranks) continue;
      /* Numbers on the rank with most; long transforms leave the cache. */
      const double numbers = (double)sn_partition_most(heights, ranks) * (double)n2 +
                             (double)sn_partition_most(n2, ranks) * (double)heights;
      const double work = numbers * log2((double)(n1 > n2 ? n1 : n2));
      if (work < least) least = work, best = n1;
    }
  }
  return best;
}

sn_range sn_transpose_rows(const sn_transpose *t, int peer) {
  return sn_partition_range((sn_partition){.points = t->heights, .ranks = t->ranks}, peer);
}

sn_range sn_transpose_columns(const sn_transpose *t, int peer) {
  return sn_partition_range((sn_partition){.points = t->n2, .ranks = t->ranks}, peer);
}

sn_range sn_transpose_strip(sn_range column, ptrdiff_t first) {
  return (sn_range){first, column.count - first < SN_STRIP ? column.count - first : SN_STRIP};
}

static sn_range block_of(const sn_transpose *t, int peer) {
  return sn_partition_range(sn_grid_partition(t->grid), peer);
}

/* Points below `end` in a range of columns. */
static ptrdiff_t points_below(ptrdiff_t n2, sn_range column, ptrdiff_t end) {
  const ptrdiff_t rest = end % n2 - column.start;
  return end / n2 * column.count + (rest < 0 ? 0 : rest > column.count ? column.count : rest);
}

ptrdiff_t sn_transpose_points(ptrdiff_t n2, sn_range column, sn_range block) {
  return points_below(n2, column, block.start + block.count) - points_below(n2, column, block.start);
}

/* Numbers of each message in the four layouts, of one field. */
static ptrdiff_t in_rows(const sn_transpose *t, int peer) { return t->row.count * sn_transpose_columns(t, peer).count; }

static ptrdiff_t in_columns(const sn_transpose *t, int peer) {
  return sn_transpose_rows(t, peer).count * t->column.count;
}

static ptrdiff_t in_blocks(const sn_transpose *t, int peer) {
  return sn_transpose_points(t->n2, sn_transpose_columns(t, peer), block_of(t, t->self));
}

static ptrdiff_t in_lines(const sn_transpose *t, int peer) {
  return sn_transpose_points(t->n2, t->column, block_of(t, peer));
}

static sn_status plan_messages(const sn_transpose *t, ptrdiff_t (*numbers)(const sn_transpose *, int), sn_messages *m) {
  static const char what[] = "the size of a transform's messages";
  SN_TRY(SN_NEW(t->ranks, &m->count));
  SN_TRY(SN_NEW(t->ranks, &m->start));
  ptrdiff_t total = 0;
  for (int peer = 0; peer < t->ranks; peer++) {
    const ptrdiff_t count = t->fields * numbers(t, peer);
    SN_TRY(sn_count_to_int(total, what, &m->start[peer]));
    SN_TRY(sn_count_to_int(peer == t->self ? 0 : count, what, &m->count[peer]));
    total += count;
  }
  return SN_OK;
}

static void free_messages(sn_messages *m) {
  SN_FREE(m->count);
  SN_FREE(m->start);
}

static ptrdiff_t most(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }

/* The values of a peer's block in line j1 and some columns; empty where they do not intersect. */
static sn_range in_line(const sn_transpose *t, sn_range block, ptrdiff_t j1, sn_range column) {
  return sn_range_intersect(block, (sn_range){j1 * t->n2 + column.start, column.count});
}

/* Finds the lines in the messages, and reserves memory for those that two messages share. */
static sn_status plan_lines(sn_transpose *t) {
  const ptrdiff_t columns = t->column.count;
  ptrdiff_t joined = -1; /* the line assembled last */
  t->size = t->fields * t->n1 * columns;
  SN_TRY(SN_NEW(t->n1 + SN_LINES_AHEAD, &t->line));
  SN_TRY(SN_NEW(2 * t->ranks, &t->piece)); /* a block begins and ends within a line */
  for (int peer = 0; peer < t->ranks; peer++) {
    const sn_range block = block_of(t, peer);
    sn_line here = {t->lines.start[peer], in_lines(t, peer)};
    for (ptrdiff_t j1 = block.start / t->n2; j1 * t->n2 < block.start + block.count; j1++) {
      const sn_range values = in_line(t, block, j1, t->column);
      if (values.count == columns) {
        t->line[j1] = here;
      } else if (values.count) {
        if (joined != j1) {
          t->line[joined = j1] = (sn_line){t->size, columns};
          t->size += t->fields * columns;
        }
        const sn_line assembled = {t->line[j1].start + values.start - j1 * t->n2 - t->column.start, columns};
        t->piece[t->pieces++] = (sn_line_piece){here, assembled, values.count};
      }
      here.start += values.count;
    }
  }
  for (int k = 0; k < SN_LINES_AHEAD; k++) t->line[t->n1 + k] = t->line[t->n1 - 1];
  return SN_OK;
}

sn_status sn_transpose_plan(const sn_grid *grid, ptrdiff_t fields, sn_transpose *t) {
  const ptrdiff_t points = sn_grid_points(grid), own = sn_grid_range(grid).count;
  *t = (sn_transpose){.grid = grid, .fields = fields};
  t->ranks = sn_grid_space_size(grid);
  t->self = sn_grid_space_rank(grid);
  t->n1 = sn_transpose_factor(points, t->ranks);
  t->n2 = points / t->n1;
  t->heights = t->n1 / 2 + 1;
  t->row = sn_transpose_rows(t, t->self);
  t->column = sn_transpose_columns(t, t->self);
  SN_TRY(plan_messages(t, in_rows, &t->rows));
  SN_TRY(plan_messages(t, in_columns, &t->columns));
  SN_TRY(plan_messages(t, in_blocks, &t->blocks));
  SN_TRY(plan_messages(t, in_lines, &t->lines));
  /* Blocks of points are sent from the rows' buffer too. */
  SN_TRY(SN_NEW(fields * most(t->row.count * t->n2, (own + 1) / 2), &t->row_buffer));
  SN_TRY(SN_NEW(fields * t->heights * t->column.count, &t->column_buffer));
  SN_TRY(plan_lines(t));
  return SN_NEW(t->size, &t->values);
}

void sn_transpose_clear(sn_transpose *t) {
  sn_messages *const all[] = {&t->rows, &t->columns, &t->blocks, &t->lines};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free_messages(all[i]);
  SN_FREE(t->row_buffer);
  SN_FREE(t->column_buffer);
  SN_FREE(t->values);
  SN_FREE(t->line);
  SN_FREE(t->piece);
}

double complex *sn_transpose_part(const sn_transpose *t, int peer) {
  return peer == t->self ? t->column_buffer + t->columns.start[peer] : t->row_buffer + t->rows.start[peer];
}

/* Messages from one buffer to the other. */
static void send(const sn_transpose *t, MPI_Datatype type, const void *from, const sn_messages *out, void *to,
                 const sn_messages *in) {
  sn_timer_start(sn_grid_timer(t->grid), SN_TIME_REDISTRIBUTE);
  MPI_Alltoallv(from, out->count, out->start, type, to, in->count, in->start, type, sn_grid_space(t->grid));
  sn_timer_stop(sn_grid_timer(t->grid), SN_TIME_REDISTRIBUTE);
}

void sn_transpose_to_columns(const sn_transpose *t) {
  send(t, MPI_C_DOUBLE_COMPLEX, t->row_buffer, &t->rows, t->column_buffer, &t->columns);
}

void sn_transpose_to_rows(const sn_transpose *t) {
  send(t, MPI_C_DOUBLE_COMPLEX, t->column_buffer, &t->columns, t->row_buffer, &t->rows);
}

/* From our blocks of points, which stay as they are, to the messages, or back; what stays here is among the values at
 * once. */
static void copy_blocks(const sn_transpose *t, double *real, bool to_message) {
  const sn_range block = block_of(t, t->self);
  for (int peer = 0; peer < t->ranks; peer++) {
    const sn_range column = sn_transpose_columns(t, peer);
    double *message =
        peer == t->self ? t->values + t->lines.start[peer] : (double *)t->row_buffer + t->blocks.start[peer];
    for (ptrdiff_t f = 0; f < t->fields; f++)
      for (ptrdiff_t j1 = block.start / t->n2; j1 * t->n2 < block.start + block.count; j1++) {
        const sn_range here = in_line(t, block, j1, column);
        if (!here.count) continue;
        double *piece = real + f * block.count + (here.start - block.start);
        memcpy(to_message ? message : piece, to_message ? piece : message, (size_t)here.count * sizeof *piece);
        message += here.count;
      }
  }
}

/* Assembles the lines that two messages share, or splits them again. */
static void copy_shared_lines(const sn_transpose *t, bool to_message) {
  for (const sn_line_piece *p = t->piece; p < t->piece + t->pieces; p++)
    for (ptrdiff_t f = 0; f < t->fields; f++) {
      double *message = t->values + p->message.start + f * p->message.field_stride;
      double *assembled = t->values + p->assembled.start + f * p->assembled.field_stride;
      memcpy(to_message ? message : assembled, to_message ? assembled : message, (size_t)p->count * sizeof *assembled);
    }
}

void sn_transpose_from_blocks(const sn_transpose *t, const double *real) {
  copy_blocks(t, (double *)real, true);
  send(t, MPI_DOUBLE, t->row_buffer, &t->blocks, t->values, &t->lines);
  copy_shared_lines(t, false);
}

void sn_transpose_to_blocks(const sn_transpose *t, double *real) {
  copy_shared_lines(t, true);
  send(t, MPI_DOUBLE, t->values, &t->lines, t->row_buffer, &t->blocks);
  copy_blocks(t, real, false);
}
