/*
 * What a backward pass needs of the forward pass: the tape of every step, or the tape of one step and snapshots of the
 * state from which the others are recomputed. Snapshots form a stack, in the order of their steps. All local.
 */
#ifndef SINODE_TIME_STORAGE_H
#define SINODE_TIME_STORAGE_H

#include <mpi.h>
#include <stdbool.h>

#include "sinode/integrator.h"

/*
 * In doubles: a state, the tape of a step, that of the last one or of one that is repeated, and what a stepper keeps of
 * a taped step by itself.
 */
typedef struct {
  ptrdiff_t state, tape, last, record;
} sn_storage_sizes;

typedef struct {
  bool keeps_all;
  ptrdiff_t steps;      /* the most of a pass */
  ptrdiff_t most, held; /* capacity in snapshots, and those in the stack */
  sn_storage_sizes sizes;
  ptrdiff_t bytes;     /* with the steppers' records */
  ptrdiff_t *position; /* (most) the step whose initial state each is */
  double *states, *tape;
  char reason[160];
} sn_storage;

/*
 * Allocates for passes of up to `steps` steps, records excepted. Error: no memory. Collective over comm,
 * so that auto chooses the same everywhere.
 */
SN_MUST_CHECK sn_status sn_storage_create(const sn_integrator_options *options, MPI_Comm comm, ptrdiff_t steps,
                                          const sn_storage_sizes *sizes, sn_storage *storage);
void sn_storage_destroy(sn_storage *storage);

/* How many steps have a tape at a time. */
ptrdiff_t sn_storage_tapes(const sn_storage *storage);

/* The tape of a step. */
double *sn_storage_tape(const sn_storage *storage, ptrdiff_t step);

/* Where the top snapshot is, and its position. */
double *sn_storage_top(const sn_storage *storage);
ptrdiff_t sn_storage_top_position(const sn_storage *storage);

/* The memory for a new snapshot, the state before `step`, on top of the stack. */
double *sn_storage_push(sn_storage *storage, ptrdiff_t step);

/* The step before which the next snapshot on the way to `end` is due, or -1: none, or the stack is full. */
ptrdiff_t sn_storage_next(const sn_storage *storage, ptrdiff_t end);

#endif
