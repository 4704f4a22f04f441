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

/* Bytes of the arrays that a layer reads and writes in a group of samples: they stay in the second-level cache. */
enum { CACHED = 1 << 19 };

typedef struct {
  bool last;
  ptrdiff_t in, out;           /* channels */
  ptrdiff_t weight, bias;      /* offsets in the parameters */
  ptrdiff_t padded, slope;     /* offsets in a tape of one sample: padded input; slopes of the output (gelu) */
  double *packed, *transposed; /* the weight, as it is read forward and backward */
} layer;

typedef struct {
  sn_network base;
  int layers;
  layer layer[SN_NETWORK_HIDDEN_MOST + 1];
  sn_convolution convolution;
  ptrdiff_t group;      /* the most samples that pass through the layers together */
  ptrdiff_t tape_width; /* doubles a sample */
  double *own_tape;     /* of a group */
  double *padded[2];    /* (group, most channels, span) */
} conv;

/* A layer's output, and what its activation makes of it. */
typedef struct {
  const conv *network;
  const layer *layer;
  sn_rows z;
  double *slopes;       /* of a group (gelu) */
  const double *values; /* the padded output, where z is its derivative */
} output;

static double *padded_on(const layer *l, double *tape, ptrdiff_t samples) { return tape + samples * l->padded; }

static double *slopes_on(const conv *c, const layer *l, double *tape, ptrdiff_t samples) {
  return sn_activation_keeps_slope(c->base.shape.activation) ? tape + samples * l->slope : NULL;
}

static double *slopes_at(const output *o, ptrdiff_t row, ptrdiff_t first) {
  return o->slopes ? o->slopes + row * o->network->base.points + first : NULL;
}

static void activate(void *context, ptrdiff_t sample, ptrdiff_t first, ptrdiff_t count) {
  const output *o = context;
  for (ptrdiff_t row = sample * o->layer->out; row < (sample + 1) * o->layer->out; row++)
    sn_activation_apply(o->network->base.shape.activation, count, o->z.values + row * o->z.stride + first,
                        slopes_at(o, row, first));
}

/* z is a derivative by the activation's value, or along it, and becomes one by its argument, or along that. */
static void activate_derivative(void *context, ptrdiff_t sample, ptrdiff_t first, ptrdiff_t count) {
  const output *o = context;
  const sn_convolution *c = &o->network->convolution;
  for (ptrdiff_t row = sample * o->layer->out; row < (sample + 1) * o->layer->out; row++)
    sn_activation_backward(o->network->base.shape.activation, count, o->values + row * c->span + c->reach + first,
                           slopes_at(o, row, first), o->z.values + row * o->z.stride + first);
}

/* The passes of a group, whose tape is this one. */
static sn_status forward_group(conv *c, ptrdiff_t samples, const double *u, double *f, double *tape) {
  const double *parameters = sn_parameters_values(c->base.parameters);
  SN_TRY(sn_convolution_pad(&c->convolution, samples, u, padded_on(&c->layer[0], tape, samples)));
  for (const layer *l = c->layer; l < c->layer + c->layers; l++) {
    double *next = l->last ? NULL : padded_on(l + 1, tape, samples);
    output o = {.network = c, .layer = l, .slopes = slopes_on(c, l, tape, samples)};
    o.z = l->last ? sn_convolution_plain(&c->convolution, f) : sn_convolution_interior(&c->convolution, next);
    const sn_convolution_term term = {l->packed, l->in, padded_on(l, tape, samples)};
    sn_convolution_apply(&c->convolution, samples, l->out, 1, &term, parameters + l->bias, o.z,
                         l->last ? NULL : activate, &o);
    if (!l->last) SN_TRY(sn_convolution_fill_halos(&c->convolution, samples * l->out, next));
  }
  return SN_OK;
}

/* From delta, the padded derivative by a layer's output, whose halo is still due, to that by its input (NULL: not
 * wanted).
 */
static sn_status backward_layer(conv *c, const layer *l, ptrdiff_t samples, double *tape, double *delta, sn_rows in_bar,
                                const sn_gradient *gradient) {
  const sn_rows inner = sn_convolution_interior(&c->convolution, delta);
  if (in_bar.values) SN_TRY(sn_convolution_begin_halos(&c->convolution, samples * l->out, delta));
  if (gradient) {
    sn_convolution_add_gradient(&c->convolution, samples, l->out, l->in, inner, padded_on(l, tape, samples),
                                gradient->values + l->weight);
    sn_convolution_add_sums(&c->convolution, samples, l->out, inner, gradient->values + l->bias);
  }
  if (!in_bar.values) return SN_OK;
  SN_TRY(sn_convolution_end_halos(&c->convolution, samples * l->out, delta));
  const bool first = l == c->layer;
  output o = {.network = c, .layer = l - !first, .z = in_bar, .values = padded_on(l, tape, samples)};
  o.slopes = first ? NULL : slopes_on(c, l - 1, tape, samples);
  const sn_convolution_term term = {l->transposed, l->out, delta};
  sn_convolution_apply(&c->convolution, samples, l->in, 1, &term, NULL, in_bar, first ? NULL : activate_derivative, &o);
  return SN_OK;
}

/* The gradient is told of a layer that is done with by the last group. */
static sn_status backward_group(conv *c, ptrdiff_t samples, double *tape, const double *f_bar, double *u_bar,
                                const sn_gradient *gradient, bool ends) {
  sn_convolution_copy(&c->convolution, samples, f_bar, c->padded[0]);
  for (int k = c->layers - 1, side = 0; k >= 0; k--, side = 1 - side) {
    const layer *l = &c->layer[k];
    sn_rows in_bar = sn_convolution_interior(&c->convolution, c->padded[1 - side]);
    if (k == 0) in_bar = sn_convolution_plain(&c->convolution, u_bar);
    SN_TRY(backward_layer(c, l, samples, tape, c->padded[side], in_bar, gradient));
    if (gradient && ends) sn_gradient_final_from(gradient, l->weight);
  }
  return SN_OK;
}

static sn_status tangent_group(conv *c, ptrdiff_t samples, double *tape, const double *du, const double *dtheta,
                               double *df) {
  const double *in = NULL;
  if (du) SN_TRY(sn_convolution_pad(&c->convolution, samples, du, c->padded[0]));
  if (du) in = c->padded[0];
  for (int k = 0; k < c->layers; k++) {
    const layer *l = &c->layer[k];
    double *next = c->padded[(k + 1) % 2];
    const sn_rows dz =
        l->last ? sn_convolution_plain(&c->convolution, df) : sn_convolution_interior(&c->convolution, next);
    const sn_convolution_term term = {l->packed, l->in, in};
    output o = {.network = c, .layer = l, .z = dz, .slopes = slopes_on(c, l, tape, samples)};
    if (!l->last) o.values = padded_on(l + 1, tape, samples);
    const sn_convolution_finish finish = l->last ? NULL : activate_derivative;
    sn_convolution_apply(&c->convolution, samples, l->out, in ? 1 : 0, &term, dtheta ? dtheta + l->bias : NULL, dz,
                         dtheta ? NULL : finish, &o);
    if (dtheta) {
      sn_convolution_add_sparse(&c->convolution, samples, l->out, l->in, dtheta + l->weight,
                                padded_on(l, tape, samples), dz);
      for (ptrdiff_t s = 0; s < samples && finish; s++) finish(&o, s, 0, c->base.points);
    }
    if (!l->last) SN_TRY(sn_convolution_fill_halos(&c->convolution, samples * l->out, next));
    in = next;
  }
  return SN_OK;
}

/* The samples of a pass, group by group: each has a tape of its own, one after the other. */
static ptrdiff_t group_of(const conv *c, ptrdiff_t left) { return left < c->group ? left : c->group; }

static sn_status conv_forward(sn_network *network, ptrdiff_t samples, const double *u, double *f, double *tape) {
  conv *c = (conv *)network;
  for (ptrdiff_t s = 0, count; s < samples; s += count) {
    count = group_of(c, samples - s);
    SN_TRY(forward_group(c, count, u + s * network->points, f + s * network->points,
                         tape ? tape + s * c->tape_width : c->own_tape));
  }
  return SN_OK;
}

static sn_status conv_backward(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                               const double *f_bar, double *u_bar, const sn_gradient *gradient) {
  conv *c = (conv *)network;
  (void)u; /* on the tape, padded */
  for (ptrdiff_t s = 0, count; s < samples; s += count) {
    count = group_of(c, samples - s);
    SN_TRY(backward_group(c, count, (double *)tape + s * c->tape_width, f_bar + s * network->points,
                          u_bar ? u_bar + s * network->points : NULL, gradient, s + count == samples));
  }
  return SN_OK;
}

static sn_status conv_tangent(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                              const double *du, const double *dtheta, double *df) {
  conv *c = (conv *)network;
  (void)u;
  for (ptrdiff_t s = 0, count; s < samples; s += count) {
    count = group_of(c, samples - s);
    SN_TRY(tangent_group(c, count, (double *)tape + s * c->tape_width, du ? du + s * network->points : NULL, dtheta,
                         df + s * network->points));
  }
  return SN_OK;
}

static void conv_update(sn_network *network) {
  const conv *c = (const conv *)network;
  const double *parameters = sn_parameters_values(network->parameters);
  for (const layer *l = c->layer; l < c->layer + c->layers; l++) {
    sn_convolution_pack(&c->convolution, l->out, l->in, parameters + l->weight, l->packed);
    sn_convolution_pack_transposed(&c->convolution, l->out, l->in, parameters + l->weight, l->transposed);
  }
}

static ptrdiff_t conv_tape_size(const sn_network *network, ptrdiff_t samples) {
  return samples * ((const conv *)network)->tape_width;
}

static void conv_destroy(sn_network *network) {
  conv *c = (conv *)network;
  sn_convolution_destroy(&c->convolution);
  SN_FREE(c->own_tape);
  for (int k = 0; k < 2; k++) SN_FREE(c->padded[k]);
  for (int k = 0; k < c->layers; k++) {
    SN_FREE(c->layer[k].packed);
    SN_FREE(c->layer[k].transposed);
  }
}

static const sn_network_ops ops = {.destroy = conv_destroy,
                                   .tape_size = conv_tape_size,
                                   .update = conv_update,
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

/* A message between space ranks is of all samples: they wait for fewer of them. */
static ptrdiff_t choose_group(const conv *c, ptrdiff_t most) {
  const ptrdiff_t bytes = 2 * most * c->convolution.span * (ptrdiff_t)sizeof(double), fit = CACHED / bytes;
  if (sn_grid_space_size(c->base.grid) > 1 || fit >= c->base.samples) return c->base.samples;
  return fit > 1 ? fit : 1;
}

static sn_status build(conv *c) {
  const sn_network_shape *shape = &c->base.shape;
  ptrdiff_t most = 1;
  for (int k = 0; k < shape->hidden; k++)
    if (shape->width[k] > most) most = shape->width[k];
  SN_TRY(sn_convolution_create(c->base.grid, shape->kernel, c->base.samples * most, &c->convolution));
  SN_TRY(sn_collective_status(sn_grid_space(c->base.grid), add_layers(c)));
  c->group = choose_group(c, most);
  SN_TRY(SN_NEW(c->group * c->tape_width, &c->own_tape));
  for (int k = 0; k < 2; k++) SN_TRY(SN_NEW(c->group * most * c->convolution.span, &c->padded[k]));
  for (layer *l = c->layer; l < c->layer + c->layers; l++) {
    SN_TRY(SN_NEW(l->out * l->in * c->convolution.kernel, &l->packed));
    SN_TRY(SN_NEW(l->out * l->in * c->convolution.kernel, &l->transposed));
  }
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

const sn_network_type sn_network_conv = {.create = create, .weight_dimensions = 3, .choose = choose};
