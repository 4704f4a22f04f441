#include "sinode/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sinode/memory.h"
#include "sinode/timer.h"

struct sn_log {
  bool speaks, quiet, terminal;
  bool line_open;               /* a progress line stands unfinished on the terminal */
  double started, last, before; /* clock at the start and at the last line; what was done before the start */
};

/* mpirun gives its ranks a terminal of their own even where its output goes into a file: there, lines are better. */
static bool is_terminal(void) {
  static const char *const launched[] = {"OMPI_UNIVERSE_SIZE", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"};
  for (size_t k = 0; k < sizeof launched / sizeof launched[0]; k++)
    if (getenv(launched[k])) return false;
  return isatty(STDOUT_FILENO) == 1;
}

sn_status sn_log_create(bool speaks, bool quiet, sn_log **out) {
  SN_TRY(SN_NEW(1, out));
  **out = (sn_log){.speaks = speaks, .quiet = quiet, .terminal = is_terminal()};
  return SN_OK;
}

void sn_log_destroy(sn_log **log) { sn_memory_give(log); }

bool sn_log_speaks(const sn_log *log) { return log->speaks && !log->quiet; }

static void close_line(sn_log *log) {
  if (log->line_open) putchar('\n');
  log->line_open = false;
}

void sn_log_line(sn_log *log, const char *format, ...) {
  if (!sn_log_speaks(log)) return;
  close_line(log);
  va_list arguments;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  putchar('\n');
  fflush(stdout);
}

void sn_log_warning(sn_log *log, const char *format, ...) {
  if (!log->speaks) return;
  close_line(log);
  fflush(stdout);
  va_list arguments;
  va_start(arguments, format);
  fputs("sinode: warning: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
}

static void print_duration(double seconds) {
  long s = (long)(seconds + 0.5);
  if (s >= 3600)
    printf("%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  else
    printf("%ld:%02ld", s / 60, s % 60);
}

void sn_log_progress_start(sn_log *log, double done) {
  log->started = log->last = sn_clock();
  log->before = done;
}

void sn_log_progress(sn_log *log, const char *what, double done, double total, const char *format, ...) {
  if (!sn_log_speaks(log)) return;
  double now = sn_clock();
  bool finished = done >= total;
  if (!finished && now - log->last < (log->terminal ? 1.0 : 5.0)) return;
  log->last = now;
  if (log->terminal) printf("\r\033[K");
  printf("%s %3.0f%%  %.0f/%.0f  ", what, 100.0 * done / total, done, total);
  va_list arguments;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  printf(finished ? "  took " : "  ETA ");
  print_duration(finished ? now - log->started : (now - log->started) * (total - done) / (done - log->before));
  log->line_open = log->terminal && !finished;
  if (!log->line_open) putchar('\n');
  fflush(stdout);
}
