/* Whether numbers are finite, for whole arrays. Local. */
#ifndef SINODE_FINITE_H
#define SINODE_FINITE_H

#include <stdbool.h>
#include <stddef.h>

/* No early exit, so that it vectorizes. */
bool sn_all_finite(ptrdiff_t count, const double *values);

#endif
