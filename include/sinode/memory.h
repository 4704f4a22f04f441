/*
 * Memory: 64-byte aligned arrays allocated at creation and reused, with checked sizes and a count of live bytes, so
 * that a test can show that no time step or training iteration allocates, and a run can report what it holds. All
 * local.
 */
#ifndef SINODE_MEMORY_H
#define SINODE_MEMORY_H

#include <stddef.h>

#include "sinode/error.h"

/*
 * Allocates count * size bytes, set to zero, into *out (a pointer to a pointer). count = 0 gives a valid pointer.
 * Error: SN_ERROR_RUN when the product overflows or there is no memory; *out is then NULL.
 */
SN_MUST_CHECK sn_status sn_memory_alloc(ptrdiff_t count, size_t size, void *out);
#define SN_NEW(count, out) sn_memory_alloc((count), sizeof **(out), (out))

/* Frees what sn_memory_alloc allocated; NULL is allowed. SN_FREE also sets the pointer, an lvalue, to NULL. */
void sn_memory_free(void *memory);
#define SN_FREE(pointer)       \
  do {                         \
    sn_memory_free((pointer)); \
    (pointer) = NULL;          \
  } while (0)

/* Calls of sn_memory_alloc so far, bytes held now, and the most ever held, by this process. */
ptrdiff_t sn_memory_calls(void);
ptrdiff_t sn_memory_bytes(void);
ptrdiff_t sn_memory_peak_bytes(void);

/* Half of the node's memory in bytes, shared by the ranks of comm that run on it. Collective over comm. */
ptrdiff_t sn_memory_share(MPI_Comm comm);

/* Largest resident size of the process in bytes, as the system reports it. */
ptrdiff_t sn_memory_resident_peak(void);

#endif
