#include "sinode/log.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sinode/memory.h"
#include "sinode/mpi_library.h"
#include "sinode/timer.h"

struct sn_log {
  bool speaks, quiet, terminal;
  bool line_open;               /* the terminal's last line is an unfinished progress line */
  char warned[1024];            /* the last warning */
  double started, last, before; /* clock at the start and at the last line; what was done before the start */
};

/* mpirun gives its ranks a terminal of their own even where its output goes into a file: there, lines are better. */
bool sn_log_is_terminal(void) { return !sn_mpi_library_was_launched() && isatty(STDOUT_FILENO) == 1; }

sn_status sn_log_create(bool speaks, bool quiet, bool terminal, sn_log **out) {
  SN_TRY(SN_NEW(1, out));
  **out = (sn_log){.speaks = speaks, .quiet = quiet, .terminal = terminal};
  return SN_OK;
}

bool sn_log_speaks(const sn_log *log) { return log->speaks && !log->quiet; }

static void close_line(sn_log *log) {
  if (log->line_open) putchar('\n');
  log->line_open = false;
}

void sn_log_end_line(sn_log *log) {
  close_line(log);
  fflush(stdout);
}

void sn_log_destroy(sn_log **log) {
  if (*log) close_line(*log);
  SN_FREE(*log);
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
  char text[sizeof log->warned];
  if (!log->speaks) return;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (strcmp(text, log->warned) == 0) return;
  snprintf(log->warned, sizeof log->warned, "%s", text);
  close_line(log);
  fflush(stdout);
  fprintf(stderr, "sinode: warning: %s\n", text);
}

void sn_log_duration(double seconds, char *text, size_t size) {
  const long s = (long)(seconds + 0.5);
  if (!(seconds >= 0 && seconds < 3.6e8))
    snprintf(text, size, "unknown");
  else if (s >= 3600)
    snprintf(text, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  else
    snprintf(text, size, "%ld:%02ld", s / 60, s % 60);
}

void sn_log_progress_start(sn_log *log, double done) {
  log->started = log->last = sn_clock();
  log->before = done;
}

double sn_log_seconds_left(const sn_log *log, double done, double total) {
  return log->started > 0 && done > log->before ? (sn_clock() - log->started) * (total - done) / (done - log->before)
                                                : NAN;
}

static void print_bar(double fraction) {
  static const char full[] = "####################", empty[] = "--------------------";
  const int cells = (int)sizeof full - 1, filled = (int)(fraction * cells);
  printf("[%.*s%.*s] ", filled, full, cells - filled, empty);
}

void sn_log_progress(sn_log *log, const char *what, double done, double total, const char *format, ...) {
  if (!sn_log_speaks(log)) return;
  const double now = sn_clock();
  const bool finished = done >= total;
  char duration[32];
  if (!finished && now - log->last < (log->terminal ? 1.0 : 5.0)) return;
  log->last = now;
  if (log->terminal) printf("\r\033[K");
  printf("%s ", what);
  if (log->terminal) print_bar(fmin(1, done / total));
  printf("%3.0f%%  %.0f/%.0f  ", 100.0 * done / total, done, total);
  va_list arguments;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  sn_log_duration(finished ? now - log->started : sn_log_seconds_left(log, done, total), duration, sizeof duration);
  printf("  %.0f MiB  %s %s", (double)sn_memory_resident_peak() / 1048576, finished ? "took" : "ETA", duration);
  log->line_open = log->terminal && !finished;
  if (!log->line_open) putchar('\n');
  fflush(stdout);
}
