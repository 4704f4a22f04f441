#include "read_back.h"

#include <string.h>

#include "sinode/checksum.h"
#include "sinode/memory.h"

struct sn_written {
  sn_written *next;
  char path[128];
  hid_t type;
  int dimensions;
  hsize_t start[SN_FILE_RANKS], count[SN_FILE_RANKS]; /* count 1 in what is more than the dimensions */
  uint64_t sum;
};

/* Numbers read at a time, or one index of the first dimension where that is more. */
enum { AT_ONCE = 1 << 19 };

/* Of a part of `count` numbers that is in memory of a shape from index `first` of its first dimension on. */
static uint64_t checksum_of(const hsize_t *count, hsize_t first, const hsize_t *memory, const void *values) {
  const char *at = values;
  uint64_t sum = 0;
  for (hsize_t i = 0; i < count[0]; i++)
    for (hsize_t j = 0; j < count[1]; j++)
      sum += sn_checksum_run(at + 8 * (i * memory[1] + j) * memory[2], (ptrdiff_t)count[2], 0,
                             ((first + i) * count[1] + j) * count[2]);
  return sum;
}

/* Copies a shape, with its dimensions filled up by ones. */
static void copy(int dimensions, const hsize_t *from, hsize_t *to) {
  for (int d = 0; d < SN_FILE_RANKS; d++) to[d] = d < dimensions ? from[d] : 1;
}

sn_status sn_written_add(sn_written **list, hid_t dataset, hid_t type, int dimensions, const hsize_t *start,
                         const hsize_t *count, const hsize_t *memory, const void *values) {
  sn_written *w;
  hsize_t shape[SN_FILE_RANKS];
  SN_TRY(SN_NEW(1, &w));
  *w = (sn_written){.next = *list, .type = type, .dimensions = dimensions};
  *list = w;
  copy(dimensions, start, w->start);
  copy(dimensions, count, w->count);
  copy(dimensions, memory, shape);
  H5Iget_name(dataset, w->path, sizeof w->path);
  w->sum = checksum_of(w->count, 0, shape, values);
  return SN_OK;
}

/* The checksum of what is on the disk. Not by MPI-IO's collective calls, so that a rank may fail alone. */
static sn_status sum_on_disk(const sn_written *w, const sn_file *file, hid_t dataset, uint64_t *sum) {
  const hsize_t row = w->count[1] * w->count[2], fit = row ? AT_ONCE / row : 1, at_once = fit ? fit : 1;
  hsize_t start[SN_FILE_RANKS], count[SN_FILE_RANKS];
  double *values = NULL;
  hid_t disk = H5Dget_space(dataset);
  memcpy(start, w->start, sizeof start);
  memcpy(count, w->count, sizeof count);
  sn_status status = SN_NEW((ptrdiff_t)((at_once < count[0] ? at_once : count[0]) * row), &values);
  *sum = 0;
  for (hsize_t first = 0; first < w->count[0] && row && !status; first += at_once) {
    const hsize_t left = w->count[0] - first;
    start[0] = w->start[0] + first;
    count[0] = left < at_once ? left : at_once;
    hid_t memory = w->dimensions ? H5Screate_simple(w->dimensions, count, NULL) : H5Screate(H5S_SCALAR);
    if (w->dimensions) H5Sselect_hyperslab(disk, H5S_SELECT_SET, start, NULL, count, NULL);
    if (H5Dread(dataset, w->type, memory, disk, H5P_DEFAULT, values) < 0)
      status = sn_file_error(file, "what was written cannot be read back (is the disk full?)");
    H5Sclose(memory);
    *sum += checksum_of(count, first, count, values);
  }
  H5Sclose(disk);
  SN_FREE(values);
  return status;
}

sn_status sn_written_compare(const sn_written *list, const sn_file *file) {
  for (const sn_written *w = list; w; w = w->next) {
    uint64_t sum;
    hid_t dataset = H5Dopen2(sn_file_id(file), w->path, H5P_DEFAULT);
    if (dataset < 0) return sn_file_error(file, "what was written is not there (is the disk full?)");
    sn_status status = sum_on_disk(w, file, dataset, &sum);
    H5Dclose(dataset);
    if (status) return status;
    if (sum != w->sum)
      return SN_ERROR(SN_ERROR_FILE, "%s: %s does not come back from the disk as it was written (is the disk full?)",
                      sn_file_path(file), w->path);
  }
  return SN_OK;
}

void sn_written_forget(sn_written **list) {
  while (*list) {
    sn_written *w = *list;
    *list = w->next;
    SN_FREE(w);
  }
}
