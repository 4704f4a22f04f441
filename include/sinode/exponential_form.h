/*
 * An exponential Runge-Kutta scheme for du/dt = G(u) + A u, with z = dt A:
 *
 *   U_i   = e^{c_i z} u_n + dt sum_{j<i} a_ij(z) G(U_j)
 *   u_n+1 = e^z u_n + dt sum_j b_j(z) G(U_j)
 *
 * written with as few functions as it needs: a weight is a function times a number, and functions that are multiples of
 * one another are one. All local.
 */
#ifndef SINODE_EXPONENTIAL_FORM_H
#define SINODE_EXPONENTIAL_FORM_H

#include <complex.h>

#include "sinode/tableau.h"

enum { SN_EXPONENTIAL_FUNCTIONS = 40, SN_EXPONENTIAL_NONE = -1 };

/* factor function(z); function SN_EXPONENTIAL_NONE: 0. */
typedef struct {
  int function;
  double factor;
} sn_exponential_weight;

typedef struct {
  int stages, functions;
  sn_phi_sum function[SN_EXPONENTIAL_FUNCTIONS];
  int growth[SN_TABLEAU_STAGES + 1]; /* e^{c_i z}, of the stages and the solution; SN_EXPONENTIAL_NONE: 1 */
  /* Rows: the stages, the solution, and the solution less that of the embedded method (0: there is none). */
  sn_exponential_weight weight[SN_TABLEAU_STAGES + 2][SN_TABLEAU_STAGES];
} sn_exponential_form;

/* Of a tableau of kind SN_TABLEAU_EXPONENTIAL. */
sn_exponential_form sn_exponential_form_of(const sn_tableau *tableau);

/* Marks the stages whose G anything depends on; estimates: also the error estimate. Returns how many. */
int sn_exponential_form_used(const sn_exponential_form *form, bool estimates, bool used[SN_TABLEAU_STAGES]);

/* R(w, z) of a step of u' = w u + z u, both times dt, w by the stages, z by the functions. */
double complex sn_exponential_form_amplification(const sn_exponential_form *form, double complex w, double complex z);

#endif
