/* The family of solvers: the table of functions of a kind, and the object. Private to this folder. */
#ifndef SINODE_LINEAR_SOLVER_OPS_H
#define SINODE_LINEAR_SOLVER_OPS_H

#include "sinode/solver.h"

enum { SN_SOLVER_REASON_LENGTH = 256 };

typedef struct {
  sn_status (*create)(sn_solver *solver); /* all of these are collective over space */
  void (*destroy)(sn_solver *solver);
  sn_status (*reserve)(sn_solver *solver, ptrdiff_t samples);
  sn_status (*factor)(sn_solver *solver, int which);
  /* Error if samples was not reserved. */
  sn_status (*solve)(sn_solver *solver, int which, bool transpose, ptrdiff_t samples, double *x);
  /* The same from elsewhere, which is kept; NULL: it is copied first. */
  sn_status (*solve_from)(sn_solver *solver, int which, bool transpose, ptrdiff_t samples, const double *from,
                          double *x);
  /* Why it does not take a linear part of that kind, NULL if it does; no function: it takes all. Local. */
  const char *(*unsupported)(sn_linear_kind linear);
  /* Fills in what a solve sends and the factors take, by formula; NULL: there is none. Error: that of create. Local. */
  sn_status (*estimate_cost)(const sn_linear *linear, const sn_solver_options *options, int ranks, int gammas,
                             const double *gamma, ptrdiff_t samples, sn_solver_cost *out);
} sn_solver_ops;

struct sn_solver {
  const sn_solver_ops *ops;
  sn_solver_kind kind;
  const sn_grid *grid;
  sn_linear *linear;
  sn_solver_options options;
  int gammas;
  double *gamma;
  long *version; /* of A, that each gamma was factored with; -1: never */
  long factorizations;
  ptrdiff_t bytes; /* of factors */
  char reason[SN_SOLVER_REASON_LENGTH];
  void *state;
};

#define SN_SOLVER_DECLARE(constant, name, functions) extern const sn_solver_ops functions;
SN_SOLVERS(SN_SOLVER_DECLARE)

/*
 * Error of that code if I - gamma A, kept as an array, has lost its identity part: eps gamma |A| > 1e-6, |A| being the
 * maximum norm. The message names the figure and what would do. Local.
 */
SN_MUST_CHECK sn_status sn_solver_refuse_lossy(const sn_solver *solver, double gamma, double norm, sn_error_code code);

/* value := 1 / (1 - gamma a), a the symbol of a circulant A at m, between wave numbers too. Error: singular. Local. */
SN_MUST_CHECK sn_status sn_solver_invert_symbol(const sn_linear *linear, double gamma, double m, double complex *value);

/* The error for a number of samples that sn_solver_reserve was not called with. */
SN_MUST_CHECK sn_status sn_solver_not_reserved(ptrdiff_t samples);

#endif
