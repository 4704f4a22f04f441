#include "sinode/benchmark_file.h"

#include <stddef.h>
#include <string.h>

#include "hdf5_file.h"
#include "sinode/memory.h"

static sn_status write_names(sn_file *file, const char *path, const sn_file_part *part, const char *names) {
  const hid_t type = H5Tcopy(H5T_C_S1);
  if (type < 0 || H5Tset_size(type, SN_BENCHMARK_NAME) < 0) return sn_file_error(file, path);
  sn_status status = sn_file_write(file, path, type, type, part, names);
  H5Tclose(type);
  return status;
}

static sn_status write_columns(sn_file *file, const sn_file_part *part, int rows, const sn_benchmark_row *row,
                               char *names, double *values) {
  static const struct {
    const char *path;
    size_t offset;
  } columns[] = {{"/median", offsetof(sn_benchmark_row, median)},
                 {"/least", offsetof(sn_benchmark_row, least)},
                 {"/most", offsetof(sn_benchmark_row, most)},
                 {"/floor_median", offsetof(sn_benchmark_row, floor_median)},
                 {"/floor_least", offsetof(sn_benchmark_row, floor_least)},
                 {"/floor_most", offsetof(sn_benchmark_row, floor_most)},
                 {"/ratio", offsetof(sn_benchmark_row, ratio)}};
  for (int i = 0; i < rows; i++) memcpy(names + (ptrdiff_t)i * SN_BENCHMARK_NAME, row[i].name, SN_BENCHMARK_NAME);
  SN_TRY(write_names(file, "/case", part, names));
  for (int i = 0; i < rows; i++) memcpy(names + (ptrdiff_t)i * SN_BENCHMARK_NAME, row[i].floor_name, SN_BENCHMARK_NAME);
  SN_TRY(write_names(file, "/floor", part, names));
  for (size_t c = 0; c < sizeof columns / sizeof columns[0]; c++) {
    for (int i = 0; i < rows; i++) memcpy(&values[i], (const char *)&row[i] + columns[c].offset, sizeof values[i]);
    SN_TRY(sn_file_write(file, columns[c].path, H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, part, values));
  }
  return SN_OK;
}

sn_status sn_benchmark_file_write(MPI_Comm comm, const char *path, int rows, const sn_benchmark_row *row,
                                  const sn_provenance *provenance) {
  sn_file *file;
  int rank;
  char *names = NULL;
  double *values = NULL;
  MPI_Comm_rank(comm, &rank);
  SN_TRY(sn_file_create(comm, path, "benchmark", provenance, &file));
  const sn_file_part part = {.dimensions = 1, .shape = {(hsize_t)rows}, .count = {rank == 0 ? (hsize_t)rows : 0}};
  sn_status status = SN_NEW((ptrdiff_t)rows * SN_BENCHMARK_NAME, &names);
  if (!status) status = SN_NEW(rows, &values);
  status = sn_agree(comm, status);
  if (!status) status = write_columns(file, &part, rows, row, names, values);
  sn_memory_give(&names);
  sn_memory_give(&values);
  if (!status) return sn_file_commit(&file);
  sn_file_close(&file);
  return status;
}
