#include "etdrk4_terms.h"

#include <math.h>
#include <string.h>

#include "sinode/memory.h"

/* The complex factors of a mode, as in etdrk4_global.c; the derivatives of the product are not among them. */
typedef struct {
  double complex *full, *half, *q, *first, *middle, *last;
} factors;

/* The equation of the members with one value of the parameter. */
typedef struct {
  sn_equation equation;
  factors factors;
  double complex
      *product; /* of the transform of what is multiplied point by point: its derivative, 0 where it is cut */
} variant;

struct sn_etdrk4_terms {
  const sn_grid *grid;
  sn_fourier *fourier;
  sn_etdrk4_options options;
  ptrdiff_t modes, highest;
  ptrdiff_t mean; /* place of mode 0; -1: another rank's */
  int variants;
  variant *variant; /* (variants) */
  bool pointwise;   /* products other than u^2 */
  /* For those: */
  double complex *derivative, *slope; /* i kappa, 0 where it is cut; of u_x */
  double *values, *slopes;            /* NULL: u_x is not needed */
};

static bool is_cut(const sn_etdrk4_terms *t, ptrdiff_t mode) {
  const ptrdiff_t m = sn_fourier_wave_number(t->fourier, mode);
  return (m < 0 ? -m : m) > t->highest;
}

static double wave_number(const sn_etdrk4_terms *t, ptrdiff_t mode) {
  return 2 * M_PI * (double)sn_fourier_wave_number(t->fourier, mode) / t->options.length;
}

static bool is_unpaired(const sn_etdrk4_terms *t, ptrdiff_t mode) {
  return 2 * sn_fourier_wave_number(t->fourier, mode) == sn_grid_points(t->grid);
}

static double complex symbol_of(const sn_etdrk4_terms *t, const variant *one, ptrdiff_t mode) {
  return sn_linear_derivatives_symbol(one->equation.linear.value, wave_number(t, mode), is_unpaired(t, mode));
}

/* Of u^2 where it is the only product, (a (u^2)_x / 2 + q u^2); else of a product that is N itself. */
static double complex product_of(const sn_etdrk4_terms *t, const variant *one, ptrdiff_t mode) {
  if (is_cut(t, mode)) return 0;
  if (t->pointwise) return 1;
  return CMPLX(one->equation.u2, is_unpaired(t, mode) ? 0 : 0.5 * one->equation.u_ux * wave_number(t, mode));
}

static void set_factors(const sn_etdrk4_terms *t, variant *one) {
  const factors *f = &one->factors;
  const double dt = t->options.dt;
  for (ptrdiff_t i = 0; i < t->modes; i++) {
    const double complex z = dt * symbol_of(t, one, i);
    double complex weight[4];
    sn_etdrk4_weights(z, weight);
    f->full[i] = cexp(z);
    f->half[i] = is_cut(t, i) ? 0 : cexp(z / 2);
    f->q[i] = dt * weight[0];
    f->first[i] = dt * weight[1];
    f->middle[i] = 2 * dt * weight[2];
    f->last[i] = dt * weight[3];
    one->product[i] = product_of(t, one, i);
  }
}

static sn_status create_variant(sn_etdrk4_terms *t, int index) {
  variant *one = &t->variant[index];
  one->equation = sn_equation_of_member(t->options.equation, index);
  double complex **const arrays[] = {&one->factors.full,   &one->factors.half, &one->factors.q, &one->factors.first,
                                     &one->factors.middle, &one->factors.last, &one->product};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) SN_TRY(SN_NEW(t->modes, arrays[i]));
  set_factors(t, one);
  return SN_OK;
}

static sn_status create_pointwise(sn_etdrk4_terms *t) {
  const sn_equation *e = t->options.equation;
  SN_TRY(SN_NEW(sn_fourier_values(t->fourier), &t->values));
  if (!sn_equation_has_slope(e)) return SN_OK;
  SN_TRY(SN_NEW(sn_fourier_values(t->fourier), &t->slopes));
  SN_TRY(SN_NEW(sn_fourier_size(t->fourier), &t->slope));
  SN_TRY(SN_NEW(t->modes, &t->derivative));
  for (ptrdiff_t i = 0; i < t->modes; i++)
    t->derivative[i] = is_cut(t, i) || is_unpaired(t, i) ? 0 : CMPLX(0, wave_number(t, i));
  return SN_OK;
}

static sn_status prepare(sn_etdrk4_terms *t) {
  const sn_equation *e = t->options.equation;
  t->modes = sn_fourier_modes(t->fourier);
  t->mean = -1;
  for (ptrdiff_t i = 0; i < t->modes; i++)
    if (sn_fourier_wave_number(t->fourier, i) == 0) t->mean = i;
  t->pointwise = sn_equation_is_pointwise(e);
  if (t->pointwise) SN_TRY(create_pointwise(t));
  const int values = e->parameter.of == SN_EQUATION_NONE ? 1 : e->parameter.values.count;
  SN_TRY(SN_NEW(values, &t->variant));
  t->variants = values;
  for (int k = 0; k < values; k++) SN_TRY(create_variant(t, k));
  return SN_OK;
}

sn_status sn_etdrk4_terms_create(sn_fourier *fourier, const sn_grid *grid, const sn_etdrk4_options *options,
                                 sn_etdrk4_terms **out) {
  SN_TRY(SN_NEW(1, out));
  **out = (sn_etdrk4_terms){.grid = grid,
                            .fourier = fourier,
                            .options = *options,
                            .highest = sn_etdrk4_highest(options, sn_grid_points(grid))};
  return prepare(*out);
}

void sn_etdrk4_terms_destroy(sn_etdrk4_terms **terms) {
  sn_etdrk4_terms *t = *terms;
  if (!t) return;
  for (int k = 0; k < t->variants; k++) {
    factors *f = &t->variant[k].factors;
    double complex **const arrays[] = {
        &f->full, &f->half, &f->q, &f->first, &f->middle, &f->last, &t->variant[k].product};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) SN_FREE(*arrays[i]);
  }
  SN_FREE(t->variant);
  SN_FREE(t->derivative);
  SN_FREE(t->slope);
  SN_FREE(t->values);
  SN_FREE(t->slopes);
  SN_FREE(*terms);
}

/* In real arithmetic: C's complex product also handles infinities. */
static inline double complex times(double complex a, double complex z) {
  return CMPLX(creal(a) * creal(z) - cimag(a) * cimag(z), creal(a) * cimag(z) + cimag(a) * creal(z));
}

static inline double complex single_nonlinear(double complex w) { return w; }

#define TIMES(name, number) times(f.name[i], number)
#define TWICE_TIMES(name, number) (2 * times(f.name[i], number))
#define WIDTH 1
#define NUMBER double complex
#define OF(name) single_##name
#include "etdrk4_stages.h"
#undef WIDTH
#undef NUMBER
#undef OF

/* The context of a step. */
typedef struct {
  const sn_etdrk4_terms *t;
  const variant *one;
  sn_etdrk4_arrays arrays;
} progress;

/* w := N of the transforms of products. */
static void finish_product(const sn_etdrk4_terms *t, const variant *one, ptrdiff_t first, ptrdiff_t count,
                           double complex *w) {
  for (ptrdiff_t i = first; i < first + count; i++) w[i] = times(one->product[i], w[i]);
  if (t->mean >= first && t->mean < first + count)
    w[t->mean] += one->equation.constant * (double)sn_grid_points(t->grid);
}

static void cut_off(const sn_etdrk4_terms *t, ptrdiff_t first, ptrdiff_t count, double complex *w) {
  for (ptrdiff_t i = first; i < first + count; i++)
    if (is_cut(t, i)) w[i] = 0;
}

static void stage(void *context, ptrdiff_t stage, ptrdiff_t first, ptrdiff_t count) {
  const progress *p = context;
  const factors *f = &p->one->factors;
  const factors own = {f->full + first,  f->half + first,   f->q + first,
                       f->first + first, f->middle + first, f->last + first};
  const sn_etdrk4_arrays all = {p->arrays.v + first, p->arrays.w + first, p->arrays.memory + first,
                                p->arrays.sum + first};
  finish_product(p->t, p->one, first, count, p->arrays.w);
  single_stage(stage, 0, count, own, all);
  if (stage % 4 == 3) cut_off(p->t, first, count, p->arrays.w);
}

/* Coefficients of a field to those of its products, point by point. */
static sn_status multiply(sn_etdrk4_terms *t, const sn_equation *e, double complex *w) {
  const ptrdiff_t count = sn_fourier_values(t->fourier);
  if (t->slopes) {
    for (ptrdiff_t i = 0; i < t->modes; i++) t->slope[i] = times(t->derivative[i], w[i]);
    SN_TRY(sn_fourier_to_values(t->fourier, t->slope, t->slopes));
  }
  SN_TRY(sn_fourier_to_values(t->fourier, w, t->values));
  for (ptrdiff_t i = 0; i < count; i++) {
    const double u = t->values[i], u_x = t->slopes ? t->slopes[i] : 0;
    t->values[i] = ((e->u3 * u + e->u2) * u + e->u_ux * u_x) * u + 0.5 * e->ux2 * u_x * u_x;
  }
  return sn_fourier_from_values(t->fourier, t->values, w);
}

sn_status sn_etdrk4_terms_step(sn_etdrk4_terms *t, ptrdiff_t member, sn_etdrk4_arrays arrays, ptrdiff_t steps) {
  const variant *one = &t->variant[(t->options.first_member + member) % t->variants];
  progress p = {t, one, arrays};
  memcpy(arrays.w, arrays.v, (size_t)t->modes * sizeof *arrays.w);
  cut_off(t, 0, t->modes, arrays.w);
  if (!t->pointwise) return sn_fourier_pseudospectral_squares(t->fourier, arrays.w, 4 * steps, stage, &p);
  for (ptrdiff_t k = 0; k < 4 * steps; k++) {
    SN_TRY(multiply(t, &one->equation, arrays.w));
    stage(&p, k, 0, t->modes);
  }
  return SN_OK;
}

/* For pseudospectral_squares, whose result is what is wanted. */
static void ignore(void *context, ptrdiff_t stage, ptrdiff_t first, ptrdiff_t count) {
  (void)context, (void)stage, (void)first, (void)count;
}

/* w := N of a field, without u u_x. */
static sn_status evaluate(sn_etdrk4_terms *t, const variant *one, const double complex *v, double complex *w) {
  sn_equation others = one->equation;
  others.u_ux = 0;
  memcpy(w, v, (size_t)t->modes * sizeof *w);
  cut_off(t, 0, t->modes, w);
  if (t->pointwise) {
    SN_TRY(multiply(t, &others, w));
  } else {
    SN_TRY(sn_fourier_pseudospectral_squares(t->fourier, w, 1, ignore, NULL));
    for (ptrdiff_t i = 0; i < t->modes; i++) w[i] *= others.u2;
  }
  cut_off(t, 0, t->modes, w);
  if (t->mean >= 0) w[t->mean] += others.constant * (double)sn_grid_points(t->grid);
  return SN_OK;
}

sn_status sn_etdrk4_terms_add_work(sn_etdrk4_terms *t, ptrdiff_t member, const double complex *v, double complex *w,
                                   double *sum) {
  const variant *one = &t->variant[(t->options.first_member + member) % t->variants];
  SN_TRY(evaluate(t, one, v, w));
  for (ptrdiff_t i = 0; i < t->modes; i++) *sum += sn_fourier_multiplicity(t->fourier, i) * creal(conj(v[i]) * w[i]);
  return SN_OK;
}
