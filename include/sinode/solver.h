/*
 * Solvers for (I - gamma A) x = r and (I - gamma A)^T x = r, many right-hand sides at once, for the few distinct gamma
 * of a scheme: (samples, local points), row-major, in place, on the space ranks of a replica.
 *
 *   fft     circulant A: divides by the symbol, two transforms a solve.
 *   banded  stencil: Cholesky or LU of the band (LAPACK on one rank, else ScaLAPACK), periodic corners by a low-rank
 *           update.
 *   dense   LU: LAPACK on one rank, else ScaLAPACK on a near-square process grid, block-cyclic.
 *   gmres   any A, matrix-free, to a tolerance.
 *   local   circulant A whose (I - gamma A)^-1 has a kernel that decays within a rank's block: overlapping subdomains,
 *           each solved by itself in its Fourier basis; one exchange with each neighbour.
 *   auto    for a fixed stencil on 1024 points or more: local over several ranks, or from 2^15 points on, where a block
 *           is at least twice the overlap; banded over five or more ranks where it loses no more than 1e-13 of I. Else
 *           fft where A is circulant; else dense where its factors fit into half of the memory there is; else gmres.
 *
 * The overlap of local is the least that keeps what lies beyond it in the kernels of all gamma below overlap_tolerance,
 * by a bound. It belongs to a version of A: if A is trained, it is found again for each version, and the subdomains are
 * made anew where it is another; where it would be longer than the shortest block, the factorization is an error.
 *
 * dense holds N^2 / S numbers a gamma, and N^2 / S with the buffers of their redistribution while it factors (for good
 * if A can be trained).
 *
 * Factorizations are made once per gamma and version of A, when first needed, and counted.
 */
#ifndef SINODE_SOLVER_H
#define SINODE_SOLVER_H

#include <stdbool.h>
#include <stddef.h>

#include "sinode/error.h"
#include "sinode/fourier.h"
#include "sinode/grid.h"
#include "sinode/linear.h"
#include "sinode/name.h"

/* Every kind but auto: its name in files, and its functions, which are private to src/linear. */
#define SN_SOLVERS(MEMBER)                             \
  MEMBER(SN_SOLVER_FFT, "fft", sn_solver_fft)          \
  MEMBER(SN_SOLVER_BANDED, "banded", sn_solver_banded) \
  MEMBER(SN_SOLVER_DENSE, "dense", sn_solver_dense)    \
  MEMBER(SN_SOLVER_GMRES, "gmres", sn_solver_gmres)    \
  MEMBER(SN_SOLVER_LOCAL, "local", sn_solver_local)

typedef enum { SN_SOLVER_AUTO, SN_SOLVERS(SN_NAME_CONSTANT) } sn_solver_kind;

extern const sn_name sn_solver_kinds[]; /* auto among them */

typedef struct {
  sn_solver_kind kind;
  sn_fourier_rigor rigor; /* of the plans of transforms */
  double tolerance;       /* gmres: |r - M x| <= tolerance |r|, sample by sample */
  int max_iterations;     /* gmres, all restarts together */
  bool precondition;      /* gmres: by the nearest circulant */
  /* local: max |error| <= overlap_tolerance max |r| times the maximum norm of (I - gamma A)^-1; 0: 1e-15 */
  double overlap_tolerance;
} sn_solver_options;

typedef struct sn_solver sn_solver;

const char *sn_solver_kind_name(sn_solver_kind kind);

/* Why a solver does not take a linear part of that kind, and what to use ("has no band; use fft"); NULL: it does.
 * Local.
 */
const char *sn_solver_unsupported_reason(sn_solver_kind solver, sn_linear_kind linear);

/*
 * A solver for `gammas` values gamma[0 ..], kept by value; linear is kept, not owned. Collective over world: auto looks
 * at the memory of all ranks. Error: fft asked for an A that is not circulant; banded for one that is no stencil, or
 * with too few points a rank; dense for one that has no matrix (spectral). Banded and dense also where I - gamma A as
 * an array loses its identity part, eps gamma |A| > 1e-6 in the maximum norm (16 gamma eps/dx^4 for the ks stencil):
 * the message names the figure and what would do; local where the kernel has not decayed to the tolerance within the
 * shortest block of a rank: the message names the figure. The latter two are looked at here if A has a version by now
 * (sn_linear_update was called), and again at each factorization.
 */
SN_MUST_CHECK sn_status sn_solver_create(const sn_grid *grid, sn_linear *linear, const sn_solver_options *options,
                                         int gammas, const double *gamma, sn_solver **out);
void sn_solver_destroy(sn_solver **solver);

/*
 * What sn_solver_create would choose for this A, were its grid split over so many space ranks with `memory` bytes for
 * each, and what a solve of `samples` right-hand sides would cost a rank, by formula (docs/performance.md). A dense
 * factorization sends more, which is not counted; gmres has no such formula. Error: as of sn_solver_create. Local.
 */
typedef struct {
  sn_solver_kind kind;
  const char *name;
  double messages, sent; /* of a solve: to other ranks, a reduction counted as one; bytes */
  double most;           /* bytes of the rank that sends most: as `sent`, but of fft, where that is the mean */
  double held;           /* bytes of factors */
  ptrdiff_t overlap, length, subdomains; /* local: points; points of a subdomain; how many the longest block has */
} sn_solver_cost;

SN_MUST_CHECK sn_status sn_solver_estimate_cost(const sn_linear *linear, const sn_solver_options *options, int ranks,
                                                double memory, int gammas, const double *gamma, ptrdiff_t samples,
                                                sn_solver_cost *out);

/* Prepares for solves with exactly `samples` right-hand sides; may be called for several counts. Collective over space.
 */
SN_MUST_CHECK sn_status sn_solver_reserve(sn_solver *solver, ptrdiff_t samples);

/* Factorizes for gamma[which] if A has changed since. A solve does it by itself. Collective over space. */
SN_MUST_CHECK sn_status sn_solver_factor(sn_solver *solver, int which);

/*
 * x := (I - gamma[which] A)^-1 x, or with the transpose, or of `from` (which may be x). samples must have been
 * reserved. Factorizes first if A has changed since. Collective over space. Error SN_ERROR_RUN: singular matrix, or
 * samples not reserved.
 */
SN_MUST_CHECK sn_status sn_solver_solve_from(sn_solver *solver, int which, ptrdiff_t samples, const double *from,
                                             double *x);
SN_MUST_CHECK sn_status sn_solver_solve(sn_solver *solver, int which, ptrdiff_t samples, double *x);
SN_MUST_CHECK sn_status sn_solver_solve_transpose(sn_solver *solver, int which, ptrdiff_t samples, double *x);

/* The kind, "fft" or the like, and one line for the user: which was chosen and why. */
const char *sn_solver_name(const sn_solver *solver);
const char *sn_solver_reason(const sn_solver *solver);

/* Factorizations so far (for fft and gmres: symbols inverted), and bytes of factors on this rank. */
long sn_solver_factorizations(const sn_solver *solver);
ptrdiff_t sn_solver_bytes(const sn_solver *solver);

#endif
