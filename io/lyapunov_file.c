#include "sinode/lyapunov_file.h"

#include "hdf5_file.h"

/* Rank 0 writes. */
static sn_status write(sn_file *file, const sn_grid *grid, const char *name, int dimensions, ptrdiff_t rows,
                       ptrdiff_t columns, const double *values) {
  sn_file_part part = {
      .dimensions = dimensions, .shape = {(hsize_t)rows, (hsize_t)columns}, .count = {(hsize_t)rows, (hsize_t)columns}};
  if (sn_grid_rank(grid)) part.count[0] = 0;
  return sn_file_write(file, name, H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, &part, values);
}

static sn_status write_all(sn_file *file, const sn_grid *grid, const sn_lyapunov_result *r) {
  SN_TRY(write(file, grid, "/exponent", 1, r->exponents, 1, r->exponent));
  SN_TRY(write(file, grid, "/standard_error", 1, r->exponents, 1, r->error));
  SN_TRY(write(file, grid, "/rate", 2, r->blocks, r->exponents, r->rate));
  SN_TRY(write(file, grid, "/time", 1, r->blocks, 1, r->time));
  return write(file, grid, "/kaplan_yorke_dimension", 1, 1, 1, &r->dimension);
}

sn_status sn_lyapunov_file_write(const sn_grid *grid, const char *path, const sn_lyapunov_result *result,
                                 const sn_provenance *provenance) {
  sn_file *file;
  SN_TRY(sn_file_create(sn_grid_world(grid), path, "lyapunov", provenance, &file));
  sn_status status = write_all(file, grid, result);
  if (!status) return sn_file_commit(&file);
  sn_file_close(&file);
  return status;
}
