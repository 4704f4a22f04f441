/*
 * A caller's network behind the table of functions that the library calls. What a function returns on one rank is the
 * error of the replica's ranks, which wait for each other in what comes next.
 */
#include <string.h>

#include "api.h"
#include "sinode/memory.h"

static sn_status meet(const api_network *n, sinode_error *error) {
  return n->ranks > 1 ? sn_collective_status(n->space, (sn_status)error) : (sn_status)error;
}

/* Where the arrays are in a vector of the parameters' layout; NULL for NULL. */
static const double *const *arrays_in(const api_network *n, const double *vector, const double **address) {
  for (int k = 0; vector && k < n->network.arrays; k++) address[k] = vector + n->offset[k];
  return vector ? address : NULL;
}

static const double *const *values_of(const api_network *n) {
  return arrays_in(n, sn_parameters_values(n->parameters), n->value);
}

/* Each rank has all of every array and gives its share of the gradient. */
static sn_status create(void *context, const sn_grid *grid, ptrdiff_t samples, sn_parameters *parameters) {
  api_network *n = context;
  (void)grid, (void)samples;
  n->parameters = parameters;
  for (int k = 0; k < n->network.arrays; k++) {
    const sinode_array *array = &n->array[k];
    sn_parameter_block block = {.dimensions = array->dimensions, .partial = true, .trainable = true};
    if (strlen(array->name) + sizeof "nonlinear/" > sizeof block.name)
      return SN_ERROR_ALL(SN_ERROR_USAGE, "the name '%s' of an array of the network is too long", array->name);
    strcat(strcpy(block.name, "nonlinear/"), array->name);
    for (int d = 0; d < array->dimensions; d++) block.shape[d] = block.count[d] = array->shape[d];
    SN_TRY(sn_parameters_add(parameters, &block));
    n->offset[k] = block.offset;
  }
  return SN_OK;
}

static ptrdiff_t tape_size(const void *context, ptrdiff_t samples) {
  return samples * ((const api_network *)context)->network.tape;
}

static sn_status forward(void *context, ptrdiff_t samples, const double *u, double *f, double *tape) {
  const api_network *n = context;
  return meet(n, n->network.forward(n->network.context, samples, values_of(n), u, f, tape));
}

static sn_status backward(void *context, ptrdiff_t samples, const double *u, const double *tape, const double *f_bar,
                          double *u_bar, double *gradient) {
  const api_network *n = context;
  if (!n->network.backward)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "a backward pass needs the network's function backward, which is NULL");
  for (int k = 0; gradient && k < n->network.arrays; k++) n->gradient[k] = gradient + n->offset[k];
  return meet(n, n->network.backward(n->network.context, samples, values_of(n), u, tape, f_bar, u_bar,
                                     gradient ? n->gradient : NULL));
}

static sn_status tangent(void *context, ptrdiff_t samples, const double *u, const double *tape, const double *du,
                         const double *dtheta, double *df) {
  const api_network *n = context;
  if (!n->network.tangent)
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "tangents and fully implicit schemes need the network's function tangent, which is NULL");
  return meet(n, n->network.tangent(n->network.context, samples, values_of(n), u, tape, du,
                                    arrays_in(n, dtheta, n->direction), df));
}

static sn_status check(const sinode_network *network) {
  if (!network->forward) return SN_ERROR_ALL(SN_ERROR_USAGE, "the network has no function forward");
  if (network->tape < 0 || network->arrays < 0)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "the network has %d arrays and %td doubles of tape; neither may be negative",
                        network->arrays, network->tape);
  for (int k = 0; k < network->arrays; k++) {
    const sinode_array *array = &network->array[k];
    bool valid = array->name && array->name[0] && array->dimensions >= 1 && array->dimensions <= SN_PARAMETER_RANKS;
    for (int d = 0; valid && d < array->dimensions; d++) valid = array->shape[d] >= 1;
    if (!valid)
      return SN_ERROR_ALL(SN_ERROR_USAGE, "array %d of the network must have a name and 1 to 3 dimensions, none 0", k);
  }
  return SN_OK;
}

static sn_status fill(api_network *n, const sinode_network *network) {
  const int count = network->arrays;
  SN_TRY(SN_NEW(count, &n->array));
  SN_TRY(SN_NEW(count, &n->offset));
  SN_TRY(SN_NEW(count, &n->value));
  SN_TRY(SN_NEW(count, &n->direction));
  SN_TRY(SN_NEW(count, &n->gradient));
  if (count) memcpy(n->array, network->array, (size_t)count * sizeof *n->array);
  return SN_OK;
}

sn_status api_network_create(const sn_grid *grid, const sinode_network *network, api_network **out) {
  *out = NULL;
  SN_TRY(check(network));
  api_network *n;
  SN_TRY(SN_NEW(1, &n));
  *n = (api_network){.network = *network, .space = sn_grid_space(grid), .ranks = sn_grid_space_size(grid)};
  n->shell = (sn_network_shell){.context = n,
                                .create = create,
                                .tape_size = tape_size,
                                .forward = forward,
                                .backward = backward,
                                .tangent = tangent};
  sn_status status = fill(n, network);
  if (status) api_network_destroy(&n);
  *out = n;
  return status;
}

void api_network_destroy(api_network **network) {
  api_network *n = *network;
  if (!n) return;
  SN_FREE(n->array);
  SN_FREE(n->offset);
  SN_FREE(n->value);
  SN_FREE(n->direction);
  SN_FREE(n->gradient);
  SN_FREE(*network);
}
