/* The parameter file: schema, defaults, values, --set, echo, templates, explanations. */
#include <limits.h>
#include <unistd.h>

#include "config/config.h"
#include "config/schema.h"
#include "unit.h"

/* A command of 0 stands for SN_FOR_ALL, which requires nothing. */
static sn_status parse(int command, const char *text, const char *setting, sn_config *config) {
  return sn_config_parse("case.yaml", text, strlen(text), &setting, setting != NULL,
                         command ? (sn_config_command)command : SN_FOR_ALL, config);
}

static void schema_is_consistent(void **state) {
  (void)state;
  for (int k = 0; k < sn_config_keys(); k++) {
    const sn_config_key *key = sn_config_key_at(k);
    assert_int_equal(sn_config_find(key->path), k);
    assert_true(strlen(key->path) < SN_CONFIG_KEY_LENGTH && strchr(key->path, '.'));
    assert_true(key->help && key->commands && (key->required & ~key->commands) == 0);
    assert_true(key->fallback ? !key->required : key->required && key->example);
    assert_true((key->type == SN_KEY_CHOICE || key->type == SN_KEY_NAMES) == (key->choices != NULL));
    if (key->type == SN_KEY_INTEGER) assert_true(key->size == sizeof(int) ? key->high <= INT_MAX : key->size == 8);
    assert_true(key->size > 0 && key->offset + key->size <= sizeof(sn_config));
    for (int other = 0; other < k; other++) {
      const sn_config_key *before = sn_config_key_at(other);
      assert_true(before->offset + before->size <= key->offset || key->offset + key->size <= before->offset);
    }

    char setting[512];
    sn_config config;
    snprintf(setting, sizeof setting, "%s=%s", key->path, key->example ? key->example : key->fallback);
    assert_ok(parse(0, "", setting, &config));
  }
}

static void empty_file_is_all_defaults(void **state) {
  (void)state;
  const char *const empty[] = {"", "\n", "# nothing but a comment\n", "---\n", "~\n", "grid:\ntrain:\n"};
  sn_config config, first;
  assert_ok(parse(0, "", NULL, &first));
  for (size_t k = 0; k < sizeof empty / sizeof empty[0]; k++) {
    assert_ok(parse(0, empty[k], NULL, &config));
    assert_memory_equal(&config, &first, sizeof config);
  }
  assert_string_equal(config.run.directory, "run");
  assert_int_equal(config.run.seed, 1);
  assert_int_equal(config.grid.points, 64);
  assert_true(config.grid.length == 22.0);
  assert_true(config.parallel.space == 1 && config.parallel.threads == 1);
  assert_int_equal(config.fft.plan, SN_FOURIER_ESTIMATE);
  assert_string_equal(config.generate.file, "data.h5");
  assert_int_equal(config.generate.initial.kind, SN_KS_INITIAL_PAPER);
  assert_true(config.generate.etdrk4.dt == 0.05 && config.generate.interval == 0.2 && config.generate.span == 200.0);
  assert_true(config.model.linear.kind == SN_LINEAR_STENCIL && sn_linear_is_ks(&config.model.linear.coefficients) &&
              config.model.linear.accuracy == 2);
  assert_true(config.model.network.kind == SN_NETWORK_MLP && config.model.network.hidden.count == 4);
  for (int k = 0; k < 4; k++) assert_int_equal(config.model.network.hidden.width[k], 200);
  assert_true(config.model.network.channels.count == 2 && config.model.network.channels.width[1] == 8);
  assert_int_equal(config.model.network.kernel, 5);
  assert_true(config.model.network.init.kind == SN_INIT_NORMAL && config.model.network.init.std == 0.01);
  assert_string_equal(config.integrator.tableau->name, "l2");
  assert_true(config.integrator.dt == 0.2 && config.integrator.solver.kind == SN_SOLVER_AUTO);
  assert_true(config.optimizer.kind == SN_OPTIMIZER_ADAMW && config.optimizer.beta2 == 0.999);
  assert_true(config.optimizer.epsilon == 1e-8 && config.optimizer.momentum == 0.9);
  assert_true(config.train.schedule.kind == SN_SCHEDULE_PLATEAU && config.train.schedule.patience == 50);
  assert_true(config.train.schedule.threshold == 1e-4 && config.train.schedule.minimum == 1e-6);
  assert_true(config.loss == SN_LOSS_MSE && config.data.split == SN_SPLIT_TIME);
  assert_string_equal(config.predict.file, "prediction.h5");
  assert_true(config.predict.threshold == 0.5 && config.predict.lyapunov_exponent == 0.043);
  assert_string_equal(config.gradient.file, "gradient.h5");
}

static void values_are_read(void **state) {
  (void)state;
  sn_config config;
  assert_ok(parse(SN_FOR_GENERATE,
                  "# a case of the generator\n"
                  "grid: {points: 64, length: 22.0}\n"
                  "generate: {file: data.h5, initial: paper, members: 1, dt: 0.05, transient: 0.0, span: 20.0, "
                  "interval: 0.2, dealias: false}\n",
                  NULL, &config));
  assert_true(config.generate.span == 20.0 && config.generate.transient == 0.0);
  assert_ok(parse(SN_FOR_GRADIENT,
                  "grid: {points: 16, length: 12}\n"
                  "model:\n"
                  "  linear: {kind: stencil, coefficients: [-1, 2.5, -1e-3], trainable: yes}\n"
                  "  nonlinear:\n"
                  "    kind: 'conv'\n"
                  "    channels:\n"
                  "      - 4\n"
                  "      - 6\n"
                  "    activation: gelu\n"
                  "integrator: {scheme: 3, dt: .1, solver: {kind: fft}}\n"
                  "train: {window: 3, loss: mae}\n"
                  "gradient: {model: \"m \\u00fc.h5\", data: 1, file: g.h5}\n",
                  NULL, &config));
  assert_true(config.model.linear.coefficients.taps == 3 && !config.model.linear.coefficients.derivatives &&
              config.model.linear.trainable);
  assert_true(config.model.linear.coefficients.value[1] == 2.5 && config.model.linear.coefficients.value[2] == -1e-3);
  assert_int_equal(config.model.network.kind, SN_NETWORK_CONV);
  assert_true(config.model.network.channels.count == 2 && config.model.network.channels.width[1] == 6);
  assert_int_equal(config.model.network.activation, SN_ACTIVATION_GELU);
  assert_string_equal(config.integrator.tableau->name, "3");
  assert_true(config.integrator.dt == 0.1 && config.integrator.solver.kind == SN_SOLVER_FFT);
  assert_int_equal(config.loss, SN_LOSS_MAE);
  assert_string_equal(config.gradient.model, "m \xc3\xbc.h5");
  assert_string_equal(config.gradient.data, "1");
}

static void numbers_and_switches_have_many_spellings(void **state) {
  (void)state;
  static const struct {
    const char *setting;
    double value;
  } reals[] = {{"grid.length=1", 1},       {"grid.length=1.0", 1},     {"grid.length=1e-10", 1e-10},
               {"grid.length=1.e+2", 1e2}, {"grid.length=+2.5E1", 25}, {"grid.length=.5", 0.5}};
  static const struct {
    const char *setting;
    bool value;
  } switches[] = {{"generate.dealias=true", true},
                  {"generate.dealias=yes", true},
                  {"generate.dealias=on", true},
                  {"generate.dealias=no", false},
                  {"generate.dealias=off", false}};
  sn_config config;
  for (size_t k = 0; k < sizeof reals / sizeof reals[0]; k++) {
    assert_ok(parse(0, "", reals[k].setting, &config));
    assert_true(config.grid.length == reals[k].value);
  }
  for (size_t k = 0; k < sizeof switches / sizeof switches[0]; k++) {
    assert_ok(parse(0, "generate: {dealias: true}", switches[k].setting, &config));
    assert_true(config.generate.etdrk4.dealias == switches[k].value);
  }
  assert_ok(parse(0, "", "run.seed=9223372036854775807", &config));
  assert_true(config.run.seed == INT64_MAX);
}

static void settings_take_yaml_and_win(void **state) {
  (void)state;
  const char *const settings[] = {"grid.points=32", "grid.points=16", "model.nonlinear.hidden=[5, 6]",
                                  "train={batch: 8, optimizer: {kind: sgd}}", "generate.file='a b'"};
  const char *text = "grid: {points: 128, length: 10}\n";
  sn_config config;
  assert_ok(sn_config_parse("case.yaml", text, strlen(text), settings, 5, SN_FOR_ALL, &config));
  assert_true(config.grid.points == 16 && config.grid.length == 10 && config.train.batch == 8);
  assert_true(config.model.network.hidden.count == 2 && config.model.network.hidden.width[1] == 6);
  assert_int_equal(config.optimizer.kind, SN_OPTIMIZER_SGD);
  assert_string_equal(config.generate.file, "a b");
  assert_ok(parse(SN_FOR_TRAIN, "", "train.data=d.h5", &config));
}

static void echo_reads_back(void **state) {
  (void)state;
  static const char text[] =
      "run: {directory: \"it's # a: 'b' \\\"c\\\" \\\\ [d] \\u00e9\\U0001F600\", seed: 9007199254740993}\n"
      "grid: {points: 2147483647, length: 0.30000000000000004}\n"
      "parallel: {space: 3, threads: 2}\n"
      "fft: {plan: measure}\n"
      "generate: {file: ' x ', initial: file, initial_file: '~', members: 4, dt: 1e-3, transient: 123456789012.0,\n"
      "           span: 1.5, interval: 1e-1, dealias: on, perturbation: 4.9e-324}\n"
      "model:\n"
      "  linear: {coefficients: [-0.0, 1e22, 123456789012345680.0, 0.1, -2.2250738585072014e-308], trainable: true}\n"
      "  nonlinear: {kind: conv, hidden: [], channels: [2147483647, 1], kernel: 3, activation: tanh,\n"
      "              init: {kind: xavier, std: 1.7976931348623157e+308}}\n"
      "integrator: {scheme: '3', dt: 0.1, solver: {kind: dense}}\n"
      "adjoint: {storage: revolve, snapshots: 7, memory: 0.5}\n"
      "train:\n"
      "  {data: 'null', window: 2, batch: 3, epochs: 0, loss: mae, validation: 0.125, split: member, resume: never,\n"
      "   optimizer: {kind: sgd, learning_rate: 0.1, weight_decay: 0, beta1: 0.5, beta2: 0.25, epsilon: 1e-10},\n"
      "   schedule: {kind: constant, factor: 0.3, patience: 1, threshold: 0.01, minimum: 0},\n"
      "   checkpoint: {every: 3, keep: 2}}\n"
      "predict: {model: 'true', data: '1.5', file: '- p', start: 3, span: 7.5, threshold: 0.1, lyapunov_exponent: 1}\n"
      "gradient: {model: '{', data: '&a', file: '*b'}\n";
  const char *const texts[] = {"", text};
  for (int k = 0; k < 2; k++) {
    sn_config config, again;
    char *first, *second;
    assert_ok(parse(0, texts[k], NULL, &config));
    assert_ok(sn_config_echo(&config, &first));
    assert_ok(parse(0, first, NULL, &again));
    assert_memory_equal(&config, &again, sizeof config);
    assert_ok(sn_config_echo(&again, &second));
    assert_string_equal(first, second);
    /* A point in every real: YAML 1.1 takes 1e-08 for a word. */
    if (k == 0) assert_non_null(strstr(first, "\n    epsilon: 1.0e-08\n"));
    if (k == 1) assert_non_null(strstr(first, "length: 0.30000000000000004\n"));
    free(first);
    free(second);
  }
}

static void differences_are_found(void **state) {
  (void)state;
  sn_config a, b;
  char before[64], now[64];
  assert_ok(parse(0, "", NULL, &a));
  assert_ok(parse(0, "train: {optimizer: {learning_rate: 0.25}}", NULL, &b));
  assert_null(sn_config_difference(&a, &b, "model", before, now, sizeof before));
  assert_null(sn_config_difference(&a, &b, "train.optimizer.kind", before, now, sizeof before));
  assert_string_equal(sn_config_difference(&a, &b, "train", before, now, sizeof before),
                      "train.optimizer.learning_rate");
  assert_string_equal(before, "0.005");
  assert_string_equal(now, "0.25");
}

/* What is printed on standard output between start and stop, in a string of the test's own. */
typedef struct {
  FILE *file;
  int kept;
} capture;

static capture capture_start(void) {
  capture c = {.file = tmpfile(), .kept = dup(STDOUT_FILENO)};
  assert_non_null(c.file);
  fflush(stdout);
  assert_true(dup2(fileno(c.file), STDOUT_FILENO) >= 0);
  return c;
}

static void capture_stop(capture c, char *text, size_t size) {
  fflush(stdout);
  dup2(c.kept, STDOUT_FILENO);
  close(c.kept);
  rewind(c.file);
  const size_t length = fread(text, 1, size - 1, c.file);
  text[length] = '\0';
  fclose(c.file);
}

enum { PRINTED = 65536 };

static void templates_are_parameter_files(void **state) {
  (void)state;
  static const struct {
    sn_config_command command;
    const char *has, *has_not;
  } cases[] = {{SN_FOR_GENERATE, "\ngenerate:\n", "train:"},
               {SN_FOR_TRAIN, "\n  optimizer:\n", "predict:"},
               {SN_FOR_PREDICT, "\npredict:\n", "train:"},
               {SN_FOR_GRADIENT, "\ngradient:\n", "predict:"}};
  static char text[PRINTED];
  for (int k = 0; k < 4; k++) {
    capture c = capture_start();
    sn_config_template(cases[k].command);
    capture_stop(c, text, sizeof text);
    sn_config config, defaults;
    char before[64], now[64];
    assert_ok(parse((int)cases[k].command, text, NULL, &config));
    assert_ok(parse(0, "", NULL, &defaults));
    assert_non_null(strstr(text, cases[k].has));
    assert_null(strstr(text, cases[k].has_not));
    assert_null(sn_config_difference(&config, &defaults, "grid", before, now, sizeof before));
    for (int i = 0; i < sn_config_keys(); i++) {
      const sn_config_key *key = sn_config_key_at(i);
      if (key->commands & (int)cases[k].command) assert_non_null(strstr(text, key->help));
    }
  }
}

static void explanations_say_what_a_key_takes(void **state) {
  (void)state;
  static char text[PRINTED];
  capture c = capture_start();
  sn_status status = sn_config_explain("train.batch");
  capture_stop(c, text, sizeof text);
  assert_ok(status);
  const char *const parts[] = {"train.batch\n", "an integer >= 1", "windows", "256", "--set train.batch=256", "train"};
  const char *at = text;
  for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) assert_non_null(at = strstr(at, parts[k]));

  c = capture_start();
  status = sn_config_explain("train.optimizer");
  capture_stop(c, text, sizeof text);
  assert_ok(status);
  assert_non_null(strstr(text, "train.optimizer.momentum\n"));
  assert_null(strstr(text, "train.schedule"));

  status = sn_config_explain("train.bacth");
  assert_non_null(status);
  assert_string_equal(sn_error_get_message(status), "unknown key 'train.bacth'; did you mean train.batch?");
  sn_error_destroy(&status);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(schema_is_consistent),
      cmocka_unit_test(empty_file_is_all_defaults),
      cmocka_unit_test(values_are_read),
      cmocka_unit_test(numbers_and_switches_have_many_spellings),
      cmocka_unit_test(settings_take_yaml_and_win),
      cmocka_unit_test(echo_reads_back),
      cmocka_unit_test(differences_are_found),
      cmocka_unit_test(templates_are_parameter_files),
      cmocka_unit_test(explanations_say_what_a_key_takes),
  };
  return unit_run(argc, argv, tests);
}
