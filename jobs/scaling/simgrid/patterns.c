/*
 * The messages of a step and nothing else, for a simulated network: smpicc patterns.c -o patterns, then
 *
 *   smpirun -np RANKS -platform PLATFORM.xml -hostfile HOSTS ./patterns POINTS GRADIENT OVERLAP
 *
 * prints the seconds of a halo exchange of the 5-tap stencil, of one of OVERLAP points, of a sum of GRADIENT numbers
 * over all ranks, and of a transposition of one complex field of POINTS points: a message to every other rank, one
 * after the other; POINTS 0: none.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

enum { REPEATS = 20 }; /* of what is short: ranks leave a barrier at different times */

static double *buffer, *other;

static void halo(int rank, int ranks, int width) {
  const int left = (rank + ranks - 1) % ranks, right = (rank + 1) % ranks;
  MPI_Sendrecv(buffer, width, MPI_DOUBLE, left, 0, other, width, MPI_DOUBLE, right, 0, MPI_COMM_WORLD,
               MPI_STATUS_IGNORE);
  MPI_Sendrecv(buffer, width, MPI_DOUBLE, right, 1, other, width, MPI_DOUBLE, left, 1, MPI_COMM_WORLD,
               MPI_STATUS_IGNORE);
}

static void transpose(int rank, int ranks, int count) {
  for (int step = 1; step < ranks; step++) {
    const int to = (rank + step) % ranks, from = (rank + ranks - step) % ranks;
    MPI_Sendrecv(buffer, count, MPI_DOUBLE, to, 2, other, count, MPI_DOUBLE, from, 2, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE);
  }
}

static double elapsed(double start) {
  double seconds = MPI_Wtime() - start;
  MPI_Allreduce(MPI_IN_PLACE, &seconds, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return seconds;
}

static double time_halo(int rank, int ranks, int width) {
  MPI_Barrier(MPI_COMM_WORLD);
  const double start = MPI_Wtime();
  for (int k = 0; k < REPEATS; k++) halo(rank, ranks, width);
  return elapsed(start) / REPEATS;
}

int main(int argc, char **argv) {
  int rank, ranks;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  const double points = argc > 1 ? atof(argv[1]) : 1 << 20;
  const int gradient = argc > 2 ? atoi(argv[2]) : 1 << 10, overlap = argc > 3 ? atoi(argv[3]) : 128;
  const int count = (int)(2 * points / ranks / ranks), most = overlap > gradient ? overlap : gradient;
  const int room = count > most ? count : most;
  buffer = calloc((size_t)room + 4, sizeof *buffer);
  other = calloc((size_t)room + 4, sizeof *other);
  const double halo_seconds = time_halo(rank, ranks, 2), overlap_seconds = time_halo(rank, ranks, overlap);

  MPI_Barrier(MPI_COMM_WORLD);
  double start = MPI_Wtime();
  for (int k = 0; k < REPEATS; k++) MPI_Allreduce(MPI_IN_PLACE, buffer, gradient, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  const double reduction_seconds = elapsed(start) / REPEATS;

  MPI_Barrier(MPI_COMM_WORLD);
  start = MPI_Wtime();
  if (points > 0) transpose(rank, ranks, count);
  const double transpose_seconds = elapsed(start);

  if (rank == 0)
    printf("%d,%.0f,%d,%.6e,%.6e,%.6e,%.6e\n", ranks, points, gradient, halo_seconds, overlap_seconds,
           reduction_seconds, transpose_seconds);
  free(buffer);
  free(other);
  MPI_Finalize();
  return 0;
}
