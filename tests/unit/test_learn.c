/* learn/: losses, windows and their split, optimizers against closed forms, the plateau schedule. */
#include "unit.h"

#include "sinode/dataset.h"
#include "sinode/loss.h"
#include "sinode/memory.h"
#include "sinode/optimizer.h"
#include "sinode/schedule.h"

static void losses_and_their_derivatives(void **state) {
  (void)state;
  const double p[4] = {1, -2, 3, 0.5}, t[4] = {0, -2, 5, 1};
  double bar[4];
  assert_close(sn_loss_sum(SN_LOSS_MSE, 4, p, t, 0.5, bar), 1 + 0 + 4 + 0.25, 1e-15);
  const double mse[4] = {1, 0, -2, -0.5};
  for (int k = 0; k < 4; k++) assert_close(bar[k], mse[k], 1e-15);
  assert_close(sn_loss_sum(SN_LOSS_MAE, 4, p, t, 0.5, bar), 1 + 0 + 2 + 0.5, 1e-15);
  const double mae[4] = {0.5, 0, -0.5, -0.5};
  for (int k = 0; k < 4; k++) assert_close(bar[k], mae[k], 1e-15);
  assert_close(sn_loss_sum(SN_LOSS_MSE, 4, p, t, 0, NULL), 5.25, 1e-15);
}

enum { MEMBERS = 3, SNAPSHOTS = 20, POINTS = 2, WINDOW = 3 };

/* Value 100 * member + snapshot everywhere, so that a window tells where it comes from. */
static void fill(double *values) {
  for (int m = 0; m < MEMBERS; m++)
    for (int k = 0; k < SNAPSHOTS; k++)
      for (int j = 0; j < POINTS; j++) values[(m * SNAPSHOTS + k) * POINTS + j] = 100 * m + k;
}

static void mark(const sn_dataset *data, sn_set set, bool *seen) {
  for (ptrdiff_t w = 0; w < sn_dataset_windows(data, set); w++) {
    double initial[POINTS], targets[WINDOW * POINTS];
    sn_dataset_gather(data, set, 1, &w, 0, initial, targets);
    const int first = (int)initial[0];
    for (int k = 0; k <= WINDOW; k++) {
      const double *state = k ? targets + (k - 1) * POINTS : initial;
      assert_that(state[0] == first + k && state[1] == first + k);
      seen[(first / 100) * SNAPSHOTS + first % 100 + k] = true;
    }
  }
}

static void no_validation_snapshot_is_in_a_training_window(void **state) {
  (void)state;
  double values[MEMBERS * SNAPSHOTS * POINTS];
  fill(values);
  for (sn_split_kind split = SN_SPLIT_TIME; split <= SN_SPLIT_MEMBER; split++) {
    sn_dataset *data;
    assert_ok(sn_dataset_create(MEMBERS, SNAPSHOTS, POINTS, values, WINDOW, split, 0.3, &data));
    bool training[MEMBERS * SNAPSHOTS] = {false}, validation[MEMBERS * SNAPSHOTS] = {false};
    mark(data, SN_SET_TRAINING, training);
    mark(data, SN_SET_VALIDATION, validation);
    ptrdiff_t held = 0;
    for (int k = 0; k < MEMBERS * SNAPSHOTS; k++) {
      assert_that(training[k] != validation[k]); /* every snapshot is used, in one set */
      held += validation[k];
    }
    assert_int_equal(held, split == SN_SPLIT_TIME ? MEMBERS * 6 : SNAPSHOTS);
    assert_int_equal(sn_dataset_boundary(data), split == SN_SPLIT_TIME ? 14 : 2);
    sn_dataset_destroy(&data);
  }
  sn_dataset *data;
  sn_status status = sn_dataset_create(1, WINDOW, POINTS, values, WINDOW, SN_SPLIT_TIME, 0, &data);
  assert_that(status && sn_error_get_code(status) == SN_ERROR_USAGE && !data);
  sn_error_destroy(&status);
}

typedef struct {
  sn_grid *grid;
  sn_parameters *parameters;
  sn_parameter_block block;
} setting;

/* Three trainable values behind a block that is not trainable. */
static setting make_setting(void) {
  setting s;
  sn_parameter_block fixed = {.name = "fixed", .dimensions = 1, .shape = {5}, .count = {5}};
  s.block = (sn_parameter_block){.name = "free", .dimensions = 1, .shape = {3}, .count = {3}, .trainable = true};
  assert_ok(sn_grid_create(MPI_COMM_WORLD, 1, 8, NULL, &s.grid));
  assert_ok(sn_parameters_create(s.grid, &s.parameters));
  assert_ok(sn_parameters_add(s.parameters, &fixed));
  assert_ok(sn_parameters_add(s.parameters, &s.block));
  assert_ok(sn_parameters_allocate(s.parameters));
  double *values = sn_parameters_values(s.parameters);
  values[fixed.offset] = 42;
  for (int k = 0; k < 3; k++) values[s.block.offset + k] = k + 1;
  return s;
}

static void end_setting(setting *s) {
  assert_that(sn_parameters_values(s->parameters)[0] == 42); /* what is not trainable stays */
  sn_parameters_destroy(&s->parameters);
  sn_grid_destroy(&s->grid);
}

/* A step on all trainable blocks. */
static void step_all(sn_optimizer *optimizer, double rate, const double *gradient, const sn_parameters *parameters) {
  sn_optimizer_begin_step(optimizer);
  for (int b = 0; b < sn_parameters_blocks(parameters); b++) {
    const sn_parameter_block *block = sn_parameters_block(parameters, b);
    const sn_range part = {block->offset, sn_parameter_block_size(block)};
    if (block->trainable) sn_optimizer_update(optimizer, rate, gradient, part);
  }
}

/* With a constant gradient g both corrected moments are exact: each step is v := (1 - r w) v - r g / (|g| + eps). */
static void adamw_with_a_constant_gradient(void **state) {
  (void)state;
  setting s = make_setting();
  const sn_optimizer_options options = {
      .kind = SN_OPTIMIZER_ADAMW, .weight_decay = 0.1, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-2};
  sn_optimizer *optimizer;
  assert_ok(sn_optimizer_create(s.parameters, &options, &optimizer));
  double gradient[64] = {0}, expected[3] = {1, 2, 3};
  const double g[3] = {0.5, -2, 1e-3}, rate = 0.05;
  for (int k = 0; k < 3; k++) gradient[s.block.offset + k] = g[k];
  for (int step = 0; step < 10; step++) {
    step_all(optimizer, rate, gradient, s.parameters);
    for (int k = 0; k < 3; k++) {
      expected[k] = (1 - rate * 0.1) * expected[k] - rate * g[k] / (fabs(g[k]) + 1e-2);
      assert_close(sn_parameters_values(s.parameters)[s.block.offset + k], expected[k], 1e-13);
    }
  }
  assert_int_equal(*sn_optimizer_steps(optimizer), 10);
  sn_optimizer_destroy(&optimizer);
  end_setting(&s);
}

/* With a constant gradient and no decay the velocity is a geometric sum. */
static void sgd_with_a_constant_gradient(void **state) {
  (void)state;
  setting s = make_setting();
  const sn_optimizer_options options = {.kind = SN_OPTIMIZER_SGD, .momentum = 0.5};
  sn_optimizer *optimizer;
  assert_ok(sn_optimizer_create(s.parameters, &options, &optimizer));
  double gradient[64] = {0}, moved = 0;
  for (int k = 0; k < 3; k++) gradient[s.block.offset + k] = 1;
  for (int step = 1; step <= 8; step++) {
    step_all(optimizer, 0.1, gradient, s.parameters);
    moved += 0.1 * 2 * (1 - pow(0.5, step));
    for (int k = 0; k < 3; k++)
      assert_close(sn_parameters_values(s.parameters)[s.block.offset + k], k + 1 - moved, 1e-14);
  }
  sn_optimizer_destroy(&optimizer);
  end_setting(&s);
}

static void plateau_lowers_the_rate_after_its_patience(void **state) {
  (void)state;
  const sn_schedule_options options = {
      .kind = SN_SCHEDULE_PLATEAU, .factor = 0.5, .patience = 2, .threshold = 0.1, .minimum = 0.3};
  sn_schedule schedule = sn_schedule_start(1);
  const double losses[] = {1, 0.95, 0.95, 0.95, 0.8, 0.79, 0.78, 0.77, 0.76, 0.76, 0.76, 0.5};
  const double rates[] = {1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.3, 0.3, 0.3, 0.3, 0.3};
  for (int k = 0; k < 12; k++) {
    sn_schedule_step(&schedule, &options, 0, losses[k]);
    assert_close(schedule.rate, rates[k], 1e-15);
  }
  const sn_schedule_options constant = {.kind = SN_SCHEDULE_CONSTANT};
  schedule = sn_schedule_start(1);
  for (int k = 0; k < 100; k++) sn_schedule_step(&schedule, &constant, 0, 1);
  assert_close(schedule.rate, 1, 0);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(losses_and_their_derivatives),
      cmocka_unit_test(no_validation_snapshot_is_in_a_training_window),
      cmocka_unit_test(adamw_with_a_constant_gradient),
      cmocka_unit_test(sgd_with_a_constant_gradient),
      cmocka_unit_test(plateau_lowers_the_rate_after_its_patience),
  };
  return unit_run(argc, argv, tests);
}
