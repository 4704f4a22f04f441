/*
 * Multiplication of many real periodic fields by a symbol, wave number by wave number: transforms for several numbers
 * of fields, each planned once. Private to this folder.
 */
#ifndef SINODE_LINEAR_TRANSFORMS_H
#define SINODE_LINEAR_TRANSFORMS_H

#include <complex.h>
#include <stdbool.h>
#include <stddef.h>

#include "sinode/fourier.h"
#include "sinode/grid.h"

typedef struct sn_transforms sn_transforms;

/* Collective over space. */
sn_status sn_transforms_create(const sn_grid *grid, sn_fourier_effort effort, sn_transforms **out);
void sn_transforms_destroy(sn_transforms **transforms);

/* Plans for `fields` fields unless that was done before. Collective over space. */
sn_status sn_transforms_plan(sn_transforms *transforms, ptrdiff_t fields);
bool sn_transforms_is_planned(const sn_transforms *transforms, ptrdiff_t fields);

/* The wave numbers of this rank: the same for every number of fields. */
ptrdiff_t sn_transforms_modes(const sn_transforms *transforms);
ptrdiff_t sn_transforms_wave_number(const sn_transforms *transforms, ptrdiff_t mode);

/*
 * to = from with each wave number multiplied by symbol (one number a local mode, those of -m conjugate to m's). from
 * may be to. fields must have been planned. Collective over space.
 */
sn_status sn_transforms_multiply(sn_transforms *transforms, ptrdiff_t fields, const double complex *symbol,
                                 const double *from, double *to);

#endif
