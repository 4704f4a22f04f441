#include "sinode/etdrk4_division.h"

#include <math.h>
#include <string.h>

#include "etdrk4_ops.h"
#include "sinode/ks_initial.h"
#include "sinode/memory.h"
#include "sinode/subdomains.h"

/* The taper's spectrum is below round-off at the highest wave numbers of the grid and just so at those that dealiasing
 * leaves; a wider one takes points, a narrower one is seen by the operators. */
enum { ROUNDED_TO = 8, TAPER = SN_ETDRK4_OVERLAP_LEAST - ROUNDED_TO };

static const double error_most = 1e-12;

/* Steps that one exchange may be for. */
static const ptrdiff_t steps_tried[] = {1, 2, 4, 8, 16};
enum { TRIED = sizeof steps_tried / sizeof *steps_tried };

/*
 * Lengths that FFTW transforms fast, and how much longer one takes than its n log n says. With ten transforms a step
 * the difference counts: those of least work alone (sn_subdomains_choose_length), as 1920, take a tenth more.
 */
static const struct {
  ptrdiff_t length;
  double slower;
} lengths[] = {{512, 1},    {768, 1.1}, {1024, 1},   {1536, 1.1}, {2048, 1},
               {3072, 1.1}, {4096, 1},  {8192, 1.3}, {16384, 1.6}};
enum { LENGTHS = sizeof lengths / sizeof *lengths };

/*
 * What decides between them, of a common processor and network: seconds of a number and binary digit of a short
 * transform, of a message, of a byte; the stages of a step, in numbers and digits.
 */
static const double line = 8e-11, latency = 2e-6, carried = 1e-10, stages = 40;

/* The trial: a field, whole and tapered, on a periodic grid of its own. */
typedef struct {
  sn_grid *grid;
  sn_etdrk4 *etdrk4;
  ptrdiff_t points;
  bool dealias;
  double *whole, *tapered;
} trial;

/* Points of the trial's grid: some structures of the field, and room for the longest subdomain's overlaps. */
static sn_status size_of_trial(double spacing, ptrdiff_t *points) {
  enum { LEAST = 2048 };
  const double structures = 80;
  const ptrdiff_t most = lengths[LENGTHS - 1].length;
  for (*points = LEAST; *points < most && (double)*points * spacing < structures;) *points *= 2;
  if ((double)*points * spacing >= structures) return SN_OK;
  return SN_ERROR_ALL(
      SN_ERROR_USAGE,
      "generate.transform is local, but on a grid as fine as this (grid.length / grid.points = %.3g) the "
      "operators of a step reach further than subdomains of %td points; use generate.transform: global",
      spacing, most);
}

static sn_status advance(sn_etdrk4 *etdrk4, ptrdiff_t steps, double *u) {
  SN_TRY(sn_etdrk4_set_state(etdrk4, u, 0));
  SN_TRY(sn_etdrk4_step(etdrk4, steps));
  return sn_etdrk4_get_state(etdrk4, u);
}

/* A field as the attractor has them, by steps that any grid takes; of other equations by those asked for. */
static sn_status make_field(trial *t, sn_etdrk4_options options) {
  const double dt = sn_equation_is_ks(sn_etdrk4_equation(&options)) ? 0.05 : options.dt, time = 20;
  sn_etdrk4 *etdrk4;
  const sn_ks_initial_options initial = {.kind = SN_KS_INITIAL_NOISE, .length = options.length, .seed = 1};
  sn_ks_initial_state(t->grid, &initial, (sn_range){0, 1}, t->whole);
  options.dt = dt;
  SN_TRY(sn_etdrk4_create(t->grid, 1, &options, &etdrk4));
  sn_status status = advance(etdrk4, (ptrdiff_t)lround(time / dt), t->whole);
  sn_etdrk4_destroy(&etdrk4);
  return status;
}

/* tapered := the field as a subdomain reads it that is as long as the grid; whole := the field, as far turned. */
static sn_status taper(trial *t) {
  const sn_subdomains_options options = {.overlap = TAPER, .taper = TAPER, .length = t->points};
  sn_subdomains *subdomains;
  double *turned = NULL;
  SN_TRY(sn_subdomains_create(t->grid, &options, 1, &subdomains));
  sn_status status = sn_subdomains_exchange(subdomains, 1, t->whole);
  if (!status) sn_subdomains_read(subdomains, 0, 0, t->whole, t->tapered);
  const ptrdiff_t first = sn_subdomains_kept(subdomains, 0).start - sn_subdomains_offset(subdomains, 0) + t->points;
  sn_subdomains_destroy(&subdomains);
  if (!status) status = SN_NEW(t->points, &turned);
  for (ptrdiff_t j = 0; j < t->points && !status; j++) turned[j] = t->whole[(first + j) % t->points];
  if (!status) memcpy(t->whole, turned, (size_t)t->points * sizeof *turned);
  SN_FREE(turned);
  return status;
}

/* Plans are not measured: the same division in every run. */
static sn_status begin(const sn_etdrk4_options *options, double spacing, trial *t) {
  sn_etdrk4_options own = *options;
  *t = (trial){.dealias = options->dealias};
  SN_TRY(size_of_trial(spacing, &t->points));
  own.length = (double)t->points * spacing;
  own.rigor = SN_FOURIER_ESTIMATE;
  own.transform = SN_ETDRK4_GLOBAL;
  SN_TRY(sn_grid_create(MPI_COMM_SELF, 1, t->points, NULL, &t->grid));
  SN_TRY(SN_NEW(t->points, &t->whole));
  SN_TRY(SN_NEW(t->points, &t->tapered));
  SN_TRY(make_field(t, own));
  SN_TRY(taper(t));
  return sn_etdrk4_create(t->grid, 1, &own, &t->etdrk4);
}

static void end(trial *t) {
  sn_etdrk4_destroy(&t->etdrk4);
  SN_FREE(t->whole);
  SN_FREE(t->tapered);
  sn_grid_destroy(&t->grid);
}

/* The difference at a point, relative to the largest value; infinite where a step has blown up. */
static double difference(const trial *t, ptrdiff_t j, double largest) {
  const double relative = fabs(t->tapered[j] - t->whole[j]) / largest;
  return isnan(relative) ? INFINITY : relative;
}

/* The least distance from the ends from which on the two fields differ by less than the error allowed, or, if they do
 * nowhere, half of the grid; *error: by how much, relative to the largest value. */
static ptrdiff_t find_distance(const trial *t, double *error) {
  double largest = 0, found = 0;
  ptrdiff_t distance = t->points / 2;
  for (ptrdiff_t j = 0; j < t->points; j++) largest = fmax(largest, fabs(t->whole[j]));
  *error = INFINITY;
  while (distance > 0) {
    const ptrdiff_t left = distance - 1, right = t->points - distance;
    found = fmax(found, fmax(difference(t, left, largest), difference(t, right, largest)));
    if (found > error_most) break;
    distance--;
    *error = found;
  }
  if (isinf(*error)) *error = found;
  return distance;
}

/* The best length of subdomains for an overlap, and seconds of a step. */
static double choose_length(ptrdiff_t points, int ranks, sn_etdrk4_division *division) {
  const double transforms = 8 + 2 / (double)division->steps;
  const double sent = ranks > 1 ? 2 * latency + 16 * (double)division->overlap * carried : 0;
  double least = INFINITY;
  for (int i = 0; i < LENGTHS; i++) {
    const ptrdiff_t length = lengths[i].length, kept = length - 2 * division->overlap;
    if (kept <= 0) continue;
    const double numbers = (double)((sn_partition_most(points, ranks) + kept - 1) / kept * length);
    const double seconds = line * numbers * (transforms * lengths[i].slower * log2((double)length) + stages);
    if (seconds >= least) continue;
    least = seconds;
    division->length = length;
  }
  return least + sent / (double)division->steps;
}

/* Of all numbers of steps that leave a small enough error and an overlap that fits, the cheapest. */
static sn_status choose(trial *t, ptrdiff_t points, int ranks, sn_etdrk4_division *out) {
  double least = INFINITY;
  ptrdiff_t done = 0, shortest = PTRDIFF_MAX;
  double smallest = INFINITY;
  for (int i = 0; i < TRIED; i++) {
    sn_etdrk4_division one = {.steps = steps_tried[i], .taper = TAPER};
    SN_TRY(advance(t->etdrk4, one.steps - done, t->whole));
    SN_TRY(advance(t->etdrk4, one.steps - done, t->tapered));
    done = one.steps;
    const ptrdiff_t distance = find_distance(t, &one.error);
    smallest = fmin(smallest, one.error);
    if (one.error > error_most) continue;
    one.overlap = (distance > TAPER ? distance : TAPER) / ROUNDED_TO * ROUNDED_TO + ROUNDED_TO;
    shortest = one.overlap < shortest ? one.overlap : shortest;
    if (one.overlap > points / ranks) continue;
    const double seconds = choose_length(points, ranks, &one);
    if (seconds >= least) continue;
    least = seconds;
    *out = one;
  }
  if (isfinite(least)) return SN_OK;
  if (shortest == PTRDIFF_MAX)
    return SN_ERROR_ALL(
        SN_ERROR_USAGE,
        "generate.transform is local, but on this grid a tapered subdomain of %td points is wrong by %.1e "
        "of the largest value at its middle after a step (allowed: %g), since the spectrum does not end at "
        "round-off; use more grid.points%s, or generate.transform: global",
        t->points, smallest, error_most, t->dealias ? ", generate.dealias: false" : "");
  return SN_ERROR(
      SN_ERROR_USAGE,
      "generate.transform is local, for which subdomains must overlap by %td points, but a rank's block has "
      "%td; use fewer ranks in space, a longer domain, or generate.transform: global",
      shortest, points / ranks);
}

sn_status sn_etdrk4_divide(const sn_etdrk4_options *options, ptrdiff_t points, int ranks, sn_etdrk4_division *out) {
  trial t;
  *out = (sn_etdrk4_division){0};
  if (!sn_equation_is_simple(sn_etdrk4_equation(options)))
    return SN_ERROR_ALL(
        SN_ERROR_USAGE,
        "generate.transform is local, which takes equations of even derivatives and u u_x alone, without "
        "a parameter; use generate.transform: global");
  sn_status status = begin(options, options->length / (double)points, &t);
  if (!status) status = choose(&t, points, ranks, out);
  end(&t);
  return status;
}
