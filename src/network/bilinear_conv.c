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

/* Bytes of the arrays that a group of samples works on: they stay in the second-level cache. */
enum { CACHED = 1 << 19 };

typedef struct {
  sn_network base;
  sn_convolution convolution;
  ptrdiff_t channels;             /* C */
  ptrdiff_t factors, out, linear; /* offsets in the parameters */
  ptrdiff_t group, tape_width;    /* the most samples that are worked on together; doubles a sample */
  double *packed, *transposed;    /* the parameters from `factors` on, as they are read forward and backward */
  double *own_tape;               /* of a group */
  double *padded_input;           /* (group, span) */
  double *padded;                 /* (group, 2 C, span) */
  double *value;                  /* (group, 2 C, points) */
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
  return samples * ((const bilinear *)network)->tape_width;
}

/* Weights, and those of the transpose, as the kernels read them. */
static const double *packed(const bilinear *p, ptrdiff_t weight) { return p->packed + weight - p->factors; }
static const double *transposed(const bilinear *p, ptrdiff_t weight) { return p->transposed + weight - p->factors; }

/* What is done to the channels of a sample when a block of points is there. */
typedef struct {
  const bilinear *network;
  const double *factors; /* (samples, 2 C, points): p * u and q * u */
  const double *given;   /* what comes from a convolution: their tangents, or (samples, C, points) the product's bar */
  sn_rows made;          /* (samples, C rows), or 2 C of them from a bar */
} products;

/* made = p q */
static void multiply_factors(void *context, ptrdiff_t sample, ptrdiff_t first, ptrdiff_t count) {
  const products *x = context;
  const ptrdiff_t channels = x->network->channels, n = x->network->base.points;
  for (ptrdiff_t k = 0; k < channels; k++) {
    const double *p = x->factors + (2 * sample * channels + k) * n + first, *q = p + channels * n;
    double *restrict made = x->made.values + (sample * channels + k) * x->made.stride + first;
    for (ptrdiff_t j = 0; j < count; j++) made[j] = p[j] * q[j];
  }
}

/* made = p dq + dp q */
static void multiply_across(void *context, ptrdiff_t sample, ptrdiff_t first, ptrdiff_t count) {
  const products *x = context;
  const ptrdiff_t channels = x->network->channels, n = x->network->base.points;
  for (ptrdiff_t k = 0; k < channels; k++) {
    const ptrdiff_t at = (2 * sample * channels + k) * n + first;
    const double *p = x->factors + at, *q = p + channels * n, *dp = x->given + at, *dq = dp + channels * n;
    double *restrict made = x->made.values + (sample * channels + k) * x->made.stride + first;
    for (ptrdiff_t j = 0; j < count; j++) made[j] = p[j] * dq[j] + dp[j] * q[j];
  }
}

/* The derivatives by p and q from `bar`, that by p q: made = bar q, bar p. */
static void factors_backward(void *context, ptrdiff_t sample, ptrdiff_t first, ptrdiff_t count) {
  const products *x = context;
  const ptrdiff_t channels = x->network->channels, n = x->network->base.points;
  for (ptrdiff_t k = 0; k < channels; k++) {
    const double *p = x->factors + (2 * sample * channels + k) * n + first, *q = p + channels * n;
    const double *bar = x->given + (sample * channels + k) * n + first;
    double *restrict p_bar = x->made.values + (2 * sample * channels + k) * x->made.stride + first;
    double *restrict q_bar = p_bar + channels * x->made.stride;
    for (ptrdiff_t j = 0; j < count; j++) {
      p_bar[j] = bar[j] * q[j];
      q_bar[j] = bar[j] * p[j];
    }
  }
}

/* The passes of a group, whose tape is this one. */
static sn_status forward_group(bilinear *p, ptrdiff_t samples, const double *u, double *f, double *tape) {
  sn_convolution *c = &p->convolution;
  const ptrdiff_t channels = p->channels;
  const parts at = parts_of(p, samples, tape);
  const sn_convolution_term input = {packed(p, p->factors), 1, at.input};
  const sn_convolution_term sums[] = {{packed(p, p->out), channels, at.products}, {packed(p, p->linear), 1, at.input}};
  products x = {.network = p, .factors = at.factors, .made = sn_convolution_interior(c, at.products)};
  SN_TRY(sn_convolution_pad(c, samples, u, at.input));
  sn_convolution_apply(c, samples, 2 * channels, 1, &input, NULL, sn_convolution_plain(c, at.factors), multiply_factors,
                       &x);
  SN_TRY(sn_convolution_fill_halos(c, samples * channels, at.products));
  sn_convolution_apply(c, samples, 1, 2, sums, NULL, sn_convolution_plain(c, f), NULL, NULL);
  return SN_OK;
}

static void add_gradient(const bilinear *p, ptrdiff_t samples, const parts *at, const double *f_bar,
                         const sn_gradient *gradient) {
  const sn_convolution *c = &p->convolution;
  const sn_rows bar = sn_convolution_plain(c, f_bar), factors = sn_convolution_interior(c, p->padded);
  sn_convolution_add_gradient(c, samples, 1, p->channels, bar, at->products, gradient->values + p->out);
  sn_convolution_add_gradient(c, samples, 1, 1, bar, at->input, gradient->values + p->linear);
  sn_convolution_add_gradient(c, samples, 2 * p->channels, 1, factors, at->input, gradient->values + p->factors);
}

static sn_status backward_group(bilinear *p, ptrdiff_t samples, const double *tape, const double *f_bar, double *u_bar,
                                const sn_gradient *gradient) {
  sn_convolution *c = &p->convolution;
  const ptrdiff_t channels = p->channels;
  const parts at = parts_of(p, samples, tape);
  const sn_convolution_term bar = {transposed(p, p->out), 1, p->padded_input};
  const sn_convolution_term sums[] = {{transposed(p, p->factors), 2 * channels, p->padded},
                                      {transposed(p, p->linear), 1, p->padded_input}};
  products x = {.network = p, .factors = at.factors, .given = p->value, .made = sn_convolution_interior(c, p->padded)};
  SN_TRY(sn_convolution_pad(c, samples, f_bar, p->padded_input));
  sn_convolution_apply(c, samples, channels, 1, &bar, NULL, sn_convolution_plain(c, p->value), factors_backward, &x);
  if (u_bar) SN_TRY(sn_convolution_begin_halos(c, samples * 2 * channels, p->padded));
  if (gradient) add_gradient(p, samples, &at, f_bar, gradient);
  if (!u_bar) return SN_OK;
  SN_TRY(sn_convolution_end_halos(c, samples * 2 * channels, p->padded));
  sn_convolution_apply(c, samples, 1, 2, sums, NULL, sn_convolution_plain(c, u_bar), NULL, NULL);
  return SN_OK;
}

static sn_status tangent_group(bilinear *p, ptrdiff_t samples, const double *tape, const double *du,
                               const double *dtheta, double *df) {
  sn_convolution *c = &p->convolution;
  const ptrdiff_t channels = p->channels;
  const parts at = parts_of(p, samples, tape);
  const sn_rows factors = sn_convolution_plain(c, p->value), out = sn_convolution_plain(c, df);
  const sn_convolution_term input = {packed(p, p->factors), 1, p->padded_input};
  const sn_convolution_term sums[] = {{packed(p, p->out), channels, p->padded},
                                      {packed(p, p->linear), 1, p->padded_input}};
  products x = {.network = p, .factors = at.factors, .given = p->value, .made = sn_convolution_interior(c, p->padded)};
  if (du) SN_TRY(sn_convolution_pad(c, samples, du, p->padded_input));
  sn_convolution_apply(c, samples, 2 * channels, du ? 1 : 0, &input, NULL, factors, dtheta ? NULL : multiply_across,
                       &x);
  if (dtheta) sn_convolution_add_sparse(c, samples, 2 * channels, 1, dtheta + p->factors, at.input, factors);
  for (ptrdiff_t s = 0; s < samples && dtheta; s++) multiply_across(&x, s, 0, p->base.points);
  SN_TRY(sn_convolution_fill_halos(c, samples * channels, p->padded));
  sn_convolution_apply(c, samples, 1, du ? 2 : 1, sums, NULL, out, NULL, NULL);
  if (!dtheta) return SN_OK;
  sn_convolution_add_sparse(c, samples, 1, 1, dtheta + p->linear, at.input, out);
  sn_convolution_add_sparse(c, samples, 1, channels, dtheta + p->out, at.products, out);
  return SN_OK;
}

/* The samples of a pass, group by group: each has a tape of its own, one after the other. */
static ptrdiff_t group_of(const bilinear *p, ptrdiff_t left) { return left < p->group ? left : p->group; }

static sn_status forward(sn_network *network, ptrdiff_t samples, const double *u, double *f, double *tape) {
  bilinear *p = (bilinear *)network;
  for (ptrdiff_t s = 0, count; s < samples; s += count) {
    count = group_of(p, samples - s);
    SN_TRY(forward_group(p, count, u + s * network->points, f + s * network->points,
                         tape ? tape + s * p->tape_width : p->own_tape));
  }
  return SN_OK;
}

static sn_status backward(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                          const double *f_bar, double *u_bar, const sn_gradient *gradient) {
  bilinear *p = (bilinear *)network;
  (void)u; /* on the tape, padded */
  for (ptrdiff_t s = 0, count; s < samples; s += count) {
    count = group_of(p, samples - s);
    SN_TRY(backward_group(p, count, tape + s * p->tape_width, f_bar + s * network->points,
                          u_bar ? u_bar + s * network->points : NULL, gradient));
  }
  if (gradient) sn_gradient_final_from(gradient, p->factors);
  return SN_OK;
}

static sn_status tangent(sn_network *network, ptrdiff_t samples, const double *u, const double *tape, const double *du,
                         const double *dtheta, double *df) {
  bilinear *p = (bilinear *)network;
  (void)u;
  for (ptrdiff_t s = 0, count; s < samples; s += count) {
    count = group_of(p, samples - s);
    SN_TRY(tangent_group(p, count, tape + s * p->tape_width, du ? du + s * network->points : NULL, dtheta,
                         df + s * network->points));
  }
  return SN_OK;
}

static void update(sn_network *network) {
  const bilinear *p = (const bilinear *)network;
  const sn_convolution *c = &p->convolution;
  const double *theta = sn_parameters_values(network->parameters);
  const struct {
    ptrdiff_t weight, out, in;
  } weights[] = {{p->factors, 2 * p->channels, 1}, {p->out, 1, p->channels}, {p->linear, 1, 1}};
  for (size_t k = 0; k < sizeof weights / sizeof *weights; k++) {
    const ptrdiff_t at = weights[k].weight;
    sn_convolution_pack(c, weights[k].out, weights[k].in, theta + at, p->packed + at - p->factors);
    sn_convolution_pack_transposed(c, weights[k].out, weights[k].in, theta + at, p->transposed + at - p->factors);
  }
}

static void destroy(sn_network *network) {
  bilinear *p = (bilinear *)network;
  sn_convolution_destroy(&p->convolution);
  SN_FREE(p->packed);
  SN_FREE(p->transposed);
  SN_FREE(p->own_tape);
  SN_FREE(p->padded_input);
  SN_FREE(p->padded);
  SN_FREE(p->value);
}

static const sn_network_ops ops = {.destroy = destroy,
                                   .tape_size = tape_size,
                                   .update = update,
                                   .forward = forward,
                                   .backward = backward,
                                   .tangent = tangent};

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

/* A message between space ranks is of all samples: they wait for fewer of them. */
static ptrdiff_t choose_group(const bilinear *p) {
  const ptrdiff_t bytes = (p->tape_width + 4 * p->channels * p->convolution.span) * (ptrdiff_t)sizeof(double);
  const ptrdiff_t fit = CACHED / bytes;
  if (sn_grid_space_size(p->base.grid) > 1 || fit >= p->base.samples) return p->base.samples;
  return fit > 1 ? fit : 1;
}

static sn_status build(bilinear *p) {
  const ptrdiff_t samples = p->base.samples, channels = p->channels;
  SN_TRY(sn_convolution_create(p->base.grid, p->base.shape.kernel, samples * 2 * channels, &p->convolution));
  SN_TRY(sn_collective_status(sn_grid_space(p->base.grid), add_weights(p)));
  const ptrdiff_t span = p->convolution.span, weights = p->linear - p->factors + p->convolution.kernel;
  p->tape_width = (1 + channels) * span + 2 * channels * p->base.points;
  p->group = choose_group(p);
  SN_TRY(SN_NEW(weights, &p->packed));
  SN_TRY(SN_NEW(weights, &p->transposed));
  SN_TRY(SN_NEW(p->group * p->tape_width, &p->own_tape));
  SN_TRY(SN_NEW(p->group * span, &p->padded_input));
  SN_TRY(SN_NEW(p->group * 2 * channels * span, &p->padded));
  return SN_NEW(p->group * 2 * channels * p->base.points, &p->value);
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

const sn_network_type sn_network_bilinear = {
    .create = create, .weight_dimensions = 3, .choose = choose, .set_layers = set_layers};
