/*
 * The stages of a step, for complex numbers taken some at a time. Included for real factors, with which those of N hold
 * the derivative but for i, and for complex ones, for each width, by who defines
 *
 *   WIDTH      how many
 *   NUMBER     the type that holds them, with TIMES(name, number) and TWICE_TIMES(name, number), products with f.name
 * or twice that from i on, and OF(nonlinear), i w or w OF(name)   the name of a function of this width
 *
 * and the types factors and sn_etdrk4_arrays. On entry w holds the transform of a stage's product, of which N is made;
 * on exit the next stage, whose product is due.
 *
 *   a = E/2 v + Q N(v)         memory = E/2 a - Q N(v)     sum = E v + f1 N(v)
 *   b = E/2 v + Q N(a)                                     sum += 2 f2 N(a)
 *   c = memory + 2 Q N(b)                                  sum += 2 f2 N(b)
 *   v = sum + f3 N(c)
 */
#define AT(array) (*(NUMBER *)(x.array + i))

static void OF(stage_first)(ptrdiff_t begin, ptrdiff_t end, factors f, sn_etdrk4_arrays x) {
  for (ptrdiff_t i = begin; i < end; i += WIDTH) {
    const NUMBER n = OF(nonlinear)(AT(w)), v = AT(v), step = TIMES(q, n), a = TIMES(half, v) + step;
    AT(memory) = TIMES(half, a) - step;
    AT(sum) = TIMES(full, v) + TIMES(first, n);
    AT(w) = a;
  }
}

static void OF(stage_second)(ptrdiff_t begin, ptrdiff_t end, factors f, sn_etdrk4_arrays x) {
  for (ptrdiff_t i = begin; i < end; i += WIDTH) {
    const NUMBER n = OF(nonlinear)(AT(w));
    AT(sum) += TIMES(middle, n);
    AT(w) = TIMES(half, AT(v)) + TIMES(q, n);
  }
}

static void OF(stage_third)(ptrdiff_t begin, ptrdiff_t end, factors f, sn_etdrk4_arrays x) {
  for (ptrdiff_t i = begin; i < end; i += WIDTH) {
    const NUMBER n = OF(nonlinear)(AT(w));
    AT(sum) += TIMES(middle, n);
    AT(w) = AT(memory) + TWICE_TIMES(q, n);
  }
}

static void OF(stage_last)(ptrdiff_t begin, ptrdiff_t end, factors f, sn_etdrk4_arrays x) {
  for (ptrdiff_t i = begin; i < end; i += WIDTH) AT(v) = AT(w) = AT(sum) + TIMES(last, OF(nonlinear)(AT(w)));
}

static void OF(stage)(ptrdiff_t stage, ptrdiff_t begin, ptrdiff_t end, factors f, sn_etdrk4_arrays x) {
  switch (stage % 4) {
    case 0:
      OF(stage_first)(begin, end, f, x);
      break;
    case 1:
      OF(stage_second)(begin, end, f, x);
      break;
    case 2:
      OF(stage_third)(begin, end, f, x);
      break;
    default:
      OF(stage_last)(begin, end, f, x);
  }
}

#undef AT
