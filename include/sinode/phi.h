/*
 * The phi-functions of exponential integrators, and sums of them:
 *
 *   phi_0(z) = e^z,   phi_k+1(z) = (phi_k(z) - 1/k!) / z,   phi_k(0) = 1/k!
 *
 * All local.
 */
#ifndef SINODE_PHI_H
#define SINODE_PHI_H

#include <complex.h>
#include <stdbool.h>

/* The highest function; the most terms of a sum. */
enum { SN_PHI_MOST = 4, SN_PHI_TERMS = 12 };

/* phi_k(z) and phi_k'(z), k = 0 .. SN_PHI_MOST, to about 1e-14 of phi_k(Re z) for every z. */
typedef struct {
  double complex value[SN_PHI_MOST + 1], derivative[SN_PHI_MOST + 1];
} sn_phi_values;
sn_phi_values sn_phi(double complex z);

/* factor phi_k(c z) */
typedef struct {
  double factor;
  int k;
  double c;
} sn_phi_term;

typedef struct {
  int terms;
  sn_phi_term term[SN_PHI_TERMS];
} sn_phi_sum;

/* sum += factor phi_k(c z), joined with a term of the same function. */
void sn_phi_sum_add(sn_phi_sum *sum, double factor, int k, double c);

/* Whether one sum is a multiple of the other: one = factor other. */
bool sn_phi_sum_is_multiple(const sn_phi_sum *one, const sn_phi_sum *other, double *factor);

/* The values at z of so many sums, and unless NULL their derivatives by z. */
void sn_phi_sums(int count, const sn_phi_sum *sum, double complex z, double complex *value, double complex *derivative);

#endif
