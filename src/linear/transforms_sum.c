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

static sn_status inverse(const sn_transforms *transforms, ptrdiff_t fields, double complex *coefficients,
                         double *values) {
  const ptrdiff_t n = sn_grid_range(transforms->grid).count;
  for (ptrdiff_t first = 0; first < fields; first += transforms->packet) {
    const plan *one = plan_at(transforms, fields, first);
    SN_TRY(sn_fourier_inverse(one->fourier, coefficients, values + first * n));
    coefficients += size_of(one);
  }
  return SN_OK;
}

/* Numbers that follow one another: `position` in an array of coefficients, with symbols from `mode` on `step` apart. */
enum { RUN = 512 };
typedef struct {
  const layout *layout;
  ptrdiff_t mode, step, position, count;
} stretch;
typedef void (*run_visitor)(const stretch *run, void *context);

static void visit_run(const layout *where, ptrdiff_t mode, ptrdiff_t step, ptrdiff_t position, ptrdiff_t count,
                      run_visitor visit, void *context) {
  for (ptrdiff_t done = 0; done < count; done += RUN) {
    const stretch piece = {where, mode + step * done, step, position + done, count - done < RUN ? count - done : RUN};
    visit(&piece, context);
  }
}

static void visit_runs(const sn_transforms *transforms, ptrdiff_t fields, run_visitor visit, void *context) {
  ptrdiff_t start = 0;
  for (ptrdiff_t first = 0; first < fields; first += transforms->packet) {
    const plan *one = plan_at(transforms, fields, first);
    const ptrdiff_t spectra = sn_fourier_spectra(one->fourier), to_spectrum = sn_fourier_spectrum_stride(one->fourier);
    const ptrdiff_t modes = one->layout->modes, to_mode = sn_fourier_mode_stride(one->fourier);
    for (ptrdiff_t s = 0; s < spectra && to_mode == 1; s++)
      visit_run(one->layout, 0, 1, start + s * to_spectrum, modes, visit, context);
    for (ptrdiff_t m = 0; m < modes && to_mode != 1; m++)
      visit_run(one->layout, m, 0, start + m * to_mode, spectra, visit, context);
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
    add_product(run->count, s->term[t].weight, symbol_of(run->layout, s->term[t].symbol, s->transpose) + run->mode,
                run->step, s->term[t].coefficients + run->position, piece);
  memcpy(s->sum + run->position, piece, (size_t)run->count * sizeof *piece);
}

sn_status sn_transforms_sum(sn_transforms *transforms, bool transpose, ptrdiff_t fields, int terms,
                            const sn_transforms_term *term, double complex *sum, double *values) {
  summation s = {transpose, terms, term, sum};
  visit_runs(transforms, fields, sum_run, &s);
  return inverse(transforms, fields, sum, values);
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
  int index;
  double weight;
  const double complex *left, *right;
  double complex *sum;
} correlation;

static void correlate_run(const stretch *run, void *context) {
  const correlation *c = context;
  const double complex *symbol = symbol_of(run->layout, c->index, true) + run->mode;
  double complex product[RUN];
  for (ptrdiff_t i = 0; i < run->count; i++)
    product[i] = product_of(conj(c->right[run->position + i]), c->left[run->position + i]);
  add_product(run->count, c->weight, symbol, run->step, product, c->sum + run->position);
}

void sn_transforms_correlate(const sn_transforms *transforms, int index, ptrdiff_t fields, double weight,
                             const double complex *left, const double complex *right, double complex *sum) {
  correlation c = {index, weight, left, right, sum};
  visit_runs(transforms, fields, correlate_run, &c);
}

/* Where two fields are the parts of a complex one, their products' sum is its real part, the first of the two. */
sn_status sn_transforms_add_fields(sn_transforms *transforms, ptrdiff_t fields, double complex *sum, double *values,
                                   double *kernel) {
  const ptrdiff_t n = sn_grid_range(transforms->grid).count;
  SN_TRY(inverse(transforms, fields, sum, values));
  memset(kernel, 0, (size_t)n * sizeof *kernel);
  for (ptrdiff_t first = 0; first < fields; first += transforms->packet) {
    const plan *one = plan_at(transforms, fields, first);
    const ptrdiff_t step = sn_fourier_spectra(one->fourier) < one->fields ? 2 : 1;
    for (ptrdiff_t f = first; f < first + one->fields; f += step)
      for (ptrdiff_t j = 0; j < n; j++) kernel[j] += values[f * n + j];
  }
  return SN_OK;
}

sn_status sn_transforms_set_kernel(sn_transforms *transforms, int index, ptrdiff_t fields, const double *kernel,
                                   double *values, double complex *coefficients) {
  const ptrdiff_t n = sn_grid_range(transforms->grid).count;
  for (ptrdiff_t first = 0; first < fields; first += transforms->packet) {
    const plan *one = plan_at(transforms, fields, first);
    double complex *symbol = symbol_of(one->layout, index, false), *adjoint = symbol_of(one->layout, index, true);
    memset(values, 0, (size_t)(one->fields * n) * sizeof *values);
    memcpy(values, kernel, (size_t)n * sizeof *values);
    SN_TRY(sn_fourier_forward(one->fourier, values, coefficients));
    for (ptrdiff_t i = 0; i < one->layout->modes; i++) {
      symbol[i] = coefficients[i * sn_fourier_mode_stride(one->fourier)];
      adjoint[i] = conj(symbol[i]);
    }
  }
  return SN_OK;
}
