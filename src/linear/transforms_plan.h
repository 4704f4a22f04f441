/*
 * What the two files of transforms share: plans, and where the symbols of their wave numbers are. Private to this
 * folder.
 */
#ifndef SINODE_LINEAR_TRANSFORMS_PLAN_H
#define SINODE_LINEAR_TRANSFORMS_PLAN_H

#include "transforms.h"

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

static inline double complex *symbol_of(const layout *where, int index, bool transpose) {
  return where->symbols + (2 * index + transpose) * where->modes;
}

static inline int index_of(int index, const sn_transforms_rows *rows, ptrdiff_t field) {
  return rows->row ? index + rows->stride * rows->row[field % rows->count] : index;
}

static inline const plan *find(const sn_transforms *transforms, ptrdiff_t fields) {
  const plan *one = transforms->plans;
  while (one && one->fields != fields) one = one->next;
  return one;
}

/* Of the packet that begins with a field. */
static inline const plan *plan_at(const sn_transforms *transforms, ptrdiff_t fields, ptrdiff_t first) {
  const ptrdiff_t rest = fields - first;
  return find(transforms, rest < transforms->packet ? rest : transforms->packet);
}

static inline double complex product_of(double complex x, double complex y) {
  return CMPLX(creal(x) * creal(y) - cimag(x) * cimag(y), creal(x) * cimag(y) + cimag(x) * creal(y));
}

#endif
