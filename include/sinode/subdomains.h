/*
 * Overlapping subdomains (restricted additive Schwarz): the block of a space rank, cut into pieces of which each keeps
 * its own points and reads `overlap` points more on either side. An operator whose kernel has decayed within the
 * overlap can be applied to one subdomain after the other, each as if it were alone, and the kept points are those of
 * the whole grid. The points beyond this rank's block come from its neighbours in one exchange; all else is local.
 *
 * Every subdomain of a rank has the same length, so that one factorization or one plan of transforms serves all. It
 * reads the points first .. first + length - 1 of this rank's block, where first may be negative, and keeps some of
 * them, at least `overlap` points away from both ends. Where the block with both overlaps is shorter than the
 * subdomain, zeros follow.
 *
 * Tapered subdomains are multiplied by a smooth ramp from 0 to 1 over the outermost `taper` points of what they read:
 * so they are periodic, and a Fourier basis of the subdomain can be used (Israeli, Vozovoi, Averbuch 1993).
 */
#ifndef SINODE_SUBDOMAINS_H
#define SINODE_SUBDOMAINS_H

#include <stddef.h>

#include "sinode/error.h"
#include "sinode/grid.h"

typedef struct {
  ptrdiff_t overlap; /* points, >= 1 */
  ptrdiff_t taper;   /* points, <= overlap; 0: none */
  ptrdiff_t length;  /* of a subdomain, > 2 overlap; 0: that of the block with both overlaps, a single subdomain */
} sn_subdomains_options;

/* Subdomains of that length that a block of so many points needs. Local. */
ptrdiff_t sn_subdomains_needed(ptrdiff_t block, ptrdiff_t overlap, ptrdiff_t length);

/*
 * The length of subdomains with the least work in their transforms for a block, of those that FFTW takes well and that
 * are not much longer than the first-level cache; or than the overlap asks for. Local.
 */
ptrdiff_t sn_subdomains_choose_length(ptrdiff_t block, ptrdiff_t overlap);

typedef struct sn_subdomains sn_subdomains;

/*
 * For up to `rows` rows at once. The grid is kept, not owned. Collective over space. Error SN_ERROR_USAGE, the same on
 * all ranks: the overlap is longer than the shortest block of a rank.
 */
SN_MUST_CHECK sn_status sn_subdomains_create(const sn_grid *grid, const sn_subdomains_options *options, ptrdiff_t rows,
                                             sn_subdomains **out);
void sn_subdomains_destroy(sn_subdomains **subdomains);

/* Subdomains of this rank, and their length. Local. */
ptrdiff_t sn_subdomains_count(const sn_subdomains *subdomains);
ptrdiff_t sn_subdomains_length(const sn_subdomains *subdomains);

/* The points of this rank's block that subdomain i keeps. Local. */
sn_range sn_subdomains_kept(const sn_subdomains *subdomains, ptrdiff_t i);

/* The place of the first of these in the subdomain. Local. */
ptrdiff_t sn_subdomains_offset(const sn_subdomains *subdomains, ptrdiff_t i);

/* The overlaps beyond this rank's block of values (rows, local points): one message to each neighbour. Collective over
 * space. */
SN_MUST_CHECK sn_status sn_subdomains_exchange(sn_subdomains *subdomains, ptrdiff_t rows, const double *values);

/*
 * subdomain (length) := what subdomain i reads of row `row` of the values that were exchanged, which are given once
 * more; tapered. Local.
 */
void sn_subdomains_read(const sn_subdomains *subdomains, ptrdiff_t i, ptrdiff_t row, const double *values,
                        double *subdomain);

/* The points that subdomain i keeps, to row `row` of values (rows, local points). Local. */
void sn_subdomains_write(const sn_subdomains *subdomains, ptrdiff_t i, ptrdiff_t row, const double *subdomain,
                         double *values);

/*
 * The transposes, for adjoints. read_bar := derivative by what subdomain i writes, from those by the values: 0 but for
 * the kept points. Local. add: derivatives by what subdomain i has read, times the taper, to those by the values, of
 * which those beyond this rank's block are collected: zero them before the first (begin_add), and let the last be
 * followed by end_add, which brings them to their ranks. Collective over space: end_add.
 */
void sn_subdomains_write_transpose(const sn_subdomains *subdomains, ptrdiff_t i, ptrdiff_t row,
                                   const double *value_bars, double *subdomain_bar);
void sn_subdomains_begin_add(sn_subdomains *subdomains, ptrdiff_t rows);
void sn_subdomains_add(sn_subdomains *subdomains, ptrdiff_t i, ptrdiff_t row, const double *subdomain_bar,
                       double *value_bars);
SN_MUST_CHECK sn_status sn_subdomains_end_add(sn_subdomains *subdomains, ptrdiff_t rows, double *value_bars);

#endif
