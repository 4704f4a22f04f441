#define _DEFAULT_SOURCE /* madvise */
#include "sinode/memory.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sinode/count.h"

/* Each array carries its size in front of it, one cache line so that the data stay aligned. */
enum { ALIGNMENT = 64 };

/* Arrays of some of them ask for huge pages: fewer misses of the TLB, and MPI pins fewer pages to copy between ranks.
 */
enum { HUGE_PAGE = 1 << 21, HUGE_LEAST = 2 * HUGE_PAGE };

/* The one process-wide record besides MPI's own: bookkeeping of the allocator, not state of the computation. */
static atomic_ptrdiff_t calls, bytes, peak;

sn_status sn_memory_alloc(ptrdiff_t count, size_t size, void *out) {
  void **result = out;
  *result = NULL;
  ptrdiff_t need;
  if (!sn_count_multiply(count, (ptrdiff_t)size, &need) || !sn_count_add(need, 2 * ALIGNMENT, &need))
    return SN_ERROR(SN_ERROR_RUN, "an array of %td elements of %zu bytes is more than can be addressed", count, size);
  const ptrdiff_t alignment = need >= HUGE_LEAST ? HUGE_PAGE : ALIGNMENT;
  need = need / ALIGNMENT * ALIGNMENT;
  void *block = NULL; /* aligned_alloc would want a multiple of the alignment */
  if (posix_memalign(&block, (size_t)alignment, (size_t)need) != 0)
    return SN_ERROR(SN_ERROR_RUN,
                    "out of memory: %.1f MiB wanted beside %.1f MiB held; use more ranks or a smaller batch",
                    (double)need / 1048576.0, (double)bytes / 1048576.0);
#ifdef MADV_HUGEPAGE
  if (need >= HUGE_LEAST) (void)madvise(block, (size_t)need, MADV_HUGEPAGE);
#endif
  memset(block, 0, (size_t)need);
  memcpy(block, &need, sizeof need);
  atomic_fetch_add(&calls, 1);
  const ptrdiff_t now = atomic_fetch_add(&bytes, need) + need;
  if (now > peak) peak = now;
  *result = (char *)block + ALIGNMENT;
  return SN_OK; /* cppcheck-suppress memleak; the pointer into the block is what is kept */
}

void sn_memory_free(void *memory) {
  if (!memory) return;
  char *block = (char *)memory - ALIGNMENT;
  ptrdiff_t size;
  memcpy(&size, block, sizeof size);
  atomic_fetch_sub(&bytes, size);
  free(block);
}

ptrdiff_t sn_memory_calls(void) { return calls; }
ptrdiff_t sn_memory_bytes(void) { return bytes; }
ptrdiff_t sn_memory_peak_bytes(void) { return peak; }

ptrdiff_t sn_memory_resident_peak(void) {
  /* Linux's ru_maxrss begins with that of the process which started this one; VmHWM does not. */
  FILE *file = fopen("/proc/self/status", "r");
  if (file) {
    char line[128];
    long kibibytes = 0;
    while (!kibibytes && fgets(line, sizeof line, file)) (void)sscanf(line, "VmHWM: %ld kB", &kibibytes);
    fclose(file);
    if (kibibytes > 0) return (ptrdiff_t)kibibytes * 1024;
  }
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (ptrdiff_t)usage.ru_maxrss * 1024;
}

ptrdiff_t sn_memory_share(MPI_Comm comm) {
  MPI_Comm node;
  int ranks;
  MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
  MPI_Comm_size(node, &ranks);
  MPI_Comm_free(&node);
  return (ptrdiff_t)sysconf(_SC_PHYS_PAGES) * (ptrdiff_t)sysconf(_SC_PAGESIZE) / 2 / ranks;
}
