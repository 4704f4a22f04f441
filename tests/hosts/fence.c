/*
 * Preloaded into ranks of Open MPI: says on stdout when they enter a PMIx fence and when they leave it, as lines
 * "fence NUMBER enter|leave SECONDS", by the clock that all hosts of this machine share.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

typedef void callback(int status, void *data);
typedef int fence(const void *procs, size_t procs_count, const void *info, size_t info_count, callback *, void *data);

typedef struct {
  callback *function;
  void *data;
  int number;
} waiting;

fence PMIx_Fence_nb;

static void say(int number, const char *what) {
  char line[80];
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  const int length =
      snprintf(line, sizeof line, "\nfence %d %s %lld.%09ld\n", number, what, (long long)now.tv_sec, now.tv_nsec);
  if (write(STDOUT_FILENO, line, (size_t)length) != length) abort(); /* whole, whichever threads of whichever ranks */
}

static void leave(int status, void *data) {
  const waiting w = *(waiting *)data;
  free(data);
  say(w.number, "leave");
  w.function(status, w.data);
}

int PMIx_Fence_nb(const void *procs, size_t procs_count, const void *info, size_t info_count, callback *function,
                  void *data) {
  static int fences;
  /* Open MPI loads the library for its plugin alone. */
  fence *const real = (fence *)dlsym(dlopen("libpmix.so.2", RTLD_NOW), "PMIx_Fence_nb");
  waiting *w = malloc(sizeof *w);
  if (!real || !w) abort();
  *w = (waiting){function, data, ++fences};
  say(w->number, "enter");
  return real(procs, procs_count, info, info_count, leave, w);
}
