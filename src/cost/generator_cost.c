/* Which way the generator goes where generate.transform leaves it open. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "cost.h"

/*
 * Local where the domain is this many overlaps long and its step takes less than this share of the global one's: a
 * domain of a few structures keeps the bits that it has always had, and so does one that would gain little.
 */
static const double overlaps_least = 32, share_most = 0.75;

/* Seconds of a unit of each amount on a common processor and network; of arrays in the cache, those in memory apart. */
typedef struct {
  double memory, transforms, lines, latency, carried;
} pace;

static double seconds_of(const sn_cost *cost, sn_layout layout) {
  enum { CACHED = 1 << 14 };
  const bool cached = layout.points / layout.space <= CACHED;
  const pace p = {cached ? 1e-11 : 5e-11, cached ? 1e-10 : 2.5e-10, 1.6e-10, 2e-6, 1e-10};
  return p.memory * cost->of[SN_COST_MEMORY] + p.transforms * cost->of[SN_COST_TRANSFORMS] +
         p.lines * cost->of[SN_COST_LINES] + p.latency * cost->of[SN_COST_LATENCIES] +
         p.carried * cost->of[SN_COST_CARRIED];
}

/* Of the shortest overlap that there is, or of one that has been found. */
static bool is_short(sn_layout layout, ptrdiff_t overlap) {
  return (double)layout.points < overlaps_least * (double)overlap;
}

static void describe_global(const char *why, sn_cost_generator *out) {
  out->local = false;
  snprintf(out->text, sizeof out->text, "transforms of the whole grid: %s", why);
}

static void describe_local(sn_cost_generator *out, const char *why) {
  const sn_etdrk4_division *d = &out->division;
  out->local = true;
  snprintf(
      out->text, sizeof out->text,
      "local transforms: subdomains of %td points that overlap by %td, one exchange every %td steps at most (error "
      "of an exchange %.0e)%s",
      d->length, d->overlap, d->steps, d->error, why);
}

static void describe_short(ptrdiff_t overlap, sn_cost_generator *out) {
  char why[120];
  snprintf(why, sizeof why, "the domain is less than %.0f overlaps of %td points long", overlaps_least, overlap);
  describe_global(why, out);
}

/* Both ways are known. */
static void compare(sn_layout layout, sn_cost_generator *out) {
  const sn_cost global = sn_cost_generate_step(layout, NULL), local = sn_cost_generate_step(layout, &out->division);
  const double share = seconds_of(&local, layout) / seconds_of(&global, layout);
  char why[120];
  if (is_short(layout, out->division.overlap)) {
    describe_short(out->division.overlap, out);
  } else if (share > share_most) {
    snprintf(why, sizeof why, "by the model local ones would take %.2f of their time", share);
    describe_global(why, out);
  } else {
    snprintf(why, sizeof why, "; by the model %.2g of the time that transforms of the whole grid take", share);
    describe_local(out, isfinite(share) ? why : "");
  }
}

sn_status sn_cost_choose_generator(sn_layout layout, const sn_etdrk4_options *options, sn_cost_generator *out) {
  *out = (sn_cost_generator){0};
  if (options->transform == SN_ETDRK4_GLOBAL) {
    describe_global("generate.transform", out);
    return SN_OK;
  }
  if (options->transform == SN_ETDRK4_AUTO && options->equation && !sn_equation_is_simple(options->equation)) {
    describe_global("the equation has a parameter, or more than even derivatives and u u_x", out);
    return SN_OK;
  }
  if (options->transform == SN_ETDRK4_AUTO && is_short(layout, SN_ETDRK4_OVERLAP_LEAST)) {
    describe_short(SN_ETDRK4_OVERLAP_LEAST, out);
    return SN_OK;
  }
  sn_status status = sn_etdrk4_divide(options, layout.points, layout.space, &out->division);
  if (options->transform == SN_ETDRK4_LOCAL) {
    if (!status) describe_local(out, "");
    return status;
  }
  if (status)
    describe_global("a step is not local on this grid and these ranks", out);
  else
    compare(layout, out);
  sn_error_destroy(&status);
  return SN_OK;
}
