/*
 * What the steps of a run send and work, by the formulas of docs/scaling.md: for any number of ranks, nothing is built.
 * Everything is of the rank with most. All local.
 */
#ifndef SINODE_COST_COST_H
#define SINODE_COST_COST_H

#include <stdbool.h>
#include <stddef.h>

#include "sinode/etdrk4.h"
#include "sinode/linear.h"
#include "sinode/network.h"
#include "sinode/solver.h"
#include "sinode/subdomain_steps.h"
#include "sinode/tableau.h"

/* How a run is laid out. */
typedef struct {
  ptrdiff_t points;
  int space, replicas;
} sn_layout;

/*
 * A call of a step, in amounts of what it is made of. Messages and bytes are those that MPI is given: a message to one
 * rank counts once, an all-to-all once for every other rank that gets something, a reduction, gathering or broadcast
 * once. The others are work, a unit of which takes a machine its own time (sinode benchmark --machine): a step takes
 * their sum, nothing overlapped. NaN: there is no formula.
 */
typedef enum {
  SN_COST_MESSAGES,
  SN_COST_BYTES,
  SN_COST_PRODUCTS,   /* multiply-adds of matrix products */
  SN_COST_MEMORY,     /* bytes read from memory or written there */
  SN_COST_STRIPS,     /* bytes of columns taken out of lines */
  SN_COST_TRANSFORMS, /* N log2 N, of real transforms of N points in memory */
  SN_COST_LINES,      /* numbers times log2 of their length, of short transforms in the cache */
  SN_COST_LATENCIES,  /* messages that wait for one another */
  SN_COST_CARRIED,    /* bytes of messages between two ranks */
  SN_COST_REDUCED,    /* bytes of arrays summed over two ranks; over more, as over so many pairs */
  SN_COSTS
} sn_cost_kind;

typedef struct {
  double of[SN_COSTS];
} sn_cost;

/* "messages", "bytes", "products", ... */
const char *sn_cost_name(sn_cost_kind kind);

/*
 * Which way the generator goes on this layout: the one that the options ask for, or with `auto` the local one where the
 * domain is long enough for it to gain (docs/method.md). Takes some hundredths of a second unless it is the global one.
 * Errors SN_ERROR_USAGE of sn_etdrk4_divide, where the local way is asked for.
 */
typedef struct {
  bool local;
  sn_etdrk4_division division; /* local */
  char text[256];              /* which way and why, for the user */
} sn_cost_generator;
SN_MUST_CHECK sn_status sn_cost_choose_generator(sn_layout layout, const sn_etdrk4_options *options,
                                                 sn_cost_generator *out);

/* Of the model and its training, as far as they decide what steps cost. */
typedef struct {
  sn_layout layout;
  sn_cost_generator generator;
  sn_network_shape network;
  const sn_linear *linear; /* on any grid of as many points, */
  int taps;                /* its coefficients, if it is a stencil, */
  bool trains_linear;      /* and whether they are learnt */
  const sn_tableau *tableau;
  sn_subdomain_control subdomains;
  sn_solver_options solver;
  double memory, dt; /* memory: bytes a rank may fill with factors */
  ptrdiff_t samples; /* of a batch, on a replica */
  ptrdiff_t steps;   /* time steps between two snapshots */
  ptrdiff_t window;  /* snapshots */
  bool ordered;      /* sums in an order of their own (parallel.reproducible) */
} sn_cost_case;

/* ETDRK4, one member, by transforms of the whole grid (division NULL) or of subdomains; halo exchange of the 5-tap
 * stencil; the sum of a gradient over the replicas. */
sn_cost sn_cost_generate_step(sn_layout layout, const sn_etdrk4_division *division);
sn_cost sn_cost_halo(sn_layout layout, ptrdiff_t samples);
sn_cost sn_cost_reduction(const sn_cost_case *c);
/* A solve by one kind; the steps between two snapshots, of one sample; an iteration of Adam. */
sn_cost sn_cost_solve(const sn_cost_case *c, sn_solver_kind kind, double gamma);
sn_cost sn_cost_predict_step(const sn_cost_case *c);
sn_cost sn_cost_train_iteration(const sn_cost_case *c);

/* Messages and bytes of an evaluation of the network, or of its transposed Jacobian. */
sn_cost sn_cost_evaluation(sn_layout layout, const sn_network_shape *shape, ptrdiff_t samples, bool backward);

/* Multiply-adds of an evaluation of the network with one sample; backward twice as many. 0: of kinds without weights.
 */
double sn_cost_multiply_adds(sn_layout layout, const sn_network_shape *shape);

/* Parameters of the network: in all, on a rank, and those of a rank that every space rank has. */
typedef struct {
  double all, own, common;
} sn_cost_parameters;
sn_cost_parameters sn_cost_count_parameters(sn_layout layout, const sn_network_shape *shape);

/* The blocks of parameters on a rank, in order, at most SN_COST_BLOCKS; returns how many. */
enum { SN_COST_BLOCKS = 2 * (SN_NETWORK_HIDDEN_MOST + 1) + 1 };
typedef struct {
  ptrdiff_t count;
  bool common; /* every space rank has all of it */
} sn_cost_block;
int sn_cost_blocks(sn_layout layout, const sn_network_shape *shape, sn_cost_block *block);

/* What a step of a scheme does: evaluations of the network, solves, and the distinct gammas that they are for; of an
 * exponential scheme functions of A, and transforms of states, one way each, to what they act on or back. */
typedef struct {
  int evaluations, solves, gammas, functions, transforms;
  double gamma[SN_TABLEAU_STAGES];
  bool starts_with_solve; /* the first stage is implicit */
  bool applies;           /* A is applied to an explicit stage */
} sn_cost_stages;
sn_cost_stages sn_cost_count_stages(const sn_tableau *tableau, double dt, bool has_network, bool estimates);

#endif
