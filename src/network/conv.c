/*
 * The convolutional network: periodic 1-D cross-correlations over channels,
 *
 *   z[o, j] = b[o] + sum_{i, k} W[o, i, k] a[i, j + k - kernel/2]
 *
 * Everything is local but a halo of kernel/2 points a layer and direction. A layer's input is on the tape with its halo
 * ("padded"), for the weights' gradient; of a single long row that of the second layer is made anew from that of the
 * first, which has one channel, rather than brought back from memory. Weights are replicated; a rank's backward pass
 * computes its own share of their gradient only.
 */
#include <stdio.h>
#include <string.h>

#include "activation.h"
#include "conv_kernel.h"
#include "network_ops.h"
#include "sinode/memory.h"

/* Points of a row from which on the second layer's input is made anew. */
enum { REMADE_LEAST = 1024 };

typedef struct {
  bool last;
  ptrdiff_t in, out;         /* channels */
  ptrdiff_t weight, bias;    /* offsets in the parameters */
  ptrdiff_t padded, slope;   /* offsets in a tape of one sample: padded input; slopes of the output (gelu) */
  real *packed, *transposed; /* the weight, as it is read forward and backward */
  real *derivative;          /* (group, out, span): by the output, or of it along a direction */
} layer;

typedef struct {
  sn_network base;
  int layers;
  layer layer[SN_NETWORK_HIDDEN_MOST + 1];
  sn_convolution convolution;
  ptrdiff_t group;      /* the most samples that pass through the layers together */
  ptrdiff_t block;      /* points of a long row that do */
  ptrdiff_t tape_width; /* numbers a sample */
  real *own_tape;       /* of a group */
  real *remade;         /* (1, channels, span): the second layer's padded input; NULL: it is on the tape */
  real *result;         /* (group, points), in single precision */
  sn_convolution_window window;
} conv;

/* A pass of a group of samples, whose tape this is. */
typedef struct {
  conv *network;
  ptrdiff_t samples;
  real *tape;
  double *f, *u_bar; /* what is computed in the end: forward and along a direction; backward (NULL: not wanted) */
  const double *du, *dtheta;           /* the direction; NULL for 0 */
  const sn_gradient *gradient;         /* NULL: not wanted */
  const sn_convolution_window *window; /* where F is wanted; NULL: everywhere */
} pass;

static real *padded_on(const pass *p, const layer *l) {
  const conv *c = p->network;
  return c->remade && l == c->layer + 1 ? c->remade : p->tape + p->samples * l->padded;
}

/* Of a layer's input, along a direction: where the layer before left it; du takes the place of the last one's output.
 */
static real *tangent_of_input(const pass *p, const layer *l) {
  const conv *c = p->network;
  return l > c->layer ? (l - 1)->derivative : c->layer[c->layers - 1].derivative;
}

/* What becomes of a layer's output z. */
typedef struct {
  sn_activation activation;
  ptrdiff_t out;
  sn_rows z, values; /* values: of the output, where z is its derivative */
  real *slopes;      /* (gelu; else NULL) */
  ptrdiff_t points;
} layer_output;

static sn_convolution_result result_of(const pass *p, double *states) {
  const conv *c = p->network;
  return sn_convolution_result_of(&c->convolution, states, c->base.points, c->result);
}

static layer_output output_of(const pass *p, const layer *l, sn_rows z) {
  const conv *c = p->network;
  layer_output o = {.activation = c->base.shape.activation, .out = l->out, .z = z, .points = c->base.points};
  if (l->last) return o;
  o.values = sn_convolution_interior(&c->convolution, padded_on(p, l + 1));
  if (sn_activation_keeps_slope(o.activation)) o.slopes = p->tape + p->samples * l->slope;
  return o;
}

static real *at(sn_rows rows, ptrdiff_t row, ptrdiff_t first) { return rows.values + row * rows.stride + first; }

static real *slopes_at(const layer_output *o, ptrdiff_t row, ptrdiff_t first) {
  return o->slopes ? o->slopes + row * o->points + first : NULL;
}

static void activate(void *context, ptrdiff_t sample, ptrdiff_t first, ptrdiff_t count) {
  const layer_output *o = context;
  for (ptrdiff_t row = sample * o->out; row < (sample + 1) * o->out; row++)
    SN_REAL(sn_activation_apply)(o->activation, count, at(o->z, row, first), slopes_at(o, row, first));
}

/* From the derivative by the activation's value, or along it, to that by its argument, or along that. */
static void activate_derivative(void *context, ptrdiff_t sample, ptrdiff_t first, ptrdiff_t count) {
  const layer_output *o = context;
  for (ptrdiff_t row = sample * o->out; row < (sample + 1) * o->out; row++) {
    const real *values = at(o->values, row, first), *slopes = slopes_at(o, row, first);
    SN_REAL(sn_activation_backward)(o->activation, count, values, slopes, at(o->z, row, first));
  }
}

/* A convolution of which the derivative by a value, or along it, becomes that by its argument, or along that. */
static void apply_derivative(const sn_convolution *c, sn_convolution_part part, int terms,
                             const sn_convolution_term *term, layer_output *o) {
  const sn_convolution_epilogue gated = {.gate = o->values}, *e = o->activation == SN_ACTIVATION_RELU ? &gated : NULL;
  sn_convolution_apply(c, part, o->out, terms, term, e, o->z, e ? NULL : activate_derivative, o);
}

static void forward_work(void *context, int stage, sn_convolution_part part) {
  const pass *p = context;
  const sn_convolution *c = &p->network->convolution;
  const layer *l = &p->network->layer[stage];
  const double *bias = sn_parameters_values(p->network->base.parameters) + l->bias;
  const bool rectifies = !l->last && p->network->base.shape.activation == SN_ACTIVATION_RELU;
  const sn_convolution_epilogue epilogue = {.bias = bias, .rectifies = rectifies};
  const sn_convolution_term term = {l->packed, l->in, padded_on(p, l)};
  sn_convolution_result f = result_of(p, p->f);
  layer_output o = output_of(p, l, l->last ? f.rows : sn_convolution_interior(c, padded_on(p, l + 1)));
  if (l->last)
    sn_convolution_apply(c, part, 1, 1, &term, &epilogue, o.z, sn_convolution_give, &f);
  else
    sn_convolution_apply(c, part, l->out, 1, &term, &epilogue, o.z, rectifies ? NULL : activate, &o);
}

static real *forward_output(void *context, int stage, ptrdiff_t *rows) {
  const pass *p = context;
  *rows = p->network->layer[stage].out;
  return padded_on(p, &p->network->layer[stage + 1]);
}

/* Stage 0 is the last layer. From the derivative by a layer's output to that by its input. */
static void backward_work(void *context, int stage, sn_convolution_part part) {
  const pass *p = context;
  const sn_convolution *c = &p->network->convolution;
  const layer *l = &p->network->layer[p->network->layers - 1 - stage];
  const sn_rows delta = sn_convolution_interior(c, l->derivative);
  const sn_convolution_part given = sn_convolution_given_part(c, p->window, part);
  if (p->gradient) {
    double *weight = p->gradient->values + l->weight;
    if (l->last && l->in > 1)
      sn_convolution_add_single_gradient(c, part, l->in, l->derivative, sn_convolution_interior(c, padded_on(p, l)),
                                         weight);
    else
      sn_convolution_add_gradient(c, given, l->out, l->in, delta, padded_on(p, l), weight);
    sn_convolution_add_sums(given, l->out, delta, p->gradient->values + l->bias);
  }
  const sn_convolution_term term = {l->transposed, l->out, l->derivative};
  if (l > p->network->layer) {
    layer_output o = output_of(p, l - 1, sn_convolution_interior(c, (l - 1)->derivative));
    apply_derivative(c, part, 1, &term, &o);
  } else if (p->u_bar) {
    sn_convolution_result u_bar = result_of(p, p->u_bar);
    sn_convolution_apply(c, part, l->in, 1, &term, NULL, u_bar.rows, sn_convolution_give, &u_bar);
  }
}

static real *backward_output(void *context, int stage, ptrdiff_t *rows) {
  const pass *p = context;
  const layer *l = &p->network->layer[p->network->layers - 2 - stage];
  *rows = l->out;
  return l > p->network->layer || p->u_bar ? l->derivative : NULL;
}

static void tangent_work(void *context, int stage, sn_convolution_part part) {
  const pass *p = context;
  const sn_convolution *c = &p->network->convolution;
  const layer *l = &p->network->layer[stage];
  sn_convolution_result df = result_of(p, p->f);
  layer_output o = output_of(p, l, l->last ? df.rows : sn_convolution_interior(c, l->derivative));
  const sn_convolution_term term = {l->packed, l->in, tangent_of_input(p, l)};
  const int terms = stage || p->du;
  if (!p->dtheta && l->last) {
    sn_convolution_apply(c, part, 1, terms, &term, NULL, o.z, sn_convolution_give, &df);
  } else if (!p->dtheta) {
    apply_derivative(c, part, terms, &term, &o);
  } else {
    const sn_convolution_epilogue epilogue = {.bias = p->dtheta + l->bias};
    sn_convolution_apply(c, part, l->out, terms, &term, &epilogue, o.z, NULL, NULL);
    sn_convolution_add_sparse(c, part, l->out, l->in, p->dtheta + l->weight, padded_on(p, l), o.z);
    sn_convolution_finish_part(part, l->last ? sn_convolution_give : activate_derivative, l->last ? (void *)&df : &o);
  }
}

static real *tangent_output(void *context, int stage, ptrdiff_t *rows) {
  const pass *p = context;
  *rows = p->network->layer[stage].out;
  return p->network->layer[stage].derivative;
}

static sn_status run(pass *p, real *given, sn_convolution_work work, sn_convolution_output output) {
  const sn_convolution_pass stages = {p->network->layers, work, output, p, p->window, given, given ? p->u_bar : p->f};
  return sn_convolution_run(&p->network->convolution, p->samples, p->network->block, &stages);
}

/* A tape is one of groups, one after the other. */
static pass pass_of(conv *c, ptrdiff_t samples, ptrdiff_t first, const double *tape) {
  const ptrdiff_t left = samples - first;
  return (pass){.network = c,
                .samples = left < c->group ? left : c->group,
                .window = sn_convolution_find_window(&c->convolution, c->base.range, c->layers, c->block, &c->window),
                .tape = tape ? (real *)tape + c->convolution.lead + first * c->tape_width : c->own_tape};
}

/* What a pass that comes back to the tape of another does not find there. */
static sn_status remake(pass *p) {
  conv *c = p->network;
  if (!c->remade) return SN_OK;
  forward_work(p, 0, sn_convolution_window_part(&c->convolution, p->window, 1, c->layers - 1));
  return p->window ? SN_OK : sn_convolution_fill_halos(&c->convolution, c->layer[0].out, c->remade);
}

static sn_status conv_forward(sn_network *network, ptrdiff_t samples, const double *u, double *f, double *tape) {
  conv *c = (conv *)network;
  const ptrdiff_t n = network->points;
  for (ptrdiff_t s = 0; s < samples; s += c->group) {
    pass p = pass_of(c, samples, s, tape);
    p.f = f + s * n;
    SN_TRY(sn_convolution_pad(&c->convolution, p.samples, u + s * n, padded_on(&p, c->layer)));
    SN_TRY(run(&p, NULL, forward_work, forward_output));
  }
  return SN_OK;
}

static sn_status conv_backward(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                               const double *f_bar, double *u_bar, const sn_gradient *gradient) {
  conv *c = (conv *)network;
  const ptrdiff_t n = network->points;
  const layer *last = &c->layer[c->layers - 1];
  (void)u; /* on the tape, padded */
  for (ptrdiff_t s = 0; s < samples; s += c->group) {
    pass p = pass_of(c, samples, s, tape);
    p.u_bar = u_bar ? u_bar + s * n : NULL;
    p.gradient = gradient;
    SN_TRY(remake(&p));
    sn_convolution_copy(&c->convolution, p.samples, f_bar + s * n, last->derivative);
    if (c->layers > 1 || u_bar) SN_TRY(sn_convolution_fill_halos(&c->convolution, p.samples, last->derivative));
    SN_TRY(run(&p, last->derivative, backward_work, backward_output));
  }
  sn_gradient_final_from(gradient, c->layer[0].weight);
  return SN_OK;
}

static sn_status conv_tangent(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                              const double *du, const double *dtheta, double *df) {
  conv *c = (conv *)network;
  const ptrdiff_t n = network->points;
  (void)u;
  for (ptrdiff_t s = 0; s < samples; s += c->group) {
    pass p = pass_of(c, samples, s, tape);
    p.f = df + s * n;
    p.du = du ? du + s * n : NULL;
    p.dtheta = dtheta;
    SN_TRY(remake(&p));
    if (du) SN_TRY(sn_convolution_pad(&c->convolution, p.samples, p.du, tangent_of_input(&p, c->layer)));
    SN_TRY(run(&p, NULL, tangent_work, tangent_output));
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
  const conv *c = (const conv *)network;
  return sn_convolution_doubles(c->convolution.lead + samples * c->tape_width);
}

static void conv_destroy(sn_network *network) {
  conv *c = (conv *)network;
  sn_convolution_destroy(&c->convolution);
  sn_convolution_free(&c->convolution, &c->own_tape);
  sn_convolution_free(&c->convolution, &c->remade);
  SN_FREE(c->result);
  for (int k = 0; k < c->layers; k++) {
    SN_FREE(c->layer[k].packed);
    SN_FREE(c->layer[k].transposed);
    sn_convolution_free(&c->convolution, &c->layer[k].derivative);
  }
}

static const sn_network_ops ops = {.destroy = conv_destroy,
                                   .tape_size = conv_tape_size,
                                   .update = conv_update,
                                   .forward = conv_forward,
                                   .backward = conv_backward,
                                   .tangent = conv_tangent};

static bool remakes(const conv *c) {
  return c->layers > 1 && c->base.samples == 1 && c->base.points >= REMADE_LEAST &&
         !sn_activation_keeps_slope(c->base.shape.activation);
}

static sn_status add_layer(conv *c, int k) {
  layer *l = &c->layer[k];
  const sn_network_shape *shape = &c->base.shape;
  l->last = k == c->layers - 1;
  l->in = k ? shape->width[k - 1] : 1;
  l->out = l->last ? 1 : shape->width[k];
  l->padded = c->tape_width;
  if (k != 1 || !remakes(c)) c->tape_width += l->in * c->convolution.span;
  l->slope = c->tape_width;
  if (!l->last && sn_activation_keeps_slope(shape->activation))
    c->tape_width += l->out * sn_convolution_lines(c->base.points);

  sn_parameter_block weight = {.dimensions = 3,
                               .shape = {l->out, l->in, c->convolution.kernel},
                               .count = {l->out, l->in, c->convolution.kernel},
                               .partial = true,
                               .trainable = true,
                               .balanced = l->last && shape->conservative};
  sn_parameter_block bias = {.dimensions = 1,
                             .shape = {l->out},
                             .count = {l->out},
                             .partial = true,
                             .trainable = true,
                             .balanced = weight.balanced};
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
  const sn_network_shape *shape = &c->base.shape;
  ptrdiff_t most = 1;
  for (int k = 0; k < shape->hidden; k++)
    if (shape->width[k] > most) most = shape->width[k];
  SN_TRY(sn_convolution_create(c->base.grid, shape->kernel, c->base.samples * most, &c->convolution));
  SN_TRY(sn_collective_status(sn_grid_space(c->base.grid), add_layers(c)));
  sn_convolution_choose_pieces(&c->convolution, c->base.samples, 2 * most, &c->group, &c->block);
  SN_TRY(sn_convolution_new(&c->convolution, c->group * c->tape_width, &c->own_tape));
  if (remakes(c)) SN_TRY(sn_convolution_new(&c->convolution, c->layer[0].out * c->convolution.span, &c->remade));
  if (sizeof(real) < sizeof(double)) SN_TRY(SN_NEW(c->group * c->base.points, &c->result));
  for (layer *l = c->layer; l < c->layer + c->layers; l++) {
    SN_TRY(SN_NEW(l->out * l->in * c->convolution.kernel, &l->packed));
    SN_TRY(SN_NEW(l->out * l->in * c->convolution.kernel, &l->transposed));
    SN_TRY(sn_convolution_new(&c->convolution, c->group * l->out * c->convolution.span, &l->derivative));
  }
  return SN_OK;
}

sn_status SN_REAL(sn_conv_create)(const sn_network *base, sn_network **out) {
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

#ifndef SINODE_SINGLE
static void choose(const sn_network_options *options, sn_network_shape *shape) {
  sn_network_set_widths(&options->channels, shape);
}

static ptrdiff_t reach(const sn_network_shape *shape) { return (shape->hidden + 1) * (ptrdiff_t)(shape->kernel / 2); }

static ptrdiff_t tape_values(const sn_network_shape *shape) {
  const ptrdiff_t numbers = sn_activation_keeps_slope(shape->activation) ? 2 : 1;
  ptrdiff_t sum = 1;
  for (int k = 0; k < shape->hidden; k++) sum += numbers * shape->width[k];
  return sum;
}

const sn_network_type sn_network_conv = {.create = sn_conv_create,
                                         .create_single = sn_conv_create_single,
                                         .weight_dimensions = 3,
                                         .reach = reach,
                                         .tape_values = tape_values,
                                         .choose = choose};
#endif
