/*
 * Transforms over several space ranks with one transposition. With points = n1 n2, a point j = j1 n2 + j2 and a wave
 * number k = k1 + n1 k2,
 *
 *   c(k) = sum_j2 exp(-2 pi i j2 k2 / n2)  exp(-2 pi i j2 k1 / points)  sum_j1 u(j) exp(-2 pi i j1 k1 / n1):
 *
 * real transforms of columns (one j2, all j1), a twiddle factor, a transposition, complex transforms of rows (one k1,
 * all j2). Columns being real, only rows 0 .. n1 / 2 are needed. A rank has some columns of values and some rows of
 * coefficients, and in between both pieces, ordered by the rank they come from or go to (D. H. Bailey, FFTs in external
 * or hierarchical memory, J. Supercomputing 4, 1990).
 *
 * Values are (fields, n1, own columns), coefficients (fields, own rows, n2).
 */
#include <math.h>
#include <string.h>

#include "fourier_kind.h"
#include "sinode/count.h"
#include "sinode/memory.h"

/*
 * Columns transformed together, a strip, and rows. Pieces of a strip are contiguous, so that columns stream through the
 * cache, and rows take WIDTH x ROWS numbers at a time.
 */
enum { WIDTH = 8, ROWS = 4 };

/* The messages of one layout: how many numbers of each peer, where in the buffer. A rank sends itself none. */
typedef struct {
  int *count, *start;
} messages;

typedef struct {
  MPI_Comm comm;
  int ranks, self;
  ptrdiff_t n1, n2, heights; /* heights: the rows 0 .. n1 / 2 */
  sn_range row, column;      /* of this rank */
  messages rows, columns;    /* of numbers in own rows and a peer's columns, and the other way: (fields, strips, rows,
                                columns of a strip) */
  messages blocks, lines;    /* of points of own block in a peer's columns, and the other way: (fields, points) */
  double complex *row_buffer, *column_buffer;
  double complex *twiddle;  /* (strips, heights, columns of a strip) */
  double *values;           /* (fields, n1, own columns) */
  double *grid;             /* (WIDTH, grid_stride): columns of points */
  double complex *spectrum; /* (WIDTH, spectrum_stride): of wave numbers k1 */
  double complex *line;     /* (ROWS, line_stride): rows */
  ptrdiff_t grid_stride, spectrum_stride, line_stride;
  fftw_plan column_forward, column_inverse, row_forward, row_inverse;
} factored;

static ptrdiff_t share_of(ptrdiff_t count, int ranks) { return (count + ranks - 1) / ranks; }

ptrdiff_t sn_fourier_factor(ptrdiff_t points, int ranks) {
  ptrdiff_t best = 0;
  double least = INFINITY;
  for (ptrdiff_t a = 1; a * a <= points; a++) {
    if (points % a) continue;
    for (int swap = 0; swap < 2; swap++) {
      const ptrdiff_t n1 = swap ? points / a : a, n2 = points / n1, heights = n1 / 2 + 1;
      if (heights < ranks || n2 < ranks) continue;
      /* Numbers on the rank with most; long transforms leave the cache. */
      const double numbers =
          (double)share_of(heights, ranks) * (double)n2 + (double)share_of(n2, ranks) * (double)heights;
      const double work = numbers * log2((double)(n1 > n2 ? n1 : n2));
      if (work < least) least = work, best = n1;
    }
  }
  return best;
}

static sn_range rows_of(const factored *w, int peer) {
  return sn_partition_range((sn_partition){.points = w->heights, .ranks = w->ranks}, peer);
}

static sn_range columns_of(const factored *w, int peer) {
  return sn_partition_range((sn_partition){.points = w->n2, .ranks = w->ranks}, peer);
}

static sn_range block_of(const sn_fourier *fourier, int peer) {
  return sn_partition_range(sn_grid_partition(fourier->grid), peer);
}

/* Points below `end` in a range of columns. */
static ptrdiff_t points_below(const factored *w, sn_range column, ptrdiff_t end) {
  const ptrdiff_t rest = end % w->n2 - column.start;
  return end / w->n2 * column.count + (rest < 0 ? 0 : rest > column.count ? column.count : rest);
}

static ptrdiff_t points_of(const factored *w, sn_range column, sn_range block) {
  return points_below(w, column, block.start + block.count) - points_below(w, column, block.start);
}

/* Numbers of each message in the four layouts, of one field. */
static ptrdiff_t in_rows(const sn_fourier *fourier, const factored *w, int peer) {
  (void)fourier;
  return w->row.count * columns_of(w, peer).count;
}

static ptrdiff_t in_columns(const sn_fourier *fourier, const factored *w, int peer) {
  (void)fourier;
  return rows_of(w, peer).count * w->column.count;
}

static ptrdiff_t in_blocks(const sn_fourier *fourier, const factored *w, int peer) {
  return points_of(w, columns_of(w, peer), block_of(fourier, w->self));
}

static ptrdiff_t in_lines(const sn_fourier *fourier, const factored *w, int peer) {
  return points_of(w, w->column, block_of(fourier, peer));
}

static sn_status plan_messages(const sn_fourier *fourier, const factored *w,
                               ptrdiff_t (*numbers)(const sn_fourier *, const factored *, int), messages *m) {
  static const char what[] = "the size of a transform's messages";
  SN_TRY(SN_NEW(w->ranks, &m->count));
  SN_TRY(SN_NEW(w->ranks, &m->start));
  ptrdiff_t total = 0;
  for (int peer = 0; peer < w->ranks; peer++) {
    const ptrdiff_t count = fourier->fields * numbers(fourier, w, peer);
    SN_TRY(sn_count_to_int(total, what, &m->start[peer]));
    SN_TRY(sn_count_to_int(peer == w->self ? 0 : count, what, &m->count[peer]));
    total += count;
  }
  return SN_OK;
}

static void give_messages(messages *m) {
  sn_memory_give(&m->count);
  sn_memory_give(&m->start);
}

static sn_status plan_columns(const sn_fourier *fourier, factored *w, unsigned flags) {
  int n;
  SN_TRY(sn_count_to_int(w->n1, "a factor of grid.points", &n));
  w->grid_stride = (w->n1 + 15) / 8 * 8;
  w->spectrum_stride = (w->heights + 7) / 4 * 4;
  SN_TRY(SN_NEW(WIDTH * w->grid_stride, &w->grid));
  SN_TRY(SN_NEW(WIDTH * w->spectrum_stride, &w->spectrum));
  w->column_forward = fftw_plan_dft_r2c_1d(n, w->grid, w->spectrum, flags);
  w->column_inverse = fftw_plan_dft_c2r_1d(n, w->spectrum, w->grid, flags | FFTW_DESTROY_INPUT);
  return sn_fourier_planned(fourier, w->column_forward, w->column_inverse);
}

static sn_status plan_rows(const sn_fourier *fourier, factored *w, unsigned flags) {
  int n;
  double complex *trial;
  SN_TRY(sn_count_to_int(w->n2, "a factor of grid.points", &n));
  w->line_stride = (w->n2 + 7) / 4 * 4;
  SN_TRY(SN_NEW(ROWS * w->line_stride, &w->line));
  SN_TRY(SN_NEW(w->n2, &trial));
  if (fftw_alignment_of((double *)(trial + w->n2)) != 0) flags |= FFTW_UNALIGNED; /* of the second row */
  w->row_forward = fftw_plan_dft_1d(n, w->line, trial, FFTW_FORWARD, flags);
  w->row_inverse = fftw_plan_dft_1d(n, trial, w->line, FFTW_BACKWARD, flags);
  sn_memory_give(&trial);
  return sn_fourier_planned(fourier, w->row_forward, w->row_inverse);
}

static sn_range strip_at(sn_range column, ptrdiff_t first) {
  return (sn_range){first, column.count - first < WIDTH ? column.count - first : WIDTH};
}

static sn_status set_twiddle(const sn_fourier *fourier, factored *w) {
  const double angle = -2 * M_PI / (double)sn_grid_points(fourier->grid);
  SN_TRY(SN_NEW(w->heights * w->column.count, &w->twiddle));
  double complex *t = w->twiddle;
  for (ptrdiff_t first = 0; first < w->column.count; first += WIDTH)
    for (ptrdiff_t k = 0; k < w->heights; k++)
      for (ptrdiff_t d = first; d < first + strip_at(w->column, first).count; d++) {
        const double phase = angle * (double)(k * (w->column.start + d));
        *t++ = CMPLX(cos(phase), sin(phase));
      }
  return SN_OK;
}

static ptrdiff_t most(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }

static sn_status create(sn_fourier *fourier, unsigned flags) {
  factored *w;
  SN_TRY(SN_NEW(1, &w));
  fourier->state = w;
  w->comm = sn_grid_space(fourier->grid);
  w->ranks = sn_grid_space_size(fourier->grid);
  w->self = sn_grid_space_rank(fourier->grid);
  w->n1 = sn_fourier_factor(sn_grid_points(fourier->grid), w->ranks);
  w->n2 = sn_grid_points(fourier->grid) / w->n1;
  w->heights = w->n1 / 2 + 1;
  w->row = rows_of(w, w->self);
  w->column = columns_of(w, w->self);
  fourier->spectra = fourier->fields;
  fourier->modes = fourier->spectrum_stride = w->row.count * w->n2;
  fourier->mode_stride = 1;
  fourier->size = fourier->fields * fourier->modes;
  fourier->values = fourier->fields * w->n1 * w->column.count;
  SN_TRY(plan_messages(fourier, w, in_rows, &w->rows));
  SN_TRY(plan_messages(fourier, w, in_columns, &w->columns));
  SN_TRY(plan_messages(fourier, w, in_blocks, &w->blocks));
  SN_TRY(plan_messages(fourier, w, in_lines, &w->lines));
  /* Blocks of points travel in the buffers too. */
  SN_TRY(SN_NEW(most(fourier->size, (fourier->fields * fourier->points + 1) / 2), &w->row_buffer));
  SN_TRY(SN_NEW(fourier->fields * w->heights * w->column.count, &w->column_buffer));
  SN_TRY(SN_NEW(fourier->values, &w->values));
  SN_TRY(plan_columns(fourier, w, flags));
  SN_TRY(plan_rows(fourier, w, flags));
  return set_twiddle(fourier, w);
}

static void destroy(sn_fourier *fourier) {
  factored *w = fourier->state;
  if (!w) return;
  fftw_plan const plans[] = {w->column_forward, w->column_inverse, w->row_forward, w->row_inverse};
  for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) fftw_destroy_plan(plans[i]);
  messages *const all[] = {&w->rows, &w->columns, &w->blocks, &w->lines};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) give_messages(all[i]);
  sn_memory_give(&w->row_buffer);
  sn_memory_give(&w->column_buffer);
  sn_memory_give(&w->twiddle);
  sn_memory_give(&w->values);
  sn_memory_give(&w->grid);
  sn_memory_give(&w->spectrum);
  sn_memory_give(&w->line);
  sn_memory_give(&w);
}

static ptrdiff_t wave(const sn_fourier *fourier, ptrdiff_t mode) {
  const factored *w = fourier->state;
  return w->row.start + mode / w->n2 + w->n1 * (mode % w->n2);
}

/* The rows of the real coefficients of columns hold a wave number and its conjugate. */
static int multiplicity(const sn_fourier *fourier, ptrdiff_t mode) {
  const factored *w = fourier->state;
  const ptrdiff_t row = w->row.start + mode / w->n2;
  return row == 0 || 2 * row == w->n1 ? 1 : 2;
}

/* Messages from one buffer to the other. */
static void send(const sn_fourier *fourier, MPI_Datatype type, const void *from, const messages *out, void *to,
                 const messages *in) {
  const factored *w = fourier->state;
  sn_timer_start(fourier->timer, SN_TIME_EXCHANGE);
  MPI_Alltoallv(from, out->count, out->start, type, to, in->count, in->start, type, w->comm);
  sn_timer_stop(fourier->timer, SN_TIME_EXCHANGE);
}

/* What goes from own rows to a peer's columns or back; what stays here is in the columns' buffer at once. */
static double complex *part(const factored *w, int peer) {
  return peer == w->self ? w->column_buffer + w->columns.start[peer] : w->row_buffer + w->rows.start[peer];
}

/* Copies `count` rows of a field, from `first` on, between their parts and the lines. */
static void copy_lines(const factored *w, ptrdiff_t field, ptrdiff_t first, ptrdiff_t count, bool to_lines) {
  for (int peer = 0; peer < w->ranks; peer++) {
    const sn_range column = columns_of(w, peer);
    double complex *whole = part(w, peer) + field * w->row.count * column.count;
    for (ptrdiff_t d = 0; d < column.count; d += WIDTH) {
      const ptrdiff_t width = strip_at(column, d).count;
      double complex *restrict piece = whole + d * w->row.count + first * width;
      double complex *restrict line = w->line + column.start + d;
      for (ptrdiff_t i = 0; i < count; i++, piece += width, line += w->line_stride)
        if (to_lines)
          for (ptrdiff_t j = 0; j < width; j++) line[j] = piece[j];
        else
          for (ptrdiff_t j = 0; j < width; j++) piece[j] = line[j];
    }
  }
}

/* Some rows of a field. */
typedef struct {
  ptrdiff_t field, first, count;
} rows;

/* The rows of all fields, some at a time; false behind the last. */
static bool next_rows(const sn_fourier *fourier, rows *r) {
  const ptrdiff_t all = ((const factored *)fourier->state)->row.count;
  r->first += r->count;
  if (r->first == all) r->first = 0, r->field++;
  r->count = all - r->first < ROWS ? all - r->first : ROWS;
  return r->field < fourier->fields;
}

#define FOR_ROWS(fourier, r) for (rows r = {0}; next_rows(fourier, &r);)

/* Coefficients from the parts of their rows. */
static void transform_rows(const factored *w, rows r, double complex *coefficients) {
  copy_lines(w, r.field, r.first, r.count, true);
  coefficients += (r.field * w->row.count + r.first) * w->n2;
  for (ptrdiff_t i = 0; i < r.count; i++)
    fftw_execute_dft(w->row_forward, w->line + i * w->line_stride, coefficients + i * w->n2);
}

static void transform_rows_back(const factored *w, rows r, double complex *coefficients) {
  coefficients += (r.field * w->row.count + r.first) * w->n2;
  for (ptrdiff_t i = 0; i < r.count; i++)
    fftw_execute_dft(w->row_inverse, coefficients + i * w->n2, w->line + i * w->line_stride);
  copy_lines(w, r.field, r.first, r.count, false);
}

/* A strip of a field. */
typedef struct {
  ptrdiff_t field;
  sn_range column; /* of the rank's own, from 0 on */
} strip;

/* What of a strip shares a message with a peer: (rows, columns). */
static double *piece_of(const factored *w, strip s, sn_range row, int peer) {
  return (double *)(w->column_buffer + w->columns.start[peer] +
                    row.count * (s.field * w->column.count + s.column.start));
}

/* z = conj(t) x for `count` rows of `width` numbers x and t and columns z. Inlined, for a width that the compiler
 * knows. */
static inline void take_rows(ptrdiff_t count, ptrdiff_t width, ptrdiff_t stride, const double *restrict t,
                             const double *restrict x, double *restrict z) {
  for (ptrdiff_t i = 0; i < count; i++, x += 2 * width, t += 2 * width, z += 2)
    for (ptrdiff_t d = 0; d < width; d++) {
      z[d * stride] = t[2 * d] * x[2 * d] + t[2 * d + 1] * x[2 * d + 1];
      z[d * stride + 1] = t[2 * d] * x[2 * d + 1] - t[2 * d + 1] * x[2 * d];
    }
}

/* x = t z */
static inline void put_rows(ptrdiff_t count, ptrdiff_t width, ptrdiff_t stride, const double *restrict t,
                            double *restrict x, const double *restrict z) {
  for (ptrdiff_t i = 0; i < count; i++, x += 2 * width, t += 2 * width, z += 2)
    for (ptrdiff_t d = 0; d < width; d++) {
      x[2 * d] = t[2 * d] * z[d * stride] - t[2 * d + 1] * z[d * stride + 1];
      x[2 * d + 1] = t[2 * d] * z[d * stride + 1] + t[2 * d + 1] * z[d * stride];
    }
}

/* Of a strip: its spectrum from the buffer, and back, with the twiddle factor. */
static void move_strip(const factored *w, strip s, bool to_spectrum) {
  const ptrdiff_t width = s.column.count, stride = 2 * w->spectrum_stride;
  for (int peer = 0; peer < w->ranks; peer++) {
    const sn_range row = rows_of(w, peer);
    const double *t = (const double *)(w->twiddle + s.column.start * w->heights + row.start * width);
    double *x = piece_of(w, s, row, peer), *z = (double *)(w->spectrum + row.start);
    if (to_spectrum && width == WIDTH)
      take_rows(row.count, WIDTH, stride, t, x, z);
    else if (to_spectrum)
      take_rows(row.count, width, stride, t, x, z);
    else if (width == WIDTH)
      put_rows(row.count, WIDTH, stride, t, x, z);
    else
      put_rows(row.count, width, stride, t, x, z);
  }
}

static void transform_strip(const factored *w, strip s) {
  for (ptrdiff_t d = 0; d < s.column.count; d++)
    fftw_execute_dft_r2c(w->column_forward, w->grid + d * w->grid_stride, w->spectrum + d * w->spectrum_stride);
  move_strip(w, s, false);
}

static void transform_strip_back(const factored *w, strip s) {
  move_strip(w, s, true);
  for (ptrdiff_t d = 0; d < s.column.count; d++)
    fftw_execute_dft_c2r(w->column_inverse, w->spectrum + d * w->spectrum_stride, w->grid + d * w->grid_stride);
}

/* The strips of all fields one by one; false behind the last. */
static bool next_strip(const sn_fourier *fourier, strip *s) {
  const sn_range column = ((const factored *)fourier->state)->column;
  s->column = strip_at(column, s->column.start + s->column.count);
  if (s->column.count == 0) s->column = strip_at(column, 0), s->field++;
  return s->field < fourier->fields;
}

#define FOR_STRIPS(fourier, s) for (strip s = {0}; next_strip(fourier, &s);)

/* Of the columns in the buffer. */
static void square_columns(const sn_fourier *fourier) {
  const factored *w = fourier->state;
  const double points = (double)sn_grid_points(fourier->grid), scale = 1.0 / (points * points);
  FOR_STRIPS(fourier, s) {
    transform_strip_back(w, s);
    for (ptrdiff_t i = 0; i < s.column.count * w->grid_stride; i++) w->grid[i] *= scale * w->grid[i];
    transform_strip(w, s);
  }
}

/* Rows are swept, and on their way back already, while they are in the cache. */
static sn_status squares(sn_fourier *fourier, double complex *coefficients, ptrdiff_t turns, sn_fourier_sweep sweep,
                         void *context) {
  const factored *w = fourier->state;
  sn_timer_start(fourier->timer, SN_TIME_FFT);
  if (turns) FOR_ROWS(fourier, r) transform_rows_back(w, r, coefficients);
  for (ptrdiff_t turn = 0; turn < turns; turn++) {
    send(fourier, MPI_C_DOUBLE_COMPLEX, w->row_buffer, &w->rows, w->column_buffer, &w->columns);
    square_columns(fourier);
    send(fourier, MPI_C_DOUBLE_COMPLEX, w->column_buffer, &w->columns, w->row_buffer, &w->rows);
    FOR_ROWS(fourier, r) {
      transform_rows(w, r, coefficients);
      sweep(context, turn, (r.field * w->row.count + r.first) * w->n2, r.count * w->n2);
      if (turn + 1 < turns) transform_rows_back(w, r, coefficients);
    }
  }
  sn_timer_stop(fourier->timer, SN_TIME_FFT);
  return SN_OK;
}

static sn_status to_values(sn_fourier *fourier, double complex *coefficients, double *values) {
  const factored *w = fourier->state;
  const double scale = 1.0 / (double)sn_grid_points(fourier->grid);
  sn_timer_start(fourier->timer, SN_TIME_FFT);
  FOR_ROWS(fourier, r) transform_rows_back(w, r, coefficients);
  send(fourier, MPI_C_DOUBLE_COMPLEX, w->row_buffer, &w->rows, w->column_buffer, &w->columns);
  FOR_STRIPS(fourier, s) {
    transform_strip_back(w, s);
    double *to = values + s.field * w->n1 * w->column.count + s.column.start;
    for (ptrdiff_t j = 0; j < w->n1; j++, to += w->column.count)
      for (ptrdiff_t d = 0; d < s.column.count; d++) to[d] = scale * w->grid[d * w->grid_stride + j];
  }
  sn_timer_stop(fourier->timer, SN_TIME_FFT);
  return SN_OK;
}

static sn_status from_values(sn_fourier *fourier, const double *values, double complex *coefficients) {
  const factored *w = fourier->state;
  sn_timer_start(fourier->timer, SN_TIME_FFT);
  FOR_STRIPS(fourier, s) {
    const double *from = values + s.field * w->n1 * w->column.count + s.column.start;
    for (ptrdiff_t j = 0; j < w->n1; j++, from += w->column.count)
      for (ptrdiff_t d = 0; d < s.column.count; d++) w->grid[d * w->grid_stride + j] = from[d];
    transform_strip(w, s);
  }
  send(fourier, MPI_C_DOUBLE_COMPLEX, w->column_buffer, &w->columns, w->row_buffer, &w->rows);
  FOR_ROWS(fourier, r) transform_rows(w, r, coefficients);
  sn_timer_stop(fourier->timer, SN_TIME_FFT);
  return SN_OK;
}

/* The points of one block that are in one range of columns, and how an array holds them line by line. */
typedef struct {
  sn_range block, column;
  ptrdiff_t field_stride, line_stride; /* from a field to the next, from a line (one j1) to the next */
  ptrdiff_t origin;                    /* the point of line 0 that is at the array's beginning */
} pieces;

static void copy_pieces(const sn_fourier *fourier, pieces p, double *message, double *values, bool to_message) {
  const factored *w = fourier->state;
  for (ptrdiff_t f = 0; f < fourier->fields; f++)
    for (ptrdiff_t j1 = p.block.start / w->n2; j1 * w->n2 < p.block.start + p.block.count; j1++) {
      const sn_range here = sn_range_intersect(p.block, (sn_range){j1 * w->n2 + p.column.start, p.column.count});
      if (!here.count) continue;
      double *piece = values + f * p.field_stride + j1 * p.line_stride + here.start - j1 * w->n2 - p.origin;
      if (to_message)
        memcpy(message, piece, (size_t)here.count * sizeof *piece);
      else
        memcpy(piece, message, (size_t)here.count * sizeof *piece);
      message += here.count;
    }
}

/* Between our blocks of points and the messages; what stays here is in the columns' buffer at once. */
static void copy_blocks(const sn_fourier *fourier, double *real, bool to_message) {
  const factored *w = fourier->state;
  const sn_range block = block_of(fourier, w->self);
  for (int peer = 0; peer < w->ranks; peer++) {
    double *message = peer == w->self ? (double *)w->column_buffer + w->lines.start[peer]
                                      : (double *)w->row_buffer + w->blocks.start[peer];
    copy_pieces(fourier, (pieces){block, columns_of(w, peer), block.count, w->n2, block.start}, message, real,
                to_message);
  }
}

/* Between the messages and values in columns. */
static void copy_columns(const sn_fourier *fourier, bool to_message) {
  const factored *w = fourier->state;
  const ptrdiff_t columns = w->column.count;
  for (int peer = 0; peer < w->ranks; peer++)
    copy_pieces(fourier, (pieces){block_of(fourier, peer), w->column, w->n1 * columns, columns, w->column.start},
                (double *)w->column_buffer + w->lines.start[peer], w->values, to_message);
}

static sn_status forward(sn_fourier *fourier, const double *real, double complex *coefficients) {
  const factored *w = fourier->state;
  copy_blocks(fourier, (double *)real, true);
  send(fourier, MPI_DOUBLE, w->row_buffer, &w->blocks, w->column_buffer, &w->lines);
  copy_columns(fourier, false);
  return from_values(fourier, w->values, coefficients);
}

static sn_status inverse(sn_fourier *fourier, double complex *coefficients, double *real) {
  const factored *w = fourier->state;
  SN_TRY(to_values(fourier, coefficients, w->values));
  copy_columns(fourier, true);
  send(fourier, MPI_DOUBLE, w->column_buffer, &w->lines, w->row_buffer, &w->blocks);
  copy_blocks(fourier, real, false);
  return SN_OK;
}

const sn_fourier_kind sn_fourier_factored = {
    .create = create,
    .destroy = destroy,
    .wave = wave,
    .multiplicity = multiplicity,
    .forward = forward,
    .inverse = inverse,
    .squares = squares,
    .to_values = to_values,
    .from_values = from_values,
};
