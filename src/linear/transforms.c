#include "transforms.h"

#include <string.h>

#include "sinode/memory.h"

/*
 * Bytes of fields and coefficients that are transformed, scaled and transformed back while they are in the cache; more
 * over several ranks, where a message should be worth its latency.
 */
enum { PACKET_BYTES = 512 * 1024, PACKET_BYTES_SENT = 2048 * 1024 };

/* The wave numbers of this rank; where FFTW-MPI transforms they depend on the number of fields. */
typedef struct layout {
  ptrdiff_t modes, first, last;
  double complex *symbols; /* (symbols, 2, modes): each and its conjugate */
  struct layout *next;
} layout;

typedef struct plan {
  ptrdiff_t fields;
  sn_fourier *fourier;
  layout *layout;
  struct plan *next;
} plan;

struct sn_transforms {
  const sn_grid *grid;
  sn_fourier_rigor rigor;
  int symbols;
  bool *evaluated; /* (symbols) */
  sn_transforms_symbol evaluate;
  const void *context;
  ptrdiff_t packet; /* most fields transformed at once */
  layout *layouts;
  plan *plans;
  double complex *coefficients;
  ptrdiff_t capacity, bytes;
};

ptrdiff_t sn_transforms_packet(ptrdiff_t points, int ranks) {
  const ptrdiff_t bytes = 2 * (ptrdiff_t)sizeof(double) * sn_partition_most(points, ranks);
  const ptrdiff_t fit = (ranks > 1 ? PACKET_BYTES_SENT : PACKET_BYTES) / bytes;
  return fit > 1 ? fit : 1;
}

sn_status sn_transforms_create(const sn_grid *grid, sn_fourier_rigor rigor, int symbols, sn_transforms_symbol evaluate,
                               const void *context, sn_transforms **out) {
  *out = NULL;
  sn_transforms *transforms;
  sn_status status = SN_NEW(1, &transforms);
  if (transforms) {
    *transforms =
        (sn_transforms){.grid = grid, .rigor = rigor, .symbols = symbols, .evaluate = evaluate, .context = context};
    status = SN_NEW(symbols, &transforms->evaluated);
  }
  status = sn_collective_status(sn_grid_space(grid), status);
  if (status) {
    sn_transforms_destroy(&transforms);
    return status;
  }
  transforms->packet = sn_transforms_packet(sn_grid_points(grid), sn_grid_space_size(grid));
  *out = transforms;
  return SN_OK;
}

void sn_transforms_destroy(sn_transforms **transforms) {
  if (!*transforms) return;
  for (plan *one = (*transforms)->plans, *next; one; one = next) {
    next = one->next;
    sn_fourier_destroy(&one->fourier);
    SN_FREE(one);
  }
  for (layout *one = (*transforms)->layouts, *next; one; one = next) {
    next = one->next;
    SN_FREE(one->symbols);
    SN_FREE(one);
  }
  SN_FREE((*transforms)->evaluated);
  SN_FREE((*transforms)->coefficients);
  SN_FREE(*transforms);
}

static double complex *symbol_of(const layout *where, int index, bool transpose) {
  return where->symbols + (2 * index + transpose) * where->modes;
}

static sn_status evaluate(const sn_transforms *transforms, const layout *where, const sn_fourier *fourier, int first,
                          int count) {
  for (ptrdiff_t i = 0; i < where->modes; i++)
    for (int index = first; index < first + count; index++) {
      double complex *symbol = symbol_of(where, index, false), *adjoint = symbol_of(where, index, true);
      SN_TRY(transforms->evaluate(transforms->context, index, sn_fourier_wave_number(fourier, i), &symbol[i]));
      adjoint[i] = conj(symbol[i]);
    }
  return SN_OK;
}

static const plan *find(const sn_transforms *transforms, ptrdiff_t fields) {
  const plan *one = transforms->plans;
  while (one && one->fields != fields) one = one->next;
  return one;
}

/* Sets the layout of a plan's wave numbers, an earlier one if it is the same. Local. */
static sn_status lay_out(sn_transforms *transforms, plan *one) {
  ptrdiff_t modes = sn_fourier_modes(one->fourier);
  ptrdiff_t first = modes ? sn_fourier_wave_number(one->fourier, 0) : 0;
  ptrdiff_t last = modes ? sn_fourier_wave_number(one->fourier, modes - 1) : 0;
  for (layout *known = transforms->layouts; known; known = known->next)
    if (known->modes == modes && known->first == first && known->last == last) {
      one->layout = known;
      return SN_OK;
    }
  layout *fresh;
  SN_TRY(SN_NEW(1, &fresh));
  *fresh = (layout){.modes = modes, .first = first, .last = last, .next = transforms->layouts};
  transforms->layouts = one->layout = fresh;
  ptrdiff_t size = 2 * transforms->symbols * modes;
  SN_TRY(SN_NEW(size, &fresh->symbols));
  transforms->bytes += size * (ptrdiff_t)sizeof *fresh->symbols;
  for (int index = 0; index < transforms->symbols; index++)
    if (transforms->evaluated[index]) SN_TRY(evaluate(transforms, fresh, one->fourier, index, 1));
  return SN_OK;
}

static sn_status reserve_buffers(sn_transforms *transforms, ptrdiff_t size) {
  if (size <= transforms->capacity) return SN_OK;
  SN_FREE(transforms->coefficients);
  transforms->capacity = 0;
  SN_TRY(SN_NEW(size, &transforms->coefficients));
  transforms->capacity = size;
  return SN_OK;
}

static sn_status add(sn_transforms *transforms, ptrdiff_t fields) {
  if (fields == 0 || find(transforms, fields)) return SN_OK;
  MPI_Comm space = sn_grid_space(transforms->grid);
  plan *one;
  SN_TRY(sn_collective_status(space, SN_NEW(1, &one)));
  *one = (plan){.fields = fields, .next = transforms->plans};
  transforms->plans = one;
  SN_TRY(sn_fourier_create(transforms->grid, fields, transforms->rigor, &one->fourier));
  sn_status status = lay_out(transforms, one);
  if (!status) status = reserve_buffers(transforms, sn_fourier_size(one->fourier));
  return sn_collective_status(space, status);
}

sn_status sn_transforms_plan(sn_transforms *transforms, ptrdiff_t fields) {
  if (fields <= transforms->packet) return add(transforms, fields);
  SN_TRY(add(transforms, transforms->packet));
  return add(transforms, fields % transforms->packet);
}

bool sn_transforms_is_planned(const sn_transforms *transforms, ptrdiff_t fields) {
  ptrdiff_t rest = fields % transforms->packet;
  return (rest == 0 || find(transforms, rest)) && (fields < transforms->packet || find(transforms, transforms->packet));
}

static sn_status evaluate_everywhere(const sn_transforms *transforms, int first, int count) {
  for (const layout *where = transforms->layouts; where; where = where->next) {
    const plan *one = transforms->plans;
    while (one->layout != where) one = one->next;
    SN_TRY(evaluate(transforms, where, one->fourier, first, count));
  }
  for (int index = first; index < first + count; index++) transforms->evaluated[index] = true;
  return SN_OK;
}

sn_status sn_transforms_evaluate(sn_transforms *transforms, int first, int count) {
  return sn_collective_status(sn_grid_space(transforms->grid), evaluate_everywhere(transforms, first, count));
}

/* Of the packet that begins with a field. */
static const plan *plan_at(const sn_transforms *transforms, ptrdiff_t fields, ptrdiff_t first) {
  const ptrdiff_t rest = fields - first;
  return find(transforms, rest < transforms->packet ? rest : transforms->packet);
}

sn_status sn_transforms_multiply(sn_transforms *transforms, int index, bool transpose, ptrdiff_t fields,
                                 const double *from, double *to) {
  ptrdiff_t n = sn_grid_range(transforms->grid).count;
  for (ptrdiff_t first = 0; first < fields; first += transforms->packet) {
    const plan *one = plan_at(transforms, fields, first);
    SN_TRY(sn_fourier_filter(one->fourier, symbol_of(one->layout, index, transpose), from + first * n,
                             transforms->coefficients, to + first * n));
  }
  return SN_OK;
}

sn_status sn_transforms_multiply_rows(sn_transforms *transforms, int index, ptrdiff_t rows, const int *row,
                                      bool transpose, ptrdiff_t fields, const double *from, double *to) {
  const ptrdiff_t n = sn_grid_range(transforms->grid).count;
  for (ptrdiff_t f = 0; f < fields; f++)
    SN_TRY(sn_transforms_multiply(transforms, index + row[f % rows], transpose, 1, from + f * n, to + f * n));
  return SN_OK;
}

ptrdiff_t sn_transforms_bytes(const sn_transforms *transforms) { return transforms->bytes; }

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

static double complex product_of(double complex x, double complex y) {
  return CMPLX(creal(x) * creal(y) - cimag(x) * cimag(y), creal(x) * cimag(y) + cimag(x) * creal(y));
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
