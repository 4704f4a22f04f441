/*
 * Integrates a model over intervals of data with a fixed step, and its exact discrete adjoint (paper, eq. (5)). States
 * are (samples, local points), row-major, on the space ranks of a replica.
 *
 * What a backward pass needs of the forward pass is kept in one of three ways, all with bit-identical gradients:
 *
 *   all        stage values and activations of every step; nothing is recomputed
 *   solutions  one state a step; the stages of a step are recomputed in the backward pass
 *   revolve    a given number of states; steps are recomputed by binomial checkpointing
 *   auto       the first of these that fits the memory given
 *
 * Adaptive schemes keep the state of every accepted step of an interval, whatever the storage, and recompute its
 * stages.
 */
#ifndef SINODE_INTEGRATOR_H
#define SINODE_INTEGRATOR_H

#include <stdbool.h>
#include <stddef.h>

#include "sinode/error.h"
#include "sinode/model.h"
#include "sinode/name.h"
#include "sinode/solver.h"
#include "sinode/subdomain_steps.h"
#include "sinode/tableau.h"

typedef enum { SN_STORAGE_AUTO, SN_STORAGE_ALL, SN_STORAGE_SOLUTIONS, SN_STORAGE_REVOLVE } sn_storage_kind;

extern const sn_name sn_storage_kinds[];

/* Of adaptive schemes: every sample keeps rms(error / (atol + rtol |u|)) of each step below 1. */
typedef struct {
  double rtol, atol;
  double minimum_step; /* a smaller one is the error "stiff" */
} sn_step_control;

/* Of fully implicit schemes. */
typedef struct {
  /* Newton's method ends when every sample's residual is this small relative to its state, the adjoint's linear solve
   * when it is relative to the right-hand side; 0: 1e-13. */
  double tolerance;
  int max_iterations; /* 0: 20; at most 100 */
  bool precondition;  /* GMRES by (I - gamma A)^-1 */
} sn_newton_control;

typedef struct {
  const sn_tableau *tableau;
  sn_subdomain_control subdomains;
  double dt; /* divides the interval; adaptive: the step tried first in every interval */
  sn_step_control control;
  sn_newton_control newton;
  sn_storage_kind storage;
  ptrdiff_t snapshots;      /* revolve: states in memory, >= 1 */
  double memory;            /* auto: MiB on this rank; 0: half of what the node has, shared by its ranks */
  sn_solver_options solver; /* of the implicit stages */
  /* What it is to do: */
  double interval;     /* time between the states that a pass leaves */
  ptrdiff_t intervals; /* the most one pass takes */
  bool adjoint;        /* whether there will be backward passes */
  bool fused;          /* whether these come by sn_integrator_gradient alone, which may need less memory */
  bool tangent;        /* whether there will be tangents */
  bool estimate;       /* whether the error of every step is estimated, where the scheme has an embedded method */
} sn_integrator_options;

typedef struct sn_integrator sn_integrator;

/*
 * For up to the model's samples at once. The model is kept, not owned. Collective over world. Errors: dt
 * does not divide the interval to 1e-6; as of sn_solver_create; no memory for the tape; tangents of an adaptive or
 * fully implicit scheme, which has none.
 */
SN_MUST_CHECK sn_status sn_integrator_create(sn_model *model, const sn_integrator_options *options,
                                             sn_integrator **out);
void sn_integrator_destroy(sn_integrator **integrator);

/* Prepares for batches of exactly `samples` samples; may be called for several counts. Collective over space. */
SN_MUST_CHECK sn_status sn_integrator_reserve(sn_integrator *integrator, ptrdiff_t samples);

/*
 * Prepares besides for tangents of so many samples along exactly `directions` directions, which then go together as far
 * as the cache has room for them; without it they go one after the other. For the last number of directions only.
 * Collective over space.
 */
SN_MUST_CHECK sn_status sn_integrator_reserve_tangents(sn_integrator *integrator, ptrdiff_t samples,
                                                       ptrdiff_t directions);

/*
 * samples may be 0 (a replica with no share of a small batch): nothing is done then.
 * states (intervals + 1, samples, local points): the first is given, the others are computed. tape: keep what a
 * backward pass needs. Collective over space. Error SN_ERROR_RUN, the same on the ranks of a replica but
 * not of others (meet in sn_collective_status): a solve failed, an adaptive step fell below the least; a tape is wanted
 * although options.fused is set. A state that is not finite is no error here: see sn_integrator_check.
 */
SN_MUST_CHECK sn_status sn_integrator_forward(sn_integrator *integrator, ptrdiff_t samples, ptrdiff_t intervals,
                                              double *states, bool tape);

/*
 * state_bars (intervals + 1, samples, local points): derivatives of the loss by the states; it is used up, and its
 * first state becomes the derivative by the initial state. gradient += derivative by the parameters (partial blocks and
 * replicas not yet summed: sinode/reduction.h), of which it says what is final in the last step; NULL: not wanted.
 * After a forward pass with tape. Collective over space.
 */
SN_MUST_CHECK sn_status sn_integrator_backward(sn_integrator *integrator, ptrdiff_t samples, ptrdiff_t intervals,
                                               double *state_bars, const sn_gradient *gradient);

/* A loss that is a sum over the values of states. */
typedef struct {
  /*
   * Adds the loss of some values of state number `state`, 0 to intervals, of a pass, and puts its derivatives by them
   * into their places in bar. Both arrays are of the whole state, (samples, local points). Every value comes once.
   */
  void (*add)(void *context, ptrdiff_t state, sn_range values, const double *u, double *bar);
  void *context;
} sn_state_loss;

/*
 * A forward pass, the loss of its states and a backward pass from the loss's derivatives, states and derivatives to
 * the bit as if one came after the other. But where steps are made on subdomains, the last one goes forward and back
 * subdomain after subdomain, so that what the way back needs stays in the cache, and its loss is added up in that
 * order. Needs options.adjoint. Collective over space.
 */
SN_MUST_CHECK sn_status sn_integrator_gradient(sn_integrator *integrator, ptrdiff_t samples, ptrdiff_t intervals,
                                               double *states, const sn_state_loss *loss, double *state_bars,
                                               const sn_gradient *gradient);

/* From now on backward passes leave the derivative by the initial state undefined, which saves some work. Local. */
void sn_integrator_skip_initial_bar(sn_integrator *integrator);

/*
 * A forward pass together with the derivatives of its states along `directions` directions: tangents (intervals + 1,
 * directions, samples, local points), the first, derivatives of the initial state, given, the others computed.
 * parameters (directions, size of the parameters): the directions of the parameters, replicated blocks alike on all
 * ranks; NULL: they stand still. Exact for the recursion, as backward, whose transpose it is; a direction costs about
 * as much as the pass itself, and no adjoint storage is used. Needs options.tangent. Collective over space.
 */
SN_MUST_CHECK sn_status sn_integrator_tangent(sn_integrator *integrator, ptrdiff_t samples, ptrdiff_t intervals,
                                              double *states, ptrdiff_t directions, const double *parameters,
                                              double *tangents);

/*
 * From where messages count times and steps: the next passes begin at `time`, after `steps` steps. 0 and 0 at first.
 * Local.
 */
void sn_integrator_begin_at(sn_integrator *integrator, double time, ptrdiff_t steps);

/*
 * SN_OK if every step of the last pass stayed within bounds: a forward pass finite and of rms below 1e6, a backward
 * pass finite and at most 1e8 times the derivatives that it was given. Otherwise an error, the same on all ranks, with
 * the first bad step, its time and its norm. Collective over world.
 */
SN_MUST_CHECK sn_status sn_integrator_check(sn_integrator *integrator, ptrdiff_t samples);

/* The time step, which may differ from that of the options by round-off; of adaptive schemes the interval. Local. */
double sn_integrator_dt(const sn_integrator *integrator);

/* Time steps of so many intervals. Local. */
ptrdiff_t sn_integrator_steps(const sn_integrator *integrator, ptrdiff_t intervals);

/*
 * Norms after every step of the last pass, forward or backward (of the adjoint then), over all samples and points:
 * norms[k] belongs to step k. Takes as many as the pass had steps. Collective over world.
 */
void sn_integrator_norms(sn_integrator *integrator, double *norms);

/*
 * Error estimates of the last forward pass: (steps, samples) sums of squares over this rank's points; NULL if there are
 * none (options.estimate was not set, or the scheme has no embedded method). Local.
 */
const double *sn_integrator_estimates(const sn_integrator *integrator);

/* The largest step that is stable on the linear part, for explicit schemes; INFINITY for others. Collective over space.
 */
SN_MUST_CHECK sn_status sn_integrator_stable_step(const sn_integrator *integrator, double *limit);

/* Whether the last pass, or pair of passes, stayed within those bounds as far as this rank alone can tell. Local. */
bool sn_integrator_within_bounds(const sn_integrator *integrator);

/* Where steps are made, and why, in one line for the user. Local. */
const char *sn_integrator_domain_reason(const sn_integrator *integrator);

/* Of the solver of the implicit stages, or the functions of A of an exponential scheme: one line for the user, and the
 * factorizations, or how often the functions were made, so far (0 without either). */
const char *sn_integrator_solver_reason(const sn_integrator *integrator);
long sn_integrator_factorizations(const sn_integrator *integrator);

/*
 * What the schemes with inner iterations did so far: steps accepted and rejected; iterations of Newton's method and of
 * GMRES, with the history of residuals of the step that took most. "" for others. Local.
 */
enum { SN_STATISTICS_LENGTH = 512 };
void sn_integrator_statistics(const sn_integrator *integrator, char *text, size_t size);

/* The adjoint storage in one line for the user: which was chosen, why, and its bytes on this rank. */
const char *sn_integrator_storage_reason(const sn_integrator *integrator);

/* Forward steps made by the last pair of passes, those with tape included; the least is the number of steps. */
ptrdiff_t sn_integrator_forward_steps(const sn_integrator *integrator);

/* Bytes of adjoint storage, and of factors or functions of A, on this rank. */
ptrdiff_t sn_integrator_storage_bytes(const sn_integrator *integrator);
ptrdiff_t sn_integrator_factor_bytes(const sn_integrator *integrator);

#endif
