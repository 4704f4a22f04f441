/*
 * Optimizers over the trainable blocks of a parameter vector. State vectors have the layout of the parameters, so that
 * a checkpoint stores them by block; beside them there may be some numbers.
 *
 * Those of the first kind take a step along the gradient of a mini-batch, with PyTorch's definitions:
 *
 *   adamw  Loshchilov, Hutter 2019 (decoupled weight decay)
 *   sgd    with momentum, weight decay added to the gradient
 *
 * The others look at the whole training set in every iteration, as often as they need to:
 *
 *   lbfgs  limited-memory BFGS, its steps by a line search for the strong Wolfe conditions; Nocedal, Wright,
 *          Numerical Optimization (2006), algorithms 7.4, 3.5 and 3.6
 *   lm     Levenberg-Marquardt: (J^T J + mu diag(J^T J)) step = -J^T r for residuals r with exact J, mu controlled by
 *          the gain ratio; Nielsen, Damping parameter in Marquardt's method (1999). With geodesic acceleration;
 *          Transtrum, Sethna, Improvements to the Levenberg-Marquardt algorithm (2012). For the mse.
 */
#ifndef SINODE_OPTIMIZER_H
#define SINODE_OPTIMIZER_H

#include <stdbool.h>
#include <stdint.h>

#include "sinode/error.h"
#include "sinode/name.h"
#include "sinode/normal_equations.h"
#include "sinode/parameters.h"
#include "sinode/partition.h"
#include "sinode/reduction.h"

/* Every kind: its name in files, and its functions, which are private to src/learn. */
#define SN_OPTIMIZERS(MEMBER)                             \
  MEMBER(SN_OPTIMIZER_ADAMW, "adamw", sn_optimizer_adamw) \
  MEMBER(SN_OPTIMIZER_SGD, "sgd", sn_optimizer_sgd)       \
  MEMBER(SN_OPTIMIZER_LBFGS, "lbfgs", sn_optimizer_lbfgs) \
  MEMBER(SN_OPTIMIZER_LM, "lm", sn_optimizer_lm)

typedef enum { SN_OPTIMIZERS(SN_NAME_CONSTANT) } sn_optimizer_kind;

extern const sn_name sn_optimizer_kinds[];

enum { SN_OPTIMIZER_HISTORY_MOST = 64, SN_OPTIMIZER_VECTORS_MOST = 2 * SN_OPTIMIZER_HISTORY_MOST };

typedef struct {
  sn_optimizer_kind kind;
  double weight_decay;          /* adamw, sgd */
  double beta1, beta2, epsilon; /* adamw */
  double momentum;              /* sgd */
  int history;                  /* lbfgs: pairs of steps and changes of the gradient that it remembers */
  double damping;               /* lm: mu of the first iteration */
  bool acceleration;            /* lm: whether steps follow the second derivative of the residuals */
} sn_optimizer_options;

/*
 * What an optimizer of the whole training set may ask at the parameters' present values. All collective over world and
 * the same on all ranks; the loss is infinite where the model is not finite.
 */
typedef struct {
  void *context;
  sn_status (*loss)(void *context, double *loss);
  sn_status (*gradient)(void *context, double *loss, double *gradient);
  sn_status (*normal)(void *context, double *loss,
                      sn_normal_equations *normal); /* of the mse: J^T J, J^T r over count */
  /* J^T r'' over count, all trainable elements: r'' the second derivative of the residuals along a step, given in the
   * layout of the parameters, by central differences of a tenth of it. Infinite where the model is not finite there.
   * Unknowns that the normal equations leave out (estimated initial states) are eliminated here, too; their part of the
   * step is filled in. */
  sn_status (*second_derivative)(void *context, double *step, double *product);
} sn_problem;

typedef struct sn_optimizer sn_optimizer;

/* parameters is kept, not owned, and complete. Collective over world. */
SN_MUST_CHECK sn_status sn_optimizer_create(sn_parameters *parameters, const sn_optimizer_options *options,
                                            sn_optimizer **out);
void sn_optimizer_destroy(sn_optimizer **optimizer);

/* Whether it is of the second kind. */
bool sn_optimizer_kind_is_full_batch(sn_optimizer_kind kind);
bool sn_optimizer_is_full_batch(const sn_optimizer *optimizer);
/* Whether it asks for the normal equations, of the mse, which takes tangents. */
bool sn_optimizer_kind_wants_tangents(sn_optimizer_kind kind);
bool sn_optimizer_wants_tangents(const sn_optimizer *optimizer);
/* Whether it asks for second derivatives along a step, which takes adjoints as well. */
bool sn_optimizer_wants_second_derivatives(const sn_optimizer *optimizer);

/*
 * First kind: a step: begin, then one update for each part of the parameters' local vector that is to change, in one
 * pass over it; gradients come reduced, and a rank may update only its part (sinode/reduction.h). Parts hold trainable
 * blocks; the gaps between them stay 0. Local.
 */
void sn_optimizer_begin_step(sn_optimizer *optimizer);
void sn_optimizer_update(sn_optimizer *optimizer, double learning_rate, const double *gradient, sn_range part);

/*
 * A whole step by a gradient that has been summed up: each replica updates its parts of the parameters and gets the
 * others. clip: a gradient of larger norm is scaled down to this one first; 0: never. Collective over world.
 */
void sn_optimizer_step(sn_optimizer *optimizer, sn_reduction *reduction, double learning_rate, double clip,
                       double *gradient);

/*
 * Second kind: one iteration. loss becomes that at the start of it; *moved tells whether the parameters changed, which
 * they do not where no better ones can be found. lbfgs: learning_rate is the length of the very first trial step.
 * Collective over world. A loss that is not finite at the start is no error here, but for the caller to find.
 */
SN_MUST_CHECK sn_status sn_optimizer_minimize(sn_optimizer *optimizer, const sn_problem *problem, double learning_rate,
                                              double *loss, bool *moved);

/* The problem is another from now on: what was learnt about the old one is forgotten. Local. */
void sn_optimizer_restart(sn_optimizer *optimizer);

/* The normal equations that lm works with, between iterations free for others to fill; NULL of other kinds. Local. */
sn_normal_equations *sn_optimizer_normal(sn_optimizer *optimizer);

/* Its state: named vectors (index 0 .. vectors-1), numbers, and the number of steps made. */
int sn_optimizer_vectors(const sn_optimizer *optimizer);
const char *sn_optimizer_vector_name(const sn_optimizer *optimizer, int index);
double *sn_optimizer_vector(sn_optimizer *optimizer, int index);
int sn_optimizer_numbers(const sn_optimizer *optimizer);
double *sn_optimizer_number(sn_optimizer *optimizer);
int64_t *sn_optimizer_steps(sn_optimizer *optimizer);

#endif
