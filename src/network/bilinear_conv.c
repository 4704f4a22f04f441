/*
 * The bilinear convolution, sums of products of convolutions and a linear one (the kind `product`),
 *
 *   F(u) = r * ((p * u) (q * u)) + l * u
 *
 * over C channels, * the cross-correlation of conv_kernel.h. p and q are one weight (2 C, 1, kernel), layer_0: p its
 * first C channels, q the others; r is layer_1 (1, C, kernel), l is linear (1, 1, kernel). No biases, for F(0) = 0.
 *
 * The tape holds u with its halo, the factors p * u and q * u, and their products with halo. Weights are replicated;
 * a rank's backward pass computes its own share of their gradient only.
 */
#include <string.h>

#include "conv_kernel.h"
#include "network_ops.h"
#include "sinode/memory.h"

typedef struct {
  sn_network base;
  sn_convolution convolution;
  ptrdiff_t channels;              /* C */
  ptrdiff_t factors, out, linear;  /* offsets in the parameters */
  double *own_tape, *padded_input; /* padded_input: (samples, span) */
  double *padded;                  /* (samples, 2 C, span) */
  double *value, *factor;          /* (samples, C, points), (samples, 2 C, points) */
} bilinear;

/* A tape of `samples` samples. */
typedef struct {
  double *input;    /* (samples, span) */
  double *products; /* (samples, C, span) */
  double *factors;  /* (samples, 2 C, points) */
} parts;

static parts parts_of(const bilinear *p, ptrdiff_t samples, const double *tape) {
  const ptrdiff_t span = p->convolution.span;
  double *base = (double *)tape;
  return (parts){
      .input = base, .products = base + samples * span, .factors = base + samples * (1 + p->channels) * span};
}

static ptrdiff_t tape_size(const sn_network *network, ptrdiff_t samples) {
  const bilinear *p = (const bilinear *)network;
  return samples * ((1 + p->channels) * p->convolution.span + 2 * p->channels * network->points);
}

static void clear(const bilinear *p, ptrdiff_t rows, double *values) {
  memset(values, 0, (size_t)(rows * p->base.points) * sizeof *values);
}

/* out (samples, C, points) = x_p y_q + x_q y_p, the channels p before those of q in x and y (samples, 2 C, points). */
static void multiply_across(const bilinear *p, ptrdiff_t samples, const double *x, const double *y, double *out) {
  const ptrdiff_t size = p->channels * p->base.points;
  for (ptrdiff_t s = 0; s < samples; s++, x += 2 * size, y += 2 * size, out += size)
    for (ptrdiff_t j = 0; j < size; j++) out[j] = x[j] * y[size + j] + x[size + j] * y[j];
}

static void multiply_factors(const bilinear *p, ptrdiff_t samples, const double *factors, double *out) {
  const ptrdiff_t size = p->channels * p->base.points;
  for (ptrdiff_t s = 0; s < samples; s++, factors += 2 * size, out += size)
    for (ptrdiff_t j = 0; j < size; j++) out[j] = factors[j] * factors[size + j];
}

/* out = the derivative by the factors from `bar`, that by their product. */
static void factors_backward(const bilinear *p, ptrdiff_t samples, const double *factors, const double *bar,
                             double *out) {
  const ptrdiff_t size = p->channels * p->base.points;
  for (ptrdiff_t s = 0; s < samples; s++, factors += 2 * size, out += 2 * size, bar += size)
    for (ptrdiff_t j = 0; j < size; j++) {
      out[j] = bar[j] * factors[size + j];
      out[size + j] = bar[j] * factors[j];
    }
}

static sn_status forward(sn_network *network, ptrdiff_t samples, const double *u, double *f, double *tape) {
  bilinear *p = (bilinear *)network;
  sn_convolution *c = &p->convolution;
  const double *theta = sn_parameters_values(network->parameters);
  const ptrdiff_t channels = p->channels;
  const parts at = parts_of(p, samples, tape ? tape : p->own_tape);
  SN_TRY(sn_convolution_pad(c, samples, u, at.input));
  clear(p, samples * 2 * channels, at.factors);
  sn_convolution_add(c, samples, 2 * channels, 1, theta + p->factors, at.input, at.factors);
  multiply_factors(p, samples, at.factors, p->value);
  SN_TRY(sn_convolution_pad(c, samples * channels, p->value, at.products));
  clear(p, samples, f);
  sn_convolution_add(c, samples, 1, channels, theta + p->out, at.products, f);
  sn_convolution_add(c, samples, 1, 1, theta + p->linear, at.input, f);
  return SN_OK;
}

static sn_status backward(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                          const double *f_bar, double *u_bar, const sn_gradient *gradient) {
  bilinear *p = (bilinear *)network;
  sn_convolution *c = &p->convolution;
  const double *theta = sn_parameters_values(network->parameters);
  const ptrdiff_t channels = p->channels;
  const parts at = parts_of(p, samples, tape);
  (void)u; /* on the tape, padded */
  SN_TRY(sn_convolution_pad(c, samples, f_bar, p->padded_input));
  clear(p, samples * channels, p->value);
  sn_convolution_add_transposed(c, samples, 1, channels, theta + p->out, p->padded_input, p->value);
  factors_backward(p, samples, at.factors, p->value, p->factor);
  if (gradient) {
    sn_convolution_add_gradient(c, samples, 1, channels, f_bar, at.products, gradient->values + p->out);
    sn_convolution_add_gradient(c, samples, 1, 1, f_bar, at.input, gradient->values + p->linear);
    sn_convolution_add_gradient(c, samples, 2 * channels, 1, p->factor, at.input, gradient->values + p->factors);
    sn_gradient_final_from(gradient, p->factors);
  }
  if (!u_bar) return SN_OK;
  clear(p, samples, u_bar);
  sn_convolution_add_transposed(c, samples, 1, 1, theta + p->linear, p->padded_input, u_bar);
  SN_TRY(sn_convolution_pad(c, samples * 2 * channels, p->factor, p->padded));
  sn_convolution_add_transposed(c, samples, 2 * channels, 1, theta + p->factors, p->padded, u_bar);
  return SN_OK;
}

static sn_status tangent(sn_network *network, ptrdiff_t samples, const double *u, const double *tape, const double *du,
                         const double *dtheta, double *df) {
  bilinear *p = (bilinear *)network;
  sn_convolution *c = &p->convolution;
  const double *theta = sn_parameters_values(network->parameters);
  const ptrdiff_t channels = p->channels;
  const parts at = parts_of(p, samples, tape);
  (void)u;
  clear(p, samples, df);
  clear(p, samples * 2 * channels, p->factor);
  if (du) {
    SN_TRY(sn_convolution_pad(c, samples, du, p->padded_input));
    sn_convolution_add(c, samples, 1, 1, theta + p->linear, p->padded_input, df);
    sn_convolution_add(c, samples, 2 * channels, 1, theta + p->factors, p->padded_input, p->factor);
  }
  if (dtheta) {
    sn_convolution_add(c, samples, 1, 1, dtheta + p->linear, at.input, df);
    sn_convolution_add(c, samples, 1, channels, dtheta + p->out, at.products, df);
    sn_convolution_add(c, samples, 2 * channels, 1, dtheta + p->factors, at.input, p->factor);
  }
  multiply_across(p, samples, p->factor, at.factors, p->value);
  SN_TRY(sn_convolution_pad(c, samples * channels, p->value, p->padded));
  sn_convolution_add(c, samples, 1, channels, theta + p->out, p->padded, df);
  return SN_OK;
}

static void destroy(sn_network *network) {
  bilinear *p = (bilinear *)network;
  sn_convolution_destroy(&p->convolution);
  SN_FREE(p->own_tape);
  SN_FREE(p->padded_input);
  SN_FREE(p->padded);
  SN_FREE(p->value);
  SN_FREE(p->factor);
}

static const sn_network_ops ops = {
    .destroy = destroy, .tape_size = tape_size, .forward = forward, .backward = backward, .tangent = tangent};

static sn_status add_weight(const bilinear *p, const char *name, ptrdiff_t out, ptrdiff_t in, ptrdiff_t *offset) {
  sn_parameter_block block = {.dimensions = 3,
                              .shape = {out, in, p->convolution.kernel},
                              .count = {out, in, p->convolution.kernel},
                              .partial = true,
                              .trainable = true};
  strcpy(block.name, name);
  SN_TRY(sn_parameters_add(p->base.parameters, &block));
  *offset = block.offset;
  return SN_OK;
}

static sn_status add_weights(bilinear *p) {
  SN_TRY(add_weight(p, "nonlinear/layer_0/weight", 2 * p->channels, 1, &p->factors));
  SN_TRY(add_weight(p, "nonlinear/layer_1/weight", 1, p->channels, &p->out));
  return add_weight(p, "nonlinear/linear/weight", 1, 1, &p->linear);
}

static sn_status build(bilinear *p) {
  const ptrdiff_t samples = p->base.samples, points = p->base.points, channels = p->channels;
  SN_TRY(sn_convolution_create(p->base.grid, p->base.shape.kernel, samples * 2 * channels, &p->convolution));
  SN_TRY(sn_collective_status(sn_grid_space(p->base.grid), add_weights(p)));
  SN_TRY(SN_NEW(tape_size(&p->base, samples), &p->own_tape));
  SN_TRY(SN_NEW(samples * p->convolution.span, &p->padded_input));
  SN_TRY(SN_NEW(samples * 2 * channels * p->convolution.span, &p->padded));
  SN_TRY(SN_NEW(samples * channels * points, &p->value));
  return SN_NEW(samples * 2 * channels * points, &p->factor);
}

static sn_status create(const sn_network *base, sn_network **out) {
  *out = NULL;
  SN_TRY(sn_convolution_check(base->grid, base->shape.kernel));
  bilinear *p;
  SN_TRY(sn_collective_status(sn_grid_space(base->grid), SN_NEW(1, &p)));
  p->base = *base;
  p->base.ops = &ops;
  p->channels = base->shape.width[0];
  *out = &p->base;
  sn_status status = build(p);
  if (status) sn_network_destroy(out);
  return status;
}

static void choose(const sn_network_options *options, sn_network_shape *shape) {
  shape->hidden = 1;
  shape->width[0] = options->products;
}

/* Its first layer has both factors of each product. */
static const char *set_layers(sn_network_shape *shape, int layers, const ptrdiff_t *outputs) {
  if (layers != 2 || outputs[0] % 2) return "has two layers, the first of an even number of channels";
  shape->hidden = 1;
  shape->width[0] = outputs[0] / 2;
  return NULL;
}

/* Of the factors, and of what is made of their products. */
static ptrdiff_t reach(const sn_network_shape *shape) { return 2 * (ptrdiff_t)(shape->kernel / 2); }

const sn_network_type sn_network_bilinear = {
    .create = create, .weight_dimensions = 3, .reach = reach, .choose = choose, .set_layers = set_layers};
