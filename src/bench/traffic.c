#include "traffic.h"

#include <mpi.h>
#include <stdbool.h>

static sn_traffic now;

sn_traffic sn_traffic_now(void) { return now; }

static double bytes_of(double count, MPI_Datatype type) {
  int size;
  PMPI_Type_size(type, &size);
  return count * size;
}

static void count_message(int count, MPI_Datatype type, int to, MPI_Comm comm) {
  int rank;
  PMPI_Comm_rank(comm, &rank);
  if (to == MPI_PROC_NULL || to == rank) return;
  now.messages++;
  now.bytes += bytes_of(count, type);
}

/* A reduction or the like over more than one rank. */
static void count_collective(double count, MPI_Datatype type, MPI_Comm comm) {
  int ranks;
  PMPI_Comm_size(comm, &ranks);
  if (ranks == 1) return;
  now.messages++;
  now.bytes += bytes_of(count, type);
}

int MPI_Send(const void *buffer, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm) {
  count_message(count, type, to, comm);
  return PMPI_Send(buffer, count, type, to, tag, comm);
}

int MPI_Rsend(const void *buffer, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm) {
  count_message(count, type, to, comm);
  return PMPI_Rsend(buffer, count, type, to, tag, comm);
}

int MPI_Isend(const void *buffer, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm, MPI_Request *request) {
  count_message(count, type, to, comm);
  return PMPI_Isend(buffer, count, type, to, tag, comm, request);
}

int MPI_Sendrecv(const void *buffer, int count, MPI_Datatype type, int to, int tag, void *in, int in_count,
                 MPI_Datatype in_type, int from, int in_tag, MPI_Comm comm, MPI_Status *status) {
  count_message(count, type, to, comm);
  return PMPI_Sendrecv(buffer, count, type, to, tag, in, in_count, in_type, from, in_tag, comm, status);
}

int MPI_Alltoall(const void *buffer, int count, MPI_Datatype type, void *in, int in_count, MPI_Datatype in_type,
                 MPI_Comm comm) {
  int ranks;
  PMPI_Comm_size(comm, &ranks);
  now.messages += in_count ? ranks - 1 : 0;
  now.bytes += bytes_of((double)in_count * (ranks - 1), in_type); /* as much as comes in; count may be MPI_IN_PLACE's */
  return PMPI_Alltoall(buffer, count, type, in, in_count, in_type, comm);
}

int MPI_Alltoallv(const void *buffer, const int *counts, const int *places, MPI_Datatype type, void *in,
                  const int *in_counts, const int *in_places, MPI_Datatype in_type, MPI_Comm comm) {
  int ranks;
  PMPI_Comm_size(comm, &ranks);
  const bool in_place = buffer == MPI_IN_PLACE; /* then what comes in is as much as goes out */
  for (int rank = 0; rank < ranks; rank++)
    if (in_place ? in_counts[rank] : counts[rank])
      count_message(in_place ? in_counts[rank] : counts[rank], in_place ? in_type : type, rank, comm);
  return PMPI_Alltoallv(buffer, counts, places, type, in, in_counts, in_places, in_type, comm);
}

int MPI_Allreduce(const void *buffer, void *in, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm) {
  count_collective(count, type, comm);
  return PMPI_Allreduce(buffer, in, count, type, op, comm);
}

int MPI_Iallreduce(const void *buffer, void *in, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm,
                   MPI_Request *request) {
  count_collective(count, type, comm);
  return PMPI_Iallreduce(buffer, in, count, type, op, comm, request);
}

int MPI_Reduce(const void *buffer, void *in, int count, MPI_Datatype type, MPI_Op op, int root, MPI_Comm comm) {
  count_collective(count, type, comm);
  return PMPI_Reduce(buffer, in, count, type, op, root, comm);
}

int MPI_Reduce_scatter(const void *buffer, void *in, const int *counts, MPI_Datatype type, MPI_Op op, MPI_Comm comm) {
  int ranks;
  double sum = 0;
  PMPI_Comm_size(comm, &ranks);
  for (int rank = 0; rank < ranks; rank++) sum += counts[rank];
  count_collective(sum, type, comm);
  return PMPI_Reduce_scatter(buffer, in, counts, type, op, comm);
}

int MPI_Allgather(const void *buffer, int count, MPI_Datatype type, void *in, int in_count, MPI_Datatype in_type,
                  MPI_Comm comm) {
  count_collective(in_count, in_type, comm);
  return PMPI_Allgather(buffer, count, type, in, in_count, in_type, comm);
}

int MPI_Allgatherv(const void *buffer, int count, MPI_Datatype type, void *in, const int *in_counts,
                   const int *in_places, MPI_Datatype in_type, MPI_Comm comm) {
  int rank;
  PMPI_Comm_rank(comm, &rank);
  count_collective(in_counts[rank], in_type, comm);
  return PMPI_Allgatherv(buffer, count, type, in, in_counts, in_places, in_type, comm);
}

int MPI_Bcast(void *buffer, int count, MPI_Datatype type, int root, MPI_Comm comm) {
  int rank;
  PMPI_Comm_rank(comm, &rank);
  if (rank == root) count_collective(count, type, comm);
  return PMPI_Bcast(buffer, count, type, root, comm);
}
