/*
 * The passes of the multilayer perceptron, for numbers of one type. Included by the file of each precision, which
 * defines
 *
 *   real               the type of states, weights, values and slopes on the tape; gradients are double in any case
 *   REAL(name)         the BLAS function, REAL_MPI the MPI type, ACTIVATION(name) the activation function of that type
 *   values_of(m)       the parameters
 *   add_product(m, rows, columns, k, a, b, c)   double c (rows, columns) += a (k, rows)^T b (k, columns)
 *
 * Layers 0, 2, ... split the sum over their input: a rank holds the columns of W for its part of the input, and
 * the partial products are summed over the ranks, complete on each (MPI_Allreduce) or, in the last layer, each rank its
 * own grid points (MPI_Reduce_scatter). Layers 1, 3, ... split their output: every rank has all of the input, holds
 * some rows of W and computes its part of the output alone. Backward it is the other way round, so a pair of layers
 * costs one reduction forward and one backward. Blocks of several ranks are kept apart (rank after rank, not column
 * after column), which saves reordering and costs one matrix product a rank.
 */

static int ranks_of(const sn_mlp *m) { return sn_grid_space_size(m->base.grid); }

static int leading(ptrdiff_t columns) { return columns > 0 ? (int)columns : 1; }

/*
 * Products of row-major matrices with close rows. One row is a product of a matrix and a vector, with less overhead
 * in the BLAS; but where there is nothing to sum (a rank without part of a narrow layer) it leaves C as it is.
 *
 * C (m, n) = beta C + A (m, k) B (n, k)^T.
 */
static void multiply_transposed(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const real *a, const real *b, real beta,
                                real *c) {
  if (m == 1 && k > 0)
    REAL(gemv)(CblasRowMajor, CblasNoTrans, (int)n, (int)k, 1, b, leading(k), a, 1, beta, c, 1);
  else
    REAL(gemm)
  (CblasRowMajor, CblasNoTrans, CblasTrans, (int)m, (int)n, (int)k, 1, a, leading(k), b, leading(k), beta, c,
   leading(n));
}

/* C (m, n) = beta C + A (m, k) B (k, n). */
static void multiply(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const real *a, const real *b, real beta, real *c) {
  if (m == 1 && k > 0)
    REAL(gemv)(CblasRowMajor, CblasTrans, (int)k, (int)n, 1, b, leading(n), a, 1, beta, c, 1);
  else
    REAL(gemm)
  (CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)m, (int)n, (int)k, 1, a, leading(k), b, leading(n), beta, c,
   leading(n));
}

static void add_row(ptrdiff_t columns, const real *restrict row, real *restrict sum) {
  for (ptrdiff_t j = 0; j < columns; j++) sum[j] += row[j];
}

static void add_to_gradient(ptrdiff_t columns, const real *restrict row, double *restrict sum) {
  for (ptrdiff_t j = 0; j < columns; j++) sum[j] += row[j];
}

/* Every row of z := bias, to which a product is then added. Returns the beta for that. */
static real begin_with(ptrdiff_t rows, ptrdiff_t columns, const real *bias, real *z) {
  if (!bias) return 0;
  for (ptrdiff_t i = 0; i < rows; i++) memcpy(z + i * columns, bias, (size_t)columns * sizeof *z);
  return 1;
}

static void sum_reals_over_space(const sn_mlp *m, real *values, ptrdiff_t count) {
  if (ranks_of(m) == 1) return;
  sn_timer *timer = sn_grid_timer(m->base.grid);
  sn_timer_start(timer, SN_TIME_REDUCE);
  MPI_Allreduce(MPI_IN_PLACE, values, (int)count, REAL_MPI, MPI_SUM, sn_grid_space(m->base.grid));
  sn_timer_stop(timer, SN_TIME_REDUCE);
}

/* Counts and places of the ranks' blocks of (samples, their grid points), one after the other. */
static void lay_out_blocks(sn_mlp *m, ptrdiff_t samples) {
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
static void sum_last(sn_mlp *m, const sn_mlp_layer *l, ptrdiff_t samples, const real *weight, const real *in,
                     const real *bias, real *z) {
  lay_out_blocks(m, samples);
  for (int rank = 0; rank < ranks_of(m); rank++) {
    const sn_range range = sn_partition_range(sn_grid_partition(m->base.grid), rank);
    multiply_transposed(samples, range.count, l->given, in, weight + range.start * l->given, 0,
                        (real *)m->blocks + m->displacements[rank]);
  }
  sn_timer *timer = sn_grid_timer(m->base.grid);
  sn_timer_start(timer, SN_TIME_REDUCE);
  MPI_Reduce_scatter(m->blocks, z, m->counts, REAL_MPI, MPI_SUM, sn_grid_space(m->base.grid));
  sn_timer_stop(timer, SN_TIME_REDUCE);
  for (ptrdiff_t i = 0; bias && i < samples; i++) add_row(l->kept, bias, z + i * l->kept);
}

/*
 * z = W in + b with the W and b of `parameters`, summed over the ranks where the layer sums, as this rank keeps it. No
 * bias in the derivative by `in`.
 */
static void apply_layer(sn_mlp *m, const sn_mlp_layer *l, ptrdiff_t samples, const real *parameters, const real *in,
                        bool with_bias, real *z) {
  const real *weight = parameters + l->weight;
  const real *bias = with_bias ? parameters + l->bias : NULL;
  if (l->sums && l->last && ranks_of(m) > 1) {
    sum_last(m, l, samples, weight, in, bias, z);
    return;
  }
  /* Where the ranks' products are summed, one rank adds the bias. */
  if (l->sums && sn_grid_space_rank(m->base.grid) > 0) bias = NULL;
  const real beta = begin_with(samples, l->sums ? l->out : l->part.count, bias, z);
  multiply_transposed(samples, l->sums ? l->out : l->part.count, l->given, in, weight, beta, z);
  if (l->sums) sum_reals_over_space(m, z, samples * l->out);
}

/* A hidden layer's values on a tape of `samples` samples, followed by the slopes. */
static real *values_on(const sn_mlp_layer *l, real *tape, ptrdiff_t samples) { return tape + samples * l->tape; }

static real *slopes_on(const sn_mlp *m, const sn_mlp_layer *l, real *tape, ptrdiff_t samples) {
  return sn_activation_keeps_slope(m->base.shape.activation) ? tape + samples * (l->tape + l->kept) : NULL;
}

static void pass_forward(sn_mlp *m, ptrdiff_t samples, const real *u, real *f, real *tape) {
  const real *in = u, *parameters = values_of(m);
  if (!tape) tape = m->own_tape;
  for (const sn_mlp_layer *l = m->layer; !l->last; l++) {
    real *a = values_on(l, tape, samples);
    apply_layer(m, l, samples, parameters, in, true, a);
    ACTIVATION(apply)(m->base.shape.activation, samples * l->kept, a, slopes_on(m, l, tape, samples));
    in = a;
  }
  apply_layer(m, &m->layer[m->layers - 1], samples, parameters, in, true, f);
}

/* Rows of the last layer's weight and delta belong to ranks: one product a rank where every rank needs all of them. */
static void backward_last_sum(sn_mlp *m, const sn_mlp_layer *l, ptrdiff_t samples, const real *in, const real *f_bar,
                              real *in_bar, double *gradient) {
  const real *weight = values_of(m) + l->weight;
  const real *blocks = f_bar;
  lay_out_blocks(m, samples);
  if (ranks_of(m) > 1) {
    sn_timer *timer = sn_grid_timer(m->base.grid);
    sn_timer_start(timer, SN_TIME_REDUCE);
    MPI_Allgatherv(f_bar, m->counts[sn_grid_space_rank(m->base.grid)], REAL_MPI, m->blocks, m->counts, m->displacements,
                   REAL_MPI, sn_grid_space(m->base.grid));
    sn_timer_stop(timer, SN_TIME_REDUCE);
    blocks = m->blocks;
  }
  for (int rank = 0; rank < ranks_of(m); rank++) {
    const sn_range range = sn_partition_range(sn_grid_partition(m->base.grid), rank);
    const real *delta = blocks + m->displacements[rank];
    const ptrdiff_t row = range.start * l->given;
    if (gradient) add_product(m, range.count, l->given, samples, delta, in, gradient + l->weight + row);
    if (in_bar) multiply(samples, l->given, range.count, delta, weight + row, rank > 0, in_bar);
  }
}

/*
 * From delta = derivative by z of this layer to the derivative by its input, as this rank holds that (NULL: not
 * wanted). Its sum over the ranks overlaps with the product for the weight's gradient.
 */
static void backward_layer(sn_mlp *m, const sn_mlp_layer *l, ptrdiff_t samples, const real *in, const real *delta,
                           real *in_bar, double *gradient) {
  const real *weight = values_of(m) + l->weight;
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
    MPI_Iallreduce(MPI_IN_PLACE, in_bar, (int)(samples * l->in), REAL_MPI, MPI_SUM, sn_grid_space(m->base.grid),
                   &request);
  if (gradient) add_product(m, rows, l->given, samples, delta, in, gradient + l->weight);
  if (!reduces) return;
  sn_timer_start(timer, SN_TIME_REDUCE);
  MPI_Wait(&request, MPI_STATUS_IGNORE);
  sn_timer_stop(timer, SN_TIME_REDUCE);
}

/* delta (samples, kept) *= f'(z), row by row, each added to the bias's gradient while it is in the cache. */
static void backward_activation(const sn_mlp *m, const sn_mlp_layer *l, ptrdiff_t samples, const real *tape,
                                real *delta, double *gradient) {
  const real *values = values_on(l, (real *)tape, samples), *slopes = slopes_on(m, l, (real *)tape, samples);
  for (ptrdiff_t i = 0; i < samples; i++) {
    const ptrdiff_t at = i * l->kept;
    ACTIVATION(backward)(m->base.shape.activation, l->kept, values + at, slopes ? slopes + at : NULL, delta + at);
    if (gradient) add_to_gradient(l->kept, delta + at, gradient + l->bias);
  }
}

static void pass_backward(sn_mlp *m, ptrdiff_t samples, const real *u, const real *tape, const real *f_bar, real *u_bar,
                          const sn_gradient *gradient) {
  const sn_mlp_layer *last = &m->layer[m->layers - 1];
  const real *delta = f_bar;
  double *values = sn_gradient_values(gradient);
  for (ptrdiff_t i = 0; values && i < samples; i++)
    add_to_gradient(last->kept, f_bar + i * last->kept, values + last->bias);
  for (int k = m->layers - 1; k >= 0; k--) {
    const sn_mlp_layer *l = &m->layer[k];
    const real *in = k ? values_on(l - 1, (real *)tape, samples) : u;
    real *in_bar = k ? m->delta[k % 2] : u_bar;
    backward_layer(m, l, samples, in, delta, in_bar, values);
    sn_gradient_final_from(gradient, l->weight);
    if (k) backward_activation(m, l - 1, samples, tape, in_bar, values);
    delta = in_bar;
  }
}

/* dz = W da + dW a + db of a layer with input a; da and dtheta may be NULL for 0. */
static void tangent_layer(sn_mlp *m, const sn_mlp_layer *l, ptrdiff_t samples, const real *a, const real *da,
                          const real *dtheta, real *dz) {
  const ptrdiff_t count = samples * l->kept;
  real *more = m->delta[2];
  if (da)
    apply_layer(m, l, samples, values_of(m), da, false, dz);
  else
    memset(dz, 0, (size_t)count * sizeof *dz);
  if (!dtheta) return;
  apply_layer(m, l, samples, dtheta, a, true, more);
  add_row(count, more, dz);
}

static void pass_tangent(sn_mlp *m, ptrdiff_t samples, const real *u, const real *tape, const real *du,
                         const real *dtheta, real *df) {
  const real *a = u, *da = du;
  for (const sn_mlp_layer *l = m->layer; !l->last; l++) {
    real *dz = m->delta[(l - m->layer) % 2];
    tangent_layer(m, l, samples, a, da, dtheta, dz);
    backward_activation(m, l, samples, tape, dz, NULL);
    a = values_on(l, (real *)tape, samples);
    da = dz;
  }
  tangent_layer(m, &m->layer[m->layers - 1], samples, a, da, dtheta, df);
}
