#include "model_setup.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

sn_status sn_setup_model(const sn_app *app, const sn_grid *grid, ptrdiff_t samples, sn_model **model) {
  const sn_config *c = &app->config;
  const sn_linear_shape linear = sn_linear_shape_of(&c->model.linear, c->grid.length);
  const sn_network_shape network = sn_network_shape_of(&c->model.network, c->grid.length);
  SN_TRY(sn_collective_status(app->world, sn_model_create(grid, &linear, &network, samples, model)));
  return sn_model_initialize(*model, &c->model, (uint64_t)c->run.seed);
}

/* The member of a family that a file names. */
static sn_status find_kind(const char *path, const char *attribute, const sn_name *names, const char *name, int *kind) {
  char expected[128];
  *kind = sn_name_value(names, name);
  if (*kind >= 0) return SN_OK;
  sn_name_list(names, " or ", expected, sizeof expected);
  return SN_ERROR_ALL(SN_ERROR_FILE, "%s: %s is '%s', but must be %s", path, attribute, name, expected);
}

/* From the words of a file to the shapes of a model on a domain of this length. */
static sn_status to_shapes(const char *path, const sn_model_description *d, double length, sn_linear_shape *linear,
                           sn_network_shape *network) {
  int kind;
  SN_TRY(find_kind(path, "linear_kind", sn_linear_kinds, d->linear_kind, &kind));
  *linear = (sn_linear_shape){.kind = (sn_linear_kind)kind,
                              .taps = d->taps,
                              .length = length,
                              .trainable = d->linear_trainable && kind != SN_LINEAR_SPECTRAL,
                              .derivatives = d->linear_derivatives};
  if (*d->linear_parameter) {
    SN_TRY(find_kind(path, "linear_parameter", sn_linear_terms, d->linear_parameter, &kind));
    linear->scaled = (unsigned)kind;
    memcpy(linear->trained, d->parameter_range, sizeof linear->trained);
  }
  SN_TRY(find_kind(path, "nonlinear_kind", sn_network_kinds, d->nonlinear_kind, &kind));
  *network = (sn_network_shape){.kind = (sn_network_kind)kind, .kernel = d->kernel, .length = length};
  if (!sn_network_weight_dimensions(network->kind)) return SN_OK;
  SN_TRY(find_kind(path, "activation", sn_activations, d->activation, &kind));
  network->activation = (sn_activation)kind;
  const char *wrong = sn_network_set_layers(network, d->layers, d->outputs);
  if (wrong) return SN_ERROR_ALL(SN_ERROR_FILE, "%s: a %s network %s", path, d->nonlinear_kind, wrong);
  return SN_OK;
}

sn_status sn_setup_same_grid(const sn_app *app, const char *path, ptrdiff_t points, double length) {
  const sn_config *c = &app->config;
  if (points != c->grid.points)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "%s is for %td grid points, but grid.points is %td; they must agree", path,
                        points, c->grid.points);
  if (!(fabs(length - c->grid.length) <= 1e-9 * c->grid.length))
    return SN_ERROR_ALL(SN_ERROR_USAGE, "%s is for a domain of length %.12g, but grid.length is %.12g; they must agree",
                        path, length, c->grid.length);
  return SN_OK;
}

/*
 * A perceptron and a dense matrix are of one grid. Convolutions and stencils do not know how many points there are, but
 * their coefficients are for one spacing.
 */
static sn_status suits_grid(const sn_app *app, const char *path, const sn_model_description *d) {
  const sn_config *c = &app->config;
  const int network = sn_name_value(sn_network_kinds, d->nonlinear_kind);
  const int linear = sn_name_value(sn_linear_kinds, d->linear_kind);
  if ((network >= 0 && sn_network_is_of_one_grid((sn_network_kind)network)) ||
      (linear >= 0 && sn_linear_is_of_one_grid((sn_linear_kind)linear)))
    return sn_setup_same_grid(app, path, d->grid_points, d->domain_length);
  const double theirs = d->domain_length / (double)d->grid_points, ours = c->grid.length / (double)c->grid.points;
  if (!(fabs(theirs - ours) <= 1e-9 * ours))
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "%s is for points %.12g apart (%td on [0, %.12g)), but grid.length over grid.points is %.12g; "
                        "its weights do not depend on the domain, but on the spacing",
                        path, theirs, d->grid_points, d->domain_length, ours);
  return SN_OK;
}

sn_status sn_setup_model_from_file(const sn_app *app, const sn_grid *grid, const char *path, ptrdiff_t samples,
                                   sn_model **model) {
  sn_model_description description;
  sn_linear_shape linear;
  sn_network_shape network;
  SN_TRY(sn_model_file_describe(app->world, path, &description));
  SN_TRY(suits_grid(app, path, &description));
  SN_TRY(to_shapes(path, &description, app->config.grid.length, &linear, &network));
  network.precision = app->config.model.network.precision;
  SN_TRY(sn_collective_status(app->world, sn_model_create(grid, &linear, &network, samples, model)));
  sn_parameters *parameters = sn_model_parameters(*model);
  SN_TRY(sn_model_file_read(grid, path, parameters, sn_parameters_values(parameters)));
  return sn_model_loaded(*model);
}

sn_status sn_setup_model_or_none(const sn_app *app, const sn_grid *grid, const char *path, ptrdiff_t samples,
                                 sn_model **model) {
  if (strcmp(path, "none") == 0) return sn_setup_model(app, grid, samples, model);
  return sn_setup_model_from_file(app, grid, path, samples, model);
}

sn_model_description sn_setup_describe(const sn_app *app, const sn_model *model) {
  const sn_network_shape *network = sn_network_get_shape(sn_model_network(model));
  sn_model_description d = {.grid_points = app->config.grid.points,
                            .domain_length = app->config.grid.length,
                            .linear_trainable = sn_linear_is_trainable(sn_model_linear(model))};
  snprintf(d.activation, sizeof d.activation, "%s", sn_name_of(sn_activations, (int)network->activation));
  snprintf(d.nonlinear_kind, sizeof d.nonlinear_kind, "%s", sn_network_kind_name(network->kind));
  const sn_linear_shape *linear = sn_linear_get_shape(sn_model_linear(model));
  if (linear->kind == SN_LINEAR_DERIVATIVES) d.linear_derivatives = linear->derivatives;
  if (linear->scaled) {
    snprintf(d.linear_parameter, sizeof d.linear_parameter, "%s", sn_name_of(sn_linear_terms, (int)linear->scaled));
    memcpy(d.parameter_range, linear->trained, sizeof d.parameter_range);
  }
  snprintf(d.linear_kind, sizeof d.linear_kind, "%s", sn_linear_kind_name(sn_linear_get_kind(sn_model_linear(model))));
  return d;
}

/* Sizes are compared as weights are read. */
static sn_status is_alike(const char *path, const sn_model_description *theirs, const sn_model_description *ours) {
  static const char *const keys[] = {"model.linear.kind", "model.nonlinear.kind", "model.nonlinear.activation"};
  const char *their[] = {theirs->linear_kind, theirs->nonlinear_kind, theirs->activation},
             *our[] = {ours->linear_kind, ours->nonlinear_kind, ours->activation};
  const int network = sn_name_value(sn_network_kinds, ours->nonlinear_kind);
  const int compared = sn_network_weight_dimensions((sn_network_kind)network) ? 3 : 2;
  for (int k = 0; k < compared; k++)
    if (strcmp(their[k], our[k]) != 0)
      return SN_ERROR_ALL(SN_ERROR_USAGE, "%s is %s, but that of the model in train.model, %s, is %s; they must agree",
                          keys[k], our[k], path, their[k]);
  return SN_OK;
}

sn_status sn_setup_model_to_train(const sn_app *app, const sn_grid *grid, ptrdiff_t samples, sn_model **model) {
  const char *path = app->config.data.model;
  sn_model_description theirs;
  SN_TRY(sn_setup_model(app, grid, samples, model));
  if (strcmp(path, "none") == 0) return SN_OK;
  const sn_model_description ours = sn_setup_describe(app, *model);
  SN_TRY(sn_model_file_describe(app->world, path, &theirs));
  SN_TRY(suits_grid(app, path, &theirs));
  SN_TRY(is_alike(path, &theirs, &ours));
  sn_parameters *parameters = sn_model_parameters(*model);
  SN_TRY(sn_model_file_read(grid, path, parameters, sn_parameters_values(parameters)));
  return sn_model_loaded(*model);
}
