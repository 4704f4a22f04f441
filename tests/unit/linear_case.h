/* A linear part alone on a grid, and numbers that do not depend on the ranks: what tests of operators and solvers
 * share. */
#ifndef SINODE_TESTS_LINEAR_CASE_H
#define SINODE_TESTS_LINEAR_CASE_H

#include "sinode/linear.h"
#include "sinode/memory.h"
#include "sinode/random.h"
#include "unit.h"

enum { SAMPLES = 3 };
static const double LENGTH = 22;

typedef struct {
  sn_grid *grid;
  sn_parameters *parameters;
  sn_linear *linear;
  ptrdiff_t points, local, start;
} setting;

static inline setting set_up_linear(int space, ptrdiff_t points, sn_linear_shape shape) {
  setting s = {.points = points};
  assert_ok(sn_grid_create(MPI_COMM_WORLD, space, points, NULL, &s.grid));
  s.local = sn_grid_range(s.grid).count;
  s.start = sn_grid_range(s.grid).start;
  assert_ok(sn_parameters_create(s.grid, &s.parameters));
  assert_ok(sn_linear_create(s.grid, &shape, SAMPLES, s.parameters, &s.linear));
  assert_ok(sn_parameters_allocate(s.parameters));
  return s;
}

static inline void tear_down(setting *s) {
  sn_linear_destroy(&s->linear);
  sn_parameters_destroy(&s->parameters);
  sn_grid_destroy(&s->grid);
}

static inline double *new_array(ptrdiff_t count) {
  double *values;
  assert_ok(SN_NEW(count, &values));
  return values;
}

static inline double number(uint64_t stream, ptrdiff_t index) {
  const sn_random source = {.seed = 1, .purpose = SN_RANDOM_TEST, .stream = stream};
  return 2 * sn_random_uniform(&source, (uint64_t)index) - 1;
}

#endif
