/* Units of time as CF has them (those of UDUNITS that are of one length), and what they are in seconds. */
#ifndef SINODE_IO_CF_UNITS_H
#define SINODE_IO_CF_UNITS_H

#include <stdbool.h>

/*
 * Seconds in a unit: "ms", "minutes", "days since 2000-01-01" (the date is where the count begins). Plain numbers ("",
 * "1", "dimensionless") count as seconds. 0: no unit of time of one length. Local.
 */
double sn_cf_seconds(const char *units);

/* Whether a unit is one of time, but not always of the same length: months, years. Local. */
bool sn_cf_is_calendar(const char *units);

#endif
