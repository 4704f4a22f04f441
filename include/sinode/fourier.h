/*
 * Discrete Fourier transforms of several real periodic fields over the space ranks of a replica.
 *
 * One space rank: FFTW's real transforms; a field has points / 2 + 1 coefficients. Several, points = n1 n2: real and
 * complex transforms of these lengths on each rank and one transpose between them; a rank has some of the rows of
 * n2 wave numbers k1 + n1 k2, k1 = 0 .. n1 / 2, and the values of some columns of n1 points. Several and no such
 * factors (a prime number of points): FFTW-MPI's one-dimensional transform, which is complex, so two real fields are
 * combined in one (z = f + i g; an odd last one has g = 0), takes three transposes, and leaves some ranks without
 * work.
 *
 * All are hidden behind "spectra": operations that are linear and real in physical space (multiplication of wave
 * number m by a symbol with s(-m) = conj s(m)) act on a spectrum coefficient by coefficient in any layout.
 *
 * A coefficient array holds `spectra` x `modes` numbers; coefficient m of spectrum s is at
 * s * spectrum_stride + m * mode_stride, and the array has no gaps. m and m - points are the same mode; a rank may own
 * none. Coefficient arrays come from sn_memory_alloc, real ones from anywhere.
 *
 * Time goes to SN_TIME_FFT and, within it or beside it, SN_TIME_REDISTRIBUTE; transforms of one rank that take no
 * longer than reading the clock a few times are not timed.
 */
#ifndef SINODE_FOURIER_H
#define SINODE_FOURIER_H

#include <complex.h>
#include <stddef.h>

#include "sinode/error.h"
#include "sinode/grid.h"
#include "sinode/name.h"

typedef struct sn_fourier sn_fourier;

typedef enum { SN_FOURIER_ESTIMATE, SN_FOURIER_MEASURE } sn_fourier_rigor;

extern const sn_name sn_fourier_rigors[];

/*
 * Plans the transforms of exactly `fields` (at least one) real fields on the grid's points. ESTIMATE gives the same
 * plan, and so the same bits, in every run; MEASURE is faster and differs from run to run in the last bits but for what
 * is known from before (sinode/wisdom.h). The grid is kept, not owned. Collective over the space ranks.
 */
SN_MUST_CHECK sn_status sn_fourier_create(const sn_grid *grid, ptrdiff_t fields, sn_fourier_rigor rigor,
                                          sn_fourier **out);
void sn_fourier_destroy(sn_fourier **fourier);

/* Shape of the coefficient array on this rank. */
ptrdiff_t sn_fourier_spectra(const sn_fourier *fourier);
ptrdiff_t sn_fourier_modes(const sn_fourier *fourier);
ptrdiff_t sn_fourier_spectrum_stride(const sn_fourier *fourier);
ptrdiff_t sn_fourier_mode_stride(const sn_fourier *fourier);

/* Numbers to allocate for a coefficient array (at least spectra * modes; FFTW-MPI may need more). */
ptrdiff_t sn_fourier_size(const sn_fourier *fourier);

/* Signed wave number of local mode m: 0 .. points/2 or -(points-1)/2 .. -1; points/2 for the unpaired Nyquist mode. */
ptrdiff_t sn_fourier_wave_number(const sn_fourier *fourier, ptrdiff_t mode);

/* How many modes of the full spectrum local mode m stands for: 2 where its conjugate is left out, else 1. */
int sn_fourier_multiplicity(const sn_fourier *fourier, ptrdiff_t mode);

/*
 * Where a layout holds both a coefficient and its conjugate, restores that relation: round-off breaks it, and a part
 * that no real field has is seen by no transform but grows where a symbol amplifies. Local.
 */
void sn_fourier_make_real(const sn_fourier *fourier, double complex *coefficients);

/*
 * real (fields, local points), row-major, to coefficients, unnormalized: c_m = sum_j u_j exp(-2 pi i m j / points).
 * `real` is left as it is. Collective over the space ranks.
 */
SN_MUST_CHECK sn_status sn_fourier_forward(sn_fourier *fourier, const double *real, double complex *coefficients);

/* Coefficients to real, divided by points. Destroys the coefficients. Collective over the space ranks. */
SN_MUST_CHECK sn_status sn_fourier_inverse(sn_fourier *fourier, double complex *coefficients, double *real);

/*
 * `stages` times: coefficients of the fields to those of their pointwise squares, in place, then a callback, which may
 * change them. A callback is called for one piece of the coefficient array after the other, numbers first .. first +
 * count
 * - 1, while they are in the cache; a piece is within one spectrum where mode_stride is 1. No redistribution, since the
 * grid points stay where the transforms have them. Collective over the space ranks.
 */
typedef void (*sn_fourier_callback)(void *context, ptrdiff_t stage, ptrdiff_t first, ptrdiff_t count);
SN_MUST_CHECK sn_status sn_fourier_pseudospectral_squares(sn_fourier *fourier, double complex *coefficients,
                                                          ptrdiff_t stages, sn_fourier_callback callback,
                                                          void *context);

/*
 * A product in two steps: coefficients (destroyed) to the fields' values where the
 * transforms have them, divided by points, and back. An array of sn_fourier_values doubles, from sn_memory_alloc, holds
 * them in the transforms' order; what is not a field's stays 0 under products. Collective over the space ranks.
 */
ptrdiff_t sn_fourier_values(const sn_fourier *fourier);
SN_MUST_CHECK sn_status sn_fourier_to_values(sn_fourier *fourier, double complex *coefficients, double *values);
SN_MUST_CHECK sn_status sn_fourier_from_values(sn_fourier *fourier, const double *values, double complex *coefficients);

/*
 * What transforms of `fields` fields of so many points cost on one of so many space ranks, by formula: means over the
 * ranks, and what the one with most sends and holds; exact, but where points have no two factors for so many ranks.
 * Local.
 */
typedef struct {
  double messages;       /* to other ranks, in all transposes of a transform, or in a redistribution */
  double transpose;      /* bytes sent in the transposes of a transform */
  double redistribution; /* bytes sent where values come from blocks of the grid, or go there */
  double transpose_most, redistribution_most; /* bytes there and back, sent by the rank with most */
  double forward_most;                        /* bytes of both on the way to the coefficients */
  double numbers, private;                    /* doubles in a coefficient array, and in the sn_fourier itself */
  ptrdiff_t n1;                               /* points = n1 n2, over several ranks; 0: FFTW transforms the whole */
} sn_fourier_cost;

sn_fourier_cost sn_fourier_estimate_cost(ptrdiff_t points, int ranks, ptrdiff_t fields);

/* Multiplies every spectrum by a symbol given on the local modes. Local. */
void sn_fourier_scale(const sn_fourier *fourier, const double complex *symbol, double complex *coefficients);

/*
 * Real fields to those whose coefficients are theirs times a symbol given on the local modes; `to` may be `from`.
 * The array of coefficients holds nothing of meaning afterwards. Collective over the space ranks.
 */
SN_MUST_CHECK sn_status sn_fourier_filter(sn_fourier *fourier, const double complex *symbol, const double *from,
                                          double complex *coefficients, double *to);

/* |c|^2 */
static inline double sn_fourier_power(double complex c) { return creal(c) * creal(c) + cimag(c) * cimag(c); }

/*
 * Sets to 0 what is no more than round-off: coefficients below 16 eps times the largest. (Errors of a transform are
 * not spread evenly: single coefficients may be off by some eps of the largest.) Collective over the space ranks.
 */
void sn_fourier_denoise(const sn_fourier *fourier, double complex *coefficients);

/*
 * Sum over the fields of (1/points) sum_j u_j^2 restricted to wave numbers low <= |m| <= high, from coefficients
 * (Parseval). Collective over the space ranks; the same on all.
 */
double sn_fourier_energy(const sn_fourier *fourier, const double complex *coefficients, ptrdiff_t low, ptrdiff_t high);

#endif
