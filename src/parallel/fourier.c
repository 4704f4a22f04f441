#include "sinode/fourier.h"

#include <float.h>
#include <math.h>

#include "fourier_ops.h"
#include "sinode/memory.h"
#include "sinode/wisdom.h"
#include "transpose.h"

static const sn_fourier_ops *choose(const sn_grid *grid) {
  if (sn_grid_space_size(grid) == 1) return &sn_fourier_serial;
  const bool divides = sn_transpose_factor(sn_grid_points(grid), sn_grid_space_size(grid)) != 0;
  return divides ? &sn_fourier_transposed : &sn_fourier_fftw_mpi;
}

sn_status sn_fourier_create(const sn_grid *grid, ptrdiff_t fields, sn_fourier_rigor rigor, sn_fourier **out) {
  *out = NULL;
  sn_fourier *fourier;
  SN_TRY(sn_collective_status(sn_grid_space(grid), SN_NEW(1, &fourier)));
  *fourier = (sn_fourier){.ops = choose(grid),
                          .grid = grid,
                          .fields = fields,
                          .points = sn_grid_range(grid).count,
                          .timer = sn_grid_timer(grid)};
  const bool measures = rigor == SN_FOURIER_MEASURE;
  const unsigned flags = measures ? FFTW_MEASURE : FFTW_ESTIMATE;
  sn_status status = sn_collective_status(sn_grid_space(grid), fourier->ops->create(fourier, flags));
  if (!status && measures && sn_grid_space_size(grid) > 1) { /* from now on, the same as with the wisdom on file */
    sn_wisdom_share(sn_grid_space(grid));
    fourier->ops->destroy(fourier);
    status = sn_collective_status(sn_grid_space(grid), fourier->ops->create(fourier, flags));
  }
  if (status) sn_fourier_destroy(&fourier);
  *out = fourier;
  return status;
}

sn_status sn_fourier_planned(const sn_fourier *fourier, fftw_plan forward, fftw_plan inverse) {
  if (forward && inverse) return SN_OK;
  return SN_ERROR(SN_ERROR_RUN, "FFTW has no plan for %td fields of %td points", fourier->fields,
                  sn_grid_points(fourier->grid));
}

/* Of points = n1 n2: rows and columns change rank in a transpose, points of a block in no own column in a
 * redistribution; what goes there on one way comes back on the other. */
static void find_most(ptrdiff_t points, ptrdiff_t n1, int ranks, ptrdiff_t fields, sn_fourier_cost *cost) {
  const ptrdiff_t n2 = points / n1, heights = n1 / 2 + 1;
  for (int rank = 0; rank < ranks; rank++) {
    const sn_range block = sn_partition_range((sn_partition){points, ranks}, rank);
    const sn_range column = sn_partition_range((sn_partition){n2, ranks}, rank);
    const ptrdiff_t row = sn_partition_range((sn_partition){heights, ranks}, rank).count;
    const ptrdiff_t kept = sn_transpose_points(n2, column, block);
    const double there = (double)(row * (n2 - column.count)), back = (double)((heights - row) * column.count);
    const double moved = (double)(block.count - kept) + (double)(n1 * column.count - kept);
    cost->transpose_most = fmax(cost->transpose_most, 16 * (double)fields * (there + back));
    cost->redistribution_most = fmax(cost->redistribution_most, 8 * (double)fields * moved);
    cost->forward_most = fmax(cost->forward_most, (double)fields * (16 * back + 8 * (double)(block.count - kept)));
  }
}

sn_fourier_cost sn_fourier_estimate_cost(ptrdiff_t points, int ranks, ptrdiff_t fields) {
  const double all = (double)points * (double)fields, share = ceil((double)points / ranks) * (double)fields;
  if (ranks == 1) return (sn_fourier_cost){.numbers = all + 2 * (double)fields, .private = all};
  const double others = ranks - 1, away = others / ranks;
  sn_fourier_cost f = {.messages = others, .redistribution = 8 * all / ranks * away};
  const ptrdiff_t n1 = sn_transpose_factor(points, ranks);
  f.n1 = n1;
  if (n1) {
    const ptrdiff_t heights = n1 / 2 + 1, n2 = points / n1;
    const double rows = (double)heights, columns = (double)n2, count = (double)fields;
    f.transpose = 16 * count * rows * columns / ranks * away;
    f.numbers = 2 * count * ceil(rows / ranks) * columns;
    f.private = f.numbers + (2 * (count + 1) * rows + count * (double)n1) * ceil(columns / ranks);
    f.private += SN_STRIP * ((double)n1 + 2 * rows) + 8 * columns + 2 * (double)n1; /* strips, rows, places of lines */
    find_most(points, n1, ranks, fields, &f);
  } else { /* pairs in complex numbers; three transposes, the redistribution with lists of all points */
    const double pairs = ceil((double)fields / 2) * 2;
    f.messages = 3 * others;
    f.transpose = 3 * 8 * pairs * (double)points / ranks * away;
    f.numbers = pairs * ceil((double)points / ranks);
    f.private = f.numbers + 2 * share + 4 * (double)points / ranks;
    f.transpose_most = 2 * f.transpose;
    f.redistribution_most = 2 * f.redistribution;
    f.forward_most = f.transpose + f.redistribution;
  }
  return f;
}

void sn_fourier_destroy(sn_fourier **fourier) {
  if (!*fourier) return;
  (*fourier)->ops->destroy(*fourier);
  SN_FREE(*fourier);
}

ptrdiff_t sn_fourier_spectra(const sn_fourier *fourier) { return fourier->spectra; }
ptrdiff_t sn_fourier_modes(const sn_fourier *fourier) { return fourier->modes; }
ptrdiff_t sn_fourier_spectrum_stride(const sn_fourier *fourier) { return fourier->spectrum_stride; }
ptrdiff_t sn_fourier_mode_stride(const sn_fourier *fourier) { return fourier->mode_stride; }
ptrdiff_t sn_fourier_size(const sn_fourier *fourier) { return fourier->size; }
ptrdiff_t sn_fourier_values(const sn_fourier *fourier) { return fourier->values; }

ptrdiff_t sn_fourier_wave_number(const sn_fourier *fourier, ptrdiff_t mode) {
  const ptrdiff_t points = sn_grid_points(fourier->grid), m = fourier->ops->wave_number(fourier, mode);
  return m <= points / 2 ? m : m - points;
}

int sn_fourier_multiplicity(const sn_fourier *fourier, ptrdiff_t mode) {
  return fourier->ops->multiplicity(fourier, mode);
}

void sn_fourier_make_real(const sn_fourier *fourier, double complex *coefficients) {
  if (fourier->ops->make_real) fourier->ops->make_real(fourier, coefficients);
}

sn_status sn_fourier_forward(sn_fourier *fourier, const double *real, double complex *coefficients) {
  return fourier->ops->forward(fourier, real, coefficients);
}

sn_status sn_fourier_inverse(sn_fourier *fourier, double complex *coefficients, double *real) {
  return fourier->ops->inverse(fourier, coefficients, real);
}

sn_status sn_fourier_pseudospectral_squares(sn_fourier *fourier, double complex *coefficients, ptrdiff_t stages,
                                            sn_fourier_callback callback, void *context) {
  return fourier->ops->pseudospectral_squares(fourier, coefficients, stages, callback, context);
}

sn_status sn_fourier_to_values(sn_fourier *fourier, double complex *coefficients, double *values) {
  return fourier->ops->to_values(fourier, coefficients, values);
}

sn_status sn_fourier_from_values(sn_fourier *fourier, const double *values, double complex *coefficients) {
  return fourier->ops->from_values(fourier, values, coefficients);
}

/* In real arithmetic: C's complex product also handles infinities, which do not occur here. */
void sn_fourier_multiply(ptrdiff_t count, const double complex *symbol, ptrdiff_t step, double complex *values) {
  const double *restrict s = (const double *)symbol;
  double *restrict v = (double *)values;
  for (ptrdiff_t i = 0; i < count; i++) {
    const double re = s[2 * step * i], im = s[2 * step * i + 1], x = v[2 * i], y = v[2 * i + 1];
    v[2 * i] = re * x - im * y;
    v[2 * i + 1] = re * y + im * x;
  }
}

void sn_fourier_scale(const sn_fourier *fourier, const double complex *symbol, double complex *coefficients) {
  if (fourier->mode_stride == 1) {
    for (ptrdiff_t s = 0; s < fourier->spectra; s++)
      sn_fourier_multiply(fourier->modes, symbol, 1, coefficients + s * fourier->spectrum_stride);
  } else {
    for (ptrdiff_t m = 0; m < fourier->modes; m++)
      sn_fourier_multiply(fourier->spectra, symbol + m, 0, coefficients + m * fourier->mode_stride);
  }
}

sn_status sn_fourier_filter(sn_fourier *fourier, const double complex *symbol, const double *from,
                            double complex *coefficients, double *to) {
  if (fourier->ops->filter) return fourier->ops->filter(fourier, symbol, from, coefficients, to);
  SN_TRY(sn_fourier_forward(fourier, from, coefficients));
  sn_fourier_scale(fourier, symbol, coefficients);
  return sn_fourier_inverse(fourier, coefficients, to);
}

void sn_fourier_denoise(const sn_fourier *fourier, double complex *coefficients) {
  const ptrdiff_t count = fourier->spectra * fourier->modes;
  double largest = 0;
  for (ptrdiff_t i = 0; i < count; i++) largest = fmax(largest, sn_fourier_power(coefficients[i]));
  if (sn_grid_space_size(fourier->grid) > 1)
    MPI_Allreduce(MPI_IN_PLACE, &largest, 1, MPI_DOUBLE, MPI_MAX, sn_grid_space(fourier->grid));
  const double least = 256 * DBL_EPSILON * DBL_EPSILON * largest;
  for (ptrdiff_t i = 0; i < count; i++)
    if (sn_fourier_power(coefficients[i]) < least) coefficients[i] = 0;
}

double sn_fourier_energy(const sn_fourier *fourier, const double complex *coefficients, ptrdiff_t low, ptrdiff_t high) {
  const ptrdiff_t points = sn_grid_points(fourier->grid);
  double sum = 0;
  for (ptrdiff_t mode = 0; mode < fourier->modes; mode++) {
    const ptrdiff_t m = sn_fourier_wave_number(fourier, mode), magnitude = m < 0 ? -m : m;
    if (magnitude < low || magnitude > high) continue;
    const int weight = sn_fourier_multiplicity(fourier, mode);
    for (ptrdiff_t s = 0; s < fourier->spectra; s++) {
      const double complex c = coefficients[s * fourier->spectrum_stride + mode * fourier->mode_stride];
      sum += weight * sn_fourier_power(c);
    }
  }
  sum /= (double)points * (double)points;
  sn_grid_sum_over_space(fourier->grid, 1, &sum);
  return sum;
}

const sn_name sn_fourier_rigors[] = {{"estimate", SN_FOURIER_ESTIMATE}, {"measure", SN_FOURIER_MEASURE}, {NULL, 0}};
