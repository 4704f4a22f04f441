/*
 * Multiplication of many real periodic fields by symbols, wave number by wave number: transforms for several numbers of
 * fields, each planned once, and several symbols, each evaluated when it changes. Private to this folder.
 */
#ifndef SINODE_LINEAR_TRANSFORMS_H
#define SINODE_LINEAR_TRANSFORMS_H

#include <complex.h>
#include <stdbool.h>
#include <stddef.h>

#include "sinode/fourier.h"
#include "sinode/grid.h"

typedef struct sn_transforms sn_transforms;

/* Symbol number `index` at signed wave number m; that of -m is its conjugate. */
typedef sn_status (*sn_transforms_symbol)(const void *context, int index, ptrdiff_t m, double complex *value);

/* The most fields that are transformed together. Local. */
ptrdiff_t sn_transforms_packet(ptrdiff_t points, int ranks);

/* For `symbols` symbols given by a function of context (kept, not owned). Collective over space. */
SN_MUST_CHECK sn_status sn_transforms_create(const sn_grid *grid, sn_fourier_rigor rigor, int symbols,
                                             sn_transforms_symbol evaluate, const void *context, sn_transforms **out);
void sn_transforms_destroy(sn_transforms **transforms);

/* Plans for `fields` fields unless that was done before. Collective over space. */
SN_MUST_CHECK sn_status sn_transforms_plan(sn_transforms *transforms, ptrdiff_t fields);
bool sn_transforms_is_planned(const sn_transforms *transforms, ptrdiff_t fields);

/*
 * Which symbols fields have: number index + stride * row[f modulo count] is field f's, index itself where row is NULL.
 * Over several ranks fields may share coefficients, and then cannot have symbols of their own: kept apart, none do in
 * plans that are made from now on. Local.
 */
typedef struct {
  const int *row; /* (count) */
  ptrdiff_t count;
  int stride;
} sn_transforms_rows;
void sn_transforms_keep_apart(sn_transforms *transforms);

/* The same, for multiplication by symbols of their own, kept apart or not. */
SN_MUST_CHECK sn_status sn_transforms_plan_rows(sn_transforms *transforms, ptrdiff_t fields);
bool sn_transforms_rows_are_planned(const sn_transforms *transforms, ptrdiff_t fields);

/* For another number of symbols, none of which is evaluated; plans are kept. Collective over space. */
SN_MUST_CHECK sn_status sn_transforms_resize(sn_transforms *transforms, int symbols);

/*
 * Evaluates `count` symbols, wave number by wave number: at first, and when they have changed. Error: that of the
 * function. Collective over space.
 */
SN_MUST_CHECK sn_status sn_transforms_evaluate(sn_transforms *transforms, int first, int count);

/*
 * to = from multiplied by a symbol that was evaluated, or by its conjugate (the transpose). from may be to. fields must
 * have been planned. Collective over space.
 */
SN_MUST_CHECK sn_status sn_transforms_multiply(sn_transforms *transforms, int index, bool transpose, ptrdiff_t fields,
                                               const double *from, double *to);

/* The same, of fields with symbols of their own; planned by sn_transforms_plan_rows. */
SN_MUST_CHECK sn_status sn_transforms_multiply_rows(sn_transforms *transforms, int index,
                                                    const sn_transforms_rows *rows, bool transpose, ptrdiff_t fields,
                                                    const double *from, double *to);

/*
 * Fields that stay in Fourier space: numbers of an array (from sn_memory_alloc, or 64-byte aligned) of the coefficients
 * of `fields` fields, which must have been planned, and the way there and back, which uses them up. Collective over
 * space. Fields with symbols of their own are kept apart.
 */
ptrdiff_t sn_transforms_size(const sn_transforms *transforms, ptrdiff_t fields);
SN_MUST_CHECK sn_status sn_transforms_forward(sn_transforms *transforms, ptrdiff_t fields, const double *values,
                                              double complex *coefficients);
SN_MUST_CHECK sn_status sn_transforms_inverse(const sn_transforms *transforms, ptrdiff_t fields,
                                              double complex *coefficients, double *values);

/*
 * values = sum of weight symbol coefficients over the terms, or of their conjugates (the transpose). sum: coefficients
 * that hold nothing of meaning afterwards. Collective over space.
 */
typedef struct {
  int symbol;
  double weight;
  const double complex *coefficients;
} sn_transforms_term;
SN_MUST_CHECK sn_status sn_transforms_sum(sn_transforms *transforms, const sn_transforms_rows *rows, bool transpose,
                                          ptrdiff_t fields, int terms, const sn_transforms_term *term,
                                          double complex *sum, double *values);

/* Makes a symbol the product of two others. Local. */
void sn_transforms_compose(sn_transforms *transforms, int first, int second, int product);

/*
 * For derivatives by a symbol. correlate: sum += weight conj(symbol) left conj(right), coefficient by coefficient.
 * Local. add_fields: transforms the sum (used up) back and adds its fields up, to kernel (local points); values
 * (fields, local points) is for work; of fields with symbols of their own, sn_transforms_inverse has kernels one by
 * one. Then, D(s) being the operator with the symbol s, for every ds
 *
 *   sum over the fields of weight left^T D(symbol ds) right = kernel^T D(ds) (unit impulse at point 0)
 *
 * Collective over space.
 */
void sn_transforms_correlate(const sn_transforms *transforms, int index, const sn_transforms_rows *rows,
                             ptrdiff_t fields, double weight, const double complex *left, const double complex *right,
                             double complex *sum);
SN_MUST_CHECK sn_status sn_transforms_add_fields(sn_transforms *transforms, ptrdiff_t fields, double complex *sum,
                                                 double *values, double *kernel);

/*
 * Makes a symbol of the operator's first column, for `fields` fields, or of theirs the symbols of their own; the other
 * arrays are for work. Collective over space.
 */
SN_MUST_CHECK sn_status sn_transforms_set_kernel(sn_transforms *transforms, int index, const sn_transforms_rows *rows,
                                                 ptrdiff_t fields, const double *kernel, double *values,
                                                 double complex *coefficients);

/* Bytes of symbols on this rank. */
ptrdiff_t sn_transforms_bytes(const sn_transforms *transforms);

#endif
