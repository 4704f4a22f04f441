/*
 * Transforms of a number of points without factors over several space ranks: FFTW-MPI's one-dimensional transform,
 * which is complex, so two real fields are combined in one (z = f + i g; an odd last one has g = 0). It has a layout
 * of its own, (points, spectra) both sides, where a rank may have nothing, and a prime number is on one rank as a
 * whole.
 */
#include "fourier_ops.h"

#include <limits.h>
#include <string.h>

#include <fftw3-mpi.h>

#include "sinode/memory.h"
#include "sinode/redistribution.h"

typedef struct {
  ptrdiff_t points, first, first_mode; /* in FFTW's layout */
  fftw_plan forward, inverse;
  double *work;                      /* grid values in FFTW's layout */
  sn_redistribution *redistribution; /* from our layout to FFTW's */
} fftw_mpi;

/* Joins our (fields, points) to FFTW's (points, 2 spectra): field f is the real or imaginary part f % 2 of f / 2. */
static sn_status plan_redistribution(const sn_fourier *fourier, fftw_mpi *w) {
  const ptrdiff_t fields = fourier->fields, start = sn_grid_range(fourier->grid).start;
  ptrdiff_t *from = NULL, *to = NULL, *column = NULL;
  MPI_Comm comm = sn_grid_space(fourier->grid);
  sn_status status = SN_NEW(fourier->points, &from);
  if (!status) status = SN_NEW(w->points, &to);
  if (!status) status = SN_NEW(fields, &column);
  status = sn_collective_status(comm, status);
  if (!status) {
    for (ptrdiff_t j = 0; j < fourier->points; j++) from[j] = start + j;
    for (ptrdiff_t j = 0; j < w->points; j++) to[j] = w->first + j;
    for (ptrdiff_t f = 0; f < fields; f++) column[f] = f;
    const sn_redistribution_part ours = {fourier->points, fields, from, column, 1, fourier->points};
    const sn_redistribution_part theirs = {w->points, fields, to, column, 2 * fourier->spectra, 1};
    status = sn_redistribution_create(comm, &ours, &theirs, sn_grid_timer(fourier->grid), &w->redistribution);
  }
  SN_FREE(from);
  SN_FREE(to);
  SN_FREE(column);
  return status;
}

/* FFTW's own layouts. */
static void set_shape(sn_fourier *fourier, fftw_mpi *w, unsigned flags) {
  MPI_Comm comm = sn_grid_space(fourier->grid);
  const ptrdiff_t points = sn_grid_points(fourier->grid), spectra = (fourier->fields + 1) / 2;
  ptrdiff_t back_points, back_first, back_modes, back_first_mode;
  ptrdiff_t there = fftw_mpi_local_size_many_1d(points, spectra, comm, FFTW_FORWARD, flags, &w->points, &w->first,
                                                &fourier->modes, &w->first_mode);
  /* The inverse starts from the layout in which the forward transform ends; only the memory it needs may differ. */
  ptrdiff_t back = fftw_mpi_local_size_many_1d(points, spectra, comm, FFTW_BACKWARD, flags, &back_modes,
                                               &back_first_mode, &back_points, &back_first);
  fourier->spectra = fourier->mode_stride = spectra;
  fourier->spectrum_stride = 1;
  fourier->size = there > back ? there : back;
  fourier->values = 2 * fourier->size;
}

static void plan(const sn_fourier *fourier, fftw_mpi *w, double complex *trial, unsigned flags) {
  MPI_Comm comm = sn_grid_space(fourier->grid);
  const ptrdiff_t points = sn_grid_points(fourier->grid), spectra = fourier->spectra, block = FFTW_MPI_DEFAULT_BLOCK;
  double complex *work = (double complex *)w->work;
  flags |= FFTW_DESTROY_INPUT;
  w->forward = fftw_mpi_plan_many_dft(1, &points, spectra, block, block, work, trial, comm, FFTW_FORWARD, flags);
  w->inverse = fftw_mpi_plan_many_dft(1, &points, spectra, block, block, trial, work, comm, FFTW_BACKWARD, flags);
}

static sn_status create(sn_fourier *fourier, unsigned flags) {
  MPI_Comm comm = sn_grid_space(fourier->grid);
  fftw_mpi *w;
  SN_TRY(sn_collective_status(comm, SN_NEW(1, &w)));
  fourier->state = w;
  /* With a prime number of points all of them are on one rank. */
  const ptrdiff_t whole = sn_grid_points(fourier->grid) * (fourier->fields + 1);
  if (whole > INT_MAX)
    return SN_ERROR_ALL(SN_ERROR_RUN,
                        "grid.points %td has no two factors for %d space ranks, so that one of them would have %td "
                        "numbers to send, more than MPI can count; choose a number with factors, such as a power of 2",
                        sn_grid_points(fourier->grid), sn_grid_space_size(fourier->grid), whole);
  fftw_mpi_init();
  set_shape(fourier, w, flags);
  double complex *trial = NULL;
  sn_status status = SN_NEW(fourier->size, &trial);
  if (!status) status = SN_NEW(fourier->values, &w->work);
  status = sn_collective_status(comm, status);
  if (!status) plan(fourier, w, trial, flags);
  SN_FREE(trial);
  SN_TRY(status);
  SN_TRY(sn_collective_status(comm, sn_fourier_planned(fourier, w->forward, w->inverse)));
  return plan_redistribution(fourier, w);
}

static void destroy(sn_fourier *fourier) {
  fftw_mpi *w = fourier->state;
  if (!w) return;
  fftw_destroy_plan(w->forward);
  fftw_destroy_plan(w->inverse);
  sn_redistribution_destroy(&w->redistribution);
  SN_FREE(w->work);
  SN_FREE(fourier->state);
}

static ptrdiff_t wave_number(const sn_fourier *fourier, ptrdiff_t mode) {
  return ((const fftw_mpi *)fourier->state)->first_mode + mode;
}

static int multiplicity(const sn_fourier *fourier, ptrdiff_t mode) {
  (void)fourier, (void)mode;
  return 1;
}

/* values (destroyed) to coefficients, and back without the division by points. */
static void transform(const sn_fourier *fourier, double *values, double complex *coefficients) {
  sn_timer_start(fourier->timer, SN_TIME_FFT);
  fftw_mpi_execute_dft(((fftw_mpi *)fourier->state)->forward, (double complex *)values, coefficients);
  sn_timer_stop(fourier->timer, SN_TIME_FFT);
}

static void transform_back(const sn_fourier *fourier, double complex *coefficients, double *values) {
  sn_timer_start(fourier->timer, SN_TIME_FFT);
  fftw_mpi_execute_dft(((fftw_mpi *)fourier->state)->inverse, coefficients, (double complex *)values);
  sn_timer_stop(fourier->timer, SN_TIME_FFT);
}

static sn_status forward(sn_fourier *fourier, const double *real, double complex *coefficients) {
  const fftw_mpi *w = fourier->state;
  const ptrdiff_t width = 2 * fourier->spectra;
  SN_TRY(sn_redistribution_forward(w->redistribution, real, w->work));
  if (fourier->fields % 2) /* the partner of an odd last field */
    for (ptrdiff_t j = 1; j <= w->points; j++) w->work[j * width - 1] = 0;
  transform(fourier, w->work, coefficients);
  return SN_OK;
}

static sn_status inverse(sn_fourier *fourier, double complex *coefficients, double *real) {
  const fftw_mpi *w = fourier->state;
  const double scale = 1.0 / (double)sn_grid_points(fourier->grid);
  transform_back(fourier, coefficients, w->work);
  SN_TRY(sn_redistribution_backward(w->redistribution, w->work, real));
  for (ptrdiff_t i = 0; i < fourier->fields * fourier->points; i++) real[i] *= scale;
  return SN_OK;
}

/* The two parts of a complex number, each of a field of its own, are squared separately. */
static sn_status pseudospectral_squares(sn_fourier *fourier, double complex *coefficients, ptrdiff_t stages,
                                        sn_fourier_callback callback, void *context) {
  const fftw_mpi *w = fourier->state;
  const double points = (double)sn_grid_points(fourier->grid), scale = 1.0 / (points * points);
  double *restrict work = w->work;
  for (ptrdiff_t stage = 0; stage < stages; stage++) {
    transform_back(fourier, coefficients, work);
    for (ptrdiff_t i = 0; i < w->points * fourier->spectra * 2; i++) work[i] *= scale * work[i];
    transform(fourier, work, coefficients);
    if (fourier->modes) callback(context, stage, 0, fourier->spectra * fourier->modes);
  }
  return SN_OK;
}

static sn_status to_values(sn_fourier *fourier, double complex *coefficients, double *values) {
  const double scale = 1.0 / (double)sn_grid_points(fourier->grid);
  transform_back(fourier, coefficients, values);
  for (ptrdiff_t i = 0; i < fourier->values; i++) values[i] *= scale;
  return SN_OK;
}

static sn_status from_values(sn_fourier *fourier, const double *values, double complex *coefficients) {
  double *work = ((fftw_mpi *)fourier->state)->work;
  memcpy(work, values, (size_t)fourier->values * sizeof *work);
  transform(fourier, work, coefficients);
  return SN_OK;
}

const sn_fourier_ops sn_fourier_fftw_mpi = {
    .create = create,
    .destroy = destroy,
    .wave_number = wave_number,
    .multiplicity = multiplicity,
    .forward = forward,
    .inverse = inverse,
    .pseudospectral_squares = pseudospectral_squares,
    .to_values = to_values,
    .from_values = from_values,
};
