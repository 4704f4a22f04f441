#include "etdrk4_ops.h"

#include <math.h>
#include <string.h>

#include "sinode/memory.h"

static const double blown_up = 1e4; /* root mean square; on the attractor it is about 1.3, whatever the domain */

/* Largest difference between two neighbouring subdomains where they meet; u is of order 1. What the overlap leaves is
 * a thousandth of it, and what the first step of a state with a jump leaves is less too. */
static const double mismatch_most = 1e-9;

const sn_name sn_etdrk4_transforms[] = {
    {"auto", SN_ETDRK4_AUTO}, {"global", SN_ETDRK4_GLOBAL}, {"local", SN_ETDRK4_LOCAL}, {NULL, 0}};

/* The same division on all ranks, whatever their processors. */
static sn_status divide(sn_etdrk4 *etdrk4) {
  const sn_grid *grid = etdrk4->grid;
  const MPI_Comm world = sn_grid_world(grid);
  sn_status status = SN_OK;
  if (sn_grid_rank(grid) == 0)
    status = sn_etdrk4_divide(&etdrk4->options, sn_grid_points(grid), sn_grid_space_size(grid), &etdrk4->division);
  SN_TRY(sn_collective_status(world, status));
  MPI_Bcast(&etdrk4->division, (int)sizeof etdrk4->division, MPI_BYTE, 0, world);
  return SN_OK;
}

static sn_status prepare(sn_etdrk4 *etdrk4) {
  const double points = (double)sn_grid_points(etdrk4->grid);
  const bool local = etdrk4->options.transform == SN_ETDRK4_LOCAL;
  etdrk4->ops = local ? &sn_etdrk4_local : &sn_etdrk4_global;
  etdrk4->weight = local ? points : points * points;
  MPI_Allreduce(&etdrk4->members, &etdrk4->members_of_all, 1, MPI_AINT, MPI_SUM, sn_grid_replicas(etdrk4->grid));
  if (local) SN_TRY(divide(etdrk4));
  return sn_collective_status(sn_grid_world(etdrk4->grid), etdrk4->members ? etdrk4->ops->create(etdrk4) : SN_OK);
}

sn_status sn_etdrk4_create(const sn_grid *grid, ptrdiff_t members, const sn_etdrk4_options *options, sn_etdrk4 **out) {
  *out = NULL;
  sn_etdrk4 *etdrk4;
  SN_TRY(sn_collective_status(sn_grid_world(grid), SN_NEW(1, &etdrk4)));
  *etdrk4 = (sn_etdrk4){.grid = grid, .options = *options, .members = members};
  sn_status status = prepare(etdrk4);
  if (status) sn_etdrk4_destroy(&etdrk4);
  *out = etdrk4;
  return status;
}

void sn_etdrk4_destroy(sn_etdrk4 **etdrk4) {
  if (!*etdrk4) return;
  (*etdrk4)->ops->destroy(*etdrk4);
  SN_FREE(*etdrk4);
}

/* Doubles of the factors, of a field of so many numbers and of members that share transforms. */
static double factors_of(const sn_equation *equation, double numbers, ptrdiff_t together) {
  const int variants = equation->parameter.of == SN_EQUATION_NONE ? 1 : equation->parameter.values.count;
  return sn_equation_is_simple(equation) ? 6 * numbers / (2 * (double)together) : 7 * variants * numbers;
}

/* Of products point by point: the values, and of u_x its coefficients, their factors and values. */
static double products_of(const sn_equation *equation, double numbers) {
  if (!sn_equation_is_pointwise(equation)) return 0;
  return sn_equation_has_slope(equation) ? 4 * numbers : numbers;
}

/* Eight transforms a step; twelve where u_x is multiplied point by point. */
static sn_etdrk4_cost cost_of_global(const sn_equation *equation, ptrdiff_t points, int ranks, ptrdiff_t members) {
  const bool is_simple = sn_equation_is_simple(equation);
  const ptrdiff_t together = ranks > 1 && is_simple ? members : 1, groups = members / (together ? together : 1);
  const double transforms = sn_equation_is_pointwise(equation) && sn_equation_has_slope(equation) ? 12 : 8;
  const sn_fourier_cost f = sn_fourier_estimate_cost(points, ranks, together);
  const double weights = factors_of(equation, f.numbers, together), arrays = (3 + (double)groups) * f.numbers;
  return (sn_etdrk4_cost){.messages = transforms * (double)groups * f.messages,
                          .sent = transforms * (double)groups * f.transpose,
                          .most = transforms / 2 * (double)groups * f.transpose_most,
                          .held = 8 * (weights + arrays + f.private + products_of(equation, f.numbers))};
}

/* An exchange of overlaps every so many steps; two states and the overlaps, sent, received and in place; a generator of
 * one subdomain, and what its balance takes. */
static sn_etdrk4_cost cost_of_local(const sn_etdrk4_division *division, ptrdiff_t points, int ranks,
                                    ptrdiff_t members) {
  const double overlap = (double)division->overlap, rows = (double)members, length = (double)division->length;
  const double sent = ranks > 1 ? 16 * overlap * rows : 0, most = (double)sn_partition_most(points, ranks);
  const double halos = (ranks > 1 ? 8 : 4) * overlap;
  const sn_fourier_cost f = sn_fourier_estimate_cost(division->length, 1, 1);
  return (sn_etdrk4_cost){.messages = (ranks > 2 ? 2 : ranks - 1) / (double)division->steps,
                          .sent = sent / (double)division->steps,
                          .most = sent / (double)division->steps,
                          .held = cost_of_global(sn_equation_ks(), division->length, 1, 1).held +
                                  8 * (rows * (2 * most + halos) + 2 * f.numbers + f.private + 2 * length)};
}

sn_etdrk4_cost sn_etdrk4_estimate_cost(const sn_equation *equation, const sn_etdrk4_division *division,
                                       ptrdiff_t points, int ranks, ptrdiff_t members) {
  if (!members) return (sn_etdrk4_cost){0};
  return division ? cost_of_local(division, points, ranks, members) : cost_of_global(equation, points, ranks, members);
}

sn_status sn_etdrk4_set_state(sn_etdrk4 *etdrk4, const double *state, ptrdiff_t steps_done) {
  if (etdrk4->members) SN_TRY(etdrk4->ops->set_state(etdrk4, state));
  etdrk4->steps_done = steps_done;
  return SN_OK;
}

sn_status sn_etdrk4_get_state(sn_etdrk4 *etdrk4, double *state) {
  return etdrk4->members ? etdrk4->ops->get_state(etdrk4, state) : SN_OK;
}

sn_status sn_etdrk4_step(sn_etdrk4 *etdrk4, ptrdiff_t steps) {
  if (etdrk4->members) SN_TRY_TIMED(sn_grid_timer(etdrk4->grid), SN_TIME_STEP, etdrk4->ops->step(etdrk4, steps));
  etdrk4->steps_done += steps;
  return SN_OK;
}

double *sn_etdrk4_coefficients(sn_etdrk4 *etdrk4, ptrdiff_t *count) {
  *count = 0;
  return etdrk4->members ? etdrk4->ops->coefficients(etdrk4, count) : NULL;
}

void sn_etdrk4_set_steps_done(sn_etdrk4 *etdrk4, ptrdiff_t steps_done) { etdrk4->steps_done = steps_done; }

ptrdiff_t sn_etdrk4_steps_done(const sn_etdrk4 *etdrk4) { return etdrk4->steps_done; }
double sn_etdrk4_time(const sn_etdrk4 *etdrk4) { return (double)etdrk4->steps_done * etdrk4->options.dt; }
double sn_etdrk4_dt(const sn_etdrk4 *etdrk4) { return etdrk4->options.dt; }

const sn_etdrk4_division *sn_etdrk4_get_division(const sn_etdrk4 *etdrk4) {
  return etdrk4->ops == &sn_etdrk4_local ? &etdrk4->division : NULL;
}

/* The sums of a balance, of the energy alone unless `balance`, whether neighbours differ, and in the same reduction the
 * requests to stop or to save. */
static sn_status reduce(sn_etdrk4 *etdrk4, bool balance, double sums[SN_ETDRK4_SUMS], sn_stop_request *request) {
  double all[SN_ETDRK4_SUMS + SN_STOP_REQUEST_COUNTS] = {0};
  if (request) sn_stop_request_count(*request, all + SN_ETDRK4_SUMS);
  sn_status status = etdrk4->members ? etdrk4->ops->add_sums(etdrk4, balance, all) : SN_OK;
  all[SN_ETDRK4_SUMS - 1] = !(etdrk4->mismatch <= mismatch_most);
  sn_timer *timer = sn_grid_timer(etdrk4->grid);
  sn_timer_start(timer, SN_TIME_REDUCE);
  MPI_Allreduce(MPI_IN_PLACE, all, SN_ETDRK4_SUMS + SN_STOP_REQUEST_COUNTS, MPI_DOUBLE, MPI_SUM,
                sn_grid_world(etdrk4->grid));
  sn_timer_stop(timer, SN_TIME_REDUCE);
  if (request) *request = sn_stop_request_reduced(all + SN_ETDRK4_SUMS);
  memcpy(sums, all, SN_ETDRK4_SUMS * sizeof *sums);
  return status;
}

/* The means of sums over x and all members are the sums times this. */
static double scale_of(const sn_etdrk4 *etdrk4) { return 1 / (etdrk4->weight * (double)etdrk4->members_of_all); }

sn_status sn_etdrk4_balance(sn_etdrk4 *etdrk4, sn_ks_balance *out) {
  double sums[SN_ETDRK4_SUMS];
  *out = (sn_ks_balance){0};
  SN_TRY(reduce(etdrk4, true, sums, NULL));
  if (!etdrk4->members_of_all) return SN_OK;
  const double scale = scale_of(etdrk4);
  *out = (sn_ks_balance){.energy = 0.5 * scale * sums[0],
                         .production = scale * sums[1],
                         .dissipation = scale * sums[2],
                         .tail = sums[3] > 0 ? sums[4] / sums[3] : 0};
  return SN_OK;
}

static sn_status subdomains_differ(const sn_etdrk4 *etdrk4) {
  double most = etdrk4->mismatch;
  MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_DOUBLE, MPI_MAX, sn_grid_world(etdrk4->grid));
  return SN_ERROR_ALL(SN_ERROR_RUN,
                      "neighbouring subdomains differ by %.1e where they meet, by step %td, t = %g (at most %g is "
                      "allowed): their overlap of %td points is too short for this state, which the grid does not "
                      "resolve; use generate.transform: global, more grid.points or a smaller generate.dt",
                      most, etdrk4->steps_done, sn_etdrk4_time(etdrk4), mismatch_most, etdrk4->division.overlap);
}

sn_status sn_etdrk4_check(sn_etdrk4 *etdrk4, sn_stop_request *request) {
  double sums[SN_ETDRK4_SUMS];
  SN_TRY(reduce(etdrk4, false, sums, request));
  const double norm = etdrk4->members_of_all ? sqrt(2 * (0.5 * scale_of(etdrk4) * sums[0])) : 0;
  if (!(norm < blown_up))
    return SN_ERROR_ALL(
        SN_ERROR_RUN,
        "generation blew up at step %td, t = %g, where the norm (root mean square) of u is %g; use a smaller "
        "generate.dt than %g%s",
        etdrk4->steps_done, sn_etdrk4_time(etdrk4), norm, etdrk4->options.dt,
        sn_equation_is_ks(sn_etdrk4_equation(&etdrk4->options))
            ? ""
            : ", unless the equation's own solutions grow that much");
  return sums[SN_ETDRK4_SUMS - 1] > 0 ? subdomains_differ(etdrk4) : SN_OK;
}
