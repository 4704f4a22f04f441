/* Models of sinode.h: of a caller's description, of parameters, of files. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "run/model_setup.h"
#include "sinode/memory.h"
#include "sinode/model_file.h"
#include "sinode/mpi_library.h"

static sn_status refuse_coefficients(const sinode_linear *linear, ptrdiff_t expected) {
  return SN_ERROR_ALL(SN_ERROR_USAGE, "a linear part of kind %s has %td coefficients, but must have %td", linear->kind,
                      linear->count, expected);
}

/* The shape of the linear part, seen to fit the grid. */
static sn_status to_shape(const sn_grid *grid, const sinode_linear *linear, sn_linear_shape *shape) {
  char expected[128];
  const ptrdiff_t points = sn_grid_points(grid);
  int kind = !linear->kind                         ? -1
             : strcmp(linear->kind, "symbol") == 0 ? (int)SN_LINEAR_SYMBOL
                                                   : sn_name_value(sn_linear_kinds, linear->kind);
  if (kind < 0) {
    sn_name_list(sn_linear_kinds, ", ", expected, sizeof expected);
    return SN_ERROR_ALL(SN_ERROR_USAGE, "the linear part is of kind '%s', but must be %s or symbol",
                        linear->kind ? linear->kind : "NULL", expected);
  }
  if (!(linear->length > 0) || !isfinite(linear->length))
    return SN_ERROR_ALL(SN_ERROR_USAGE, "the domain has length %g, but must have a positive one", linear->length);
  *shape = (sn_linear_shape){.kind = (sn_linear_kind)kind,
                             .taps = SN_LINEAR_KS_TAPS,
                             .length = linear->length,
                             .trainable = linear->trainable,
                             .derivatives = sn_linear_ks()->derivatives};
  if (linear->trainable && kind == SN_LINEAR_SPECTRAL)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "a spectral linear part has nothing to train; use symbol");
  if (!linear->coefficients) return SN_OK;
  if (kind == SN_LINEAR_STENCIL) {
    if (linear->count < 1 || linear->count > points || linear->count % 2 == 0)
      return SN_ERROR_ALL(SN_ERROR_USAGE,
                          "a stencil has %td coefficients, but must have an odd number, at most the %td points",
                          linear->count, points);
    shape->taps = (int)linear->count;
  }
  if (kind == SN_LINEAR_DERIVATIVES) {
    if (linear->count < 1 || linear->count > SN_LINEAR_ORDERS)
      return SN_ERROR_ALL(SN_ERROR_USAGE, "derivatives have %td coefficients, but must have 1 to %d, by their order",
                          linear->count, SN_LINEAR_ORDERS);
    shape->derivatives = (1U << linear->count) - 1;
  }
  if (kind == SN_LINEAR_SYMBOL && linear->count != points / 2 + 1) return refuse_coefficients(linear, points / 2 + 1);
  if (kind == SN_LINEAR_DENSE && linear->count != sn_grid_range(grid).count * points)
    return refuse_coefficients(linear, sn_grid_range(grid).count * points);
  return SN_OK;
}

/* The first coefficients: the linear part's block is the first of the parameters. */
static sn_status set_coefficients(sn_model *model, const sinode_linear *linear) {
  sn_parameters *parameters = sn_model_parameters(model);
  if (!linear->coefficients || sn_linear_get_kind(sn_model_linear(model)) == SN_LINEAR_SPECTRAL) {
    SN_TRY(sn_linear_set_ks(sn_model_linear(model)));
  } else {
    const sn_parameter_block *block = sn_parameters_block(parameters, 0);
    memcpy(sn_parameters_values(parameters) + block->offset, linear->coefficients,
           (size_t)sn_parameter_block_size(block) * sizeof(double));
  }
  return sn_model_loaded(model);
}

static sn_status build(const sn_grid *grid, const sinode_linear *linear, const sinode_network *network,
                       ptrdiff_t samples, sinode_model *model) {
  const MPI_Comm world = sn_grid_world(grid);
  sn_linear_shape linear_shape;
  sn_network_shape shape = {.kind = SN_NETWORK_NONE};
  SN_TRY(sn_collective_status(world, to_shape(grid, linear, &linear_shape)));
  if (samples < 1) return SN_ERROR_ALL(SN_ERROR_USAGE, "a model for %td samples; there must be at least one", samples);
  if (network) {
    SN_TRY(sn_collective_status(world, api_network_create(grid, network, &model->network)));
    shape = (sn_network_shape){.kind = SN_NETWORK_SHELL, .shell = &model->network->shell};
  }
  SN_TRY(sn_collective_status(world, sn_model_create(grid, &linear_shape, &shape, samples, &model->model)));
  return set_coefficients(model->model, linear);
}

void api_model_free(sinode_model **model) {
  if (!*model) return;
  sn_model_destroy(&(*model)->model);
  api_network_destroy(&(*model)->network);
  sinode_grid_destroy(&(*model)->own_grid);
  SN_FREE(*model);
}

sinode_error *sinode_model_create(const sinode_grid *grid, const sinode_linear *linear, const sinode_network *network,
                                  ptrdiff_t samples, sinode_model **out) {
  const MPI_Comm world = sn_grid_world(grid->grid);
  sn_status status = sn_collective_status(world, SN_NEW(1, out));
  if (status) return api_error(status);
  (*out)->grid = grid;
  status = sn_collective_status(world, build(grid->grid, linear, network, samples, *out));
  if (status) api_model_free(out);
  return api_error(status);
}

/* A model of parameters, or of a file and the parameters' grid, on a grid of its own. */
static sn_status set_up(sn_app *app, const char *path, ptrdiff_t samples, sinode_model *model) {
  const sn_config *c = &app->config;
  SN_TRY(sn_collective_status(app->world, SN_NEW(1, &model->own_grid)));
  model->grid = model->own_grid;
  SN_TRY(sn_grid_create(app->world, c->parallel.space, c->grid.points, NULL, &model->own_grid->grid));
  if (path) return sn_setup_model_from_file(app, model->grid->grid, path, samples, &model->model);
  return sn_setup_model(app, model->grid->grid, samples, &model->model);
}

static sinode_error *finish(sn_app *app, sn_status status, const char *path, ptrdiff_t samples, sinode_model **out) {
  *out = NULL;
  if (!status && samples < 1)
    status = SN_ERROR_ALL(SN_ERROR_USAGE, "a model for %td samples; there must be at least one", samples);
  if (!status) status = sn_collective_status(app->world, SN_NEW(1, out));
  if (!status) status = sn_collective_status(app->world, set_up(app, path, samples, *out));
  if (status) api_model_free(out);
  return api_error(status);
}

sinode_error *sinode_model_from_config(const MPI_Comm *world, const char *config, const char *path, ptrdiff_t samples,
                                       sinode_model **out) {
  sn_app app = {.world = api_comm(world)};
  MPI_Comm_rank(app.world, &app.rank);
  sn_status status = sn_collective_status(
      app.world, sn_config_parse("the parameters", config, strlen(config), NULL, 0, (sn_config_command)0, &app.config));
  return finish(&app, status, path, samples, out);
}

sinode_error *sinode_model_from_file(const MPI_Comm *world, const char *path, int space, ptrdiff_t samples,
                                     sinode_model **out) {
  sn_app app = {.world = api_comm(world)};
  sn_model_description description;
  MPI_Comm_rank(app.world, &app.rank);
  sn_status status = sn_config_parse_kept(path, "", 0, &app.config);
  if (!status) status = sn_model_file_describe(app.world, path, &description);
  if (!status) {
    app.config.grid.points = description.grid_points;
    app.config.grid.length = description.domain_length;
    app.config.parallel.space = space;
  }
  return finish(&app, status, path, samples, out);
}

static sn_status write(const sinode_model *model, const char *path) {
  const sn_grid *grid = model->grid->grid;
  const sn_network_kind network = sn_network_get_shape(sn_model_network(model->model))->kind;
  const sn_linear_kind linear = sn_linear_get_kind(sn_model_linear(model->model));
  if (network == SN_NETWORK_SHELL || linear == SN_LINEAR_SYMBOL)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "%s: files know no %s; keep its parameters otherwise", path,
                        network == SN_NETWORK_SHELL ? "network of a program's own" : "linear part of kind symbol");
  sn_app app = {.world = sn_grid_world(grid)};
  char config[128];
  app.config.grid.points = sn_grid_points(grid);
  app.config.grid.length = sinode_model_length(model);
  snprintf(config, sizeof config, "grid: {points: %td, length: %.17g}\n", app.config.grid.points,
           app.config.grid.length);
  const sn_model_description description = sn_setup_describe(&app, model->model);
  const sn_provenance provenance = {.title = "semi-implicit neural ODE", .config = config, .command_line = "libsinode"};
  sn_parameters *parameters = sn_model_parameters(model->model);
  return sn_model_file_write(grid, path, &description, parameters, sn_parameters_values(parameters), &provenance);
}

sinode_error *sinode_model_write(const sinode_model *model, const char *path) {
  sn_mpi_library_prepare(); /* as for commands, in api_run.c */
  return api_error(sn_collective_status(sn_grid_world(model->grid->grid), write(model, path)));
}

void sinode_model_destroy(sinode_model **model) { api_model_free(model); }

const sinode_grid *sinode_model_grid(const sinode_model *model) { return model->grid; }
double sinode_model_length(const sinode_model *model) { return sn_linear_length(sn_model_linear(model->model)); }
ptrdiff_t sinode_model_samples(const sinode_model *model) { return sn_model_samples(model->model); }

static sn_parameters *parameters_of(const sinode_model *model) { return sn_model_parameters(model->model); }

int sinode_model_parameters(const sinode_model *model) { return sn_parameters_blocks(parameters_of(model)); }

void sinode_model_parameter(const sinode_model *model, int index, sinode_parameter *out) {
  const sn_parameter_block *block = sn_parameters_block(parameters_of(model), index);
  *out = (sinode_parameter){.name = block->name,
                            .dimensions = block->dimensions,
                            .offset = block->offset,
                            .split = block->split,
                            .trainable = block->trainable};
  for (int d = 0; d < block->dimensions; d++) {
    out->shape[d] = block->shape[d];
    out->start[d] = block->start[d];
    out->count[d] = block->count[d];
  }
}

ptrdiff_t sinode_model_size(const sinode_model *model) { return sn_parameters_size(parameters_of(model)); }
double *sinode_model_values(sinode_model *model) { return sn_parameters_values(parameters_of(model)); }

sinode_error *sinode_model_update(sinode_model *model) {
  return api_error(sn_collective_status(sn_grid_world(model->grid->grid), sn_model_loaded(model->model)));
}

static sn_status scale(sinode_model *model, ptrdiff_t samples, const double *values) {
  sn_linear *linear = sn_model_linear(model->model);
  if (!sn_linear_get_shape(linear)->scaled)
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "samples have parameters, but the model has no term that they multiply; "
                        "model.linear.parameter names it");
  if (samples < 1 || samples > sn_model_samples(model->model))
    return SN_ERROR_ALL(SN_ERROR_USAGE, "a model for %td samples was given parameters of %td",
                        sn_model_samples(model->model), samples);
  for (ptrdiff_t s = 0; s < samples; s++)
    if (!isfinite(values[s])) return SN_ERROR_ALL(SN_ERROR_USAGE, "the parameter of sample %td is %g", s, values[s]);
  SN_TRY(sn_linear_set_parameters(linear, samples, values));
  model->scaled = samples;
  return SN_OK;
}

sinode_error *sinode_model_scale(sinode_model *model, ptrdiff_t samples, const double *values) {
  return api_error(sn_collective_status(sn_grid_space(model->grid->grid), scale(model, samples, values)));
}

sn_status api_model_check_samples(const sinode_model *model, ptrdiff_t samples) {
  const ptrdiff_t most = sn_model_samples(model->model);
  if (samples < 0 || samples > most)
    return SN_ERROR(SN_ERROR_USAGE, "a model for up to %td samples was given %td", most, samples);
  if (samples && model->scaled && samples != model->scaled)
    return SN_ERROR(SN_ERROR_USAGE, "%td samples, but parameters were given for %td", samples, model->scaled);
  return SN_OK;
}

static sn_status evaluate(sinode_model *model, ptrdiff_t samples, const double *u, double *f, double *au) {
  SN_TRY(api_model_check_samples(model, samples));
  if (samples && f) SN_TRY(sn_network_forward(sn_model_network(model->model), samples, u, f, NULL));
  if (samples && au) SN_TRY(sn_linear_apply(sn_model_linear(model->model), samples, u, au));
  return SN_OK;
}

sinode_error *sinode_model_evaluate(sinode_model *model, ptrdiff_t samples, const double *u, double *f, double *au) {
  return api_error(sn_collective_status(sn_grid_world(model->grid->grid), evaluate(model, samples, u, f, au)));
}
