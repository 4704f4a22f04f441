/* What the parts of an integrator share: its creation and properties (integrator.c), its passes (integrator_passes.c).
 */
#ifndef SINODE_TIME_INTEGRATOR_PARTS_H
#define SINODE_TIME_INTEGRATOR_PARTS_H

#include "sinode/integrator.h"
#include "stepper_ops.h"
#include "storage.h"
#include "tangent_plan.h"

/* A state whose root mean square is beyond this has blown up; on the attractor of KS it is about 1.3. */
#define SN_STATE_RMS_LIMIT 1e6

/* An adjoint that is so much larger than the loss's derivatives has exploded: chaos makes e^(0.043 t), 1e2 in 100. */
#define SN_ADJOINT_GROWTH_LIMIT 1e8

struct sn_integrator {
  sn_model *model;
  sn_integrator_options options;
  double dt;          /* of a step; adaptive: the interval */
  ptrdiff_t substeps; /* steps an interval */
  sn_stepper *stepper;
  char domain[SN_STEPPER_REASON_LENGTH]; /* where steps are made, and why */
  sn_storage storage;
  ptrdiff_t points;  /* local */
  double *buffer[4]; /* two states within an interval, the adjoint, and where a fused step leaves that */
  double *tape;      /* of the step whose tangents are taken */
  sn_tangent_plan tangents;
  double *square;     /* (capacity) local sum of squares after every step of the last pass */
  double *estimate;   /* (capacity, samples) of the last forward pass; NULL: none */
  double *total;      /* (capacity) summed over the ranks */
  ptrdiff_t capacity; /* steps one pass may take */
  ptrdiff_t steps;    /* of the last pass */
  ptrdiff_t made;     /* forward steps of the last pair of passes */
  double start;       /* time at which the last pass began, and steps before it */
  ptrdiff_t before;
  bool backward;      /* whether the last pass was a backward one */
  bool skips_initial; /* backward passes need not give the derivative by the initial state */
  double given;       /* local sum of squares of the derivatives given to the last backward pass */
  bool within_bounds; /* whether the last pass, or pair of them, stayed within bounds on this rank */
};

#endif
