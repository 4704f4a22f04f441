#include "sinode/model.h"

#include <string.h>

#include "sinode/memory.h"

struct sn_model {
  const sn_grid *grid;
  sn_parameters *parameters;
  sn_linear *linear;
  sn_network *network;
  ptrdiff_t samples;
  long version;         /* of the parameters */
  long followed_linear; /* version of the linear part of the model that is followed */
};

static sn_status build(sn_model *model, const sn_linear_shape *linear, const sn_network_shape *network) {
  const MPI_Comm space = sn_grid_space(model->grid);
  sn_parameters **parameters = &model->parameters;
  SN_TRY(sn_collective_status(space, sn_parameters_create(model->grid, parameters)));
  SN_TRY(
      sn_collective_status(space, sn_linear_create(model->grid, linear, model->samples, *parameters, &model->linear)));
  SN_TRY(sn_collective_status(space,
                              sn_network_create(model->grid, network, model->samples, *parameters, &model->network)));
  return sn_collective_status(space, sn_parameters_allocate(*parameters));
}

sn_status sn_model_create(const sn_grid *grid, const sn_linear_shape *linear, const sn_network_shape *network,
                          ptrdiff_t samples, sn_model **out) {
  SN_TRY(sn_collective_status(sn_grid_space(grid), SN_NEW(1, out)));
  **out = (sn_model){.grid = grid, .samples = samples};
  sn_status status = build(*out, linear, network);
  if (status) sn_model_destroy(out);
  return status;
}

sn_status sn_model_add_states(sn_model *model, ptrdiff_t windows) {
  const sn_range points = sn_grid_range(model->grid);
  sn_parameter_block block = {.name = "states",
                              .dimensions = 2,
                              .shape = {windows, sn_grid_points(model->grid)},
                              .start = {0, points.start},
                              .count = {windows, points.count},
                              .split = true,
                              .trainable = true,
                              .states = true};
  sn_status status = sn_parameters_add(model->parameters, &block);
  if (!status) status = sn_parameters_allocate(model->parameters);
  return sn_collective_status(sn_grid_space(model->grid), status);
}

double *sn_model_states(const sn_model *model) {
  return sn_parameters_values(model->parameters) + sn_parameters_model_size(model->parameters);
}

void sn_model_destroy(sn_model **model) {
  if (!*model) return;
  sn_network_destroy(&(*model)->network);
  sn_linear_destroy(&(*model)->linear);
  sn_parameters_destroy(&(*model)->parameters);
  SN_FREE(*model);
}

const sn_grid *sn_model_grid(const sn_model *model) { return model->grid; }
sn_linear *sn_model_linear(const sn_model *model) { return model->linear; }
sn_network *sn_model_network(const sn_model *model) { return model->network; }
sn_parameters *sn_model_parameters(const sn_model *model) { return model->parameters; }
ptrdiff_t sn_model_samples(const sn_model *model) { return model->samples; }

sn_status sn_model_initialize(sn_model *model, const sn_model_options *options, uint64_t seed) {
  SN_TRY(sn_linear_initialize(model->linear, &options->linear.coefficients));
  SN_TRY(sn_network_initialize(model->network, &options->network.init, seed));
  return sn_model_loaded(model);
}

/* Blocks that every rank has the whole of, whatever the grid. */
static bool is_replicated(const sn_parameters *parameters) {
  for (int i = 0; i < sn_parameters_blocks(parameters); i++)
    if (sn_parameters_block(parameters, i)->split && !sn_parameters_block(parameters, i)->states) return false;
  return true;
}

sn_status sn_model_create_like(const sn_model *model, const sn_grid *grid, ptrdiff_t samples, sn_model **out) {
  *out = NULL;
  sn_linear_shape linear = *sn_linear_get_shape(model->linear);
  sn_network_shape network = *sn_network_get_shape(model->network);
  if (sn_linear_is_of_one_grid(linear.kind) || sn_network_is_of_one_grid(network.kind) ||
      !is_replicated(model->parameters))
    return SN_ERROR_ALL(SN_ERROR_USAGE, "a model of %s and %s is of one number of grid points",
                        sn_linear_kind_name(linear.kind), sn_network_kind_name(network.kind));
  const double ratio = (double)sn_grid_points(grid) / (double)sn_grid_points(model->grid);
  linear.length *= ratio;
  network.length *= ratio;
  return sn_model_create(grid, &linear, &network, samples, out);
}

sn_status sn_model_follow(sn_model *model, const sn_model *leader) {
  if (model->version == leader->version) return SN_OK;
  const size_t size = (size_t)sn_parameters_model_size(leader->parameters) * sizeof(double);
  const bool same_linear = model->followed_linear == sn_linear_version(leader->linear);
  memcpy(sn_parameters_values(model->parameters), sn_parameters_values(leader->parameters), size);
  SN_TRY(same_linear ? sn_model_stepped(model) : sn_model_loaded(model));
  model->version = leader->version;
  model->followed_linear = sn_linear_version(leader->linear);
  return SN_OK;
}

sn_status sn_model_loaded(sn_model *model) {
  model->version++;
  sn_network_update(model->network);
  return sn_linear_update(model->linear);
}

sn_status sn_model_stepped(sn_model *model) {
  model->version++;
  sn_network_update(model->network);
  return sn_linear_is_trainable(model->linear) ? sn_linear_update(model->linear) : SN_OK;
}
