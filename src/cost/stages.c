#include "cost.h"
#include "sinode/exponential_form.h"

/* As src/time/exponential_steps.c: u and every F_j there; every stage but the first, which is u, and the solution back.
 */
static sn_cost_stages count_exponential(const sn_tableau *tableau, bool has_network, bool estimates) {
  const sn_exponential_form form = sn_exponential_form_of(tableau);
  const bool embedded = estimates && sn_tableau_is_embedded(tableau);
  bool used[SN_TABLEAU_STAGES];
  sn_cost_stages found = {.functions = form.functions, .transforms = 2};
  if (!has_network) return found;
  found.evaluations = sn_exponential_form_used(&form, embedded, used);
  found.transforms = 2 * found.evaluations + 1 + embedded;
  return found;
}

/* Weights of stage j in row i, or in the solution beside the last stage where that has A's part of it already. */
static double nonlinear_weight(const sn_tableau *tableau, bool from_last, int i, int j) {
  const double weight = sn_tableau_nonlinear(tableau, i, j);
  return i == tableau->stages && from_last ? weight - sn_tableau_nonlinear(tableau, i - 1, j) : weight;
}

/* As src/time/imex.c finds out what it needs: from the last stage on, what a later row takes of an earlier stage. */
sn_cost_stages sn_cost_count_stages(const sn_tableau *tableau, double dt, bool has_network, bool estimates) {
  if (tableau->kind == SN_TABLEAU_EXPONENTIAL) return count_exponential(tableau, has_network, estimates);
  const int stages = tableau->stages;
  const bool from_last = sn_tableau_is_stiffly_accurate(tableau);
  const bool embedded = estimates && sn_tableau_is_embedded(tableau);
  bool used[SN_TABLEAU_STAGES] = {false};
  sn_cost_stages found = {0};
  for (int j = stages - 1; j >= 0; j--) {
    const double gamma = dt * sn_tableau_linear(tableau, j, j);
    bool needs_f = embedded && has_network && tableau->embedded[j] != 0,
         needs_h = embedded && tableau->embedded[j] != 0;
    for (int i = j + 1; i <= stages; i++) {
      if (i < stages && !used[i]) continue;
      needs_f |= has_network && nonlinear_weight(tableau, from_last, i, j) != 0;
      needs_h |= !(i == stages && from_last) && sn_tableau_linear(tableau, i, j) != 0;
    }
    used[j] = needs_f || needs_h || (from_last && j == stages - 1);
    if (!used[j]) continue;
    found.evaluations += needs_f;
    found.solves += gamma != 0;
    found.applies |= gamma == 0 && needs_h;
    found.starts_with_solve = gamma != 0;
  }
  int solve[SN_TABLEAU_STAGES];
  found.gammas = sn_tableau_gammas(tableau, dt, used, found.gamma, solve);
  return found;
}
