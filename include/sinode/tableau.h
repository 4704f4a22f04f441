/*
 * Runge-Kutta tableaux. An IMEX scheme (a, b; at, bt) treats G explicitly by (a, b) and A u implicitly by (at, bt), at
 * lower triangular:
 *
 *   U_i   = u_n + dt sum_{j<i} a_ij G(U_j) + dt sum_{j<=i} at_ij A U_j
 *   u_n+1 = u_n + dt sum_j b_j G(U_j) + dt sum_j bt_j A U_j
 *
 * An explicit scheme is the special case at = a, bt = b; a fully implicit one treats G by (at, bt) too. An exponential
 * one has functions of dt A for weights: sinode/exponential_form.h. Names are PETSc's (TSARKIMEX) or the literature's;
 * l2, 3, 4, 5 are the paper's IMEX-RK2 to 5. All local.
 */
#ifndef SINODE_TABLEAU_H
#define SINODE_TABLEAU_H

#include <stdbool.h>

#include "sinode/phi.h"

enum { SN_TABLEAU_STAGES = 8 };

typedef enum { SN_TABLEAU_IMEX, SN_TABLEAU_EXPLICIT, SN_TABLEAU_IMPLICIT, SN_TABLEAU_EXPONENTIAL } sn_tableau_kind;

/* a_ij(z) of an exponential scheme, i and j from 1 as in the literature; row = stages + 1: b_j(z). */
typedef struct {
  int row, column;
  sn_phi_term term[SN_PHI_TERMS]; /* up to the first of factor 0; those of the same function add up */
} sn_tableau_weight;

typedef struct {
  const char *name;
  const char *source;
  sn_tableau_kind kind;
  int order, stages;
  bool adaptive; /* chooses its own steps by the embedded method; explicit, and its last stage is the solution */
  double a[SN_TABLEAU_STAGES][SN_TABLEAU_STAGES], b[SN_TABLEAU_STAGES];
  double at[SN_TABLEAU_STAGES][SN_TABLEAU_STAGES],
      bt[SN_TABLEAU_STAGES];          /* 0 for explicit ones, as a, b for implicit ones: use the functions below */
  double embedded[SN_TABLEAU_STAGES]; /* weights of the embedded method for both parts; all 0 if there is none */
  /* Exponential ones: the nodes, and the weights of the second column on, up to a row of 0; NULL: Lawson's form of (a,
   * b). The first column is such that sum_j a_ij(z) = c_i phi_1(c_i z). */
  double c[SN_TABLEAU_STAGES];
  const sn_tableau_weight *weights;
} sn_tableau;

/* The tableau of that name, or NULL. */
const sn_tableau *sn_tableau_find(const char *name);

/* All of them, in order: IMEX, exponential, explicit, implicit. */
int sn_tableau_count(void);
const sn_tableau *sn_tableau_at(int index);
const char *sn_tableau_name_at(int index);

/* Weight of stage j in row i of the linear part (row = stages: the solution), whichever the kind. */
double sn_tableau_linear(const sn_tableau *tableau, int i, int j);
/* The same for G. */
double sn_tableau_nonlinear(const sn_tableau *tableau, int i, int j);

/*
 * The distinct gamma_i = dt at_ii other than 0 of the stages in use (NULL: all), in the order of the stages; returns
 * how many. which[i]: where gamma[] has that of stage i, -1 for a stage without a solve.
 */
int sn_tableau_gammas(const sn_tableau *tableau, double dt, const bool *used, double gamma[SN_TABLEAU_STAGES],
                      int which[SN_TABLEAU_STAGES]);

/* Whether there is an embedded method. */
bool sn_tableau_is_embedded(const sn_tableau *tableau);

/* Whether the last stage is the new solution as far as A goes: its row of at is the weights bt. */
bool sn_tableau_is_stiffly_accurate(const sn_tableau *tableau);

#endif
