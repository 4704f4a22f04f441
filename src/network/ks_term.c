/*
 * F(u) = (u^2 / 2)_x, dealiased: with P the cut of high wave numbers and D the derivative, F(u) = D P (P u)^2 / 2.
 *
 * Round-off in the high wave numbers of u is left out of the square: on fine grids D amplifies it by dt k |u| >> 1 in
 * the next step, where schemes with an explicit first stage (2c 3 4 5) do not damp it, and it grows by mixing with u.
 * Derivatives are those of F all the same.
 */
#include <math.h>
#include <string.h>

#include "network_ops.h"
#include "sinode/fourier.h"
#include "sinode/memory.h"

typedef struct {
  sn_network base;
  sn_fourier *fourier;    /* of a group of fields */
  ptrdiff_t group;        /* one field on one space rank, else two, which share messages */
  double complex *cut;    /* (modes): symbol of P */
  double complex *slope;  /* (modes): of D P */
  double complex *minus;  /* (modes): of -D P */
  double complex *work;   /* coefficients */
  double *values, *other; /* of a group, in the transforms' layout */
  double *fields;         /* (group, points): of an incomplete group */
} ks_term;

static void destroy(sn_network *network) {
  ks_term *ks = (ks_term *)network;
  sn_fourier_destroy(&ks->fourier);
  SN_FREE(ks->cut);
  SN_FREE(ks->slope);
  SN_FREE(ks->minus);
  SN_FREE(ks->work);
  SN_FREE(ks->values);
  SN_FREE(ks->other);
  SN_FREE(ks->fields);
}

/* The tape holds the values of P u. */
static ptrdiff_t tape_size(const sn_network *network, ptrdiff_t samples) {
  const ks_term *ks = (const ks_term *)network;
  return (samples + ks->group - 1) / ks->group * sn_fourier_values(ks->fourier);
}

static ptrdiff_t in_group(const ks_term *ks, ptrdiff_t samples, ptrdiff_t first) {
  return samples - first < ks->group ? samples - first : ks->group;
}

/* The fields times a symbol, as values in the transforms' own layout. */
static sn_status to_values(ks_term *ks, ptrdiff_t count, const double *fields, const double complex *symbol,
                           bool denoise, double *values) {
  if (count < ks->group) {
    memcpy(ks->fields, fields, (size_t)(count * ks->base.points) * sizeof *fields);
    fields = ks->fields; /* the rest of it is 0 */
  }
  SN_TRY(sn_fourier_forward(ks->fourier, fields, ks->work));
  sn_fourier_scale(ks->fourier, symbol, ks->work);
  if (denoise) sn_fourier_denoise(ks->fourier, ks->work);
  return sn_fourier_to_values(ks->fourier, ks->work, values);
}

/* Back from values in that layout, times a symbol. */
static sn_status from_values(ks_term *ks, ptrdiff_t count, const double *values, const double complex *symbol,
                             bool denoise, double *fields) {
  double *group = count < ks->group ? ks->fields : fields;
  SN_TRY(sn_fourier_from_values(ks->fourier, values, ks->work));
  if (denoise) sn_fourier_denoise(ks->fourier, ks->work);
  sn_fourier_scale(ks->fourier, symbol, ks->work);
  SN_TRY(sn_fourier_inverse(ks->fourier, ks->work, group));
  if (group == fields) return SN_OK;
  const size_t bytes = (size_t)(count * ks->base.points) * sizeof *fields;
  memcpy(fields, group, bytes);
  memset(group, 0, (size_t)(ks->group * ks->base.points) * sizeof *group);
  return SN_OK;
}

static sn_status forward(sn_network *network, ptrdiff_t samples, const double *u, double *f, double *tape) {
  ks_term *ks = (ks_term *)network;
  const ptrdiff_t n = network->points, size = sn_fourier_values(ks->fourier);
  for (ptrdiff_t first = 0; first < samples; first += ks->group) {
    const ptrdiff_t count = in_group(ks, samples, first);
    double *v = tape ? tape + first / ks->group * size : ks->values;
    SN_TRY(to_values(ks, count, u + first * n, ks->cut, true, v));
    for (ptrdiff_t i = 0; i < size; i++) ks->values[i] = 0.5 * v[i] * v[i];
    SN_TRY(from_values(ks, count, ks->values, ks->slope, true, f + first * n));
  }
  return SN_OK;
}

/* out = outer(P u inner(in)): the derivative of F for (P, D P), its transpose for (-D P, P). */
static sn_status linearized(ks_term *ks, ptrdiff_t samples, const double *tape, const double complex *inner,
                            const double complex *outer, const double *in, double *out) {
  const ptrdiff_t n = ks->base.points, size = sn_fourier_values(ks->fourier);
  for (ptrdiff_t first = 0; first < samples; first += ks->group) {
    const ptrdiff_t count = in_group(ks, samples, first);
    const double *v = tape + first / ks->group * size;
    SN_TRY(to_values(ks, count, in + first * n, inner, false, ks->other));
    for (ptrdiff_t i = 0; i < size; i++) ks->other[i] *= v[i];
    SN_TRY(from_values(ks, count, ks->other, outer, false, out + first * n));
  }
  return SN_OK;
}

static sn_status backward(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                          const double *f_bar, double *u_bar, const sn_gradient *gradient) {
  (void)u, (void)gradient;
  ks_term *ks = (ks_term *)network;
  if (!u_bar) return SN_OK;
  return linearized(ks, samples, tape, ks->minus, ks->cut, f_bar, u_bar);
}

static sn_status tangent(sn_network *network, ptrdiff_t samples, const double *u, const double *tape, const double *du,
                         const double *dtheta, double *df) {
  (void)u, (void)dtheta;
  ks_term *ks = (ks_term *)network;
  if (!du) {
    memset(df, 0, (size_t)(samples * network->points) * sizeof *df);
    return SN_OK;
  }
  return linearized(ks, samples, tape, ks->cut, ks->slope, du, df);
}

static const sn_network_ops ops = {
    .destroy = destroy, .tape_size = tape_size, .forward = forward, .backward = backward, .tangent = tangent};

static void set_symbols(ks_term *ks) {
  const ptrdiff_t points = sn_grid_points(ks->base.grid);
  for (ptrdiff_t mode = 0; mode < sn_fourier_modes(ks->fourier); mode++) {
    const ptrdiff_t m = sn_fourier_wave_number(ks->fourier, mode), magnitude = m < 0 ? -m : m;
    const bool is_cut = magnitude > points / 3;
    const double k = is_cut ? 0 : 2 * M_PI * (double)m / ks->base.shape.length;
    ks->cut[mode] = is_cut ? 0 : 1;
    ks->slope[mode] = CMPLX(0, k);
    ks->minus[mode] = CMPLX(0, -k);
  }
}

static sn_status prepare(ks_term *ks) {
  const ptrdiff_t modes = sn_fourier_modes(ks->fourier), values = sn_fourier_values(ks->fourier);
  SN_TRY(SN_NEW(modes, &ks->cut));
  SN_TRY(SN_NEW(modes, &ks->slope));
  SN_TRY(SN_NEW(modes, &ks->minus));
  SN_TRY(SN_NEW(sn_fourier_size(ks->fourier), &ks->work));
  SN_TRY(SN_NEW(values, &ks->values));
  SN_TRY(SN_NEW(values, &ks->other));
  return SN_NEW(ks->group * ks->base.points, &ks->fields);
}

static sn_status create(const sn_network *base, sn_network **out) {
  MPI_Comm space = sn_grid_space(base->grid);
  ks_term *ks;
  SN_TRY(sn_collective_status(space, SN_NEW(1, &ks)));
  *ks = (ks_term){.base = *base, .group = sn_grid_space_size(base->grid) > 1 ? 2 : 1};
  ks->base.ops = &ops;
  *out = &ks->base;
  sn_status status = sn_fourier_create(base->grid, ks->group, SN_FOURIER_ESTIMATE, &ks->fourier);
  if (!status) status = sn_collective_status(space, prepare(ks));
  if (status) {
    sn_network_destroy(out);
    return status;
  }
  set_symbols(ks);
  return SN_OK;
}

const sn_network_type sn_network_ks = {.create = create};
