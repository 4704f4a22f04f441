/*
 * What the machine can do, for the model in docs/scaling.md: products of matrices, passes through memory, transforms,
 * messages, on all ranks at the same time. They meet in a barrier after every call, as they do within a step: whichever
 * is slower at that moment counts. `batch` is the work of a call: multiply-adds, bytes, points, messages.
 */
#include <complex.h>
#include <string.h>

#include <cblas.h>
#include <fftw3.h>

#include "benchmark.h"
#include "parallel/transpose.h"
#include "sinode/count.h"
#include "sinode/memory.h"

enum {
  TRIAD = SN_BENCHMARK_TRIAD / (3 * (int)sizeof(double)),
  BULK = 1 << 18
};                                 /* doubles: well beyond caches; 2 MiB */
enum { SIDE = 512 };               /* of the reference's matrices */
enum { SHORT = 1024, SHORTS = 8 }; /* numbers of a line, lines: well within a cache of its own */
enum { LINES_PASSES = 64 };        /* some milliseconds between two meetings */
enum { APART = 512 };              /* doubles from a line to the next */

typedef struct {
  const sn_grid *grid;
  int rows, width;   /* of the products */
  int layers, layer; /* how many have weights of their own; the next one */
  int other;         /* the rank that messages go to */
  ptrdiff_t piece;   /* of a and b, for the next message */
  ptrdiff_t points;  /* of a row */
  double *a, *b, *c;
  double *gradient, *bar; /* (layers, width, width), (rows, width) */
  double complex *modes;
  fftw_plan there, back, row, column;
} machine;

sn_status sn_benchmark_create_reference(sn_benchmark_reference *r) {
  double **const arrays[] = {&r->a, &r->b, &r->c};
  for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++) {
    SN_TRY(SN_NEW(TRIAD, arrays[k]));
    for (ptrdiff_t i = 0; i < TRIAD; i++) (*arrays[k])[i] = 1e-3;
  }
  return SN_OK;
}

void sn_benchmark_destroy_reference(sn_benchmark_reference *r) {
  SN_FREE(r->a);
  SN_FREE(r->b);
  SN_FREE(r->c);
}

void sn_benchmark_product(const sn_benchmark_reference *r) {
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, SIDE, SIDE, SIDE, 1, r->a, SIDE, r->b, SIDE, 0, r->c, SIDE);
}

void sn_benchmark_triad(const sn_benchmark_reference *r) {
  double *restrict a = r->a;
  const double *restrict b = r->b, *restrict c = r->c;
  for (ptrdiff_t i = 0; i < TRIAD; i++) a[i] = b[i] + 0.5 * c[i];
}

static sn_status barrier(const machine *m) {
  MPI_Barrier(sn_grid_world(m->grid));
  return SN_OK;
}

/* The three of a layer, on one layer after the other: weights that no cache holds come from memory, as in a step. */
static sn_status products(void *context) {
  machine *m = context;
  const int n = m->width;
  const ptrdiff_t at = (ptrdiff_t)m->layer * n * n;
  double *const weight = m->b + at, *const gradient = m->gradient + at;
  m->layer = (m->layer + 1) % m->layers;
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m->rows, n, n, 1, m->a, n, weight, n, 0, m->c, n);
  cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, n, n, m->rows, 1e-9, m->c, n, m->a, n, 1, gradient, n);
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m->rows, n, n, 1, m->c, n, weight, n, 0, m->bar, n);
  return barrier(m);
}

static sn_status triad(void *context) {
  const machine *m = context;
  sn_benchmark_triad(&(sn_benchmark_reference){m->a, m->b, m->c});
  return barrier(m);
}

/* Columns from an array by lines, as a transform over several ranks takes them. */
static sn_status strips(void *context) {
  const machine *m = context;
  const ptrdiff_t lines = TRIAD / APART;
  for (ptrdiff_t first = 0; first < APART; first += SN_STRIP) {
    const double *restrict from = m->b + first;
    for (ptrdiff_t part = 0; part < lines; part += SHORT, from += SHORT * APART)
      for (ptrdiff_t j = 0; j < SHORT; j++) {
        for (ptrdiff_t d = 0; d < SN_STRIP; d += SN_CACHE_LINE)
          __builtin_prefetch(from + (j + SN_LINES_AHEAD) * APART + d, 0, 2);
        for (ptrdiff_t d = 0; d < SN_STRIP; d++) m->a[d * (SHORT + SN_STRIP) + j] = from[j * APART + d];
      }
  }
  return barrier(m);
}

/* The inner loop of convolutions. */
static sn_status row(void *context) {
  const machine *m = context;
  double *restrict a = m->a;
  const double *restrict b = m->b;
  for (ptrdiff_t i = 0; i < m->points; i++) a[i] += 1e-9 * b[i];
  return barrier(m);
}

static sn_status transform(void *context) {
  const machine *m = context;
  fftw_execute(m->there);
  fftw_execute(m->back);
  return barrier(m);
}

/* What a transform over several ranks is made of: as many numbers in complex rows as, in pairs, in real columns. */
static sn_status lines(void *context) {
  const machine *m = context;
  double complex *const made = m->modes + SHORTS * SHORT;
  for (int pass = 0; pass < LINES_PASSES; pass++)
    for (int i = 0; i < SHORTS; i++) {
      fftw_execute_dft(m->row, m->modes + i * SHORT, made + i * SHORT);
      for (int half = 0; half < 2; half++)
        fftw_execute_dft_r2c(m->column, m->a + (2 * i + half) * SHORT, made + i * SHORT);
    }
  return barrier(m);
}

static sn_status exchange(const machine *m, ptrdiff_t first, int count) {
  MPI_Sendrecv(m->a + first, count, MPI_DOUBLE, m->other, 0, m->b + first, count, MPI_DOUBLE, m->other, 0,
               sn_grid_world(m->grid), MPI_STATUS_IGNORE);
  return SN_OK;
}

static sn_status message(void *context) { return exchange(context, 0, 1); }

/* One piece of memory after the other: what a step sends is not in the receiver's cache. */
static sn_status bulk(void *context) {
  machine *m = context;
  m->piece = (m->piece + BULK) % TRIAD;
  return exchange(m, m->piece, BULK);
}

static sn_status reduction(void *context) {
  const machine *m = context;
  MPI_Allreduce(MPI_IN_PLACE, m->a, BULK, MPI_DOUBLE, MPI_SUM, sn_grid_world(m->grid));
  return SN_OK;
}

static sn_status plan_transforms(const sn_app *app, machine *m) {
  const unsigned flags = app->config.fft.plan == SN_FOURIER_MEASURE ? FFTW_MEASURE : FFTW_ESTIMATE;
  int points;
  SN_TRY(sn_count_to_int(m->points, "grid.points on one rank", &points));
  m->there = fftw_plan_dft_r2c_1d(points, m->a, m->modes, flags);
  m->back = fftw_plan_dft_c2r_1d(points, m->modes, m->a, flags);
  m->row = fftw_plan_dft_1d(SHORT, m->modes, m->modes + SHORTS * SHORT, FFTW_FORWARD, flags);
  m->column = fftw_plan_dft_r2c_1d(SHORT, m->a, m->modes, flags);
  if (m->there && m->back && m->row && m->column) return SN_OK;
  return SN_ERROR(SN_ERROR_RUN, "FFTW has no plan for %td or %d points", m->points, SHORT);
}

static sn_status prepare(const sn_app *app, machine *m) {
  const sn_config *c = &app->config;
  const ptrdiff_t samples = sn_partition_most(c->train.batch, sn_grid_replica_count(m->grid));
  SN_TRY(sn_count_to_int(samples, "a replica's share of train.batch", &m->rows));
  m->width = 512;
  m->layers = c->model.network.hidden.count > 2 ? c->model.network.hidden.count - 1 : 1;
  const sn_network_widths *hidden = &c->model.network.hidden;
  for (int k = 0; k < hidden->count; k++)
    if (m->width < hidden->width[k] && hidden->width[k] <= 2048) m->width = (int)hidden->width[k];
  m->points = sn_grid_range(m->grid).count;
  m->other = app->rank ^ 1;
  if (m->other >= app->ranks) m->other = MPI_PROC_NULL;
  const ptrdiff_t square = (ptrdiff_t)m->width * m->width, field = (ptrdiff_t)m->rows * m->width;
  ptrdiff_t size = square * m->layers > field ? square * m->layers : field;
  if (size < TRIAD) size = TRIAD;
  if (size < m->points) size = m->points;
  SN_TRY(SN_NEW(size, &m->a));
  SN_TRY(SN_NEW(size, &m->b));
  SN_TRY(SN_NEW(size, &m->c));
  SN_TRY(SN_NEW(square * m->layers, &m->gradient));
  SN_TRY(SN_NEW(field, &m->bar));
  const ptrdiff_t modes = m->points + 1 > 2 * SHORTS * SHORT ? m->points + 1 : 2 * SHORTS * SHORT;
  SN_TRY(SN_NEW(modes, &m->modes));
  SN_TRY(plan_transforms(app, m));
  for (ptrdiff_t i = 0; i < modes; i++) m->modes[i] = 0;
  for (ptrdiff_t i = 0; i < size; i++) m->b[i] = m->c[i] = 1e-3;
  return SN_OK;
}

static sn_status measure(sn_benchmark *b, machine *m) {
  SN_TRY(sn_collective_status(b->app->world, prepare(b->app, m)));
  const sn_benchmark_case cases[] = {
      {.name = "machine_product",
       .batch = 3 * (ptrdiff_t)m->rows * m->width * m->width,
       .work = products,
       .context = m},
      {.name = "machine_triad", .batch = 24 * (ptrdiff_t)TRIAD, .work = triad, .context = m},
      {.name = "machine_strips", .batch = 8 * (ptrdiff_t)TRIAD, .work = strips, .context = m},
      {.name = "machine_row", .batch = m->points, .work = row, .context = m},
      {.name = "machine_transform", .batch = m->points, .work = transform, .context = m},
      {.name = "machine_lines", .batch = LINES_PASSES * 2 * SHORTS * (ptrdiff_t)SHORT, .work = lines, .context = m},
      {.name = "machine_message", .batch = 1, .work = message, .context = m},
      {.name = "machine_bulk", .batch = 1, .work = bulk, .context = m},
      {.name = "machine_reduction", .batch = 1, .work = reduction, .context = m}};
  enum { MESSAGES = 3 }; /* the last cases, which want another rank */
  _Static_assert(sizeof cases / sizeof *cases <= SN_BENCHMARK_BESIDE, "so many cases cannot be timed alternately");
  const int count = (int)(sizeof cases / sizeof *cases);
  return sn_benchmark_alternately(b, b->app->ranks > 1 ? count : count - MESSAGES, cases);
}

sn_status sn_benchmark_machine(sn_benchmark *b) {
  machine m = {.grid = b->grid};
  sn_status status = measure(b, &m);
  fftw_plan const plans[] = {m.there, m.back, m.row, m.column};
  for (size_t k = 0; k < sizeof plans / sizeof plans[0]; k++)
    if (plans[k]) fftw_destroy_plan(plans[k]);
  double **arrays[] = {&m.a, &m.b, &m.c, &m.gradient, &m.bar};
  for (size_t k = 0; k < sizeof arrays / sizeof arrays[0]; k++) SN_FREE(*arrays[k]);
  SN_FREE(m.modes);
  return status;
}
