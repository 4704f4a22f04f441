/*
 * Error, seconds and bytes of the solvers of (I - gamma A) x = r against N, for the Kuramoto-Sivashinsky stencil and
 * gamma = 0.0586 (l2 at dt = 0.2): on L = 22, where dx falls, and at dx = 22/64, where L grows. CSV on stdout, one line
 * a solver, N and L:
 *
 *   error   largest relative error of the solutions for the five longest waves, whose eigenvalues are known
 *   lost    eps gamma |A|, what is lost of I in I - gamma A as a matrix
 *   factor, solve, solve64   seconds: factorization and first solve; one right-hand side; 64 of them
 *   bytes   of factors on a rank, the most
 *   messages, sent   that a rank sends in a solve of one right-hand side, and bytes, by formula (unit_messages counts)
 *
 * Where a solver refuses, "refused" stands in place of the numbers. usage: solver_study [bytes]; with it, for more
 * ranks than cores, no seconds are measured.
 */
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "sinode/memory.h"
#include "sinode/solver.h"

enum { WAVES = 5, MANY = 64, SMALLEST = 6, LARGEST = 20, LARGEST_DENSE = 12 };
static const double paper_length = 22, paper_points = 64, gamma_ = 0.2928932188134524 * 0.2;

#define TRY(expression)                                                     \
  do {                                                                      \
    sn_status try_ = (expression);                                          \
    if (try_) {                                                             \
      fprintf(stderr, "%s: %s\n", #expression, sn_error_get_message(try_)); \
      MPI_Abort(MPI_COMM_WORLD, 1);                                         \
    }                                                                       \
  } while (0)

typedef struct {
  sn_grid *grid;
  sn_parameters *parameters;
  sn_linear *linear;
  sn_range range;
  ptrdiff_t points;
  double length;
  double *x;
} setting;

static setting set_up(int ranks, ptrdiff_t points, double length) {
  setting s = {.points = points, .length = length};
  const sn_linear_shape shape = {.kind = SN_LINEAR_STENCIL, .taps = 5, .length = length};
  TRY(sn_grid_create(MPI_COMM_WORLD, ranks, points, NULL, &s.grid));
  s.range = sn_grid_range(s.grid);
  TRY(sn_parameters_create(s.grid, &s.parameters));
  TRY(sn_linear_create(s.grid, &shape, MANY, s.parameters, &s.linear));
  TRY(sn_parameters_allocate(s.parameters));
  TRY(sn_linear_set_ks(s.linear));
  TRY(sn_linear_update(s.linear));
  TRY(SN_NEW(MANY * s.range.count, &s.x));
  return s;
}

static void tear_down(setting *s) {
  SN_FREE(s->x);
  sn_linear_destroy(&s->linear);
  sn_parameters_destroy(&s->parameters);
  sn_grid_destroy(&s->grid);
}

static double phase(const setting *s, int wave, ptrdiff_t j) {
  return 2 * M_PI * wave * (double)(s->range.start + j) / (double)s->points;
}

static void fill(const setting *s, int samples) {
  for (int k = 0; k < samples; k++)
    for (ptrdiff_t j = 0; j < s->range.count; j++) s->x[k * s->range.count + j] = cos(phase(s, 1 + k % WAVES, j));
}

static double most_of_all(double value) {
  MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return value;
}

static double error_of(const setting *s) {
  double most = 0;
  for (int k = 0; k < WAVES; k++) {
    const double factor = 1 / (1 - gamma_ * creal(sn_linear_symbol(s->linear, 1 + k)));
    for (ptrdiff_t j = 0; j < s->range.count; j++)
      most = fmax(most, fabs(s->x[k * s->range.count + j] / factor - cos(phase(s, 1 + k, j))));
  }
  return most_of_all(most);
}

/* The least of some repeats of a solve. */
static double seconds_of(const setting *s, sn_solver *solver, int samples) {
  double least = INFINITY;
  const int repeats = s->points < 100000 ? 20 : 5;
  for (int k = 0; k < repeats; k++) {
    fill(s, samples);
    MPI_Barrier(MPI_COMM_WORLD);
    const double start = MPI_Wtime();
    TRY(sn_solver_solve(solver, 0, samples, s->x));
    least = fmin(least, most_of_all(MPI_Wtime() - start));
  }
  return least;
}

static void study(const setting *s, int ranks, int rank, sn_solver_kind kind, const char *name, bool times) {
  sn_solver *solver;
  const sn_solver_options options = {.kind = kind};
  const double dx = s->length / (double)s->points, lost = 16 * DBL_EPSILON * gamma_ / (dx * dx * dx * dx);
  if (rank == 0) printf("%s,%d,%td,%.0f,%.3e,", name, ranks, s->points, s->length, lost);
  sn_status status = sn_solver_create(s->grid, s->linear, &options, 1, &gamma_, &solver);
  if (status) {
    if (rank == 0) printf("refused,,,,,,\n");
    sn_error_destroy(&status);
    return;
  }
  TRY(sn_solver_reserve(solver, WAVES));
  TRY(sn_solver_reserve(solver, 1));
  if (times) TRY(sn_solver_reserve(solver, MANY));
  fill(s, WAVES);
  MPI_Barrier(MPI_COMM_WORLD);
  const double start = MPI_Wtime();
  TRY(sn_solver_solve(solver, 0, WAVES, s->x));
  const double factor = most_of_all(MPI_Wtime() - start), error = error_of(s);
  const double one = times ? seconds_of(s, solver, 1) : NAN, many = times ? seconds_of(s, solver, MANY) : NAN;
  const double bytes = most_of_all((double)sn_solver_bytes(solver));
  sn_solver_cost estimated;
  TRY(sn_solver_estimate_cost(s->linear, &options, ranks, 0, 1, &gamma_, 1, &estimated));
  if (rank == 0)
    printf("%.3e,%.3e,%.3e,%.3e,%.0f,%.0f,%.0f\n", error, times ? factor : NAN, one, many, bytes, estimated.messages,
           estimated.sent);
  sn_solver_destroy(&solver);
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  int ranks, rank;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  const bool times = argc < 2 || strcmp(argv[1], "bytes") != 0;
  if (rank == 0) printf("solver,ranks,points,length,lost,error,factor,solve,solve64,bytes,messages,sent\n");
  for (int k = SMALLEST; k <= LARGEST; k++) {
    const ptrdiff_t points = (ptrdiff_t)1 << k;
    for (int grows = 0; grows < (k > SMALLEST ? 2 : 1); grows++) {
      setting s = set_up(ranks, points, grows ? paper_length * (double)points / paper_points : paper_length);
      study(&s, ranks, rank, SN_SOLVER_FFT, "fft", times);
      study(&s, ranks, rank, SN_SOLVER_BANDED, "banded", times);
      if (k <= LARGEST_DENSE && !(grows && k == LARGEST_DENSE)) study(&s, ranks, rank, SN_SOLVER_DENSE, "dense", times);
      tear_down(&s);
      fflush(stdout);
    }
  }
  MPI_Finalize();
}
