#include "linear_part.h"

#include "setup.h"

sn_status sn_linear_part_build(const sn_app *app, sn_linear_part *part) {
  *part = (sn_linear_part){0};
  const sn_config *c = &app->config;
  const sn_linear_shape shape = sn_setup_linear_shape(app);
  SN_TRY(sn_grid_create(MPI_COMM_SELF, 1, c->grid.points, NULL, &part->grid));
  SN_TRY(sn_parameters_create(part->grid, &part->parameters));
  SN_TRY(sn_linear_create(part->grid, &shape, 0, part->parameters, &part->linear));
  if (shape.kind == SN_LINEAR_DENSE) return SN_OK;
  SN_TRY(sn_parameters_allocate(part->parameters));
  if (shape.kind == SN_LINEAR_STENCIL && c->model.linear.ks) SN_TRY(sn_linear_set_ks(part->linear));
  if (shape.kind == SN_LINEAR_STENCIL && !c->model.linear.ks)
    for (int k = 0; k < shape.taps; k++) sn_parameters_values(part->parameters)[k] = c->model.linear.coefficients[k];
  return sn_linear_update(part->linear);
}

void sn_linear_part_free(sn_linear_part *part) {
  sn_linear_destroy(&part->linear);
  sn_parameters_destroy(&part->parameters);
  sn_grid_destroy(&part->grid);
}
