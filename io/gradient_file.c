#include "sinode/gradient_file.h"

#include "model_blocks.h"

static sn_status write_all(sn_file *file, const sn_grid *grid, const sn_gradient_result *r) {
  const sn_range points = sn_grid_range(grid);
  const hsize_t all = (hsize_t)sn_grid_points(grid), first = (hsize_t)points.start, own = (hsize_t)points.count;
  const hsize_t samples = (hsize_t)r->samples, start = (hsize_t)r->own_samples.start;
  const hsize_t count = (hsize_t)r->own_samples.count, snapshots = (hsize_t)r->snapshots;
  const sn_file_part trajectory = {.dimensions = 3,
                                   .shape = {samples, snapshots, all},
                                   .start = {start, 0, first},
                                   .count = {count, snapshots, own}};
  const sn_file_part initial = {
      .dimensions = 2, .shape = {samples, all}, .start = {start, first}, .count = {count, own}};
  const sn_file_part loss = {.dimensions = 0};
  SN_TRY(sn_file_write(file, "/loss", H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, &loss, &r->loss));
  SN_TRY(sn_file_write(file, "/trajectory", H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, &trajectory, r->trajectory));
  SN_TRY(sn_file_write(file, "/gradient/initial_state", H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, &initial, r->initial_state));
  const hsize_t steps = (hsize_t)r->steps;
  const sn_file_part norms = {.dimensions = 1, .shape = {steps}, .count = {sn_grid_rank(grid) == 0 ? steps : 0}};
  SN_TRY(sn_file_write(file, "/adjoint_norm", H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, &norms, r->adjoint_norm));
  return sn_model_write_blocks(file, grid, "/gradient/", r->parameters, true, r->gradient);
}

sn_status sn_gradient_file_write(const sn_grid *grid, const char *path, const sn_gradient_result *result,
                                 const sn_provenance *provenance) {
  sn_file *file;
  SN_TRY(sn_file_create(sn_grid_world(grid), path, "gradient", provenance, &file));
  sn_status status = write_all(file, grid, result);
  if (!status) return sn_file_commit(&file);
  sn_file_close(&file);
  return status;
}
