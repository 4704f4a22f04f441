/*
 * Is a generated trajectory resolved? Two figures, the worst over the snapshots:
 *
 * tail    share of the energy in the top third of the spectrum: what the grid cuts off is smaller still;
 * budget  how far the energy budget is from closing. The product in u_t = -u_xx - u_xxxx - (u^2)_x / 2 moves energy
 *         between modes and makes none, so over the last two steps before a snapshot
 *             energy(t) - energy(t - 2 dt) = integral of production - dissipation,
 *         the integral by Simpson's rule, whose error is of the order of ETDRK4's own. The difference, relative to the
 *         energy dissipated, shows aliasing (power that the discrete product creates) and too large a dt alike.
 *
 * The budget cannot show missing modes where dealiasing makes the product conserve energy at any resolution, and the
 * tail cannot show a large dt: both are needed. Cost: three balances (sinode/etdrk4.h) a snapshot. The
 * initial state is not judged: it is not the generator's product.
 */
#ifndef SINODE_KS_RESOLUTION_H
#define SINODE_KS_RESOLUTION_H

#include <stdbool.h>
#include <stddef.h>

#include "sinode/error.h"
#include "sinode/etdrk4.h"

/* Start from all zeros. */
typedef struct {
  double tail, budget;           /* the worst so far */
  double tail_time, budget_time; /* when */
  struct {
    sn_ks_balance balance;
    ptrdiff_t step;
  } last[3]; /* the latest balances, oldest first */
  int held;  /* of them */
} sn_ks_resolution;

/* Advances by so many steps (at least one) like sn_etdrk4_step and judges the last ones. Collective over world. */
SN_MUST_CHECK sn_status sn_ks_resolution_step(sn_ks_resolution *resolution, sn_etdrk4 *etdrk4, ptrdiff_t steps);

/*
 * Whether both figures are within their limits, tail 1e-4 and budget 1e-3, and one line for the user in text (size
 * bytes). At these limits the smallest structures are off by a percent, statistics by less. Local.
 */
bool sn_ks_resolution_verdict(const sn_ks_resolution *resolution, char *text, size_t size);

#endif
