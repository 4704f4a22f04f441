/*
 * Status and error propagation.
 *
 * Every fallible function returns an sn_status: SN_OK, or an error object that the caller hands up with SN_TRY, which
 * appends its own place to the trace. Nobody below src/run prints or exits. A failure that only some ranks may see (a
 * full disk, no memory) becomes a failure of all at the next sn_collective_status; an error that all ranks derive from
 * the same data (a wrong parameter) is marked with sn_error_collective where it is raised.
 */
#ifndef SINODE_ERROR_H
#define SINODE_ERROR_H

#include <mpi.h>
#include <stdbool.h>

/* What went wrong; the values are the exit statuses of the program. */
typedef enum {
  SN_ERROR_RUN = 1,     /* the computation failed: blow-up, no convergence, no memory */
  SN_ERROR_USAGE = 2,   /* command line or parameter file */
  SN_ERROR_FILE = 3,    /* a file cannot be read or written or is not what it should be */
  SN_ERROR_STOPPED = 75 /* stopped early by a signal or time limit, after a checkpoint */
} sn_error_code;

typedef struct sn_error *sn_status;
#define SN_OK ((sn_status)0)

/* Before every function that returns an sn_status: the compiler warns where it is ignored. */
#if defined __GNUC__
#define SN_MUST_CHECK __attribute__((warn_unused_result))
#else
#define SN_MUST_CHECK
#endif

/* A new error with a printf-like message that says what was found, what was expected and what to do. Local. */
SN_MUST_CHECK sn_status sn_error_create(sn_error_code code, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
#define SN_ERROR(code, ...) sn_error_create((code), __FILE__, __LINE__, __VA_ARGS__)

/* Marks an error that every rank of the program raises alike, so that no reduction is needed. Returns it. Local. */
SN_MUST_CHECK sn_status sn_error_collective(sn_status error);
#define SN_ERROR_ALL(code, ...) sn_error_collective(SN_ERROR((code), __VA_ARGS__))

/* Appends a place to the trace of an error. Returns it. Local. */
SN_MUST_CHECK sn_status sn_error_trace(sn_status error, const char *file, int line, const char *text);

sn_error_code sn_error_get_code(sn_status error);
const char *sn_error_get_message(sn_status error);
const char *sn_error_get_trace(sn_status error);
/* Whether every rank of comm, which has this one, has the error: raised alike, or by sn_collective_status. Local. */
bool sn_error_is_collective(sn_status error, MPI_Comm comm);
void sn_error_destroy(sn_status *error);

/*
 * Reduces the ranks' status: SN_OK on all ranks if all passed SN_OK; otherwise every rank gets an error with the
 * message of the lowest rank that failed. It is collective over comm only: an error of one replica is still unknown to
 * the others. Collective over comm; one reduction without an error.
 */
SN_MUST_CHECK sn_status sn_collective_status(MPI_Comm comm, sn_status mine);

/* Returns from the calling function with the error of the expression, if it has one. */
#define SN_TRY(expression)                                                        \
  do {                                                                            \
    sn_status sn_try_ = (expression);                                             \
    if (sn_try_) return sn_error_trace(sn_try_, __FILE__, __LINE__, #expression); \
  } while (0)

#endif
