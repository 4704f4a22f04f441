#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static sn_status somebody_else(int descriptor, const char *what, const char *advice) {
  char owner[200] = "";
  const ssize_t length = pread(descriptor, owner, sizeof owner - 1, 0);
  if (length > 0) owner[length] = '\0';
  owner[strcspn(owner, "\n")] = '\0';
  return SN_ERROR(SN_ERROR_FILE, "%s: another run is writing it%s%s%s; wait for its end, or %s", what,
                  *owner ? " (" : "", owner, *owner ? ")" : "", advice);
}

/* Whether the file that is open is still the one at the path: its last owner may just have removed it. */
static bool is_there(int descriptor, const char *path) {
  struct stat open_one, named;
  return fstat(descriptor, &open_one) == 0 && stat(path, &named) == 0 && open_one.st_ino == named.st_ino &&
         open_one.st_dev == named.st_dev;
}

static void sign(int descriptor) {
  char text[200], host[64] = "?", date[40];
  const char *job = getenv("SLURM_JOB_ID");
  const time_t now = time(NULL);
  struct tm utc;
  gethostname(host, sizeof host - 1);
  strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
  const int length = snprintf(text, sizeof text, "process %ld on %s%s%.32s, since %s\n", (long)getpid(), host,
                              job ? ", job " : "", job ? job : "", date);
  /* Who it is is a courtesy: a full disk does not matter here. */
  if (ftruncate(descriptor, 0) != 0 || pwrite(descriptor, text, (size_t)length, 0) != length) return;
}

sn_status sn_lock_take(sn_lock *lock, const char *path, const char *what, const char *advice, bool *supported) {
  *lock = (sn_lock){0};
  *supported = true;
  for (;;) {
    const int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor < 0) return SN_ERROR(SN_ERROR_FILE, "%s: cannot be written: %s", path, strerror(errno));
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(descriptor, F_SETLK, &whole) == 0) {
      if (!is_there(descriptor, path)) {
        close(descriptor);
        continue;
      }
      sign(descriptor);
      lock->descriptor = descriptor;
      snprintf(lock->path, sizeof lock->path, "%s", path);
      return SN_OK;
    }
    const bool taken = errno == EACCES || errno == EAGAIN;
    sn_status status = taken ? somebody_else(descriptor, what, advice) : SN_OK;
    *supported = taken;
    close(descriptor);
    return status;
  }
}

void sn_lock_release(sn_lock *lock) {
  if (lock->descriptor <= 0) return;
  unlink(lock->path); /* while it is still held, so that nobody takes what is about to go */
  close(lock->descriptor);
  *lock = (sn_lock){0};
}
