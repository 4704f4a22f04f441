#include <hdf5_hl.h>
#include <stdint.h>
#include <string.h>

#include "hdf5_file.h"
#include "sinode/memory.h"
#include "sinode/text_file.h"
#include "sinode/trajectory_file.h"
#include "trajectory_sums.h"
#include "xdmf.h"

enum { VARIABLES_MOST = 12 };

/* A variable of the file, with the snapshots of it that wait to be written: (own members, capacity, width). */
typedef struct {
  hid_t dataset;
  char name[32];
  ptrdiff_t width; /* local points of a field; 1 of a scalar */
  double *waiting;
} variable;

struct sn_trajectory_writer {
  const sn_grid *grid;
  sn_file *file;
  sn_range members;
  ptrdiff_t member_count, capacity;   /* capacity: snapshots the buffers hold, a multiple of a chunk's */
  ptrdiff_t written, waiting, extent; /* extent: snapshots the datasets have capacity for */
  hsize_t chunk[3];                   /* of fields */
  int gzip;                           /* level; 0: not compressed */
  bool passing;                       /* without a page beside it */
  hid_t time, sums, scales[3];
  double *times;
  uint64_t *waiting_sums; /* (capacity): this rank's shares of the checksums */
  int fields, scalars, finals;
  variable field[VARIABLES_MOST], scalar[VARIABLES_MOST];
  hid_t final[VARIABLES_MOST];
};

static sn_status describe(sn_trajectory_writer *w, hid_t object, const char *long_name) {
  SN_TRY(sn_file_set_string(w->file, object, "long_name", long_name));
  return sn_file_set_string(w->file, object, "units", "1"); /* nondimensional */
}

/*
 * Creates a dataset over the dimensions first .. first + count - 1 of (member, time, x), time unlimited; fields may be
 * compressed. Every element will be written, so nothing is filled.
 */
static sn_status create(sn_trajectory_writer *w, const char *name, hid_t type, int first, int count,
                        const hsize_t *size, const hsize_t *chunk, hid_t *dataset) {
  hsize_t most[3];
  hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
  bool grows = false;
  for (int d = 0; d < count; d++) {
    most[d] = first + d == 1 ? H5S_UNLIMITED : size[d];
    grows |= first + d == 1;
  }
  H5Pset_attr_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER);
  if (grows) H5Pset_chunk(creation, count, chunk);
  if (w->gzip && count == 3) {
    H5Pset_shuffle(creation);
    H5Pset_deflate(creation, (unsigned)w->gzip);
  }
  hid_t space = H5Screate_simple(count, size, most);
  *dataset = H5Dcreate2(sn_file_id(w->file), name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  H5Sclose(space);
  H5Pclose(creation);
  return *dataset < 0 ? sn_file_error(w->file, name) : SN_OK;
}

static sn_status attach(sn_trajectory_writer *w, hid_t dataset, int first, int count) {
  for (int d = 0; d < count; d++)
    if (H5DSattach_scale(dataset, w->scales[first + d], (unsigned)d) < 0)
      return sn_file_error(w->file, "a dimension scale cannot be attached");
  return SN_OK;
}

/* Moves a block of a dataset collectively; count 0 somewhere: nothing from this rank. One that fails fails on all. */
static sn_status move(sn_trajectory_writer *w, hid_t dataset, hid_t type, int dimensions, const hsize_t *start,
                      const hsize_t *count, const hsize_t *memory_shape, const void *values, bool write) {
  bool empty = false;
  for (int d = 0; d < dimensions; d++) empty |= count[d] == 0;
  const hsize_t one[3] = {1, 1, 1}, origin[3] = {0, 0, 0};
  hid_t disk = H5Dget_space(dataset), memory = H5Screate_simple(dimensions, empty ? one : memory_shape, NULL);
  if (empty) {
    H5Sselect_none(disk);
    H5Sselect_none(memory);
  } else {
    H5Sselect_hyperslab(disk, H5S_SELECT_SET, start, NULL, count, NULL);
    H5Sselect_hyperslab(memory, H5S_SELECT_SET, origin, NULL, count, NULL);
  }
  hid_t transfer = H5Pcreate(H5P_DATASET_XFER);
  H5Pset_dxpl_mpio(transfer, H5FD_MPIO_COLLECTIVE);
  const herr_t result = write ? H5Dwrite(dataset, type, memory, disk, transfer, values)
                              : H5Dread(dataset, type, memory, disk, transfer, (void *)values);
  H5Pclose(transfer);
  H5Sclose(disk);
  H5Sclose(memory);
  sn_status status = SN_OK;
  if (result < 0) status = sn_file_error(w->file, write ? "writing failed (is the disk full?)" : "reading failed");
  if (!status && write)
    status = sn_file_remember(w->file, dataset, type, dimensions, start, count, memory_shape, values);
  return sn_collective_status(sn_grid_world(w->grid), status);
}

/* The coordinates member, time and x, as netCDF's dimension scales. */
static sn_status create_scales(sn_trajectory_writer *w, double length) {
  const ptrdiff_t points = sn_grid_points(w->grid);
  const hsize_t members = (hsize_t)w->member_count, x_size = (hsize_t)points;
  const hsize_t times = (hsize_t)w->extent, time_chunk = 1024;
  SN_TRY(create(w, "member", H5T_STD_I32LE, 0, 1, &members, NULL, &w->scales[0]));
  SN_TRY(create(w, "time", H5T_IEEE_F64LE, 1, 1, &times, &time_chunk, &w->scales[1]));
  SN_TRY(create(w, "x", H5T_IEEE_F64LE, 2, 1, &x_size, NULL, &w->scales[2]));
  SN_TRY(create(w, SN_TRAJECTORY_SUMS, H5T_STD_I64LE, 1, 1, &times, &time_chunk, &w->sums));
  w->time = w->scales[1];
  static const char *const names[] = {"member", "time", "x"}, *const axes[] = {NULL, "T", "X"};
  static const char *const meanings[] = {"ensemble member", "nondimensional time", "nondimensional position"};
  for (int d = 0; d < 3; d++) {
    if (H5DSset_scale(w->scales[d], names[d]) < 0) return sn_file_error(w->file, names[d]);
    SN_TRY(describe(w, w->scales[d], meanings[d]));
    if (axes[d]) SN_TRY(sn_file_set_string(w->file, w->scales[d], "axis", axes[d]));
  }
  SN_TRY(attach(w, w->sums, 1, 1));
  SN_TRY(describe(w, w->sums, "checksum of u and the time, by which readers see damage"));
  int64_t *numbers;
  double *x;
  SN_TRY(sn_collective_status(sn_grid_world(w->grid), SN_NEW(w->member_count, &numbers)));
  SN_TRY(sn_collective_status(sn_grid_world(w->grid), SN_NEW(points, &x)));
  for (ptrdiff_t m = 0; m < w->member_count; m++) numbers[m] = m;
  for (ptrdiff_t j = 0; j < points; j++) x[j] = (double)j * length / (double)points;
  const bool writes = sn_grid_rank(w->grid) == 0;
  const hsize_t origin = 0, own_members = writes ? members : 0, own_points = writes ? x_size : 0;
  sn_status status = move(w, w->scales[0], H5T_NATIVE_INT64, 1, &origin, &own_members, &members, numbers, true);
  if (!status) status = move(w, w->scales[2], H5T_NATIVE_DOUBLE, 1, &origin, &own_points, &x_size, x, true);
  SN_FREE(numbers);
  SN_FREE(x);
  return status;
}

static hsize_t within(hsize_t value, hsize_t least, hsize_t most) {
  return value < least ? least : value > most ? most : value;
}

/*
 * A chunk of a field is one member's, as wide as the widest rank's share of the points or an even part of it, so that
 * a chunk is one rank's work, and about 1 MiB. A whole number of chunks waits before it is written, so that none is
 * written twice, except where a run is saved in between.
 */
static void choose_chunk(sn_trajectory_writer *w, const sn_trajectory_spec *spec) {
  const hsize_t mebibyte = 131072; /* in doubles */
  const hsize_t share = (hsize_t)sn_partition_most(sn_grid_points(w->grid), sn_grid_space_size(w->grid));
  const hsize_t parts = (share + mebibyte - 1) / mebibyte;
  const hsize_t snapshots = (hsize_t)(spec->snapshots > 0 ? spec->snapshots : 1), capacity = (hsize_t)w->capacity;
  w->chunk[0] = 1;
  w->chunk[2] = (share + parts - 1) / parts;
  w->chunk[1] = within(mebibyte / w->chunk[2], 1, snapshots < capacity ? snapshots : capacity);
  w->capacity -= (ptrdiff_t)(capacity % w->chunk[1]);
}

static sn_status create_variables(sn_trajectory_writer *w, const sn_trajectory_spec *spec) {
  const hsize_t members = (hsize_t)w->member_count, points = (hsize_t)sn_grid_points(w->grid);
  const hsize_t snapshots = (hsize_t)(spec->snapshots > 0 ? spec->snapshots : 1);
  const hsize_t field_size[3] = {members, (hsize_t)w->extent, points};
  const hsize_t scalar_chunk[2] = {within(members, 1, 64), within(snapshots, 1, 1024)};
  for (int i = 0; i < spec->fields; i++) {
    variable *v = &w->field[i];
    SN_TRY(create(w, spec->field[i].name, H5T_IEEE_F64LE, 0, 3, field_size, w->chunk, &v->dataset));
    SN_TRY(attach(w, v->dataset, 0, 3));
    SN_TRY(describe(w, v->dataset, spec->field[i].long_name));
  }
  for (int i = 0; i < spec->scalars; i++) {
    variable *v = &w->scalar[i];
    SN_TRY(create(w, spec->scalar[i].name, H5T_IEEE_F64LE, 0, 2, field_size, scalar_chunk, &v->dataset));
    SN_TRY(attach(w, v->dataset, 0, 2));
    SN_TRY(describe(w, v->dataset, spec->scalar[i].long_name));
  }
  for (int i = 0; i < spec->finals; i++) {
    SN_TRY(create(w, spec->final[i].name, H5T_IEEE_F64LE, 0, 1, &members, NULL, &w->final[i]));
    SN_TRY(attach(w, w->final[i], 0, 1));
    SN_TRY(describe(w, w->final[i], spec->final[i].long_name));
  }
  return SN_OK;
}

static sn_status build(sn_trajectory_writer *w, const sn_trajectory_spec *spec) {
  w->passing = spec->passing;
  if (w->gzip && H5Zfilter_avail(H5Z_FILTER_DEFLATE) <= 0)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "%s: this HDF5 was built without gzip; set io.compression to none",
                        sn_file_path(w->file));
  SN_TRY(sn_file_set_double(w->file, sn_file_id(w->file), "domain_length", spec->length));
  for (int i = 0; i < spec->numbers; i++)
    SN_TRY(sn_file_set_double(w->file, sn_file_id(w->file), spec->number[i].name, spec->number[i].value));
  SN_TRY(create_scales(w, spec->length));
  return create_variables(w, spec);
}

/* A writer for a file that is open, with its buffers. */
static sn_status prepare(const sn_grid *grid, sn_file *file, const sn_trajectory_spec *spec,
                         sn_trajectory_writer **out) {
  SN_TRY(SN_NEW(1, out));
  /* About 8 MiB a rank of waiting snapshots, the same number on all ranks. */
  const double frame = (double)spec->members * (double)sn_grid_points(grid) * 8;
  int ranks;
  MPI_Comm_size(sn_grid_world(grid), &ranks);
  const double capacity = (8 << 20) * (double)ranks / frame;
  sn_trajectory_writer *w = *out;
  *w = (sn_trajectory_writer){.grid = grid,
                              .file = file,
                              .members = spec->own_members,
                              .member_count = spec->members,
                              .extent = spec->snapshots,
                              .capacity = capacity < 1      ? 1
                                          : capacity > 4096 ? 4096
                                                            : (ptrdiff_t)capacity,
                              .gzip = spec->compression.kind == SN_COMPRESSION_GZIP ? spec->compression.level : 0,
                              .fields = spec->fields,
                              .scalars = spec->scalars,
                              .finals = spec->finals};
  choose_chunk(w, spec);
  for (int i = 0; i < w->fields + w->scalars; i++) {
    variable *v = i < w->fields ? &w->field[i] : &w->scalar[i - w->fields];
    snprintf(v->name, sizeof v->name, "%s", i < w->fields ? spec->field[i].name : spec->scalar[i - w->fields].name);
    v->width = i < w->fields ? sn_grid_range(grid).count : 1;
    SN_TRY(SN_NEW(w->members.count * w->capacity * v->width, &v->waiting));
  }
  SN_TRY(SN_NEW(w->capacity, &w->times));
  return SN_NEW(w->capacity, &w->waiting_sums);
}

/*
 * The datasets have their full size from the beginning and are on disk before the first snapshot: what comes then are
 * the snapshots' values alone, so a run that is killed leaves a file that can be opened.
 */
sn_status sn_trajectory_create(const sn_grid *grid, const char *path, const sn_trajectory_spec *spec,
                               const sn_provenance *provenance, sn_trajectory_writer **out) {
  MPI_Comm world = sn_grid_world(grid);
  sn_file *file;
  *out = NULL;
  SN_TRY(sn_file_create(world, path, "trajectory", provenance, &file));
  sn_status status = sn_collective_status(world, prepare(grid, file, spec, out));
  if (!status) status = sn_collective_status(world, build(*out, spec));
  if (!status) status = sn_file_flush(file);
  if (status && *out)
    sn_trajectory_abandon(out);
  else if (status)
    sn_file_close(&file);
  return status;
}

/* Opens a dataset of an unfinished file; `count` dimensions from `first` of (member, time, x) on, as in create. */
static sn_status reopen(sn_trajectory_writer *w, const char *name, int first, int count, hid_t *dataset) {
  const hsize_t wanted[3] = {(hsize_t)w->member_count, (hsize_t)w->extent, (hsize_t)sn_grid_points(w->grid)};
  hsize_t found[3];
  SN_TRY(sn_file_shape(w->file, name, count, found));
  if (memcmp(found, wanted + first, (size_t)count * sizeof *found) != 0)
    return SN_ERROR(SN_ERROR_FILE, "%s.tmp: %s has not the shape that the parameters say", sn_file_path(w->file), name);
  *dataset = H5Dopen2(sn_file_id(w->file), name, H5P_DEFAULT);
  return *dataset < 0 ? sn_file_error(w->file, name) : SN_OK;
}

static sn_status reopen_all(sn_trajectory_writer *w, const sn_trajectory_spec *spec) {
  SN_TRY(reopen(w, "time", 1, 1, &w->time));
  w->scales[1] = w->time;
  SN_TRY(reopen(w, SN_TRAJECTORY_SUMS, 1, 1, &w->sums));
  for (int i = 0; i < w->fields; i++) SN_TRY(reopen(w, spec->field[i].name, 0, 3, &w->field[i].dataset));
  for (int i = 0; i < w->scalars; i++) SN_TRY(reopen(w, spec->scalar[i].name, 0, 2, &w->scalar[i].dataset));
  for (int i = 0; i < w->finals; i++) SN_TRY(reopen(w, spec->final[i].name, 0, 1, &w->final[i]));
  return SN_OK;
}

/* Reads `count` snapshots from number `first` on into the buffers and compares their checksums. */
static sn_status validate_complete(sn_trajectory_writer *w, ptrdiff_t first, ptrdiff_t count, bool *intact) {
  const sn_range points = sn_grid_range(w->grid);
  const hsize_t capacity = (hsize_t)w->capacity, local = (hsize_t)points.count, own = (hsize_t)w->members.count;
  const hsize_t start[3] = {(hsize_t)w->members.start, (hsize_t)first, (hsize_t)points.start};
  const hsize_t counts[3] = {own, (hsize_t)count, local}, shape[3] = {own, capacity, local};
  uint64_t expected;
  SN_TRY(move(w, w->field[0].dataset, H5T_NATIVE_DOUBLE, 3, start, counts, shape, w->field[0].waiting, false));
  SN_TRY(move(w, w->time, H5T_NATIVE_DOUBLE, 1, &start[1], &counts[1], &capacity, w->times, false));
  SN_TRY(move(w, w->sums, H5T_NATIVE_INT64, 1, &start[1], &counts[1], &capacity, w->waiting_sums, false));
  for (ptrdiff_t s = 0; s < count; s++) {
    const double *u = w->field[0].waiting + s * points.count;
    expected = w->waiting_sums[s];
    w->waiting_sums[s] = sn_trajectory_share(w->times[s], sn_grid_rank(w->grid) == 0, w->members, points,
                                             sn_grid_points(w->grid), u, w->capacity * points.count);
    if (sn_grid_rank(w->grid) == 0) w->waiting_sums[s] -= expected;
  }
  MPI_Allreduce(MPI_IN_PLACE, w->waiting_sums, (int)count, MPI_UINT64_T, MPI_SUM, sn_grid_world(w->grid));
  for (ptrdiff_t s = 0; s < count; s++) *intact = *intact && w->waiting_sums[s] == 0;
  return SN_OK;
}

static sn_status resume(sn_trajectory_writer *w, const sn_trajectory_spec *spec, ptrdiff_t snapshots) {
  bool intact = true;
  SN_TRY(reopen_all(w, spec));
  for (; w->written < snapshots && intact; w->written += w->capacity) {
    const ptrdiff_t left = snapshots - w->written;
    SN_TRY(validate_complete(w, w->written, left < w->capacity ? left : w->capacity, &intact));
  }
  w->written = snapshots;
  if (intact) return SN_OK;
  return SN_ERROR(SN_ERROR_FILE, "%s.tmp: the checksums of its first %td snapshots are wrong: it is damaged",
                  sn_file_path(w->file), snapshots);
}

sn_status sn_trajectory_continue(const sn_grid *grid, const char *path, const sn_trajectory_spec *spec,
                                 ptrdiff_t snapshots, sn_trajectory_writer **out) {
  MPI_Comm world = sn_grid_world(grid);
  sn_file *file;
  *out = NULL;
  SN_TRY(sn_file_continue(world, path, "trajectory", &file));
  sn_status status = sn_collective_status(world, prepare(grid, file, spec, out));
  if (!status) status = sn_collective_status(world, resume(*out, spec, snapshots));
  if (status && *out)
    sn_trajectory_leave(out);
  else if (status)
    sn_file_leave(&file);
  return status;
}

static sn_status set_extent(sn_trajectory_writer *w, ptrdiff_t extent) {
  const hsize_t size[3] = {(hsize_t)w->member_count, (hsize_t)extent, (hsize_t)sn_grid_points(w->grid)};
  bool bad = H5Dset_extent(w->time, &size[1]) < 0 || H5Dset_extent(w->sums, &size[1]) < 0;
  for (int i = 0; i < w->fields; i++) bad |= H5Dset_extent(w->field[i].dataset, size) < 0;
  for (int i = 0; i < w->scalars; i++) bad |= H5Dset_extent(w->scalar[i].dataset, size) < 0;
  w->extent = extent;
  return bad ? sn_file_error(w->file, "cannot grow (is the disk full?)") : SN_OK;
}

/* Writes the waiting snapshots: the variables first, their times last. */
static sn_status flush(sn_trajectory_writer *w) {
  const hsize_t members = (hsize_t)w->members.count, first = (hsize_t)w->members.start;
  const hsize_t local = (hsize_t)sn_grid_range(w->grid).count;
  const hsize_t start[3] = {first, (hsize_t)w->written, (hsize_t)sn_grid_range(w->grid).start};
  const hsize_t count[3] = {members, (hsize_t)w->waiting, local}, shape[3] = {members, (hsize_t)w->capacity, local};
  if (w->written + w->waiting > w->extent) SN_TRY(set_extent(w, w->written + w->waiting));
  for (int i = 0; i < w->fields; i++)
    SN_TRY(move(w, w->field[i].dataset, H5T_NATIVE_DOUBLE, 3, start, count, shape, w->field[i].waiting, true));
  const hsize_t scalar_count[2] = {sn_grid_space_rank(w->grid) == 0 ? members : 0, (hsize_t)w->waiting};
  for (int i = 0; i < w->scalars; i++)
    SN_TRY(move(w, w->scalar[i].dataset, H5T_NATIVE_DOUBLE, 2, start, scalar_count, shape, w->scalar[i].waiting, true));
  const hsize_t time_count = sn_grid_rank(w->grid) == 0 ? (hsize_t)w->waiting : 0, time_shape = (hsize_t)w->capacity;
  MPI_Allreduce(MPI_IN_PLACE, w->waiting_sums, (int)w->waiting, MPI_UINT64_T, MPI_SUM, sn_grid_world(w->grid));
  SN_TRY(move(w, w->sums, H5T_NATIVE_INT64, 1, &start[1], &time_count, &time_shape, w->waiting_sums, true));
  SN_TRY(move(w, w->time, H5T_NATIVE_DOUBLE, 1, &start[1], &time_count, &time_shape, w->times, true));
  w->written += w->waiting;
  w->waiting = 0;
  return SN_OK;
}

static sn_status flush_together(sn_trajectory_writer *w) {
  sn_timer *timer = sn_grid_timer(w->grid);
  sn_timer_start(timer, SN_TIME_WRITE);
  sn_status status = sn_collective_status(sn_grid_world(w->grid), flush(w));
  sn_timer_stop(timer, SN_TIME_WRITE);
  return status;
}

static void buffer_values(const sn_trajectory_writer *w, const variable *v, const double *values) {
  for (ptrdiff_t m = 0; m < w->members.count; m++)
    memcpy(v->waiting + (m * w->capacity + w->waiting) * v->width, values + m * v->width,
           (size_t)v->width * sizeof *values);
}

sn_status sn_trajectory_append(sn_trajectory_writer *w, double time, const double *const *fields,
                               const double *const *scalars) {
  w->times[w->waiting] = time;
  w->waiting_sums[w->waiting] =
      sn_trajectory_share(time, sn_grid_rank(w->grid) == 0, w->members, sn_grid_range(w->grid), sn_grid_points(w->grid),
                          fields[0], w->field[0].width);
  for (int i = 0; i < w->fields; i++) buffer_values(w, &w->field[i], fields[i]);
  for (int i = 0; i < w->scalars; i++) buffer_values(w, &w->scalar[i], scalars[i]);
  w->waiting++;
  return w->waiting == w->capacity ? flush_together(w) : SN_OK;
}

static sn_status write_finals(sn_trajectory_writer *w, const double *const *finals) {
  const hsize_t start = (hsize_t)w->members.start, shape = (hsize_t)w->members.count;
  const hsize_t count = sn_grid_space_rank(w->grid) == 0 ? shape : 0;
  for (int i = 0; i < w->finals; i++)
    SN_TRY(move(w, w->final[i], H5T_NATIVE_DOUBLE, 1, &start, &count, &shape, finals[i], true));
  return SN_OK;
}

/* Closes the datasets and frees everything but the file. */
static void release(sn_trajectory_writer *w) {
  for (int i = 0; i < 3; i++)
    if (w->scales[i] > 0) H5Dclose(w->scales[i]);
  for (int i = 0; i < VARIABLES_MOST; i++) {
    if (w->field[i].dataset > 0) H5Dclose(w->field[i].dataset);
    if (w->scalar[i].dataset > 0) H5Dclose(w->scalar[i].dataset);
    if (w->final[i] > 0) H5Dclose(w->final[i]);
    SN_FREE(w->field[i].waiting);
    SN_FREE(w->scalar[i].waiting);
  }
  if (w->sums > 0) H5Dclose(w->sums);
  SN_FREE(w->times);
  SN_FREE(w->waiting_sums);
}

/* The XDMF page beside the file. */
static sn_status write_page(const sn_trajectory_writer *w, const char *path) {
  if (w->passing) return SN_OK;
  const char *names[VARIABLES_MOST];
  for (int i = 0; i < w->fields; i++) names[i] = w->field[i].name;
  return sn_xdmf_write(path, w->member_count, w->written, sn_grid_points(w->grid), w->fields, names);
}

sn_status sn_trajectory_finish(sn_trajectory_writer **writer, const double *const *finals) {
  sn_trajectory_writer *w = *writer;
  sn_status status = flush_together(w);
  if (!status && w->written < w->extent)
    status = sn_collective_status(sn_grid_world(w->grid), set_extent(w, w->written));
  if (!status) status = sn_collective_status(sn_grid_world(w->grid), write_finals(w, finals));
  if (status) {
    sn_trajectory_abandon(writer);
    return status;
  }
  char path[SN_TEXT_PATH];
  snprintf(path, sizeof path, "%s", sn_file_path(w->file));
  sn_timer_start(sn_grid_timer(w->grid), SN_TIME_WRITE);
  release(w);
  status = sn_file_commit(&w->file);
  if (!status)
    status = sn_collective_status(sn_grid_world(w->grid), sn_grid_rank(w->grid) == 0 ? write_page(w, path) : SN_OK);
  sn_timer_stop(sn_grid_timer(w->grid), SN_TIME_WRITE);
  SN_FREE(*writer);
  return status;
}

void sn_trajectory_abandon(sn_trajectory_writer **writer) {
  if (!*writer) return;
  release(*writer);
  sn_file_close(&(*writer)->file);
  SN_FREE(*writer);
}

sn_status sn_trajectory_save(sn_trajectory_writer *w) {
  SN_TRY(flush_together(w));
  return sn_file_flush(w->file);
}

void sn_trajectory_leave(sn_trajectory_writer **writer) {
  if (!*writer) return;
  release(*writer);
  sn_file_leave(&(*writer)->file);
  SN_FREE(*writer);
}

const sn_name sn_compression_kinds[] = {{"none", SN_COMPRESSION_NONE}, {"gzip", SN_COMPRESSION_GZIP}, {NULL, 0}};
