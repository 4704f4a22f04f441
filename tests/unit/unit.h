/* Set-up shared by the unit tests: cmocka inside MPI, run at 1, 2, 3 and 4 ranks. */
#ifndef SINODE_TESTS_UNIT_H
#define SINODE_TESTS_UNIT_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <mpi.h>

#include "sinode/error.h"

/* A test stops at the first failure of one rank while the others may wait for it: so a failure ends them all. */
#define assert_ok(expression)                                                                                   \
  do {                                                                                                          \
    sn_status assert_ok_ = (expression);                                                                        \
    if (assert_ok_) {                                                                                           \
      fprintf(stderr, "%s:%d: %s: %s\n%s\n", __FILE__, __LINE__, #expression, sn_error_get_message(assert_ok_), \
              sn_error_get_trace(assert_ok_));                                                                  \
      MPI_Abort(MPI_COMM_WORLD, 1);                                                                             \
    }                                                                                                           \
  } while (0)

#define assert_close(found, expected, tolerance)                                                                      \
  do {                                                                                                                \
    double found_ = (found), expected_ = (expected), tolerance_ = (tolerance);                                        \
    if (!(fabs(found_ - expected_) <= tolerance_)) {                                                                  \
      fprintf(stderr, "%s:%d: %s = %.17g, expected %.17g within %g\n", __FILE__, __LINE__, #found, found_, expected_, \
              tolerance_);                                                                                            \
      MPI_Abort(MPI_COMM_WORLD, 1);                                                                                   \
    }                                                                                                                 \
  } while (0)

#define assert_that(condition)                                                  \
  do {                                                                          \
    if (!(condition)) {                                                         \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      MPI_Abort(MPI_COMM_WORLD, 1);                                             \
    }                                                                           \
  } while (0)

/*
 * A unit test ends with: int main(int argc, char **argv) { ...; return unit_run(argc, argv, tests); }
 * An argument selects tests by name: test_solver 'backward*'.
 */
#define unit_run(argc, argv, tests) \
  (unit_start(&(argc), &(argv)), unit_finish(cmocka_run_group_tests((tests), NULL, NULL)))

static inline void unit_start(int *argc, char ***argv) {
  MPI_Init(argc, argv);
  if (*argc > 1) cmocka_set_test_filter((*argv)[1]);
}

static inline int unit_finish(int failed) {
  MPI_Finalize();
  return failed;
}

#endif
