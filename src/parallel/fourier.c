#include "sinode/fourier.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include <fftw3-mpi.h>

#include "sinode/count.h"
#include "sinode/exchange.h"
#include "sinode/memory.h"

/* Real numbers below which a transform of one rank is over before the clock is read: some microseconds. */
enum { TIMED_LEAST = 4096 };

struct sn_fourier {
  const sn_grid *grid;
  ptrdiff_t fields, points; /* local points in our layout */
  ptrdiff_t spectra, modes, first_mode, spectrum_stride, mode_stride, size;
  ptrdiff_t work_points; /* per spectrum in FFTW's layout */
  fftw_plan forward, inverse;
  double *work;          /* grid values in FFTW's layout */
  sn_exchange *exchange; /* from our layout to FFTW's; NULL on one space rank */
  sn_timer *timer;       /* NULL where a transform is too short to be timed */
};

static unsigned flags_of(sn_fourier_effort effort) {
  return effort == SN_FOURIER_MEASURE ? FFTW_MEASURE : FFTW_ESTIMATE;
}

/* One space rank: (fields, points) to (fields, points / 2 + 1). */
static sn_status plan_whole(sn_fourier *fourier, unsigned flags) {
  const ptrdiff_t points = fourier->points, modes = points / 2 + 1;
  fourier->spectra = fourier->fields;
  fourier->modes = modes;
  fourier->spectrum_stride = modes;
  fourier->mode_stride = 1;
  fourier->work_points = points;
  int n, fields;
  SN_TRY(sn_count_to_int(points, "grid.points on one rank", &n));
  SN_TRY(sn_count_to_int(fourier->fields, "the number of fields to transform", &fields));
  fourier->size = fourier->fields * modes;
  double complex *trial;
  SN_TRY(SN_NEW(fourier->size, &trial));
  sn_status status = SN_NEW(fourier->fields * points, &fourier->work);
  if (!status) {
    fourier->forward =
        fftw_plan_many_dft_r2c(1, &n, fields, fourier->work, NULL, 1, n, trial, NULL, 1, (int)modes, flags);
    fourier->inverse = fftw_plan_many_dft_c2r(1, &n, fields, trial, NULL, 1, (int)modes, fourier->work, NULL, 1, n,
                                              flags | FFTW_DESTROY_INPUT);
    if (fourier->fields * points < TIMED_LEAST) fourier->timer = NULL;
  }
  sn_memory_give(&trial);
  return status;
}

/* Joins our (fields, points) to FFTW's (points, 2 spectra): field f is the real or imaginary part f % 2 of f / 2. */
static sn_status plan_exchange(sn_fourier *fourier, ptrdiff_t first) {
  const ptrdiff_t fields = fourier->fields, start = sn_grid_range(fourier->grid).start;
  ptrdiff_t *from = NULL, *to = NULL, *column = NULL;
  MPI_Comm comm = sn_grid_space(fourier->grid);
  sn_status status = SN_NEW(fourier->points, &from);
  if (!status) status = SN_NEW(fourier->work_points, &to);
  if (!status) status = SN_NEW(fields, &column);
  status = sn_agree(comm, status);
  if (!status) {
    for (ptrdiff_t j = 0; j < fourier->points; j++) from[j] = start + j;
    for (ptrdiff_t j = 0; j < fourier->work_points; j++) to[j] = first + j;
    for (ptrdiff_t f = 0; f < fields; f++) column[f] = f;
    const sn_exchange_part ours = {fourier->points, fields, from, column, 1, fourier->points};
    const sn_exchange_part theirs = {fourier->work_points, fields, to, column, 2 * fourier->spectra, 1};
    status = sn_exchange_create(comm, &ours, &theirs, 1, sn_grid_timer(fourier->grid), &fourier->exchange);
  }
  sn_memory_give(&from);
  sn_memory_give(&to);
  sn_memory_give(&column);
  return status;
}

/* Several space ranks: (points, spectra) complex both sides, split over points and over modes as FFTW likes. */
static sn_status plan_split(sn_fourier *fourier, unsigned flags) {
  fftw_mpi_init();
  MPI_Comm comm = sn_grid_space(fourier->grid);
  const ptrdiff_t points = sn_grid_points(fourier->grid), spectra = (fourier->fields + 1) / 2;
  ptrdiff_t first, back_points, back_first, back_modes, back_first_mode;
  ptrdiff_t there = fftw_mpi_local_size_many_1d(points, spectra, comm, FFTW_FORWARD, flags, &fourier->work_points,
                                                &first, &fourier->modes, &fourier->first_mode);
  /* The inverse starts from where the forward transform ends; only the room it needs may differ. */
  ptrdiff_t back = fftw_mpi_local_size_many_1d(points, spectra, comm, FFTW_BACKWARD, flags, &back_modes,
                                               &back_first_mode, &back_points, &back_first);
  fourier->spectra = spectra;
  fourier->spectrum_stride = 1;
  fourier->mode_stride = spectra;
  fourier->size = there > back ? there : back;
  int fits;
  double complex *trial = NULL;
  sn_status status = sn_count_to_int(2 * fourier->size, "the size of a transform's message", &fits);
  if (!status) status = SN_NEW(fourier->size, &trial);
  if (!status) status = SN_NEW(2 * fourier->size, &fourier->work);
  status = sn_agree(comm, status);
  if (!status) {
    const ptrdiff_t block = FFTW_MPI_DEFAULT_BLOCK;
    double complex *work = (double complex *)fourier->work;
    fourier->forward = fftw_mpi_plan_many_dft(1, &points, spectra, block, block, work, trial, comm, FFTW_FORWARD,
                                              flags | FFTW_DESTROY_INPUT);
    fourier->inverse = fftw_mpi_plan_many_dft(1, &points, spectra, block, block, trial, work, comm, FFTW_BACKWARD,
                                              flags | FFTW_DESTROY_INPUT);
  }
  sn_memory_give(&trial);
  if (!status) status = plan_exchange(fourier, first);
  return status;
}

sn_status sn_fourier_create(const sn_grid *grid, ptrdiff_t fields, sn_fourier_effort effort, sn_fourier **out) {
  *out = NULL;
  sn_fourier *fourier;
  SN_TRY(sn_agree(sn_grid_space(grid), SN_NEW(1, &fourier)));
  *fourier =
      (sn_fourier){.grid = grid, .fields = fields, .points = sn_grid_range(grid).count, .timer = sn_grid_timer(grid)};
  const unsigned flags = flags_of(effort);
  sn_status status = sn_grid_space_size(grid) > 1 ? plan_split(fourier, flags) : plan_whole(fourier, flags);
  if (!status && !(fourier->forward && fourier->inverse))
    status = SN_ERROR(SN_ERROR_RUN, "FFTW has no plan for %td fields of %td points", fields, sn_grid_points(grid));
  status = sn_agree(sn_grid_space(grid), status);
  if (status) sn_fourier_destroy(&fourier);
  *out = fourier;
  return status;
}

void sn_fourier_destroy(sn_fourier **fourier) {
  if (!*fourier) return;
  fftw_destroy_plan((*fourier)->forward);
  fftw_destroy_plan((*fourier)->inverse);
  sn_exchange_destroy(&(*fourier)->exchange);
  sn_memory_give(&(*fourier)->work);
  sn_memory_give(fourier);
}

ptrdiff_t sn_fourier_spectra(const sn_fourier *fourier) { return fourier->spectra; }
ptrdiff_t sn_fourier_modes(const sn_fourier *fourier) { return fourier->modes; }
ptrdiff_t sn_fourier_spectrum_stride(const sn_fourier *fourier) { return fourier->spectrum_stride; }
ptrdiff_t sn_fourier_mode_stride(const sn_fourier *fourier) { return fourier->mode_stride; }
ptrdiff_t sn_fourier_size(const sn_fourier *fourier) { return fourier->size; }

ptrdiff_t sn_fourier_wave_number(const sn_fourier *fourier, ptrdiff_t mode) {
  const ptrdiff_t points = sn_grid_points(fourier->grid), m = fourier->first_mode + mode;
  return m <= points / 2 ? m : m - points;
}

int sn_fourier_multiplicity(const sn_fourier *fourier, ptrdiff_t mode) {
  const ptrdiff_t m = sn_fourier_wave_number(fourier, mode);
  return fourier->exchange || m == 0 || 2 * m == sn_grid_points(fourier->grid) ? 1 : 2;
}

/* grid (FFTW's layout) to coefficients, and back without the division by points. */
static void transform(const sn_fourier *fourier, const double *grid, double complex *coefficients) {
  sn_timer_start(fourier->timer, SN_TIME_FFT);
  if (fourier->exchange)
    fftw_mpi_execute_dft(fourier->forward, (double complex *)grid, coefficients);
  else
    fftw_execute_dft_r2c(fourier->forward, (double *)grid, coefficients);
  sn_timer_stop(fourier->timer, SN_TIME_FFT);
}

static void transform_back(const sn_fourier *fourier, double complex *coefficients, double *grid) {
  sn_timer_start(fourier->timer, SN_TIME_FFT);
  if (fourier->exchange)
    fftw_mpi_execute_dft(fourier->inverse, coefficients, (double complex *)grid);
  else
    fftw_execute_dft_c2r(fourier->inverse, coefficients, grid);
  sn_timer_stop(fourier->timer, SN_TIME_FFT);
}

/* FFTW's vector instructions want what they were planned for; the same plan then gives the same bits at any address. */
static bool is_aligned(const double *real) { return fftw_alignment_of((double *)real) == 0; }

/* The field that an odd one out travels with. */
static void clear_partner(sn_fourier *fourier) {
  for (ptrdiff_t j = 1; j <= fourier->work_points; j++) fourier->work[j * 2 * fourier->spectra - 1] = 0;
}

sn_status sn_fourier_forward(sn_fourier *fourier, const double *real, double complex *coefficients) {
  const double *grid = real;
  if (fourier->exchange) {
    SN_TRY(sn_exchange_forward(fourier->exchange, real, fourier->work));
    if (fourier->fields % 2) clear_partner(fourier);
    grid = fourier->work;
  } else if (!is_aligned(real)) {
    for (ptrdiff_t i = 0; i < fourier->fields * fourier->points; i++) fourier->work[i] = real[i];
    grid = fourier->work;
  }
  transform(fourier, grid, coefficients);
  return SN_OK;
}

sn_status sn_fourier_inverse(sn_fourier *fourier, double complex *coefficients, double *real) {
  const double scale = 1.0 / (double)sn_grid_points(fourier->grid);
  double *grid = fourier->exchange || !is_aligned(real) ? fourier->work : real;
  transform_back(fourier, coefficients, grid);
  if (fourier->exchange) {
    SN_TRY(sn_exchange_backward(fourier->exchange, fourier->work, real));
    grid = real;
  }
  for (ptrdiff_t i = 0; i < fourier->fields * fourier->points; i++) real[i] = scale * grid[i];
  return SN_OK;
}

sn_status sn_fourier_square(sn_fourier *fourier, double complex *coefficients) {
  const double points = (double)sn_grid_points(fourier->grid), scale = 1.0 / (points * points);
  /* Of a complex number the two parts are squared, each a field of its own. */
  const ptrdiff_t count = fourier->work_points * fourier->spectra * (fourier->exchange ? 2 : 1);
  double *restrict work = fourier->work;
  transform_back(fourier, coefficients, work);
  for (ptrdiff_t i = 0; i < count; i++) work[i] *= scale * work[i];
  transform(fourier, work, coefficients);
  return SN_OK;
}

ptrdiff_t sn_fourier_values(const sn_fourier *fourier) {
  return fourier->exchange ? 2 * fourier->size : fourier->fields * fourier->points;
}

sn_status sn_fourier_to_values(sn_fourier *fourier, double complex *coefficients, double *values) {
  const double scale = 1.0 / (double)sn_grid_points(fourier->grid);
  transform_back(fourier, coefficients, values);
  for (ptrdiff_t i = 0; i < sn_fourier_values(fourier); i++) values[i] *= scale;
  return SN_OK;
}

sn_status sn_fourier_from_values(sn_fourier *fourier, const double *values, double complex *coefficients) {
  double *work = fourier->work; /* FFTW-MPI destroys its input */
  memcpy(work, values, (size_t)sn_fourier_values(fourier) * sizeof *work);
  transform(fourier, work, coefficients);
  return SN_OK;
}

/* values *= symbol, in real arithmetic: C's complex product looks after infinities that do not occur. */
static void multiply(ptrdiff_t count, const double complex *symbol, ptrdiff_t step, double complex *values) {
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
      multiply(fourier->modes, symbol, 1, coefficients + s * fourier->spectrum_stride);
  } else {
    for (ptrdiff_t m = 0; m < fourier->modes; m++)
      multiply(fourier->spectra, symbol + m, 0, coefficients + m * fourier->mode_stride);
  }
}

static double square_of(double complex c) { return creal(c) * creal(c) + cimag(c) * cimag(c); }

void sn_fourier_denoise(const sn_fourier *fourier, double complex *coefficients) {
  const ptrdiff_t count = fourier->spectra * fourier->modes;
  double largest = 0;
  for (ptrdiff_t i = 0; i < count; i++) largest = fmax(largest, square_of(coefficients[i]));
  if (fourier->exchange) MPI_Allreduce(MPI_IN_PLACE, &largest, 1, MPI_DOUBLE, MPI_MAX, sn_grid_space(fourier->grid));
  const double least = 256 * DBL_EPSILON * DBL_EPSILON * largest;
  for (ptrdiff_t i = 0; i < count; i++)
    if (square_of(coefficients[i]) < least) coefficients[i] = 0;
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
      sum += weight * (creal(c) * creal(c) + cimag(c) * cimag(c));
    }
  }
  sum /= (double)points * (double)points;
  sn_timer *timer = sn_grid_timer(fourier->grid);
  sn_timer_start(timer, SN_TIME_REDUCE);
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, sn_grid_space(fourier->grid));
  sn_timer_stop(timer, SN_TIME_REDUCE);
  return sum;
}
