#include "sinode/model.h"

#include "sinode/memory.h"

struct sn_model {
  const sn_grid *grid;
  sn_parameters *parameters;
  sn_linear *linear;
  sn_network *network;
  ptrdiff_t samples;
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

sn_status sn_model_loaded(sn_model *model) {
  sn_network_update(model->network);
  return sn_linear_update(model->linear);
}

sn_status sn_model_stepped(sn_model *model) {
  sn_network_update(model->network);
  return sn_linear_is_trainable(model->linear) ? sn_linear_update(model->linear) : SN_OK;
}
