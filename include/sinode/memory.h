/*
 * Memory: 64-byte aligned arrays taken at creation and reused, with checked sizes and a count of live bytes, so that a
 * test can show that no time step or training iteration allocates, and a run can report what it holds. All local.
 */
#ifndef SINODE_MEMORY_H
#define SINODE_MEMORY_H

#include <stddef.h>

#include "sinode/error.h"

/*
 * Takes count * size bytes, set to zero, into *out (a pointer to a pointer). count = 0 gives a valid pointer.
 * Error: SN_ERROR_RUN when the product overflows or there is no memory; *out is then NULL.
 */
sn_status sn_memory_take(ptrdiff_t count, size_t size, void *out) __attribute__((warn_unused_result));
#define SN_NEW(count, out) sn_memory_take((count), sizeof **(out), (out))

/* Gives back what sn_memory_take took and sets the pointer to NULL. NULL is allowed. */
void sn_memory_give(void *pointer_to_pointer);

/* Calls of sn_memory_take so far, bytes held now, and the most ever held, by this process. */
ptrdiff_t sn_memory_calls(void);
ptrdiff_t sn_memory_bytes(void);
ptrdiff_t sn_memory_peak_bytes(void);

/* Half of the node's memory in bytes, shared by the ranks of comm that run on it. Collective over comm. */
ptrdiff_t sn_memory_share(MPI_Comm comm);

/* Largest resident size of the process in bytes, as the system reports it. */
ptrdiff_t sn_memory_resident_peak(void);

#endif
