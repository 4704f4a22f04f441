/*
 * The bilinear convolution, sums of products of convolutions and a linear one (the kind `product`),
 *
 *   F(u) = r * ((p * u) (q * u)) + l * u
 *
 * over C channels, * the cross-correlation of conv_kernel.h. p and q are one weight (2 C, 1, kernel), layer_0: p its
 * first C channels, q the others; r is layer_1 (1, C, kernel), l is linear (1, 1, kernel). No biases, for F(0) = 0.
 *
 * The tape holds u with its halo, the factors p * u and q * u, and their products with halo; of a single long row u
 * alone, from which the others are made anew: that is less work than to bring them back from memory. Weights are
 * replicated; a rank's backward pass computes its own share of their gradient only.
 */
#include "bilinear_conv.h"

#include <string.h>

#include "sinode/memory.h"

/* Points of a row from which on factors and products are made anew. */
enum { REMADE_LEAST = 1024 };

sn_bilinear_parts sn_bilinear_parts_of(const sn_bilinear *p, ptrdiff_t samples, const real *tape) {
  const ptrdiff_t span = p->convolution.span;
  real *input = (real *)tape, *made = p->remakes && input != p->own_tape ? p->own_tape : input;
  return (sn_bilinear_parts){
      .input = input, .products = made + samples * span, .factors = made + samples * (1 + p->channels) * span};
}

/* Of a sample on the tape of a caller. */
static ptrdiff_t kept_width(const sn_bilinear *p) { return p->remakes ? p->convolution.span : p->tape_width; }

static ptrdiff_t tape_size(const sn_network *network, ptrdiff_t samples) {
  const sn_bilinear *p = (const sn_bilinear *)network;
  return sn_convolution_doubles(p->convolution.lead + samples * kept_width(p));
}

const real *sn_bilinear_packed(const sn_bilinear *p, ptrdiff_t weight) { return p->packed + weight - p->factors; }

const real *sn_bilinear_transposed(const sn_bilinear *p, ptrdiff_t weight) {
  return p->transposed + weight - p->factors;
}

/* What is done to the channels of a sample when a block of points is there. */
typedef struct {
  const sn_bilinear *network;
  const real *factors; /* (samples, 2 C, points): p * u and q * u */
  const real *given;   /* what comes from a convolution: their tangents, or (samples, C, points) the product's bar */
  sn_rows made;        /* (samples, C rows), or 2 C of them from a bar */
} products;

/* made = p q */
static void multiply_factors(void *context, ptrdiff_t sample, ptrdiff_t first, ptrdiff_t count) {
  const products *x = context;
  const ptrdiff_t channels = x->network->channels, n = x->network->base.points;
  for (ptrdiff_t k = 0; k < channels; k++) {
    const real *p = x->factors + (2 * sample * channels + k) * n + first, *q = p + channels * n;
    real *restrict made = x->made.values + (sample * channels + k) * x->made.stride + first;
    for (ptrdiff_t j = 0; j < count; j++) made[j] = p[j] * q[j];
  }
}

/* made = p dq + dp q */
static void multiply_across(void *context, ptrdiff_t sample, ptrdiff_t first, ptrdiff_t count) {
  const products *x = context;
  const ptrdiff_t channels = x->network->channels, n = x->network->base.points;
  for (ptrdiff_t k = 0; k < channels; k++) {
    const ptrdiff_t at = (2 * sample * channels + k) * n + first;
    const real *p = x->factors + at, *q = p + channels * n, *dp = x->given + at, *dq = dp + channels * n;
    real *restrict made = x->made.values + (sample * channels + k) * x->made.stride + first;
    for (ptrdiff_t j = 0; j < count; j++) made[j] = p[j] * dq[j] + dp[j] * q[j];
  }
}

/* The derivatives by p and q from `bar`, that by p q: made = bar q, bar p. */
static void factors_backward(void *context, ptrdiff_t sample, ptrdiff_t first, ptrdiff_t count) {
  const products *x = context;
  const ptrdiff_t channels = x->network->channels, n = x->network->base.points;
  for (ptrdiff_t k = 0; k < channels; k++) {
    const real *p = x->factors + (2 * sample * channels + k) * n + first, *q = p + channels * n;
    const real *bar = x->given + (sample * channels + k) * n + first;
    real *restrict p_bar = x->made.values + (2 * sample * channels + k) * x->made.stride + first;
    real *restrict q_bar = p_bar + channels * x->made.stride;
    for (ptrdiff_t j = 0; j < count; j++) {
      p_bar[j] = bar[j] * q[j];
      q_bar[j] = bar[j] * p[j];
    }
  }
}

/* A pass of a group of samples, whose tape this is. */
typedef struct {
  sn_bilinear *network;
  ptrdiff_t samples;
  sn_bilinear_parts tape;
  double *out;                         /* what is computed in the end; backward NULL: not wanted */
  const double *du, *dtheta;           /* along a direction: NULL for 0 */
  const sn_gradient *gradient;         /* NULL: not wanted */
  const sn_convolution_window *window; /* where F is wanted; NULL: everywhere */
} pass;

static sn_convolution_result result_of(const pass *p) {
  const sn_bilinear *b = p->network;
  return sn_convolution_result_of(&b->convolution, p->out, b->base.points, b->result);
}

static products products_of(const pass *p, real *padded) {
  return (products){.network = p->network,
                    .factors = p->tape.factors,
                    .given = p->network->value,
                    .made = sn_convolution_interior(&p->network->convolution, padded)};
}

/* Stage 0: the factors and their products; stage 1: F. */
static void forward_work(void *context, int stage, sn_convolution_part part) {
  const pass *p = context;
  const sn_bilinear *b = p->network;
  const sn_convolution *c = &b->convolution;
  const sn_convolution_term input = {sn_bilinear_packed(b, b->factors), 1, p->tape.input};
  const sn_convolution_term sums[] = {{sn_bilinear_packed(b, b->out), b->channels, p->tape.products},
                                      {sn_bilinear_packed(b, b->linear), 1, p->tape.input}};
  products x = products_of(p, p->tape.products);
  sn_convolution_result f = result_of(p);
  if (stage == 0)
    sn_convolution_apply(c, part, 2 * b->channels, 1, &input, NULL, sn_convolution_plain(c, p->tape.factors),
                         multiply_factors, &x);
  else
    sn_convolution_apply(c, part, 1, 2, sums, NULL, f.rows, sn_convolution_give, &f);
}

static real *forward_output(void *context, int stage, ptrdiff_t *rows) {
  const pass *p = context;
  (void)stage;
  *rows = p->network->channels;
  return p->tape.products;
}

static void add_gradient(const pass *p, sn_convolution_part part) {
  const sn_bilinear *b = p->network;
  const sn_convolution *c = &b->convolution;
  const sn_rows bar = sn_convolution_interior(c, b->padded_input), factors = sn_convolution_interior(c, b->padded);
  double *gradient = p->gradient->values;
  const sn_convolution_part given = sn_convolution_given_part(c, p->window, part); /* of bar */
  sn_convolution_add_gradient(c, given, 1, b->channels, bar, p->tape.products, gradient + b->out);
  sn_convolution_add_gradient(c, given, 1, 1, bar, p->tape.input, gradient + b->linear);
  sn_convolution_add_gradient(c, part, 2 * b->channels, 1, factors, p->tape.input, gradient + b->factors);
}

/* Stage 0: the derivatives by the factors; stage 1: by u. */
static void backward_work(void *context, int stage, sn_convolution_part part) {
  const pass *p = context;
  const sn_bilinear *b = p->network;
  const sn_convolution *c = &b->convolution;
  const sn_convolution_term bar = {sn_bilinear_transposed(b, b->out), 1, b->padded_input};
  const sn_convolution_term sums[] = {{sn_bilinear_transposed(b, b->factors), 2 * b->channels, b->padded},
                                      {sn_bilinear_transposed(b, b->linear), 1, b->padded_input}};
  products x = products_of(p, b->padded);
  sn_convolution_result u_bar = result_of(p);
  if (stage == 0) {
    sn_convolution_apply(c, part, b->channels, 1, &bar, NULL, sn_convolution_plain(c, b->value), factors_backward, &x);
    if (p->gradient) add_gradient(p, part);
  } else {
    sn_convolution_apply(c, part, 1, 2, sums, NULL, u_bar.rows, sn_convolution_give, &u_bar);
  }
}

static real *backward_output(void *context, int stage, ptrdiff_t *rows) {
  const pass *p = context;
  (void)stage;
  *rows = 2 * p->network->channels;
  return p->network->padded;
}

/* Stage 0: the tangents of the factors and of their products; stage 1: of F. */
static void tangent_work(void *context, int stage, sn_convolution_part part) {
  const pass *p = context;
  const sn_bilinear *b = p->network;
  const sn_convolution *c = &b->convolution;
  const double *dtheta = p->dtheta;
  const sn_rows factors = sn_convolution_plain(c, b->value);
  const sn_convolution_term input = {sn_bilinear_packed(b, b->factors), 1, b->padded_input};
  const sn_convolution_term sums[] = {{sn_bilinear_packed(b, b->out), b->channels, b->padded},
                                      {sn_bilinear_packed(b, b->linear), 1, b->padded_input}};
  products x = products_of(p, b->padded);
  sn_convolution_result df = result_of(p);
  if (stage) {
    sn_convolution_apply(c, part, 1, p->du ? 2 : 1, sums, NULL, df.rows, dtheta ? NULL : sn_convolution_give, &df);
    if (!dtheta) return;
    sn_convolution_add_sparse(c, part, 1, 1, dtheta + b->linear, p->tape.input, df.rows);
    sn_convolution_add_sparse(c, part, 1, b->channels, dtheta + b->out, p->tape.products, df.rows);
    sn_convolution_finish_part(part, sn_convolution_give, &df);
    return;
  }
  sn_convolution_apply(c, part, 2 * b->channels, p->du ? 1 : 0, &input, NULL, factors, dtheta ? NULL : multiply_across,
                       &x);
  if (!dtheta) return;
  sn_convolution_add_sparse(c, part, 2 * b->channels, 1, dtheta + b->factors, p->tape.input, factors);
  sn_convolution_finish_part(part, multiply_across, &x);
}

static real *tangent_output(void *context, int stage, ptrdiff_t *rows) {
  const pass *p = context;
  (void)stage;
  *rows = p->network->channels;
  return p->network->padded;
}

static sn_status run(pass *p, int stages, real *given, sn_convolution_work work, sn_convolution_output output) {
  const sn_convolution_pass all = {stages, work, output, p, p->window, given, p->out};
  return sn_convolution_run(&p->network->convolution, p->samples, p->network->block, &all);
}

/* A tape is one of groups, one after the other. */
static pass pass_of(sn_bilinear *b, ptrdiff_t samples, ptrdiff_t first, const double *tape) {
  const ptrdiff_t left = samples - first, count = left < b->group ? left : b->group;
  const real *from = tape ? (const real *)tape + b->convolution.lead + first * kept_width(b) : b->own_tape;
  return (pass){.network = b,
                .samples = count,
                .tape = sn_bilinear_parts_of(b, count, from),
                .window = sn_convolution_find_window(&b->convolution, b->base.range, 2, b->block, &b->window)};
}

/* What a pass that comes back to the tape of another needs and does not find there. */
static sn_status remake(pass *p) {
  const sn_bilinear *b = p->network;
  if (!b->remakes) return SN_OK;
  forward_work(p, 0, sn_convolution_window_part(&b->convolution, p->window, p->samples, 1));
  return p->window ? SN_OK
                   : sn_convolution_fill_halos(&p->network->convolution, p->samples * b->channels, p->tape.products);
}

static sn_status forward(sn_network *network, ptrdiff_t samples, const double *u, double *f, double *tape) {
  sn_bilinear *b = (sn_bilinear *)network;
  const ptrdiff_t n = network->points;
  for (ptrdiff_t s = 0; s < samples; s += b->group) {
    pass p = pass_of(b, samples, s, tape);
    p.out = f + s * n;
    SN_TRY(sn_convolution_pad(&b->convolution, p.samples, u + s * n, p.tape.input));
    SN_TRY(run(&p, 2, NULL, forward_work, forward_output));
  }
  return SN_OK;
}

static sn_status backward(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                          const double *f_bar, double *u_bar, const sn_gradient *gradient) {
  sn_bilinear *b = (sn_bilinear *)network;
  const ptrdiff_t n = network->points;
  (void)u; /* on the tape, padded */
  for (ptrdiff_t s = 0; s < samples; s += b->group) {
    pass p = pass_of(b, samples, s, tape);
    p.out = u_bar ? u_bar + s * n : NULL;
    p.gradient = gradient;
    SN_TRY(remake(&p));
    SN_TRY(sn_convolution_pad(&b->convolution, p.samples, f_bar + s * n, b->padded_input));
    SN_TRY(run(&p, u_bar ? 2 : 1, b->padded_input, backward_work, backward_output));
  }
  sn_gradient_final_from(gradient, b->factors);
  return SN_OK;
}

static sn_status tangent(sn_network *network, ptrdiff_t samples, const double *u, const double *tape, const double *du,
                         const double *dtheta, double *df) {
  sn_bilinear *b = (sn_bilinear *)network;
  const ptrdiff_t n = network->points;
  (void)u;
  for (ptrdiff_t s = 0; s < samples; s += b->group) {
    pass p = pass_of(b, samples, s, tape);
    p.out = df + s * n;
    p.du = du ? du + s * n : NULL;
    p.dtheta = dtheta;
    SN_TRY(remake(&p));
    if (du) SN_TRY(sn_convolution_pad(&b->convolution, p.samples, p.du, b->padded_input));
    SN_TRY(run(&p, 2, NULL, tangent_work, tangent_output));
  }
  return SN_OK;
}

static void update(sn_network *network) {
  const sn_bilinear *p = (const sn_bilinear *)network;
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
  sn_bilinear *p = (sn_bilinear *)network;
  sn_convolution_destroy(&p->convolution);
  SN_FREE(p->packed);
  SN_FREE(p->transposed);
  sn_convolution_free(&p->convolution, &p->own_tape);
  sn_convolution_free(&p->convolution, &p->padded_input);
  sn_convolution_free(&p->convolution, &p->padded);
  SN_FREE(p->value);
  SN_FREE(p->result);
  SN_FREE(p->jacobian);
  sn_convolution_free(&p->convolution, &p->rows);
  SN_FREE(p->made);
}

static const sn_network_ops ops = {.destroy = destroy,
                                   .tape_size = tape_size,
                                   .update = update,
                                   .forward = forward,
                                   .backward = backward,
                                   .tangent = tangent,
                                   .reserve_tangents = sn_bilinear_reserve_tangents,
                                   .takes_together = sn_bilinear_takes_together,
                                   .tangents = sn_bilinear_tangents};

static sn_status add_weight(const sn_bilinear *p, const char *name, bool balanced, ptrdiff_t out, ptrdiff_t in,
                            ptrdiff_t *offset) {
  sn_parameter_block block = {.dimensions = 3,
                              .shape = {out, in, p->convolution.kernel},
                              .count = {out, in, p->convolution.kernel},
                              .partial = true,
                              .trainable = true,
                              .balanced = balanced};
  strcpy(block.name, name);
  SN_TRY(sn_parameters_add(p->base.parameters, &block));
  *offset = block.offset;
  return SN_OK;
}

static sn_status add_weights(sn_bilinear *p) {
  /* The sum of r * v over the points is that of r times that of v. */
  const bool conservative = p->base.shape.conservative;
  SN_TRY(add_weight(p, "nonlinear/layer_0/weight", false, 2 * p->channels, 1, &p->factors));
  SN_TRY(add_weight(p, "nonlinear/layer_1/weight", conservative, 1, p->channels, &p->out));
  return add_weight(p, "nonlinear/linear/weight", conservative, 1, 1, &p->linear);
}

static sn_status build(sn_bilinear *p) {
  const ptrdiff_t samples = p->base.samples, channels = p->channels;
  SN_TRY(sn_convolution_create(p->base.grid, p->base.shape.kernel, samples * 2 * channels, &p->convolution));
  SN_TRY(sn_collective_status(sn_grid_space(p->base.grid), add_weights(p)));
  const ptrdiff_t span = p->convolution.span, weights = p->linear - p->factors + p->convolution.kernel;
  p->tape_width = (1 + channels) * span + sn_convolution_lines(2 * channels * p->base.points);
  p->remakes = samples == 1 && p->base.points >= REMADE_LEAST;
  sn_convolution_choose_pieces(&p->convolution, samples, 1 + 7 * channels, &p->group, &p->block);
  SN_TRY(SN_NEW(weights, &p->packed));
  SN_TRY(SN_NEW(weights, &p->transposed));
  SN_TRY(sn_convolution_new(&p->convolution, p->group * p->tape_width, &p->own_tape));
  SN_TRY(sn_convolution_new(&p->convolution, p->group * span, &p->padded_input));
  SN_TRY(sn_convolution_new(&p->convolution, p->group * 2 * channels * span, &p->padded));
  if (sizeof(real) < sizeof(double)) SN_TRY(SN_NEW(p->group * p->base.points, &p->result));
  return SN_NEW(p->group * 2 * channels * p->base.points, &p->value);
}

sn_status SN_REAL(sn_bilinear_create)(const sn_network *base, sn_network **out) {
  *out = NULL;
  SN_TRY(sn_convolution_check(base->grid, base->shape.kernel));
  sn_bilinear *p;
  SN_TRY(sn_collective_status(sn_grid_space(base->grid), SN_NEW(1, &p)));
  p->base = *base;
  p->base.ops = &ops;
  p->channels = base->shape.width[0];
  *out = &p->base;
  sn_status status = build(p);
  if (status) sn_network_destroy(out);
  return status;
}

#ifndef SINODE_SINGLE
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

static ptrdiff_t tape_values(const sn_network_shape *shape) { return 1 + 3 * shape->width[0]; }

const sn_network_type sn_network_bilinear = {.create = sn_bilinear_create,
                                             .create_single = sn_bilinear_create_single,
                                             .weight_dimensions = 3,
                                             .reach = reach,
                                             .tape_values = tape_values,
                                             .choose = choose,
                                             .set_layers = set_layers};
#endif
