/*
 * Error against step size and against time of every scheme, as CSV on standard output; progress on standard error.
 * jobs/convergence/run.sh runs it and draws the result.
 *
 *   problem, scheme, kind (imex, exponential, explicit, implicit, adaptive), order
 *   tolerance                     rtol = atol of an adaptive scheme, else 0
 *   dt, steps                     dt is the mean of the accepted steps of an adaptive scheme
 *   forward_error, adjoint_error  rms of the difference from the reference relative to the rms of the reference
 *   forward_seconds               of one forward pass, by the processor's clock; median of several
 *   sweep_seconds                 of a forward and a backward pass with the gradient by all weights, as in training
 *   stable_step                   largest step stable on the linear part, as the program estimates it
 *   status                        ok, unstable (left the bounds of sn_integrator_check), failed (no convergence)
 *
 * The reference is dopri5 with REFERENCE_STEPS steps; a first line of kind "reference" gives its difference from IMEX
 * scheme 5, which shares nothing with it but the network. Each scheme's steps are halved, from a quarter
 * of the time on, until both its errors are down at round-off.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "problem.h"
#include "sinode/memory.h"
#include "sinode/timer.h"

enum { COARSEST = 4, LEVELS = 12, TOLERANCES = 11, REPEATS = 15, REFERENCE_STEPS = 16384, CHECK_STEPS = 512 };
static const double round_off = 2e-12, coarsest_tolerance = 1e-2;

/* Steps just beyond and just within the estimate of the largest stable one, as factors of it. */
static const double beside_limit[2] = {1.05, 0.98};

/* At least three runs of each measurement, and more where they are short. */
static const double enough_seconds = 0.03;

typedef struct {
  solution reached;
  double forward_seconds, sweep_seconds, stable_step;
} measurement;

/* Of one thread, whatever else the machine does. */
static double processor_seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Median seconds of a forward pass, with the way back if there is a gradient to fill. */
static sn_status measure(const problem *p, sn_integrator *integrator, double *gradient, solution *out, double *median) {
  double seconds[REPEATS], sum = 0;
  int count = 0;
  while (count < 3 || (count < REPEATS && sum < enough_seconds)) {
    const double start = processor_seconds();
    SN_TRY(problem_forward(p, integrator, gradient != NULL, out));
    if (gradient) SN_TRY(problem_backward(p, integrator, gradient, out));
    sum += seconds[count++] = processor_seconds() - start;
  }
  qsort(seconds, (size_t)count, sizeof *seconds, compare);
  *median = seconds[count / 2];
  return SN_OK;
}

static sn_status try_scheme(const problem *p, sn_integrator *integrator, measurement *out) {
  sn_parameters *parameters = sn_model_parameters(p->model);
  double *gradient;
  SN_TRY(sn_integrator_stable_step(integrator, &out->stable_step));
  SN_TRY(SN_NEW(sn_parameters_size(parameters), &gradient));
  sn_status status = problem_forward(p, integrator, true, &out->reached); /* warms the caches */
  if (!status) status = measure(p, integrator, gradient, &out->reached, &out->sweep_seconds);
  if (!status) status = measure(p, integrator, NULL, &out->reached, &out->forward_seconds);
  SN_FREE(gradient);
  return status;
}

static const char *kind_name(const sn_tableau *tableau) {
  static const char *const names[] = {[SN_TABLEAU_IMEX] = "imex",
                                      [SN_TABLEAU_EXPLICIT] = "explicit",
                                      [SN_TABLEAU_IMPLICIT] = "implicit",
                                      [SN_TABLEAU_EXPONENTIAL] = "exponential"};
  return tableau->adaptive ? "adaptive" : names[tableau->kind];
}

/* Errors that say "blew up" come of instability, others of inner iterations. */
static const char *judge(sn_status status) {
  if (!status) return "ok";
  return strstr(sn_error_get_message(status), "blew up") ? "unstable" : "failed";
}

/* One line of the table. Returns whether finer steps are of interest. */
static bool record(const problem *p, const sn_tableau *tableau, ptrdiff_t steps, double tolerance,
                   const solution *reference) {
  measurement m = {.forward_seconds = NAN, .sweep_seconds = NAN};
  double forward = NAN, adjoint = NAN;
  sn_integrator *integrator;
  TRY(problem_integrator(p, tableau, steps, tolerance, &integrator));
  m.reached.steps = steps;
  sn_status status = try_scheme(p, integrator, &m);
  if (!status) {
    forward = problem_distance(p, m.reached.state, reference->state) / problem_distance(p, reference->state, NULL);
    adjoint =
        problem_distance(p, m.reached.adjoint, reference->adjoint) / problem_distance(p, reference->adjoint, NULL);
  }
  printf("%s,%s,%s,%d,%g,%.9g,%td,%.6e,%.6e,%.4e,%.4e,%.6g,%s\n", p->name, tableau->name, kind_name(tableau),
         tableau->order, tolerance, p->final_time / (double)m.reached.steps, m.reached.steps, forward, adjoint,
         m.forward_seconds, m.sweep_seconds, m.stable_step, judge(status));
  sn_error_destroy(&status);
  sn_integrator_destroy(&integrator);
  return !(forward < round_off && adjoint < round_off);
}

/*
 * Step counts from coarse to fine: powers of 2, and for an explicit scheme one count on either side of its largest
 * stable step. Returns how many.
 */
static int list_steps(const problem *p, const sn_tableau *tableau, ptrdiff_t *steps) {
  sn_integrator *integrator;
  double limit;
  int count = 0;
  TRY(problem_integrator(p, tableau, COARSEST, 0, &integrator));
  TRY(sn_integrator_stable_step(integrator, &limit));
  sn_integrator_destroy(&integrator);
  for (int k = 0; k < LEVELS; k++) {
    const ptrdiff_t next = (ptrdiff_t)COARSEST << k;
    for (int side = 0; side < 2; side++) {
      const ptrdiff_t beside = (ptrdiff_t)ceil(p->final_time / (beside_limit[side] * limit));
      if (count && steps[count - 1] < beside && beside < next) steps[count++] = beside;
    }
    steps[count++] = next;
  }
  return count;
}

static void refine(const problem *p, const sn_tableau *tableau, const solution *reference) {
  const double start = sn_clock();
  if (tableau->adaptive) {
    for (int k = 0; k < TOLERANCES; k++) record(p, tableau, 0, coarsest_tolerance * pow(0.1, k), reference);
  } else {
    ptrdiff_t steps[LEVELS + 2];
    const int count = list_steps(p, tableau, steps);
    for (int k = 0; k < count && record(p, tableau, steps[k], 0, reference); k++) continue;
  }
  fflush(stdout);
  fprintf(stderr, "%-7s %-16s %5.1f s\n", p->name, tableau->name, sn_clock() - start);
}

static void study(const char *name) {
  problem p;
  solution reference, check;
  problem_create(name, &p);
  TRY(problem_solve(&p, sn_tableau_find("dopri5"), REFERENCE_STEPS, 0, &reference));
  TRY(problem_solve(&p, sn_tableau_find("5"), CHECK_STEPS, 0, &check));
  printf("%s,dopri5-5,reference,5,0,%.9g,%d,%.6e,%.6e,nan,nan,inf,ok\n", name, p.final_time / REFERENCE_STEPS,
         REFERENCE_STEPS,
         problem_distance(&p, check.state, reference.state) / problem_distance(&p, reference.state, NULL),
         problem_distance(&p, check.adjoint, reference.adjoint) / problem_distance(&p, reference.adjoint, NULL));
  for (int i = 0; i < sn_tableau_count(); i++) refine(&p, sn_tableau_at(i), &reference);
  problem_destroy(&p);
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  printf(
      "problem,scheme,kind,order,tolerance,dt,steps,forward_error,adjoint_error,forward_seconds,sweep_seconds,"
      "stable_step,status\n");
  study("smooth");
  study("stiff");
  MPI_Finalize();
  return 0;
}
