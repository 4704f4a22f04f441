#include "transforms.h"

#include <stdint.h>

#include "sinode/memory.h"

/* Bytes of fields and coefficients that are transformed, scaled and transformed back while they are in the cache. */
enum { PACKET_BYTES = 512 * 1024 };

typedef struct plan {
  ptrdiff_t fields;
  sn_fourier *fourier;
  struct plan *next;
} plan;

struct sn_transforms {
  const sn_grid *grid;
  sn_fourier_effort effort;
  ptrdiff_t packet; /* most fields transformed at once */
  plan *plans;
  double complex *coefficients;
  ptrdiff_t room;
};

static sn_fourier *find(const sn_transforms *transforms, ptrdiff_t fields) {
  for (const plan *p = transforms->plans; p; p = p->next)
    if (p->fields == fields) return p->fourier;
  return NULL;
}

static sn_status make_room(sn_transforms *transforms, ptrdiff_t size) {
  if (size <= transforms->room) return SN_OK;
  sn_memory_give(&transforms->coefficients);
  SN_TRY(SN_NEW(size, &transforms->coefficients));
  transforms->room = size;
  return SN_OK;
}

static sn_status add(sn_transforms *transforms, ptrdiff_t fields) {
  if (fields == 0 || find(transforms, fields)) return SN_OK;
  MPI_Comm space = sn_grid_space(transforms->grid);
  plan *one;
  SN_TRY(sn_agree(space, SN_NEW(1, &one)));
  *one = (plan){.fields = fields, .next = transforms->plans};
  transforms->plans = one;
  SN_TRY(sn_fourier_create(transforms->grid, fields, transforms->effort, &one->fourier));
  return sn_agree(space, make_room(transforms, sn_fourier_size(one->fourier)));
}

sn_status sn_transforms_create(const sn_grid *grid, sn_fourier_effort effort, sn_transforms **out) {
  *out = NULL;
  sn_transforms *transforms;
  SN_TRY(sn_agree(sn_grid_space(grid), SN_NEW(1, &transforms)));
  *transforms = (sn_transforms){.grid = grid, .effort = effort, .packet = PTRDIFF_MAX / 2};
  /* Over several ranks fewer messages matter more. */
  if (sn_grid_space_size(grid) == 1) {
    transforms->packet = PACKET_BYTES / (2 * (ptrdiff_t)sizeof(double) * sn_grid_points(grid));
    if (transforms->packet < 1) transforms->packet = 1;
  }
  sn_status status = add(transforms, 1);
  if (status) sn_transforms_destroy(&transforms);
  *out = transforms;
  return status;
}

void sn_transforms_destroy(sn_transforms **transforms) {
  if (!*transforms) return;
  for (plan *p = (*transforms)->plans, *next; p; p = next) {
    next = p->next;
    sn_fourier_destroy(&p->fourier);
    sn_memory_give(&p);
  }
  sn_memory_give(&(*transforms)->coefficients);
  sn_memory_give(transforms);
}

sn_status sn_transforms_plan(sn_transforms *transforms, ptrdiff_t fields) {
  if (fields <= transforms->packet) return add(transforms, fields);
  SN_TRY(add(transforms, transforms->packet));
  return add(transforms, fields % transforms->packet);
}

bool sn_transforms_is_planned(const sn_transforms *transforms, ptrdiff_t fields) {
  if (fields <= transforms->packet) return find(transforms, fields);
  ptrdiff_t rest = fields % transforms->packet;
  return find(transforms, transforms->packet) && (rest == 0 || find(transforms, rest));
}

ptrdiff_t sn_transforms_modes(const sn_transforms *transforms) { return sn_fourier_modes(find(transforms, 1)); }

ptrdiff_t sn_transforms_wave_number(const sn_transforms *transforms, ptrdiff_t mode) {
  return sn_fourier_wave_number(find(transforms, 1), mode);
}

sn_status sn_transforms_multiply(sn_transforms *transforms, ptrdiff_t fields, const double complex *symbol,
                                 const double *from, double *to) {
  ptrdiff_t n = sn_grid_range(transforms->grid).count;
  for (ptrdiff_t first = 0; first < fields; first += transforms->packet) {
    ptrdiff_t rest = fields - first;
    sn_fourier *fourier = find(transforms, rest < transforms->packet ? rest : transforms->packet);
    SN_TRY(sn_fourier_forward(fourier, from + first * n, transforms->coefficients));
    sn_fourier_scale(fourier, symbol, transforms->coefficients);
    SN_TRY(sn_fourier_inverse(fourier, transforms->coefficients, to + first * n));
  }
  return SN_OK;
}
