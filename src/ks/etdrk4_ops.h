/*
 * The family behind sinode/etdrk4.h. Private to this folder.
 *
 *   global  the whole grid is transformed; the state is its coefficients
 *   local   subdomains are, one after the other; the state is the values on the grid
 */
#ifndef SINODE_KS_ETDRK4_OPS_H
#define SINODE_KS_ETDRK4_OPS_H

#include "sinode/etdrk4.h"

/* Sums over the members: u^2, u_x^2, u_xx^2, u^2 without the mean, u^2 in the tail, in units of 1 / weight; the rest as
 * in etdrk4.c. */
enum { SN_ETDRK4_SUMS = 6 };

typedef struct {
  /* For the members of this replica, at least one: sets state. */
  sn_status (*create)(sn_etdrk4 *etdrk4);
  void (*destroy)(sn_etdrk4 *etdrk4);
  /* As the public functions of these names. */
  sn_status (*set_state)(sn_etdrk4 *etdrk4, const double *state);
  sn_status (*get_state)(sn_etdrk4 *etdrk4, double *state);
  sn_status (*step)(sn_etdrk4 *etdrk4, ptrdiff_t steps);
  double *(*coefficients)(sn_etdrk4 *etdrk4, ptrdiff_t *count);
  /* Adds this rank's share of the first five sums; of the first only unless `balance`. */
  sn_status (*add_sums)(sn_etdrk4 *etdrk4, bool balance, double sums[SN_ETDRK4_SUMS]);
} sn_etdrk4_ops;

struct sn_etdrk4 {
  const sn_etdrk4_ops *ops;
  const sn_grid *grid;
  sn_etdrk4_options options;
  sn_etdrk4_division division; /* local */
  ptrdiff_t members, members_of_all, steps_done;
  double weight;   /* of one member in the sums: they are this many times the mean */
  double mismatch; /* local: the largest so far between neighbouring subdomains of this rank */
  void *state;     /* NULL without members */
};

/* The four weights of Cox and Matthews for one z, by the mean over a circle round it (Kassam, Trefethen). */
void sn_etdrk4_weights(double complex z, double complex weight[4]);

/* What a step of some fields reads and writes: their coefficients, and three arrays of that size. */
typedef struct {
  double complex *v, *w, *memory, *sum;
} sn_etdrk4_arrays;

extern const sn_etdrk4_ops sn_etdrk4_global, sn_etdrk4_local;

static inline const sn_equation *sn_etdrk4_equation(const sn_etdrk4_options *options) {
  return options->equation ? options->equation : sn_equation_ks();
}

/* The highest mode that interacts on a grid of so many points: dealiased, what products of two, or of three where there
 * is u^3, reach beyond the grid does not fall on these modes. */
static inline ptrdiff_t sn_etdrk4_highest(const sn_etdrk4_options *options, ptrdiff_t points) {
  if (options->dealias && sn_etdrk4_equation(options)->u3 != 0) return (points - 1) / 4;
  return points / (options->dealias ? 3 : 2);
}

#endif
