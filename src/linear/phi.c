#include "sinode/phi.h"

#include <math.h>

/*
 * For |z| <= 1 a Taylor series of the last function and the recurrence downwards, phi_k = z phi_k+1 + 1/k!, neither of
 * which cancels; doubling from there,
 *
 *   phi_k(2z) = 2^-k (e^z phi_k(z) + sum_{j=1..k} phi_j(z) / (k - j)!),
 *
 * a sum of positive numbers for real z; beyond DOUBLED the recurrence upwards, which loses nothing where |z| >> k.
 * (Means over a circle round z, which serve as well, take 64 exponentials for each z; the doubling is also what the
 * functions of a matrix are made by.)
 */
enum { LAST = SN_PHI_MOST + 1, SERIES = 18, DISTINCT = 32 };
static const double doubled = 32;

static const double inverse_factorial[LAST + 1] = {1, 1, 1. / 2, 1. / 6, 1. / 24, 1. / 120};

static void series(double complex z, double complex value[LAST + 1]) {
  double complex term = inverse_factorial[LAST];
  value[LAST] = 0;
  for (int n = 1; n <= SERIES; n++) {
    value[LAST] += term;
    term *= z / (LAST + n);
  }
  for (int k = LAST - 1; k >= 0; k--) value[k] = z * value[k + 1] + inverse_factorial[k];
}

static void twice(double complex z, double complex value[LAST + 1]) {
  const double complex e = cexp(z);
  for (int k = LAST; k >= 1; k--) {
    double complex sum = e * value[k];
    for (int j = 1; j <= k; j++) sum += value[j] * inverse_factorial[k - j];
    value[k] = ldexp(1, -k) * sum;
  }
}

/* phi_k' = phi_k - k phi_k+1, where that does not cancel. */
static sn_phi_values near(double complex z) {
  double complex all[LAST + 1];
  sn_phi_values phi;
  int halvings = 0;
  while (ldexp(cabs(z), -halvings) > 1) halvings++;
  series(z * ldexp(1, -halvings), all);
  for (int n = halvings; n > 0; n--) twice(z * ldexp(1, -n), all);
  all[0] = cexp(z);
  for (int k = 0; k <= SN_PHI_MOST; k++) {
    phi.value[k] = all[k];
    phi.derivative[k] = all[k] - k * all[k + 1];
  }
  return phi;
}

/* z phi_k+1' = phi_k' - phi_k+1 */
static sn_phi_values far(double complex z) {
  sn_phi_values phi;
  phi.value[0] = phi.derivative[0] = cexp(z);
  for (int k = 0; k < SN_PHI_MOST; k++) {
    phi.value[k + 1] = (phi.value[k] - inverse_factorial[k]) / z;
    phi.derivative[k + 1] = (phi.derivative[k] - phi.value[k + 1]) / z;
  }
  return phi;
}

sn_phi_values sn_phi(double complex z) { return cabs(z) <= doubled ? near(z) : far(z); }

static bool is_same(const sn_phi_term *term, int k, double c) { return term->k == k && fabs(term->c - c) < 1e-14; }

void sn_phi_sum_add(sn_phi_sum *sum, double factor, int k, double c) {
  int i = 0;
  while (i < sum->terms && !is_same(&sum->term[i], k, c)) i++;
  if (i == sum->terms) sum->term[sum->terms++] = (sn_phi_term){0, k, c};
  const double old = sum->term[i].factor, joined = old + factor;
  sum->term[i].factor = joined;
  if (fabs(joined) <= 1e-14 * fabs(old) || joined == 0) sum->term[i] = sum->term[--sum->terms];
}

bool sn_phi_sum_is_multiple(const sn_phi_sum *one, const sn_phi_sum *other, double *factor) {
  if (one->terms != other->terms || !one->terms) return false;
  for (int i = 0; i < one->terms; i++) {
    const sn_phi_term *term = &one->term[i];
    int j = 0;
    while (j < other->terms && !is_same(&other->term[j], term->k, term->c)) j++;
    if (j == other->terms) return false;
    const double ratio = term->factor / other->term[j].factor;
    if (i == 0) *factor = ratio;
    if (fabs(ratio - *factor) > 1e-14 * fabs(ratio)) return false;
  }
  return true;
}

void sn_phi_sums(int count, const sn_phi_sum *sum, double complex z, double complex *value,
                 double complex *derivative) {
  double c[DISTINCT];
  sn_phi_values phi[DISTINCT];
  int distinct = 0;
  for (int f = 0; f < count; f++) {
    value[f] = 0;
    if (derivative) derivative[f] = 0;
    for (int t = 0; t < sum[f].terms; t++) {
      const sn_phi_term *term = &sum[f].term[t];
      int i = 0;
      while (i < distinct && c[i] != term->c) i++;
      if (i == distinct) {
        phi[distinct] = sn_phi(term->c * z);
        c[distinct++] = term->c;
      }
      value[f] += term->factor * phi[i].value[term->k];
      if (derivative) derivative[f] += term->factor * term->c * phi[i].derivative[term->k];
    }
  }
}
