/*
 * read_files FILE...: opens trajectory files, many in one start, and says what the reader makes of each. On stdout, for
 * FILE it prints a line "FILE <tab> ok <tab> interval in hexadecimal <tab> note; note; ..." and leaves u, whole, as
 * doubles in FILE.raw; or "FILE <tab> error <tab> code <tab> message". FILE beginning with "ignore:" is opened as where
 * grid.coordinates is ignore.
 *
 * Every rank reads its own points of everything, and then another block, whose members are split: both must agree. All
 * ranks must find the same error.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sinode/checksum.h"
#include "sinode/memory.h"
#include "sinode/trajectory_file.h"

static int rank, ranks;

static void must(bool right, const char *path, const char *what) {
  if (right) return;
  fprintf(stderr, "%s: %s\n", path, what);
  MPI_Abort(MPI_COMM_WORLD, 1);
}

static sn_range share_of(ptrdiff_t count) {
  return sn_partition_range((sn_partition){.points = count, .ranks = ranks}, rank);
}

/* All of u on all ranks, out of their blocks of points. */
static double *gather(ptrdiff_t lines, ptrdiff_t points, sn_range own, const double *block) {
  double *whole = calloc((size_t)(lines * points), sizeof *whole);
  for (ptrdiff_t l = 0; l < lines; l++)
    memcpy(whole + l * points + own.start, block + l * own.count, (size_t)own.count * sizeof *whole);
  MPI_Allreduce(MPI_IN_PLACE, whole, (int)(lines * points), MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  return whole;
}

/* A block that begins behind the first snapshot and point, with the members shared out. */
static sn_status compare_block(sn_trajectory_reader *reader, const char *path, const double *whole) {
  const ptrdiff_t snapshots = sn_trajectory_snapshots(reader), points = sn_trajectory_points(reader);
  const sn_range members = share_of(sn_trajectory_members(reader)), s = {1, snapshots - 1}, p = {1, points - 2};
  double *block;
  SN_TRY(SN_NEW(members.count * s.count * p.count, &block));
  SN_TRY(sn_trajectory_read(reader, members, s, p, block));
  for (ptrdiff_t m = 0; m < members.count; m++)
    for (ptrdiff_t k = 0; k < s.count; k++)
      must(memcmp(block + (m * s.count + k) * p.count,
                  whole + ((members.start + m) * snapshots + s.start + k) * points + p.start,
                  (size_t)p.count * sizeof *block) == 0,
           path, "another block has other values");
  SN_FREE(block);
  return SN_OK;
}

static sn_status read_all(sn_trajectory_reader *reader, const char *path, bool ignore) {
  const sn_range members = {0, sn_trajectory_members(reader)}, snapshots = {0, sn_trajectory_snapshots(reader)};
  const sn_range points = share_of(sn_trajectory_points(reader));
  const ptrdiff_t lines = members.count * snapshots.count;
  double interval, *block;
  char name[600];
  if (ignore)
    sn_trajectory_ignore_x(reader);
  else
    SN_TRY(sn_trajectory_check_x(reader));
  SN_TRY(sn_trajectory_interval(reader, &interval));
  SN_TRY(SN_NEW(lines * points.count, &block));
  sn_status status = sn_trajectory_read(reader, members, snapshots, points, block);
  if (!status) status = sn_trajectory_verify(reader, members, snapshots, points, block);
  if (!status) {
    double *whole = gather(lines, sn_trajectory_points(reader), points, block);
    status = compare_block(reader, path, whole);
    snprintf(name, sizeof name, "%s.raw", path);
    FILE *file = rank == 0 ? fopen(name, "wb") : NULL;
    if (file) {
      fwrite(whole, sizeof *whole, (size_t)(lines * sn_trajectory_points(reader)), file);
      fclose(file);
    }
    free(whole);
  }
  SN_FREE(block);
  if (status || rank) return status;
  printf("%s\tok\t%a\t", path, interval);
  for (int k = 0; k < sn_trajectory_notes(reader); k++) printf("%s; ", sn_trajectory_note(reader, k));
  printf("\n");
  return SN_OK;
}

/* The error must be that of all ranks. */
static void print_error(const char *path, sn_status status) {
  const char *message = sn_error_get_message(status);
  uint64_t sums[2] = {0};
  for (const char *at = message; *at; at++) sums[0] = 31 * sums[0] + (unsigned char)*at;
  sums[1] = ~sums[0];
  const uint64_t mine = sums[0];
  MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_UINT64_T, MPI_MAX, MPI_COMM_WORLD);
  must(sn_error_is_collective(status, MPI_COMM_WORLD) && sums[0] == mine && sums[1] == ~mine, path,
       "the ranks find different errors");
  if (rank == 0) printf("%s\terror\t%d\t%s\n", path, (int)sn_error_get_code(status), message);
}

static void read_file(const char *argument) {
  const bool ignore = strncmp(argument, "ignore:", 7) == 0;
  const char *path = ignore ? argument + 7 : argument;
  sn_trajectory_reader *reader;
  sn_status status = sn_trajectory_open(MPI_COMM_WORLD, path, &reader);
  if (!status) status = read_all(reader, path, ignore);
  if (status) print_error(path, status);
  sn_error_destroy(&status);
  sn_trajectory_close(&reader);
  must(sn_memory_bytes() == 0, path, "memory is left");
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  for (int k = 1; k < argc; k++) read_file(argv[k]);
  MPI_Finalize();
  return 0;
}
