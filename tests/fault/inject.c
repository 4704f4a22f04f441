/*
 * Preloaded into the program, makes the system fail as the environment says:
 *
 *   SINODE_FAULT       error | short | half | lose | flip: what happens to a write (half: short, but said to be all);
 *                      sync, rename: these calls fail; memory: the program itself gets none; exit: the process leaves
 *                      quietly on SIGRTMIN
 *   SINODE_FAULT_ERROR errno, for error, sync and rename
 *   SINODE_FAULT_PATH  only files with this in their path
 *   SINODE_FAULT_AT    from the how-manieth such call on (1; error stays, the others happen once)
 *   SINODE_FAULT_RANK  only on this rank
 *   SINODE_FAULT_MARK  a file that appears when it happens; with SINODE_FAULT_AT=0, when nothing does, at the end, with
 *                      the number of such calls
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *setting(const char *name, const char *fallback) {
  const char *value = getenv(name);
  return value ? value : fallback;
}

static bool is_our_rank(void) {
  const char *rank = getenv("SINODE_FAULT_RANK");
  return !rank || strcmp(rank, setting("OMPI_COMM_WORLD_RANK", setting("PMI_RANK", "0"))) == 0;
}

static bool wants(const char *what) { return strcmp(setting("SINODE_FAULT", ""), what) == 0 && is_our_rank(); }

/* The files that Open MPI keeps for its ranks in memory are named after ours, and are not what is meant. */
static bool path_matches(const char *path) {
  return strstr(path, setting("SINODE_FAULT_PATH", "/")) && !strstr(path, "/ompi.") && !strstr(path, ".sm");
}

static bool file_matches(int descriptor) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return false;
  path[length] = '\0';
  return path_matches(path);
}

static void mark(void) {
  const int file = open(setting("SINODE_FAULT_MARK", "/dev/null"), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (file >= 0) close(file);
}

static long calls; /* that might have failed */

/* Whether this call is one to fail. */
static bool is_due(bool stays) {
  const long at = atol(setting("SINODE_FAULT_AT", "1"));
  calls++;
  if (calls == at) mark();
  return stays ? calls >= at : calls == at;
}

static int failure(void) {
  errno = atoi(setting("SINODE_FAULT_ERROR", "5"));
  return -1;
}

/* Of zeros nothing is lost: what has never been written is read as zeros. */
static bool is_zero(const void *data, size_t length) {
  const char *bytes = data;
  return length == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0);
}

/* What becomes of a write: *done says that it is over, with the result. `length` may be cut. */
static ssize_t meddle(int descriptor, const void **data, size_t *length, bool *done) {
  static char changed[1 << 22];
  *done = false;
  if (!file_matches(descriptor)) return 0;
  if (wants("error") && is_due(true)) {
    *done = true;
    return failure();
  }
  if (wants("lose") && !is_zero(*data, *length) && is_due(false)) {
    *done = true;
    return (ssize_t)*length;
  }
  if ((wants("short") || wants("half")) && *length > 1 && is_due(false)) *length /= 2;
  if (wants("flip") && *length >= 64 && *length <= sizeof changed && is_due(false)) {
    memcpy(changed, *data, *length);
    changed[*length / 2] ^= 8;
    *data = changed;
  }
  return 0;
}

/* What the caller is told of a write of `length` bytes of those that it wanted to write. */
static ssize_t said(ssize_t result, size_t length, size_t wanted) {
  return wants("half") && result == (ssize_t)length ? (ssize_t)wanted : result;
}

#define REAL(name) __typeof__(&(name)) real = (__typeof__(&(name)))dlsym(RTLD_NEXT, #name)

ssize_t write(int descriptor, const void *data, size_t length) {
  REAL(write);
  const size_t wanted = length;
  bool done;
  const ssize_t result = meddle(descriptor, &data, &length, &done);
  return done ? result : said(real(descriptor, data, length), length, wanted);
}

ssize_t pwrite(int descriptor, const void *data, size_t length, off_t offset) {
  REAL(pwrite);
  const size_t wanted = length;
  bool done;
  const ssize_t result = meddle(descriptor, &data, &length, &done);
  return done ? result : said(real(descriptor, data, length, offset), length, wanted);
}

ssize_t pwrite64(int descriptor, const void *data, size_t length, off64_t offset) {
  REAL(pwrite64);
  const size_t wanted = length;
  bool done;
  const ssize_t result = meddle(descriptor, &data, &length, &done);
  return done ? result : said(real(descriptor, data, length, offset), length, wanted);
}

/* Of several pieces the first is meddled with, and one that is cut is the last. */
static ssize_t write_pieces(int descriptor, const struct iovec *piece, int count, off_t offset, bool has_offset) {
  ssize_t sum = 0;
  for (int k = 0; k < count; k++) {
    const ssize_t got = has_offset ? pwrite(descriptor, piece[k].iov_base, piece[k].iov_len, offset + sum)
                                   : write(descriptor, piece[k].iov_base, piece[k].iov_len);
    if (got < 0) return sum ? sum : got;
    sum += got;
    if ((size_t)got < piece[k].iov_len) break;
  }
  return sum;
}

ssize_t writev(int descriptor, const struct iovec *piece, int count) {
  REAL(writev);
  if (!file_matches(descriptor)) return real(descriptor, piece, count);
  return write_pieces(descriptor, piece, count, 0, false);
}

ssize_t pwritev(int descriptor, const struct iovec *piece, int count, off_t offset) {
  return write_pieces(descriptor, piece, count, offset, true);
}

ssize_t pwritev64(int descriptor, const struct iovec *piece, int count, off64_t offset) {
  return write_pieces(descriptor, piece, count, offset, true);
}

/* Text files: what the C library writes for itself does not come by the calls above. */
int fclose(FILE *file) {
  REAL(fclose);
  const bool fails = wants("error") && file_matches(fileno(file)) && is_due(true);
  const int result = real(file);
  return fails ? failure() : result;
}

int fsync(int descriptor) {
  REAL(fsync);
  return wants("sync") && file_matches(descriptor) && is_due(true) ? failure() : real(descriptor);
}

int rename(const char *from, const char *to) {
  REAL(rename);
  return wants("rename") && path_matches(to) && is_due(true) ? failure() : real(from, to);
}

/* Libraries have memory, whatever happens: what they do without is not ours to test. */
static bool is_of_program(const void *caller) {
  Dl_info info;
  return dladdr(caller, &info) && strcmp(info.dli_fname, program_invocation_name) == 0;
}

int posix_memalign(void **out, size_t alignment, size_t size) {
  REAL(posix_memalign);
  if (wants("memory") && is_of_program(__builtin_return_address(0)) && is_due(false)) return ENOMEM;
  return real(out, alignment, size);
}

static void leave(int number) {
  (void)number;
  mark();
  _exit(0);
}

__attribute__((destructor)) static void end(void) {
  if (calls == 0 || strcmp(setting("SINODE_FAULT_AT", "1"), "0") != 0) return;
  FILE *file = fopen(setting("SINODE_FAULT_MARK", "/dev/null"), "w");
  if (!file) return;
  fprintf(file, "%ld\n", calls);
  fclose(file);
}

__attribute__((constructor)) static void begin(void) {
  if (!wants("exit") || !strstr(program_invocation_short_name, "sinode")) return;
  signal(SIGRTMIN, leave);
}
