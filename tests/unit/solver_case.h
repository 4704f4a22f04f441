/* Linear parts, right-hand sides and solvers that do not depend on the ranks: what the tests of solvers work on. */
#ifndef SINODE_TESTS_SOLVER_CASE_H
#define SINODE_TESTS_SOLVER_CASE_H

#include "linear_case.h"
#include "sinode/solver.h"

enum { GAMMAS = 2 };
static const double GAMMA[GAMMAS] = {0.06, 0.4};

/* Kuramoto-Sivashinsky's linear part, as derivatives with dispersion, with a random disturbance if it is trained. */
static inline setting set_up_on(int space, ptrdiff_t points, double length, sn_linear_kind kind, bool trainable) {
  sn_linear_init init = *sn_linear_ks();
  if (kind == SN_LINEAR_DERIVATIVES) {
    init.derivatives |= 1 << 3;
    init.value[3] = 0.5;
  }
  const sn_linear_shape shape = {
      .kind = kind, .taps = 5, .length = length, .trainable = trainable, .derivatives = init.derivatives};
  const setting s = set_up_linear(space, points, shape);
  assert_ok(sn_linear_initialize(s.linear, &init));
  double *values = sn_parameters_values(s.parameters);
  if (trainable && kind == SN_LINEAR_STENCIL)
    for (int k = 0; k < shape.taps; k++) values[k] += 0.2 * number(10, k);
  if (trainable && kind == SN_LINEAR_DENSE)
    for (ptrdiff_t i = 0; i < s.local * points; i++) values[i] += 0.2 * number(11, s.start * points + i);
  assert_ok(sn_linear_update(s.linear));
  return s;
}

static inline setting set_up(int space, ptrdiff_t points, sn_linear_kind kind, bool trainable) {
  return set_up_on(space, points, LENGTH, kind, trainable);
}

/* A long domain with the spacing of 64 points on 22. */
static inline setting set_up_long(int space, ptrdiff_t points, sn_linear_kind kind, bool trainable) {
  return set_up_on(space, points, LENGTH / 64 * (double)points, kind, trainable);
}

static inline double *field(const setting *s, ptrdiff_t samples) {
  double *u = new_array(samples * s->local);
  for (ptrdiff_t i = 0; i < samples * s->local; i++)
    u[i] = number(1, i / s->local * s->points + s->start + i % s->local);
  return u;
}

static inline sn_solver *make_solver_to(const setting *s, sn_solver_kind kind, double overlap_tolerance) {
  sn_solver *solver;
  const sn_solver_options options = {.kind = kind,
                                     .tolerance = 1e-13,
                                     .max_iterations = 400,
                                     .precondition = true,
                                     .overlap_tolerance = overlap_tolerance};
  assert_ok(sn_solver_create(s->grid, s->linear, &options, GAMMAS, GAMMA, &solver));
  assert_ok(sn_solver_reserve(solver, SAMPLES));
  assert_ok(sn_solver_reserve(solver, 1));
  assert_ok(sn_solver_reserve(solver, SAMPLES));
  return solver;
}

static inline sn_solver *make_solver(const setting *s, sn_solver_kind kind) { return make_solver_to(s, kind, 1e-15); }

/* The largest over all ranks. */
static inline double largest(ptrdiff_t count, const double *x) {
  double most = 0;
  for (ptrdiff_t i = 0; i < count; i++) most = fmax(most, fabs(x[i]));
  MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return most;
}

#endif
