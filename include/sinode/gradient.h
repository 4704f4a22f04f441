/*
 * A gradient under construction, as backward passes are handed it: they add to its values, in the layout of the
 * parameters (sinode/parameters.h), and tell its sink which of them are final, so that a sum over the ranks can begin
 * while the pass goes on (sinode/reduction.h). NULL instead of a gradient: none is wanted.
 *
 * Whether anything is final depends on who calls: a loop over windows, time steps or stages adds to the same values
 * again and again, and hands down a gradient that is `final` in its last pass only (sn_gradient_for_pass).
 */
#ifndef SINODE_GRADIENT_H
#define SINODE_GRADIENT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
  double *values;
  bool final;                                    /* nothing will be added after the call that this is handed to */
  void (*sink)(void *context, ptrdiff_t offset); /* the values from `offset` on are final; NULL: nobody wants to know */
  void *context;
} sn_gradient;

/* Told by a pass that will not add to the values from `offset` on. Offsets fall within a pass. Local. */
static inline void sn_gradient_final_from(const sn_gradient *gradient, ptrdiff_t offset) {
  if (gradient && gradient->final && gradient->sink) gradient->sink(gradient->context, offset);
}

/* The gradient to hand down in one pass of a loop, kept in *own; NULL stays NULL. */
static inline const sn_gradient *sn_gradient_for_pass(const sn_gradient *gradient, bool last, sn_gradient *own) {
  if (!gradient) return NULL;
  *own = *gradient;
  own->final = gradient->final && last;
  return own;
}

static inline double *sn_gradient_values(const sn_gradient *gradient) { return gradient ? gradient->values : NULL; }

#endif
