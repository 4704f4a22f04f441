/*
 * Generator of trajectories of Kuramoto-Sivashinsky, u_t = -u_xx - u_xxxx - (u^2)_x / 2, and of other equations
 * (sinode/equation.h), periodic: Fourier in space, ETDRK4 in time (Cox, Matthews 2002), its coefficients by contour
 * integrals (Kassam, Trefethen 2005). Many members at once: those of this replica, over its space ranks.
 *
 * First derivatives drop the Nyquist mode, even ones keep it. Dealiased, the product is formed from the modes
 * |m| <= points / 3 (with u^3 |m| < points / 4) and enters only these; the others decay by themselves.
 *
 * Two ways. global: the whole grid is transformed, the state stays in Fourier space between steps, and a step costs its
 * eight transforms and four stages. local: what a step's operators read decays exponentially with the distance,
 * whatever the grid, so overlapping, tapered subdomains (sinode/subdomains.h) are advanced one after the other, each by
 * transforms of its own in the cache; some steps after one exchange of overlaps with the neighbours, nothing else is
 * sent. Neither allocates anything in a step.
 *
 * Where two subdomains meet, both have values: local compares them in every exchange.
 */
#ifndef SINODE_ETDRK4_H
#define SINODE_ETDRK4_H

#include <stdbool.h>
#include <stddef.h>

#include "sinode/error.h"
#include "sinode/etdrk4_division.h"
#include "sinode/grid.h"
#include "sinode/stop_request.h"

typedef struct sn_etdrk4 sn_etdrk4;

/*
 * For the `members` of this replica, which may be none. The grid is kept, not owned; the state is 0. Collective over
 * Errors SN_ERROR_USAGE: those of sn_etdrk4_divide.
 */
SN_MUST_CHECK sn_status sn_etdrk4_create(const sn_grid *grid, ptrdiff_t members, const sn_etdrk4_options *options,
                                         sn_etdrk4 **out);
void sn_etdrk4_destroy(sn_etdrk4 **etdrk4);

/* How the local way divides the grid; NULL: the way is global. Local. */
const sn_etdrk4_division *sn_etdrk4_get_division(const sn_etdrk4 *etdrk4);

/*
 * What a step of `members` members costs on one of so many space ranks, by formula: messages and bytes sent, means over
 * the ranks and of the rank with most; bytes held by the object, of the rank with most. division NULL: global. Local.
 */
typedef struct {
  double messages, sent, most, held;
} sn_etdrk4_cost;

sn_etdrk4_cost sn_etdrk4_estimate_cost(const sn_equation *equation, const sn_etdrk4_division *division,
                                       ptrdiff_t points, int ranks, ptrdiff_t members);

/*
 * The state (members, local points). Setting it also sets the number of steps done, which is not 0 where a run is
 * continued. Collective over space.
 */
SN_MUST_CHECK sn_status sn_etdrk4_set_state(sn_etdrk4 *etdrk4, const double *state, ptrdiff_t steps_done);
SN_MUST_CHECK sn_status sn_etdrk4_get_state(sn_etdrk4 *etdrk4, double *state);

/* Advances all members by so many steps. Collective over space. */
SN_MUST_CHECK sn_status sn_etdrk4_step(sn_etdrk4 *etdrk4, ptrdiff_t steps);

ptrdiff_t sn_etdrk4_steps_done(const sn_etdrk4 *etdrk4);
double sn_etdrk4_time(const sn_etdrk4 *etdrk4); /* steps done * dt */
double sn_etdrk4_dt(const sn_etdrk4 *etdrk4);

/* The energy budget d(energy)/dt = production - dissipation; means over x and all members of all replicas. */
typedef struct {
  double energy;      /* u^2 / 2 */
  double production;  /* u_x^2; of other equations, what derivatives and terms add to u^2 / 2 */
  double dissipation; /* u_xx^2; what derivatives take from it */
  double tail;        /* share of the wave-like energy, m /= 0, in the top third of the modes that interact */
} sn_ks_balance;

/*
 * The balance of the present state; without members, zeros. Local: from sums over the grid, by four transforms of every
 * subdomain. One reduction, and local one over space before; collective over world.
 */
SN_MUST_CHECK sn_status sn_etdrk4_balance(sn_etdrk4 *etdrk4, sn_ks_balance *balance);

/*
 * Error SN_ERROR_RUN, the same on all ranks, if the run has blown up: the root mean square of the state is not finite
 * or beyond 1e4 (on the attractor it is about 1.3, whatever the domain); or if neighbouring subdomains have differed by
 * more than 1e-9 where they meet, since the state was set. *request is this rank's and becomes what all
 * have, in the same reduction; NULL: none has one. Collective over world.
 */
SN_MUST_CHECK sn_status sn_etdrk4_check(sn_etdrk4 *etdrk4, sn_stop_request *request);

/*
 * The coefficients themselves (local: the values), `count` doubles of this rank: what a run that goes on to the bit
 * must begin with, where the state would bring round-off. Their layout is that of the same split only. Local.
 */
double *sn_etdrk4_coefficients(sn_etdrk4 *etdrk4, ptrdiff_t *count);
void sn_etdrk4_set_steps_done(sn_etdrk4 *etdrk4, ptrdiff_t steps_done);

#endif
