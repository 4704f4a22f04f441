/*
 * Locks that keep two runs from writing the same directory or file. A lock is a POSIX record lock (fcntl) on a small
 * file that names its owner: the kernel gives it back when the process ends, however it ends, and NFS carries it from
 * node to node (version 4 itself, version 3 with its lock daemon). Where a file system has no such locks, the run goes
 * on unprotected and says so. All local: rank 0 holds them.
 */
#ifndef SINODE_RUN_LOCK_H
#define SINODE_RUN_LOCK_H

#include <stdbool.h>

#include "sinode/error.h"

enum { SN_LOCK_PATH = 1200 };

typedef struct {
  int descriptor; /* 0: not held */
  char path[SN_LOCK_PATH];
} sn_lock;

/*
 * Takes the lock file at `path`, making it; `what` it protects and what to do are for the message. *supported is false
 * where the file system has no locks. Error SN_ERROR_FILE: somebody else has it, or the file cannot be made.
 */
SN_MUST_CHECK sn_status sn_lock_take(sn_lock *lock, const char *path, const char *what, const char *advice,
                                     bool *supported);

/* Gives it back and removes the file. One that is not held is left alone. */
void sn_lock_release(sn_lock *lock);

#endif
