/*
 * The family of transforms behind sinode/fourier.h. Private to this folder.
 *
 *   serial      one space rank: FFTW's real transforms
 *   transposed  several, points = n1 n2: real transforms of length n1, complex ones of length n2, one transpose
 *   fftw_mpi    several, and no such factors (a prime number of points): FFTW-MPI's complex transform of pairs
 */
#ifndef SINODE_PARALLEL_FOURIER_OPS_H
#define SINODE_PARALLEL_FOURIER_OPS_H

#include <complex.h> /* before FFTW, whose numbers are then those of C */
#include <fftw3.h>

#include "sinode/fourier.h"

typedef struct {
  /* Plans, and sets state and shape. flags: FFTW's. Local errors are possible. */
  sn_status (*create)(sn_fourier *fourier, unsigned flags);
  void (*destroy)(sn_fourier *fourier);
  /* The wave number, 0 .. points-1, of a local mode, and how many modes it stands for. */
  ptrdiff_t (*wave_number)(const sn_fourier *fourier, ptrdiff_t mode);
  int (*multiplicity)(const sn_fourier *fourier, ptrdiff_t mode);
  /* NULL: coefficients cannot be those of anything but real fields. */
  void (*make_real)(const sn_fourier *fourier, double complex *coefficients);
  /* As the public functions of these names. */
  sn_status (*forward)(sn_fourier *fourier, const double *real, double complex *coefficients);
  sn_status (*inverse)(sn_fourier *fourier, double complex *coefficients, double *real);
  /* NULL: forward, scale and inverse one after the other. */
  sn_status (*filter)(sn_fourier *fourier, const double complex *symbol, const double *from,
                      double complex *coefficients, double *to);
  sn_status (*pseudospectral_squares)(sn_fourier *fourier, double complex *coefficients, ptrdiff_t stages,
                                      sn_fourier_callback callback, void *context);
  sn_status (*to_values)(sn_fourier *fourier, double complex *coefficients, double *values);
  sn_status (*from_values)(sn_fourier *fourier, const double *values, double complex *coefficients);
} sn_fourier_ops;

struct sn_fourier {
  const sn_fourier_ops *ops;
  const sn_grid *grid;
  ptrdiff_t fields, points; /* points of this rank */
  sn_timer *timer;          /* NULL where a transform is too short to be timed */
  void *state;
  /* Set by create: */
  ptrdiff_t spectra, modes, spectrum_stride, mode_stride; /* of a coefficient array */
  ptrdiff_t size, values;                                 /* numbers of a coefficient array, of an array of values */
};

extern const sn_fourier_ops sn_fourier_serial, sn_fourier_transposed, sn_fourier_fftw_mpi;

/* The error that FFTW has no plan for `what`; SN_OK if it has one. */
SN_MUST_CHECK sn_status sn_fourier_planned(const sn_fourier *fourier, fftw_plan forward, fftw_plan inverse);

/* values *= symbol, whose numbers are `step` apart. */
void sn_fourier_multiply(ptrdiff_t count, const double complex *symbol, ptrdiff_t step, double complex *values);

#endif
