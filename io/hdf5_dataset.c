/* Datasets, each rank with its part; large parts are moved in pieces that MPI-IO can count. */
#include <string.h>

#include "hdf5_file.h"
#include "sinode/checksum.h"

/* MPI-IO counts bytes in an int: a rank moves at most this many at once. */
static const hsize_t piece_bytes = (hsize_t)1 << 30;

sn_status sn_file_make_groups(sn_file *file, const char *path) {
  char part[256];
  hid_t creation = H5Pcreate(H5P_GROUP_CREATE);
  H5Pset_link_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  H5Pset_attr_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  sn_status status = SN_OK;
  for (const char *slash = strchr(path + 1, '/'); slash && !status; slash = strchr(slash + 1, '/')) {
    snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
    if (H5Lexists(sn_file_id(file), part, H5P_DEFAULT) > 0) continue;
    hid_t group = H5Gcreate2(sn_file_id(file), part, H5P_DEFAULT, creation, H5P_DEFAULT);
    if (group < 0)
      status = sn_file_error(file, part);
    else
      H5Gclose(group);
  }
  H5Pclose(creation);
  return status;
}

/* A part's shape, start or count with its dimensions filled up to three. */
static void fill_up(int dimensions, const hsize_t *from, hsize_t rest, hsize_t *to) {
  for (int d = 0; d < SN_FILE_RANKS; d++) to[d] = d < dimensions ? from[d] : rest;
}

uint64_t sn_file_part_checksum(const sn_file_part *part, const void *values, uint64_t array) {
  hsize_t shape[SN_FILE_RANKS], start[SN_FILE_RANKS], count[SN_FILE_RANKS];
  fill_up(part->dimensions, part->shape, 1, shape);
  fill_up(part->dimensions, part->start, 0, start);
  fill_up(part->dimensions, part->count, 1, count);
  const char *at = values;
  uint64_t sum = 0;
  for (hsize_t i = 0; i < count[0]; i++)
    for (hsize_t j = 0; j < count[1]; j++, at += 8 * count[2]) {
      const hsize_t row = (start[0] + i) * shape[1] + start[1] + j;
      sum += sn_checksum_run(at, (ptrdiff_t)count[2], array, row * shape[2] + start[2]);
    }
  return sum;
}

/* Pieces of a part: rows of the first dimension, or where one is too large, parts of it along the second. */
typedef struct {
  hsize_t count[SN_FILE_RANKS]; /* of the part */
  hsize_t size[2];              /* of a piece: rows, and columns of each */
  hsize_t pieces[2];            /* 0: there is nothing */
} cut;

static hsize_t at_least_one(hsize_t number) { return number ? number : 1; }

static cut cut_part(const sn_file_part *part, hsize_t bytes) {
  cut c = {.pieces = {0, 1}};
  fill_up(part->dimensions, part->count, 1, c.count);
  const hsize_t column = c.count[2] * bytes, row = c.count[1] * column;
  if (c.count[0] == 0 || row == 0) return c;
  c.size[0] = at_least_one(piece_bytes / row);
  c.size[1] = row <= piece_bytes ? c.count[1] : at_least_one(piece_bytes / column);
  for (int d = 0; d < 2; d++) c.pieces[d] = (c.count[d] + c.size[d] - 1) / c.size[d];
  return c;
}

/* Start and count of piece k in the part; nothing after the last. */
static bool find_piece(const cut *c, hsize_t k, hsize_t *first, hsize_t *count) {
  if (k >= c->pieces[0] * c->pieces[1]) return false;
  memcpy(count, c->count, sizeof c->count);
  first[0] = k / c->pieces[1] * c->size[0];
  first[1] = k % c->pieces[1] * c->size[1];
  for (int d = 0; d < 2; d++) {
    const hsize_t left = c->count[d] - first[d];
    count[d] = left < c->size[d] ? left : c->size[d];
  }
  return true;
}

/* Whether there are chunks that were never written, which HDF5 1.10 cannot read collectively where nothing filters. */
static bool has_gaps(hid_t dataset) {
  hid_t creation = H5Dget_create_plist(dataset);
  H5D_space_status_t status = H5D_SPACE_STATUS_ALLOCATED;
  const bool chunked = H5Pget_layout(creation) == H5D_CHUNKED && H5Pget_nfilters(creation) == 0;
  H5Pclose(creation);
  return chunked && H5Dget_space_status(dataset, &status) >= 0 && status != H5D_SPACE_STATUS_ALLOCATED;
}

/*
 * Moves a part in pieces. Every rank makes as many collective calls as the one with most to move; a rank that has
 * nothing selects nothing.
 */
static sn_status transfer(sn_file *file, hid_t dataset, hid_t type, const sn_file_part *part, char *values,
                          bool write) {
  const hsize_t bytes = H5Tget_size(type);
  const cut c = cut_part(part, bytes);
  long long pieces = (long long)(c.pieces[0] * c.pieces[1]);
  MPI_Allreduce(MPI_IN_PLACE, &pieces, 1, MPI_LONG_LONG, MPI_MAX, sn_file_comm(file));
  hid_t transfer_list = H5Pcreate(H5P_DATASET_XFER);
  H5Pset_dxpl_mpio(transfer_list, !write && has_gaps(dataset) ? H5FD_MPIO_INDEPENDENT : H5FD_MPIO_COLLECTIVE);
  bool bad = false;
  for (long long k = 0; k < pieces; k++) {
    hsize_t first[2] = {0}, start[SN_FILE_RANKS], count[SN_FILE_RANKS];
    const bool some = find_piece(&c, (hsize_t)k, first, count);
    memcpy(start, part->start, sizeof start);
    for (int d = 0; d < 2; d++) start[d] += first[d];
    hid_t disk = H5Dget_space(dataset);
    hid_t memory =
        part->dimensions ? H5Screate_simple(part->dimensions, some ? count : part->shape, NULL) : H5Screate(H5S_SCALAR);
    if (some && part->dimensions) H5Sselect_hyperslab(disk, H5S_SELECT_SET, start, NULL, count, NULL);
    if (!some) {
      H5Sselect_none(disk);
      H5Sselect_none(memory);
    }
    char *at = values + (first[0] * c.count[1] + first[1]) * c.count[2] * bytes;
    const herr_t result = write ? H5Dwrite(dataset, type, memory, disk, transfer_list, at)
                                : H5Dread(dataset, type, memory, disk, transfer_list, at);
    bad |= result < 0;
    H5Sclose(disk);
    H5Sclose(memory);
  }
  H5Pclose(transfer_list);
  return bad ? sn_file_error(file, write ? "writing failed (is the disk full?)" : "reading failed") : SN_OK;
}

sn_status sn_file_write(sn_file *file, const char *path, hid_t memory_type, hid_t disk_type, const sn_file_part *part,
                        const void *values) {
  SN_TRY(sn_file_make_groups(file, path));
  hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_attr_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER);
  hid_t space = part->dimensions ? H5Screate_simple(part->dimensions, part->shape, NULL) : H5Screate(H5S_SCALAR);
  hid_t dataset = H5Dcreate2(sn_file_id(file), path, disk_type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  sn_status status =
      dataset < 0 ? sn_file_error(file, path) : transfer(file, dataset, memory_type, part, (char *)values, true);
  if (!status)
    status =
        sn_file_remember(file, dataset, memory_type, part->dimensions, part->start, part->count, part->count, values);
  if (dataset >= 0) H5Dclose(dataset);
  H5Sclose(space);
  H5Pclose(creation);
  return sn_collective_status(sn_file_comm(file), status);
}

static sn_status missing(const sn_file *file, const char *what, const char *path) {
  H5Eclear2(H5E_DEFAULT);
  if (sn_file_met_external_link(file))
    return SN_ERROR_ALL(SN_ERROR_FILE,
                        "%s: %s is in another file, to which links are not followed; copy it into this one",
                        sn_file_path(file), path);
  return SN_ERROR_ALL(SN_ERROR_FILE, "%s: has no %s %s", sn_file_path(file), what, path);
}

sn_status sn_file_open_group(const sn_file *file, const char *path, hid_t *group) {
  *group = H5Oopen(sn_file_id(file), path, sn_file_links(file));
  if (*group >= 0 && H5Iget_type(*group) == H5I_GROUP) return SN_OK;
  if (*group >= 0) H5Oclose(*group);
  return missing(file, "group", path);
}

bool sn_file_contains(const sn_file *file, const char *path) {
  return H5Lexists(sn_file_id(file), path, sn_file_links(file)) > 0;
}

/* Whether a dataset's contents are in this file and can be read by what is built into HDF5. */
static sn_status validate_readable(const sn_file *file, const char *path, hid_t dataset) {
  hid_t type = H5Dget_type(dataset), creation = H5Dget_create_plist(dataset);
  const H5T_class_t class = H5Tget_class(type);
  sn_status status = SN_OK;
  if (class != H5T_FLOAT && class != H5T_INTEGER)
    status = SN_ERROR_ALL(SN_ERROR_FILE, "%s: dataset %s does not hold numbers", sn_file_path(file), path);
  else if (H5Pget_layout(creation) == H5D_VIRTUAL || H5Pget_external_count(creation) > 0)
    status = SN_ERROR_ALL(SN_ERROR_FILE, "%s: the contents of %s are in another file; copy them into this one",
                          sn_file_path(file), path);
  const int filters = H5Pget_nfilters(creation);
  for (int k = 0; k < filters && !status; k++) {
    char name[64] = "";
    size_t none = 0;
    unsigned flags, settings;
    const H5Z_filter_t filter =
        H5Pget_filter2(creation, (unsigned)k, &flags, &none, NULL, sizeof name, name, &settings);
    if (H5Zfilter_avail(filter) <= 0)
      status = SN_ERROR_ALL(SN_ERROR_FILE,
                            "%s: dataset %s is written with the filter %d (%.60s), which is not there; write it "
                            "without, or with gzip",
                            sn_file_path(file), path, (int)filter, name);
  }
  H5Eclear2(H5E_DEFAULT);
  H5Pclose(creation);
  H5Tclose(type);
  return status;
}

static sn_status open_dataset(sn_file *file, const char *path, hid_t *dataset) {
  *dataset = H5Dopen2(sn_file_id(file), path, sn_file_links(file));
  if (*dataset < 0) return missing(file, "dataset", path);
  sn_status status = validate_readable(file, path, *dataset);
  if (status) H5Dclose(*dataset);
  return status;
}

static void print_shape(int dimensions, const hsize_t *shape, char *text, size_t size) {
  size_t used = (size_t)snprintf(text, size, "(");
  for (int d = 0; d < dimensions && used < size; d++)
    used += (size_t)snprintf(text + used, size - used, "%s%llu", d ? ", " : "", (unsigned long long)shape[d]);
  if (used < size) snprintf(text + used, size - used, ")");
}

/* A damaged shape must not make us allocate more than the file can hold. */
static sn_status validate_fit(const sn_file *file, const char *path, int dimensions, const hsize_t *shape) {
  double bytes = sizeof(double);
  char text[80];
  for (int d = 0; d < dimensions; d++) bytes *= (double)shape[d];
  if (bytes <= 16777216 || bytes <= 1100 * sn_file_bytes(file)) return SN_OK;
  print_shape(dimensions, shape, text, sizeof text);
  return SN_ERROR_ALL(SN_ERROR_FILE,
                      "%s: dataset %s has shape %s, more than a file of %.0f bytes can hold: it is damaged",
                      sn_file_path(file), path, text, sn_file_bytes(file));
}

sn_status sn_file_dimensions(sn_file *file, const char *path, int *dimensions) {
  hid_t dataset;
  SN_TRY(open_dataset(file, path, &dataset));
  hid_t space = H5Dget_space(dataset);
  *dimensions = H5Sget_simple_extent_ndims(space);
  H5Sclose(space);
  H5Dclose(dataset);
  return SN_OK;
}

sn_status sn_file_shape(sn_file *file, const char *path, int dimensions, hsize_t *shape) {
  hid_t dataset;
  SN_TRY(open_dataset(file, path, &dataset));
  hid_t space = H5Dget_space(dataset);
  const int found = H5Sget_simple_extent_ndims(space);
  if (found == dimensions && dimensions > 0) H5Sget_simple_extent_dims(space, shape, NULL);
  H5Sclose(space);
  H5Dclose(dataset);
  if (found != dimensions)
    return SN_ERROR_ALL(SN_ERROR_FILE, "%s: dataset %s has %d dimensions, expected %d", sn_file_path(file), path, found,
                        dimensions);
  return validate_fit(file, path, dimensions, shape);
}

sn_status sn_file_read(sn_file *file, const char *path, hid_t memory_type, const sn_file_part *part, void *values) {
  hsize_t shape[SN_FILE_RANKS] = {0};
  char found[80], expected[80];
  SN_TRY(sn_file_shape(file, path, part->dimensions, shape));
  if (memcmp(shape, part->shape, (size_t)part->dimensions * sizeof *shape) != 0) {
    print_shape(part->dimensions, shape, found, sizeof found);
    print_shape(part->dimensions, part->shape, expected, sizeof expected);
    return SN_ERROR_ALL(SN_ERROR_FILE, "%s: dataset %s has shape %s, expected %s", sn_file_path(file), path, found,
                        expected);
  }
  hid_t dataset;
  SN_TRY(open_dataset(file, path, &dataset));
  sn_status status = transfer(file, dataset, memory_type, part, values, false);
  H5Dclose(dataset);
  return sn_collective_status(sn_file_comm(file), status);
}
