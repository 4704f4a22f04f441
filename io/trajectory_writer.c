#include <hdf5_hl.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "hdf5_file.h"
#include "sinode/memory.h"
#include "sinode/text_file.h"
#include "sinode/trajectory_file.h"
#include "xdmf.h"

enum { VARIABLES_MOST = 8 };

/* A variable of the file, with the snapshots of it that wait to be written: (own members, room, width). */
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
  ptrdiff_t member_count, room; /* room: snapshots the buffers hold, a multiple of a chunk's */
  ptrdiff_t written, waiting;
  hsize_t chunk[3]; /* of fields */
  int gzip;         /* level; 0: not compressed */
  hid_t time, scales[3];
  double *times;
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

/* Writes a block of a dataset collectively; count 0 somewhere: nothing from this rank. Rows lie `pitch` apart. */
static sn_status put(sn_trajectory_writer *w, hid_t dataset, hid_t type, int dimensions, const hsize_t *start,
                     const hsize_t *count, const hsize_t *memory_shape, const void *values) {
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
  const herr_t result = H5Dwrite(dataset, type, memory, disk, transfer, values);
  H5Pclose(transfer);
  H5Sclose(disk);
  H5Sclose(memory);
  return result < 0 ? sn_file_error(w->file, "writing failed (is the disk full?)") : SN_OK;
}

/* The coordinates member, time and x, as netCDF's dimension scales. */
static sn_status create_scales(sn_trajectory_writer *w, double length) {
  const ptrdiff_t points = sn_grid_points(w->grid);
  const hsize_t members = (hsize_t)w->member_count, none = 0, x_size = (hsize_t)points, time_chunk = 1024;
  SN_TRY(create(w, "member", H5T_STD_I32LE, 0, 1, &members, NULL, &w->scales[0]));
  SN_TRY(create(w, "time", H5T_IEEE_F64LE, 1, 1, &none, &time_chunk, &w->scales[1]));
  SN_TRY(create(w, "x", H5T_IEEE_F64LE, 2, 1, &x_size, NULL, &w->scales[2]));
  w->time = w->scales[1];
  static const char *const names[] = {"member", "time", "x"}, *const axes[] = {NULL, "T", "X"};
  static const char *const meanings[] = {"ensemble member", "nondimensional time", "nondimensional position"};
  for (int d = 0; d < 3; d++) {
    if (H5DSset_scale(w->scales[d], names[d]) < 0) return sn_file_error(w->file, names[d]);
    SN_TRY(describe(w, w->scales[d], meanings[d]));
    if (axes[d]) SN_TRY(sn_file_set_string(w->file, w->scales[d], "axis", axes[d]));
  }
  int32_t *numbers;
  double *x;
  SN_TRY(SN_NEW(w->member_count, &numbers));
  SN_TRY(SN_NEW(points, &x));
  for (ptrdiff_t m = 0; m < w->member_count; m++) numbers[m] = (int32_t)m;
  for (ptrdiff_t j = 0; j < points; j++) x[j] = (double)j * length / (double)points;
  const bool writes = sn_grid_rank(w->grid) == 0;
  const hsize_t origin = 0, own_members = writes ? members : 0, own_points = writes ? x_size : 0;
  sn_status status = put(w, w->scales[0], H5T_NATIVE_INT32, 1, &origin, &own_members, &members, numbers);
  if (!status) status = put(w, w->scales[2], H5T_NATIVE_DOUBLE, 1, &origin, &own_points, &x_size, x);
  sn_memory_give(&numbers);
  sn_memory_give(&x);
  return status;
}

static hsize_t within(hsize_t value, hsize_t least, hsize_t most) {
  return value < least ? least : value > most ? most : value;
}

/*
 * A chunk of a field is one member's, as wide as the widest rank's share of the points or an even part of it, so that
 * a chunk is one rank's work, and about 1 MiB. A whole number of chunks waits before it is written: none is taken up
 * twice.
 */
static void choose_chunk(sn_trajectory_writer *w, const sn_trajectory_spec *spec) {
  const hsize_t mebibyte = 131072; /* in doubles */
  const hsize_t points = (hsize_t)sn_grid_points(w->grid), ranks = (hsize_t)sn_grid_space_size(w->grid);
  const hsize_t share = (points + ranks - 1) / ranks, parts = (share + mebibyte - 1) / mebibyte;
  const hsize_t snapshots = (hsize_t)(spec->snapshots > 0 ? spec->snapshots : 1), room = (hsize_t)w->room;
  w->chunk[0] = 1;
  w->chunk[2] = (share + parts - 1) / parts;
  w->chunk[1] = within(mebibyte / w->chunk[2], 1, snapshots < room ? snapshots : room);
  w->room -= (ptrdiff_t)(room % w->chunk[1]);
}

static sn_status create_variables(sn_trajectory_writer *w, const sn_trajectory_spec *spec) {
  const hsize_t members = (hsize_t)w->member_count, points = (hsize_t)sn_grid_points(w->grid);
  const hsize_t snapshots = (hsize_t)(spec->snapshots > 0 ? spec->snapshots : 1);
  const hsize_t field_size[3] = {members, 0, points};
  const hsize_t scalar_chunk[2] = {within(members, 1, 64), within(snapshots, 1, 1024)};
  for (int i = 0; i < spec->fields; i++) {
    variable *v = &w->field[i];
    SN_TRY(create(w, spec->field[i].name, H5T_IEEE_F64LE, 0, 3, field_size, w->chunk, &v->dataset));
    snprintf(v->name, sizeof v->name, "%s", spec->field[i].name);
    SN_TRY(attach(w, v->dataset, 0, 3));
    SN_TRY(describe(w, v->dataset, spec->field[i].long_name));
    v->width = sn_grid_range(w->grid).count;
    SN_TRY(SN_NEW(w->members.count * w->room * v->width, &v->waiting));
  }
  for (int i = 0; i < spec->scalars; i++) {
    variable *v = &w->scalar[i];
    SN_TRY(create(w, spec->scalar[i].name, H5T_IEEE_F64LE, 0, 2, field_size, scalar_chunk, &v->dataset));
    SN_TRY(attach(w, v->dataset, 0, 2));
    SN_TRY(describe(w, v->dataset, spec->scalar[i].long_name));
    v->width = 1;
    SN_TRY(SN_NEW(w->members.count * w->room, &v->waiting));
  }
  for (int i = 0; i < spec->finals; i++) {
    SN_TRY(create(w, spec->final[i].name, H5T_IEEE_F64LE, 0, 1, &members, NULL, &w->final[i]));
    SN_TRY(attach(w, w->final[i], 0, 1));
    SN_TRY(describe(w, w->final[i], spec->final[i].long_name));
  }
  return SN_OK;
}

static sn_status build(sn_trajectory_writer *w, const sn_trajectory_spec *spec) {
  if (w->gzip && H5Zfilter_avail(H5Z_FILTER_DEFLATE) <= 0)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "%s: this HDF5 was built without gzip; set io.compression to none",
                        sn_file_path(w->file));
  choose_chunk(w, spec);
  SN_TRY(SN_NEW(w->room, &w->times));
  SN_TRY(sn_file_set_double(w->file, sn_file_id(w->file), "domain_length", spec->length));
  for (int i = 0; i < spec->numbers; i++)
    SN_TRY(sn_file_set_double(w->file, sn_file_id(w->file), spec->number[i].name, spec->number[i].value));
  SN_TRY(create_scales(w, spec->length));
  return create_variables(w, spec);
}

sn_status sn_trajectory_create(const sn_grid *grid, const char *path, const sn_trajectory_spec *spec,
                               const sn_provenance *provenance, sn_trajectory_writer **out) {
  *out = NULL;
  sn_file *file;
  SN_TRY(sn_file_create(sn_grid_world(grid), path, "trajectory", provenance, &file));
  sn_status status = sn_agree(sn_grid_world(grid), SN_NEW(1, out));
  if (status) {
    sn_file_close(&file);
    return status;
  }
  /* About 8 MiB a rank of waiting snapshots, the same number on all ranks. */
  const double frame = (double)spec->members * (double)sn_grid_points(grid) * 8;
  int ranks;
  MPI_Comm_size(sn_grid_world(grid), &ranks);
  const double room = (8 << 20) * (double)ranks / frame;
  sn_trajectory_writer *w = *out;
  *w = (sn_trajectory_writer){.grid = grid,
                              .file = file,
                              .members = spec->own_members,
                              .member_count = spec->members,
                              .room = room < 1      ? 1
                                      : room > 4096 ? 4096
                                                    : (ptrdiff_t)room,
                              .gzip = spec->gzip,
                              .fields = spec->fields,
                              .scalars = spec->scalars,
                              .finals = spec->finals};
  status = sn_agree(sn_grid_world(grid), build(w, spec));
  if (status) sn_trajectory_abandon(out);
  return status;
}

/* Writes the waiting snapshots: the variables first, their times last. */
static sn_status flush(sn_trajectory_writer *w) {
  const hsize_t after = (hsize_t)(w->written + w->waiting);
  const hsize_t members = (hsize_t)w->members.count, first = (hsize_t)w->members.start;
  const hsize_t points = (hsize_t)sn_grid_points(w->grid), local = (hsize_t)sn_grid_range(w->grid).count;
  const hsize_t start[3] = {first, (hsize_t)w->written, (hsize_t)sn_grid_range(w->grid).start};
  const hsize_t count[3] = {members, (hsize_t)w->waiting, local}, shape[3] = {members, (hsize_t)w->room, local};
  for (int i = 0; i < w->fields; i++) {
    const hsize_t size[3] = {(hsize_t)w->member_count, after, points};
    if (H5Dset_extent(w->field[i].dataset, size) < 0) return sn_file_error(w->file, "cannot grow (is the disk full?)");
    SN_TRY(put(w, w->field[i].dataset, H5T_NATIVE_DOUBLE, 3, start, count, shape, w->field[i].waiting));
  }
  const bool writes = sn_grid_space_rank(w->grid) == 0;
  const hsize_t scalar_count[2] = {writes ? members : 0, (hsize_t)w->waiting};
  for (int i = 0; i < w->scalars; i++) {
    const hsize_t size[2] = {(hsize_t)w->member_count, after};
    if (H5Dset_extent(w->scalar[i].dataset, size) < 0) return sn_file_error(w->file, "cannot grow (is the disk full?)");
    SN_TRY(put(w, w->scalar[i].dataset, H5T_NATIVE_DOUBLE, 2, start, scalar_count, shape, w->scalar[i].waiting));
  }
  const hsize_t time_start = (hsize_t)w->written, time_count = sn_grid_rank(w->grid) == 0 ? (hsize_t)w->waiting : 0;
  const hsize_t time_shape = (hsize_t)w->room;
  if (H5Dset_extent(w->time, &after) < 0) return sn_file_error(w->file, "cannot grow (is the disk full?)");
  SN_TRY(put(w, w->time, H5T_NATIVE_DOUBLE, 1, &time_start, &time_count, &time_shape, w->times));
  w->written += w->waiting;
  w->waiting = 0;
  return SN_OK;
}

static sn_status flush_together(sn_trajectory_writer *w) {
  sn_timer *timer = sn_grid_timer(w->grid);
  sn_timer_start(timer, SN_TIME_WRITE);
  sn_status status = sn_agree(sn_grid_world(w->grid), flush(w));
  sn_timer_stop(timer, SN_TIME_WRITE);
  return status;
}

static void keep(const sn_trajectory_writer *w, const variable *v, const double *values) {
  for (ptrdiff_t m = 0; m < w->members.count; m++)
    memcpy(v->waiting + (m * w->room + w->waiting) * v->width, values + m * v->width,
           (size_t)v->width * sizeof *values);
}

sn_status sn_trajectory_append(sn_trajectory_writer *w, double time, const double *const *fields,
                               const double *const *scalars) {
  w->times[w->waiting] = time;
  for (int i = 0; i < w->fields; i++) keep(w, &w->field[i], fields[i]);
  for (int i = 0; i < w->scalars; i++) keep(w, &w->scalar[i], scalars[i]);
  w->waiting++;
  return w->waiting == w->room ? flush_together(w) : SN_OK;
}

static sn_status write_finals(sn_trajectory_writer *w, const double *const *finals) {
  const hsize_t start = (hsize_t)w->members.start, shape = (hsize_t)w->members.count;
  const hsize_t count = sn_grid_space_rank(w->grid) == 0 ? shape : 0;
  for (int i = 0; i < w->finals; i++)
    SN_TRY(put(w, w->final[i], H5T_NATIVE_DOUBLE, 1, &start, &count, &shape, finals[i]));
  return SN_OK;
}

/* Closes the datasets and gives back everything but the file. */
static void release(sn_trajectory_writer *w) {
  for (int i = 0; i < 3; i++)
    if (w->scales[i] > 0) H5Dclose(w->scales[i]);
  for (int i = 0; i < VARIABLES_MOST; i++) {
    if (w->field[i].dataset > 0) H5Dclose(w->field[i].dataset);
    if (w->scalar[i].dataset > 0) H5Dclose(w->scalar[i].dataset);
    if (w->final[i] > 0) H5Dclose(w->final[i]);
    sn_memory_give(&w->field[i].waiting);
    sn_memory_give(&w->scalar[i].waiting);
  }
  sn_memory_give(&w->times);
}

/* The XDMF page beside the file. */
static sn_status write_page(const sn_trajectory_writer *w, const char *path) {
  const char *names[VARIABLES_MOST];
  for (int i = 0; i < w->fields; i++) names[i] = w->field[i].name;
  return sn_xdmf_write(path, w->member_count, w->written, sn_grid_points(w->grid), w->fields, names);
}

sn_status sn_trajectory_finish(sn_trajectory_writer **writer, const double *const *finals) {
  sn_trajectory_writer *w = *writer;
  sn_status status = flush_together(w);
  if (!status) status = sn_agree(sn_grid_world(w->grid), write_finals(w, finals));
  if (status) {
    sn_trajectory_abandon(writer);
    return status;
  }
  char path[SN_TEXT_PATH];
  snprintf(path, sizeof path, "%s", sn_file_path(w->file));
  sn_timer_start(sn_grid_timer(w->grid), SN_TIME_WRITE);
  release(w);
  status = sn_file_commit(&w->file);
  if (!status) status = sn_agree(sn_grid_world(w->grid), sn_grid_rank(w->grid) == 0 ? write_page(w, path) : SN_OK);
  sn_timer_stop(sn_grid_timer(w->grid), SN_TIME_WRITE);
  sn_memory_give(writer);
  return status;
}

void sn_trajectory_abandon(sn_trajectory_writer **writer) {
  if (!*writer) return;
  release(*writer);
  sn_file_close(&(*writer)->file);
  sn_memory_give(writer);
}
