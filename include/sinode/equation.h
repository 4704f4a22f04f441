/*
 * The equations that the generator takes, on a periodic domain:
 *
 *   u_t = sum_k c_k d^k u/dx^k + a u u_x + b u_x^2 / 2 + q u^2 + r u^3 + f
 *
 * Kuramoto-Sivashinsky's is c_2 = c_4 = a = -1. One of the coefficients may be multiplied by a parameter of which every
 * member has its own value. All local.
 */
#ifndef SINODE_EQUATION_H
#define SINODE_EQUATION_H

#include <complex.h>
#include <stdbool.h>
#include <stddef.h>

#include "sinode/linear.h"
#include "sinode/name.h"

/* What a parameter multiplies: a derivative, by its order, or one of the others. */
typedef enum {
  SN_EQUATION_U_UX = SN_LINEAR_ORDERS,
  SN_EQUATION_UX2,
  SN_EQUATION_U2,
  SN_EQUATION_U3,
  SN_EQUATION_CONSTANT,
  SN_EQUATION_NONE
} sn_equation_term;

/* u, u_x, u_xx, u_xxx, u_xxxx, u_5x, ..., u_8x, u_ux, ux2, u2, u3, constant, none. */
extern const sn_name sn_equation_terms[];

/* A list of values of a parameter. */
enum { SN_EQUATION_VALUES_MOST = 64 };

typedef struct {
  int count;
  double value[SN_EQUATION_VALUES_MOST];
} sn_equation_values;

typedef struct {
  sn_linear_init linear; /* derivatives */
  double u_ux, ux2, u2, u3, constant;
  struct {
    sn_equation_term of;
    sn_equation_values values; /* member m has number m modulo their count */
  } parameter;
} sn_equation;

/* Kuramoto-Sivashinsky's. */
const sn_equation *sn_equation_ks(void);
bool sn_equation_is_ks(const sn_equation *equation);

/* Whether all members follow one equation whose linear part is real in Fourier space and whose only other term is u
 * u_x. */
bool sn_equation_is_simple(const sn_equation *equation);

/* Whether it has products that are not u^2 or its derivative, and whether u_x is in them; of one that is not simple. */
bool sn_equation_is_pointwise(const sn_equation *equation);
bool sn_equation_has_slope(const sn_equation *equation);

/* Whether the coefficient of a term, not none, is other than 0. */
bool sn_equation_has_term(const sn_equation *equation, sn_equation_term term);

/* The equation of a member: one without a parameter. */
sn_equation sn_equation_of_member(const sn_equation *equation, ptrdiff_t member);

/* "u_t = -u_xx - u_xxxx - u u_x", into text. */
void sn_equation_print(const sn_equation *equation, char *text, size_t size);

#endif
