/*
 * ETDRK4 on overlapping, tapered subdomains. The state is the values on the grid: some steps read one array and write
 * the other. A subdomain is advanced by a generator of its own, periodic and of the global kind; one serves all.
 */
#include <math.h>
#include <string.h>

#include "etdrk4_ops.h"
#include "sinode/memory.h"
#include "sinode/subdomains.h"

/* Points beyond those that a subdomain keeps, at which it is compared with its right neighbour. */
enum { COMPARED = 8 };

typedef struct {
  sn_subdomains *subdomains;
  sn_grid *alone;    /* of one subdomain */
  sn_etdrk4 *etdrk4; /* on that */
  sn_fourier *fourier;
  ptrdiff_t points, highest;           /* local; mode of a subdomain that interacts */
  double *state, *next;                /* (members, local points) */
  double *subdomain, *field, *means;   /* (length), (length), (members) */
  double complex *spectrum, *filtered; /* of a subdomain */
  double *beyond;                      /* (members, COMPARED) values of the last subdomain beyond this rank's block */
  bool has_overlaps, has_beyond;       /* are those of the state */
} local;

static sn_status allocate(const sn_etdrk4 *etdrk4, local *l) {
  const ptrdiff_t length = etdrk4->division.length, members = etdrk4->members, values = members * l->points;
  SN_TRY(SN_NEW(values, &l->state));
  SN_TRY(SN_NEW(values, &l->next));
  SN_TRY(SN_NEW(length, &l->subdomain));
  SN_TRY(SN_NEW(length, &l->field));
  SN_TRY(SN_NEW(members, &l->means));
  SN_TRY(SN_NEW(members * COMPARED, &l->beyond));
  SN_TRY(SN_NEW(sn_fourier_size(l->fourier), &l->spectrum));
  return SN_NEW(sn_fourier_size(l->fourier), &l->filtered);
}

/* What one rank has for itself. */
static sn_status create_alone(const sn_etdrk4 *etdrk4, local *l) {
  const sn_etdrk4_division *division = &etdrk4->division;
  sn_etdrk4_options options = etdrk4->options;
  options.transform = SN_ETDRK4_GLOBAL;
  options.length *= (double)division->length / (double)sn_grid_points(etdrk4->grid);
  l->highest = sn_etdrk4_highest(&options, division->length);
  SN_TRY(sn_grid_create(MPI_COMM_SELF, 1, division->length, NULL, &l->alone));
  SN_TRY(sn_etdrk4_create(l->alone, 1, &options, &l->etdrk4));
  SN_TRY(sn_fourier_create(l->alone, 1, options.rigor, &l->fourier));
  return allocate(etdrk4, l);
}

static sn_status create(sn_etdrk4 *etdrk4) {
  const sn_etdrk4_division *d = &etdrk4->division;
  const sn_subdomains_options options = {.overlap = d->overlap, .taper = d->taper, .length = d->length};
  local *l;
  SN_TRY(sn_collective_status(sn_grid_space(etdrk4->grid), SN_NEW(1, &l)));
  *l = (local){.points = sn_grid_range(etdrk4->grid).count};
  etdrk4->state = l;
  SN_TRY(sn_subdomains_create(etdrk4->grid, &options, etdrk4->members, &l->subdomains));
  return sn_collective_status(sn_grid_space(etdrk4->grid), create_alone(etdrk4, l));
}

static void destroy(sn_etdrk4 *etdrk4) {
  local *l = etdrk4->state;
  if (!l) return;
  double **const arrays[] = {&l->state, &l->next, &l->subdomain, &l->field, &l->means, &l->beyond};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) SN_FREE(*arrays[i]);
  SN_FREE(l->spectrum);
  SN_FREE(l->filtered);
  sn_fourier_destroy(&l->fourier);
  sn_etdrk4_destroy(&l->etdrk4);
  sn_grid_destroy(&l->alone);
  sn_subdomains_destroy(&l->subdomains);
  SN_FREE(etdrk4->state);
}

/* Values of this rank, of all members. */
static void copy(const sn_etdrk4 *etdrk4, const double *from, double *to) {
  const local *l = etdrk4->state;
  if (l->points) memcpy(to, from, (size_t)(etdrk4->members * l->points) * sizeof *to);
}

static sn_status set_state(sn_etdrk4 *etdrk4, const double *state) {
  local *l = etdrk4->state;
  copy(etdrk4, state, l->state);
  l->has_overlaps = l->has_beyond = false;
  etdrk4->mismatch = 0;
  return SN_OK;
}

static sn_status get_state(sn_etdrk4 *etdrk4, double *state) {
  copy(etdrk4, ((local *)etdrk4->state)->state, state);
  return SN_OK;
}

/* Whoever asks for the values may change them. */
static double *coefficients(sn_etdrk4 *etdrk4, ptrdiff_t *count) {
  local *l = etdrk4->state;
  l->has_overlaps = l->has_beyond = false;
  *count = etdrk4->members * l->points;
  return l->state;
}

/* What the neighbours have of the state. */
static sn_status exchange(const sn_etdrk4 *etdrk4) {
  local *l = etdrk4->state;
  if (!l->has_overlaps) SN_TRY(sn_subdomains_exchange(l->subdomains, etdrk4->members, l->state));
  l->has_overlaps = true;
  return SN_OK;
}

/* NaN, of a state that has blown up, counts as a difference. */
static void compare(const double *a, const double *b, double *mismatch) {
  for (int k = 0; k < COMPARED; k++) {
    const double difference = fabs(a[k] - b[k]);
    if (!(difference <= *mismatch)) *mismatch = isnan(difference) ? INFINITY : difference;
  }
}

/* All subdomains of a member. What a subdomain has beyond the points that it keeps, the next one has too; the last
 * one's comes with the neighbour's overlap, in the next exchange. */
static sn_status step_member(sn_etdrk4 *etdrk4, ptrdiff_t member, ptrdiff_t steps) {
  local *l = etdrk4->state;
  const ptrdiff_t count = sn_subdomains_count(l->subdomains);
  double *last = l->beyond + member * COMPARED, beyond[COMPARED];
  for (ptrdiff_t i = 0; i < count; i++) {
    const ptrdiff_t offset = sn_subdomains_offset(l->subdomains, i);
    const ptrdiff_t end = offset + sn_subdomains_kept(l->subdomains, i).count;
    sn_subdomains_read(l->subdomains, i, member, l->state, l->subdomain);
    if (i == count - 1 && l->has_beyond) compare(last, l->subdomain + end, &etdrk4->mismatch);
    SN_TRY(sn_etdrk4_set_state(l->etdrk4, l->subdomain, 0));
    SN_TRY(sn_etdrk4_step(l->etdrk4, steps));
    SN_TRY(sn_etdrk4_get_state(l->etdrk4, l->subdomain));
    sn_subdomains_write(l->subdomains, i, member, l->subdomain, l->next);
    if (i > 0) compare(beyond, l->subdomain + offset, &etdrk4->mismatch);
    memcpy(i == count - 1 ? last : beyond, l->subdomain + end, sizeof beyond);
  }
  return SN_OK;
}

static sn_status step(sn_etdrk4 *etdrk4, ptrdiff_t steps) {
  local *l = etdrk4->state;
  while (steps > 0) {
    const ptrdiff_t now = steps < etdrk4->division.steps ? steps : etdrk4->division.steps;
    SN_TRY(exchange(etdrk4));
    for (ptrdiff_t m = 0; m < etdrk4->members; m++) SN_TRY(step_member(etdrk4, m, now));
    double *const written = l->next;
    l->next = l->state;
    l->state = written;
    l->has_overlaps = false;
    l->has_beyond = true;
    steps -= now;
  }
  return SN_OK;
}

/* The sum of squares, less `mean`, over the points that subdomain i keeps. */
static double sum_of_squares(const local *l, ptrdiff_t i, const double *subdomain, double mean) {
  const ptrdiff_t offset = sn_subdomains_offset(l->subdomains, i), count = sn_subdomains_kept(l->subdomains, i).count;
  double sum = 0;
  for (ptrdiff_t j = offset; j < offset + count; j++) sum += (subdomain[j] - mean) * (subdomain[j] - mean);
  return sum;
}

/* filtered := (i k)^order times the spectrum, its modes `low` to `high`, the mean left out of order 0; field := its
 * values. */
static sn_status filter(const sn_etdrk4 *etdrk4, int order, ptrdiff_t low, ptrdiff_t high) {
  const local *l = etdrk4->state;
  const ptrdiff_t length = etdrk4->division.length;
  const double domain = etdrk4->options.length * (double)length / (double)sn_grid_points(etdrk4->grid);
  for (ptrdiff_t m = 0; m < sn_fourier_modes(l->fourier); m++) {
    const double k = m < low || m > high || (order % 2 && 2 * m == length) ? 0 : 2 * M_PI * (double)m / domain;
    double complex factor = order == 0 ? (k != 0) : order % 2 ? I * k : -k * k;
    for (int done = order % 2 ? 1 : 2; done < order; done += 2) factor *= -k * k;
    l->filtered[m] = factor * l->spectrum[m];
  }
  return sn_fourier_inverse(l->fourier, l->filtered, l->field);
}

/* What the derivatives add to the square of u and take from it: the integral of u d^2r u/dx^2r is (-1)^r times that of
 * the square of d^r u/dx^r. */
static sn_status add_rates(const sn_etdrk4 *etdrk4, ptrdiff_t i, double sums[SN_ETDRK4_SUMS]) {
  const local *l = etdrk4->state;
  const double *coefficient = sn_etdrk4_equation(&etdrk4->options)->linear.value;
  for (int order = 0; order < SN_LINEAR_ORDERS; order += 2) {
    const double rate = order % 4 ? -coefficient[order] : coefficient[order];
    if (rate == 0) continue;
    if (order) SN_TRY(filter(etdrk4, order / 2, 0, sn_fourier_modes(l->fourier)));
    sums[rate > 0 ? 1 : 2] += fabs(rate) * sum_of_squares(l, i, order ? l->field : l->subdomain, 0);
  }
  return SN_OK;
}

/* What subdomain i of a member adds to the sums of a balance. */
static sn_status add_subdomain(const sn_etdrk4 *etdrk4, ptrdiff_t member, ptrdiff_t i, double sums[SN_ETDRK4_SUMS]) {
  const local *l = etdrk4->state;
  sn_subdomains_read(l->subdomains, i, member, l->state, l->subdomain);
  SN_TRY(sn_fourier_forward(l->fourier, l->subdomain, l->spectrum));
  sums[3] += sum_of_squares(l, i, l->subdomain, l->means[member]);
  SN_TRY(add_rates(etdrk4, i, sums));
  SN_TRY(filter(etdrk4, 0, 2 * l->highest / 3 + 1, l->highest));
  sums[4] += sum_of_squares(l, i, l->field, 0);
  return SN_OK;
}

static void find_means(const sn_etdrk4 *etdrk4) {
  local *l = etdrk4->state;
  for (ptrdiff_t m = 0; m < etdrk4->members; m++) {
    l->means[m] = 0;
    for (ptrdiff_t j = 0; j < l->points; j++) l->means[m] += l->state[m * l->points + j];
  }
  sn_grid_sum_over_space(etdrk4->grid, etdrk4->members, l->means);
  for (ptrdiff_t m = 0; m < etdrk4->members; m++) l->means[m] /= (double)sn_grid_points(etdrk4->grid);
}

static sn_status add_sums(sn_etdrk4 *etdrk4, bool balance, double sums[SN_ETDRK4_SUMS]) {
  local *l = etdrk4->state;
  for (ptrdiff_t j = 0; j < etdrk4->members * l->points; j++) sums[0] += l->state[j] * l->state[j];
  if (!balance) return SN_OK;
  find_means(etdrk4);
  SN_TRY(exchange(etdrk4));
  for (ptrdiff_t m = 0; m < etdrk4->members; m++)
    for (ptrdiff_t i = 0; i < sn_subdomains_count(l->subdomains); i++) SN_TRY(add_subdomain(etdrk4, m, i, sums));
  return SN_OK;
}

const sn_etdrk4_ops sn_etdrk4_local = {.create = create,
                                       .destroy = destroy,
                                       .set_state = set_state,
                                       .get_state = get_state,
                                       .step = step,
                                       .add_sums = add_sums,
                                       .coefficients = coefficients};
