/* learn/trainer: what a training iteration costs (factorizations, allocations), and that it can be taken up anywhere.
 */
#include "training_case.h"

enum { BATCH = 8, EPOCHS = 3, SNAPSHOTS = 23 };

static setting make_ordered(int space, const char *scheme, double rate, ptrdiff_t slice) {
  const training_shape shape = {
      .space = space,
      .snapshots = SNAPSHOTS,
      .validation = 0.3,
      .network = {.kind = SN_NETWORK_MLP, .activation = SN_ACTIVATION_TANH, .hidden = 2, .width = {7, 6}},
      .optimizer = {.kind = SN_OPTIMIZER_ADAMW, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8},
      .options = {.batch = BATCH,
                  .epochs = EPOCHS,
                  .seed = 4,
                  .window = WINDOW,
                  .schedule = {.kind = SN_SCHEDULE_CONSTANT},
                  .slice = slice},
      .rate = rate,
      .scheme = scheme,
      .substeps = 2};
  return make_training(&shape);
}

static setting make_setting(int space, const char *scheme, double rate) { return make_ordered(space, scheme, rate, 0); }

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
    assert_that(status && sn_error_is_collective(status, MPI_COMM_WORLD) && sn_error_get_code(status) == SN_ERROR_RUN);
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
