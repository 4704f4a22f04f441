/*
 * Observed order of every scheme in the table, forward and adjoint, on the smooth problem, of exponential ones on the
 * longer. Reference: dopri5 with 2048 steps. The order is the slope between the two finest step sizes whose errors
 * stand clear of round-off; it must lie within 0.15 of the nominal one. Of an adaptive scheme of order p, both errors
 * must go as the tolerance (the adjoint's as well: it is that of the accepted steps), and the number of steps as its
 * power -1/p.
 *
 * usage: order [scheme]
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "problem.h"

enum { LEVELS = 8, COARSEST = 4, REFERENCE_STEPS = 2048, TOLERANCES = 8 };
static const double round_off = 2e-12, coarsest_tolerance = 1e-4;

/* Slope between the two finest levels above round-off; errors[k] belongs to COARSEST * 2^k steps. */
static double slope(const double *errors) {
  int last = 1;
  while (last + 1 < LEVELS && errors[last + 1] >= round_off) last++;
  return log2(errors[last - 1] / errors[last]);
}

static int check_fixed(const problem *p, const sn_tableau *tableau, const solution *reference) {
  double forward[LEVELS], backward[LEVELS];
  solution s;
  for (int k = 0; k < LEVELS; k++) {
    TRY(problem_solve(p, tableau, (ptrdiff_t)COARSEST << k, 0, &s));
    forward[k] = problem_distance(p, s.state, reference->state);
    backward[k] = problem_distance(p, s.adjoint, reference->adjoint);
  }
  const double order = slope(forward), adjoint_order = slope(backward);
  const int bad = !(fabs(order - tableau->order) < 0.15) || !(fabs(adjoint_order - tableau->order) < 0.15);
  if (sn_grid_rank(p->grid) == 0)
    printf("%-9s nominal %d  forward %.3f  adjoint %.3f%s\n", tableau->name, tableau->order, order, adjoint_order,
           bad ? "  WRONG" : "");
  return bad;
}

/* Whether an error falls by about 10 with every decade, and in all as the tolerance. */
static bool is_proportional(const double *errors) {
  bool good = fabs(log10(errors[0] / errors[TOLERANCES - 1]) / (TOLERANCES - 1) - 1) < 0.25;
  for (int k = 1; k < TOLERANCES; k++) good &= errors[k - 1] / errors[k] > 4 && errors[k - 1] / errors[k] < 25;
  return good;
}

static int check_adaptive(const problem *p, const sn_tableau *tableau, const solution *reference) {
  double forward[TOLERANCES], backward[TOLERANCES], steps[TOLERANCES];
  solution s;
  for (int k = 0; k < TOLERANCES; k++) {
    TRY(problem_solve(p, tableau, 0, coarsest_tolerance * pow(0.1, k), &s));
    forward[k] = problem_distance(p, s.state, reference->state);
    backward[k] = problem_distance(p, s.adjoint, reference->adjoint);
    steps[k] = (double)s.steps;
  }
  /* Over the last decades alone: before, steps are few, and the small ones at the beginning count. */
  const int last = TOLERANCES - 1;
  const double power = log10(steps[last] / steps[last - 3]) / 3;
  const int bad = !is_proportional(forward) || !is_proportional(backward) || !(fabs(power * tableau->order - 1) < 0.25);
  if (sn_grid_rank(p->grid) == 0)
    printf(
        "%-15s nominal %d  error / tolerance: forward %.2g to %.2g  adjoint %.2g to %.2g  steps ~ tolerance^-%.3f%s\n",
        tableau->name, tableau->order, forward[0] / coarsest_tolerance,
        forward[last] / coarsest_tolerance * pow(10, last), backward[0] / coarsest_tolerance,
        backward[last] / coarsest_tolerance * pow(10, last), power, bad ? "  WRONG" : "");
  return bad;
}

/* Those schemes that are exponential, or those that are not, of all or of one name. Returns how many are wrong. */
static int check_on(const char *name, bool exponential, const char *scheme) {
  int bad = 0;
  problem p;
  solution reference;
  problem_create(name, &p);
  TRY(problem_solve(&p, sn_tableau_find("dopri5"), REFERENCE_STEPS, 0, &reference));
  for (int i = 0; i < sn_tableau_count(); i++) {
    const sn_tableau *tableau = sn_tableau_at(i);
    if ((tableau->kind == SN_TABLEAU_EXPONENTIAL) != exponential || (scheme && strcmp(scheme, tableau->name))) continue;
    bad += (tableau->adaptive ? check_adaptive : check_fixed)(&p, tableau, &reference);
  }
  problem_destroy(&p);
  return bad;
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  const char *scheme = argc > 1 ? argv[1] : NULL;
  const int bad = check_on("smooth", false, scheme) + check_on("longer", true, scheme);
  MPI_Finalize();
  return bad > 0;
}
