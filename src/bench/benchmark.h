/*
 * Measurements: a piece of work beside its bare baseline, timed alternately in one run. A group of them sets up what it
 * needs and calls sn_benchmark_measure for each; the schema of benchmark.only says which names a group measures.
 */
#ifndef SINODE_BENCH_BENCHMARK_H
#define SINODE_BENCH_BENCHMARK_H

#include "run/benchmark.h"
#include "sinode/grid.h"

/* At most: rows, cases among them that are timed beside all others. */
enum { SN_BENCHMARK_ROWS = 32, SN_BENCHMARK_BESIDE = 9 };

/* Seconds of one call, the slowest rank's; what the largest rank sends in it. */
typedef struct {
  char name[SN_BENCHMARK_NAME];
  ptrdiff_t batch;
  double median, least, most;
  double baseline, ratio; /* of the medians; NaN where there is no baseline */
  double bytes, messages;
  double region[SN_TIME_REGIONS]; /* seconds of a call in each; the slowest rank's */
} sn_benchmark_row;

typedef struct sn_benchmark_series sn_benchmark_series;

typedef struct {
  sn_app *app;
  sn_grid *grid;
  int rows, beside_count;
  sn_benchmark_row row[SN_BENCHMARK_ROWS];
  sn_benchmark_series *beside; /* what is timed alternately with every measurement */
} sn_benchmark;

/* One call of the work or of its baseline. */
typedef sn_status (*sn_benchmark_call)(void *context);

typedef struct {
  const char *name, *baseline_name; /* baseline NULL: there is none */
  ptrdiff_t batch;                  /* samples, right-hand sides or snapshots of a call, over all replicas */
  ptrdiff_t steps;                  /* that a call makes, and the row is of one; 0: one */
  sn_benchmark_call work, baseline;
  double share; /* of what a call of the baseline does, that is in a call of the work; 0: all of it */
  void *context;
} sn_benchmark_case;

/*
 * What arithmetic and memory can do: a product of matrices that fit the caches, of SN_BENCHMARK_PRODUCT multiply-adds,
 * and a pass through memory of SN_BENCHMARK_TRIAD bytes, read or written. Local.
 */
enum { SN_BENCHMARK_PRODUCT = 512 * 512 * 512, SN_BENCHMARK_TRIAD = 24 << 22 };
typedef struct {
  double *a, *b, *c;
} sn_benchmark_reference;
SN_MUST_CHECK sn_status sn_benchmark_create_reference(sn_benchmark_reference *reference);
void sn_benchmark_destroy_reference(sn_benchmark_reference *reference);
void sn_benchmark_product(const sn_benchmark_reference *reference);
void sn_benchmark_triad(const sn_benchmark_reference *reference);

/* Whether benchmark.only wants a measurement of this name. */
bool sn_benchmark_wants(const sn_benchmark *benchmark, const char *name);

/*
 * benchmark.repeats times, alternately: as many calls of the work as take benchmark.seconds, as many of the baseline,
 * and of what is timed beside; adds a row and prints it. Collective over world.
 */
SN_MUST_CHECK sn_status sn_benchmark_measure(sn_benchmark *benchmark, const sn_benchmark_case *one);

/*
 * Times these cases alternately with everything that benchmark.only names, or with one another where it names nothing:
 * a machine that changes its pace changes it for all. Their rows follow. Collective over world.
 */
SN_MUST_CHECK sn_status sn_benchmark_alternately(sn_benchmark *benchmark, int count, const sn_benchmark_case *cases);

/* The gamma that solves are measured with: that of l2. */
static inline double sn_benchmark_gamma(double dt) { return 0.2928932188134524 * dt; }

/* The command. Collective over world. */
SN_MUST_CHECK sn_status sn_benchmark_run(sn_app *app);

/* Prints what app->model asks for. Collective over world. Error SN_ERROR_USAGE. */
SN_MUST_CHECK sn_status sn_benchmark_print_model(sn_app *app);

/* The groups. Collective over world. */
SN_MUST_CHECK sn_status sn_benchmark_generation(sn_benchmark *benchmark);
SN_MUST_CHECK sn_status sn_benchmark_communication(sn_benchmark *benchmark);
SN_MUST_CHECK sn_status sn_benchmark_solvers(sn_benchmark *benchmark);
SN_MUST_CHECK sn_status sn_benchmark_network(sn_benchmark *benchmark);
SN_MUST_CHECK sn_status sn_benchmark_training(sn_benchmark *benchmark);
SN_MUST_CHECK sn_status sn_benchmark_files(sn_benchmark *benchmark);
SN_MUST_CHECK sn_status sn_benchmark_machine(sn_benchmark *benchmark);

/* Makes the measurements that the parameters ask for, and writes them into run.directory. Collective over world. */
SN_MUST_CHECK sn_status sn_benchmark_run(sn_app *app);

#endif
