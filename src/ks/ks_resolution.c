#include "sinode/ks_resolution.h"

#include <math.h>
#include <stdio.h>

static const double tail_most = 1e-4, budget_most = 1e-3;

/* The mismatch of the budget over the three balances held, or a negative number if they are not consecutive. */
static double mismatch(const sn_ks_resolution *resolution, double dt) {
  if (resolution->held < 3 || resolution->last[2].step - resolution->last[0].step != 2) return -1;
  const sn_ks_balance *a = &resolution->last[0].balance, *b = &resolution->last[1].balance,
                      *c = &resolution->last[2].balance;
  const double dissipated = dt / 3 * (a->dissipation + 4 * b->dissipation + c->dissipation);
  const double produced = dt / 3 * (a->production + 4 * b->production + c->production);
  const double scale = dissipated > 0 ? dissipated : c->energy;
  return scale > 0 ? fabs(c->energy - a->energy - produced + dissipated) / scale : 0;
}

static sn_status record(sn_ks_resolution *resolution, sn_etdrk4 *etdrk4) {
  const ptrdiff_t step = sn_etdrk4_steps_done(etdrk4);
  if (resolution->held && resolution->last[2].step == step) return SN_OK;
  resolution->last[0] = resolution->last[1];
  resolution->last[1] = resolution->last[2];
  SN_TRY(sn_etdrk4_balance(etdrk4, &resolution->last[2].balance));
  resolution->last[2].step = step;
  if (resolution->held < 3) resolution->held++;
  const double budget = mismatch(resolution, sn_etdrk4_dt(etdrk4)), tail = resolution->last[2].balance.tail;
  if (budget < 0) return SN_OK;
  if (budget > resolution->budget) {
    resolution->budget = budget;
    resolution->budget_time = sn_etdrk4_time(etdrk4);
  }
  if (tail > resolution->tail) {
    resolution->tail = tail;
    resolution->tail_time = sn_etdrk4_time(etdrk4);
  }
  return SN_OK;
}

sn_status sn_ks_resolution_step(sn_ks_resolution *resolution, sn_etdrk4 *etdrk4, ptrdiff_t steps) {
  const ptrdiff_t judged = steps < 2 ? steps : 2;
  if (steps > judged) SN_TRY(sn_etdrk4_step(etdrk4, steps - judged));
  SN_TRY(record(resolution, etdrk4));
  for (ptrdiff_t i = 0; i < judged; i++) {
    SN_TRY(sn_etdrk4_step(etdrk4, 1));
    SN_TRY(record(resolution, etdrk4));
  }
  return SN_OK;
}

bool sn_ks_resolution_verdict(const sn_ks_resolution *resolution, char *text, size_t size) {
  const bool fine = resolution->tail <= tail_most, closed = resolution->budget <= budget_most;
  const char *const advice = fine && closed ? "" : !fine ? "; use more grid.points" : "; use a smaller generate.dt";
  snprintf(text, size,
           "%sresolved: at most %.1e of the energy is in the top third of the spectrum (t = %g, limit %g), and the "
           "energy budget closes to %.1e (t = %g, limit %g)%s",
           fine && closed ? "" : "not ", resolution->tail, resolution->tail_time, tail_most, resolution->budget,
           resolution->budget_time, budget_most, advice);
  return fine && closed;
}
