/* A polynomial at every point: F(u) = sum_d w_d u^d, d = 1 .. degree; "nonlinear/layer_0/weight" (degree, 1). */
#include <stdio.h>

#include "network_ops.h"
#include "sinode/memory.h"

typedef struct {
  sn_network base;
  ptrdiff_t degree, offset; /* of the weights in the parameters */
} polynomial;

static ptrdiff_t values_of(const sn_network *network, ptrdiff_t samples) { return samples * network->points; }

static void destroy(sn_network *network) { (void)network; }

static ptrdiff_t tape_size(const sn_network *network, ptrdiff_t samples) {
  (void)network, (void)samples;
  return 0;
}

static const double *weights_of(const polynomial *p) { return sn_parameters_values(p->base.parameters) + p->offset; }

/* Horner's rule, with the slope. */
static double evaluate(const polynomial *p, const double *weight, double u, double *slope) {
  double value = 0;
  *slope = 0;
  for (ptrdiff_t d = p->degree; d-- > 0;) {
    *slope = *slope * u + value + weight[d];
    value = (value + weight[d]) * u;
  }
  return value;
}

static sn_status forward(sn_network *network, ptrdiff_t samples, const double *u, double *f, double *tape) {
  const polynomial *p = (const polynomial *)network;
  double slope;
  (void)tape;
  for (ptrdiff_t k = 0; k < values_of(network, samples); k++) f[k] = evaluate(p, weights_of(p), u[k], &slope);
  return SN_OK;
}

static sn_status backward(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                          const double *f_bar, double *u_bar, const sn_gradient *gradient) {
  const polynomial *p = (const polynomial *)network;
  (void)tape;
  for (ptrdiff_t k = 0; k < values_of(network, samples); k++) {
    double slope, power = f_bar[k] * u[k];
    evaluate(p, weights_of(p), u[k], &slope);
    if (u_bar) u_bar[k] = slope * f_bar[k];
    for (ptrdiff_t d = 0; d < p->degree && gradient; d++, power *= u[k]) gradient->values[p->offset + d] += power;
  }
  if (gradient) sn_gradient_final_from(gradient, p->offset);
  return SN_OK;
}

static sn_status tangent(sn_network *network, ptrdiff_t samples, const double *u, const double *tape, const double *du,
                         const double *dtheta, double *df) {
  const polynomial *p = (const polynomial *)network;
  (void)tape;
  for (ptrdiff_t k = 0; k < values_of(network, samples); k++) {
    double slope, ignored;
    evaluate(p, weights_of(p), u[k], &slope);
    df[k] = (du ? slope * du[k] : 0) + (dtheta ? evaluate(p, dtheta + p->offset, u[k], &ignored) : 0);
  }
  return SN_OK;
}

static const sn_network_ops ops = {
    .destroy = destroy, .tape_size = tape_size, .forward = forward, .backward = backward, .tangent = tangent};

static sn_status create(const sn_network *base, sn_network **out) {
  polynomial *p;
  *out = NULL;
  SN_TRY(sn_collective_status(sn_grid_space(base->grid), SN_NEW(1, &p)));
  *p = (polynomial){.base = *base, .degree = base->shape.width[0]};
  p->base.ops = &ops;
  *out = &p->base;
  sn_parameter_block weight = {.name = "nonlinear/layer_0/weight",
                               .dimensions = 2,
                               .shape = {p->degree, 1},
                               .count = {p->degree, 1},
                               .partial = true,
                               .trainable = true};
  sn_status status = sn_parameters_add(base->parameters, &weight);
  p->offset = weight.offset;
  if (status) sn_network_destroy(out);
  return status;
}

static void choose(const sn_network_options *options, sn_network_shape *shape) {
  shape->hidden = 1;
  shape->width[0] = options->degree;
}

static const char *set_layers(sn_network_shape *shape, int layers, const ptrdiff_t *outputs) {
  if (layers != 1) return "has one layer";
  shape->hidden = 1;
  shape->width[0] = outputs[0];
  return NULL;
}

const sn_network_type sn_network_polynomial = {
    .create = create, .weight_dimensions = 2, .choose = choose, .set_layers = set_layers};
