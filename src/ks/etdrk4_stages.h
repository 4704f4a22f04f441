/*
 * The stages of a step, for complex numbers taken some at a time. Included by etdrk4.c for each width, which defines
 *
 *   WIDTH      how many
 *   NUMBER     the type that holds them, with OF(times_i) and OF(factor), their real factors
 *   OF(name)   the name of a function of this width
 *
 * On entry w holds the transform of a stage's square, whose derivative is N = i factor w; on exit the next stage, whose
 * square is due.
 *
 *   a = E/2 v + Q N(v)         memory = E/2 a - Q N(v)     sum = E v + f1 N(v)
 *   b = E/2 v + Q N(a)                                     sum += 2 f2 N(a)
 *   c = memory + 2 Q N(b)                                  sum += 2 f2 N(b)
 *   v = sum + f3 N(c)
 */
#define AT(array) (*(NUMBER *)(x.array + i))
#define FACTOR(name) OF(factor)(f.name + i)

static void OF(stage_first)(ptrdiff_t begin, ptrdiff_t end, factors f, numbers x) {
  for (ptrdiff_t i = begin; i < end; i += WIDTH) {
    const NUMBER n = OF(times_i)(AT(w)), v = AT(v), half = FACTOR(half), step = FACTOR(q) * n, a = half * v + step;
    AT(memory) = half * a - step;
    AT(sum) = FACTOR(full) * v + FACTOR(first) * n;
    AT(w) = a;
  }
}

static void OF(stage_second)(ptrdiff_t begin, ptrdiff_t end, factors f, numbers x) {
  for (ptrdiff_t i = begin; i < end; i += WIDTH) {
    const NUMBER n = OF(times_i)(AT(w));
    AT(sum) += FACTOR(middle) * n;
    AT(w) = FACTOR(half) * AT(v) + FACTOR(q) * n;
  }
}

static void OF(stage_third)(ptrdiff_t begin, ptrdiff_t end, factors f, numbers x) {
  for (ptrdiff_t i = begin; i < end; i += WIDTH) {
    const NUMBER n = OF(times_i)(AT(w));
    AT(sum) += FACTOR(middle) * n;
    AT(w) = AT(memory) + 2 * FACTOR(q) * n;
  }
}

static void OF(stage_last)(ptrdiff_t begin, ptrdiff_t end, factors f, numbers x) {
  for (ptrdiff_t i = begin; i < end; i += WIDTH) AT(v) = AT(w) = AT(sum) + FACTOR(last) * OF(times_i)(AT(w));
}

static void OF(stage)(ptrdiff_t stage, ptrdiff_t begin, ptrdiff_t end, factors f, numbers x) {
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
#undef FACTOR
