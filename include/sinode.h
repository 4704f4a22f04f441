/*
 * sinode from other programs: the interface of libsinode.so, in C. It integrates du/dt = -F(u) + A u on a periodic grid
 * with A treated implicitly, and gives the exact derivatives of what it computed; F is the caller's own or a built-in
 * network. io/python/sinode drives all of it from Python.
 *
 * Errors. A function that can fail returns NULL, or an error with a code and a text, which the caller destroys. Nothing
 * prints or exits, but for what sinode_run says. What fails on one rank alone is an error of all ranks that the call is
 * collective over.
 *
 * Arrays are of doubles, row-major. A state is (samples, local points): this rank's block of the grid for every sample
 * of its replica. They stay the caller's, need no alignment, and must not overlap unless it is said.
 *
 * MPI. Communicators are the caller's and are duplicated; NULL for one is MPI_COMM_SELF. MPI has been initialized
 * before (sinode_mpi_start does it where nothing else has). "Collective" is over all ranks of the grid's world, in the
 * same order.
 *
 * There is no global state: objects are independent of each other. One object, and the objects made from it, are used
 * by one thread at a time. Objects are destroyed in the reverse order of their creation; destroying is collective
 * where creating was, and NULL is allowed.
 */
#ifndef SINODE_H
#define SINODE_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined __GNUC__
#define SINODE_MUST_CHECK __attribute__((warn_unused_result))
#pragma GCC visibility push(default)
#else
#define SINODE_MUST_CHECK
#endif
#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that runs, "0.1.0"; the same first two numbers are the same interface. */
const char *sinode_version(void);

/* Errors */

typedef struct sinode_error sinode_error;

enum {
  SINODE_ERROR_RUN = 1,     /* the computation failed: blow-up, no convergence, no memory */
  SINODE_ERROR_USAGE = 2,   /* an argument or parameter */
  SINODE_ERROR_FILE = 3,    /* a file cannot be read or written or is not what it should be */
  SINODE_ERROR_STOPPED = 75 /* stopped early by a signal or time limit, after a checkpoint */
};

int sinode_error_code(const sinode_error *error);
const char *sinode_error_message(const sinode_error *error);

/* For functions of a network: an error that the call it was called from returns. Never NULL. */
sinode_error *sinode_error_create(int code, const char *message);

/* Sets *error to NULL. */
void sinode_error_destroy(sinode_error **error);

/* MPI, for programs that do not start it themselves */

/*
 * Settings of the MPI library that writing files needs, where the user has not set them; to be called before MPI is
 * initialized.
 */
void sinode_mpi_prepare(void);

/* Prepares and initializes MPI unless that was done; *started: whether sinode_mpi_end must finalize it. */
SINODE_MUST_CHECK sinode_error *sinode_mpi_start(bool *started);
void sinode_mpi_end(void);

/* The process grid: world = replicas x space ranks. A replica's space ranks share its grid points in contiguous blocks;
 * world rank w is space rank w % space of replica w / space. */

typedef struct sinode_grid sinode_grid;

/* Collective over world. Error: space does not divide the ranks, or leaves a rank fewer than two points. */
SINODE_MUST_CHECK sinode_error *sinode_grid_create(const MPI_Comm *world, int space, ptrdiff_t points,
                                                   sinode_grid **out);
void sinode_grid_destroy(sinode_grid **grid);

ptrdiff_t sinode_grid_points(const sinode_grid *grid);
ptrdiff_t sinode_grid_start(const sinode_grid *grid); /* of this rank's block */
ptrdiff_t sinode_grid_count(const sinode_grid *grid);
int sinode_grid_space(const sinode_grid *grid);    /* ranks of a replica */
int sinode_grid_replicas(const sinode_grid *grid); /* number of them */
int sinode_grid_replica(const sinode_grid *grid);  /* that of this rank */

/* The ranks of this replica, in the order of their blocks; the grid's, not to be freed. */
void sinode_grid_space_comm(const sinode_grid *grid, MPI_Comm *comm);

/* This rank's error made that of all ranks: NULL if none has one; takes `mine`. Collective. */
SINODE_MUST_CHECK sinode_error *sinode_grid_share_error(const sinode_grid *grid, sinode_error *mine);

/* The model */

/*
 * The linear part A, by kind:
 *
 *   stencil   (A u)_j = sum_k c_k u_{j + k - count / 2}, k = 0 .. count - 1, count odd
 *   derivatives
 *             sum_k c_k d^k/dx^k, k = 0 .. count - 1, at most 9, exact in Fourier space
 *   symbol    multiplies wave number m = 0 .. points / 2 by c_m; (count, 2) real and imaginary parts, count =
 *             points / 2 + 1. Imaginary parts of m = 0 and of points / 2 do not count.
 *   dense     this rank's rows of a matrix, (local points, points)
 *   spectral  k^2 - k^4, k = 2 pi m / length: nothing to give or to train
 *
 * coefficients NULL: those of Kuramoto-Sivashinsky, of a stencil with count 5. They are copied, and become the model's
 * parameters "linear/stencil", "linear/derivatives", "linear/symbol" or "linear/matrix".
 */
typedef struct {
  const char *kind;
  double length; /* of the domain; > 0 */
  ptrdiff_t count;
  const double *coefficients;
  bool trainable;
} sinode_linear;

/* An array of parameters of a caller's network: whole on every rank. The values begin at 0. */
typedef struct {
  const char *name; /* is "nonlinear/NAME" in the model */
  int dimensions;   /* 1 to 3 */
  ptrdiff_t shape[3];
} sinode_array;

/*
 * A network F of the caller's own: a table of functions and what they work on, called on all ranks of a replica alike;
 * that these see each other's values is up to the functions (sinode_grid_space_comm). parameter[k]: the present values
 * of array k. Any may return an error, then all ranks stop with it.
 */
typedef struct {
  void *context; /* handed to every function; stays the caller's */
  int arrays;
  const sinode_array *array;
  ptrdiff_t tape; /* doubles a sample that forward keeps for backward and tangent */

  /* f = F(u). tape (samples, tape): NULL where nothing will ask for it; else its address tells the evaluations of a
   * pass apart. */
  sinode_error *(*forward)(void *context, ptrdiff_t samples, const double *const *parameter, const double *u, double *f,
                           double *tape);

  /* u_bar = (dF/du)^T f_bar, and gradient[k] += this rank's share of (dF/dparameter[k])^T f_bar, at the u and tape of a
   * forward evaluation; either may be NULL: not wanted. NULL for the function: there are no backward passes. */
  sinode_error *(*backward)(void *context, ptrdiff_t samples, const double *const *parameter, const double *u,
                            const double *tape, const double *f_bar, double *u_bar, double *const *gradient);

  /* df = (dF/du) du + sum_k (dF/dparameter[k]) direction[k]; du and direction may be NULL for 0. NULL for the function:
   * there are neither tangents nor fully implicit schemes. */
  sinode_error *(*tangent)(void *context, ptrdiff_t samples, const double *const *parameter, const double *u,
                           const double *tape, const double *du, const double *const *direction, double *df);
} sinode_network;

typedef struct sinode_model sinode_model;

/*
 * A model for up to `samples` samples at once on each replica. network NULL: F = 0. The grid is kept, not owned; what
 * network->context points at is kept, the rest copied. Collective. Error: what the linear part must be and is not.
 */
SINODE_MUST_CHECK sinode_error *sinode_model_create(const sinode_grid *grid, const sinode_linear *linear,
                                                    const sinode_network *network, ptrdiff_t samples,
                                                    sinode_model **out);

/*
 * The model that a parameter file's text (YAML, sections grid, model, run.seed, parallel.space) describes, with its
 * initial values, or with those of a model or checkpoint file, path other than NULL. Its grid is its own. Collective
 * over world. Errors as of the program's.
 */
SINODE_MUST_CHECK sinode_error *sinode_model_from_config(const MPI_Comm *world, const char *config, const char *path,
                                                         ptrdiff_t samples, sinode_model **out);

/* The model in a model or checkpoint file, on the grid it says. Collective over world. */
SINODE_MUST_CHECK sinode_error *sinode_model_from_file(const MPI_Comm *world, const char *path, int space,
                                                       ptrdiff_t samples, sinode_model **out);

/* A model file, which appears whole or not at all and replaces one of that name. Collective. Error: the file cannot be
 * written; a network of the caller's own, or a symbol, of which files know nothing. */
SINODE_MUST_CHECK sinode_error *sinode_model_write(const sinode_model *model, const char *path);

void sinode_model_destroy(sinode_model **model);

const sinode_grid *sinode_model_grid(const sinode_model *model);
double sinode_model_length(const sinode_model *model); /* of the domain */
ptrdiff_t sinode_model_samples(const sinode_model *model);

/*
 * The parameters are a vector on each rank, of named arrays behind each other with gaps that stay 0. Each is this
 * rank's part, `count` from `start` on, of an array of `shape`; one that is not split is whole on every rank.
 */
typedef struct {
  const char *name; /* the model's */
  int dimensions;
  ptrdiff_t shape[3], start[3], count[3];
  ptrdiff_t offset; /* in the vector */
  bool split, trainable;
} sinode_parameter;

int sinode_model_parameters(const sinode_model *model);
void sinode_model_parameter(const sinode_model *model, int index, sinode_parameter *out);
ptrdiff_t sinode_model_size(const sinode_model *model); /* of the vector */
double *sinode_model_values(sinode_model *model);       /* the model's, valid as long as it is */

/* Takes note that the values were changed: factorizations follow. Collective. */
SINODE_MUST_CHECK sinode_error *sinode_model_update(sinode_model *model);

/*
 * The parameters of the samples, row by row, where the model has a term that they multiply (model.linear.parameter): of
 * this replica's samples in every call from now on, as many as there are values; 1 before. Collective over space, the
 * same on all of its ranks. Errors: there is no such term; more than the model's samples; more than 256 different
 * values in the life of the model.
 */
SINODE_MUST_CHECK sinode_error *sinode_model_scale(sinode_model *model, ptrdiff_t samples, const double *values);

/* f = F(u) and au = A u of up to the model's samples; either may be NULL. Collective. */
SINODE_MUST_CHECK sinode_error *sinode_model_evaluate(sinode_model *model, ptrdiff_t samples, const double *u,
                                                      double *f, double *au);

/* The integrator */

/* Zero or NULL stands for what is said in brackets. */
typedef struct {
  const char *scheme;  /* sinode_scheme has the names [l2] */
  double dt;           /* > 0; divides the interval; of adaptive schemes the step tried first */
  double interval;     /* > 0: time between the states that a pass leaves */
  ptrdiff_t intervals; /* the most that one pass takes [1] */
  const char *solver;  /* of the implicit stages: auto, fft, local, banded, dense, gmres [auto] */
  double tolerance;    /* gmres, relative [1e-12] */
  int max_iterations;  /* gmres [500] */
  bool unconditioned;  /* gmres without its preconditioner, the nearest circulant */
  const char *storage; /* for backward passes: auto, all, solutions, revolve [auto] */
  ptrdiff_t snapshots; /* revolve: states in memory [10] */
  double memory;       /* auto: MiB on this rank [half of what the node has, shared by its ranks] */
  double rtol, atol;   /* adaptive schemes [1e-6, 1e-8] */
  double minimum_step; /* adaptive schemes [1e-10] */
  bool adjoint;        /* there will be backward passes */
  bool tangent;        /* there will be tangents */
} sinode_integrator_options;

typedef struct sinode_integrator sinode_integrator;

/* Name of a scheme, 0 .. ; NULL behind the last. Adaptive ones and implicit ones (Newton's method) among them. */
const char *sinode_scheme(int index);

/* The model is kept, not owned. Collective. Errors: an unknown name; dt does not divide the interval; a solver that
 * does not take this A; no memory for what backward passes need; tangents of a scheme that has none. */
SINODE_MUST_CHECK sinode_error *sinode_integrator_create(sinode_model *model, const sinode_integrator_options *options,
                                                         sinode_integrator **out);
void sinode_integrator_destroy(sinode_integrator **integrator);

/*
 * states (intervals + 1, samples, local points): the first is given, the others are computed. samples may differ
 * between replicas, and be 0. tape: a backward pass will follow. Collective. Error: the states blew up, a solve failed,
 * a step fell below the least, or a function of the network returned one.
 */
SINODE_MUST_CHECK sinode_error *sinode_integrator_forward(sinode_integrator *integrator, ptrdiff_t samples,
                                                          ptrdiff_t intervals, double *states, bool tape);

/*
 * The exact transpose of the derivative of the last forward pass, which was one with tape and of as many samples and
 * intervals; one backward pass for each. state_bars (intervals + 1, samples, local points): derivatives of a function
 * by the states; it is used up, and its first state becomes the derivative by the initial state. gradient: the vector
 * of the derivatives by the parameters, summed over all samples of all replicas, the same whole or own part on every
 * rank; set, not added to; NULL: not wanted. Collective, alike in whether gradient is NULL.
 */
SINODE_MUST_CHECK sinode_error *sinode_integrator_backward(sinode_integrator *integrator, ptrdiff_t samples,
                                                           ptrdiff_t intervals, double *state_bars, double *gradient);

/*
 * A forward pass together with the derivatives of its states along directions: tangents (intervals + 1, directions,
 * samples, local points), the first given, the others computed. parameters (directions, size of the vector): directions
 * of the parameters; NULL: they stand still. Collective. Errors as of sinode_integrator_forward.
 */
SINODE_MUST_CHECK sinode_error *sinode_integrator_tangent(sinode_integrator *integrator, ptrdiff_t samples,
                                                          ptrdiff_t intervals, double *states, ptrdiff_t directions,
                                                          const double *parameters, double *tangents);

/* One line each for the user: the solver and the adjoint storage, and why. The integrator's. */
const char *sinode_integrator_solver(const sinode_integrator *integrator);
const char *sinode_integrator_storage(const sinode_integrator *integrator);

/* Trajectories of the Kuramoto-Sivashinsky equation and others: Fourier in space, ETDRK4 in time */

typedef struct {
  double length; /* of the domain */
  double dt;
  bool dealias;
  const char *initial; /* paper, cosine, random or noise [random] */
  uint64_t seed;
  double perturbation;  /* of members other than the first, but for random; relative to the state's root mean square */
  const char *equation; /* a parameter file's text, whose generate.equation is solved: "generate: {equation: {linear:
                           {2: 0.1}, u_ux: -1}}" say [Kuramoto-Sivashinsky] */
} sinode_generator_options;

typedef struct sinode_generator sinode_generator;

/* `members` in all, shared out over the replicas. The grid is kept, not owned. Collective. Errors: what is not
 * positive; an unknown initial state; those of the program about the equation. */
SINODE_MUST_CHECK sinode_error *sinode_generator_create(const sinode_grid *grid, ptrdiff_t members,
                                                        const sinode_generator_options *options,
                                                        sinode_generator **out);
void sinode_generator_destroy(sinode_generator **generator);
ptrdiff_t sinode_generator_members(const sinode_generator *generator); /* of this replica */

/* The parameter of each of them, which multiplies the term that generate.equation.parameter names; 1 without one. */
void sinode_generator_parameters(const sinode_generator *generator, double *values);

/* Advances by so many steps, and copies the state (members of this replica, local points) unless it is NULL.
 * Collective. Error: it blew up. */
SINODE_MUST_CHECK sinode_error *sinode_generator_step(sinode_generator *generator, ptrdiff_t steps, double *state);

/* Commands of the program sinode */

enum {
  SINODE_QUIET = 1,    /* prints warnings only */
  SINODE_OVERWRITE = 2 /* replaces output files that are there already */
};

/*
 * Runs a command that takes a parameter file ("generate", "train", "predict", "gradient", "lyapunov", "check") with the
 * text of one, in this process: rank 0 prints what the program prints. The ranks' texts are the same. While it runs,
 * SIGTERM, SIGINT, SIGUSR1, SIGUSR2 and SIGXCPU ask for a checkpoint and the end (error SINODE_ERROR_STOPPED), a second
 * one of them ends the process; then the caller's handlers are back. The BLAS has parallel.threads threads meanwhile.
 * An error of one rank alone while the others wait for it in a message is told on stderr and ends all of them by
 * MPI_Abort: otherwise they would wait forever. Collective over world. Errors: those of the program, with its exit
 * statuses as codes. run.stall_limit, which would end the process, has no effect.
 */
SINODE_MUST_CHECK sinode_error *sinode_run(const MPI_Comm *world, const char *command, const char *config, int flags);

#ifdef __cplusplus
}
#endif
#if defined __GNUC__
#pragma GCC visibility pop
#endif
#endif
