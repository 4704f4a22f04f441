#include "sinode/equation.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const sn_name sn_equation_terms[] = {{"none", SN_EQUATION_NONE},
                                     {"u", 0},
                                     {"u_x", 1},
                                     {"u_xx", 2},
                                     {"u_xxx", 3},
                                     {"u_xxxx", 4},
                                     {"u_5x", 5},
                                     {"u_6x", 6},
                                     {"u_7x", 7},
                                     {"u_8x", 8},
                                     {"u_ux", SN_EQUATION_U_UX},
                                     {"ux2", SN_EQUATION_UX2},
                                     {"u2", SN_EQUATION_U2},
                                     {"u3", SN_EQUATION_U3},
                                     {"constant", SN_EQUATION_CONSTANT},
                                     {NULL, 0}};

/* How the others are written. */
static const char *const written[] = {"u u_x", "u_x^2/2", "u^2", "u^3", ""};

static const sn_equation ks = {.linear = {.derivatives = 1 << 2 | 1 << 4, .value = {[2] = -1, [4] = -1}},
                               .u_ux = -1,
                               .parameter.of = SN_EQUATION_NONE};

const sn_equation *sn_equation_ks(void) { return &ks; }

static double *coefficient(sn_equation *equation, sn_equation_term term) {
  double *const others[] = {&equation->u_ux, &equation->ux2, &equation->u2, &equation->u3, &equation->constant};
  return (int)term < SN_LINEAR_ORDERS ? &equation->linear.value[term] : others[term - SN_EQUATION_U_UX];
}

bool sn_equation_has_term(const sn_equation *equation, sn_equation_term term) {
  sn_equation own = *equation;
  return *coefficient(&own, term) != 0;
}

static bool has_only_u_ux(const sn_equation *e) {
  return e->ux2 == 0 && e->u2 == 0 && e->u3 == 0 && e->constant == 0 && e->parameter.of == SN_EQUATION_NONE;
}

bool sn_equation_is_ks(const sn_equation *equation) {
  return sn_linear_is_ks(&equation->linear) && equation->u_ux == ks.u_ux && has_only_u_ux(equation);
}

bool sn_equation_is_simple(const sn_equation *equation) {
  bool real = true;
  for (int k = 1; k < SN_LINEAR_ORDERS; k += 2) real = real && equation->linear.value[k] == 0;
  return real && has_only_u_ux(equation);
}

bool sn_equation_is_pointwise(const sn_equation *equation) { return equation->ux2 != 0 || equation->u3 != 0; }

bool sn_equation_has_slope(const sn_equation *equation) { return equation->u_ux != 0 || equation->ux2 != 0; }

sn_equation sn_equation_of_member(const sn_equation *equation, ptrdiff_t member) {
  sn_equation own = *equation;
  if (own.parameter.of == SN_EQUATION_NONE) return own;
  const sn_equation_values *values = &own.parameter.values;
  *coefficient(&own, own.parameter.of) *= values->value[member % values->count];
  own.parameter.of = SN_EQUATION_NONE;
  return own;
}

void sn_equation_print(const sn_equation *equation, char *text, size_t size) {
  sn_equation e = *equation;
  size_t used = (size_t)snprintf(text, size, "u_t =");
  const size_t begun = used;
  for (int term = 0; term <= SN_EQUATION_CONSTANT && used < size; term++) {
    const double value = *coefficient(&e, (sn_equation_term)term);
    const bool is_varied = equation->parameter.of == (sn_equation_term)term, is_number = term == SN_EQUATION_CONSTANT;
    if (value == 0) continue;
    used += (size_t)snprintf(text + used, size - used, " %s",
                             value < 0      ? (used > begun ? "- " : "-")
                             : used > begun ? "+ "
                                            : "");
    if (used < size && (fabs(value) != 1 || (is_number && !is_varied)))
      used += (size_t)snprintf(text + used, size - used, "%.6g%s", fabs(value), is_number && !is_varied ? "" : " ");
    if (used < size)
      used += (size_t)snprintf(
          text + used, size - used, "%s%s", is_varied ? is_number ? "mu" : "mu " : "",
          term < SN_LINEAR_ORDERS ? sn_name_of(sn_equation_terms, term) : written[term - SN_EQUATION_U_UX]);
  }
  if (used == begun) snprintf(text + used, size - used, " 0");
}
