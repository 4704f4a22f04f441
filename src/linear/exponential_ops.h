/* Functions of A: the table of functions for a form of A, and the object. Private to this folder. */
#ifndef SINODE_LINEAR_EXPONENTIAL_OPS_H
#define SINODE_LINEAR_EXPONENTIAL_OPS_H

#include "linear_ops.h"
#include "sinode/exponential.h"

enum { SN_EXPONENTIAL_REASON_LENGTH = 200 };

/* As the functions of the public header. */
typedef struct {
  sn_status (*create)(sn_exponential *exponential); /* all but size, clear and gather are collective over space */
  void (*destroy)(sn_exponential *exponential);
  sn_status (*reserve)(sn_exponential *exponential, ptrdiff_t samples);
  ptrdiff_t (*size)(const sn_exponential *exponential, ptrdiff_t samples); /* of a transformed state; local */
  sn_status (*make)(sn_exponential *exponential, int parameter); /* the functions, for a number among linear->value */
  sn_status (*transform)(sn_exponential *exponential, bool transpose, ptrdiff_t samples, const double *state,
                         double *transformed);
  sn_status (*sum)(sn_exponential *exponential, bool transpose, ptrdiff_t samples, int terms,
                   const sn_exponential_term *term, double *state);
  void (*clear)(sn_exponential *exponential);
  void (*gather)(sn_exponential *exponential, ptrdiff_t samples, int function, double weight, const double *left,
                 const double *right);
  sn_status (*gradient)(sn_exponential *exponential, double *gradient);
  sn_status (*set_direction)(sn_exponential *exponential, ptrdiff_t samples, const double *direction);
} sn_exponential_ops;

struct sn_exponential {
  const sn_exponential_ops *ops;
  const sn_grid *grid;
  sn_linear *linear;
  sn_exponential_options options;
  int functions;
  sn_phi_sum *function;
  long made[SN_LINEAR_VALUES_MOST]; /* of each parameter: the version of A that functions were made of; -1: never */
  long evaluations;
  ptrdiff_t size;  /* of a transformed state, of the samples of the options */
  ptrdiff_t bytes; /* of the functions */
  char reason[SN_EXPONENTIAL_REASON_LENGTH];
  void *state;
};

/* No functions are made. Local. */
void sn_exponential_forget(sn_exponential *exponential);

extern const sn_exponential_ops sn_exponential_circulant, sn_exponential_dense;

#endif
