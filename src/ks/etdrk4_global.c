/* ETDRK4 by transforms of the whole grid: the state stays in Fourier space between steps. */
#include <math.h>
#include <string.h>

#include "etdrk4_terms.h"
#include "sinode/memory.h"

/* Points of the contour on its upper half; the lower half holds their conjugates. */
enum { CONTOUR = 32 };

/* The real factors of a mode; those of the product include a k/2 of its derivative, the stages multiply by i. */
typedef struct {
  double *full; /* exp(z), z = dt times the symbol of the linear part */
  double *half; /* exp(z / 2), 0 where the product is cut off */
  double *q, *first, *middle, *last;
} factors;

/*
 * Members are advanced in groups that share a transform: one by one on one space rank, where a member's step then stays
 * in cache, all together on several, where a message costs more than its bytes, but for those that have factors of
 * their own.
 */
typedef struct {
  const sn_grid *grid;
  sn_etdrk4_options options;
  ptrdiff_t members, groups;
  sn_fourier *fourier;   /* of one group; NULL without members */
  ptrdiff_t size, count; /* numbers of a group's array; those in use */
  ptrdiff_t run;         /* numbers that have factors of their own: a spectrum, or all where spectra are interleaved */
  ptrdiff_t highest;     /* mode that interacts */
  ptrdiff_t cuts;        /* runs of higher modes, among those with factors */
  sn_range *cut;         /* (cuts) */
  factors factors;
  sn_etdrk4_terms *terms;              /* NULL: the equation is simple, and the factors are above */
  double complex *state;               /* (groups, size) */
  double complex *work, *memory, *sum; /* of one group within a step */
} global;

/* The four weights of Cox and Matthews for one z, by the mean over a circle round it (Kassam, Trefethen): what its
 * upper half gives, the part that the stages of real factors take; the lower half has the conjugates where z is real.
 */
static inline void integrate_half(double complex z, double complex weight[4]) {
  for (int i = 0; i < 4; i++) weight[i] = 0;
  for (int j = 0; j < CONTOUR; j++) {
    const double complex r = z + cexp(I * M_PI * (j + 0.5) / CONTOUR), e = cexp(r), cube = r * r * r;
    weight[0] += (cexp(r / 2) - 1) / r / CONTOUR;
    weight[1] += (-4 - r + e * (4 - 3 * r + r * r)) / cube / CONTOUR;
    weight[2] += (2 + r + e * (r - 2)) / cube / CONTOUR;
    weight[3] += (-4 - 3 * r - r * r + e * (4 - r)) / cube / CONTOUR;
  }
}

void sn_etdrk4_weights(double complex z, double complex weight[4]) {
  double complex lower[4];
  integrate_half(z, weight);
  integrate_half(conj(z), lower);
  for (int i = 0; i < 4; i++) weight[i] = (weight[i] + conj(lower[i])) / 2;
}

static ptrdiff_t magnitude_of(const sn_fourier *fourier, ptrdiff_t mode) {
  const ptrdiff_t m = sn_fourier_wave_number(fourier, mode);
  return m < 0 ? -m : m;
}

/* Finds the runs of modes that are cut off; cut NULL: only counts them. */
static ptrdiff_t find_cuts(const global *etdrk4, sn_range *cut) {
  const sn_fourier *fourier = etdrk4->fourier;
  const ptrdiff_t stride = sn_fourier_mode_stride(fourier);
  ptrdiff_t runs = 0;
  bool inside = false;
  for (ptrdiff_t mode = 0; mode < sn_fourier_modes(fourier); mode++) {
    const bool is_cut = magnitude_of(fourier, mode) > etdrk4->highest;
    if (is_cut && !inside) {
      if (cut) cut[runs] = (sn_range){.start = mode * stride};
      runs++;
    }
    if (is_cut && cut) cut[runs - 1].count += stride;
    inside = is_cut;
  }
  return runs;
}

/* The symbol of a simple equation; that of Kuramoto-Sivashinsky's as it stands here has the bits of earlier versions.
 */
static double rate_of(const sn_equation *equation, double k) {
  if (sn_equation_is_ks(equation)) return k * k - k * k * k * k;
  return creal(sn_linear_derivatives_symbol(equation->linear.value, k, true));
}

static void set_factors(global *etdrk4) {
  const sn_fourier *fourier = etdrk4->fourier;
  const ptrdiff_t points = sn_grid_points(etdrk4->grid), stride = sn_fourier_mode_stride(fourier);
  const sn_equation *equation = sn_etdrk4_equation(&etdrk4->options);
  const double dt = etdrk4->options.dt;
  const factors *f = &etdrk4->factors;
  for (ptrdiff_t mode = 0; mode < sn_fourier_modes(fourier); mode++) {
    const ptrdiff_t m = sn_fourier_wave_number(fourier, mode);
    const double k = 2 * M_PI * (double)m / etdrk4->options.length;
    const double z = dt * rate_of(equation, k);
    const bool is_cut = magnitude_of(fourier, mode) > etdrk4->highest;
    const double derivative = is_cut || 2 * m == points ? 0 : 0.5 * equation->u_ux * k * dt;
    double complex weight[4];
    integrate_half(z, weight);
    for (ptrdiff_t i = mode * stride; i < (mode + 1) * stride; i++) {
      f->full[i] = exp(z);
      f->half[i] = is_cut ? 0 : exp(z / 2);
      f->q[i] = creal(weight[0]) * derivative;
      f->first[i] = creal(weight[1]) * derivative;
      f->middle[i] = 2 * creal(weight[2]) * derivative;
      f->last[i] = creal(weight[3]) * derivative;
    }
  }
}

/* Of a simple equation. */
static sn_status make_factors(global *etdrk4) {
  factors *f = &etdrk4->factors;
  double **const arrays[] = {&f->full, &f->half, &f->q, &f->first, &f->middle, &f->last};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) SN_TRY(SN_NEW(etdrk4->run, arrays[i]));
  set_factors(etdrk4);
  return SN_OK;
}

static sn_status allocate(global *etdrk4) {
  double complex **const work[] = {&etdrk4->work, &etdrk4->memory, &etdrk4->sum};
  for (size_t i = 0; i < sizeof work / sizeof *work; i++) SN_TRY(SN_NEW(etdrk4->size, work[i]));
  etdrk4->cuts = find_cuts(etdrk4, NULL);
  SN_TRY(SN_NEW(etdrk4->cuts, &etdrk4->cut));
  find_cuts(etdrk4, etdrk4->cut);
  return sn_memory_alloc(etdrk4->groups, (size_t)etdrk4->size * sizeof *etdrk4->state, &etdrk4->state);
}

static sn_status prepare(global *etdrk4) {
  const sn_etdrk4_options *options = &etdrk4->options;
  const bool is_simple = sn_equation_is_simple(sn_etdrk4_equation(options));
  const bool together = sn_grid_space_size(etdrk4->grid) > 1 && is_simple;
  etdrk4->groups = together ? 1 : etdrk4->members;
  SN_TRY(sn_fourier_create(etdrk4->grid, together ? etdrk4->members : 1, options->rigor, &etdrk4->fourier));
  etdrk4->size = sn_fourier_size(etdrk4->fourier);
  etdrk4->count = sn_fourier_spectra(etdrk4->fourier) * sn_fourier_modes(etdrk4->fourier);
  etdrk4->run = sn_fourier_modes(etdrk4->fourier) * sn_fourier_mode_stride(etdrk4->fourier);
  SN_TRY(allocate(etdrk4));
  return is_simple ? make_factors(etdrk4)
                   : sn_etdrk4_terms_create(etdrk4->fourier, etdrk4->grid, options, &etdrk4->terms);
}

static sn_status create(sn_etdrk4 *etdrk4) {
  global *g;
  SN_TRY(sn_collective_status(sn_grid_space(etdrk4->grid), SN_NEW(1, &g)));
  *g = (global){.grid = etdrk4->grid, .options = etdrk4->options, .members = etdrk4->members};
  g->highest = sn_etdrk4_highest(&g->options, sn_grid_points(g->grid));
  etdrk4->state = g;
  return prepare(g);
}

static void destroy(sn_etdrk4 *etdrk4) {
  global *g = etdrk4->state;
  if (!g) return;
  factors *f = &g->factors;
  double **const arrays[] = {&f->full, &f->half, &f->q, &f->first, &f->middle, &f->last};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) SN_FREE(*arrays[i]);
  sn_etdrk4_terms_destroy(&g->terms);
  SN_FREE(g->cut);
  SN_FREE(g->work);
  SN_FREE(g->memory);
  SN_FREE(g->sum);
  SN_FREE(g->state);
  sn_fourier_destroy(&g->fourier);
  SN_FREE(etdrk4->state);
}

/* Grid values of a group in those of all members. */
static ptrdiff_t group_values(const global *etdrk4) {
  return etdrk4->members / etdrk4->groups * sn_grid_range(etdrk4->grid).count;
}

static sn_status set_state(sn_etdrk4 *base, const double *state) {
  global *etdrk4 = base->state;
  for (ptrdiff_t g = 0; g < etdrk4->groups; g++)
    SN_TRY(sn_fourier_forward(etdrk4->fourier, state + g * group_values(etdrk4), etdrk4->state + g * etdrk4->size));
  return SN_OK;
}

static sn_status get_state(sn_etdrk4 *base, double *state) {
  global *etdrk4 = base->state;
  for (ptrdiff_t g = 0; g < etdrk4->groups; g++) {
    memcpy(etdrk4->work, etdrk4->state + g * etdrk4->size, (size_t)etdrk4->count * sizeof *etdrk4->work);
    SN_TRY(sn_fourier_inverse(etdrk4->fourier, etdrk4->work, state + g * group_values(etdrk4)));
  }
  return SN_OK;
}

#define TIMES(name, number) (OF(factor)(f.name + i) * (number))
#define TWICE_TIMES(name, number) (2 * OF(factor)(f.name + i) * (number))

/*
 * The stages for one complex number at a time in ISO C, and for two at once, the odd one at the end, where the compiler
 * has GNU's vector types: left to itself it vectorizes less well (CMakeLists.txt has the figures; both give the same to
 * round-off).
 */
#if defined __GNUC__ && !defined SINODE_ISO_C
/* Nobody outside calls these functions, so how numbers wider than the processor's registers are passed is no matter. */
#pragma GCC diagnostic ignored "-Wpsabi"
typedef double single __attribute__((vector_size(2 * sizeof(double)), aligned(sizeof(double)), may_alias));
typedef double pair __attribute__((vector_size(4 * sizeof(double)), aligned(sizeof(double)), may_alias));

static inline single single_nonlinear(single z) { return __builtin_shufflevector(z, -z, 3, 0); }
static inline single single_factor(const double *factor) { return (single){*factor, *factor}; }

static inline pair pair_nonlinear(pair z) { return __builtin_shufflevector(z, -z, 5, 0, 7, 2); }
static inline pair pair_factor(const double *factor) {
  const single both = *(const single *)factor;
  return __builtin_shufflevector(both, both, 0, 0, 1, 1);
}

#define WIDTH 2
#define NUMBER pair
#define OF(name) pair_##name
#define HAS_PAIRS
#include "etdrk4_stages.h"
#undef WIDTH
#undef NUMBER
#undef OF
#else
typedef double complex single;

static inline single single_nonlinear(single z) { return CMPLX(-cimag(z), creal(z)); }
static inline double single_factor(const double *factor) { return *factor; }
#endif

#define WIDTH 1
#define NUMBER single
#define OF(name) single_##name
#include "etdrk4_stages.h"
#undef WIDTH
#undef NUMBER
#undef OF

/* The context of a group's step. */
typedef struct {
  const global *etdrk4;
  double complex *state;
} progress;

static factors factors_from(const factors *f, ptrdiff_t begin) {
  return (factors){f->full + begin,  f->half + begin,   f->q + begin,
                   f->first + begin, f->middle + begin, f->last + begin};
}

/* Sets the modes that do not interact, of the numbers first .. first + count - 1, to 0. */
static void cut_off(const global *etdrk4, ptrdiff_t first, ptrdiff_t count) {
  const sn_range piece = {first % etdrk4->run, count};
  for (ptrdiff_t i = 0; i < etdrk4->cuts; i++) {
    const sn_range cut = sn_range_intersect(etdrk4->cut[i], piece);
    memset(etdrk4->work + first + cut.start - piece.start, 0, (size_t)cut.count * sizeof *etdrk4->work);
  }
}

static void stage(void *context, ptrdiff_t stage, ptrdiff_t first, ptrdiff_t count) {
  const progress *p = context;
  const global *e = p->etdrk4;
  const sn_etdrk4_arrays all = {p->state + first, e->work + first, e->memory + first, e->sum + first};
  const factors f = factors_from(&e->factors, first % e->run);
  ptrdiff_t done = 0;
#ifdef HAS_PAIRS
  done = count - count % 2;
  pair_stage(stage, 0, done, f, all);
#endif
  single_stage(stage, done, count, f, all);
  if (stage % 4 == 3) cut_off(e, first, count);
}

static sn_status step_group(global *etdrk4, double complex *state, ptrdiff_t steps) {
  progress p = {etdrk4, state};
  memcpy(etdrk4->work, state, (size_t)etdrk4->count * sizeof *state);
  for (ptrdiff_t first = 0; first < etdrk4->count; first += etdrk4->run) cut_off(etdrk4, first, etdrk4->run);
  return sn_fourier_pseudospectral_squares(etdrk4->fourier, etdrk4->work, 4 * steps, stage, &p);
}

static sn_status step(sn_etdrk4 *base, ptrdiff_t steps) {
  global *etdrk4 = base->state;
  for (ptrdiff_t g = 0; g < etdrk4->groups; g++) {
    double complex *state = etdrk4->state + g * etdrk4->size;
    const sn_etdrk4_arrays arrays = {state, etdrk4->work, etdrk4->memory, etdrk4->sum};
    SN_TRY(etdrk4->terms ? sn_etdrk4_terms_step(etdrk4->terms, g, arrays, steps) : step_group(etdrk4, state, steps));
    sn_fourier_make_real(etdrk4->fourier, state);
  }
  return SN_OK;
}

static double *coefficients(sn_etdrk4 *base, ptrdiff_t *count) {
  const global *etdrk4 = base->state;
  *count = 2 * etdrk4->groups * etdrk4->size;
  return (double *)etdrk4->state;
}

/* The parts of a linear part that add to a square and that take from it: k^2 and k^4 of Kuramoto-Sivashinsky's. */
static void add_rates(const double *coefficient, double k, double square, double sums[5]) {
  double power = 1;
  for (int order = 0; order < SN_LINEAR_ORDERS; order += 2, power *= k * k) {
    const double rate = (order % 4 ? -coefficient[order] : coefficient[order]) * power;
    sums[rate > 0 ? 1 : 2] += fabs(rate) * square;
  }
}

/* Adds one group's share of the sums of a balance. */
static void add_balance(const global *etdrk4, const sn_equation *equation, const double complex *state,
                        double sums[5]) {
  const sn_fourier *fourier = etdrk4->fourier;
  const ptrdiff_t to_spectrum = sn_fourier_spectrum_stride(fourier), to_mode = sn_fourier_mode_stride(fourier);
  for (ptrdiff_t mode = 0; mode < sn_fourier_modes(fourier); mode++) {
    const ptrdiff_t m = sn_fourier_wave_number(fourier, mode), magnitude = magnitude_of(fourier, mode);
    const double k = 2 * M_PI * (double)m / etdrk4->options.length;
    double square = 0;
    for (ptrdiff_t s = 0; s < sn_fourier_spectra(fourier); s++)
      square += sn_fourier_power(state[s * to_spectrum + mode * to_mode]);
    square *= sn_fourier_multiplicity(fourier, mode);
    sums[0] += square;
    add_rates(equation->linear.value, k, square, sums);
    if (m != 0 && magnitude <= etdrk4->highest) sums[3] += square;
    if (3 * magnitude > 2 * etdrk4->highest && magnitude <= etdrk4->highest) sums[4] += square;
  }
}

/* But for the terms, all of it is at hand, whatever is wanted. */
static sn_status add_sums(sn_etdrk4 *base, bool balance, double sums[SN_ETDRK4_SUMS]) {
  const global *etdrk4 = base->state;
  for (ptrdiff_t g = 0; g < etdrk4->groups; g++) {
    const double complex *state = etdrk4->state + g * etdrk4->size;
    const sn_equation equation =
        sn_equation_of_member(sn_etdrk4_equation(&etdrk4->options), etdrk4->options.first_member + g);
    add_balance(etdrk4, &equation, state, sums);
    if (etdrk4->terms && balance) SN_TRY(sn_etdrk4_terms_add_work(etdrk4->terms, g, state, etdrk4->work, &sums[1]));
  }
  return SN_OK;
}

const sn_etdrk4_ops sn_etdrk4_global = {.create = create,
                                        .destroy = destroy,
                                        .set_state = set_state,
                                        .get_state = get_state,
                                        .step = step,
                                        .add_sums = add_sums,
                                        .coefficients = coefficients};
