#include "tangent_plan.h"

#include "combination.h"
#include "sinode/memory.h"

/* Values of a group in each of a stepper's arrays, a dozen or so: they stay in the second-level cache. */
enum { VALUES = 1 << 13 };

void sn_tangent_plan_clear(sn_tangent_plan *plan) {
  SN_FREE(plan->support);
  SN_FREE(plan->du);
}

/* All of them where that many are not announced, which then go along one direction after the other; and where each has
 * an A of its own, which knows it by its place. */
ptrdiff_t sn_tangent_plan_samples(const sn_tangent_plan *plan, ptrdiff_t samples, ptrdiff_t directions) {
  const ptrdiff_t fit = directions == plan->directions && !plan->keeps_places ? plan->fields / directions : samples;
  return fit < 1 ? 1 : fit < samples ? fit : samples;
}

static ptrdiff_t directions_together(const sn_tangent_plan *plan, ptrdiff_t samples, ptrdiff_t directions) {
  return directions == plan->directions && samples < plan->fields ? plan->fields / samples : 1;
}

static sn_status reserve(const sn_tangent_plan *plan, sn_stepper *stepper, ptrdiff_t samples) {
  const ptrdiff_t all = plan->directions, most = directions_together(plan, samples, all),
                  some = most < all ? most : all;
  if (stepper->solver) SN_TRY(sn_solver_reserve(stepper->solver, samples));
  SN_TRY(stepper->ops->reserve_tangents(stepper, samples, some));
  return all % some ? stepper->ops->reserve_tangents(stepper, samples, all % some) : SN_OK;
}

static sn_status allocate(sn_tangent_plan *plan) {
  SN_TRY(SN_NEW(plan->directions, &plan->support));
  return SN_NEW(plan->fields * plan->points, &plan->du);
}

sn_status sn_tangent_plan_reserve(sn_tangent_plan *plan, sn_stepper *stepper, sn_model *model, ptrdiff_t samples,
                                  ptrdiff_t directions) {
  const sn_grid *grid = sn_model_grid(model);
  const ptrdiff_t fit = VALUES / sn_partition_most(sn_grid_points(grid), sn_grid_space_size(grid));
  if (!stepper->ops->tangents || stepper->lone_directions || samples == 0 || directions == 0) return SN_OK;
  sn_tangent_plan_clear(plan);
  plan->directions = directions;
  plan->keeps_places = sn_linear_get_shape(sn_model_linear(model))->scaled != 0;
  plan->fields = fit > sn_model_samples(model) ? fit : sn_model_samples(model);
  plan->points = sn_grid_range(grid).count;
  SN_TRY(sn_collective_status(sn_grid_space(grid), allocate(plan)));
  SN_TRY(sn_network_reserve_tangents(sn_model_network(model), directions));
  const ptrdiff_t together = sn_tangent_plan_samples(plan, samples, directions);
  SN_TRY(reserve(plan, stepper, together));
  return samples % together ? reserve(plan, stepper, samples % together) : SN_OK;
}

void sn_tangent_plan_look(sn_tangent_plan *plan, ptrdiff_t size, ptrdiff_t directions, const double *parameters) {
  for (ptrdiff_t d = 0; d < directions && directions == plan->directions && parameters; d++) {
    const double *own = parameters + d * size;
    ptrdiff_t first = 0, end = size;
    while (first < size && own[first] == 0) first++;
    while (end > first && own[end - 1] == 0) end--;
    plan->support[d] = (sn_range){first, end - first};
  }
}

static sn_status step_together(const sn_tangent_plan *plan, sn_stepper *stepper, ptrdiff_t samples, const double *tape,
                               const sn_directions *some, ptrdiff_t stride) {
  const ptrdiff_t count = samples * plan->points;
  if (stride == count || some->count == 1) return stepper->ops->tangents(stepper, samples, tape, some);
  sn_directions own = *some;
  own.du = plan->du;
  sn_copy_rows(own.count, count, some->du, stride, own.du, count);
  SN_TRY(stepper->ops->tangents(stepper, samples, tape, &own));
  sn_copy_rows(own.count, count, own.du, count, some->du, stride);
  return SN_OK;
}

sn_status sn_tangent_plan_step(const sn_tangent_plan *plan, sn_stepper *stepper, ptrdiff_t samples, const double *tape,
                               const sn_directions *all, ptrdiff_t stride) {
  const ptrdiff_t most = directions_together(plan, samples, all->count);
  sn_directions some = {.size = all->size};
  for (ptrdiff_t d = 0; d < all->count; d += some.count) {
    some.count = all->count - d < most ? all->count - d : most;
    some.du = all->du + d * stride;
    some.dtheta = all->dtheta ? all->dtheta + d * all->size : NULL;
    some.support = all->count == plan->directions ? plan->support + d : NULL;
    if (stepper->ops->tangents)
      SN_TRY(step_together(plan, stepper, samples, tape, &some, stride));
    else
      SN_TRY(stepper->ops->tangent(stepper, samples, tape, some.du, some.dtheta));
  }
  return SN_OK;
}
