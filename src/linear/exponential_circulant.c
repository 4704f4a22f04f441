/*
 * Functions of a circulant A: f(dt A) multiplies wave number m by f(dt a_m), a the symbol of A. States are transformed
 * to their coefficients.
 *
 * Where A is trained, the derivative of weight y^T f(dt A) x by a_m is weight dt f'(dt a_m) conj(y_m) x_m / N. It is
 * summed wave number by wave number over all functions, steps and samples; what comes of it by A's coefficients is that
 * of l^T A d for the field l with the conjugates of these sums and the unit impulse d, whose wave numbers are all 1. In
 * the same way the symbol of a change of A is the transform of its first column. Where samples have parameters, all of
 * it is done for the symbol of each parameter, and for a field and an impulse of each sample.
 */
#include <stdio.h>
#include <string.h>

#include "exponential_ops.h"
#include "sinode/memory.h"
#include "solver_ops.h"
#include "transforms.h"

/*
 * Symbols, of each parameter: the functions; where A is trained also dt f' of each; for tangents the change of each
 * along a direction, and that of A.
 */
typedef struct {
  sn_transforms *transforms;
  int symbols, parameters;
  bool varies;
  double complex *sum;   /* coefficients on the way back, */
  ptrdiff_t sum_doubles; /* and their room */
  /* Where A is trained: */
  double complex *gathered;
  ptrdiff_t gathered_samples; /* 0: nothing was gathered */
  double *values;
  double *kernel, *impulse; /* of one sample, or, where they have parameters, of all */
  /* What the functions are at the wave number and parameter asked for last. */
  int parameter;
  ptrdiff_t m;
  long version;
  double complex *at;
} circulant;

static int change_of_a(const sn_exponential *exponential) { return 3 * exponential->functions; }

static sn_transforms_rows rows_of(const sn_exponential *exponential) {
  const circulant *state = exponential->state;
  return (sn_transforms_rows){exponential->linear->row, exponential->linear->rows, state->symbols};
}

static sn_status evaluate(const void *context, int index, ptrdiff_t m, double complex *value) {
  const sn_exponential *exponential = context;
  circulant *state = exponential->state;
  const int functions = exponential->functions, parameter = index / state->symbols;
  const long version = sn_linear_version(exponential->linear);
  if (state->m != m || state->parameter != parameter || state->version != version) {
    const double dt = exponential->options.dt;
    const sn_linear at = sn_linear_at(exponential->linear, parameter);
    double complex *derivative = state->varies ? state->at + functions : NULL;
    sn_phi_sums(functions, exponential->function, dt * sn_linear_symbol(&at, m), state->at, derivative);
    for (int f = 0; f < functions && derivative; f++) derivative[f] *= dt;
    state->m = m;
    state->parameter = parameter;
    state->version = version;
  }
  *value = state->at[index % state->symbols];
  return SN_OK;
}

static sn_status allocate_sum(circulant *state, ptrdiff_t doubles) {
  if (doubles <= state->sum_doubles) return SN_OK;
  SN_FREE(state->sum);
  state->sum_doubles = doubles;
  return SN_NEW(doubles / 2, &state->sum);
}

static sn_status allocate(sn_exponential *exponential) {
  circulant *state = exponential->state;
  const ptrdiff_t numbers = exponential->size / 2, points = sn_grid_range(exponential->grid).count;
  const ptrdiff_t samples = exponential->options.samples, kernels = exponential->linear->row ? samples : 1;
  SN_TRY(allocate_sum(state, exponential->size));
  if (!state->varies) return SN_OK;
  SN_TRY(SN_NEW(samples * points, &state->values));
  SN_TRY(SN_NEW(kernels * points, &state->kernel));
  SN_TRY(SN_NEW(kernels * points, &state->impulse));
  for (ptrdiff_t k = 0; k < kernels && sn_grid_space_rank(exponential->grid) == 0; k++) state->impulse[k * points] = 1;
  return exponential->options.gradient ? SN_NEW(numbers, &state->gathered) : SN_OK;
}

static sn_status prepare(sn_exponential *exponential) {
  circulant *state;
  SN_TRY(SN_NEW(1, &state));
  exponential->state = state;
  state->version = -1;
  state->varies = exponential->options.gradient || exponential->options.tangent;
  state->symbols =
      exponential->options.tangent ? change_of_a(exponential) + 1 : exponential->functions * (1 + state->varies);
  state->parameters = exponential->linear->values;
  return SN_NEW(state->symbols, &state->at);
}

static sn_status create(sn_exponential *exponential) {
  const sn_exponential_options *options = &exponential->options;
  const MPI_Comm space = sn_grid_space(exponential->grid);
  SN_TRY(sn_collective_status(space, prepare(exponential)));
  circulant *state = exponential->state;
  SN_TRY(sn_transforms_create(exponential->grid, options->rigor, state->symbols * state->parameters, evaluate,
                              exponential, &state->transforms));
  if (exponential->linear->row) sn_transforms_keep_apart(state->transforms);
  SN_TRY(sn_transforms_plan(state->transforms, options->samples));
  exponential->size = 2 * sn_transforms_size(state->transforms, options->samples);
  snprintf(exponential->reason, sizeof exponential->reason,
           "none: the scheme is exponential, by %d functions of the symbol of the %s linear part",
           exponential->functions, sn_linear_kind_name(sn_linear_get_kind(exponential->linear)));
  return sn_collective_status(space, allocate(exponential));
}

static void destroy(sn_exponential *exponential) {
  circulant *state = exponential->state;
  sn_transforms_destroy(&state->transforms);
  SN_FREE(state->sum);
  SN_FREE(state->gathered);
  SN_FREE(state->values);
  SN_FREE(state->kernel);
  SN_FREE(state->impulse);
  SN_FREE(state->at);
  SN_FREE(exponential->state);
}

/* FFTW-MPI says itself what it needs. */
static sn_status too_many(const sn_exponential *exponential, ptrdiff_t samples) {
  return SN_ERROR(SN_ERROR_RUN, "transforms of %td fields need more memory than those of %td", samples,
                  exponential->options.samples);
}

static ptrdiff_t size_of(const sn_exponential *exponential, ptrdiff_t samples) {
  return 2 * sn_transforms_size(((const circulant *)exponential->state)->transforms, samples);
}

static sn_status reserve(sn_exponential *exponential, ptrdiff_t samples) {
  circulant *state = exponential->state;
  SN_TRY(sn_transforms_plan(state->transforms, samples));
  exponential->bytes = sn_transforms_bytes(state->transforms);
  const ptrdiff_t size = size_of(exponential, samples);
  sn_status status = SN_OK;
  if (samples > exponential->options.samples)
    status = allocate_sum(state, size);
  else if (size > exponential->size)
    status = too_many(exponential, samples);
  return sn_collective_status(sn_grid_space(exponential->grid), status);
}

static sn_status make(sn_exponential *exponential, int parameter) {
  circulant *state = exponential->state;
  if (state->parameters != exponential->linear->values) {
    state->parameters = exponential->linear->values;
    SN_TRY(sn_transforms_resize(state->transforms, state->symbols * state->parameters));
    exponential->bytes = sn_transforms_bytes(state->transforms);
    sn_exponential_forget(exponential);
  }
  return sn_transforms_evaluate(state->transforms, parameter * state->symbols, state->symbols);
}

static sn_status transform(sn_exponential *exponential, bool transpose, ptrdiff_t samples, const double *state,
                           double *transformed) {
  const circulant *own = exponential->state;
  (void)transpose;
  if (!sn_transforms_is_planned(own->transforms, samples)) return sn_solver_not_reserved(samples);
  return sn_transforms_forward(own->transforms, samples, state, (double complex *)transformed);
}

static sn_status sum(sn_exponential *exponential, bool transpose, ptrdiff_t samples, int terms,
                     const sn_exponential_term *term, double *state) {
  enum { MOST = 64 };
  const circulant *own = exponential->state;
  const sn_transforms_rows rows = rows_of(exponential);
  sn_transforms_term product[MOST];
  for (int t = 0; t < terms; t++)
    product[t] = (sn_transforms_term){term[t].function + (term[t].varied ? 2 * exponential->functions : 0),
                                      term[t].weight, (const double complex *)term[t].x};
  return sn_transforms_sum(own->transforms, &rows, transpose, samples, terms, product, own->sum, state);
}

static void clear(sn_exponential *exponential) {
  circulant *state = exponential->state;
  if (state->gathered_samples) memset(state->gathered, 0, (size_t)exponential->size * sizeof(double));
  state->gathered_samples = 0;
}

static void gather(sn_exponential *exponential, ptrdiff_t samples, int function, double weight, const double *left,
                   const double *right) {
  circulant *state = exponential->state;
  const sn_transforms_rows rows = rows_of(exponential);
  sn_transforms_correlate(state->transforms, exponential->functions + function, &rows, samples, weight,
                          (const double complex *)left, (const double complex *)right, state->gathered);
  state->gathered_samples = samples;
}

static sn_status gradient(sn_exponential *exponential, double *sums) {
  circulant *state = exponential->state;
  const ptrdiff_t samples = state->gathered_samples;
  const bool own = exponential->linear->row != NULL;
  if (!samples) return SN_OK;
  SN_TRY(own ? sn_transforms_inverse(state->transforms, samples, state->gathered, state->kernel)
             : sn_transforms_add_fields(state->transforms, samples, state->gathered, state->values, state->kernel));
  clear(exponential);
  return sn_linear_gradient(exponential->linear, own ? samples : 1, 1, state->kernel, state->impulse, sums);
}

/* Whether no sample before has this one's parameter. */
static bool is_first(const sn_linear *linear, ptrdiff_t sample) {
  ptrdiff_t s = 0;
  while (linear->row && linear->row[s] != linear->row[sample]) s++;
  return s == sample || !linear->row;
}

static sn_status set_direction(sn_exponential *exponential, ptrdiff_t samples, const double *direction) {
  circulant *state = exponential->state;
  sn_linear *linear = exponential->linear;
  const sn_transforms_rows rows = rows_of(exponential);
  const ptrdiff_t kernels = linear->row ? samples : 1, points = sn_grid_range(exponential->grid).count;
  const int functions = exponential->functions;
  memset(state->kernel, 0, (size_t)(kernels * points) * sizeof *state->kernel);
  SN_TRY(sn_linear_tangent(linear, kernels, 1, direction, state->impulse, state->kernel));
  SN_TRY(sn_transforms_set_kernel(state->transforms, change_of_a(exponential), &rows, samples, state->kernel,
                                  state->values, state->sum));
  for (ptrdiff_t s = 0; s < kernels; s++) {
    const int shift = linear->row ? state->symbols * linear->row[s] : 0;
    for (int f = 0; f < functions && is_first(linear, s); f++)
      sn_transforms_compose(state->transforms, shift + functions + f, shift + change_of_a(exponential),
                            shift + 2 * functions + f);
  }
  return SN_OK;
}

const sn_exponential_ops sn_exponential_circulant = {
    .create = create,
    .destroy = destroy,
    .reserve = reserve,
    .size = size_of,
    .make = make,
    .transform = transform,
    .sum = sum,
    .clear = clear,
    .gather = gather,
    .gradient = gradient,
    .set_direction = set_direction,
};
