#include "transforms_plan.h"

#include "sinode/memory.h"

/*
 * Bytes of fields and coefficients that are transformed, scaled and transformed back while they are in the cache; more
 * over several ranks, where a message should be worth its latency.
 */
enum { PACKET_BYTES = 512 * 1024, PACKET_BYTES_SENT = 2048 * 1024 };

ptrdiff_t sn_transforms_packet(ptrdiff_t points, int ranks) {
  const ptrdiff_t bytes = 2 * (ptrdiff_t)sizeof(double) * sn_partition_most(points, ranks);
  const ptrdiff_t fit = (ranks > 1 ? PACKET_BYTES_SENT : PACKET_BYTES) / bytes;
  return fit > 1 ? fit : 1;
}

sn_status sn_transforms_create(const sn_grid *grid, sn_fourier_rigor rigor, int symbols, sn_transforms_symbol evaluate,
                               const void *context, sn_transforms **out) {
  *out = NULL;
  sn_transforms *transforms;
  sn_status status = SN_NEW(1, &transforms);
  if (transforms) {
    *transforms =
        (sn_transforms){.grid = grid, .rigor = rigor, .symbols = symbols, .evaluate = evaluate, .context = context};
    status = SN_NEW(symbols, &transforms->evaluated);
  }
  status = sn_collective_status(sn_grid_space(grid), status);
  if (status) {
    sn_transforms_destroy(&transforms);
    return status;
  }
  transforms->packet = sn_transforms_packet(sn_grid_points(grid), sn_grid_space_size(grid));
  *out = transforms;
  return SN_OK;
}

void sn_transforms_destroy(sn_transforms **transforms) {
  if (!*transforms) return;
  for (plan *one = (*transforms)->plans, *next; one; one = next) {
    next = one->next;
    sn_fourier_destroy(&one->fourier);
    SN_FREE(one);
  }
  for (layout *one = (*transforms)->layouts, *next; one; one = next) {
    next = one->next;
    SN_FREE(one->symbols);
    SN_FREE(one);
  }
  SN_FREE((*transforms)->evaluated);
  SN_FREE((*transforms)->coefficients);
  SN_FREE(*transforms);
}

static sn_status evaluate(const sn_transforms *transforms, const layout *where, const sn_fourier *fourier, int first,
                          int count) {
  for (ptrdiff_t i = 0; i < where->modes; i++)
    for (int index = first; index < first + count; index++) {
      double complex *symbol = symbol_of(where, index, false), *adjoint = symbol_of(where, index, true);
      SN_TRY(transforms->evaluate(transforms->context, index, sn_fourier_wave_number(fourier, i), &symbol[i]));
      adjoint[i] = conj(symbol[i]);
    }
  return SN_OK;
}

/* For the symbols of a layout. Local. */
static sn_status make_room(sn_transforms *transforms, layout *where) {
  const ptrdiff_t size = 2 * transforms->symbols * where->modes;
  SN_TRY(SN_NEW(size, &where->symbols));
  transforms->bytes += size * (ptrdiff_t)sizeof *where->symbols;
  return SN_OK;
}

/* Sets the layout of a plan's wave numbers, an earlier one if it is the same. Local. */
static sn_status lay_out(sn_transforms *transforms, plan *one) {
  ptrdiff_t modes = sn_fourier_modes(one->fourier);
  ptrdiff_t first = modes ? sn_fourier_wave_number(one->fourier, 0) : 0;
  ptrdiff_t last = modes ? sn_fourier_wave_number(one->fourier, modes - 1) : 0;
  for (layout *known = transforms->layouts; known; known = known->next)
    if (known->modes == modes && known->first == first && known->last == last) {
      one->layout = known;
      return SN_OK;
    }
  layout *fresh;
  SN_TRY(SN_NEW(1, &fresh));
  *fresh = (layout){.modes = modes, .first = first, .last = last, .next = transforms->layouts};
  transforms->layouts = one->layout = fresh;
  SN_TRY(make_room(transforms, fresh));
  for (int index = 0; index < transforms->symbols; index++)
    if (transforms->evaluated[index]) SN_TRY(evaluate(transforms, fresh, one->fourier, index, 1));
  return SN_OK;
}

static sn_status reserve_buffers(sn_transforms *transforms, ptrdiff_t size) {
  if (size <= transforms->capacity) return SN_OK;
  SN_FREE(transforms->coefficients);
  transforms->capacity = 0;
  SN_TRY(SN_NEW(size, &transforms->coefficients));
  transforms->capacity = size;
  return SN_OK;
}

static sn_status add(sn_transforms *transforms, ptrdiff_t fields) {
  if (fields == 0 || find(transforms, fields)) return SN_OK;
  MPI_Comm space = sn_grid_space(transforms->grid);
  plan *one;
  SN_TRY(sn_collective_status(space, SN_NEW(1, &one)));
  *one = (plan){.fields = fields, .next = transforms->plans};
  transforms->plans = one;
  SN_TRY(sn_fourier_create(transforms->grid, fields, transforms->rigor, &one->fourier));
  sn_status status = lay_out(transforms, one);
  if (!status) status = reserve_buffers(transforms, sn_fourier_size(one->fourier));
  return sn_collective_status(space, status);
}

sn_status sn_transforms_plan(sn_transforms *transforms, ptrdiff_t fields) {
  if (fields <= transforms->packet) return add(transforms, fields);
  SN_TRY(add(transforms, transforms->packet));
  return add(transforms, fields % transforms->packet);
}

/* On one rank there are no messages to share, and one field stays closer to the processor than many. */
static bool is_one_by_one(const sn_transforms *transforms) { return sn_grid_space_size(transforms->grid) == 1; }

void sn_transforms_keep_apart(sn_transforms *transforms) {
  const int ranks = sn_grid_space_size(transforms->grid);
  if (ranks > 1 && !sn_fourier_estimate_cost(sn_grid_points(transforms->grid), ranks, 1).n1) transforms->packet = 1;
}

sn_status sn_transforms_plan_rows(sn_transforms *transforms, ptrdiff_t fields) {
  SN_TRY(add(transforms, 1));
  return is_one_by_one(transforms) ? SN_OK : sn_transforms_plan(transforms, fields);
}

bool sn_transforms_rows_are_planned(const sn_transforms *transforms, ptrdiff_t fields) {
  return find(transforms, 1) && (is_one_by_one(transforms) || sn_transforms_is_planned(transforms, fields));
}

static sn_status resize(sn_transforms *transforms, int symbols) {
  SN_FREE(transforms->evaluated);
  SN_TRY(SN_NEW(symbols, &transforms->evaluated));
  transforms->symbols = symbols;
  transforms->bytes = 0;
  for (layout *where = transforms->layouts; where; where = where->next) {
    SN_FREE(where->symbols);
    SN_TRY(make_room(transforms, where));
  }
  return SN_OK;
}

sn_status sn_transforms_resize(sn_transforms *transforms, int symbols) {
  return sn_collective_status(sn_grid_space(transforms->grid), resize(transforms, symbols));
}

bool sn_transforms_is_planned(const sn_transforms *transforms, ptrdiff_t fields) {
  ptrdiff_t rest = fields % transforms->packet;
  return (rest == 0 || find(transforms, rest)) && (fields < transforms->packet || find(transforms, transforms->packet));
}

static sn_status evaluate_everywhere(const sn_transforms *transforms, int first, int count) {
  for (const layout *where = transforms->layouts; where; where = where->next) {
    const plan *one = transforms->plans;
    while (one->layout != where) one = one->next;
    SN_TRY(evaluate(transforms, where, one->fourier, first, count));
  }
  for (int index = first; index < first + count; index++) transforms->evaluated[index] = true;
  return SN_OK;
}

sn_status sn_transforms_evaluate(sn_transforms *transforms, int first, int count) {
  return sn_collective_status(sn_grid_space(transforms->grid), evaluate_everywhere(transforms, first, count));
}

sn_status sn_transforms_multiply(sn_transforms *transforms, int index, bool transpose, ptrdiff_t fields,
                                 const double *from, double *to) {
  ptrdiff_t n = sn_grid_range(transforms->grid).count;
  for (ptrdiff_t first = 0; first < fields; first += transforms->packet) {
    const plan *one = plan_at(transforms, fields, first);
    SN_TRY(sn_fourier_filter(one->fourier, symbol_of(one->layout, index, transpose), from + first * n,
                             transforms->coefficients, to + first * n));
  }
  return SN_OK;
}

static sn_status multiply_alone(sn_transforms *transforms, int index, const sn_transforms_rows *rows, bool transpose,
                                ptrdiff_t first, ptrdiff_t count, const double *from, double *to) {
  const ptrdiff_t n = sn_grid_range(transforms->grid).count;
  for (ptrdiff_t f = first; f < first + count; f++)
    SN_TRY(sn_transforms_multiply(transforms, index_of(index, rows, f), transpose, 1, from + f * n, to + f * n));
  return SN_OK;
}

static sn_status multiply_packet(const sn_transforms *transforms, const plan *packet, int index,
                                 const sn_transforms_rows *rows, bool transpose, ptrdiff_t first, const double *from,
                                 double *to) {
  const ptrdiff_t n = sn_grid_range(transforms->grid).count, to_mode = sn_fourier_mode_stride(packet->fourier);
  SN_TRY(sn_fourier_forward(packet->fourier, from + first * n, transforms->coefficients));
  for (ptrdiff_t f = 0; f < packet->fields; f++) {
    const double complex *symbol = symbol_of(packet->layout, index_of(index, rows, first + f), transpose);
    double complex *field = transforms->coefficients + f * sn_fourier_spectrum_stride(packet->fourier);
    for (ptrdiff_t m = 0; m < packet->layout->modes; m++)
      field[m * to_mode] = product_of(symbol[m], field[m * to_mode]);
  }
  return sn_fourier_inverse(packet->fourier, transforms->coefficients, to + first * n);
}

/* Where two fields are the parts of a complex one, they cannot have symbols of their own. */
sn_status sn_transforms_multiply_rows(sn_transforms *transforms, int index, const sn_transforms_rows *rows,
                                      bool transpose, ptrdiff_t fields, const double *from, double *to) {
  if (is_one_by_one(transforms)) return multiply_alone(transforms, index, rows, transpose, 0, fields, from, to);
  for (ptrdiff_t first = 0; first < fields; first += transforms->packet) {
    const plan *packet = plan_at(transforms, fields, first);
    SN_TRY(sn_fourier_spectra(packet->fourier) < packet->fields
               ? multiply_alone(transforms, index, rows, transpose, first, packet->fields, from, to)
               : multiply_packet(transforms, packet, index, rows, transpose, first, from, to));
  }
  return SN_OK;
}

ptrdiff_t sn_transforms_bytes(const sn_transforms *transforms) { return transforms->bytes; }
