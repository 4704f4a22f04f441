#include "linear_part.h"

sn_status sn_linear_part_build(const sn_app *app, sn_linear_part *part) {
  *part = (sn_linear_part){0};
  const sn_config *c = &app->config;
  const sn_linear_shape shape = sn_linear_shape_of(&c->model.linear, c->grid.length);
  SN_TRY(sn_grid_create(MPI_COMM_SELF, 1, c->grid.points, NULL, &part->grid));
  SN_TRY(sn_parameters_create(part->grid, &part->parameters));
  SN_TRY(sn_linear_create(part->grid, &shape, 0, part->parameters, &part->linear));
  if (shape.kind == SN_LINEAR_DENSE) return SN_OK;
  SN_TRY(sn_parameters_allocate(part->parameters));
  SN_TRY(sn_linear_initialize(part->linear, &c->model.linear.coefficients));
  SN_TRY(sn_linear_update(part->linear));
  const sn_equation_values *parameters = &c->generate.equation.parameter.values;
  return sn_linear_expect_parameters(part->linear, parameters->count, parameters->value);
}

void sn_linear_part_free(sn_linear_part *part) {
  sn_linear_destroy(&part->linear);
  sn_parameters_destroy(&part->parameters);
  sn_grid_destroy(&part->grid);
}
