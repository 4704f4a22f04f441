/*
 * One time step of a scheme and its exact transpose: what the integrator needs of a family of schemes. All arrays are
 * (samples, local points). Collective over the space ranks.
 */
#ifndef SINODE_TIME_STEPPER_OPS_H
#define SINODE_TIME_STEPPER_OPS_H

#include "sinode/exponential.h"
#include "sinode/integrator.h"
#include "sinode/model.h"
#include "sinode/solver.h"
#include "sinode/tableau.h"

typedef struct sn_stepper sn_stepper;

/* Directions of states, and of the parameters. */
typedef struct {
  ptrdiff_t count;
  double *du;              /* (count, samples, local points) */
  const double *dtheta;    /* (count, size); NULL for 0 */
  ptrdiff_t size;          /* of the model's parameters */
  const sn_range *support; /* (count) outside of which a dtheta is 0; NULL: not known */
} sn_directions;

/* The derivative by the state after a step, (samples, local points), and the loss that leaves it there; NULL: given. */
typedef struct {
  double *bar;
  const sn_state_loss *loss;
  ptrdiff_t state;
} sn_step_loss;

/* Of some values of the new state, once they are known. */
static inline void sn_step_loss_add(const sn_step_loss *s, sn_range values, const double *next) {
  if (s->loss) s->loss->add(s->loss->context, s->state, values, next, s->bar);
}

typedef struct {
  void (*destroy)(sn_stepper **stepper);
  /* Doubles of tape a step keeps for its backward pass. */
  ptrdiff_t (*tape_size)(const sn_stepper *stepper, ptrdiff_t samples);
  /* Doubles a taped step is expected to keep beside its tape; reserves them for so many taped steps. NULL: nothing. */
  ptrdiff_t (*record_size)(const sn_stepper *stepper);
  sn_status (*reserve)(sn_stepper *stepper, ptrdiff_t steps);
  /* Prepares for batches of so many samples; NULL: that is done with the solver. */
  sn_status (*prepare)(sn_stepper *stepper, ptrdiff_t samples);
  /* A forward pass begins: the records of an earlier one are discarded. NULL: nothing to do. */
  void (*begin_pass)(sn_stepper *stepper);
  /* next = step(u); tape may be NULL. u and next do not overlap. */
  sn_status (*forward)(sn_stepper *stepper, ptrdiff_t samples, const double *u, double *next, double *tape);
  /* lambda := (d next / d u)^T lambda; gradient (NULL: not wanted) += (d next / d parameters)^T lambda. */
  sn_status (*backward)(sn_stepper *stepper, ptrdiff_t samples, const double *tape, double *lambda,
                        const sn_gradient *gradient);
  /*
   * forward and backward fused, piece by piece, so that the tape of a piece need not leave the cache: next = step(u),
   * u_bar = (d next / d u)^T of the derivative by next; the tape has fused_tape_size doubles. No two of the
   * states and bars overlap. NULL: one after the other is as good.
   */
  ptrdiff_t (*fused_tape_size)(const sn_stepper *stepper);
  sn_status (*forward_backward)(sn_stepper *stepper, ptrdiff_t samples, const double *u, double *next, double *tape,
                                const sn_step_loss *loss, double *u_bar, const sn_gradient *gradient);
  /* A backward pass begins, or ends: what is added to the gradient at its end. NULL: nothing to do. */
  void (*begin_backward)(sn_stepper *stepper);
  sn_status (*end_backward)(sn_stepper *stepper, const sn_gradient *gradient);
  /* What its inner iterations came to so far, for the user. NULL: there are none. */
  void (*statistics)(const sn_stepper *stepper, char *text, size_t size);
  /*
   * du := (d next / d u) du + (d next / d parameters) dtheta, at the step that left the tape; dtheta may be NULL for 0.
   * It must come before the next forward step. NULL: the scheme has none.
   */
  sn_status (*tangent)(sn_stepper *stepper, ptrdiff_t samples, const double *tape, double *du, const double *dtheta);
  /* The same along many directions at once, of numbers of them that were reserved. NULL: one after the other. */
  sn_status (*reserve_tangents)(sn_stepper *stepper, ptrdiff_t samples, ptrdiff_t directions);
  sn_status (*tangents)(sn_stepper *stepper, ptrdiff_t samples, const double *tape, const sn_directions *directions);
} sn_stepper_ops;

/* First member of every stepper. */
struct sn_stepper {
  const sn_stepper_ops *ops;
  sn_solver *solver;           /* of the implicit stages; NULL if there are none */
  sn_exponential *exponential; /* the functions of A of an exponential scheme; NULL for others */
  double *estimate;        /* (samples) local sums of squares of the last step's error estimate; NULL: there is none */
  sn_range counted;        /* the local points that these sums are over */
  const ptrdiff_t *beyond; /* (stages) points beyond these at which F of a stage still matters; NULL: all of them */
  double time;             /* start of the current forward step, and its number from 1: for messages */
  ptrdiff_t step;
  bool skips_lambda;    /* of the next backward step: its lambda is not wanted */
  bool lone_directions; /* one after the other is faster, each for all samples: a change of A is dear to find */
};

/* Doubles up to the next 64 bytes: networks give their tapes to FFTW, which relies on their alignment. */
static inline ptrdiff_t sn_stepper_aligned(ptrdiff_t count) { return (count + 7) / 8 * 8; }

/* What makes a stepper of the integrator's options; a step is of length dt, of adaptive schemes an interval. */
typedef sn_status (*sn_stepper_creator)(sn_model *model, const sn_integrator_options *options, double dt,
                                        sn_stepper **out);

/* Runge-Kutta by a tableau, IMEX or explicit. */
SN_MUST_CHECK sn_status sn_imex_create(sn_model *model, const sn_integrator_options *options, double dt,
                                       sn_stepper **out);

/* Exponential Runge-Kutta. */
SN_MUST_CHECK sn_status sn_exponential_stepper_create(sn_model *model, const sn_integrator_options *options, double dt,
                                                      sn_stepper **out);

/* An explicit embedded pair that chooses its own steps. */
SN_MUST_CHECK sn_status sn_adaptive_create(sn_model *model, const sn_integrator_options *options, double dt,
                                           sn_stepper **out);

/*
 * A Runge-Kutta scheme whose steps are made on subdomains. *out is NULL, without an error, where the options leave the
 * choice and the whole grid is better; reason (SN_STEPPER_REASON_LENGTH) says why in either case.
 */
enum { SN_STEPPER_REASON_LENGTH = 256 };
SN_MUST_CHECK sn_status sn_subdomain_stepper_create(sn_model *model, const sn_integrator_options *options, double dt,
                                                    char *reason, sn_stepper **out);

/* Backward Euler and Crank-Nicolson for the whole right-hand side, by Newton-Krylov. */
SN_MUST_CHECK sn_status sn_implicit_create(sn_model *model, const sn_integrator_options *options, double dt,
                                           sn_stepper **out);

#endif
