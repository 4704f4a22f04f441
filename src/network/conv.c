/*
 * The convolutional network: periodic 1-D cross-correlations over channels,
 *
 *   z[o, j] = b[o] + sum_{i, k} W[o, i, k] a[i, j + k - kernel/2]
 *
 * Everything is local but a halo of kernel/2 points a layer and direction. Arrays are (samples, channels, local
 * points); a layer's input is on the tape with its halo ("padded"), for the weights' gradient. Weights are
 * replicated, and a rank's backward pass computes its own share of their gradient only.
 */
#include <stdio.h>
#include <string.h>

#include "activation.h"
#include "conv_kernel.h"
#include "network_ops.h"
#include "sinode/memory.h"

typedef struct {
  bool last;
  ptrdiff_t in, out;       /* channels */
  ptrdiff_t weight, bias;  /* offsets in the parameters */
  ptrdiff_t padded, slope; /* offsets in a tape of one sample: padded input; slopes of the output (gelu) */
} layer;

typedef struct {
  sn_network base;
  int layers;
  layer layer[SN_NETWORK_HIDDEN_MOST + 1];
  sn_convolution convolution;
  ptrdiff_t tape_width;      /* doubles a sample */
  double *own_tape, *padded; /* padded: (samples, most channels, span) */
  double *value[2];          /* (samples, most channels, points) */
} conv;

/* Biases: this rank's share of the derivative of their sum. */
static void add_bias_gradient(const conv *c, const layer *l, ptrdiff_t samples, const double *delta, double *gradient) {
  const ptrdiff_t n = c->base.points;
  for (ptrdiff_t i = 0; i < samples * l->out; i++)
    for (ptrdiff_t j = 0; j < n; j++) gradient[l->bias + i % l->out] += delta[i * n + j];
}

/* z (samples, out, points) += W * padded with the weights of `parameters`; no bias. */
static void correlate(const conv *c, const layer *l, ptrdiff_t samples, const double *parameters, const double *padded,
                      double *z) {
  sn_convolution_add(&c->convolution, samples, l->out, l->in, parameters + l->weight, padded, z);
}

/* Every channel's rows := its bias; 0 without parameters. */
static void begin(const conv *c, const layer *l, ptrdiff_t samples, const double *parameters, double *z) {
  const ptrdiff_t n = c->base.points;
  for (ptrdiff_t i = 0; i < samples * l->out; i++) {
    const double bias = parameters ? parameters[l->bias + i % l->out] : 0;
    for (ptrdiff_t j = 0; j < n; j++) z[i * n + j] = bias;
  }
}

static double *padded_on(const layer *l, double *tape, ptrdiff_t samples) { return tape + samples * l->padded; }

static double *slopes_on(const conv *c, const layer *l, double *tape, ptrdiff_t samples) {
  return sn_activation_keeps_slope(c->base.shape.activation) ? tape + samples * l->slope : NULL;
}

static sn_status conv_forward(sn_network *network, ptrdiff_t samples, const double *u, double *f, double *tape) {
  conv *c = (conv *)network;
  const double *in = u, *parameters = sn_parameters_values(network->parameters);
  const ptrdiff_t n = network->points;
  if (!tape) tape = c->own_tape;
  for (int k = 0; k < c->layers; k++) {
    const layer *l = &c->layer[k];
    double *padded = padded_on(l, tape, samples), *z = l->last ? f : c->value[k % 2];
    SN_TRY(sn_convolution_pad(&c->convolution, samples * l->in, in, padded));
    begin(c, l, samples, parameters, z);
    correlate(c, l, samples, parameters, padded, z);
    if (!l->last)
      sn_activation_apply(network->shape.activation, samples * l->out * n, z, slopes_on(c, l, tape, samples));
    in = z;
  }
  return SN_OK;
}

/* delta (samples, out, points) *= f'(z): the values are the interior of the next layer's padded input. */
static void backward_activation(const conv *c, int k, ptrdiff_t samples, double *tape, double *delta) {
  const layer *l = &c->layer[k];
  const double *padded = padded_on(l + 1, tape, samples), *slopes = slopes_on(c, l, tape, samples);
  const ptrdiff_t n = c->base.points;
  for (ptrdiff_t i = 0; i < samples * l->out; i++)
    sn_activation_backward(c->base.shape.activation, n, padded + i * c->convolution.span + c->convolution.reach,
                           slopes ? slopes + i * n : NULL, delta + i * n);
}

static sn_status conv_backward(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                               const double *f_bar, double *u_bar, const sn_gradient *gradient) {
  conv *c = (conv *)network;
  const double *delta = f_bar, *parameters = sn_parameters_values(network->parameters);
  (void)u; /* on the tape, padded */
  for (int k = c->layers - 1; k >= 0; k--) {
    const layer *l = &c->layer[k];
    double *in_bar = k ? c->value[k % 2] : u_bar;
    if (gradient) {
      sn_convolution_add_gradient(&c->convolution, samples, l->out, l->in, delta, padded_on(l, (double *)tape, samples),
                                  gradient->values + l->weight);
      add_bias_gradient(c, l, samples, delta, gradient->values);
      sn_gradient_final_from(gradient, l->weight);
    }
    if (!in_bar) break;
    SN_TRY(sn_convolution_pad(&c->convolution, samples * l->out, delta, c->padded));
    memset(in_bar, 0, (size_t)(samples * l->in * network->points) * sizeof *in_bar);
    sn_convolution_add_transposed(&c->convolution, samples, l->out, l->in, parameters + l->weight, c->padded, in_bar);
    if (k) backward_activation(c, k - 1, samples, (double *)tape, in_bar);
    delta = in_bar;
  }
  return SN_OK;
}

static sn_status conv_tangent(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                              const double *du, const double *dtheta, double *df) {
  conv *c = (conv *)network;
  const double *in = du, *parameters = sn_parameters_values(network->parameters);
  (void)u;
  for (int k = 0; k < c->layers; k++) {
    const layer *l = &c->layer[k];
    double *dz = l->last ? df : c->value[k % 2];
    begin(c, l, samples, dtheta, dz);
    if (dtheta) correlate(c, l, samples, dtheta, padded_on(l, (double *)tape, samples), dz);
    if (in) {
      SN_TRY(sn_convolution_pad(&c->convolution, samples * l->in, in, c->padded));
      correlate(c, l, samples, parameters, c->padded, dz);
    }
    if (!l->last) backward_activation(c, k, samples, (double *)tape, dz);
    in = dz;
  }
  return SN_OK;
}

static ptrdiff_t conv_tape_size(const sn_network *network, ptrdiff_t samples) {
  return samples * ((const conv *)network)->tape_width;
}

static void conv_destroy(sn_network *network) {
  conv *c = (conv *)network;
  sn_convolution_destroy(&c->convolution);
  SN_FREE(c->own_tape);
  SN_FREE(c->padded);
  for (int k = 0; k < 2; k++) SN_FREE(c->value[k]);
}

static const sn_network_ops ops = {.destroy = conv_destroy,
                                   .tape_size = conv_tape_size,
                                   .forward = conv_forward,
                                   .backward = conv_backward,
                                   .tangent = conv_tangent};

static sn_status add_layer(conv *c, int k) {
  layer *l = &c->layer[k];
  const sn_network_shape *shape = &c->base.shape;
  l->last = k == c->layers - 1;
  l->in = k ? shape->width[k - 1] : 1;
  l->out = l->last ? 1 : shape->width[k];
  l->padded = c->tape_width;
  c->tape_width += l->in * c->convolution.span;
  l->slope = c->tape_width;
  if (!l->last && sn_activation_keeps_slope(shape->activation)) c->tape_width += l->out * c->base.points;

  sn_parameter_block weight = {.dimensions = 3,
                               .shape = {l->out, l->in, c->convolution.kernel},
                               .count = {l->out, l->in, c->convolution.kernel},
                               .partial = true,
                               .trainable = true};
  sn_parameter_block bias = {.dimensions = 1, .shape = {l->out}, .count = {l->out}, .partial = true, .trainable = true};
  snprintf(weight.name, sizeof weight.name, "nonlinear/layer_%d/weight", k);
  snprintf(bias.name, sizeof bias.name, "nonlinear/layer_%d/bias", k);
  SN_TRY(sn_parameters_add(c->base.parameters, &weight));
  SN_TRY(sn_parameters_add(c->base.parameters, &bias));
  l->weight = weight.offset;
  l->bias = bias.offset;
  return SN_OK;
}

static sn_status add_layers(conv *c) {
  for (int k = 0; k < c->layers; k++) SN_TRY(add_layer(c, k));
  return SN_OK;
}

static sn_status build(conv *c) {
  const ptrdiff_t samples = c->base.samples;
  const sn_network_shape *shape = &c->base.shape;
  ptrdiff_t most = 1;
  for (int k = 0; k < shape->hidden; k++)
    if (shape->width[k] > most) most = shape->width[k];
  SN_TRY(sn_convolution_create(c->base.grid, shape->kernel, samples * most, &c->convolution));
  SN_TRY(sn_collective_status(sn_grid_space(c->base.grid), add_layers(c)));
  SN_TRY(SN_NEW(samples * c->tape_width, &c->own_tape));
  SN_TRY(SN_NEW(samples * most * c->convolution.span, &c->padded));
  for (int k = 0; k < 2; k++) SN_TRY(SN_NEW(samples * most * c->base.points, &c->value[k]));
  return SN_OK;
}

static sn_status create(const sn_network *base, sn_network **out) {
  *out = NULL;
  SN_TRY(sn_convolution_check(base->grid, base->shape.kernel));
  conv *c;
  SN_TRY(sn_collective_status(sn_grid_space(base->grid), SN_NEW(1, &c)));
  c->base = *base;
  c->base.ops = &ops;
  c->layers = base->shape.hidden + 1;
  *out = &c->base;
  sn_status status = build(c);
  if (status) sn_network_destroy(out);
  return status;
}

static void choose(const sn_network_options *options, sn_network_shape *shape) {
  sn_network_set_widths(&options->channels, shape);
}

static ptrdiff_t reach(const sn_network_shape *shape) { return (shape->hidden + 1) * (ptrdiff_t)(shape->kernel / 2); }

const sn_network_type sn_network_conv = {.create = create, .weight_dimensions = 3, .reach = reach, .choose = choose};
