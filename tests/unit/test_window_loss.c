/*
 * learn/window_loss: the same loss and gradient whatever the chunks, the ranks and the order of the sum; the gradient
 * is that of the normal equations; one replica may fail alone.
 */
#include "training_case.h"

#include "sinode/random.h"
#include "sinode/window_loss.h"

enum { SNAPSHOTS = 8, WINDOWS = MEMBERS * (SNAPSHOTS - WINDOW), TILES = MEMBERS * 3 };

/* What data and initial states are like. */
typedef enum { WHOLE, GAPS, ESTIMATED, VARIANTS } variant;

static const double jump_weight = 2.5;

static setting make_variant(variant v, int space, ptrdiff_t batch, ptrdiff_t slice, sn_optimizer_kind kind,
                            const char *scheme) {
  const training_shape shape = {
      .space = space,
      .snapshots = SNAPSHOTS,
      .network = {.kind = SN_NETWORK_MLP, .activation = SN_ACTIVATION_TANH, .hidden = 1, .width = {5}},
      .optimizer = {.kind = kind,
                    .beta1 = 0.9,
                    .beta2 = 0.999,
                    .epsilon = 1e-8,
                    .history = 3,
                    .damping = 1e-3,
                    .acceleration = true},
      .options = {.batch = batch,
                  .epochs = 1,
                  .window = WINDOW,
                  .slice = slice,
                  .initial = v == ESTIMATED ? SN_INITIAL_ESTIMATED : SN_INITIAL_DATA,
                  .jump_weight = jump_weight},
      .rate = 1e-3,
      .scheme = scheme,
      .substeps = 1,
      .gaps = v != WHOLE};
  return make_training(&shape);
}

static setting make(int space, ptrdiff_t batch, ptrdiff_t slice, sn_optimizer_kind kind, const char *scheme) {
  return make_variant(WHOLE, space, batch, slice, kind, scheme);
}

static sn_windows all_of(const setting *s) {
  return (sn_windows){.set = SN_SET_TRAINING, .count = sn_dataset_windows(s->dataset, SN_SET_TRAINING)};
}

static sn_window_loss *make_loss(variant v, const setting *s, bool ordered, bool jacobian) {
  const sn_window_loss_options options = {.ordered = ordered,
                                          .windows_most = WINDOWS,
                                          .jacobian = jacobian,
                                          .second_derivatives = jacobian,
                                          .estimated = v == ESTIMATED,
                                          .jump_weight = jump_weight};
  sn_window_loss *loss;
  assert_ok(sn_window_loss_create(s->model, s->objective, s->dataset, &options, &loss));
  sn_window_loss_guess_states(loss);
  return loss;
}

static double *new_gradient(const setting *s) {
  double *gradient;
  assert_ok(SN_NEW(sn_parameters_size(sn_model_parameters(s->model)), &gradient));
  return gradient;
}

/* How many values the loss is of, counted here from what the data are like. */
static double values_of(variant v) {
  int sum = 0;
  for (int m = 0; m < MEMBERS; m++)
    for (int start = 0; start + WINDOW < SNAPSHOTS; start += v == ESTIMATED ? WINDOW : 1) {
      const bool last = start + 2 * WINDOW >= SNAPSHOTS;
      for (int k = v == ESTIMATED ? 0 : 1; k <= WINDOW && (v != GAPS || m * SNAPSHOTS + start != 3); k++)
        for (int j = 0; j < POINTS && (v != ESTIMATED || k < WINDOW || last); j++) {
          const int line = m * SNAPSHOTS + start + k;
          sum += v == WHOLE || ((line * POINTS + j) % 5 != 0 && line != 3);
        }
    }
  return sum;
}

/* Loss and whole gradient of the training set, by chunks of what the model has room for. */
static sn_window_result evaluate(variant v, const setting *s, bool ordered, double *gradient) {
  sn_window_loss *loss = make_loss(v, s, ordered, false);
  const sn_windows all = all_of(s);
  sn_window_result alone, with;
  sn_stop_request request = sn_grid_rank(s->grid) ? SN_STOP_REQUEST_NONE : SN_STOP_REQUEST_CHECKPOINT;
  assert_ok(sn_window_loss_value(loss, &all, &alone));
  const ptrdiff_t calls = sn_memory_calls();
  assert_ok(sn_window_loss_gradient(loss, &all, gradient, &request, &with));
  sn_reduction_gather(sn_window_loss_reduction(loss), gradient);
  assert_int_equal(sn_memory_calls(), calls);
  assert_that(request == SN_STOP_REQUEST_CHECKPOINT);
  assert_that(with.within_bounds && with.finite && alone.within_bounds && alone.finite);
  assert_that(with.sum == alone.sum && with.values == alone.values);
  assert_close(with.values, values_of(v), 0);
  sn_window_loss_destroy(&loss);
  return with;
}

static void check_chunks(variant v, int space) {
  setting whole = make_variant(v, space, WINDOWS, 0, SN_OPTIMIZER_ADAMW, "l2");
  double *expected = new_gradient(&whole);
  const double sum = evaluate(v, &whole, false, expected).sum;
  for (int ordered = 0; ordered < 2; ordered++)
    for (ptrdiff_t batch = 1; batch <= WINDOWS; batch += 4) {
      setting s = make_variant(v, space, batch, ordered ? batch : 0, SN_OPTIMIZER_ADAMW, "l2");
      double *gradient = new_gradient(&s);
      assert_close(evaluate(v, &s, ordered, gradient).sum, sum, 1e-12 * sum);
      for (ptrdiff_t k = 0; k < sn_parameters_size(sn_model_parameters(s.model)); k++)
        assert_close(gradient[k], expected[k], 1e-12);
      SN_FREE(gradient);
      end_setting(&s);
    }
  SN_FREE(expected);
  end_setting(&whole);
}

static void chunks_and_order_do_not_matter(void **state) {
  (void)state;
  const ptrdiff_t before = sn_memory_bytes();
  int ranks;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  for (int space = 1; space <= ranks; space++)
    for (variant v = WHOLE; v < VARIANTS && ranks % space == 0; v++) check_chunks(v, space);
  assert_int_equal(sn_memory_bytes(), before);
}

/* A direction of all that is trained, by its place, whatever the ranks. */
static void choose_direction(const setting *s, double *direction) {
  const sn_parameters *parameters = sn_model_parameters(s->model);
  memset(direction, 0, (size_t)sn_parameters_size(parameters) * sizeof *direction);
  for (int i = 0; i < sn_parameters_blocks(parameters); i++) {
    const sn_parameter_block *block = sn_parameters_block(parameters, i);
    const ptrdiff_t columns = block->dimensions > 1 ? block->count[1] : 1;
    for (ptrdiff_t k = 0; k < sn_parameter_block_size(block); k++)
      direction[block->offset + k] = sin(1 + (double)(7 * i + 3 * (block->start[0] + k / columns) +
                                                      (block->dimensions > 1 ? block->start[1] + k % columns : 0)));
  }
}

/* Of states, too, whose windows are in several chunks, and whose ends belong to windows of other replicas. */
static void gradients_are_those_of_central_differences(void **state) {
  (void)state;
  int ranks;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  for (int space = 1; space <= ranks; space++) {
    if (ranks % space) continue;
    setting s = make_variant(ESTIMATED, space, 2, 0, SN_OPTIMIZER_ADAMW, "ars343");
    sn_parameters *parameters = sn_model_parameters(s.model);
    const ptrdiff_t size = sn_parameters_size(parameters);
    double *gradient = new_gradient(&s), *direction = new_gradient(&s), *kept = new_gradient(&s), loss[2];
    assert_int_equal(sn_dataset_windows(s.dataset, SN_SET_TRAINING), TILES);
    evaluate(ESTIMATED, &s, false, gradient);
    choose_direction(&s, direction);
    memcpy(kept, sn_parameters_values(parameters), (size_t)size * sizeof *kept);
    sn_window_loss *w = make_loss(ESTIMATED, &s, false, false);
    const sn_windows all = all_of(&s);
    const double step = 1e-5;
    for (int side = 0; side < 2; side++) {
      sn_window_result found;
      for (ptrdiff_t k = 0; k < size; k++)
        sn_parameters_values(parameters)[k] = kept[k] + (side ? step : -step) * direction[k];
      assert_ok(sn_model_loaded(s.model));
      assert_ok(sn_window_loss_value(w, &all, &found));
      loss[side] = found.sum / found.values;
    }
    const double slope = (loss[1] - loss[0]) / (2 * step),
                 expected = sn_parameters_dot(parameters, gradient, direction);
    assert_close(slope, expected, 1e-8 * fabs(expected) + 1e-10);
    sn_window_loss_destroy(&w);
    SN_FREE(gradient);
    SN_FREE(direction);
    SN_FREE(kept);
    end_setting(&s);
  }
}

/* Residuals of this replica's windows with all unknowns moved along the step: (WINDOW, own windows, local points). */
static void residuals_at(const setting *s, double distance, const double *kept, const double *step, double *residuals) {
  const sn_range own = sn_grid_share(s->grid, sn_dataset_windows(s->dataset, SN_SET_TRAINING));
  const ptrdiff_t points = sn_grid_range(s->grid).count, count = own.count * points;
  const double *states = sn_objective_observed(s->objective) ? sn_model_states(s->model) : NULL; /* estimated */
  double sum, *values = sn_parameters_values(sn_model_parameters(s->model));
  double *initial = sn_objective_initial(s->objective), *targets = sn_objective_targets(s->objective);
  for (ptrdiff_t k = 0; k < sn_parameters_size(sn_model_parameters(s->model)); k++)
    values[k] = kept[k] + distance * step[k];
  assert_ok(sn_model_loaded(s->model));
  sn_dataset_gather(s->dataset, SN_SET_TRAINING, own.count, NULL, own.start, initial, targets);
  if (states) memcpy(initial, states + own.start * points, (size_t)count * sizeof *initial);
  assert_ok(sn_objective_value(s->objective, own.count, &sum));
  for (ptrdiff_t k = 0; k < WINDOW * count; k++) {
    const ptrdiff_t next = sn_dataset_next(s->dataset, SN_SET_TRAINING, own.start + k % count / points);
    const bool jump = states && next >= 0 && k >= (WINDOW - 1) * count;
    const double goal = jump ? states[next * points + k % points] : targets[k];
    const double factor = isnan(goal) ? 0 : jump ? sqrt(jump_weight) : 1;
    residuals[k] = factor == 0 ? 0 : factor * (sn_objective_states(s->objective)[count + k] - goal);
  }
}

/* <J e, r''> over the number of values, both by differences. */
static double second_derivative_along(variant v, const setting *s, const double *step, const double *e) {
  const ptrdiff_t values = WINDOW * sn_grid_share(s->grid, sn_dataset_windows(s->dataset, SN_SET_TRAINING)).count *
                           sn_grid_range(s->grid).count,
                  size = sn_parameters_size(sn_model_parameters(s->model));
  const double small = 1e-5, *way[] = {step, step, step, e, e}, distance[] = {0, 0.3, -0.3, small, -small};
  double *r[5], *kept, dot = 0;
  assert_ok(SN_NEW(size, &kept));
  memcpy(kept, sn_parameters_values(sn_model_parameters(s->model)), (size_t)size * sizeof *kept);
  for (int k = 0; k < 5; k++) {
    assert_ok(SN_NEW(values, &r[k]));
    residuals_at(s, distance[k], kept, way[k], r[k]);
  }
  for (ptrdiff_t k = 0; k < values; k++)
    dot += (r[3][k] - r[4][k]) / (2 * small) * (r[1][k] + r[2][k] - 2 * r[0][k]) / (0.09 * values_of(v));
  MPI_Allreduce(MPI_IN_PLACE, &dot, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  for (int k = 0; k < 5; k++) SN_FREE(r[k]);
  SN_FREE(kept);
  return dot;
}

/* The same on all ranks, whose parts these are. */
static void fill_direction(const setting *s, uint64_t stream, double scale, double *whole, double *local) {
  const sn_parameters *parameters = sn_model_parameters(s->model);
  const sn_random random = {.seed = 3, .purpose = SN_RANDOM_TEST, .stream = stream};
  for (ptrdiff_t k = 0; k < sn_parameters_total(parameters, true); k++)
    whole[k] = scale * sn_random_normal(&random, (uint64_t)k);
  sn_parameters_spread(parameters, whole, local);
}

/* Estimated states are at their minimum, and follow. */
static void check_second_derivatives(variant v, int space) {
  setting s = make_variant(v, space, WINDOWS, 0, SN_OPTIMIZER_LM, "l2"),
          t = make_variant(v, space, 5, 0, SN_OPTIMIZER_LM, "l2");
  const ptrdiff_t order = sn_parameters_total(sn_model_parameters(s.model), true);
  double *step = new_gradient(&s), *e = new_gradient(&s), *whole, *product, *other, dot = 0;
  sn_normal_equations *normal;
  assert_ok(SN_NEW(order, &whole));
  assert_ok(SN_NEW(order, &product));
  assert_ok(SN_NEW(order, &other));
  assert_ok(sn_normal_equations_create(MPI_COMM_WORLD, order, &normal));
  sn_window_loss *loss = make_loss(v, &t, false, true);
  const sn_problem problem = sn_window_loss_problem(loss);
  double value;
  assert_ok(problem.normal(problem.context, &value, normal));
  for (int k = 0; k < 7 && v == ESTIMATED; k++) {
    assert_ok(problem.loss(problem.context, &value));
    assert_ok(problem.normal(problem.context, &value, normal));
  }
  memcpy(sn_parameters_values(sn_model_parameters(s.model)), sn_parameters_values(sn_model_parameters(t.model)),
         (size_t)sn_parameters_size(sn_model_parameters(s.model)) * sizeof *e);
  fill_direction(&s, 2, 1e-2, whole, e);
  assert_ok(problem.second_derivative(problem.context, e, other)); /* states follow */
  fill_direction(&s, 1, 1e-2, other, step);
  const ptrdiff_t calls = sn_memory_calls();
  assert_ok(problem.second_derivative(problem.context, step, product));
  assert_int_equal(sn_memory_calls(), calls);
  for (ptrdiff_t k = 0; k < order; k++) dot += whole[k] * product[k];
  assert_close(dot, second_derivative_along(v, &s, step, e), 1e-3 * fabs(dot));
  sn_window_loss_destroy(&loss);
  sn_normal_equations_destroy(&normal);
  double **arrays[] = {&step, &e, &whole, &product, &other};
  for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++) SN_FREE(*arrays[k]);
  end_setting(&s);
  end_setting(&t);
}

static void second_derivatives_are_those_of_differences(void **state) {
  (void)state;
  int ranks;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  for (int space = 1; space <= ranks; space++)
    if (ranks % space == 0) check_second_derivatives(WHOLE, space);
  check_second_derivatives(ESTIMATED, 1);
}

/* The gradient of the mse is 2 J^T r over the number of values. */
static void check_normal_equations(variant v, int space) {
  setting s = make_variant(v, space, 8, 0, SN_OPTIMIZER_ADAMW, "l2"),
          t = make_variant(v, space, 8, 0, SN_OPTIMIZER_LM, "l2");
  const sn_parameters *parameters = sn_model_parameters(t.model);
  double *gradient = new_gradient(&s), *half = new_gradient(&t);
  sn_window_loss *loss = make_loss(v, &t, false, true);
  const sn_windows all = all_of(&t);
  sn_window_result result;
  sn_normal_equations *normal;
  assert_ok(sn_normal_equations_create(MPI_COMM_WORLD, sn_parameters_total(parameters, true), &normal));
  const double sum = evaluate(v, &s, false, gradient).sum;
  assert_ok(sn_window_loss_normal(loss, &all, normal, &result));
  assert_that(result.within_bounds);
  assert_close(result.sum, sum, 1e-12 * sum);
  sn_parameters_spread(parameters, sn_normal_equations_right(normal), half);
  for (ptrdiff_t k = 0; k < sn_parameters_size(parameters); k++) assert_close(2 * half[k], gradient[k], 1e-11);
  sn_normal_equations_destroy(&normal);
  sn_window_loss_destroy(&loss);
  SN_FREE(gradient);
  SN_FREE(half);
  end_setting(&s);
  end_setting(&t);
}

static void normal_equations_hold_half_the_gradient(void **state) {
  (void)state;
  int ranks;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  for (int space = 1; space <= ranks; space++)
    for (variant v = WHOLE; v <= GAPS && ranks % space == 0; v++) check_normal_equations(v, space);
}

/*
 * Steps of the states alone lead to where their gradient, by the adjoint, vanishes; what the elimination then leaves
 * for the parameters is half of theirs.
 */
static void check_elimination(const char *scheme) {
  setting s = make_variant(ESTIMATED, 1, 2, 0, SN_OPTIMIZER_ADAMW, scheme),
          t = make_variant(ESTIMATED, 1, 2, 0, SN_OPTIMIZER_LM, scheme);
  const sn_parameters *parameters = sn_model_parameters(t.model);
  const ptrdiff_t own = sn_parameters_model_size(parameters), size = sn_parameters_size(parameters);
  double *gradient = new_gradient(&s), *half = new_gradient(&t), value;
  sn_window_loss *loss = make_loss(ESTIMATED, &t, false, true), *adjoint = make_loss(ESTIMATED, &s, false, false);
  const sn_problem problem = sn_window_loss_problem(loss), other = sn_window_loss_problem(adjoint);
  sn_normal_equations *normal;
  assert_ok(sn_normal_equations_create(MPI_COMM_WORLD, sn_parameters_total(parameters, true), &normal));
  for (int step = 0; step < 8; step++) {
    assert_ok(problem.normal(problem.context, &value, normal));
    if (step < 7) assert_ok(problem.loss(problem.context, &value));
  }
  memcpy(sn_parameters_values(sn_model_parameters(s.model)), sn_parameters_values(sn_model_parameters(t.model)),
         (size_t)size * sizeof value);
  assert_ok(sn_model_loaded(s.model));
  assert_ok(other.gradient(other.context, &value, gradient));
  sn_parameters_spread(parameters, sn_normal_equations_right(normal), half);
  double most = 0;
  for (ptrdiff_t k = 0; k < own; k++) {
    assert_close(2 * half[k], gradient[k], 1e-9);
    most = fmax(most, fabs(gradient[k]));
  }
  assert_that(most > 1e-4);
  for (ptrdiff_t k = own; k < size; k++) assert_close(gradient[k], 0, 1e-9);
  sn_normal_equations_destroy(&normal);
  sn_window_loss_destroy(&loss);
  sn_window_loss_destroy(&adjoint);
  SN_FREE(gradient);
  SN_FREE(half);
  end_setting(&s);
  end_setting(&t);
}

static void eliminated_states_go_to_their_minimum(void **state) {
  (void)state;
  check_elimination("l2");
  check_elimination("etdrk4");
}

/* The last replica's window has a state that no solve gets along with. */
static void check_failure(bool ordered) {
  int ranks;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  setting s = make(1, ranks, ordered, SN_OPTIMIZER_ADAMW, "cn");
  sn_window_loss *loss = make_loss(WHOLE, &s, ordered, false);
  const ptrdiff_t good[] = {0, 1, 2, 3}, bad[] = {WINDOWS - 1, WINDOWS - 1, WINDOWS - 1, WINDOWS - 1};
  ptrdiff_t index[4];
  double *first = new_gradient(&s), *gradient = new_gradient(&s);
  sn_window_result result;
  const size_t bytes = (size_t)sn_parameters_size(sn_model_parameters(s.model)) * sizeof *gradient;
  sn_windows windows = {.set = SN_SET_TRAINING, .count = ranks, .index = good};
  assert_ok(sn_window_loss_gradient(loss, &windows, first, NULL, &result));
  assert_that(result.within_bounds && result.finite);

  for (int k = 0; k < ranks; k++) index[k] = k < ranks - 1 ? good[k] : bad[k];
  s.values[((MEMBERS - 1) * SNAPSHOTS + SNAPSHOTS - WINDOW - 1) * POINTS] = NAN; /* of the last window, initial */
  windows.index = index;
  sn_status status = sn_window_loss_gradient(loss, &windows, gradient, NULL, &result);
  assert_that(!result.within_bounds);
  assert_that((status != SN_OK) == (sn_grid_rank(s.grid) == ranks - 1));
  status = sn_window_loss_diagnose(loss, &windows, status, gradient);
  assert_that(status && sn_error_is_collective(status, MPI_COMM_WORLD) && sn_error_get_code(status) == SN_ERROR_RUN);
  assert_non_null(strstr(sn_error_get_message(status), "step 1"));
  sn_error_destroy(&status);
  status = sn_window_loss_value(loss, &windows, &result);
  assert_that(status && sn_error_is_collective(status, MPI_COMM_WORLD));
  sn_error_destroy(&status);

  windows.index = good;
  assert_ok(sn_window_loss_gradient(loss, &windows, gradient, NULL, &result));
  assert_that(result.within_bounds && memcmp(gradient, first, bytes) == 0);
  SN_FREE(first);
  SN_FREE(gradient);
  sn_window_loss_destroy(&loss);
  end_setting(&s);
}

static void one_replica_may_fail_alone(void **state) {
  (void)state;
  check_failure(false);
  check_failure(true);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(chunks_and_order_do_not_matter),
      cmocka_unit_test(gradients_are_those_of_central_differences),
      cmocka_unit_test(normal_equations_hold_half_the_gradient),
      cmocka_unit_test(second_derivatives_are_those_of_differences),
      cmocka_unit_test(eliminated_states_go_to_their_minimum),
      cmocka_unit_test(one_replica_may_fail_alone),
  };
  return unit_run(argc, argv, tests);
}
