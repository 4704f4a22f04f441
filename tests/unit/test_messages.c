/*
 * Messages and bytes of a solve, an application of A and a network evaluation, counted through MPI's profiling
 * interface, against the formulas of docs/performance.md. What a rank sends to itself is not counted.
 */
#include "network_case.h"
#include "parallel/transpose.h"
#include "sinode/etdrk4.h"
#include "sinode/solver.h"

typedef struct {
  long messages, exchanges, reductions; /* point to point; all-to-all; reductions and the like */
  double sent, exchanged, reduced;      /* bytes this rank gave to each */
} traffic;

static traffic now;

static int size_of(MPI_Datatype type) {
  int size;
  PMPI_Type_size(type, &size);
  return size;
}

static void count_message(int count, MPI_Datatype type) {
  now.messages++;
  now.sent += (double)count * size_of(type);
}

int MPI_Send(const void *buffer, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm) {
  count_message(count, type);
  return PMPI_Send(buffer, count, type, to, tag, comm);
}

int MPI_Isend(const void *buffer, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm, MPI_Request *request) {
  count_message(count, type);
  return PMPI_Isend(buffer, count, type, to, tag, comm, request);
}

int MPI_Sendrecv(const void *buffer, int count, MPI_Datatype type, int to, int tag, void *in, int in_count,
                 MPI_Datatype in_type, int from, int in_tag, MPI_Comm comm, MPI_Status *status) {
  count_message(count, type);
  return PMPI_Sendrecv(buffer, count, type, to, tag, in, in_count, in_type, from, in_tag, comm, status);
}

int MPI_Alltoall(const void *buffer, int count, MPI_Datatype type, void *in, int in_count, MPI_Datatype in_type,
                 MPI_Comm comm) {
  int ranks;
  MPI_Comm_size(comm, &ranks);
  now.exchanges++;
  now.exchanged += (double)count * size_of(buffer == MPI_IN_PLACE ? in_type : type) * (ranks - 1);
  return PMPI_Alltoall(buffer, count, type, in, in_count, in_type, comm);
}

int MPI_Alltoallv(const void *buffer, const int *counts, const int *places, MPI_Datatype type, void *in,
                  const int *in_counts, const int *in_places, MPI_Datatype in_type, MPI_Comm comm) {
  int ranks, rank;
  MPI_Comm_size(comm, &ranks);
  MPI_Comm_rank(comm, &rank);
  now.exchanges++;
  for (int r = 0; r < ranks; r++)
    if (r != rank) now.exchanged += (double)counts[r] * size_of(type);
  return PMPI_Alltoallv(buffer, counts, places, type, in, in_counts, in_places, in_type, comm);
}

int MPI_Allreduce(const void *buffer, void *in, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm) {
  now.reductions++;
  now.reduced += (double)count * size_of(type);
  return PMPI_Allreduce(buffer, in, count, type, op, comm);
}

typedef struct {
  sn_grid *grid;
  sn_parameters *parameters;
  sn_linear *linear;
  ptrdiff_t own;
  int ranks, samples;
  double *x, *y;
} setting;

static setting set_up_on(ptrdiff_t points, double length, int samples) {
  setting s = {.samples = samples};
  MPI_Comm_size(MPI_COMM_WORLD, &s.ranks);
  const sn_linear_shape shape = {.kind = SN_LINEAR_STENCIL, .taps = 5, .length = length};
  assert_ok(sn_grid_create(MPI_COMM_WORLD, s.ranks, points, NULL, &s.grid));
  s.own = sn_grid_range(s.grid).count;
  assert_ok(sn_parameters_create(s.grid, &s.parameters));
  assert_ok(sn_linear_create(s.grid, &shape, samples, s.parameters, &s.linear));
  assert_ok(sn_parameters_allocate(s.parameters));
  assert_ok(sn_linear_set_ks(s.linear));
  assert_ok(sn_linear_update(s.linear));
  s.x = new_doubles(samples * s.own);
  s.y = new_doubles(samples * s.own);
  return s;
}

static setting set_up(ptrdiff_t points, int samples) { return set_up_on(points, 22, samples); }

static void tear_down(setting *s) {
  SN_FREE(s->x);
  SN_FREE(s->y);
  sn_linear_destroy(&s->linear);
  sn_parameters_destroy(&s->parameters);
  sn_grid_destroy(&s->grid);
}

/* What a solve sends, when everything is planned and factored. */
static traffic traffic_of_solve(const setting *s, sn_solver_kind kind, bool transpose) {
  sn_solver *solver;
  const sn_solver_options options = {.kind = kind};
  const double gamma = 0.1;
  assert_ok(sn_solver_create(s->grid, s->linear, &options, 1, &gamma, &solver));
  assert_ok(sn_solver_reserve(solver, s->samples));
  assert_ok(sn_solver_solve(solver, 0, s->samples, s->x));
  now = (traffic){0};
  assert_ok(transpose ? sn_solver_solve_transpose(solver, 0, s->samples, s->x)
                      : sn_solver_solve(solver, 0, s->samples, s->x));
  const traffic found = now;
  sn_solver_destroy(&solver);
  return found;
}

/* Calls check for some grids and samples; N is divisible by S^2, so that no layout is uneven. */
static void for_each_case(void (*check)(const setting *s)) {
  int ranks;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  for (int blocks = 16; blocks <= 64; blocks *= 4)
    for (int samples = 1; samples <= 9; samples += 2) {
      setting s = set_up((ptrdiff_t)blocks * ranks * ranks, samples);
      check(&s);
      tear_down(&s);
    }
}

static int owner(ptrdiff_t count, int ranks, ptrdiff_t one) {
  return sn_partition_owner((sn_partition){.points = count, .ranks = ranks}, one);
}

/*
 * Bytes of one field that change rank in a transform of points = n1 n2: points from blocks to columns, 8 each, and the
 * n2 numbers of rows 0 .. n1 / 2 from columns to rows, 16 each.
 */
static double travelling(ptrdiff_t points, int ranks) {
  const ptrdiff_t n1 = sn_transpose_factor(points, ranks), n2 = points / n1, rows = n1 / 2 + 1;
  double bytes = 0;
  for (ptrdiff_t j = 0; j < points; j++) bytes += owner(points, ranks, j) != owner(n2, ranks, j % n2) ? 8 : 0;
  for (ptrdiff_t k = 0; k < rows; k++)
    for (ptrdiff_t j = 0; j < n2; j++) bytes += owner(rows, ranks, k) != owner(n2, ranks, j) ? 16 : 0;
  return bytes;
}

static void check_fft(const setting *s) {
  for (int transpose = 0; transpose < 2; transpose++) {
    const traffic found = traffic_of_solve(s, SN_SOLVER_FFT, transpose);
    assert_int_equal(found.reductions + found.messages, 0);
    assert_int_equal(found.exchanges, s->ranks > 1 ? 4 : 0);
    double sent = found.exchanged;
    MPI_Allreduce(MPI_IN_PLACE, &sent, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    assert_close(sent, s->ranks > 1 ? 2 * s->samples * travelling(sn_grid_points(s->grid), s->ranks) : 0, 0);
  }
}

static void fft_solves_transpose_and_nothing_else(void **state) {
  (void)state;
  for_each_case(check_fft);
}

/* Messages of h B numbers up and down a tree, and one reduction of 2 h B numbers beside ScaLAPACK's of 12 bytes. */
static void check_banded(const setting *s) {
  const int half = 2;
  int levels = 0;
  while (1 << levels < s->ranks) levels++;
  for (int transpose = 0; transpose < 2; transpose++) {
    const traffic found = traffic_of_solve(s, SN_SOLVER_BANDED, transpose);
    assert_that(found.messages <= 2 * levels);
    assert_close(found.sent, (double)(8 * half * s->samples) * (double)found.messages, 0);
    assert_int_equal(found.exchanges, 0); /* the blocks are ScaLAPACK's */
    assert_int_equal(found.reductions, s->ranks > 1 ? 4 : 0);
    assert_close(found.reduced, s->ranks > 1 ? 8 * 2 * half * s->samples + 12 : 0, 0);
  }
}

static void banded_solves_send_what_does_not_grow_with_the_grid(void **state) {
  (void)state;
  for_each_case(check_banded);
}

/* The overlap to each neighbour, of all right-hand sides at once, on a domain as long as it likes; nothing global. */
static void subdomains_meet_their_neighbours(void **state) {
  (void)state;
  const double gamma = 0.1;
  const sn_solver_options options = {.kind = SN_SOLVER_LOCAL};
  for (int blocks = 300; blocks <= 4800; blocks *= 4)
    for (int samples = 1; samples <= 5; samples += 2) {
      int ranks;
      MPI_Comm_size(MPI_COMM_WORLD, &ranks);
      const ptrdiff_t points = (ptrdiff_t)blocks * ranks + 1; /* uneven */
      setting s = set_up_on(points, 22.0 / 64 * (double)points, samples);
      sn_solver_cost estimated;
      assert_ok(sn_solver_estimate_cost(s.linear, &options, ranks, 0, 1, &gamma, samples, &estimated));
      assert_that(estimated.overlap > 60 && estimated.overlap < 120);
      for (int transpose = 0; transpose < 2; transpose++) {
        const traffic found = traffic_of_solve(&s, SN_SOLVER_LOCAL, transpose);
        assert_int_equal(found.exchanges + found.reductions, 0);
        assert_int_equal(found.messages, ranks > 2 ? 2 : ranks - 1);
        assert_close(found.sent, ranks > 1 ? 2 * 8 * (double)(estimated.overlap * samples) : 0, 0);
        assert_close(estimated.messages, (double)found.messages, 0);
        assert_close(estimated.sent, found.sent, 0);
        assert_close(estimated.most, found.sent, 0);
      }
      sn_solver *solver;
      assert_ok(sn_solver_create(s.grid, s.linear, &options, 1, &gamma, &solver));
      assert_ok(sn_solver_reserve(solver, samples));
      assert_close((double)sn_solver_bytes(solver), estimated.held, 0);
      sn_solver_destroy(&solver);
      tear_down(&s);
    }
}

/* To and from ScaLAPACK's blocks, at most the whole of a rank's right-hand sides each way. */
static void check_dense(const setting *s) {
  const traffic found = traffic_of_solve(s, SN_SOLVER_DENSE, false);
  assert_int_equal(found.exchanges, s->ranks > 1 ? 2 : 0);
  assert_that(s->ranks == 1 || found.exchanged > 0);
  assert_that(found.exchanged <= 8.0 * s->samples * (double)(s->own + s->own + s->ranks * 64));
}

static void dense_solves_redistribute_twice(void **state) {
  (void)state;
  for_each_case(check_dense);
}

/* Two neighbours, two points each. */
static void check_stencil(const setting *s) {
  for (int transpose = 0; transpose < 2; transpose++) {
    now = (traffic){0};
    assert_ok(transpose ? sn_linear_apply_transpose(s->linear, s->samples, s->x, s->y)
                        : sn_linear_apply(s->linear, s->samples, s->x, s->y));
    assert_int_equal(now.messages, s->ranks > 2 ? 2 : s->ranks - 1); /* one where both neighbours are one */
    assert_close(now.sent, s->ranks > 1 ? 2 * 2 * 8 * s->samples : 0, 0);
    assert_int_equal(now.exchanges + now.reductions, 0);
  }
}

static void stencils_exchange_their_halo(void **state) {
  (void)state;
  for_each_case(check_stencil);
}

/* Eight transposes a step and nothing else, of all members together. */
static void a_generators_step_transposes_eight_times(void **state) {
  (void)state;
  int ranks;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  const sn_etdrk4_options options = {.length = 22, .dt = 0.01, .dealias = true};
  for (ptrdiff_t members = 1; members <= 3; members += 2) {
    const ptrdiff_t points = (ptrdiff_t)64 * ranks * ranks;
    sn_grid *grid;
    sn_etdrk4 *etdrk4;
    assert_ok(sn_grid_create(MPI_COMM_WORLD, ranks, points, NULL, &grid));
    assert_ok(sn_etdrk4_create(grid, members, &options, &etdrk4));
    assert_ok(sn_etdrk4_step(etdrk4, 1));
    now = (traffic){0};
    assert_ok(sn_etdrk4_step(etdrk4, 5));
    const sn_etdrk4_cost estimated = sn_etdrk4_estimate_cost(sn_equation_ks(), NULL, points, ranks, members);
    double sent = now.exchanged / ranks; /* mean */
    MPI_Allreduce(MPI_IN_PLACE, &sent, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    assert_int_equal(now.messages, 0);
    assert_int_equal(now.exchanges, ranks > 1 ? 5 * 8 : 0);
    assert_close(estimated.messages, 8 * (ranks - 1), 0);
    assert_close(sent, 5 * estimated.sent, 0.02 * sent); /* rows and columns do not divide evenly everywhere */
    double most = now.exchanged;
    MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    assert_close(most, 5 * estimated.most, 0);
    sn_etdrk4_destroy(&etdrk4);
    sn_grid_destroy(&grid);
  }
}

/* One exchange of overlaps, of all members together, every so many steps; however many ranks there are. */
static void a_local_generator_exchanges_overlaps(void **state) {
  (void)state;
  int ranks;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  const sn_etdrk4_options options = {.length = 22.0 * 64, .dt = 0.05, .transform = SN_ETDRK4_LOCAL};
  for (ptrdiff_t members = 1; members <= 3; members += 2) {
    sn_grid *grid;
    sn_etdrk4 *etdrk4;
    assert_ok(sn_grid_create(MPI_COMM_WORLD, ranks, 4097, NULL, &grid));
    assert_ok(sn_etdrk4_create(grid, members, &options, &etdrk4));
    const sn_etdrk4_division *division = sn_etdrk4_get_division(etdrk4);
    const sn_etdrk4_cost estimated = sn_etdrk4_estimate_cost(sn_equation_ks(), division, 4097, ranks, members);
    const double steps = 5 * (double)division->steps;
    now = (traffic){0};
    assert_ok(sn_etdrk4_step(etdrk4, 5 * division->steps));
    assert_int_equal(now.messages, 5 * (ranks > 2 ? 2 : ranks - 1));
    assert_close(now.sent, ranks > 1 ? 5.0 * 16 * (double)(division->overlap * members) : 0, 0);
    assert_close(steps * estimated.messages, (double)now.messages, 1e-12);
    assert_close(steps * estimated.most, now.sent, 1e-9);
    assert_int_equal(now.exchanges + now.reductions, 0);
    sn_etdrk4_destroy(&etdrk4);
    sn_grid_destroy(&grid);
  }
}

/* What sinode check says without running. */
static void check_estimate(const setting *s) {
  const double gamma = 0.1;
  const sn_solver_kind solver_kinds[] = {SN_SOLVER_FFT, SN_SOLVER_BANDED};
  for (int k = 0; k < 2; k++) {
    const sn_solver_options options = {.kind = solver_kinds[k]};
    sn_solver_cost estimated;
    assert_ok(sn_solver_estimate_cost(s->linear, &options, s->ranks, 1e9, 1, &gamma, s->samples, &estimated));
    const traffic found = traffic_of_solve(s, solver_kinds[k], false);
    double sent = (found.sent + found.exchanged + found.reduced) / s->ranks;
    MPI_Allreduce(MPI_IN_PLACE, &sent, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    /* On a tree only the last ranks send all that a formula for the most says. */
    assert_that(sent <= 1.02 * estimated.sent && sent >= 0.4 * estimated.sent);
    sn_solver *solver;
    assert_ok(sn_solver_create(s->grid, s->linear, &options, 1, &gamma, &solver));
    assert_ok(sn_solver_reserve(solver, s->samples));
    double held = (double)sn_solver_bytes(solver);
    MPI_Allreduce(MPI_IN_PLACE, &held, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    assert_close(held / estimated.held, 1, k ? 0.8 : 0.01); /* fill-in has a constant part */
    sn_solver_destroy(&solver);
  }
}

static void solves_send_and_hold_what_is_estimated(void **state) {
  (void)state;
  for_each_case(check_estimate);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fft_solves_transpose_and_nothing_else),
      cmocka_unit_test(banded_solves_send_what_does_not_grow_with_the_grid),
      cmocka_unit_test(subdomains_meet_their_neighbours),
      cmocka_unit_test(dense_solves_redistribute_twice),
      cmocka_unit_test(stencils_exchange_their_halo),
      cmocka_unit_test(a_generators_step_transposes_eight_times),
      cmocka_unit_test(a_local_generator_exchanges_overlaps),
      cmocka_unit_test(solves_send_and_hold_what_is_estimated),
  };
  return unit_run(argc, argv, tests);
}
