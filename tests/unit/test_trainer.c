/* learn/trainer: what a training iteration costs (factorizations, allocations), and that it can be taken up anywhere.
 */
#include "unit.h"

#include "sinode/memory.h"
#include "sinode/trainer.h"

enum { POINTS = 12, MEMBERS = 2, SNAPSHOTS = 23, WINDOW = 2, BATCH = 8, EPOCHS = 3 };

typedef struct {
  sn_grid *grid;
  double *values;
  sn_dataset *dataset;
  sn_model *model;
  sn_integrator *integrator;
  sn_objective *objective;
  sn_optimizer *optimizer;
  sn_trainer *trainer;
} setting;

/* Travelling waves stand in for data: the trainer does not care. */
static double *make_values(const sn_grid *grid) {
  const sn_range range = sn_grid_range(grid);
  double *values;
  assert_ok(SN_NEW(MEMBERS * SNAPSHOTS * range.count, &values));
  for (ptrdiff_t k = 0; k < MEMBERS * SNAPSHOTS; k++)
    for (ptrdiff_t j = 0; j < range.count; j++)
      values[k * range.count + j] = sin(0.5 * (double)(range.start + j) - 0.2 * (double)k);
  return values;
}

static setting make_sliced(int space, const char *scheme, double rate, ptrdiff_t slice) {
  setting s;
  const sn_linear_shape linear = {.kind = SN_LINEAR_STENCIL, .taps = 5, .length = 22, .trainable = true};
  const sn_network_shape network = {
      .kind = SN_NETWORK_MLP, .activation = SN_ACTIVATION_TANH, .hidden = 2, .width = {7, 6}};
  const sn_init init = {.kind = SN_INIT_NORMAL, .std = 0.1};
  const sn_optimizer_options adamw = {.kind = SN_OPTIMIZER_ADAMW, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
  const sn_trainer_options options = {
      .batch = BATCH, .epochs = EPOCHS, .seed = 4, .window = WINDOW, .schedule = {.kind = SN_SCHEDULE_CONSTANT},
      .slice = slice};
  assert_ok(sn_grid_create(MPI_COMM_WORLD, space, POINTS, NULL, &s.grid));
  s.values = make_values(s.grid);
  assert_ok(sn_dataset_create(MEMBERS, SNAPSHOTS, sn_grid_range(s.grid).count, s.values, WINDOW, SN_SPLIT_TIME, 0.3,
                              &s.dataset));
  assert_ok(sn_model_create(s.grid, &linear, &network, sn_trainer_samples(s.grid, s.dataset, BATCH, slice), &s.model));
  assert_ok(sn_linear_set_ks(sn_model_linear(s.model)));
  assert_ok(sn_network_initialize(sn_model_network(s.model), &init, 1));
  assert_ok(sn_model_loaded(s.model));
  const sn_integrator_options integration = {.tableau = sn_tableau_find(scheme),
                                             .dt = 0.1,
                                             .substeps = 2,
                                             .intervals = WINDOW,
                                             .adjoint = true,
                                             .storage = SN_STORAGE_ALL};
  assert_ok(sn_integrator_create(s.model, &integration, &s.integrator));
  assert_ok(sn_objective_create(s.model, s.integrator, SN_LOSS_MSE, WINDOW, &s.objective));
  assert_ok(sn_optimizer_create(sn_model_parameters(s.model), &adamw, &s.optimizer));
  assert_ok(sn_trainer_create(s.model, s.objective, s.dataset, s.optimizer, &options, rate, &s.trainer));
  assert_ok(sn_trainer_reserve(s.trainer, s.integrator));
  return s;
}

static setting make_setting(int space, const char *scheme, double rate) {
  return make_sliced(space, scheme, rate, 0);
}

static void end_setting(setting *s) {
  sn_trainer_destroy(&s->trainer);
  sn_optimizer_destroy(&s->optimizer);
  sn_objective_destroy(&s->objective);
  sn_integrator_destroy(&s->integrator);
  sn_model_destroy(&s->model);
  sn_dataset_destroy(&s->dataset);
  sn_memory_give(&s->values);
  sn_grid_destroy(&s->grid);
}

/* What the hooks see and do. */
typedef struct {
  double losses[64];
  int iterations, epochs, stop_after;
  ptrdiff_t allocations; /* at the end of the first epoch */
  double best;
} witness;

static sn_wish wish(void *context) {
  const witness *w = context;
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return w->iterations + 1 == w->stop_after && rank == 0 ? SN_WISH_STOP : SN_WISH_GO_ON; /* one's is everyone's */
}

static sn_status after_iteration(void *context, const sn_trainer *trainer, double loss, sn_wish agreed) {
  witness *w = context;
  (void)trainer, (void)agreed;
  w->losses[w->iterations++] = loss;
  return SN_OK;
}

static sn_status after_epoch(void *context, const sn_trainer *trainer, const sn_trainer_record *record) {
  witness *w = context;
  (void)trainer;
  if (w->epochs++ == 0) w->allocations = sn_memory_calls();
  w->best = record->best ? record->validation_loss : w->best;
  return SN_OK;
}

static sn_trainer_hooks hooks_for(witness *w) {
  return (sn_trainer_hooks){
      .context = w, .wish = wish, .after_iteration = after_iteration, .after_epoch = after_epoch};
}

static int batches(void) { return (MEMBERS * (16 - WINDOW) + BATCH - 1) / BATCH; }

static void a_trained_linear_part_is_factorized_once_a_step(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (int space = 1; space <= size; space++) {
    if (size % space) continue;
    setting s = make_setting(space, "l2", 1e-3);
    witness w = {0};
    const sn_trainer_hooks hooks = hooks_for(&w);
    bool stopped;
    assert_ok(sn_trainer_run(s.trainer, &hooks, &stopped));
    assert_that(!stopped && w.epochs == EPOCHS && w.iterations == EPOCHS * batches());
    /* Once a step of the optimizer, and once more for the last validation; replicas without samples may save some. */
    assert_that(sn_integrator_factorizations(s.integrator) <= w.iterations + 1);
    if (space == size) assert_int_equal(sn_integrator_factorizations(s.integrator), w.iterations + 1);
    assert_int_equal(sn_memory_calls(), w.allocations); /* nothing is allocated once the first epoch is over */
    assert_that(w.losses[w.iterations - 1] < w.losses[0]);
    end_setting(&s);
  }
}

/* Losses and parameters after stopping at any iteration and going on in a new trainer are those of an unbroken run. */
static void a_stopped_run_goes_on_to_the_same_bits(void **state) {
  (void)state;
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  setting whole = make_setting(size % 2 ? 1 : 2, "ars343", 1e-2);
  witness all = {0};
  sn_trainer_hooks hooks = hooks_for(&all);
  bool stopped;
  assert_ok(sn_trainer_run(whole.trainer, &hooks, &stopped));
  const ptrdiff_t count = sn_parameters_size(sn_model_parameters(whole.model));

  for (int stop = 1; stop < all.iterations; stop += 3) {
    setting first = make_setting(size % 2 ? 1 : 2, "ars343", 1e-2),
            second = make_setting(size % 2 ? 1 : 2, "ars343", 1e-2);
    witness before = {.stop_after = stop}, after = {0};
    hooks = hooks_for(&before);
    assert_ok(sn_trainer_run(first.trainer, &hooks, &stopped));
    assert_that(stopped && before.iterations == stop);
    memcpy(sn_parameters_values(sn_model_parameters(second.model)),
           sn_parameters_values(sn_model_parameters(first.model)), (size_t)count * sizeof(double));
    for (int v = 0; v < sn_optimizer_vectors(first.optimizer); v++)
      memcpy(sn_optimizer_vector(second.optimizer, v), sn_optimizer_vector(first.optimizer, v),
             (size_t)count * sizeof(double));
    *sn_optimizer_steps(second.optimizer) = *sn_optimizer_steps(first.optimizer);
    *sn_trainer_get_state(second.trainer) = *sn_trainer_peek_state(first.trainer);
    assert_ok(sn_model_loaded(second.model));
    hooks = hooks_for(&after);
    assert_ok(sn_trainer_run(second.trainer, &hooks, &stopped));
    assert_int_equal(before.iterations + after.iterations, all.iterations);
    for (int k = 0; k < after.iterations; k++) assert_that(after.losses[k] == all.losses[stop + k]);
    assert_memory_equal(sn_parameters_values(sn_model_parameters(second.model)),
                        sn_parameters_values(sn_model_parameters(whole.model)), (size_t)count * sizeof(double));
    end_setting(&first);
    end_setting(&second);
  }
  end_setting(&whole);
}

static void a_blow_up_names_the_step(void **state) {
  (void)state;
  setting s = make_setting(1, "l2", 1e-3);
  sn_parameters *parameters = sn_model_parameters(s.model);
  const sn_parameter_block *block = sn_parameters_find(parameters, "nonlinear/layer_2/bias");
  const double bad[] = {1e30, NAN}; /* exploding, and not finite */
  witness w = {0};
  const sn_trainer_hooks hooks = hooks_for(&w);
  for (int k = 0; k < 2; k++) {
    bool stopped;
    sn_parameters_values(parameters)[block->offset] = bad[k];
    sn_status status = sn_trainer_run(s.trainer, &hooks, &stopped);
    assert_that(status && sn_error_is_collective(status) && sn_error_get_code(status) == SN_ERROR_RUN);
    assert_non_null(strstr(sn_error_get_message(status), "step 1"));
    assert_int_equal(w.iterations, 0);
    sn_error_destroy(&status);
  }
  end_setting(&s);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_trained_linear_part_is_factorized_once_a_step),
      cmocka_unit_test(a_stopped_run_goes_on_to_the_same_bits),
      cmocka_unit_test(a_blow_up_names_the_step),
  };
  return unit_run(argc, argv, tests);
}
