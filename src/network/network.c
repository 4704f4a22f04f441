#include "sinode/network.h"

#include <math.h>
#include <string.h>

#include "network_ops.h"
#include "sinode/memory.h"
#include "sinode/random.h"

static const sn_network_type *const types[] = {SN_NETWORKS(SN_NAME_FUNCTIONS)[SN_NETWORK_SHELL] = &sn_network_of_shell};

const sn_name sn_network_kinds[] = {SN_NETWORKS(SN_NAME_ENTRY){NULL, 0}};

const sn_name sn_precisions[] = {
    {"double", SN_PRECISION_DOUBLE}, {"mixed", SN_PRECISION_MIXED}, {"single", SN_PRECISION_SINGLE}, {NULL, 0}};

const sn_name sn_init_kinds[] = {
    {"normal", SN_INIT_NORMAL}, {"xavier", SN_INIT_XAVIER}, {"pytorch", SN_INIT_PYTORCH}, {NULL, 0}};

/* A shell has no name among those of files, which cannot describe it. */
const char *sn_network_kind_name(sn_network_kind kind) {
  return kind == SN_NETWORK_SHELL ? "shell" : sn_name_of(sn_network_kinds, (int)kind);
}

bool sn_network_is_of_one_grid(sn_network_kind kind) { return types[kind]->one_grid; }

ptrdiff_t sn_network_reach(const sn_network_shape *shape) {
  const bool known = shape->kind != SN_NETWORK_SHELL && types[shape->kind]->reach;
  return known ? types[shape->kind]->reach(shape) : SN_NETWORK_WHOLE_GRID;
}

ptrdiff_t sn_network_tape_values(const sn_network_shape *shape) {
  const bool known = shape->kind != SN_NETWORK_SHELL && types[shape->kind]->tape_values;
  const ptrdiff_t values = known ? types[shape->kind]->tape_values(shape) : 0;
  return shape->precision == SN_PRECISION_DOUBLE ? values : (values + 1) / 2;
}

int sn_network_weight_dimensions(sn_network_kind kind) { return types[kind]->weight_dimensions; }

void sn_network_set_widths(const sn_network_widths *widths, sn_network_shape *shape) {
  shape->hidden = widths->count;
  memcpy(shape->width, widths->width, sizeof shape->width);
}

sn_network_shape sn_network_shape_of(const sn_network_options *options, double length) {
  sn_network_shape shape = {.kind = options->kind,
                            .activation = options->activation,
                            .kernel = options->kernel,
                            .conservative = options->conservative,
                            .length = length,
                            .precision = options->precision};
  if (types[options->kind]->choose) types[options->kind]->choose(options, &shape);
  return shape;
}

const char *sn_network_set_layers(sn_network_shape *shape, int layers, const ptrdiff_t *outputs) {
  const sn_network_type *type = types[shape->kind];
  if (type->set_layers) return type->set_layers(shape, layers, outputs);
  shape->hidden = layers - 1;
  for (int k = 0; k < shape->hidden; k++) shape->width[k] = outputs[k];
  return NULL;
}

/* F = 0. */
static void none_destroy(sn_network *network) { (void)network; }

static ptrdiff_t none_tape_size(const sn_network *network, ptrdiff_t samples) {
  (void)network, (void)samples;
  return 0;
}

static sn_status none_forward(sn_network *network, ptrdiff_t samples, const double *u, double *f, double *tape) {
  (void)u, (void)tape;
  memset(f, 0, (size_t)(samples * network->points) * sizeof *f);
  return SN_OK;
}

static sn_status none_backward(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                               const double *f_bar, double *u_bar, const sn_gradient *gradient) {
  (void)f_bar, (void)gradient;
  return u_bar ? none_forward(network, samples, u, u_bar, (double *)tape) : SN_OK;
}

static sn_status none_tangent(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                              const double *du, const double *dtheta, double *df) {
  (void)du, (void)dtheta;
  return none_forward(network, samples, u, df, (double *)tape);
}

static const sn_network_ops none_ops = {.destroy = none_destroy,
                                        .tape_size = none_tape_size,
                                        .forward = none_forward,
                                        .backward = none_backward,
                                        .tangent = none_tangent};

static sn_status none_create(const sn_network *base, sn_network **out) {
  SN_TRY(SN_NEW(1, out));
  **out = *base;
  (*out)->ops = &none_ops;
  return SN_OK;
}

static ptrdiff_t none_reach(const sn_network_shape *shape) {
  (void)shape;
  return 0;
}

const sn_network_type sn_network_none = {.create = none_create, .reach = none_reach};

sn_status sn_network_create(const sn_grid *grid, const sn_network_shape *shape, ptrdiff_t samples,
                            sn_parameters *parameters, sn_network **out) {
  const sn_network base = {.grid = grid,
                           .shape = *shape,
                           .parameters = parameters,
                           .samples = samples,
                           .points = sn_grid_range(grid).count,
                           .first = sn_parameters_size(parameters)};
  const sn_network_type *type = types[shape->kind];
  if (shape->precision == SN_PRECISION_DOUBLE) return type->create(&base, out);
  if (type->create_single) return type->create_single(&base, out);
  return SN_ERROR_ALL(SN_ERROR_USAGE,
                      "model.precision is %s, but a network of kind %s comes in double precision only; those of kinds "
                      "mlp, conv and product in single, too",
                      sn_name_of(sn_precisions, (int)shape->precision), sn_network_kind_name(shape->kind));
}

void sn_network_destroy(sn_network **network) {
  if (!*network) return;
  (*network)->ops->destroy(*network);
  SN_FREE(*network);
}

/* The network's own, not those of the linear part. */
static void round_to_single(sn_parameters *parameters) {
  double *values = sn_parameters_values(parameters);
  for (int i = 0; i < sn_parameters_blocks(parameters); i++) {
    const sn_parameter_block *block = sn_parameters_block(parameters, i);
    if (strncmp(block->name, "nonlinear/", 10) != 0) continue;
    double *own = values + block->offset;
    for (ptrdiff_t k = 0; k < sn_parameter_block_size(block); k++) own[k] = (float)own[k];
  }
}

void sn_network_update(sn_network *network) {
  if (network->shape.conservative)
    sn_parameters_balance(network->parameters, sn_parameters_values(network->parameters));
  if (network->shape.precision == SN_PRECISION_SINGLE) round_to_single(network->parameters);
  if (network->ops->update) network->ops->update(network);
}

const sn_network_shape *sn_network_get_shape(const sn_network *network) { return &network->shape; }

/* Inputs that one output of a layer sums over: its fan in. */
static double fan_in(const sn_parameter_block *weight) {
  double fan = 1;
  for (int d = 1; d < weight->dimensions; d++) fan *= (double)weight->shape[d];
  return fan;
}

/* Xavier's fan out also counts a kernel's taps. */
static double fan_out(const sn_parameter_block *weight) {
  return weight->dimensions == 3 ? (double)(weight->shape[0] * weight->shape[2]) : (double)weight->shape[0];
}

static double draw(const sn_init *init, const sn_random *random, uint64_t index, double in, double out) {
  switch (init->kind) {
    case SN_INIT_NORMAL:
      return init->std * sn_random_normal(random, index);
    case SN_INIT_XAVIER:
      return sqrt(6 / (in + out)) * (2 * sn_random_uniform(random, index) - 1);
    case SN_INIT_PYTORCH:
      return (2 * sn_random_uniform(random, index) - 1) / sqrt(in);
  }
  return 0;
}

/* This rank's part of a block. Numbers are keyed by the index in the global array, so they do not depend on the part.
 */
static void fill(const sn_parameter_block *block, const sn_init *init, const sn_random *random, double in, double out,
                 double *values) {
  const ptrdiff_t rows = block->count[0], start = block->start[0];
  const ptrdiff_t columns = block->dimensions > 1 ? block->count[1] : 1;
  const ptrdiff_t first = block->dimensions > 1 ? block->start[1] : 0;
  const ptrdiff_t width = block->dimensions > 1 ? block->shape[1] : 1;
  const ptrdiff_t taps = block->dimensions > 2 ? block->shape[2] : 1;
  for (ptrdiff_t i = 0; i < rows; i++)
    for (ptrdiff_t j = 0; j < columns; j++)
      for (ptrdiff_t k = 0; k < taps; k++)
        *values++ = draw(init, random, (uint64_t)(((start + i) * width + first + j) * taps + k), in, out);
}

/* Each weight and bias has a stream of its own, numbered among those of its kind. */
sn_status sn_network_initialize(sn_network *network, const sn_init *init, uint64_t seed) {
  double *values = sn_parameters_values(network->parameters), in = 1, out = 1;
  uint64_t weights = 0, biases = 0;
  for (int i = 0; i < sn_parameters_blocks(network->parameters); i++) {
    const sn_parameter_block *block = sn_parameters_block(network->parameters, i);
    double *own = values + block->offset;
    if (strncmp(block->name, "nonlinear/", 10) != 0) continue;
    if (block->dimensions > 1) { /* a bias follows its weight and uses its fans */
      const sn_random random = {.seed = seed, .purpose = SN_RANDOM_WEIGHT, .stream = weights++};
      fill(block, init, &random, in = fan_in(block), out = fan_out(block), own);
    } else if (init->kind == SN_INIT_PYTORCH) {
      const sn_random random = {.seed = seed, .purpose = SN_RANDOM_BIAS, .stream = biases++};
      fill(block, init, &random, in, out, own);
    } else {
      memset(own, 0, (size_t)sn_parameter_block_size(block) * sizeof *own);
    }
  }
  return SN_OK;
}

ptrdiff_t sn_network_tape_size(const sn_network *network, ptrdiff_t samples) {
  return network->ops->tape_size(network, samples);
}

void sn_network_restrict(sn_network *network, sn_range range) { network->range = range; }

sn_status sn_network_forward(sn_network *network, ptrdiff_t samples, const double *u, double *f, double *tape) {
  SN_TRY_TIMED(sn_grid_timer(network->grid), SN_TIME_NETWORK, network->ops->forward(network, samples, u, f, tape));
  return SN_OK;
}

/* The gradient by balanced weights: final after that alone. */
static sn_status backward_balanced(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                                   const double *f_bar, double *u_bar, const sn_gradient *gradient) {
  sn_gradient own;
  SN_TRY(network->ops->backward(network, samples, u, tape, f_bar, u_bar, sn_gradient_for_pass(gradient, false, &own)));
  if (!gradient) return SN_OK;
  sn_parameters_balance(network->parameters, gradient->values);
  sn_gradient_final_from(gradient, network->first);
  return SN_OK;
}

sn_status sn_network_backward(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                              const double *f_bar, double *u_bar, const sn_gradient *gradient) {
  SN_TRY_TIMED(sn_grid_timer(network->grid), SN_TIME_NETWORK,
               (network->shape.conservative ? backward_balanced : network->ops->backward)(network, samples, u, tape,
                                                                                          f_bar, u_bar, gradient));
  return SN_OK;
}

sn_status sn_network_tangent(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                             const double *du, const double *dtheta, double *df) {
  SN_TRY_TIMED(sn_grid_timer(network->grid), SN_TIME_NETWORK,
               network->ops->tangent(network, samples, u, tape, du, dtheta, df));
  return SN_OK;
}

sn_status sn_network_reserve_tangents(sn_network *network, ptrdiff_t directions) {
  if (!network->ops->reserve_tangents) return SN_OK;
  return sn_collective_status(sn_grid_space(network->grid), network->ops->reserve_tangents(network, directions));
}

static sn_status tangents(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                          const sn_network_directions *along, double *df) {
  const ptrdiff_t count = samples * network->points, size = sn_parameters_model_size(network->parameters);
  const double *du = along->du, *dtheta = along->dtheta;
  const sn_network_ops *ops = network->ops;
  if (du && ops->tangents && ops->takes_together(network, along->count))
    return ops->tangents(network, samples, tape, along, df);
  for (ptrdiff_t d = 0; d < along->count; d++)
    SN_TRY(ops->tangent(network, samples, u, tape, du ? du + d * count : NULL, dtheta ? dtheta + d * size : NULL,
                        df + d * count));
  return SN_OK;
}

sn_status sn_network_tangents(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                              const sn_network_directions *along, double *df) {
  SN_TRY_TIMED(sn_grid_timer(network->grid), SN_TIME_NETWORK, tangents(network, samples, u, tape, along, df));
  return SN_OK;
}
