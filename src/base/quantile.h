/* Quantiles of a few numbers. All local. */
#ifndef SINODE_BASE_QUANTILE_H
#define SINODE_BASE_QUANTILE_H

#include <stddef.h>

/* Sorts, the smallest first. */
void sn_quantile_sort(ptrdiff_t count, double *values);

/* The value that `part` of the sorted values are below, by linear interpolation. */
double sn_quantile(ptrdiff_t count, const double *sorted, double part);

#endif
