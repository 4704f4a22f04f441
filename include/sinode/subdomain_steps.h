/*
 * Where the time steps of a Runge-Kutta scheme are made. On the whole grid, solves and networks exchange what they need
 * stage by stage. On subdomains (sinode/subdomains.h), a whole step is made on one after the other, in the cache, with
 * an overlap as wide as a step reaches: one exchange with the neighbours a step, whatever the stages, and nothing else.
 * That is for schemes of a fixed step and models whose step depends on a limited number of points: a stencil, with a
 * convolution, a product or no network.
 */
#ifndef SINODE_SUBDOMAIN_STEPS_H
#define SINODE_SUBDOMAIN_STEPS_H

#include <stddef.h>

#include "sinode/error.h"
#include "sinode/linear.h"
#include "sinode/name.h"
#include "sinode/network.h"
#include "sinode/tableau.h"

/* auto: on subdomains where that is possible and the domain is so long that it is faster. */
typedef enum { SN_STEPS_AUTO, SN_STEPS_WHOLE_GRID, SN_STEPS_SUBDOMAINS } sn_step_domain;

extern const sn_name sn_step_domains[];

typedef struct {
  sn_step_domain domain;
  ptrdiff_t length; /* points of a subdomain, overlaps included; 0: chosen */
  double tolerance; /* what part of a step's kernel may be beyond the overlap; 0: 1e-15 */
} sn_subdomain_control;

/* How the longest block of a rank is cut. */
typedef struct {
  ptrdiff_t overlap; /* points; 0: steps are made on the whole grid, the others are 0 as well */
  ptrdiff_t length, count;
} sn_subdomain_plan;

/*
 * The plan for steps of dt over so many space ranks. `linear` has the coefficients, on a grid of as many points. Local,
 * alike on all ranks. Error SN_ERROR_USAGE: subdomains are asked for but a step reaches too far, with what would do.
 */
SN_MUST_CHECK sn_status sn_subdomain_steps_plan(const sn_linear *linear, const sn_network_shape *network,
                                                const sn_tableau *tableau, double dt,
                                                const sn_subdomain_control *control, int ranks, sn_subdomain_plan *out);

/* Messages a rank sends in an exchange over so many space ranks, and their bytes for so many samples. Local. */
int sn_subdomain_messages(int ranks);
double sn_subdomain_bytes(const sn_subdomain_plan *plan, int ranks, ptrdiff_t samples);

#endif
