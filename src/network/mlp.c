/*
 * The multilayer perceptron with weights split over the S space ranks of a replica, none held twice.
 *
 * Layers 0, 2, ... split the sum over their input: a rank holds the columns of W that meet its part of the input, and
 * the partial products are summed over the ranks, whole (MPI_Allreduce) or, in the last layer, each rank its own grid
 * points (MPI_Reduce_scatter). Layers 1, 3, ... split their output: every rank has the whole input, holds some rows of
 * W and computes its part of the output alone. Backward it is the other way round, so a pair of layers costs one
 * reduction forward and one backward. Blocks of several ranks are kept apart (rank after rank, not column after
 * column), which saves reordering and costs one matrix product a rank.
 */
#include <cblas.h>
#include <stdio.h>
#include <string.h>

#include "activation.h"
#include "family.h"
#include "sinode/count.h"
#include "sinode/memory.h"
#include "sinode/partition.h"

typedef struct {
  bool sums; /* splits the sum over its input (even layers), rather than its output */
  bool last;
  ptrdiff_t in, out; /* global widths */
  sn_range part;     /* columns (sums) or rows this rank holds */
  ptrdiff_t given;   /* inputs on this rank: part.count or in */
  ptrdiff_t kept; /* outputs on this rank after the reduction: out, part.count, or its grid points in the last layer */
  ptrdiff_t weight, bias; /* offsets in the parameters */
  ptrdiff_t tape;         /* offset of the values in a tape of one sample */
} layer;

typedef struct {
  sn_network base;
  int layers;
  layer layer[SN_NETWORK_HIDDEN_MOST + 1];
  ptrdiff_t tape_width;        /* doubles a sample */
  double *own_tape;            /* for passes whose caller keeps none */
  double *delta[3];            /* (samples, widest) */
  double *blocks;              /* (samples, points in all): the last layer's sum, rank after rank */
  int *counts, *displacements; /* (S): of the blocks, filled for the samples of a call */
} mlp;

static int ranks_of(const mlp *m) { return sn_grid_space_size(m->base.grid); }

static int leading(ptrdiff_t columns) { return columns > 0 ? (int)columns : 1; }

/*
 * Products of row-major matrices with close rows. One row is a product of a matrix and a vector, of which the BLAS
 * makes less.
 *
 * C (m, n) = beta C + A (m, k) B (n, k)^T.
 */
static void multiply_transposed(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const double *a, const double *b, double beta,
                                double *c) {
  if (m == 1)
    cblas_dgemv(CblasRowMajor, CblasNoTrans, (int)n, (int)k, 1, b, leading(k), a, 1, beta, c, 1);
  else
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)m, (int)n, (int)k, 1, a, leading(k), b, leading(k), beta,
                c, leading(n));
}

/* C (m, n) = beta C + A (m, k) B (k, n). */
static void multiply(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const double *a, const double *b, double beta, double *c) {
  if (m == 1)
    cblas_dgemv(CblasRowMajor, CblasTrans, (int)k, (int)n, 1, b, leading(n), a, 1, beta, c, 1);
  else
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)m, (int)n, (int)k, 1, a, leading(k), b, leading(n),
                beta, c, leading(n));
}

/* C (m, n) += A (k, m)^T B (k, n). */
static void add_product(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const double *a, const double *b, double *c) {
  cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)m, (int)n, (int)k, 1, a, leading(m), b, leading(n), 1, c,
              leading(n));
}

static void add_row(ptrdiff_t columns, const double *restrict row, double *restrict sum) {
  for (ptrdiff_t j = 0; j < columns; j++) sum[j] += row[j];
}

/* Every row of z := bias, to which a product is then added. Returns the beta for that. */
static double begin_with(ptrdiff_t rows, ptrdiff_t columns, const double *bias, double *z) {
  if (!bias) return 0;
  for (ptrdiff_t i = 0; i < rows; i++) memcpy(z + i * columns, bias, (size_t)columns * sizeof *z);
  return 1;
}

static void sum_over_space(const mlp *m, double *values, ptrdiff_t count) {
  if (ranks_of(m) == 1) return;
  sn_timer *timer = sn_grid_timer(m->base.grid);
  sn_timer_start(timer, SN_TIME_REDUCE);
  MPI_Allreduce(MPI_IN_PLACE, values, (int)count, MPI_DOUBLE, MPI_SUM, sn_grid_space(m->base.grid));
  sn_timer_stop(timer, SN_TIME_REDUCE);
}

/* Counts and places of the ranks' blocks of (samples, their grid points), one after the other. */
static void lay_out_blocks(mlp *m, ptrdiff_t samples) {
  for (int rank = 0; rank < ranks_of(m); rank++) {
    const sn_range range = sn_partition_range(sn_grid_partition(m->base.grid), rank);
    m->counts[rank] = (int)(samples * range.count);
    m->displacements[rank] = (int)(samples * range.start);
  }
}

/*
 * The last layer where it sums over several ranks: z (samples, own points) = sum over ranks of their input times their
 * columns of W, + bias.
 */
static void sum_last(mlp *m, const layer *l, ptrdiff_t samples, const double *weight, const double *in,
                     const double *bias, double *z) {
  lay_out_blocks(m, samples);
  for (int rank = 0; rank < ranks_of(m); rank++) {
    const sn_range range = sn_partition_range(sn_grid_partition(m->base.grid), rank);
    multiply_transposed(samples, range.count, l->given, in, weight + range.start * l->given, 0,
                        m->blocks + m->displacements[rank]);
  }
  sn_timer *timer = sn_grid_timer(m->base.grid);
  sn_timer_start(timer, SN_TIME_REDUCE);
  MPI_Reduce_scatter(m->blocks, z, m->counts, MPI_DOUBLE, MPI_SUM, sn_grid_space(m->base.grid));
  sn_timer_stop(timer, SN_TIME_REDUCE);
  for (ptrdiff_t i = 0; bias && i < samples; i++) add_row(l->kept, bias, z + i * l->kept);
}

/*
 * z = W in + b with the W and b of `parameters`, summed over the ranks where the layer sums, as this rank keeps it. No
 * bias in the derivative by `in`.
 */
static void apply_layer(mlp *m, const layer *l, ptrdiff_t samples, const double *parameters, const double *in,
                        bool with_bias, double *z) {
  const double *weight = parameters + l->weight;
  const double *bias = with_bias ? parameters + l->bias : NULL;
  if (l->sums && l->last && ranks_of(m) > 1) {
    sum_last(m, l, samples, weight, in, bias, z);
    return;
  }
  /* Where the ranks' products are summed, one of them has the bias. */
  if (l->sums && sn_grid_space_rank(m->base.grid) > 0) bias = NULL;
  const double beta = begin_with(samples, l->sums ? l->out : l->part.count, bias, z);
  multiply_transposed(samples, l->sums ? l->out : l->part.count, l->given, in, weight, beta, z);
  if (l->sums) sum_over_space(m, z, samples * l->out);
}

/* Where a hidden layer's values stand on a tape of `samples` samples, and the slopes behind them. */
static double *values_on(const layer *l, double *tape, ptrdiff_t samples) { return tape + samples * l->tape; }

static double *slopes_on(const mlp *m, const layer *l, double *tape, ptrdiff_t samples) {
  return sn_activation_keeps_slope(m->base.shape.activation) ? tape + samples * (l->tape + l->kept) : NULL;
}

static sn_status mlp_forward(sn_network *network, ptrdiff_t samples, const double *u, double *f, double *tape) {
  mlp *m = (mlp *)network;
  const double *in = u, *parameters = sn_parameters_values(network->parameters);
  if (!tape) tape = m->own_tape;
  for (const layer *l = m->layer; !l->last; l++) {
    double *a = values_on(l, tape, samples);
    apply_layer(m, l, samples, parameters, in, true, a);
    sn_activation_apply(network->shape.activation, samples * l->kept, a, slopes_on(m, l, tape, samples));
    in = a;
  }
  apply_layer(m, &m->layer[m->layers - 1], samples, parameters, in, true, f);
  return SN_OK;
}

/* Rows of the last layer's weight and delta belong to ranks: one product a rank where every rank needs all of them. */
static void backward_last_sum(mlp *m, const layer *l, ptrdiff_t samples, const double *in, const double *f_bar,
                              double *in_bar, double *gradient) {
  const double *weight = sn_parameters_values(m->base.parameters) + l->weight;
  const double *blocks = f_bar;
  lay_out_blocks(m, samples);
  if (ranks_of(m) > 1) {
    sn_timer *timer = sn_grid_timer(m->base.grid);
    sn_timer_start(timer, SN_TIME_REDUCE);
    MPI_Allgatherv(f_bar, m->counts[sn_grid_space_rank(m->base.grid)], MPI_DOUBLE, m->blocks, m->counts,
                   m->displacements, MPI_DOUBLE, sn_grid_space(m->base.grid));
    sn_timer_stop(timer, SN_TIME_REDUCE);
    blocks = m->blocks;
  }
  for (int rank = 0; rank < ranks_of(m); rank++) {
    const sn_range range = sn_partition_range(sn_grid_partition(m->base.grid), rank);
    const double *delta = blocks + m->displacements[rank];
    const ptrdiff_t row = range.start * l->given;
    if (gradient) add_product(range.count, l->given, samples, delta, in, gradient + l->weight + row);
    if (in_bar) multiply(samples, l->given, range.count, delta, weight + row, rank > 0, in_bar);
  }
}

/*
 * From delta = derivative by z of this layer to the derivative by its input, as this rank holds that (NULL: not
 * wanted). Where it is summed over the ranks, that goes on beside the product of the weight's gradient.
 */
static void backward_layer(mlp *m, const layer *l, ptrdiff_t samples, const double *in, const double *delta,
                           double *in_bar, double *gradient) {
  const double *weight = sn_parameters_values(m->base.parameters) + l->weight;
  if (l->sums && l->last) {
    backward_last_sum(m, l, samples, in, delta, in_bar, gradient);
    return;
  }
  const bool reduces = in_bar && !l->sums && ranks_of(m) > 1;
  const ptrdiff_t rows = l->sums ? l->out : l->part.count;
  sn_timer *timer = sn_grid_timer(m->base.grid);
  MPI_Request request = MPI_REQUEST_NULL;
  if (in_bar) multiply(samples, l->given, rows, delta, weight, 0, in_bar);
  if (reduces)
    MPI_Iallreduce(MPI_IN_PLACE, in_bar, (int)(samples * l->in), MPI_DOUBLE, MPI_SUM, sn_grid_space(m->base.grid),
                   &request);
  if (gradient) add_product(rows, l->given, samples, delta, in, gradient + l->weight);
  if (!reduces) return;
  sn_timer_start(timer, SN_TIME_REDUCE);
  MPI_Wait(&request, MPI_STATUS_IGNORE);
  sn_timer_stop(timer, SN_TIME_REDUCE);
}

/* delta (samples, kept) *= f'(z), row by row, each added to the bias's gradient while it is at hand. */
static void pull(const mlp *m, const layer *l, ptrdiff_t samples, const double *tape, double *delta, double *gradient) {
  const double *values = values_on(l, (double *)tape, samples), *slopes = slopes_on(m, l, (double *)tape, samples);
  for (ptrdiff_t i = 0; i < samples; i++) {
    const ptrdiff_t at = i * l->kept;
    sn_activation_pull(m->base.shape.activation, l->kept, values + at, slopes ? slopes + at : NULL, delta + at);
    if (gradient) add_row(l->kept, delta + at, gradient + l->bias);
  }
}

static sn_status mlp_backward(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                              const double *f_bar, double *u_bar, double *gradient) {
  mlp *m = (mlp *)network;
  const layer *last = &m->layer[m->layers - 1];
  const double *delta = f_bar;
  for (ptrdiff_t i = 0; gradient && i < samples; i++)
    add_row(last->kept, f_bar + i * last->kept, gradient + last->bias);
  for (int k = m->layers - 1; k >= 0; k--) {
    const layer *l = &m->layer[k];
    const double *in = k ? values_on(l - 1, (double *)tape, samples) : u;
    double *in_bar = k ? m->delta[k % 2] : u_bar;
    backward_layer(m, l, samples, in, delta, in_bar, gradient);
    if (gradient) sn_parameters_settled(network->parameters, l->weight);
    if (k) pull(m, l - 1, samples, tape, in_bar, gradient);
    delta = in_bar;
  }
  return SN_OK;
}

/* dz = W da + dW a + db of a layer with input a; da and dtheta may be NULL for 0. */
static void tangent_layer(mlp *m, const layer *l, ptrdiff_t samples, const double *a, const double *da,
                          const double *dtheta, double *dz) {
  const ptrdiff_t count = samples * l->kept;
  double *more = m->delta[2];
  if (da)
    apply_layer(m, l, samples, sn_parameters_values(m->base.parameters), da, false, dz);
  else
    memset(dz, 0, (size_t)count * sizeof *dz);
  if (!dtheta) return;
  apply_layer(m, l, samples, dtheta, a, true, more);
  add_row(count, more, dz);
}

static sn_status mlp_tangent(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                             const double *du, const double *dtheta, double *df) {
  mlp *m = (mlp *)network;
  const double *a = u, *da = du;
  for (const layer *l = m->layer; !l->last; l++) {
    double *dz = m->delta[(l - m->layer) % 2];
    tangent_layer(m, l, samples, a, da, dtheta, dz);
    pull(m, l, samples, tape, dz, NULL);
    a = values_on(l, (double *)tape, samples);
    da = dz;
  }
  tangent_layer(m, &m->layer[m->layers - 1], samples, a, da, dtheta, df);
  return SN_OK;
}

static ptrdiff_t mlp_tape_size(const sn_network *network, ptrdiff_t samples) {
  return samples * ((const mlp *)network)->tape_width;
}

static double mlp_work(const sn_network *network) {
  const mlp *m = (const mlp *)network;
  double work = 0;
  for (int k = 0; k < m->layers; k++)
    work += (double)m->layer[k].part.count * (double)(m->layer[k].sums ? m->layer[k].out : m->layer[k].in);
  return work;
}

static void mlp_destroy(sn_network *network) {
  mlp *m = (mlp *)network;
  sn_memory_give(&m->own_tape);
  for (int k = 0; k < 3; k++) sn_memory_give(&m->delta[k]);
  sn_memory_give(&m->blocks);
  sn_memory_give(&m->counts);
  sn_memory_give(&m->displacements);
}

static const sn_network_ops ops = {.destroy = mlp_destroy,
                                   .tape_size = mlp_tape_size,
                                   .forward = mlp_forward,
                                   .backward = mlp_backward,
                                   .tangent = mlp_tangent,
                                   .work = mlp_work};

/* Splits one layer over the ranks. What a layer keeps is what the next is given. */
static void lay_out_layer(mlp *m, int k) {
  layer *l = &m->layer[k];
  const sn_network *base = &m->base;
  const ptrdiff_t points = sn_grid_points(base->grid);
  l->sums = k % 2 == 0;
  l->last = k == m->layers - 1;
  l->in = k ? base->shape.width[k - 1] : points;
  l->out = l->last ? points : base->shape.width[k];
  l->part = sn_partition_range((sn_partition){.points = l->sums ? l->in : l->out, .ranks = ranks_of(m)},
                               sn_grid_space_rank(base->grid));
  l->given = l->sums ? l->part.count : l->in;
  l->kept = l->last ? base->points : l->sums ? l->out : l->part.count;
  l->tape = m->tape_width;
  if (!l->last) m->tape_width += l->kept * (sn_activation_keeps_slope(base->shape.activation) ? 2 : 1);
}

static sn_status add_blocks(mlp *m, int k) {
  layer *l = &m->layer[k];
  const bool bias_is_split = !l->sums || l->last;
  sn_parameter_block weight = {.dimensions = 2, .shape = {l->out, l->in}, .split = true, .trainable = true};
  weight.count[0] = l->sums ? l->out : l->part.count;
  weight.count[1] = l->sums ? l->part.count : l->in;
  weight.start[l->sums ? 1 : 0] = l->part.start;
  sn_parameter_block bias = {
      .dimensions = 1, .shape = {l->out}, .count = {l->kept}, .split = bias_is_split, .trainable = true};
  if (bias_is_split) bias.start[0] = l->last ? sn_grid_range(m->base.grid).start : l->part.start;
  snprintf(weight.name, sizeof weight.name, "nonlinear/layer_%d/weight", k);
  snprintf(bias.name, sizeof bias.name, "nonlinear/layer_%d/bias", k);
  SN_TRY(sn_parameters_add(m->base.parameters, &weight));
  SN_TRY(sn_parameters_add(m->base.parameters, &bias));
  l->weight = weight.offset;
  l->bias = bias.offset;
  return SN_OK;
}

static sn_status build(mlp *m) {
  const ptrdiff_t samples = m->base.samples;
  ptrdiff_t widest = sn_grid_points(m->base.grid);
  for (int k = 0; k < m->layers; k++) {
    lay_out_layer(m, k);
    SN_TRY(add_blocks(m, k));
    if (m->layer[k].out > widest) widest = m->layer[k].out;
  }
  int ignored;
  SN_TRY(sn_error_collective(sn_count_to_int(samples * widest, "batch times the widest layer", &ignored)));
  SN_TRY(SN_NEW(samples * m->tape_width, &m->own_tape));
  for (int k = 0; k < 3; k++) SN_TRY(SN_NEW(samples * widest, &m->delta[k]));
  SN_TRY(SN_NEW(ranks_of(m) > 1 ? samples * sn_grid_points(m->base.grid) : 0, &m->blocks));
  SN_TRY(SN_NEW(ranks_of(m), &m->counts));
  return SN_NEW(ranks_of(m), &m->displacements);
}

sn_status sn_mlp_create(const sn_network *base, sn_network **out) {
  mlp *m;
  SN_TRY(SN_NEW(1, &m));
  m->base = *base;
  m->base.ops = &ops;
  m->layers = base->shape.hidden + 1;
  *out = &m->base;
  sn_status status = build(m);
  if (status) sn_network_destroy(out);
  return status;
}
