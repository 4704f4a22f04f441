/*
 * Optimizers that see all data: on problems with known answers, and in the trainer; the normal equations and what they
 * are made of.
 */
#include "sinode/memory.h"
#include "sinode/normal_equations.h"
#include "sinode/optimizer.h"
#include "sinode/random.h"
#include "sinode/trainer.h"
#include "training_case.h"

static double number(uint64_t stream, ptrdiff_t index) {
  const sn_random random = {.seed = 3, .purpose = SN_RANDOM_TEST, .stream = stream};
  return sn_random_normal(&random, (uint64_t)index);
}

static int world_size(void) {
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size;
}

/* Rows of J and r are dealt out over the ranks; the solution makes J^T (J x + r) + damping x vanish. */
static void check_normal_equations(int order) {
  enum { ROWS = 300 };
  const double scale = 1.0 / ROWS;
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  const sn_range own = sn_partition_range((sn_partition){.points = ROWS, .ranks = world_size()}, rank);
  double *columns, *residual, *damping, *x, *again, *fit, *products;
  assert_ok(SN_NEW(order * own.count, &columns));
  assert_ok(SN_NEW(own.count, &residual));
  assert_ok(SN_NEW(order, &damping));
  assert_ok(SN_NEW(order, &x));
  assert_ok(SN_NEW(order, &again));
  assert_ok(SN_NEW(own.count, &fit));
  assert_ok(SN_NEW(order * order, &products));
  for (ptrdiff_t i = 0; i < own.count; i++) {
    residual[i] = number(1, own.start + i);
    for (int k = 0; k < order; k++) columns[k * own.count + i] = number(2, (own.start + i) * order + k);
  }
  sn_normal_equations *normal;
  assert_ok(sn_normal_equations_create(MPI_COMM_WORLD, order, &normal));
  for (int round = 0; round < 2; round++) { /* the second time nothing of the first is left */
    const ptrdiff_t half = own.count / 2;
    sn_normal_equations_clear(normal);
    sn_normal_equations_add(normal, own.count, columns, residual);
    if (round == 0) sn_normal_equations_add(normal, half ? own.count : 0, columns, residual);
    assert_ok(sn_normal_equations_sum(normal, scale));
  }
  for (int k = 0; k < order; k++) damping[k] = 0.01 * (k + 1);
  bool definite;
  assert_ok(sn_normal_equations_solve(normal, damping, x, &definite));
  assert_that(definite);
  for (int k = 0; k < order; k++) again[k] = -3 * sn_normal_equations_right(normal)[k];
  assert_ok(sn_normal_equations_solve_again(normal, again, again));
  for (int k = 0; k < order; k++) assert_close(again[k], -3 * x[k], 1e-12 * (1 + fabs(x[k])));
  for (ptrdiff_t i = 0; i < own.count; i++) {
    fit[i] = residual[i];
    for (int k = 0; k < order; k++) fit[i] += columns[k * own.count + i] * x[k];
  }
  for (int k = 0; k < order; k++) {
    double sums[3] = {0, 0, 0};
    for (ptrdiff_t i = 0; i < own.count; i++) {
      sums[0] += scale * columns[k * own.count + i] * fit[i];
      sums[1] += scale * columns[k * own.count + i] * residual[i];
      sums[2] += scale * columns[k * own.count + i] * columns[k * own.count + i];
    }
    MPI_Allreduce(MPI_IN_PLACE, sums, 3, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    assert_close(sums[0] + damping[k] * x[k], 0, 1e-12);
    assert_close(sn_normal_equations_right(normal)[k], sums[1], 1e-13);
    assert_close(sn_normal_equations_diagonal(normal)[k], sums[2], 1e-13);
  }
  for (ptrdiff_t i = 0; i < order * order; i++)
    for (ptrdiff_t k = 0; k < own.count; k++)
      products[i] += scale * columns[i / order * own.count + k] * columns[i % order * own.count + k];
  MPI_Allreduce(MPI_IN_PLACE, products, order * order, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  const double *whole = sn_normal_equations_gather(normal);
  assert_that((whole != NULL) == (rank == 0));
  for (int i = 0; i < order * order && whole; i++) assert_close(whole[i], products[i], 1e-13);
  damping[order / 2] = -100;
  assert_ok(sn_normal_equations_solve(normal, damping, x, &definite));
  assert_that(!definite);
  double **arrays[] = {&columns, &residual, &damping, &x, &again, &fit, &products};
  for (size_t k = 0; k < sizeof arrays / sizeof arrays[0]; k++) SN_FREE(*arrays[k]);
  sn_normal_equations_destroy(&normal);
}

static void normal_equations_are_solved(void **state) {
  (void)state;
  static const int orders[] = {1, 5, 33, 150, 1063}; /* the last one distributed */
  for (size_t k = 0; k < sizeof orders / sizeof orders[0]; k++) check_normal_equations(orders[k]);
}

/* Rosenbrock's function as the sum of squares of c (x2 - x1^2) and 1 - x1 over pairs; the minimum is 0 at 1. */
enum { UNKNOWNS = 6 };
typedef struct {
  sn_grid *grid;
  sn_parameters *parameters;
  ptrdiff_t offset;
  double c; /* 10 as Rosenbrock has it; the larger the narrower the valley */
} valley;

static double *valley_at(const valley *v) { return sn_parameters_values(v->parameters) + v->offset; }

static sn_status valley_gradient(void *context, double *loss, double *gradient) {
  const valley *v = context;
  const double *x = valley_at(v);
  *loss = 0;
  for (int k = 0; k < UNKNOWNS; k += 2) {
    const double a = v->c * (x[k + 1] - x[k] * x[k]), b = 1 - x[k];
    *loss += a * a + b * b;
    if (!gradient) continue;
    gradient[v->offset + k] = -4 * v->c * a * x[k] - 2 * b;
    gradient[v->offset + k + 1] = 2 * v->c * a;
  }
  return SN_OK;
}

static sn_status valley_loss(void *context, double *loss) { return valley_gradient(context, loss, NULL); }

/* Rank 0 has all rows. */
static sn_status valley_normal(void *context, double *loss, sn_normal_equations *normal) {
  const valley *v = context;
  const double *x = valley_at(v);
  double columns[UNKNOWNS][UNKNOWNS] = {{0}}, residual[UNKNOWNS];
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  for (int k = 0; k < UNKNOWNS; k += 2) {
    residual[k] = v->c * (x[k + 1] - x[k] * x[k]);
    residual[k + 1] = 1 - x[k];
    columns[k][k] = -2 * v->c * x[k];
    columns[k + 1][k] = v->c;
    columns[k][k + 1] = -1;
  }
  sn_normal_equations_clear(normal);
  sn_normal_equations_add(normal, rank ? 0 : UNKNOWNS, &columns[0][0], residual);
  SN_TRY(sn_normal_equations_sum(normal, 1));
  return valley_loss(context, loss);
}

/* r'' is -2 c times the square of the change of x1. */
static sn_status valley_second_derivative(void *context, double *step, double *product) {
  const valley *v = context;
  for (int k = 0; k < UNKNOWNS; k += 2) {
    const double change = step[v->offset + k], second = -2 * v->c * change * change;
    product[k] = -2 * v->c * valley_at(v)[k] * second;
    product[k + 1] = v->c * second;
  }
  return SN_OK;
}

static valley make_valley(double c) {
  valley v = {.c = c};
  sn_parameter_block fixed = {.name = "fixed", .dimensions = 1, .shape = {3}, .count = {3}};
  sn_parameter_block block = {
      .name = "x", .dimensions = 1, .shape = {UNKNOWNS}, .count = {UNKNOWNS}, .trainable = true};
  assert_ok(sn_grid_create(MPI_COMM_WORLD, world_size(), 16, NULL, &v.grid));
  assert_ok(sn_parameters_create(v.grid, &v.parameters));
  assert_ok(sn_parameters_add(v.parameters, &fixed));
  assert_ok(sn_parameters_add(v.parameters, &block));
  assert_ok(sn_parameters_allocate(v.parameters));
  v.offset = block.offset;
  for (int k = 0; k < 3; k++) sn_parameters_values(v.parameters)[fixed.offset + k] = 7;
  for (int k = 0; k < UNKNOWNS; k++) valley_at(&v)[k] = k % 2 ? 1 : -1.2 + 0.1 * k;
  return v;
}

static void end_valley(valley *v) {
  sn_parameters_destroy(&v->parameters);
  sn_grid_destroy(&v->grid);
}

static int iterations_to_the_bottom(sn_optimizer_kind kind, double c, bool accelerated, int most) {
  valley v = make_valley(c);
  const sn_problem problem = {&v, valley_loss, valley_gradient, valley_normal, valley_second_derivative};
  const sn_optimizer_options options = {.kind = kind, .history = 10, .damping = 1e-3, .acceleration = accelerated};
  sn_optimizer *optimizer;
  assert_ok(sn_optimizer_create(v.parameters, &options, &optimizer));
  double loss = 1, before = INFINITY;
  int k = 0;
  bool moved = true;
  for (; k < most && loss > 1e-20 && moved; k++) {
    assert_ok(sn_optimizer_minimize(optimizer, &problem, 0.1, &loss, &moved));
    assert_that(loss <= before);
    before = loss;
  }
  for (int i = 0; i < UNKNOWNS; i++) assert_close(valley_at(&v)[i], 1, 1e-6);
  for (int i = 0; i < 3; i++) assert_close(sn_parameters_values(v.parameters)[i], 7, 0);
  assert_int_equal(*sn_optimizer_steps(optimizer), k);
  sn_optimizer_destroy(&optimizer);
  end_valley(&v);
  return k;
}

static void the_bottom_of_the_valley_is_found(void **state) {
  (void)state;
  assert_that(iterations_to_the_bottom(SN_OPTIMIZER_LBFGS, 10, false, 120) < 100);
  assert_that(iterations_to_the_bottom(SN_OPTIMIZER_LM, 10, false, 100) < 40);
}

/* Steps along the tangent of a narrow valley leave it soon; accelerated ones follow it. */
static void acceleration_follows_a_curved_valley(void **state) {
  (void)state;
  const int plain = iterations_to_the_bottom(SN_OPTIMIZER_LM, 1e4, false, 2000),
            accelerated = iterations_to_the_bottom(SN_OPTIMIZER_LM, 1e4, true, 2000);
  assert_that(3 * accelerated < plain);
}

enum { BATCH = 4, EPOCHS = 6 };

static setting make_setting(int space, sn_optimizer_kind kind, sn_network_kind network) {
  const training_shape shape = {
      .space = space,
      .snapshots = 7,
      .network = {.kind = network, .activation = SN_ACTIVATION_TANH, .hidden = 1, .width = {3}, .kernel = 3},
      .optimizer = {.kind = kind, .history = 3, .damping = 1e-2, .acceleration = true},
      .options = {.batch = BATCH,
                  .epochs = EPOCHS,
                  .seed = 4,
                  .window = WINDOW,
                  .first_window = 1,
                  .window_epochs = 3,
                  .schedule = {.kind = SN_SCHEDULE_CONSTANT}},
      .rate = 0.1,
      .scheme = "l2",
      .substeps = 1};
  return make_training(&shape);
}

static void run(setting *s, witness *w) {
  const sn_trainer_hooks hooks = hooks_for(w);
  bool stopped;
  assert_ok(sn_trainer_run(s->trainer, &hooks, &stopped));
  assert_that(stopped == (w->stop_after == w->iterations));
  assert_int_equal(sn_memory_calls(), w->allocations);
}

static const sn_optimizer_kind kinds[] = {SN_OPTIMIZER_LBFGS, SN_OPTIMIZER_LM};
static const sn_network_kind networks[] = {SN_NETWORK_BILINEAR, SN_NETWORK_CONV, SN_NETWORK_MLP};
/* Within each window the loss falls, and every split finds the losses of one rank. */
static void every_split_trains_alike(void **state) {
  (void)state;
  for (int kind = 0; kind < 2; kind++)
    for (int n = 0; n < 3; n++) {
      double expected[EPOCHS] = {0};
      for (int space = 1; space <= world_size(); space++) {
        if (world_size() % space) continue;
        setting s = make_setting(space, kinds[kind], networks[n]);
        witness w = {0};
        run(&s, &w);
        assert_int_equal(w.iterations, EPOCHS);
        for (int k = 1; k < EPOCHS; k++)
          if (k != 3) assert_that(w.losses[k] <= w.losses[k - 1]);
        assert_that(w.losses[2] < w.losses[0] && w.losses[EPOCHS - 1] < w.losses[3]);
        for (int k = 0; k < EPOCHS && space > 1; k++) assert_close(w.losses[k], expected[k], 1e-6 * expected[k]);
        if (space == 1) memcpy(expected, w.losses, sizeof expected);
        end_setting(&s);
      }
    }
}

static void a_stopped_run_goes_on_to_the_same_bits(void **state) {
  (void)state;
  for (int kind = 0; kind < 2; kind++) {
    const int space = world_size() % 2 ? 1 : 2;
    setting whole = make_setting(space, kinds[kind], SN_NETWORK_BILINEAR);
    witness all = {0};
    run(&whole, &all);
    const size_t bytes = (size_t)sn_parameters_size(sn_model_parameters(whole.model)) * sizeof(double);
    for (int stop = 1; stop < EPOCHS; stop += 2) {
      setting first = make_setting(space, kinds[kind], SN_NETWORK_BILINEAR),
              second = make_setting(space, kinds[kind], SN_NETWORK_BILINEAR);
      witness before = {.stop_after = stop}, after = {0};
      run(&first, &before);
      memcpy(sn_parameters_values(sn_model_parameters(second.model)),
             sn_parameters_values(sn_model_parameters(first.model)), bytes);
      for (int v = 0; v < sn_optimizer_vectors(first.optimizer); v++)
        memcpy(sn_optimizer_vector(second.optimizer, v), sn_optimizer_vector(first.optimizer, v), bytes);
      for (int v = 0; v < sn_optimizer_numbers(first.optimizer); v++)
        sn_optimizer_number(second.optimizer)[v] = sn_optimizer_number(first.optimizer)[v];
      *sn_optimizer_steps(second.optimizer) = *sn_optimizer_steps(first.optimizer);
      *sn_trainer_get_state(second.trainer) = *sn_trainer_peek_state(first.trainer);
      assert_ok(sn_model_loaded(second.model));
      run(&second, &after);
      assert_int_equal(before.iterations + after.iterations, EPOCHS);
      for (int k = 0; k < after.iterations; k++) assert_that(after.losses[k] == all.losses[stop + k]);
      assert_memory_equal(sn_parameters_values(sn_model_parameters(second.model)),
                          sn_parameters_values(sn_model_parameters(whole.model)), bytes);
      end_setting(&first);
      end_setting(&second);
    }
    end_setting(&whole);
  }
}

static void windows_double_after_their_epochs(void **state) {
  (void)state;
  const sn_trainer_options options = {.window = 6, .first_window = 1, .window_epochs = 10}, plain = {.window = 6};
  static const ptrdiff_t expected[] = {1, 1, 2, 2, 4, 4, 6, 6, 6};
  for (int k = 0; k < 9; k++) assert_int_equal(sn_trainer_window(&options, 5 * k), expected[k]);
  assert_int_equal(sn_trainer_window(&options, 9), 1);
  assert_int_equal(sn_trainer_window(&plain, 0), 6);
}

static void waves_of_the_rate(void **state) {
  (void)state;
  sn_schedule_options options = {.kind = SN_SCHEDULE_COSINE, .minimum = 0.2, .start = 1, .period = 10, .growth = 2};
  sn_schedule schedule = sn_schedule_start(1);
  for (int k = 1; k <= 12; k++) {
    sn_schedule_step(&schedule, &options, k, 1);
    assert_close(schedule.rate, k < 10 ? 0.6 + 0.4 * cos(M_PI * k / 10) : 0.2, 1e-14);
  }
  options.kind = SN_SCHEDULE_RESTARTS;
  for (int k = 1; k < 70; k++) {
    const int since = k < 10 ? k : k < 30 ? k - 10 : k - 30, period = k < 10 ? 10 : k < 30 ? 20 : 40;
    sn_schedule_step(&schedule, &options, k, 1);
    assert_close(schedule.rate, 0.6 + 0.4 * cos(M_PI * since / period), 1e-14);
  }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(normal_equations_are_solved),
      cmocka_unit_test(the_bottom_of_the_valley_is_found),
      cmocka_unit_test(every_split_trains_alike),
      cmocka_unit_test(a_stopped_run_goes_on_to_the_same_bits),
      cmocka_unit_test(windows_double_after_their_epochs),
      cmocka_unit_test(waves_of_the_rate),
      cmocka_unit_test(acceleration_follows_a_curved_valley),
  };
  return unit_run(argc, argv, tests);
}
