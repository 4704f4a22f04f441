/* Checked size arithmetic: what can pass 2^63 here, or 2^31 in a library, is tested before it is used. All local. */
#ifndef SINODE_COUNT_H
#define SINODE_COUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "sinode/error.h"

/* false if an operand is negative or the result does not fit. */
bool sn_count_multiply(ptrdiff_t a, ptrdiff_t b, ptrdiff_t *result);
bool sn_count_add(ptrdiff_t a, ptrdiff_t b, ptrdiff_t *result);

/* value as the int a library takes; SN_ERROR_RUN naming `what` if it does not fit. */
SN_MUST_CHECK sn_status sn_count_to_int(ptrdiff_t value, const char *what, int *result);

#endif
