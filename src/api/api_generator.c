/* The generator of sinode.h. */
#include <math.h>
#include <string.h>

#include "api.h"
#include "config/config.h"
#include "sinode/etdrk4.h"
#include "sinode/ks_initial.h"
#include "sinode/memory.h"

struct sinode_generator {
  const sinode_grid *grid;
  sn_etdrk4 *etdrk4;
  sn_range members; /* of this replica */
  sn_equation equation;
};

static sn_status check(ptrdiff_t members, const sinode_generator_options *o, int *initial) {
  *initial = o->initial ? sn_name_value(sn_ks_initials, o->initial) : (int)SN_KS_INITIAL_RANDOM;
  if (*initial < 0 || *initial == SN_KS_INITIAL_FILE)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "there is no initial state '%s'; it must be paper, cosine, random or noise",
                        o->initial);
  if (!(o->length > 0 && o->dt > 0) || !isfinite(o->length) || !isfinite(o->dt) || members < 1)
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "%td members on a domain of length %g with dt %g; all of these must be positive", members,
                        o->length, o->dt);
  return SN_OK;
}

/* What the text of a parameter file says of it, by the program's rules. */
static sn_status read_equation(const char *text, sn_equation *equation) {
  sn_config config;
  *equation = *sn_equation_ks();
  if (!text) return SN_OK;
  SN_TRY(sn_config_parse("the parameters", text, strlen(text), NULL, 0, SN_FOR_GENERATE, &config));
  *equation = config.generate.equation;
  return SN_OK;
}

static sn_status build(ptrdiff_t members, const sinode_generator_options *o, sinode_generator *g) {
  const sn_grid *grid = g->grid->grid;
  int kind;
  SN_TRY(check(members, o, &kind));
  SN_TRY(read_equation(o->equation, &g->equation));
  g->members = sn_grid_share(grid, members);
  const sn_etdrk4_options options = {.length = o->length,
                                     .dt = o->dt,
                                     .dealias = o->dealias,
                                     .equation = &g->equation,
                                     .first_member = g->members.start};
  SN_TRY(sn_etdrk4_create(grid, g->members.count, &options, &g->etdrk4));
  double *state;
  SN_TRY(sn_collective_status(sn_grid_world(grid), SN_NEW(g->members.count * sn_grid_range(grid).count, &state)));
  const sn_ks_initial_options initial = {
      .kind = (sn_ks_initial)kind, .length = o->length, .seed = o->seed, .perturbation = o->perturbation};
  sn_ks_initial_state(grid, &initial, g->members, state);
  sn_status status = sn_etdrk4_set_state(g->etdrk4, state, 0);
  SN_FREE(state);
  return status;
}

sinode_error *sinode_generator_create(const sinode_grid *grid, ptrdiff_t members,
                                      const sinode_generator_options *options, sinode_generator **out) {
  const MPI_Comm world = sn_grid_world(grid->grid);
  sn_status status = sn_collective_status(world, SN_NEW(1, out));
  if (status) return api_error(status);
  (*out)->grid = grid;
  status = sn_collective_status(world, build(members, options, *out));
  if (status) sinode_generator_destroy(out);
  return api_error(status);
}

void sinode_generator_destroy(sinode_generator **generator) {
  if (!*generator) return;
  if ((*generator)->etdrk4) sn_etdrk4_destroy(&(*generator)->etdrk4);
  SN_FREE(*generator);
}

ptrdiff_t sinode_generator_members(const sinode_generator *generator) { return generator->members.count; }

void sinode_generator_parameters(const sinode_generator *generator, double *values) {
  const sn_equation_values *of = &generator->equation.parameter.values;
  for (ptrdiff_t m = 0; m < generator->members.count; m++)
    values[m] = of->count ? of->value[(generator->members.start + m) % of->count] : 1;
}

static sn_status step(sinode_generator *g, ptrdiff_t steps, double *state) {
  if (steps < 0) return SN_ERROR_ALL(SN_ERROR_USAGE, "%td steps; there cannot be fewer than none", steps);
  SN_TRY(sn_collective_status(sn_grid_world(g->grid->grid), sn_etdrk4_step(g->etdrk4, steps)));
  SN_TRY(sn_etdrk4_check(g->etdrk4, NULL));
  return state ? sn_etdrk4_get_state(g->etdrk4, state) : SN_OK;
}

sinode_error *sinode_generator_step(sinode_generator *generator, ptrdiff_t steps, double *state) {
  return api_error(sn_collective_status(sn_grid_world(generator->grid->grid), step(generator, steps, state)));
}
