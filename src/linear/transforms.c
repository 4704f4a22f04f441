#include "transforms.h"

#include "sinode/memory.h"

/*
 * Bytes of fields and coefficients that are transformed, scaled and transformed back while they are in the cache; more
 * over several ranks, where a message should be worth its latency.
 */
enum { PACKET_BYTES = 512 * 1024, PACKET_BYTES_SENT = 2048 * 1024 };

/* The wave numbers of this rank; where FFTW-MPI transforms they depend on the number of fields. */
typedef struct layout {
  ptrdiff_t modes, first, last;
  double complex *symbols; /* (symbols, 2, modes): each and its conjugate */
  struct layout *next;
} layout;

typedef struct plan {
  ptrdiff_t fields;
  sn_fourier *fourier;
  layout *layout;
  struct plan *next;
} plan;

struct sn_transforms {
  const sn_grid *grid;
  sn_fourier_rigor rigor;
  int symbols;
  bool *evaluated; /* (symbols) */
  sn_transforms_symbol evaluate;
  const void *context;
  ptrdiff_t packet; /* most fields transformed at once */
  layout *layouts;
  plan *plans;
  double complex *coefficients;
  ptrdiff_t capacity, bytes;
};

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

static double complex *symbol_of(const layout *where, int index, bool transpose) {
  return where->symbols + (2 * index + transpose) * where->modes;
}

static sn_status evaluate(const sn_transforms *transforms, const layout *where, const sn_fourier *fourier, int index) {
  double complex *symbol = symbol_of(where, index, false), *adjoint = symbol_of(where, index, true);
  for (ptrdiff_t i = 0; i < where->modes; i++) {
    SN_TRY(transforms->evaluate(transforms->context, index, sn_fourier_wave_number(fourier, i), &symbol[i]));
    adjoint[i] = conj(symbol[i]);
  }
  return SN_OK;
}

static const plan *find(const sn_transforms *transforms, ptrdiff_t fields) {
  const plan *one = transforms->plans;
  while (one && one->fields != fields) one = one->next;
  return one;
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
  ptrdiff_t size = 2 * transforms->symbols * modes;
  SN_TRY(SN_NEW(size, &fresh->symbols));
  transforms->bytes += size * (ptrdiff_t)sizeof *fresh->symbols;
  for (int index = 0; index < transforms->symbols; index++)
    if (transforms->evaluated[index]) SN_TRY(evaluate(transforms, fresh, one->fourier, index));
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

bool sn_transforms_is_planned(const sn_transforms *transforms, ptrdiff_t fields) {
  ptrdiff_t rest = fields % transforms->packet;
  return (rest == 0 || find(transforms, rest)) && (fields < transforms->packet || find(transforms, transforms->packet));
}

static sn_status evaluate_everywhere(const sn_transforms *transforms, int index) {
  for (const layout *where = transforms->layouts; where; where = where->next) {
    const plan *one = transforms->plans;
    while (one->layout != where) one = one->next;
    SN_TRY(evaluate(transforms, where, one->fourier, index));
  }
  return SN_OK;
}

sn_status sn_transforms_evaluate(sn_transforms *transforms, int index) {
  SN_TRY(sn_collective_status(sn_grid_space(transforms->grid), evaluate_everywhere(transforms, index)));
  transforms->evaluated[index] = true;
  return SN_OK;
}

sn_status sn_transforms_multiply(sn_transforms *transforms, int index, bool transpose, ptrdiff_t fields,
                                 const double *from, double *to) {
  ptrdiff_t n = sn_grid_range(transforms->grid).count;
  for (ptrdiff_t first = 0; first < fields; first += transforms->packet) {
    ptrdiff_t rest = fields - first;
    const plan *one = find(transforms, rest < transforms->packet ? rest : transforms->packet);
    SN_TRY(sn_fourier_filter(one->fourier, symbol_of(one->layout, index, transpose), from + first * n,
                             transforms->coefficients, to + first * n));
  }
  return SN_OK;
}

sn_status sn_transforms_multiply_rows(sn_transforms *transforms, int index, const int *row, bool transpose,
                                      ptrdiff_t fields, const double *from, double *to) {
  const ptrdiff_t n = sn_grid_range(transforms->grid).count;
  for (ptrdiff_t f = 0; f < fields; f++)
    SN_TRY(sn_transforms_multiply(transforms, index + row[f], transpose, 1, from + f * n, to + f * n));
  return SN_OK;
}

ptrdiff_t sn_transforms_bytes(const sn_transforms *transforms) { return transforms->bytes; }
