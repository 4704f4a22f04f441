/*
 * The innermost loops of convolutions, for numbers taken some at a time. Included by conv_kernel.c for each width,
 * which defines
 *
 *   LANES      how many
 *   VECTOR     the type that holds them, wherever they are in memory
 *   OF(name)   the name of a function of this width
 *
 * Sums stay in registers, so many at once that every load serves several of them and the latency of a multiply-add is
 * hidden. The shapes of tiles are constants where these functions are called, which inline them.
 */

/*
 * sum[k] = the sum of the lanes of value[k], a multiple of LANES of them. The sums of neighbours in two vectors make
 * one vector, so that half as many are left each time.
 */
INLINE void OF(sum_lanes)(const int count, const VECTOR *value, real *sum) {
#ifdef EVERY_SECOND
#pragma GCC unroll 8
  for (int k = 0; k < count; k += LANES) {
    VECTOR part[LANES];
    for (int n = 0; n < LANES; n++) part[n] = value[k + n];
#pragma GCC unroll 4
    for (int pairs = LANES / 2; pairs; pairs /= 2)
#pragma GCC unroll 8
      for (int n = 0; n < pairs; n++)
        part[n] = __builtin_shufflevector(part[2 * n], part[2 * n + 1], EVERY_SECOND(0)) +
                  __builtin_shufflevector(part[2 * n], part[2 * n + 1], EVERY_SECOND(1));
    *(VECTOR *)(sum + k) = part[0];
  }
#else
  for (int k = 0; k < count; k++) {
    real lane[LANES];
    *(VECTOR *)lane = value[k];
    for (int half = LANES / 2; half; half /= 2)
      for (int n = 0; n < half; n++) lane[n] += lane[n + half];
    sum[k] = lane[0];
  }
#endif
}

/* gradient (outputs, `stride` apart; taps, `step` apart) += the sums of the lanes of sum (outputs, taps). */
INLINE void OF(add_to_gradient)(const int outputs, const int taps, VECTOR sum[SUMS], double *gradient, ptrdiff_t stride,
                                const int step) {
  const int count = (outputs * taps + LANES - 1) / LANES * LANES;
  real total[SUMS];
  for (int k = outputs * taps; k < count; k++) sum[k] = (VECTOR){0};
  OF(sum_lanes)(count, sum, total);
  for (int o = 0; o < outputs; o++)
    for (int k = 0; k < taps; k++) gradient[o * stride + k * step] += total[o * taps + k];
}

/* An output's sums at vectors * LANES points, with their epilogue. */
INLINE void OF(store)(const int vectors, const epilogue_kind kind, const VECTOR *sum, const real *gate, real *z) {
  for (int v = 0; v < vectors; v++) {
    VECTOR x = sum[v];
    if (kind == RECTIFIED) x = UNLESS((VECTOR){0} > x, x); /* NaN stays NaN */
    if (kind == GATED) x = WHERE(*(const VECTOR *)(gate + v * LANES) > (VECTOR){0}, x);
    *(VECTOR *)(z + v * LANES) = x;
  }
}

/* A panel of outputs at vectors * LANES points, those at which the terms' inputs begin. */
INLINE void OF(tile)(const int outputs, const int vectors, const epilogue_kind kind, const sn_convolution *c, int terms,
                     const sn_convolution_term *term, sn_convolution_target to) {
  VECTOR sum[WIDEST][TILE_VECTORS];
  for (int o = 0; o < outputs; o++)
    for (int v = 0; v < vectors; v++) sum[o][v] = (VECTOR){0} + (to.bias ? (real)to.bias[o] : 0);
  for (int t = 0; t < terms; t++) {
    const real *restrict weight = term[t].weight, *restrict row = term[t].padded;
    for (ptrdiff_t i = 0; i < term[t].in; i++, row += c->span)
      for (const real *x = row; x < row + c->kernel; x++, weight += outputs) {
        VECTOR value[TILE_VECTORS];
        for (int v = 0; v < vectors; v++) value[v] = *(const VECTOR *)(x + v * LANES);
        for (int o = 0; o < outputs; o++)
          for (int v = 0; v < vectors; v++) sum[o][v] += weight[o] * value[v];
      }
  }
  for (int o = 0; o < outputs; o++)
    OF(store)(vectors, kind, sum[o], kind == GATED ? to.gate + o * to.gate_stride : NULL, to.z + o * to.stride);
}

/* sum += some taps of a row, LANES from one to the next: what is loaded for one of them serves the others, too. */
INLINE void OF(add_taps)(const int outputs, const int taps, const real *weight, const real *x,
                         VECTOR sum[LONG_OUTPUTS][LONG_VECTORS]) {
  VECTOR value[LONG_VECTORS + LONG_TAPS - 1];
  for (int v = 0; v < LONG_VECTORS + taps - 1; v++) value[v] = *(const VECTOR *)(x + v * LANES);
  for (int k = 0; k < taps; k++)
    for (int o = 0; o < outputs; o++)
      for (int v = 0; v < LONG_VECTORS; v++) sum[o][v] += weight[k * LANES * outputs + o] * value[v + k];
}

#define ADD_TAPS(taps)                           \
  case taps:                                     \
    OF(add_taps)(outputs, taps, weight, x, sum); \
    break

/* A panel of few outputs of a kernel that is longer than two vectors, at LONG_VECTORS * LANES points. */
INLINE void OF(long_tile)(const int outputs, const epilogue_kind kind, const sn_convolution *c, int terms,
                          const sn_convolution_term *term, sn_convolution_target to) {
  const int step = LONG_TAPS * LANES;
  VECTOR sum[LONG_OUTPUTS][LONG_VECTORS];
  for (int o = 0; o < outputs; o++)
    for (int v = 0; v < LONG_VECTORS; v++) sum[o][v] = (VECTOR){0} + (to.bias ? (real)to.bias[o] : 0);
  for (int t = 0; t < terms; t++)
    for (ptrdiff_t i = 0; i < term[t].in; i++)
      for (ptrdiff_t first = 0; first < LANES; first++) {
        const real *weight = term[t].weight + (i * c->kernel + first) * outputs;
        const real *x = term[t].padded + i * c->span + first;
        ptrdiff_t taps = (c->kernel - first + LANES - 1) / LANES;
        for (; taps > LONG_TAPS; taps -= LONG_TAPS, weight += step * outputs, x += step)
          OF(add_taps)(outputs, LONG_TAPS, weight, x, sum);
        switch (taps) {
          ADD_TAPS(1);
          ADD_TAPS(2);
          ADD_TAPS(3);
          ADD_TAPS(4);
        }
      }
  for (int o = 0; o < outputs; o++)
    OF(store)(LONG_VECTORS, kind, sum[o], kind == GATED ? to.gate + o * to.gate_stride : NULL, to.z + o * to.stride);
}

#undef ADD_TAPS

/* A panel at the points first .. end - 1, at least LANES of them: the last ones may be done twice. */
INLINE void OF(tiles)(const int outputs, const epilogue_kind kind, const sn_convolution *c, int terms,
                      const sn_convolution_term *from, ptrdiff_t first, ptrdiff_t end,
                      const sn_convolution_target *to) {
  const sn_convolution_target all = *to; /* no store changes a copy */
  const int vectors = outputs > OUTPUTS ? TILE_VECTORS - 1 : TILE_VECTORS;
  for (ptrdiff_t j = first, done; j < end; j += done) {
    sn_convolution_term term[SN_CONVOLUTION_TERMS];
    const bool is_long = outputs <= LONG_OUTPUTS && c->kernel > 2 * LANES && end - j >= LONG_VECTORS * LANES;
    done = is_long ? LONG_VECTORS * LANES : end - j >= vectors * LANES ? vectors * LANES : LANES;
    if (j > end - done) j = end - done;
    for (int t = 0; t < terms; t++) {
      term[t] = from[t];
      term[t].padded += j;
    }
    const sn_convolution_target at = sn_convolution_target_at(&all, 0, j);
    if (is_long)
      OF(long_tile)(outputs, kind, c, terms, term, at);
    else if (done > LANES)
      OF(tile)(outputs, vectors, kind, c, terms, term, at);
    else
      OF(tile)(outputs, 1, kind, c, terms, term, at);
  }
}

#define TILES(outputs)                                               \
  case outputs:                                                      \
    if (to->rectifies)                                               \
      OF(tiles)(outputs, RECTIFIED, c, terms, term, first, end, to); \
    else if (to->gate)                                               \
      OF(tiles)(outputs, GATED, c, terms, term, first, end, to);     \
    else                                                             \
      OF(tiles)(outputs, PLAIN, c, terms, term, first, end, to);     \
    break

static void OF(panel)(ptrdiff_t outputs, const sn_convolution *c, int terms, const sn_convolution_term *term,
                      ptrdiff_t first, ptrdiff_t end, const sn_convolution_target *to) {
  switch (outputs) {
    TILES(1);
    TILES(2);
    TILES(3);
    TILES(4);
    TILES(5);
    TILES(6);
    TILES(7);
    TILES(8);
    TILES(9);
  }
}

#undef TILES

INLINE void OF(add_shifted_vectors)(const int vectors, ptrdiff_t taps, const real *rows, ptrdiff_t stride, real bias,
                                    real *out) {
  VECTOR sum[TILE_VECTORS];
  for (int v = 0; v < vectors; v++) sum[v] = (VECTOR){0} + bias;
  for (ptrdiff_t k = 0; k < taps; k++)
    for (int v = 0; v < vectors; v++) sum[v] += *(const VECTOR *)(rows + k * stride + k + v * LANES);
  for (int v = 0; v < vectors; v++) *(VECTOR *)(out + v * LANES) = sum[v];
}

/* out = bias + the sum of rows, one a tap, each shifted by its place; at least LANES points, as above. */
static void OF(add_shifted)(ptrdiff_t taps, const real *rows, ptrdiff_t stride, real bias, ptrdiff_t count, real *out) {
  for (ptrdiff_t j = 0, done; j < count; j += done) {
    done = count - j >= TILE_VECTORS * LANES ? TILE_VECTORS * LANES : LANES;
    if (j > count - done) j = count - done;
    if (done > LANES)
      OF(add_shifted_vectors)(TILE_VECTORS, taps, rows + j, stride, bias, out + j);
    else
      OF(add_shifted_vectors)(1, taps, rows + j, stride, bias, out + j);
  }
}

/* sum (outputs, taps) += delta, of which numbers are left out where keep is 0, times the input from each tap on. */
INLINE void OF(correlate)(const int outputs, const int taps, const real *delta, ptrdiff_t delta_row, const real *x,
                          const VECTOR *keep, VECTOR sum[SUMS]) {
  VECTOR own[BARS];
  for (int o = 0; o < outputs; o++) {
    own[o] = *(const VECTOR *)(delta + o * delta_row);
    if (keep) own[o] *= *keep;
  }
  for (int k = 0; k < taps; k++) {
    const VECTOR value = *(const VECTOR *)(x + k);
    for (int o = 0; o < outputs; o++) sum[o * taps + k] += own[o] * value;
  }
}

/* A panel of delta and some taps of one input, of the piece: gradient (outputs, `stride` apart; taps) += their sums. */
INLINE void OF(correlation)(const int outputs, const int taps, const sn_convolution_piece *p, const real *delta,
                            const real *x, double *gradient, ptrdiff_t stride) {
  const ptrdiff_t whole = p->points / LANES * LANES, again = p->points - LANES;
  VECTOR sum[SUMS], keep = {0};
#pragma GCC unroll 20
  for (int k = 0; k < outputs * taps; k++) sum[k] = (VECTOR){0};
  for (int lane = 0; lane < LANES && whole < p->points; lane++) ((real *)&keep)[lane] = again + lane >= whole;
  for (ptrdiff_t s = 0; s < p->samples; s++, delta += p->delta_sample, x += p->input_sample) {
    for (ptrdiff_t j = 0; j < whole; j += LANES)
      OF(correlate)(outputs, taps, delta + j, p->delta_row, x + j, NULL, sum);
    if (whole < p->points) OF(correlate)(outputs, taps, delta + again, p->delta_row, x + again, &keep, sum);
  }
  OF(add_to_gradient)(outputs, taps, sum, gradient, stride, 1);
}

#define CORRELATION(outputs, taps)                                 \
  case 8 * (outputs) + (taps):                                     \
    OF(correlation)(outputs, taps, p, delta, x, gradient, stride); \
    break
#define CORRELATIONS(taps) \
  CORRELATION(1, taps);    \
  CORRELATION(2, taps);    \
  CORRELATION(3, taps);    \
  CORRELATION(4, taps)

static void OF(correlate_panel)(ptrdiff_t outputs, ptrdiff_t taps, const sn_convolution_piece *p, const real *delta,
                                const real *x, double *gradient, ptrdiff_t stride) {
  switch (8 * outputs + taps) {
    CORRELATIONS(1);
    CORRELATIONS(2);
    CORRELATIONS(3);
    CORRELATIONS(4);
    CORRELATIONS(5);
  }
}

#undef CORRELATION
#undef CORRELATIONS

/* A panel of delta and taps of a long kernel, LANES from one to the next, at the first points of the piece. */
INLINE void OF(long_correlation)(const int outputs, const int taps, const sn_convolution_piece *p, ptrdiff_t points,
                                 const real *delta, const real *x, double *gradient, ptrdiff_t stride) {
  VECTOR sum[LONG_BARS][LONG_TAPS][2]; /* two, which do not wait for one another */
  for (int o = 0; o < outputs; o++)
    for (int k = 0; k < taps; k++) sum[o][k][0] = sum[o][k][1] = (VECTOR){0};
  for (ptrdiff_t s = 0; s < p->samples; s++, delta += p->delta_sample, x += p->input_sample)
    for (ptrdiff_t j = 0; j < points; j += BAR_VECTORS * LANES) {
      VECTOR value[BAR_VECTORS + LONG_TAPS - 1];
      for (int v = 0; v < BAR_VECTORS + taps - 1; v++) value[v] = *(const VECTOR *)(x + j + v * LANES);
      for (int o = 0; o < outputs; o++)
        for (int v = 0; v < BAR_VECTORS; v++) {
          const VECTOR own = *(const VECTOR *)(delta + o * p->delta_row + j + v * LANES);
          for (int k = 0; k < taps; k++) sum[o][k][v % 2] += own * value[v + k];
        }
    }
  VECTOR both[SUMS];
  for (int o = 0; o < outputs; o++)
    for (int k = 0; k < taps; k++) both[o * taps + k] = sum[o][k][0] + sum[o][k][1];
  OF(add_to_gradient)(outputs, taps, both, gradient, stride, LANES);
}

#define LONG_CORRELATION(outputs, taps)                                         \
  case 8 * (outputs) + (taps):                                                  \
    OF(long_correlation)(outputs, taps, p, points, delta, x, gradient, stride); \
    break

/* All taps of one input. */
static inline void OF(long_correlate_panel)(ptrdiff_t outputs, ptrdiff_t kernel, const sn_convolution_piece *p,
                                            ptrdiff_t points, const real *delta, const real *input, double *row,
                                            ptrdiff_t stride) {
  for (ptrdiff_t first = 0; first < LANES; first++)
    for (ptrdiff_t tap = first, taps; tap < kernel; tap += taps * LANES) {
      const real *x = input + tap;
      double *gradient = row + tap;
      taps = (kernel - tap + LANES - 1) / LANES;
      if (taps > LONG_TAPS) taps = LONG_TAPS;
      switch (8 * outputs + taps) {
        LONG_CORRELATION(1, 1);
        LONG_CORRELATION(1, 2);
        LONG_CORRELATION(1, 3);
        LONG_CORRELATION(1, 4);
        LONG_CORRELATION(2, 1);
        LONG_CORRELATION(2, 2);
        LONG_CORRELATION(2, 3);
        LONG_CORRELATION(2, 4);
      }
    }
}

#undef LONG_CORRELATION
