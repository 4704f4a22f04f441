#include <math.h>
#include <string.h>

#include "hdf5_file.h"
#include "sinode/checksum.h"
#include "sinode/count.h"
#include "sinode/memory.h"
#include "sinode/trajectory_file.h"
#include "trajectory_sums.h"

struct sn_trajectory_reader {
  sn_file *file;
  hsize_t shape[3]; /* members, snapshots, points */
  double length;
  double *times;
  uint64_t *sums; /* NULL: the file has no checksums */
  ptrdiff_t uneven;
};

/* Each rank looks at its part of x. */
static sn_status find_uneven(sn_trajectory_reader *r) {
  MPI_Comm comm = sn_file_comm(r->file);
  const ptrdiff_t points = (ptrdiff_t)r->shape[2];
  double *x;
  int rank, ranks;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  const sn_range own = sn_partition_range((sn_partition){.points = points, .ranks = ranks}, rank);
  SN_TRY(sn_collective_status(comm, SN_NEW(own.count, &x)));
  const sn_file_part part = {
      .dimensions = 1, .shape = {r->shape[2]}, .start = {(hsize_t)own.start}, .count = {(hsize_t)own.count}};
  sn_status status = sn_file_read(r->file, "/x", H5T_NATIVE_DOUBLE, &part, x);
  int64_t first = points;
  for (ptrdiff_t j = own.count - 1; j >= 0 && !status; j--)
    if (!(fabs(x[j] - (double)(own.start + j) * r->length / (double)points) <= 1e-9 * r->length)) first = own.start + j;
  SN_FREE(x);
  SN_TRY(status);
  MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT64_T, MPI_MIN, comm);
  r->uneven = first < points ? (ptrdiff_t)first : -1;
  return SN_OK;
}

static sn_status inspect(sn_trajectory_reader *r) {
  hsize_t snapshots, points;
  SN_TRY(sn_file_shape(r->file, "/u", 3, r->shape));
  SN_TRY(sn_file_shape(r->file, "/time", 1, &snapshots));
  SN_TRY(sn_file_shape(r->file, "/x", 1, &points));
  if (snapshots != r->shape[1] || points != r->shape[2] || !r->shape[0] || !snapshots || !points)
    return SN_ERROR_ALL(SN_ERROR_FILE,
                        "%s: u has shape (%llu, %llu, %llu), which does not go with %llu times and %llu x",
                        sn_file_path(r->file), (unsigned long long)r->shape[0], (unsigned long long)r->shape[1],
                        (unsigned long long)r->shape[2], (unsigned long long)snapshots, (unsigned long long)points);
  SN_TRY(sn_error_collective(sn_file_get_double(r->file, sn_file_id(r->file), "domain_length", &r->length)));
  if (!(r->length > 0) || isinf(r->length))
    return SN_ERROR_ALL(SN_ERROR_FILE, "%s: domain_length is %g, but must be positive", sn_file_path(r->file),
                        r->length);
  SN_TRY(find_uneven(r));
  SN_TRY(sn_collective_status(sn_file_comm(r->file), SN_NEW((ptrdiff_t)snapshots, &r->times)));
  const sn_file_part all = {.dimensions = 1, .shape = {snapshots}, .count = {snapshots}};
  SN_TRY(sn_file_read(r->file, "/time", H5T_NATIVE_DOUBLE, &all, r->times));
  if (!sn_file_contains(r->file, "/" SN_TRAJECTORY_SUMS)) return SN_OK;
  SN_TRY(sn_collective_status(sn_file_comm(r->file), SN_NEW((ptrdiff_t)snapshots, &r->sums)));
  return sn_file_read(r->file, "/" SN_TRAJECTORY_SUMS, H5T_NATIVE_INT64, &all, r->sums);
}

sn_status sn_trajectory_open(MPI_Comm comm, const char *path, sn_trajectory_reader **out) {
  *out = NULL;
  sn_file *file;
  SN_TRY(sn_file_open(comm, path, "trajectory", &file));
  sn_status status = sn_collective_status(comm, SN_NEW(1, out));
  if (status) {
    sn_file_close(&file);
    return status;
  }
  (*out)->file = file;
  status = inspect(*out);
  if (status) sn_trajectory_close(out);
  return status;
}

void sn_trajectory_close(sn_trajectory_reader **reader) {
  if (!*reader) return;
  sn_file_close(&(*reader)->file);
  SN_FREE((*reader)->times);
  SN_FREE((*reader)->sums);
  SN_FREE(*reader);
}

ptrdiff_t sn_trajectory_members(const sn_trajectory_reader *r) { return (ptrdiff_t)r->shape[0]; }
ptrdiff_t sn_trajectory_snapshots(const sn_trajectory_reader *r) { return (ptrdiff_t)r->shape[1]; }
ptrdiff_t sn_trajectory_points(const sn_trajectory_reader *r) { return (ptrdiff_t)r->shape[2]; }
double sn_trajectory_length(const sn_trajectory_reader *r) { return r->length; }
ptrdiff_t sn_trajectory_uneven(const sn_trajectory_reader *r) { return r->uneven; }
double sn_trajectory_time(const sn_trajectory_reader *r, ptrdiff_t snapshot) { return r->times[snapshot]; }

sn_status sn_trajectory_interval(const sn_trajectory_reader *r, double *interval) {
  const ptrdiff_t last = (ptrdiff_t)r->shape[1] - 1;
  if (last < 1)
    return SN_ERROR_ALL(SN_ERROR_FILE, "%s: has one snapshot only, but at least two are needed", sn_file_path(r->file));
  *interval = (r->times[last] - r->times[0]) / (double)last;
  for (ptrdiff_t k = 1; k <= last; k++)
    if (!(fabs(r->times[k] - r->times[k - 1] - *interval) <= 1e-6 * *interval))
      return SN_ERROR_ALL(SN_ERROR_FILE,
                          "%s: snapshots are not evenly spaced in time (%g after snapshot %td, %g in the mean)",
                          sn_file_path(r->file), r->times[k] - r->times[k - 1], k - 1, *interval);
  return SN_OK;
}

sn_status sn_trajectory_read(sn_trajectory_reader *r, sn_range members, sn_range snapshots, sn_range points,
                             double *values) {
  const sn_file_part part = {.dimensions = 3,
                             .shape = {r->shape[0], r->shape[1], r->shape[2]},
                             .start = {(hsize_t)members.start, (hsize_t)snapshots.start, (hsize_t)points.start},
                             .count = {(hsize_t)members.count, (hsize_t)snapshots.count, (hsize_t)points.count}};
  return sn_file_read(r->file, "/u", H5T_NATIVE_DOUBLE, &part, values);
}

uint64_t sn_trajectory_share(double time, bool adds_time, sn_range members, sn_range points, ptrdiff_t all_points,
                             const double *u, ptrdiff_t stride) {
  uint64_t sum = adds_time ? sn_checksum_run(&time, 1, 1, 0) : 0;
  for (ptrdiff_t m = 0; m < members.count; m++) {
    const ptrdiff_t place = (members.start + m) * all_points + points.start;
    sum += sn_checksum_run(u + m * stride, points.count, 0, (uint64_t)place);
  }
  return sum;
}

sn_status sn_trajectory_verify(const sn_trajectory_reader *r, sn_range members, sn_range snapshots, sn_range points,
                               const double *values) {
  MPI_Comm comm = sn_file_comm(r->file);
  const ptrdiff_t all_points = (ptrdiff_t)r->shape[2], stride = snapshots.count * points.count;
  int64_t values_held = members.count * points.count;
  uint64_t *sums;
  if (!r->sums) return SN_OK;
  MPI_Allreduce(MPI_IN_PLACE, &values_held, 1, MPI_INT64_T, MPI_SUM, comm);
  const int64_t all = (int64_t)(r->shape[0] * r->shape[2]), copies = values_held / all;
  if (copies * all != values_held) return SN_OK; /* not all members: there is nothing to compare with */
  int rank, count;
  SN_TRY(sn_error_collective(sn_count_to_int(snapshots.count, "snapshots of a trajectory", &count)));
  SN_TRY(sn_collective_status(comm, SN_NEW(snapshots.count, &sums)));
  MPI_Comm_rank(comm, &rank);
  for (ptrdiff_t s = 0; s < snapshots.count; s++) {
    const double time = r->times[snapshots.start + s];
    sums[s] = sn_trajectory_share(time, false, members, points, all_points, values + s * points.count, stride);
    if (rank) continue;
    sums[s] += (uint64_t)copies * (sn_checksum_run(&time, 1, 1, 0) - r->sums[snapshots.start + s]);
  }
  MPI_Allreduce(MPI_IN_PLACE, sums, count, MPI_UINT64_T, MPI_SUM, comm);
  ptrdiff_t bad = 0;
  while (bad < snapshots.count && sums[bad] == 0) bad++;
  SN_FREE(sums);
  if (bad == snapshots.count) return SN_OK;
  return SN_ERROR_ALL(SN_ERROR_FILE,
                      "%s: snapshot %td is not as it was written (its checksum is wrong): the file is damaged; if "
                      "another program changed it on purpose, remove the variable " SN_TRAJECTORY_SUMS,
                      sn_file_path(r->file), snapshots.start + bad);
}
