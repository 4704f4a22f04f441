/* The parameter file: every kind of error, with its place and what it advises. */
#include "config/config.h"
#include "unit.h"

/* A command of 0 stands for SN_FOR_ALL, which requires nothing. */
static sn_status parse(int command, const char *text, const char *setting, sn_config *config) {
  return sn_config_parse("case.yaml", text, strlen(text), &setting, setting != NULL,
                         command ? (sn_config_command)command : SN_FOR_ALL, config);
}

/* An error of usage must begin with `place`, then ": ", and have both fragments in this order. */
static void assert_error(sn_status status, const char *place, const char *first, const char *second) {
  assert_non_null(status);
  const char *message = sn_error_get_message(status), *at = NULL;
  const size_t length = strlen(place);
  if (strncmp(message, place, length) == 0 && strncmp(message + length, ": ", 2) == 0) {
    at = strstr(message + length, first);
    at = at ? strstr(at + strlen(first), second) : NULL;
  }
  if (!at) fail_msg("'%s' should be '%s: ... %s ... %s'", message, place, first, second);
  assert_int_equal(sn_error_get_code(status), SN_ERROR_USAGE);
  assert_true(sn_error_is_collective(status, MPI_COMM_WORLD));
  sn_error_destroy(&status);
}

typedef struct {
  const char *text, *place, *first, *second;
} wrong;

static void assert_errors(const wrong *cases, size_t count) {
  sn_config config;
  for (size_t k = 0; k < count; k++)
    assert_error(parse(0, cases[k].text, NULL, &config), cases[k].place, cases[k].first, cases[k].second);
}
#define assert_all_errors(cases) assert_errors((cases), sizeof(cases) / sizeof(cases)[0])

static void wrong_values_are_refused(void **state) {
  (void)state;
  static const wrong cases[] = {
      {"grid:\n  points: 1.5\n", "case.yaml:2", "grid.points is '1.5'", "an integer >= 4"},
      {"grid: {points: abc}", "case.yaml:1", "'abc'", "an integer"},
      {"grid: {points: 64k}", "case.yaml:1", "'64k'", "an integer"},
      {"grid: {points: 0x40}", "case.yaml:1", "'0x40'", "an integer"},
      {"grid: {points: 064}", "case.yaml:1", "'064'", "an integer"},
      {"grid: {points: '64'}", "case.yaml:1", "'64' in quotation marks", "an integer"},
      {"run: {seed: 18446744073709551615}", "case.yaml:1", "run.seed", "an integer >= 0 (at most 9223372036854775807)"},
      {"\n\ngrid: {points: 3}", "case.yaml:3", "'3'", ">= 4"},
      {"grid: {points: -64}", "case.yaml:1", "'-64'", ">= 4"},
      {"grid:\n  points: 64\n  length: 0\n", "case.yaml:3", "grid.length is '0'", "a number > 0"},
      {"grid: {length: .inf}", "case.yaml:1", "'.inf'", "a number"},
      {"grid: {length: .nan}", "case.yaml:1", "'.nan'", "a number"},
      {"grid: {length: nan}", "case.yaml:1", "'nan'", "a number"},
      {"grid: {length: 1e999}", "case.yaml:1", "'1e999'", "a number"},
      {"grid: {length: 22 m}", "case.yaml:1", "'22 m'", "a number"},
      {"grid: {length: true}", "case.yaml:1", "'true'", "a number"},
      {"train: {validation: 2}", "case.yaml:1", "train.validation", "a number >= 0"},
      {"train: {window: 0}", "case.yaml:1", "train.window is '0'", ">= 1"},
      {"generate: {dealias: 1}", "case.yaml:1", "'1'", "true or false"},
      {"train:\n  optimizer:\n    kind: adam\n", "case.yaml:3", "one of adamw, sgd", "did you mean adamw?"},
      {"benchmark: {only: halo_}", "case.yaml:1", "benchmark.only is 'halo_', but must be a list of some of",
       "did you mean halo?"},
      {"benchmark:\n  only: [halo, foo]\n", "case.yaml:2", "[halo, foo]", "generate_step, halo, reduction"},
      {"integrator: {scheme: ars223}", "case.yaml:1", "one of ars111,", "did you mean ars222?"},
      {"integrator: {scheme: 2l}", "case.yaml:1", "integrator.scheme is '2l'", "did you mean l2?"},
      {"train: {schedule: {factor: 0}}", "case.yaml:1", "train.schedule.factor is '0'", "a number > 0 and <= 1"},
      {"predict: {file: ''}", "case.yaml:1", "predict.file is ''", "the path of a file"},
      {"predict:\n  file: \"a\\nb\"\n", "case.yaml:2", "predict.file has a line break", "the path of a file"},
      {"predict: {file: \"a\\0b\"}", "case.yaml:1", "control character", "the path of a file"},
      {"predict: {file: \"a\\u2028b\"}", "case.yaml:1", "line break", "the path of a file"},
      {"model: {nonlinear: {hidden: 200}}", "case.yaml:1", "is '200'", "a list of at most 16"},
      {"model:\n  nonlinear:\n    hidden:\n      - 200\n      - 2.5\n", "case.yaml:3", "[200, 2.5]",
       "positive integers"},
      {"model: {nonlinear: {hidden: [200, 0]}}", "case.yaml:1", "[200, 0]", "positive"},
      {"model: {nonlinear: {hidden: ['200']}}", "case.yaml:1", "[200] in quotation marks", "integers"},
      {"model: {nonlinear: {hidden: [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}}", "case.yaml:1", ", ...]", "at most 16"},
      {"model: {nonlinear: {hidden: [[1]]}}", "case.yaml:1", "has sections or lists within", "a list"},
      {"model: {linear: {coefficients: [1, -2]}}", "case.yaml:1", "[1, -2]", "an odd number"},
      {"model: {linear: {coefficients: sk}}", "case.yaml:1", "'sk'", "ks, a list"},
      {"model: {linear: {coefficients: {2: -1, 9: 1}}}", "case.yaml:1", "{2: -1, 9: 1}", "orders 0 to 8"},
      {"model: {linear: {coefficients: {2: -1, 2: 1}}}", "case.yaml:1", "{2: -1, 2: 1}", "orders 0 to 8"},
      {"model: {linear: {coefficients: {2: fast}}}", "case.yaml:1", "{2: fast}", "orders 0 to 8"},
      {"generate: {equation: {linear: [1, -2, 1]}}", "case.yaml:1", "[1, -2, 1]", "ks, or {order: coefficient}"},
      {"generate: {equation: {u_ux: {2: 1}}}", "case.yaml:1", "generate.equation.u_ux has sections", "a number"},
      {"model: {linear: {coefficients: {}}}", "case.yaml:1", "{}", "orders 0 to 8"},
      {"grid: {points: [64]}", "case.yaml:1", "[64]", "an integer"},
      {"grid:\n  points:\n  length: 3\n", "case.yaml:2", "grid.points has no value", "an integer"},
      {"grid: {points: null}", "case.yaml:1", "grid.points has no value", "an integer"},
      {"grid: {points: {a: 1}}", "case.yaml:1", "grid.points has sections or lists within", "an integer"},
  };
  assert_all_errors(cases);

  enum { LONG = 2 * SN_CONFIG_PATH };
  char text[LONG + 32] = "predict: {file: ";
  memset(text + strlen(text), 'x', LONG);
  strcat(text, "}");
  sn_config config;
  assert_error(parse(0, text, NULL, &config), "case.yaml:1", "predict.file is 'xxx", "at most 1023 bytes");
}

static void wrong_keys_are_refused(void **state) {
  (void)state;
  static const wrong cases[] = {
      {"grid:\n  points: 64\nbatch: 3\n", "case.yaml:3", "unknown key 'batch'", "did you mean train.batch?"},
      {"learning_rate: 1", "case.yaml:1", "'learning_rate'", "did you mean train.optimizer.learning_rate?"},
      {"train:\n  bacth: 3\n", "case.yaml:2", "unknown key 'train.bacth'", "did you mean train.batch?"},
      {"grid: {lenght: 3}", "case.yaml:1", "'grid.lenght'", "did you mean grid.length?"},
      {"gird: {points: 3}", "case.yaml:1", "'gird'", "did you mean grid?"},
      {"train:\n  optimiser:\n    kind: sgd\n", "case.yaml:2", "'train.optimiser'", "did you mean train.optimizer?"},
      {"# none is near\nzzzzzzzz: 3", "case.yaml:2", "'zzzzzzzz'", "sinode template"},
      {"grid: {zzzzzzzz: 3}", "case.yaml:1", "'grid.zzzzzzzz'", "; grid has points, length"},
      {"train: {zzzzzzzz: 3}", "case.yaml:1", "'train.zzzzzzzz'", "epochs, optimizer, curriculum, schedule, loss,"},
      {"train:\n  optimizer: {zzzzzzzz: 3}", "case.yaml:2", "; train.optimizer has kind, learning_rate", ", damping"},
      {"grid.points: 64", "case.yaml:1", "unknown key 'grid.points'", "nest sections"},
      {"grid: {}\ntrain: {optimizer.kind: sgd}", "case.yaml:2", "'optimizer.kind'", "nest sections"},
      {"grid: 64", "case.yaml:1", "grid is a section", "sinode explain grid"},
      {"train:\n  optimizer: adamw\n", "case.yaml:2", "train.optimizer is a section", "sinode explain"},
      {"grid: [64, 22]", "case.yaml:1", "grid is a section", "sinode explain"},
      {"grid:\n  points: 64\n  length: 22\n  points: 32\n", "case.yaml:4", "grid.points is given a second time",
       "line 2"},
      {"train:\n  batch: 3\ngrid:\n  points: 64\ntrain:\n  window: 3\n", "case.yaml:5", "train is given", "line 1"},
      {"? [grid]\n: 3\n", "case.yaml:1", "name of a key must be a word", ""},
      {"\"grid\\0\": {points: 3}", "case.yaml:1", "name of a key must be a word", ""},
      {"just words", "case.yaml:1", "made of sections", "sinode template"},
      {"- 1\n- 2\n", "case.yaml:1", "made of sections", "sinode template"},
      {"grid: &loop\n  points: *loop\n", "case.yaml:2", "grid.points has sections", "an integer"},
      {"train: &loop\n  optimizer: *loop\n", "case.yaml:2", "'train.optimizer.optimizer'", "train.optimizer?"},
  };
  assert_all_errors(cases);
}

static void broken_yaml_is_refused(void **state) {
  (void)state;
  static const wrong cases[] = {
      {"grid: {points: 64\n", "case.yaml:2", "not valid YAML: while parsing a flow mapping", "did not find"},
      {"grid: {points: 64}\n]\n", "case.yaml:2", "not valid YAML", ""},
      {"grid:\n\tpoints: 64\n", "case.yaml:2", "not valid YAML", "cannot start any token"},
      {"grid:\n  points: 64\n length: 3\n", "case.yaml:3", "not valid YAML", ""},
      {"grid:\n  points: *nowhere\n", "case.yaml:2", "not valid YAML", "undefined alias"},
      {"grid:\n  points: 64\n# \xff\n", "case.yaml:3", "not valid YAML", "UTF-8"},
      {"grid:\n\n  points: \x01\n", "case.yaml:3", "not valid YAML", "control characters"},
      {"grid: {points: 64}\n---\ngrid: {points: 32}\n", "case.yaml:2", "second YAML document", "only one"},
  };
  assert_all_errors(cases);
}

static void wrong_settings_are_refused(void **state) {
  (void)state;
  sn_config config;
  static const struct {
    const char *setting, *first, *second;
  } cases[] = {
      {"grid.points", "should be section.key=value", ""},
      {"=3", "should be section.key=value", ""},
      {"grid.points=", "grid.points has no value", ""},
      {"grid.points=1.5", "grid.points is '1.5'", "an integer >= 4"},
      {"grid.points=[", "not valid YAML", ""},
      {"grid.pionts=64", "unknown key 'grid.pionts'", "did you mean grid.points?"},
      {"points=64", "unknown key 'points'", "did you mean grid.points?"},
      {"grid=64", "grid is a section", "grid.key=value"},
      {"grid={pionts: 64}", "unknown key 'grid.pionts'", "did you mean grid.points?"},
      {"grid={points: 8, points: 9}", "grid.points is given a second time", ""},
      {"generate.interval=0.07", "generate.interval is 0.07", "generate.dt (0.05)"},
  };
  for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
    char place[128];
    snprintf(place, sizeof place, "--set %s", cases[k].setting);
    assert_error(parse(0, "", cases[k].setting, &config), place, cases[k].first, cases[k].second);
  }

  char setting[1200] = "grid.points=";
  memset(setting + strlen(setting), '7', sizeof setting - strlen(setting) - 1);
  char place[256];
  snprintf(place, sizeof place, "--set %.160s...", setting); /* cut, so that the reason is still there */
  assert_error(parse(0, "", setting, &config), place, "grid.points is '777", "an integer >= 4");
}

static void required_keys_are_asked_for(void **state) {
  (void)state;
  sn_config config;
  assert_error(parse(SN_FOR_TRAIN, "grid: {points: 64}\n", NULL, &config), "case.yaml", "train.data is missing (",
               "--set train.data=data.h5");
  assert_error(parse(SN_FOR_PREDICT, "predict: {data: d.h5}", NULL, &config), "case.yaml", "predict.model", "--set");
  assert_error(parse(SN_FOR_PREDICT, "predict: {model: m.h5}", NULL, &config), "case.yaml", "predict.data", "--set");
  assert_error(parse(SN_FOR_GRADIENT, "gradient: {data: d.h5}", NULL, &config), "case.yaml", "gradient.model", "--set");
  assert_error(parse(SN_FOR_GRADIENT, "gradient: {model: m}", NULL, &config), "case.yaml", "gradient.data", "--set");
  assert_error(parse(SN_FOR_TRAIN, "train: {data: ''}", NULL, &config), "case.yaml:1", "train.data is ''", "a file");
  assert_ok(parse(SN_FOR_GENERATE, "", NULL, &config));
}

static void keys_must_go_together(void **state) {
  (void)state;
  static const wrong cases[] = {
      {"generate:\n  dt: 0.05\n  interval: 0.12\n", "case.yaml:3", "generate.interval is 0.12", "0.1 would be"},
      {"generate:\n  dt: 0.3\n", "case.yaml:2", "generate.interval is 0.2", "0.3 would be"},
      {"generate: {interval: 1e-12}", "case.yaml:1", "generate.interval is 1e-12", "not a multiple"},
      {"generate:\n\n  transient: 0.12\n", "case.yaml:3", "generate.transient is 0.12", "0.1 would be"},
      {"generate: {span: 1.1}", "case.yaml:1", "generate.span is 1.1", "generate.interval (0.2)"},
      {"generate: {span: 1e300}", "case.yaml:1", "generate.span is 1e+300", "more than 1e+15 times"},
      {"generate:\n  initial: file\n", "case.yaml:2", "generate.initial is file", "generate.initial_file"},
      {"model: {nonlinear: {kernel: 4}}", "case.yaml:1", "model.nonlinear.kernel is 4", "odd"},
      {"model:\n  nonlinear: {kind: mlp, conservative: true}\n", "case.yaml:2", "for convolutions", "conv or product"},
      {"model:\n  precision: single\n  nonlinear: {kind: conv, conservative: true}\n", "case.yaml:3",
       "model.nonlinear.conservative", "mixed or double"},
      {"model: {nonlinear: {kind: product, kernel: 1, conservative: true}}", "case.yaml:1", "kernel is 1", "3 or more"},
      {"model:\n  linear:\n    kind: spectral\n    trainable: true\n", "case.yaml:4", "nothing to train", "stencil"},
      {"model:\n  linear:\n    kind: spectral\n    coefficients: {2: -1}\n", "case.yaml:4", "spectral is k^2 - k^4",
       "derivatives"},
      {"model: {linear: {accuracy: 3}}", "case.yaml:1", "model.linear.accuracy is 3", "2, 4, 6 or 8"},
      {"model: {linear: {kind: derivatives, parameter: u_x}}", "case.yaml:1", "model.linear.parameter is u_x",
       "one of model.linear.coefficients"},
      {"model: {linear: {kind: dense, parameter: u_xx}}", "case.yaml:1", "model.linear.parameter is u_xx",
       "of kind derivatives"},
      {"model: {linear: {parameter: u_xx}}", "case.yaml:1", "model.linear.parameter is u_xx", "of kind derivatives"},
      {"generate: {equation: {parameter: {of: u_xx}}}", "case.yaml:1", "has 0 numbers", "a term and its values"},
      {"generate: {equation: {parameter: {values: [1]}}}", "case.yaml:1", "parameter.of is none", "or neither"},
      {"model:\n  linear:\n    kind: dense\n    coefficients: [1]\n", "case.yaml:4", "only model.linear.kind stencil",
       ""},
      {"adjoint:\n  storage: revolve\n", "case.yaml:2", "adjoint.storage is revolve", "adjoint.snapshots"},
      {"model:\n  nonlinear:\n    kind: conv\n    kernel: 129\n", "case.yaml:4", "model.nonlinear.kernel is 129",
       "at most grid.points (64)"},
      {"grid:\n  points: 4\nmodel: {nonlinear: {kind: product}}\n", "case.yaml:2", "model.nonlinear.kernel is 5",
       "at most grid.points (4)"},
      {"grid: {points: 8}\nmodel: {linear: {coefficients: [1,1,1,1,1,1,1,1,1,1,1]}}", "case.yaml:2",
       "model.linear.coefficients are 11", "at most grid.points (8)"},
      {"grid: {points: 4}", "case.yaml:1", "model.linear.coefficients are 5 (ks)", "at most grid.points (4)"},
      {"model:\n  linear: {kind: dense}\nintegrator:\n  solver: {kind: banded}", "case.yaml:4",
       "integrator.solver.kind is banded", "use dense or gmres"},
      {"model: {linear: {kind: spectral}}\nintegrator: {solver: {kind: banded}}", "case.yaml:2", "banded", "use fft"},
      {"model: {linear: {kind: dense}}\nintegrator: {solver: {kind: fft}}", "case.yaml:2", "not circulant",
       "use dense"},
      {"model: {linear: {kind: spectral}}\nintegrator: {solver: {kind: dense}}", "case.yaml:2", "no matrix", "use fft"},
      {"train:\n  optimizer:\n    kind: lm\n  loss: mae\n", "case.yaml:4", "which minimizes squares", "use lbfgs"},
      {"train: {optimizer: {kind: lbfgs}}\nparallel: {reproducible: true}", "case.yaml:2",
       "kind lbfgs takes no batches", "use adamw or sgd"},
      {"train: {optimizer: {kind: lm}}\nparallel: {reproducible: true}", "case.yaml:2", "kind lm takes no batches", ""},
      {"train: {optimizer: {kind: lm}}\nintegrator: {scheme: cn}", "case.yaml:2", "integrator.scheme is cn",
       "train.optimizer.kind lm takes them"},
      {"lyapunov:\n  exponents: 65\n", "case.yaml:2", "lyapunov.exponents is 65", "grid.points (64)"},
      {"lyapunov:\n  interval: 0.3\n", "case.yaml:2", "lyapunov.interval is 0.3, which is not a multiple",
       "integrator.dt (0.2)"},
  };
  assert_all_errors(cases);
  sn_config config;
  assert_ok(parse(SN_FOR_TRAIN, "train: {data: d}\ngenerate: {interval: 0.12}", NULL, &config));
  assert_ok(parse(SN_FOR_GENERATE, "generate: {dt: 0.1, interval: 0.3, transient: 0.7, span: 2.1}", NULL, &config));
}

/* A command does not mind what it does not read. */
static void sections_of_others_may_clash(void **state) {
  (void)state;
  sn_config config;
  assert_ok(parse(SN_FOR_GENERATE, "grid: {points: 4}\nlyapunov: {interval: 0.3, exponents: 100}", NULL, &config));
  assert_ok(parse(SN_FOR_PREDICT, "predict: {model: m, data: d}\nmodel: {nonlinear: {kind: conv, kernel: 129}}", NULL,
                  &config));
  assert_error(parse(SN_FOR_PREDICT, "predict: {model: none, data: d}\nmodel: {nonlinear: {kind: conv, kernel: 129}}",
                     NULL, &config),
               "case.yaml:2", "model.nonlinear.kernel is 129", "at most");
  assert_ok(parse(SN_FOR_GRADIENT, "gradient: {model: m, data: d}\ntrain: {loss: mae, optimizer: {kind: lm}}", NULL,
                  &config));
  assert_ok(parse(SN_FOR_TRAIN,
                  "train: {data: d}\nintegrator: {scheme: rk4, solver: {kind: banded}}\n"
                  "model: {linear: {kind: dense}}",
                  NULL, &config));
  assert_ok(parse(SN_FOR_ALL, "integrator: {dt: 0.3, scheme: cn}", NULL, &config)); /* nothing of lyapunov is given */
  const char *adaptive = "lyapunov: {model: m}\nintegrator: {scheme: dopri5-adaptive}";
  assert_ok(parse(SN_FOR_ALL, adaptive, NULL, &config)); /* it may be there for training */
  assert_error(parse(SN_FOR_LYAPUNOV, adaptive, NULL, &config), "case.yaml:2", "is dopri5-adaptive",
               "sinode lyapunov takes them");
  assert_error(parse(SN_FOR_LYAPUNOV, "lyapunov: {model: m}\nintegrator: {dt: 0.3}", NULL, &config), "case.yaml:2",
               "lyapunov.interval is 1, which is not a multiple", "0.9 would be");
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(wrong_values_are_refused),     cmocka_unit_test(wrong_keys_are_refused),
      cmocka_unit_test(broken_yaml_is_refused),       cmocka_unit_test(wrong_settings_are_refused),
      cmocka_unit_test(required_keys_are_asked_for),  cmocka_unit_test(keys_must_go_together),
      cmocka_unit_test(sections_of_others_may_clash),
  };
  return unit_run(argc, argv, tests);
}
