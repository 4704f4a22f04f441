/* Transforms on one space rank: FFTW's real ones, (fields, points) to (fields, points / 2 + 1). */
#include <string.h>

#include "fourier_ops.h"
#include "sinode/count.h"
#include "sinode/memory.h"

/* Real numbers below which a transform is over before the clock is read: some microseconds. */
enum { TIMED_LEAST = 4096 };

typedef struct {
  fftw_plan forward, inverse;
  double *work; /* (fields, points) */
} serial;

static sn_status plan(sn_fourier *fourier, serial *w, unsigned flags) {
  int n, fields, modes = (int)fourier->modes;
  SN_TRY(sn_count_to_int(fourier->points, "grid.points on one rank", &n));
  SN_TRY(sn_count_to_int(fourier->fields, "the number of fields to transform", &fields));
  double complex *trial;
  SN_TRY(SN_NEW(fourier->values, &w->work));
  SN_TRY(SN_NEW(fourier->size, &trial));
  w->forward = fftw_plan_many_dft_r2c(1, &n, fields, w->work, NULL, 1, n, trial, NULL, 1, modes, flags);
  w->inverse =
      fftw_plan_many_dft_c2r(1, &n, fields, trial, NULL, 1, modes, w->work, NULL, 1, n, flags | FFTW_DESTROY_INPUT);
  SN_FREE(trial);
  return sn_fourier_planned(fourier, w->forward, w->inverse);
}

static sn_status create(sn_fourier *fourier, unsigned flags) {
  serial *w;
  SN_TRY(SN_NEW(1, &w));
  fourier->state = w;
  fourier->spectra = fourier->fields;
  fourier->modes = fourier->spectrum_stride = fourier->points / 2 + 1;
  fourier->mode_stride = 1;
  fourier->size = fourier->fields * fourier->modes;
  fourier->values = fourier->fields * fourier->points;
  if (fourier->values < TIMED_LEAST) fourier->timer = NULL;
  return plan(fourier, w, flags);
}

static void destroy(sn_fourier *fourier) {
  serial *w = fourier->state;
  if (!w) return;
  fftw_destroy_plan(w->forward);
  fftw_destroy_plan(w->inverse);
  SN_FREE(w->work);
  SN_FREE(fourier->state);
}

static ptrdiff_t wave_number(const sn_fourier *fourier, ptrdiff_t mode) {
  (void)fourier;
  return mode;
}

static int multiplicity(const sn_fourier *fourier, ptrdiff_t mode) {
  return mode == 0 || 2 * mode == fourier->points ? 1 : 2;
}

static void transform(const sn_fourier *fourier, const double *values, double complex *coefficients) {
  const serial *w = fourier->state;
  sn_timer_start(fourier->timer, SN_TIME_FFT);
  fftw_execute_dft_r2c(w->forward, (double *)values, coefficients);
  sn_timer_stop(fourier->timer, SN_TIME_FFT);
}

static void transform_back(const sn_fourier *fourier, double complex *coefficients, double *values) {
  const serial *w = fourier->state;
  sn_timer_start(fourier->timer, SN_TIME_FFT);
  fftw_execute_dft_c2r(w->inverse, coefficients, values);
  sn_timer_stop(fourier->timer, SN_TIME_FFT);
}

/* FFTW's vector instructions need the alignment they were planned for; the same plan then gives the same bits at any
   address. */
static bool is_aligned(const double *real) { return fftw_alignment_of((double *)real) == 0; }

static sn_status forward(sn_fourier *fourier, const double *real, double complex *coefficients) {
  const serial *w = fourier->state;
  if (!is_aligned(real)) real = memcpy(w->work, real, (size_t)fourier->values * sizeof *real);
  transform(fourier, real, coefficients);
  return SN_OK;
}

static sn_status inverse(sn_fourier *fourier, double complex *coefficients, double *real) {
  const serial *w = fourier->state;
  const double scale = 1.0 / (double)fourier->points;
  double *values = is_aligned(real) ? real : w->work;
  transform_back(fourier, coefficients, values);
  for (ptrdiff_t i = 0; i < fourier->values; i++) real[i] = scale * values[i];
  return SN_OK;
}

static sn_status pseudospectral_squares(sn_fourier *fourier, double complex *coefficients, ptrdiff_t stages,
                                        sn_fourier_callback callback, void *context) {
  const serial *w = fourier->state;
  const double points = (double)fourier->points, scale = 1.0 / (points * points);
  double *restrict work = w->work;
  for (ptrdiff_t stage = 0; stage < stages; stage++) {
    transform_back(fourier, coefficients, work);
    for (ptrdiff_t i = 0; i < fourier->values; i++) work[i] *= scale * work[i];
    transform(fourier, work, coefficients);
    for (ptrdiff_t s = 0; s < fourier->spectra; s++) callback(context, stage, s * fourier->modes, fourier->modes);
  }
  return SN_OK;
}

const sn_fourier_ops sn_fourier_serial = {
    .create = create,
    .destroy = destroy,
    .wave_number = wave_number,
    .multiplicity = multiplicity,
    .forward = forward,
    .inverse = inverse,
    .pseudospectral_squares = pseudospectral_squares,
    .to_values = inverse,
    .from_values = forward,
};
