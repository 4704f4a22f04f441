/* The family of linear operators: the table of functions of a kind, and the object. Private to this folder. */
#ifndef SINODE_LINEAR_LINEAR_OPS_H
#define SINODE_LINEAR_LINEAR_OPS_H

#include <math.h>

#include "sinode/linear.h"

typedef struct {
  bool circulant;
  sn_status (*create)(sn_linear *linear); /* the block and the private state; collective over space */
  void (*destroy)(sn_linear *linear);
  sn_status (*set_derivatives)(sn_linear *linear, const sn_linear_init *init); /* writes the coefficients */
  void (*update)(sn_linear *linear);      /* NULL: nothing is derived from the coefficients */
  sn_status (*extend)(sn_linear *linear); /* makes room for new parameters; NULL: nothing is scaled; collective */
  /* Also between the grid's wave numbers, for other grids of the same spacing; NULL: not circulant. */
  double complex (*symbol)(const sn_linear *linear, double m);
  sn_status (*apply)(sn_linear *linear, bool transpose, ptrdiff_t samples, const double *x, double *y);
  sn_status (*gradient)(sn_linear *linear, ptrdiff_t samples, double weight, const double *left, const double *right,
                        double *gradient);
  sn_status (*tangent)(sn_linear *linear, ptrdiff_t samples, double weight, const double *direction, const double *x,
                       double *y);
  void (*rows)(const sn_linear *linear, double *rows); /* NULL: not available as a matrix */
} sn_linear_ops;

struct sn_linear {
  const sn_linear_ops *ops;
  const sn_grid *grid;
  sn_linear_shape shape;
  sn_parameters *parameters;
  ptrdiff_t offset; /* of the coefficients in the parameters, and how many are here */
  ptrdiff_t size;
  ptrdiff_t samples; /* at most */
  long version;
  /* Where a derivative is scaled: */
  int values;       /* parameters that samples have had so far */
  double *value;    /* (SN_LINEAR_VALUES_MOST) */
  int *row;         /* (samples): which of them a row has */
  ptrdiff_t rows;   /* of the batch that is worked on; those of its tangents, direction by direction, repeat them */
  double symbol_at; /* the parameter that symbols are evaluated for: 1 but while a solver or an application asks */
  void *state;
};

#define SN_LINEAR_DECLARE(constant, name, functions) extern const sn_linear_ops functions;
SN_LINEARS(SN_LINEAR_DECLARE)
extern const sn_linear_ops sn_linear_symbols; /* of SN_LINEAR_SYMBOL */

static inline double *sn_linear_coefficients(const sn_linear *linear) {
  return sn_parameters_values(linear->parameters) + linear->offset;
}

/* Sum of |A| along a row of a stencil. */
static inline double sn_linear_row_sum(const sn_linear *linear) {
  double sum = 0;
  for (int k = 0; k < linear->shape.taps; k++) sum += fabs(sn_linear_coefficients(linear)[k]);
  return sum;
}

/* The operator for parameter number `index`, for symbols alone. */
static inline sn_linear sn_linear_at(const sn_linear *linear, int index) {
  sn_linear at = *linear;
  if (linear->value) at.symbol_at = linear->value[index];
  return at;
}

/* How many taps the central differences of a sum of derivatives have, and these taps, of so many, at most
 * SN_LINEAR_TAPS_MOST. */
int sn_linear_difference_taps(unsigned derivatives, int accuracy);
int sn_linear_difference(const sn_linear *linear, const sn_linear_init *init, double *taps);

/* rows += a circulant's taps, in the layout of sn_linear_rows. */
void sn_linear_add_taps(const sn_grid *grid, int count, const double *taps, double *rows);

#endif
