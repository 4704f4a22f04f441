/* In which groups a stepper takes the tangents of a batch: as large as the cache has room for. */
#ifndef SINODE_TIME_TANGENT_PLAN_H
#define SINODE_TIME_TANGENT_PLAN_H

#include "stepper_ops.h"

typedef struct {
  ptrdiff_t directions; /* as announced; 0: none were */
  ptrdiff_t fields;     /* directions times samples of a group */
  bool keeps_places;    /* whether all samples of a batch go together */
  ptrdiff_t points;     /* local ones */
  sn_range *support;    /* (directions): where each of the parameters' directions is not 0 */
  double *du;           /* (fields, points): of a group, where others lie between */
} sn_tangent_plan;

/*
 * For so many samples along exactly `directions` directions; for several numbers of samples, and the last number of
 * directions. Collective over space.
 */
SN_MUST_CHECK sn_status sn_tangent_plan_reserve(sn_tangent_plan *plan, sn_stepper *stepper, sn_model *model,
                                                ptrdiff_t samples, ptrdiff_t directions);
void sn_tangent_plan_clear(sn_tangent_plan *plan);

/* How many of the samples to take together: all of them where no such directions were announced. Local. */
ptrdiff_t sn_tangent_plan_samples(const sn_tangent_plan *plan, ptrdiff_t samples, ptrdiff_t directions);

/* Looks at the parameters' directions (directions, size) of the steps that follow; NULL: 0. Local. */
void sn_tangent_plan_look(sn_tangent_plan *plan, ptrdiff_t size, ptrdiff_t directions, const double *parameters);

/* A step along all directions, group by group; their states lie `stride` apart. Collective over space. */
SN_MUST_CHECK sn_status sn_tangent_plan_step(const sn_tangent_plan *plan, sn_stepper *stepper, ptrdiff_t samples,
                                             const double *tape, const sn_directions *all, ptrdiff_t stride);

#endif
