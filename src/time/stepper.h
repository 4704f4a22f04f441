/*
 * One time step of a scheme and its exact transpose: what the integrator needs of a family of schemes. All arrays are
 * (samples, local points). Collective over the space ranks.
 */
#ifndef SINODE_TIME_STEPPER_H
#define SINODE_TIME_STEPPER_H

#include "sinode/integrator.h"
#include "sinode/model.h"
#include "sinode/solver.h"
#include "sinode/tableau.h"

typedef struct sn_stepper sn_stepper;

typedef struct {
  void (*destroy)(sn_stepper **stepper);
  /* Doubles of tape a step keeps for its backward pass. */
  ptrdiff_t (*tape_size)(const sn_stepper *stepper, ptrdiff_t samples);
  /* A forward pass begins: what an earlier one recorded is void. NULL: nothing to do. */
  void (*begin_pass)(sn_stepper *stepper);
  /* next = step(u); tape may be NULL. u and next do not overlap. */
  sn_status (*forward)(sn_stepper *stepper, ptrdiff_t samples, const double *u, double *next, double *tape);
  /* lambda := (d next / d u)^T lambda; gradient (NULL: not wanted) += (d next / d parameters)^T lambda. */
  sn_status (*backward)(sn_stepper *stepper, ptrdiff_t samples, const double *tape, double *lambda, double *gradient);
} sn_stepper_ops;

/* First member of every stepper. */
struct sn_stepper {
  const sn_stepper_ops *ops;
  sn_solver *solver;       /* of the implicit stages; NULL if there are none */
  double *estimate;        /* (samples) local sums of squares of the last step's error estimate; NULL: there is none */
  /* Of the next backward step: it is the last of its pass, and what it adds to the gradient settles that; its lambda is
     not wanted. */
  bool settles, skips_lambda;
  long accepted, rejected; /* adaptive: steps of samples so far */
  long newton, krylov;     /* fully implicit: iterations so far */
};

/* What every scheme is made from. */
typedef struct {
  const sn_tableau *tableau;
  double dt;
  bool estimate;            /* whether an error estimate is wanted, where there is an embedded method */
  bool adjoint;             /* whether there will be backward passes */
  sn_solver_options solver; /* of the implicit stages */
  sn_newton_control newton; /* fully implicit */
  sn_step_control control;  /* adaptive: then dt is the interval it steps through */
} sn_stepper_options;

/* Runge-Kutta by a tableau, IMEX or explicit. */
sn_status sn_imex_create(sn_model *model, const sn_stepper_options *options, sn_stepper **out);

/* An explicit embedded pair that chooses its own steps. */
sn_status sn_adaptive_create(sn_model *model, const sn_stepper_options *options, sn_stepper **out);

/* Backward Euler and Crank-Nicolson for the whole right-hand side, by Newton-Krylov. */
sn_status sn_implicit_create(sn_model *model, const sn_stepper_options *options, sn_stepper **out);

#endif
