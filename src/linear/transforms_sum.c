/* Fields that stay in Fourier space: sums of their products with symbols, and derivatives by these. */
#include <string.h>

#include "transforms_plan.h"

/* Coefficients of packets follow one another, each aligned for FFTW. */
static ptrdiff_t size_of(const plan *one) { return (sn_fourier_size(one->fourier) + 3) / 4 * 4; }

ptrdiff_t sn_transforms_size(const sn_transforms *transforms, ptrdiff_t fields) {
  ptrdiff_t size = 0;
  for (ptrdiff_t first = 0; first < fields; first += transforms->packet)
    size += size_of(plan_at(transforms, fields, first));
  return size;
}

sn_status sn_transforms_forward(sn_transforms *transforms, ptrdiff_t fields, const double *values,
                                double complex *coefficients) {
  const ptrdiff_t n = sn_grid_range(transforms->grid).count;
  for (ptrdiff_t first = 0; first < fields; first += transforms->packet) {
    const plan *one = plan_at(transforms, fields, first);
    SN_TRY(sn_fourier_forward(one->fourier, values + first * n, coefficients));
    coefficients += size_of(one);
  }
  return SN_OK;
}

sn_status sn_transforms_inverse(const sn_transforms *transforms, ptrdiff_t fields, double complex *coefficients,
                                double *values) {
  const ptrdiff_t n = sn_grid_range(transforms->grid).count;
  for (ptrdiff_t first = 0; first < fields; first += transforms->packet) {
    const plan *one = plan_at(transforms, fields, first);
    SN_TRY(sn_fourier_inverse(one->fourier, coefficients, values + first * n));
    coefficients += size_of(one);
  }
  return SN_OK;
}

/*
 * Numbers that follow one another: `position` in an array of coefficients, with symbols from `mode` on `step` apart,
 * whose number is greater by `shift`; or, of step 0, the fields from `field` on.
 */
enum { RUN = 512 };
typedef struct {
  const layout *layout;
  int shift;
  ptrdiff_t mode, step, position, count, field;
} stretch;
typedef void (*run_visitor)(const stretch *run, void *context);

static void visit_run(stretch run, run_visitor visit, void *context) {
  for (ptrdiff_t rest = run.count; rest > 0; rest -= RUN) {
    run.count = rest < RUN ? rest : RUN;
    visit(&run, context);
    run.mode += run.step * RUN;
    run.position += RUN;
    run.field += RUN;
  }
}

/* visit_fields: where a run is of one mode and fields have symbols of their own. */
static void visit_runs(const sn_transforms *transforms, const sn_transforms_rows *rows, ptrdiff_t fields,
                       run_visitor visit, run_visitor visit_fields, void *context) {
  ptrdiff_t start = 0;
  for (ptrdiff_t first = 0; first < fields; first += transforms->packet) {
    const plan *one = plan_at(transforms, fields, first);
    const ptrdiff_t spectra = sn_fourier_spectra(one->fourier), to_spectrum = sn_fourier_spectrum_stride(one->fourier);
    const ptrdiff_t modes = one->layout->modes, to_mode = sn_fourier_mode_stride(one->fourier);
    for (ptrdiff_t s = 0; s < spectra && to_mode == 1; s++)
      visit_run((stretch){one->layout, index_of(0, rows, first + s), 0, 1, start + s * to_spectrum, modes, 0}, visit,
                context);
    for (ptrdiff_t m = 0; m < modes && to_mode != 1; m++)
      visit_run((stretch){one->layout, 0, m, 0, start + m * to_mode, spectra, first}, rows->row ? visit_fields : visit,
                context);
    start += size_of(one);
  }
}

/* sum += weight symbol x, in real arithmetic, as sn_fourier_scale does it. */
static void add_product(ptrdiff_t count, double weight, const double complex *symbol, ptrdiff_t step,
                        const double complex *x, double complex *sum) {
  const double *restrict s = (const double *)symbol, *restrict v = (const double *)x;
  double *restrict y = (double *)sum;
  for (ptrdiff_t i = 0; i < count; i++) {
    const double re = weight * s[2 * step * i], im = weight * s[2 * step * i + 1];
    y[2 * i] += re * v[2 * i] - im * v[2 * i + 1];
    y[2 * i + 1] += re * v[2 * i + 1] + im * v[2 * i];
  }
}

typedef struct {
  const sn_transforms_rows *rows;
  bool transpose;
  int terms;
  const sn_transforms_term *term;
  double complex *sum;
} summation;

static void sum_run(const stretch *run, void *context) {
  const summation *s = context;
  double complex piece[RUN];
  memset(piece, 0, (size_t)run->count * sizeof *piece);
  for (int t = 0; t < s->terms; t++)
    add_product(run->count, s->term[t].weight,
                symbol_of(run->layout, s->term[t].symbol + run->shift, s->transpose) + run->mode, run->step,
                s->term[t].coefficients + run->position, piece);
  memcpy(s->sum + run->position, piece, (size_t)run->count * sizeof *piece);
}

static void sum_fields(const stretch *run, void *context) {
  const summation *s = context;
  for (ptrdiff_t i = 0; i < run->count; i++) {
    double complex sum = 0;
    for (int t = 0; t < s->terms; t++) {
      const sn_transforms_term *term = &s->term[t];
      const int index = index_of(term->symbol, s->rows, run->field + i);
      sum += term->weight *
             product_of(symbol_of(run->layout, index, s->transpose)[run->mode], term->coefficients[run->position + i]);
    }
    s->sum[run->position + i] = sum;
  }
}

sn_status sn_transforms_sum(sn_transforms *transforms, const sn_transforms_rows *rows, bool transpose, ptrdiff_t fields,
                            int terms, const sn_transforms_term *term, double complex *sum, double *values) {
  summation s = {rows, transpose, terms, term, sum};
  visit_runs(transforms, rows, fields, sum_run, sum_fields, &s);
  return sn_transforms_inverse(transforms, fields, sum, values);
}

void sn_transforms_compose(sn_transforms *transforms, int first, int second, int product) {
  for (const layout *where = transforms->layouts; where; where = where->next) {
    const double complex *one = symbol_of(where, first, false), *other = symbol_of(where, second, false);
    double complex *symbol = symbol_of(where, product, false), *adjoint = symbol_of(where, product, true);
    for (ptrdiff_t i = 0; i < where->modes; i++) {
      symbol[i] = product_of(one[i], other[i]);
      adjoint[i] = conj(symbol[i]);
    }
  }
}

typedef struct {
  const sn_transforms_rows *rows;
  int index;
  double weight;
  const double complex *left, *right;
  double complex *sum;
} correlation;

static void correlate_run(const stretch *run, void *context) {
  const correlation *c = context;
  const double complex *symbol = symbol_of(run->layout, c->index + run->shift, true) + run->mode;
  double complex product[RUN];
  for (ptrdiff_t i = 0; i < run->count; i++)
    product[i] = product_of(conj(c->right[run->position + i]), c->left[run->position + i]);
  add_product(run->count, c->weight, symbol, run->step, product, c->sum + run->position);
}

static void correlate_fields(const stretch *run, void *context) {
  const correlation *c = context;
  for (ptrdiff_t i = 0; i < run->count; i++) {
    const double complex symbol = symbol_of(run->layout, index_of(c->index, c->rows, run->field + i), true)[run->mode];
    const double complex product = product_of(conj(c->right[run->position + i]), c->left[run->position + i]);
    c->sum[run->position + i] += c->weight * product_of(symbol, product);
  }
}

void sn_transforms_correlate(const sn_transforms *transforms, int index, const sn_transforms_rows *rows,
                             ptrdiff_t fields, double weight, const double complex *left, const double complex *right,
                             double complex *sum) {
  correlation c = {rows, index, weight, left, right, sum};
  visit_runs(transforms, rows, fields, correlate_run, correlate_fields, &c);
}

/* Where two fields are the parts of a complex one, their products' sum is its real part, the first of the two. */
sn_status sn_transforms_add_fields(sn_transforms *transforms, ptrdiff_t fields, double complex *sum, double *values,
                                   double *kernel) {
  const ptrdiff_t n = sn_grid_range(transforms->grid).count;
  SN_TRY(sn_transforms_inverse(transforms, fields, sum, values));
  memset(kernel, 0, (size_t)n * sizeof *kernel);
  for (ptrdiff_t first = 0; first < fields; first += transforms->packet) {
    const plan *one = plan_at(transforms, fields, first);
    const ptrdiff_t step = sn_fourier_spectra(one->fourier) < one->fields ? 2 : 1;
    for (ptrdiff_t f = first; f < first + one->fields; f += step)
      for (ptrdiff_t j = 0; j < n; j++) kernel[j] += values[f * n + j];
  }
  return SN_OK;
}

static void set_symbol(const plan *one, int index, const double complex *coefficients) {
  double complex *symbol = symbol_of(one->layout, index, false), *adjoint = symbol_of(one->layout, index, true);
  for (ptrdiff_t i = 0; i < one->layout->modes; i++) {
    symbol[i] = coefficients[i * sn_fourier_mode_stride(one->fourier)];
    adjoint[i] = conj(symbol[i]);
  }
}

sn_status sn_transforms_set_kernel(sn_transforms *transforms, int index, const sn_transforms_rows *rows,
                                   ptrdiff_t fields, const double *kernel, double *values,
                                   double complex *coefficients) {
  const ptrdiff_t n = sn_grid_range(transforms->grid).count;
  for (ptrdiff_t first = 0; first < fields; first += transforms->packet) {
    const plan *one = plan_at(transforms, fields, first);
    const ptrdiff_t kernels = rows->row ? one->fields : 1;
    memset(values, 0, (size_t)(one->fields * n) * sizeof *values);
    memcpy(values, rows->row ? kernel + first * n : kernel, (size_t)(kernels * n) * sizeof *values);
    SN_TRY(sn_fourier_forward(one->fourier, values, coefficients));
    for (ptrdiff_t f = 0; f < kernels; f++)
      set_symbol(one, index_of(index, rows, first + f), coefficients + f * sn_fourier_spectrum_stride(one->fourier));
  }
  return SN_OK;
}
