/*
 * Coordinates that should be evenly spaced: whether they are, as far as what is stored can tell. Numbers are stored
 * with a precision, and often with few decimal digits.
 */
#ifndef SINODE_IO_AXIS_H
#define SINODE_IO_AXIS_H

#include <mpi.h>
#include <stddef.h>

#include "cf_variable.h"

/* By how much a stored value may be off. */
typedef struct {
  double stored;  /* by the precision of its type */
  double rounded; /* by decimal digits; 0: as many as the type has */
  int digits;     /* behind the point */
} sn_axis_error;

/* Of values that are spread over a communicator, which is collective; or of all of them, with MPI_COMM_SELF. */
sn_axis_error sn_axis_find_error(MPI_Comm comm, const sn_cf_variable *variable, ptrdiff_t count, const double *values);

/* An interval [low, high] of spacings. */
typedef struct {
  double low, high;
} sn_axis_spacings;

/*
 * The spacings h with |values[k] - origin - k h| <= error for k = first .. first + count - 1, k > 0; none: low > high.
 * To be intersected over ranks. Local.
 */
sn_axis_spacings sn_axis_fit(ptrdiff_t first, ptrdiff_t count, const double *values, double origin, double error);

/* The number with the smallest denominator between two, 0 < low <= high: 1/3 between 0.3333 and 0.3334. Local. */
double sn_axis_simplest(double low, double high);

/* Two numbers with as many digits as it takes to tell them apart, into texts of 32 bytes. Local. */
void sn_axis_print_apart(double one, double other, char *text, char *other_text);

#endif
