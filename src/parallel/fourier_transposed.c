/*
 * Transforms over several space ranks with one transpose. With points = n1 n2, a point j = j1 n2 + j2 and a wave_number
 * number k = k1 + n1 k2,
 *
 *   c(k) = sum_j2 exp(-2 pi i j2 k2 / n2)  exp(-2 pi i j2 k1 / points)  sum_j1 u(j) exp(-2 pi i j1 k1 / n1):
 *
 * real transforms of columns (one j2, all j1), a twiddle factor, a transpose, complex transforms of rows (one k1,
 * all j2). Columns being real, only rows 0 .. n1 / 2 are needed. A rank has some columns of values and some rows of
 * coefficients, and in between both pieces, ordered by the rank they come from or go to (D. H. Bailey, FFTs in external
 * or hierarchical memory, J. Supercomputing 4, 1990).
 *
 * Values are in the order of the messages from blocks of points, coefficients (fields, own rows, n2).
 */
#include <math.h>
#include <string.h>

#include "fourier_ops.h"
#include "sinode/count.h"
#include "sinode/memory.h"
#include "transpose.h"

/* Rows that are transformed together, as the columns of a strip are. */
enum { ROWS = 4 };

typedef struct {
  sn_transpose t;
  double complex *twiddle;  /* (strips, heights, columns of a strip) */
  double *grid;             /* (SN_STRIP, grid_stride): columns of points */
  double complex *spectrum; /* (SN_STRIP, spectrum_stride): of wave_number numbers k1 */
  double complex *line;     /* (ROWS, line_stride): rows */
  ptrdiff_t grid_stride, spectrum_stride, line_stride;
  fftw_plan column_forward, column_inverse, row_forward, row_inverse;
} transposed;

static sn_status plan_columns(const sn_fourier *fourier, transposed *w, unsigned flags) {
  int n;
  SN_TRY(sn_count_to_int(w->t.n1, "a factor of grid.points", &n));
  w->grid_stride = (w->t.n1 + 15) / 8 * 8;
  w->spectrum_stride = (w->t.heights + 7) / 4 * 4;
  SN_TRY(SN_NEW(SN_STRIP * w->grid_stride, &w->grid));
  SN_TRY(SN_NEW(SN_STRIP * w->spectrum_stride, &w->spectrum));
  w->column_forward = fftw_plan_dft_r2c_1d(n, w->grid, w->spectrum, flags);
  w->column_inverse = fftw_plan_dft_c2r_1d(n, w->spectrum, w->grid, flags | FFTW_DESTROY_INPUT);
  return sn_fourier_planned(fourier, w->column_forward, w->column_inverse);
}

static sn_status plan_rows(const sn_fourier *fourier, transposed *w, unsigned flags) {
  int n;
  double complex *trial;
  SN_TRY(sn_count_to_int(w->t.n2, "a factor of grid.points", &n));
  w->line_stride = (w->t.n2 + 7) / 4 * 4;
  SN_TRY(SN_NEW(ROWS * w->line_stride, &w->line));
  SN_TRY(SN_NEW(w->t.n2, &trial));
  if (fftw_alignment_of((double *)(trial + w->t.n2)) != 0) flags |= FFTW_UNALIGNED; /* of the second row */
  w->row_forward = fftw_plan_dft_1d(n, w->line, trial, FFTW_FORWARD, flags);
  w->row_inverse = fftw_plan_dft_1d(n, trial, w->line, FFTW_BACKWARD, flags);
  SN_FREE(trial);
  return sn_fourier_planned(fourier, w->row_forward, w->row_inverse);
}

static sn_status set_twiddle(const sn_fourier *fourier, transposed *w) {
  const double angle = -2 * M_PI / (double)sn_grid_points(fourier->grid);
  SN_TRY(SN_NEW(w->t.heights * w->t.column.count, &w->twiddle));
  double complex *next = w->twiddle;
  for (ptrdiff_t first = 0; first < w->t.column.count; first += SN_STRIP)
    for (ptrdiff_t k = 0; k < w->t.heights; k++)
      for (ptrdiff_t d = first; d < first + sn_transpose_strip(w->t.column, first).count; d++) {
        const double phase = angle * (double)(k * (w->t.column.start + d));
        *next++ = CMPLX(cos(phase), sin(phase));
      }
  return SN_OK;
}

static sn_status create(sn_fourier *fourier, unsigned flags) {
  transposed *w;
  SN_TRY(SN_NEW(1, &w));
  fourier->state = w;
  SN_TRY(sn_transpose_plan(fourier->grid, fourier->fields, &w->t));
  fourier->spectra = fourier->fields;
  fourier->modes = fourier->spectrum_stride = w->t.row.count * w->t.n2;
  fourier->mode_stride = 1;
  fourier->size = fourier->fields * fourier->modes;
  fourier->values = w->t.size;
  SN_TRY(plan_columns(fourier, w, flags));
  SN_TRY(plan_rows(fourier, w, flags));
  return set_twiddle(fourier, w);
}

static void destroy(sn_fourier *fourier) {
  transposed *w = fourier->state;
  if (!w) return;
  fftw_plan const plans[] = {w->column_forward, w->column_inverse, w->row_forward, w->row_inverse};
  for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) fftw_destroy_plan(plans[i]);
  sn_transpose_clear(&w->t);
  SN_FREE(w->twiddle);
  SN_FREE(w->grid);
  SN_FREE(w->spectrum);
  SN_FREE(w->line);
  SN_FREE(fourier->state);
}

static ptrdiff_t wave_number(const sn_fourier *fourier, ptrdiff_t mode) {
  const transposed *w = fourier->state;
  return w->t.row.start + mode / w->t.n2 + w->t.n1 * (mode % w->t.n2);
}

/* Rows 0 and n1 / 2 hold both of a conjugate pair, the others one of it. */
static int multiplicity(const sn_fourier *fourier, ptrdiff_t mode) {
  const transposed *w = fourier->state;
  const ptrdiff_t row = w->t.row.start + mode / w->t.n2;
  return row == 0 || 2 * row == w->t.n1 ? 1 : 2;
}

/* Rows 0 and n1 / 2 hold both m and -m: c(-m) := conj c(m), from the mean of both. */
static void make_real(const sn_fourier *fourier, double complex *coefficients) {
  const transposed *w = fourier->state;
  const ptrdiff_t n2 = w->t.n2;
  for (ptrdiff_t i = 0; i < w->t.row.count; i++) {
    const ptrdiff_t row = w->t.row.start + i;
    if (row != 0 && 2 * row != w->t.n1) continue;
    for (ptrdiff_t s = 0; s < fourier->spectra; s++)
      for (ptrdiff_t k = 0; k < n2; k++) {
        const ptrdiff_t mirror = row == 0 ? (n2 - k) % n2 : n2 - 1 - k;
        if (mirror < k) continue;
        double complex *one = coefficients + s * fourier->spectrum_stride + (i * n2 + k) * fourier->mode_stride;
        double complex *other = coefficients + s * fourier->spectrum_stride + (i * n2 + mirror) * fourier->mode_stride;
        *one = 0.5 * (*one + conj(*other));
        *other = conj(*one);
      }
  }
}

/* Copies `count` rows of a field, from `first` on, between their parts and the lines. */
static void copy_lines(const transposed *w, ptrdiff_t field, ptrdiff_t first, ptrdiff_t count, bool to_lines) {
  for (int peer = 0; peer < w->t.ranks; peer++) {
    const sn_range column = sn_transpose_columns(&w->t, peer);
    double complex *part = sn_transpose_part(&w->t, peer) + field * w->t.row.count * column.count;
    for (ptrdiff_t d = 0; d < column.count; d += SN_STRIP) {
      const ptrdiff_t width = sn_transpose_strip(column, d).count;
      double complex *restrict piece = part + d * w->t.row.count + first * width;
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
  const ptrdiff_t all = ((const transposed *)fourier->state)->t.row.count;
  r->first += r->count;
  if (r->first == all) r->first = 0, r->field++;
  r->count = all - r->first < ROWS ? all - r->first : ROWS;
  return r->field < fourier->fields;
}

#define FOR_ROWS(fourier, r) for (rows r = {0}; next_rows(fourier, &(r));)

/* Where in an array of coefficients they begin. */
static ptrdiff_t origin(const transposed *w, rows r) { return (r.field * w->t.row.count + r.first) * w->t.n2; }

/* Their coefficients from the parts, and back. */
static void transform_rows(const transposed *w, rows r, double complex *coefficients) {
  copy_lines(w, r.field, r.first, r.count, true);
  for (ptrdiff_t i = 0; i < r.count; i++)
    fftw_execute_dft(w->row_forward, w->line + i * w->line_stride, coefficients + i * w->t.n2);
}

static void transform_rows_back(const transposed *w, rows r, double complex *coefficients) {
  for (ptrdiff_t i = 0; i < r.count; i++)
    fftw_execute_dft(w->row_inverse, coefficients + i * w->t.n2, w->line + i * w->line_stride);
  copy_lines(w, r.field, r.first, r.count, false);
}

/* A strip of a field. */
typedef struct {
  ptrdiff_t field;
  sn_range column; /* of the rank's own, from 0 on */
} strip;

/* The part of a strip that is in one peer's message: (rows, columns). */
static double *piece_of(const transposed *w, strip s, sn_range row, int peer) {
  return (double *)(w->t.column_buffer + w->t.columns.start[peer] +
                    row.count * (s.field * w->t.column.count + s.column.start));
}

/* z = conj(twiddle) x for `count` rows of `width` numbers x and twiddle and columns z. Inlined, for a width that the
 * compiler knows. */
static inline void untwiddle_rows(ptrdiff_t count, ptrdiff_t width, ptrdiff_t stride, const double *restrict twiddle,
                                  const double *restrict x, double *restrict z) {
  for (ptrdiff_t i = 0; i < count; i++, x += 2 * width, twiddle += 2 * width, z += 2)
    for (ptrdiff_t d = 0; d < width; d++) {
      z[d * stride] = twiddle[2 * d] * x[2 * d] + twiddle[2 * d + 1] * x[2 * d + 1];
      z[d * stride + 1] = twiddle[2 * d] * x[2 * d + 1] - twiddle[2 * d + 1] * x[2 * d];
    }
}

/* x = twiddle z */
static inline void twiddle_rows(ptrdiff_t count, ptrdiff_t width, ptrdiff_t stride, const double *restrict twiddle,
                                double *restrict x, const double *restrict z) {
  for (ptrdiff_t i = 0; i < count; i++, x += 2 * width, twiddle += 2 * width, z += 2)
    for (ptrdiff_t d = 0; d < width; d++) {
      x[2 * d] = twiddle[2 * d] * z[d * stride] - twiddle[2 * d + 1] * z[d * stride + 1];
      x[2 * d + 1] = twiddle[2 * d] * z[d * stride + 1] + twiddle[2 * d + 1] * z[d * stride];
    }
}

/* Of a strip: its spectrum from the buffer, and back, with the twiddle factor. */
static void move_strip(const transposed *w, strip s, bool to_spectrum) {
  const ptrdiff_t width = s.column.count, stride = 2 * w->spectrum_stride;
  for (int peer = 0; peer < w->t.ranks; peer++) {
    const sn_range row = sn_transpose_rows(&w->t, peer);
    const double *twiddle = (const double *)(w->twiddle + s.column.start * w->t.heights + row.start * width);
    double *x = piece_of(w, s, row, peer), *z = (double *)(w->spectrum + row.start);
    if (to_spectrum && width == SN_STRIP)
      untwiddle_rows(row.count, SN_STRIP, stride, twiddle, x, z);
    else if (to_spectrum)
      untwiddle_rows(row.count, width, stride, twiddle, x, z);
    else if (width == SN_STRIP)
      twiddle_rows(row.count, SN_STRIP, stride, twiddle, x, z);
    else
      twiddle_rows(row.count, width, stride, twiddle, x, z);
  }
}

static void transform_strip(const transposed *w, strip s) {
  for (ptrdiff_t d = 0; d < s.column.count; d++)
    fftw_execute_dft_r2c(w->column_forward, w->grid + d * w->grid_stride, w->spectrum + d * w->spectrum_stride);
  move_strip(w, s, false);
}

static void transform_strip_back(const transposed *w, strip s) {
  move_strip(w, s, true);
  for (ptrdiff_t d = 0; d < s.column.count; d++)
    fftw_execute_dft_c2r(w->column_inverse, w->spectrum + d * w->spectrum_stride, w->grid + d * w->grid_stride);
}

/* The strips of all fields one by one; false behind the last. */
static bool next_strip(const sn_fourier *fourier, strip *s) {
  const sn_range column = ((const transposed *)fourier->state)->t.column;
  s->column = sn_transpose_strip(column, s->column.start + s->column.count);
  if (s->column.count == 0) s->column = sn_transpose_strip(column, 0), s->field++;
  return s->field < fourier->fields;
}

#define FOR_STRIPS(fourier, s) for (strip s = {0}; next_strip(fourier, &(s));)

/* Of the columns in the buffer. */
static void square_columns(const sn_fourier *fourier) {
  const transposed *w = fourier->state;
  const double points = (double)sn_grid_points(fourier->grid), scale = 1.0 / (points * points);
  FOR_STRIPS(fourier, s) {
    transform_strip_back(w, s);
    for (ptrdiff_t i = 0; i < s.column.count * w->grid_stride; i++) w->grid[i] *= scale * w->grid[i];
    transform_strip(w, s);
  }
}

/* Each group of rows is transformed, handed to the callback and transformed back while it is in the cache. */
static sn_status pseudospectral_squares(sn_fourier *fourier, double complex *coefficients, ptrdiff_t stages,
                                        sn_fourier_callback callback, void *context) {
  const transposed *w = fourier->state;
  sn_timer_start(fourier->timer, SN_TIME_FFT);
  if (stages) FOR_ROWS(fourier, r) transform_rows_back(w, r, coefficients + origin(w, r));
  for (ptrdiff_t stage = 0; stage < stages; stage++) {
    sn_transpose_to_columns(&w->t);
    square_columns(fourier);
    sn_transpose_to_rows(&w->t);
    FOR_ROWS(fourier, r) {
      transform_rows(w, r, coefficients + origin(w, r));
      callback(context, stage, origin(w, r), r.count * w->t.n2);
      if (stage + 1 < stages) transform_rows_back(w, r, coefficients + origin(w, r));
    }
  }
  sn_timer_stop(fourier->timer, SN_TIME_FFT);
  return SN_OK;
}

/* Columns of `width` from the lines of one field, and back. Inlined, for a width that the compiler knows. */
static inline void gather_strip(const sn_transpose *t, strip s, ptrdiff_t width, const double *restrict values,
                                ptrdiff_t stride, double *restrict grid) {
  for (ptrdiff_t j = 0; j < t->n1; j++) {
    const sn_line here = t->line[j], ahead = t->line[j + SN_LINES_AHEAD];
    const double *restrict x = values + here.start + s.field * here.field_stride + s.column.start;
    for (ptrdiff_t d = 0; d < width; d += SN_CACHE_LINE)
      __builtin_prefetch(values + ahead.start + s.field * ahead.field_stride + s.column.start + d, 0, 2);
    for (ptrdiff_t d = 0; d < width; d++) grid[d * stride + j] = x[d];
  }
}

static inline void scatter_strip(const sn_transpose *t, strip s, ptrdiff_t width, double *restrict values,
                                 ptrdiff_t stride, const double *restrict grid, double scale) {
  for (ptrdiff_t j = 0; j < t->n1; j++) {
    const sn_line here = t->line[j], ahead = t->line[j + SN_LINES_AHEAD];
    double *restrict x = values + here.start + s.field * here.field_stride + s.column.start;
    for (ptrdiff_t d = 0; d < width; d += SN_CACHE_LINE)
      __builtin_prefetch(values + ahead.start + s.field * ahead.field_stride + s.column.start + d, 1, 2);
    for (ptrdiff_t d = 0; d < width; d++) x[d] = scale * grid[d * stride + j];
  }
}

/* Values to the columns in the buffer, and back, divided by points. */
static void columns_from_values(const sn_fourier *fourier, const double *values) {
  const transposed *w = fourier->state;
  FOR_STRIPS(fourier, s) {
    if (s.column.count == SN_STRIP)
      gather_strip(&w->t, s, SN_STRIP, values, w->grid_stride, w->grid);
    else
      gather_strip(&w->t, s, s.column.count, values, w->grid_stride, w->grid);
    transform_strip(w, s);
  }
}

static void columns_to_values(const sn_fourier *fourier, double *values) {
  const transposed *w = fourier->state;
  const double scale = 1.0 / (double)sn_grid_points(fourier->grid);
  FOR_STRIPS(fourier, s) {
    transform_strip_back(w, s);
    if (s.column.count == SN_STRIP)
      scatter_strip(&w->t, s, SN_STRIP, values, w->grid_stride, w->grid, scale);
    else
      scatter_strip(&w->t, s, s.column.count, values, w->grid_stride, w->grid, scale);
  }
}

static sn_status to_values(sn_fourier *fourier, double complex *coefficients, double *values) {
  const transposed *w = fourier->state;
  sn_timer_start(fourier->timer, SN_TIME_FFT);
  FOR_ROWS(fourier, r) transform_rows_back(w, r, coefficients + origin(w, r));
  sn_transpose_to_columns(&w->t);
  columns_to_values(fourier, values);
  sn_timer_stop(fourier->timer, SN_TIME_FFT);
  return SN_OK;
}

static sn_status from_values(sn_fourier *fourier, const double *values, double complex *coefficients) {
  const transposed *w = fourier->state;
  sn_timer_start(fourier->timer, SN_TIME_FFT);
  columns_from_values(fourier, values);
  sn_transpose_to_rows(&w->t);
  FOR_ROWS(fourier, r) transform_rows(w, r, coefficients + origin(w, r));
  sn_timer_stop(fourier->timer, SN_TIME_FFT);
  return SN_OK;
}

/* Each group of rows is transformed, scaled and transformed back while it is in the cache. */
static sn_status filter(sn_fourier *fourier, const double complex *symbol, const double *from,
                        double complex *coefficients, double *to) {
  const transposed *w = fourier->state;
  sn_transpose_from_blocks(&w->t, from);
  sn_timer_start(fourier->timer, SN_TIME_FFT);
  columns_from_values(fourier, w->t.values);
  sn_transpose_to_rows(&w->t);
  FOR_ROWS(fourier, r) {
    transform_rows(w, r, coefficients);
    sn_fourier_multiply(r.count * w->t.n2, symbol + r.first * w->t.n2, 1, coefficients);
    transform_rows_back(w, r, coefficients);
  }
  sn_transpose_to_columns(&w->t);
  columns_to_values(fourier, w->t.values);
  sn_timer_stop(fourier->timer, SN_TIME_FFT);
  sn_transpose_to_blocks(&w->t, to);
  return SN_OK;
}

static sn_status forward(sn_fourier *fourier, const double *real, double complex *coefficients) {
  const transposed *w = fourier->state;
  sn_transpose_from_blocks(&w->t, real);
  return from_values(fourier, w->t.values, coefficients);
}

static sn_status inverse(sn_fourier *fourier, double complex *coefficients, double *real) {
  const transposed *w = fourier->state;
  SN_TRY(to_values(fourier, coefficients, w->t.values));
  sn_transpose_to_blocks(&w->t, real);
  return SN_OK;
}

const sn_fourier_ops sn_fourier_transposed = {
    .create = create,
    .destroy = destroy,
    .wave_number = wave_number,
    .multiplicity = multiplicity,
    .make_real = make_real,
    .forward = forward,
    .inverse = inverse,
    .filter = filter,
    .pseudospectral_squares = pseudospectral_squares,
    .to_values = to_values,
    .from_values = from_values,
};
