/* sinode-bench --model: what the steps send and work by formula (src/cost), as CSV. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "benchmark.h"
#include "cost/cost.h"
#include "run/generator_setup.h"
#include "run/linear_part.h"
#include "sinode/memory.h"

static sn_cost generate_step(const sn_cost_case *c) {
  return sn_cost_generate_step(c->layout, c->generator.local ? &c->generator.division : NULL);
}
static sn_cost halo(const sn_cost_case *c) { return sn_cost_halo(c->layout, c->samples); }

static sn_cost solve_fft(const sn_cost_case *c) { return sn_cost_solve(c, SN_SOLVER_FFT, sn_benchmark_gamma(c->dt)); }
static sn_cost solve_local(const sn_cost_case *c) {
  return sn_cost_solve(c, SN_SOLVER_LOCAL, sn_benchmark_gamma(c->dt));
}

static const struct {
  const char *name;
  sn_cost (*cost)(const sn_cost_case *c);
} steps[] = {{"generate_step", generate_step},
             {"halo", halo},
             {"reduction", sn_cost_reduction},
             {"solve_fft", solve_fft},
             {"solve_local", solve_local},
             {"predict_step", sn_cost_predict_step},
             {"train_iteration", sn_cost_train_iteration}};

/* The parameters on `ranks` ranks, `space` of which share a grid; but for the generator's way. */
static sn_cost_case case_of(const sn_app *app, const sn_linear *linear, int ranks, int space) {
  const sn_config *c = &app->config;
  const sn_linear_shape shape = sn_linear_shape_of(&c->model.linear, c->grid.length);
  return (sn_cost_case){.layout = {c->grid.points, space, ranks / space},
                        .network = sn_network_shape_of(&c->model.network, c->grid.length),
                        .linear = linear,
                        .taps = shape.taps,
                        .trains_linear = shape.trainable,
                        .tableau = c->integrator.tableau,
                        .subdomains = c->integrator.subdomains,
                        .solver = c->integrator.solver,
                        .memory = (double)sn_memory_share(MPI_COMM_SELF) / (double)sysconf(_SC_NPROCESSORS_ONLN),
                        .dt = c->integrator.dt,
                        .samples = sn_partition_most(c->train.batch, ranks / space),
                        .steps = llround(c->generate.interval / c->integrator.dt),
                        .window = c->train.window,
                        .ordered = c->parallel.reproducible};
}

static void print_header(void) {
  printf("name,ranks,space,points,batch");
  for (int k = 0; k < SN_COSTS; k++) printf(",%s", sn_cost_name((sn_cost_kind)k));
  putchar('\n');
}

static sn_status print_rows(sn_app *app, const sn_linear *linear, int ranks, int space) {
  const sn_benchmark benchmark = {.app = app};
  const sn_etdrk4_options generator = sn_setup_generator_options(app);
  sn_cost_case one = case_of(app, linear, ranks, space);
  if (sn_benchmark_wants(&benchmark, steps[0].name))
    SN_TRY(sn_cost_choose_generator(one.layout, &generator, &one.generator));
  for (size_t k = 0; k < sizeof steps / sizeof steps[0]; k++) {
    if (!sn_benchmark_wants(&benchmark, steps[k].name)) continue;
    const sn_cost cost = steps[k].cost(&one);
    printf("%s,%d,%d,%lld,%lld", steps[k].name, ranks, space, (long long)app->config.grid.points,
           (long long)app->config.train.batch);
    for (int i = 0; i < SN_COSTS; i++) printf(",%.17g", cost.of[i]);
    putchar('\n');
  }
  return SN_OK;
}

/* A number of ranks, as far as `after`. */
static bool parse_count(const char *text, char **after, int *count) {
  const long value = strtol(text, after, 10);
  *count = (int)value;
  return *text >= '0' && *text <= '9' && value >= 1 && value <= INT_MAX;
}

/* RANKS or RANKSxSPACE; *next is behind it and the comma. */
static sn_status parse_split(const sn_app *app, const char *text, const char **next, int *ranks, int *space) {
  char *after;
  *space = (int)app->config.parallel.space;
  bool good = parse_count(text, &after, ranks);
  if (good && *after == 'x') good = parse_count(after + 1, &after, space);
  if (!good || (*after && (*after != ',' || !after[1])))
    return SN_ERROR_ALL(SN_ERROR_USAGE, "--model takes RANKS or RANKSxSPACE, or several with commas between, not '%s'",
                        app->model);
  *next = *after ? after + 1 : after;
  return sn_grid_allows(*ranks, *space, app->config.grid.points);
}

static sn_status print_splits(sn_app *app, const sn_linear *linear, bool prints) {
  int ranks, space;
  for (const char *rest = app->model; *rest;) {
    SN_TRY(parse_split(app, rest, &rest, &ranks, &space));
    if (prints) SN_TRY(print_rows(app, linear, ranks, space));
  }
  return SN_OK;
}

sn_status sn_benchmark_print_model(sn_app *app) {
  sn_linear_part part;
  app->times = false;
  if (!*app->model) return SN_ERROR_ALL(SN_ERROR_USAGE, "--model needs numbers of ranks after it");
  SN_TRY(print_splits(app, NULL, false)); /* all of it is looked at before anything is printed */
  sn_status status = sn_linear_part_build(app, &part);
  if (!status && app->rank == 0) {
    print_header();
    status = print_splits(app, part.linear, true);
  }
  sn_linear_part_free(&part);
  return sn_collective_status(app->world, status);
}
