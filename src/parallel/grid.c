#include "sinode/grid.h"

#include "sinode/memory.h"

struct sn_grid {
  MPI_Comm world, space, replicas;
  int rank, space_rank, space_size, replica, replica_count;
  ptrdiff_t points;
  sn_timer *timer;
};

sn_status sn_grid_allows(int ranks, int space, ptrdiff_t points) {
  if (space < 1 || ranks % space)
    return SN_ERROR_ALL(
        SN_ERROR_USAGE,
        "parallel.space is %d, which does not divide the %d ranks of this run; choose a divisor, or start "
        "another number of ranks",
        space, ranks);
  if (space > 1 && space > points / 2)
    return SN_ERROR_ALL(
        SN_ERROR_USAGE,
        "parallel.space is %d, but %td grid points can be split over at most %td ranks (two points each); "
        "lower parallel.space or raise grid.points",
        space, points, points / 2);
  return SN_OK;
}

sn_status sn_grid_create(MPI_Comm world, int space, ptrdiff_t points, sn_timer *timer, sn_grid **out) {
  *out = NULL;
  int rank, size;
  MPI_Comm_rank(world, &rank);
  MPI_Comm_size(world, &size);
  SN_TRY(sn_grid_allows(size, space, points));
  sn_grid *grid;
  SN_TRY(sn_collective_status(world, SN_NEW(1, &grid)));
  grid->rank = rank;
  grid->points = points;
  grid->timer = timer;
  grid->space_size = space;
  grid->space_rank = rank % space;
  grid->replica = rank / space;
  grid->replica_count = size / space;
  MPI_Comm_dup(world, &grid->world);
  MPI_Comm_split(world, grid->replica, rank, &grid->space);
  MPI_Comm_split(world, grid->space_rank, rank, &grid->replicas);
  *out = grid;
  return SN_OK;
}

void sn_grid_destroy(sn_grid **grid) {
  if (!*grid) return;
  MPI_Comm_free(&(*grid)->world);
  MPI_Comm_free(&(*grid)->space);
  MPI_Comm_free(&(*grid)->replicas);
  SN_FREE(*grid);
}

MPI_Comm sn_grid_world(const sn_grid *grid) { return grid->world; }
MPI_Comm sn_grid_space(const sn_grid *grid) { return grid->space; }
MPI_Comm sn_grid_replicas(const sn_grid *grid) { return grid->replicas; }
int sn_grid_rank(const sn_grid *grid) { return grid->rank; }
int sn_grid_space_rank(const sn_grid *grid) { return grid->space_rank; }
int sn_grid_space_size(const sn_grid *grid) { return grid->space_size; }
int sn_grid_replica(const sn_grid *grid) { return grid->replica; }
int sn_grid_replica_count(const sn_grid *grid) { return grid->replica_count; }
ptrdiff_t sn_grid_points(const sn_grid *grid) { return grid->points; }
sn_timer *sn_grid_timer(const sn_grid *grid) { return grid->timer; }

sn_partition sn_grid_partition(const sn_grid *grid) {
  return (sn_partition){.points = grid->points, .ranks = grid->space_size};
}

sn_range sn_grid_range(const sn_grid *grid) { return sn_partition_range(sn_grid_partition(grid), grid->space_rank); }

sn_range sn_grid_share(const sn_grid *grid, ptrdiff_t count) {
  return sn_partition_range((sn_partition){.points = count, .ranks = grid->replica_count}, grid->replica);
}

void sn_grid_sum_over_space(const sn_grid *grid, ptrdiff_t count, double *values) {
  if (grid->space_size == 1) return;
  sn_timer_start(grid->timer, SN_TIME_REDUCE);
  MPI_Allreduce(MPI_IN_PLACE, values, (int)count, MPI_DOUBLE, MPI_SUM, grid->space);
  sn_timer_stop(grid->timer, SN_TIME_REDUCE);
}
