/*
 * The convolutional network: periodic 1-D cross-correlations over channels,
 *
 *   z[o, j] = b[o] + sum_{i, k} W[o, i, k] a[i, j + k - kernel/2]
 *
 * Everything is local but a halo of kernel/2 points a layer and direction. Arrays are (samples, channels, local
 * points); a layer's input stands on the tape with its halo ("padded"), for the weights' gradient. Weights are
 * replicated, and a rank's backward pass gives its own share of their gradient only.
 */
#include <stdio.h>
#include <string.h>

#include "activation.h"
#include "family.h"
#include "sinode/halo.h"
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
  ptrdiff_t kernel, reach, span; /* reach: points of halo on a side; span: points of a padded row */
  ptrdiff_t tape_width;          /* doubles a sample */
  sn_halo *halo;                 /* NULL for kernel 1 */
  double *own_tape, *padded;     /* padded: (samples, most channels, span) */
  double *value[2];              /* (samples, most channels, points) */
} conv;

static void add_scaled(ptrdiff_t count, double factor, const double *restrict x, double *restrict y) {
  for (ptrdiff_t j = 0; j < count; j++) y[j] += factor * x[j];
}

static double dot(ptrdiff_t count, const double *restrict x, const double *restrict y) {
  double sum = 0;
  for (ptrdiff_t j = 0; j < count; j++) sum += x[j] * y[j];
  return sum;
}

/* Rows with their halos; the interior is copied while the halos travel. */
static sn_status pad(conv *c, ptrdiff_t rows, const double *values, double *padded) {
  const ptrdiff_t n = c->base.points, reach = c->reach;
  if (c->halo) SN_TRY(sn_halo_begin(c->halo, rows, values, n));
  for (ptrdiff_t i = 0; i < rows; i++) memcpy(padded + i * c->span + reach, values + i * n, (size_t)n * sizeof *values);
  if (!c->halo) return SN_OK;
  SN_TRY(sn_halo_end(c->halo));
  for (ptrdiff_t i = 0; i < rows; i++) {
    memcpy(padded + i * c->span, sn_halo_left(c->halo) + i * reach, (size_t)reach * sizeof *padded);
    memcpy(padded + i * c->span + reach + n, sn_halo_right(c->halo) + i * reach, (size_t)reach * sizeof *padded);
  }
  return SN_OK;
}

static void fill(ptrdiff_t count, double value, double *z) {
  for (ptrdiff_t j = 0; j < count; j++) z[j] = value;
}

/* z (samples, out, points) = W * padded (samples, in, span) + bias; NULL: no bias. */
static void correlate(const conv *c, const layer *l, ptrdiff_t samples, const double *padded, const double *bias,
                      double *z) {
  const double *weight = sn_parameters_values(c->base.parameters) + l->weight;
  const ptrdiff_t n = c->base.points;
  for (ptrdiff_t s = 0; s < samples; s++)
    for (ptrdiff_t o = 0; o < l->out; o++) {
      double *row = z + (s * l->out + o) * n;
      fill(n, bias ? bias[o] : 0, row);
      for (ptrdiff_t i = 0; i < l->in; i++)
        for (ptrdiff_t k = 0; k < c->kernel; k++)
          add_scaled(n, weight[(o * l->in + i) * c->kernel + k], padded + (s * l->in + i) * c->span + k, row);
    }
}

/* The transpose: in_bar (samples, in, points) from the padded derivative by z (samples, out, span). */
static void correlate_transposed(const conv *c, const layer *l, ptrdiff_t samples, const double *padded,
                                 double *in_bar) {
  const double *weight = sn_parameters_values(c->base.parameters) + l->weight;
  const ptrdiff_t n = c->base.points;
  memset(in_bar, 0, (size_t)(samples * l->in * n) * sizeof *in_bar);
  for (ptrdiff_t s = 0; s < samples; s++)
    for (ptrdiff_t i = 0; i < l->in; i++)
      for (ptrdiff_t o = 0; o < l->out; o++)
        for (ptrdiff_t k = 0; k < c->kernel; k++)
          add_scaled(n, weight[(o * l->in + i) * c->kernel + k], padded + (s * l->out + o) * c->span + 2 * c->reach - k,
                     in_bar + (s * l->in + i) * n);
}

/* This rank's share of the gradient of a layer's weight and bias. */
static void add_gradient(const conv *c, const layer *l, ptrdiff_t samples, const double *padded, const double *delta,
                         double *gradient) {
  const ptrdiff_t n = c->base.points;
  double *weight = gradient + l->weight, *bias = gradient + l->bias;
  for (ptrdiff_t s = 0; s < samples; s++)
    for (ptrdiff_t o = 0; o < l->out; o++) {
      const double *row = delta + (s * l->out + o) * n;
      for (ptrdiff_t j = 0; j < n; j++) bias[o] += row[j];
      for (ptrdiff_t i = 0; i < l->in; i++)
        for (ptrdiff_t k = 0; k < c->kernel; k++)
          weight[(o * l->in + i) * c->kernel + k] += dot(n, row, padded + (s * l->in + i) * c->span + k);
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
    SN_TRY(pad(c, samples * l->in, in, padded));
    correlate(c, l, samples, padded, parameters + l->bias, z);
    if (!l->last)
      sn_activation_apply(network->shape.activation, samples * l->out * n, z, slopes_on(c, l, tape, samples));
    in = z;
  }
  return SN_OK;
}

/* delta (samples, out, points) *= f'(z): the values are the interior of the next layer's padded input. */
static void pull(const conv *c, int k, ptrdiff_t samples, double *tape, double *delta) {
  const layer *l = &c->layer[k];
  const double *padded = padded_on(l + 1, tape, samples), *slopes = slopes_on(c, l, tape, samples);
  const ptrdiff_t n = c->base.points;
  for (ptrdiff_t i = 0; i < samples * l->out; i++)
    sn_activation_pull(c->base.shape.activation, n, padded + i * c->span + c->reach, slopes ? slopes + i * n : NULL,
                       delta + i * n);
}

static sn_status conv_backward(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                               const double *f_bar, double *u_bar, double *gradient) {
  conv *c = (conv *)network;
  const double *delta = f_bar;
  (void)u; /* stands on the tape, padded */
  for (int k = c->layers - 1; k >= 0; k--) {
    const layer *l = &c->layer[k];
    double *in_bar = k ? c->value[k % 2] : u_bar;
    if (gradient) {
      add_gradient(c, l, samples, padded_on(l, (double *)tape, samples), delta, gradient);
      sn_parameters_settled(network->parameters, l->weight);
    }
    if (!in_bar) break;
    SN_TRY(pad(c, samples * l->out, delta, c->padded));
    correlate_transposed(c, l, samples, c->padded, in_bar);
    if (k) pull(c, k - 1, samples, (double *)tape, in_bar);
    delta = in_bar;
  }
  return SN_OK;
}

static sn_status conv_tangent(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                              const double *du, double *df) {
  conv *c = (conv *)network;
  const double *in = du;
  (void)u;
  for (int k = 0; k < c->layers; k++) {
    const layer *l = &c->layer[k];
    double *dz = l->last ? df : c->value[k % 2];
    SN_TRY(pad(c, samples * l->in, in, c->padded));
    correlate(c, l, samples, c->padded, NULL, dz);
    if (!l->last) pull(c, k, samples, (double *)tape, dz);
    in = dz;
  }
  return SN_OK;
}

static ptrdiff_t conv_tape_size(const sn_network *network, ptrdiff_t samples) {
  return samples * ((const conv *)network)->tape_width;
}

static double conv_work(const sn_network *network) {
  const conv *c = (const conv *)network;
  double work = 0;
  for (int k = 0; k < c->layers; k++)
    work += (double)(c->layer[k].in * c->layer[k].out * c->kernel) * (double)network->points;
  return work;
}

static void conv_destroy(sn_network *network) {
  conv *c = (conv *)network;
  sn_halo_destroy(&c->halo);
  sn_memory_give(&c->own_tape);
  sn_memory_give(&c->padded);
  for (int k = 0; k < 2; k++) sn_memory_give(&c->value[k]);
}

static const sn_network_ops ops = {.destroy = conv_destroy,
                                   .tape_size = conv_tape_size,
                                   .forward = conv_forward,
                                   .backward = conv_backward,
                                   .tangent = conv_tangent,
                                   .work = conv_work};

static sn_status add_layer(conv *c, int k) {
  layer *l = &c->layer[k];
  const sn_network_shape *shape = &c->base.shape;
  l->last = k == c->layers - 1;
  l->in = k ? shape->width[k - 1] : 1;
  l->out = l->last ? 1 : shape->width[k];
  l->padded = c->tape_width;
  c->tape_width += l->in * c->span;
  l->slope = c->tape_width;
  if (!l->last && sn_activation_keeps_slope(shape->activation)) c->tape_width += l->out * c->base.points;

  sn_parameter_block weight = {.dimensions = 3,
                               .shape = {l->out, l->in, c->kernel},
                               .count = {l->out, l->in, c->kernel},
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

static sn_status add_layers(conv *c, ptrdiff_t *most) {
  *most = 1;
  for (int k = 0; k < c->layers; k++) {
    SN_TRY(add_layer(c, k));
    if (c->layer[k].out > *most) *most = c->layer[k].out;
  }
  return SN_OK;
}

static sn_status build(conv *c) {
  const ptrdiff_t samples = c->base.samples;
  ptrdiff_t most;
  SN_TRY(sn_agree(sn_grid_space(c->base.grid), add_layers(c, &most)));
  if (c->reach) SN_TRY(sn_halo_create(c->base.grid, c->reach, samples * most, &c->halo));
  SN_TRY(SN_NEW(samples * c->tape_width, &c->own_tape));
  SN_TRY(SN_NEW(samples * most * c->span, &c->padded));
  for (int k = 0; k < 2; k++) SN_TRY(SN_NEW(samples * most * c->base.points, &c->value[k]));
  return SN_OK;
}

sn_status sn_conv_create(const sn_network *base, sn_network **out) {
  const int kernel = base->shape.kernel;
  *out = NULL;
  if (kernel < 1 || kernel % 2 == 0 || kernel > sn_grid_points(base->grid))
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "model.nonlinear.kernel is %d, but must be odd and at most the %td points of the grid", kernel,
                        sn_grid_points(base->grid));
  conv *c;
  SN_TRY(SN_NEW(1, &c));
  c->base = *base;
  c->base.ops = &ops;
  c->layers = base->shape.hidden + 1;
  c->kernel = kernel;
  c->reach = kernel / 2;
  c->span = base->points + 2 * c->reach;
  *out = &c->base;
  sn_status status = build(c);
  if (status) sn_network_destroy(out);
  return status;
}
