/*
 * What a run says. Rank 0 alone prints: results and progress on stdout, warnings on stderr. On a terminal progress is
 * one line with a bar, rewritten in place; in a log file it is a line every so often.
 */
#ifndef SINODE_LOG_H
#define SINODE_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "sinode/error.h"

typedef struct sn_log sn_log;

/* Whether standard output is a terminal that shows what is printed as it comes. To be asked before MPI_Init. Local. */
bool sn_log_is_terminal(void);

/* speaks: whether this rank prints at all (rank 0). quiet: only warnings are printed. terminal: see above. Local. */
SN_MUST_CHECK sn_status sn_log_create(bool speaks, bool quiet, bool terminal, sn_log **out);
void sn_log_destroy(sn_log **log);

/* Ends a progress line that is open, before something else is printed. Local. */
void sn_log_end_line(sn_log *log);

void sn_log_line(sn_log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What is the same as the warning before is not said again. */
void sn_log_warning(sn_log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether this rank prints ordinary lines. */
bool sn_log_speaks(const sn_log *log);

/*
 * Progress of work with a known number of steps: prints at most every second on a terminal and every five seconds
 * elsewhere, and always for done == total: "what  40 %  done/total  note  52 MiB  ETA 0:12", with a bar on a terminal.
 * The memory is what this rank had resident at its peak. The estimate takes the pace since sn_log_progress_start, which
 * says how much was done before (by an earlier run). Local.
 */
void sn_log_progress_start(sn_log *log, double done);
void sn_log_progress(sn_log *log, const char *what, double done, double total, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Seconds until done reaches total, by that pace; NaN while nothing is done. Local. */
double sn_log_seconds_left(const sn_log *log, double done, double total);

/* "0:12", "3:04:59": a duration for people, into text. */
void sn_log_duration(double seconds, char *text, size_t size);

#endif
