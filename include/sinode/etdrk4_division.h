/*
 * How the local way of ETDRK4 divides a grid into overlapping subdomains (sinode/subdomains.h): by trying. The step's
 * own operators advance a field of the attractor on a periodic grid, and the same field with its ends tapered; how far
 * from the ends the two differ is how far subdomains must overlap. That depends on the spacing, dt and dealiasing
 * alone; what the rank with most points then works and sends decides on the number of steps between two exchanges and
 * on the length of the subdomains.
 */
#ifndef SINODE_ETDRK4_DIVISION_H
#define SINODE_ETDRK4_DIVISION_H

#include <stdbool.h>
#include <stddef.h>

#include "sinode/equation.h"
#include "sinode/error.h"
#include "sinode/fourier.h"
#include "sinode/name.h"

/* auto is whoever's who creates the generator: to itself it is global. */
typedef enum { SN_ETDRK4_GLOBAL, SN_ETDRK4_LOCAL, SN_ETDRK4_AUTO } sn_etdrk4_transform;

extern const sn_name sn_etdrk4_transforms[];

typedef struct {
  double length; /* of the domain */
  double dt;
  bool dealias;
  const sn_equation *equation; /* kept, not owned; NULL: Kuramoto-Sivashinsky's */
  ptrdiff_t first_member;      /* of this replica, in the ensemble */
  sn_fourier_rigor rigor;
  sn_etdrk4_transform transform;
} sn_etdrk4_options;

/* No overlap is shorter: the taper has so many points, less a few. */
enum { SN_ETDRK4_OVERLAP_LEAST = 56 };

typedef struct {
  ptrdiff_t overlap, taper, length; /* points, of a subdomain */
  ptrdiff_t steps;                  /* at most, after one exchange of overlaps */
  double error;                     /* that this overlap left in so many steps, relative to max |u| */
} sn_etdrk4_division;

/*
 * For the rank with most of `points` points over so many space ranks. Takes some hundredths of a second. Local, alike
 * on all ranks. Errors SN_ERROR_USAGE, with the figure: no overlap leaves an error of at most 1e-12, since the grid is
 * too fine or does not resolve the field; the overlap is longer than a rank's block.
 */
SN_MUST_CHECK sn_status sn_etdrk4_divide(const sn_etdrk4_options *options, ptrdiff_t points, int ranks,
                                         sn_etdrk4_division *out);

#endif
