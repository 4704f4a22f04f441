/* The parameter file's text, and --set options, into sn_config, with the place of everything that is wrong. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "sinode/integrator.h"
#include "sinode/ks_initial.h"
#include "sinode/loss.h"
#include "sinode/optimizer.h"
#include "sinode/tableau.h"
#include "value.h"

enum { PLACE_LENGTH = 512, SETTING_SHOWN = 160 };

typedef struct {
  sn_config *config;
  const char *file;
  const char *setting;                   /* the --set option being read, or NULL */
  bool kept;                             /* by a file of perhaps another version: unknown keys are passed over */
  size_t lines[SN_CONFIG_KEYS_MOST];     /* where in the file each key was given; 0: nowhere */
  const char *sets[SN_CONFIG_KEYS_MOST]; /* the --set option that gave it, or NULL */
} reading;

/* "FILE:LINE", "FILE" for line 0, or "--set section.key=value", cut where it would crowd out the message. */
static void describe_place(const char *file, size_t line, const char *setting, char *text) {
  if (setting)
    snprintf(text, PLACE_LENGTH, "--set %.*s%s", SETTING_SHOWN, setting, strlen(setting) > SETTING_SHOWN ? "..." : "");
  else if (line)
    snprintf(text, PLACE_LENGTH, "%.400s:%zu", file, line);
  else
    snprintf(text, PLACE_LENGTH, "%.400s", file);
}

static sn_status fail_at(const char *place, const char *format, va_list arguments) {
  char text[1024];
  vsnprintf(text, sizeof text, format, arguments);
  return SN_ERROR_ALL(SN_ERROR_USAGE, "%s: %s", place, text);
}

/* An error in what is being read. */
static sn_status fail(const reading *r, size_t line, const char *format, ...) __attribute__((format(printf, 3, 4)));
static sn_status fail(const reading *r, size_t line, const char *format, ...) {
  char place[PLACE_LENGTH];
  describe_place(r->file, line, r->setting, place);
  va_list arguments;
  va_start(arguments, format);
  sn_status status = fail_at(place, format, arguments);
  va_end(arguments);
  return status;
}

static size_t line_of(const yaml_node_t *node) { return node->start_mark.line + 1; }

static const char *word_of(const yaml_node_t *node) { return (const char *)node->data.scalar.value; }

static bool is_empty(const yaml_node_t *node) {
  return node->type == YAML_SCALAR_NODE && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
         (node->data.scalar.length == 0 || strcmp(word_of(node), "~") == 0 || strcmp(word_of(node), "null") == 0);
}

/*
 * Whether a scalar can stand on one line of YAML as it is: no control characters (U+0000-1F, 7F-9F), line separators
 * (U+2028, 2029), byte order marks or non-characters (U+FEFF, FFFE, FFFF), all of which escapes can smuggle in. libyaml
 * gives valid UTF-8 that ends in a zero byte, so looking ahead is safe.
 */
static bool is_one_line(const yaml_node_t *node) {
  const unsigned char *s = node->data.scalar.value;
  for (size_t k = 0; k < node->data.scalar.length; k++) {
    if (s[k] < 0x20 || s[k] == 0x7f || (s[k] == 0xc2 && s[k + 1] < 0xa0)) return false;
    if (s[k] == 0xe2 && s[k + 1] == 0x80 && (s[k + 2] == 0xa8 || s[k + 2] == 0xa9)) return false;
    if (s[k] == 0xef && s[k + 1] == 0xbb && s[k + 2] == 0xbf) return false;
    if (s[k] == 0xef && s[k + 1] == 0xbf && s[k + 2] >= 0xbe) return false;
  }
  return true;
}

/* Adds a word to a value; NULL, or what is wrong with it. */
static const char *add_word(const yaml_node_t *node, sn_value *value) {
  if (node->type != YAML_SCALAR_NODE) return "has sections or lists within";
  if (!is_one_line(node)) return "has a line break or control character within";
  if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) value->quoted = true;
  if (value->count < SN_VALUE_WORDS) value->words[value->count] = word_of(node);
  value->count++;
  return NULL;
}

/* A scalar or a list of scalars; NULL, or what is wrong with it. */
static const char *to_value(yaml_document_t *document, const yaml_node_t *node, sn_value *value) {
  *value = (sn_value){.is_list = node->type == YAML_SEQUENCE_NODE};
  if (is_empty(node)) return "has no value";
  if (!value->is_list) return add_word(node, value);
  for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
    const char *wrong = add_word(yaml_document_get_node(document, *item), value);
    if (wrong) return wrong;
  }
  return NULL;
}

static sn_status read_key(reading *r, yaml_document_t *document, int index, size_t line, const yaml_node_t *node) {
  const sn_config_key *key = sn_config_key_at(index);
  char text[1024];
  sn_value value;
  const char *wrong = to_value(document, node, &value);
  if (wrong) {
    sn_config_expected(key, text, sizeof text);
    return fail(r, line, "%s %s, but must be %s", key->path, wrong, text);
  }
  if (!sn_value_set(key, &value, r->config, text, sizeof text)) return fail(r, line, "%s", text);
  if (r->setting)
    r->sets[index] = r->setting;
  else
    r->lines[index] = line;
  return SN_OK;
}

static sn_status unknown(const reading *r, size_t line, const char *path) {
  char suggestion[SN_CONFIG_SUGGESTION];
  sn_config_suggest(path, suggestion, sizeof suggestion);
  return fail(r, line, "unknown key '%.120s'%s", path, suggestion);
}

/* The name of a pair below `prefix` must be a word, without dots and not that of a pair before it. */
static sn_status check_name(const reading *r, yaml_document_t *document, const yaml_node_t *section,
                            const yaml_node_pair_t *pair, const char *prefix) {
  const yaml_node_t *name = yaml_document_get_node(document, pair->key);
  if (name->type != YAML_SCALAR_NODE || !is_one_line(name))
    return fail(r, line_of(name), "the name of a key must be a word");
  const char *word = word_of(name);
  if (strchr(word, '.'))
    return fail(r, line_of(name), "unknown key '%.120s': nest sections, as in train: {batch: 256}; no dots", word);
  for (yaml_node_pair_t *earlier = section->data.mapping.pairs.start; earlier < pair; earlier++) {
    const yaml_node_t *other = yaml_document_get_node(document, earlier->key);
    if (strcmp(word, word_of(other)) == 0)
      return fail(r, line_of(name), "%s%s%.120s is given a second time (first in line %zu); keep one of them", prefix,
                  *prefix ? "." : "", word, line_of(other));
  }
  return SN_OK;
}

/* A mapping below `prefix`: keys and sections, to any depth. */
static sn_status read_section(reading *r, yaml_document_t *document, const yaml_node_t *node, const char *prefix) {
  for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
    const yaml_node_t *name = yaml_document_get_node(document, pair->key);
    const yaml_node_t *value = yaml_document_get_node(document, pair->value);
    char path[SN_CONFIG_KEY_LENGTH];
    SN_TRY(check_name(r, document, node, pair, prefix));
    const int length = snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "." : "", word_of(name));
    const int index = sn_config_find(path);
    if (length >= (int)sizeof path || (index < 0 && !sn_config_is_section(path))) {
      if (r->kept) continue;
      return unknown(r, line_of(name), path);
    }
    if (index >= 0)
      SN_TRY(read_key(r, document, index, line_of(name), value));
    else if (value->type == YAML_MAPPING_NODE)
      SN_TRY(read_section(r, document, value, path));
    else if (!is_empty(value))
      return fail(r, line_of(name), "%s is a section of keys, not a value; see `sinode explain %s`", path, path);
  }
  return SN_OK;
}

/* libyaml has a mark for what it cannot parse, but only an offset for bytes that it cannot read. */
static sn_status syntax_error(const reading *r, const char *text, size_t length, const yaml_parser_t *parser) {
  size_t line = parser->problem_mark.line + 1;
  if (parser->error == YAML_READER_ERROR)
    for (size_t k = 0; k < length && k < parser->problem_offset; k++) line += text[k] == '\n';
  return fail(r, line, "not valid YAML: %s%s%s", parser->context ? parser->context : "", parser->context ? ": " : "",
              parser->problem ? parser->problem : "out of memory");
}

/* Parses one document; without one (an empty file) *document has no root. */
static sn_status load(const reading *r, const char *text, size_t length, yaml_document_t *document) {
  yaml_parser_t parser;
  yaml_document_t more;
  if (!yaml_parser_initialize(&parser)) return SN_ERROR(SN_ERROR_RUN, "out of memory while reading %s", r->file);
  yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
  if (!yaml_parser_load(&parser, document)) {
    sn_status status = syntax_error(r, text, length, &parser);
    yaml_parser_delete(&parser);
    return status;
  }
  sn_status status = SN_OK;
  if (!yaml_parser_load(&parser, &more)) {
    status = syntax_error(r, text, length, &parser);
  } else {
    if (yaml_document_get_root_node(&more))
      status = fail(r, more.start_mark.line + 1, "a second YAML document begins here; there can be only one");
    yaml_document_delete(&more);
  }
  yaml_parser_delete(&parser);
  if (status) yaml_document_delete(document);
  return status;
}

static sn_status read_file(reading *r, const char *text, size_t length) {
  yaml_document_t document;
  SN_TRY(load(r, text, length, &document));
  const yaml_node_t *root = yaml_document_get_root_node(&document);
  sn_status status = SN_OK;
  if (root && root->type == YAML_MAPPING_NODE)
    status = read_section(r, &document, root, "");
  else if (root && !is_empty(root))
    status = fail(r, line_of(root),
                  "a parameter file is made of sections such as grid: {points: 64}; see `sinode template train`");
  yaml_document_delete(&document);
  return status;
}

static sn_status read_setting_value(reading *r, const char *path, const char *text) {
  yaml_document_t document;
  SN_TRY(load(r, text, strlen(text), &document));
  const yaml_node_t *root = yaml_document_get_root_node(&document);
  const int index = sn_config_find(path);
  sn_status status = SN_OK;
  if (index < 0 && !sn_config_is_section(path))
    status = unknown(r, 0, path);
  else if (!root)
    status = fail(r, 0, "%s has no value after the =", path);
  else if (index >= 0)
    status = read_key(r, &document, index, 0, root);
  else if (root->type == YAML_MAPPING_NODE)
    status = read_section(r, &document, root, path);
  else
    status = fail(r, 0, "%s is a section; give one of its keys, as in %s.key=value", path, path);
  yaml_document_delete(&document);
  return status;
}

/* "section.key=value", the value as YAML; a section takes a mapping. */
static sn_status read_setting(reading *r, const char *setting) {
  char path[SN_CONFIG_KEY_LENGTH];
  const size_t length = strcspn(setting, "=");
  r->setting = setting;
  if (setting[length] != '=' || length == 0) return fail(r, 0, "should be section.key=value");
  snprintf(path, sizeof path, "%.*s", (int)length, setting);
  if (length >= sizeof path) return unknown(r, 0, path);
  SN_TRY(read_setting_value(r, path, setting + length + 1));
  r->setting = NULL;
  return SN_OK;
}

static sn_status set_defaults(reading *r) {
  for (int k = 0; k < sn_config_keys(); k++) {
    const sn_config_key *key = sn_config_key_at(k);
    if (!key->fallback) continue;
    yaml_document_t document;
    SN_TRY(load(r, key->fallback, strlen(key->fallback), &document));
    sn_status status = read_key(r, &document, k, 0, yaml_document_get_root_node(&document));
    yaml_document_delete(&document);
    SN_TRY(status);
  }
  return SN_OK;
}

static bool is_given(const reading *r, int index) { return r->lines[index] || r->sets[index]; }

static sn_status check_required(const reading *r, int command) {
  for (int k = 0; k < sn_config_keys(); k++) {
    const sn_config_key *key = sn_config_key_at(k);
    if (command == SN_FOR_ALL || !(key->required & command) || is_given(r, k)) continue;
    return fail(r, 0, "%s is missing (%s); give it, for example as --set %s=%s", key->path, key->help, key->path,
                key->example);
  }
  return SN_OK;
}

/* An error about keys that do not go together, at the first of the two that was given. */
static sn_status clash(const reading *r, const char *path, const char *other, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static sn_status clash(const reading *r, const char *path, const char *other, const char *format, ...) {
  const int first = sn_config_find(path), index = is_given(r, first) ? first : sn_config_find(other);
  char place[PLACE_LENGTH];
  describe_place(r->file, r->lines[index], r->sets[index], place);
  va_list arguments;
  va_start(arguments, format);
  sn_status status = fail_at(place, format, arguments);
  va_end(arguments);
  return status;
}

/* value = n * of with n a whole number that can be counted, at least 1 unless value is 0. */
static sn_status check_multiple(const reading *r, const char *path, double value, const char *of_path, double of,
                                double tolerance) {
  const double most = 1e15, ratio = value / of, whole = round(ratio);
  if (!(ratio <= most))
    return clash(r, path, of_path, "%s is %.12g, more than %g times %s (%.12g)", path, value, most, of_path, of);
  if (fabs(ratio - whole) <= tolerance * fmax(1, ratio) && (whole >= 1 || value == 0)) return SN_OK;
  return clash(r, path, of_path, "%s is %.12g, which is not a multiple of %s (%.12g); %.12g would be", path, value,
               of_path, of, of * fmax(1, whole));
}

static sn_status check_generate(const reading *r) {
  const sn_config *c = r->config;
  const double dt = c->generate.dt, interval = c->generate.interval, exact = 1e-9;
  SN_TRY(check_multiple(r, "generate.interval", interval, "generate.dt", dt, exact));
  SN_TRY(check_multiple(r, "generate.transient", c->generate.transient, "generate.dt", dt, exact));
  SN_TRY(check_multiple(r, "generate.span", c->generate.span, "generate.interval", interval, exact));
  SN_TRY(check_multiple(r, "generate.span", c->generate.span, "generate.dt", dt, exact));
  if (c->generate.initial == SN_KS_INITIAL_FILE && !*c->generate.initial_file)
    return clash(r, "generate.initial", "generate.initial_file",
                 "generate.initial is file, so generate.initial_file must name it");
  return SN_OK;
}

static bool is_none(const char *model) { return strcmp(model, "none") == 0; }

/* Whether a command makes the model that the section model describes; others take theirs from a file. */
static bool builds_model(const sn_config *c, int command) {
  if (command == SN_FOR_PREDICT) return is_none(c->predict.model);
  if (command == SN_FOR_LYAPUNOV) return is_none(c->lyapunov.model);
  return command & (SN_FOR_TRAIN | SN_FOR_BENCHMARK);
}

/* Convolutions and stencils reach round the grid once at most. */
static sn_status check_reach(const reading *r) {
  const sn_config *c = r->config;
  const long long points = c->grid.points, kernel = c->model.nonlinear.kernel;
  const bool convolves = c->model.nonlinear.kind == SN_NETWORK_CONV || c->model.nonlinear.kind == SN_NETWORK_BILINEAR;
  if (convolves && kernel > points)
    return clash(r, "model.nonlinear.kernel", "grid.points",
                 "model.nonlinear.kernel is %lld, but must be at most grid.points (%lld)", kernel, points);
  if (c->model.linear.kind == SN_LINEAR_STENCIL && c->model.linear.taps > points)
    return clash(r, "model.linear.coefficients", "grid.points",
                 "model.linear.coefficients are %d%s, but must be at most grid.points (%lld)", c->model.linear.taps,
                 c->model.linear.ks ? " (ks)" : "", points);
  return SN_OK;
}

/* Which solvers the linear part has; a scheme without implicit stages asks none. */
static sn_status check_solver(const reading *r) {
  const sn_config *c = r->config;
  const sn_solver_kind solver = (sn_solver_kind)c->integrator.solver.kind;
  const sn_linear_kind linear = (sn_linear_kind)c->model.linear.kind;
  const char *unsupported = sn_solver_unsupported_reason(solver, linear);
  if (!unsupported || sn_tableau_find(c->integrator.scheme)->kind == SN_TABLEAU_EXPLICIT) return SN_OK;
  return clash(r, "integrator.solver.kind", "model.linear.kind",
               "integrator.solver.kind is %s, but a linear part of kind %s %s", sn_solver_kind_name(solver),
               sn_linear_kind_name(linear), unsupported);
}

/* Exact tangents are those of IMEX and explicit schemes with fixed steps. */
static sn_status check_tangents(const reading *r, const char *path, const char *why) {
  const char *scheme = r->config->integrator.scheme;
  const sn_tableau *tableau = sn_tableau_find(scheme);
  if (!tableau->adaptive && tableau->kind != SN_TABLEAU_IMPLICIT) return SN_OK;
  return clash(r, "integrator.scheme", path,
               "integrator.scheme is %s, which has no tangents, but %s takes them; use an IMEX or an explicit scheme "
               "with a fixed step",
               scheme, why);
}

static sn_status check_train(const reading *r) {
  const sn_config *c = r->config;
  const bool marquardt = c->train.optimizer.kind == SN_OPTIMIZER_LM;
  if (marquardt && c->train.loss != SN_LOSS_MSE)
    return clash(r, "train.loss", "train.optimizer.kind",
                 "train.optimizer.kind is lm, which minimizes squares; set train.loss to mse, or use lbfgs");
  if (c->parallel.reproducible && sn_optimizer_kind_is_full_batch((sn_optimizer_kind)c->train.optimizer.kind))
    return clash(r, "parallel.reproducible", "train.optimizer.kind",
                 "parallel.reproducible sums batches in slices, but train.optimizer.kind %s takes no batches; set it "
                 "to false, or use adamw or sgd",
                 marquardt ? "lm" : "lbfgs");
  return marquardt ? check_tangents(r, "train.optimizer.kind", "train.optimizer.kind lm") : SN_OK;
}

static sn_status check_lyapunov(const reading *r, int command) {
  const sn_config *c = r->config;
  if (c->lyapunov.exponents > c->grid.points)
    return clash(r, "lyapunov.exponents", "grid.points",
                 "lyapunov.exponents is %lld, but there are only as many as grid.points (%lld)",
                 (long long)c->lyapunov.exponents, (long long)c->grid.points);
  /* One file may also be for training by another scheme. */
  if (command == SN_FOR_LYAPUNOV) SN_TRY(check_tangents(r, "lyapunov.model", "sinode lyapunov"));
  return check_multiple(r, "lyapunov.interval", c->lyapunov.interval, "integrator.dt", c->integrator.dt,
                        1e-6); /* as for an interval of data */
}

/* Whether a command reads the section lyapunov: the command of that name, and check, where something of it is given. */
static bool reads_lyapunov(const reading *r, int command) {
  bool given = false;
  for (int k = 0; k < sn_config_keys(); k++)
    given |= sn_config_key_at(k)->commands == SN_FOR_LYAPUNOV && is_given(r, k);
  return command == SN_FOR_LYAPUNOV || (command == SN_FOR_ALL && given);
}

/* What holds for the section model, whoever reads it. */
static sn_status check_model(const reading *r) {
  const sn_config *c = r->config;
  if (c->model.nonlinear.kernel % 2 == 0)
    return clash(r, "model.nonlinear.kernel", "model.nonlinear.kind", "model.nonlinear.kernel is %lld, but must be odd",
                 (long long)c->model.nonlinear.kernel);
  if (c->model.linear.kind == SN_LINEAR_SPECTRAL && c->model.linear.trainable)
    return clash(r, "model.linear.trainable", "model.linear.kind",
                 "model.linear.kind spectral has nothing to train; use stencil or dense");
  if (c->model.linear.kind != SN_LINEAR_STENCIL && !c->model.linear.ks)
    return clash(r, "model.linear.coefficients", "model.linear.kind",
                 "model.linear.coefficients is a list, which only model.linear.kind stencil takes; leave it at ks");
  return SN_OK;
}

/* What only shows when keys are seen together. */
static sn_status check_together(const reading *r, int command) {
  const sn_config *c = r->config;
  if (command & SN_FOR_GENERATE) SN_TRY(check_generate(r));
  SN_TRY(check_model(r));
  if (builds_model(c, command)) SN_TRY(check_reach(r));
  if (builds_model(c, command)) SN_TRY(check_solver(r));
  if (command & SN_FOR_TRAIN) SN_TRY(check_train(r));
  if (reads_lyapunov(r, command)) SN_TRY(check_lyapunov(r, command));
  if (c->adjoint.storage == SN_STORAGE_REVOLVE && c->adjoint.snapshots < 1)
    return clash(r, "adjoint.storage", "adjoint.snapshots",
                 "adjoint.storage is revolve, so adjoint.snapshots must be at least 1");
  return SN_OK;
}

sn_status sn_config_parse(const char *path, const char *text, size_t length, const char *const *settings, int count,
                          sn_config_command command, sn_config *config) {
  memset(config, 0, sizeof *config);
  reading r = {.config = config, .file = path};
  SN_TRY(set_defaults(&r));
  SN_TRY(read_file(&r, text, length));
  for (int k = 0; k < count; k++) SN_TRY(read_setting(&r, settings[k]));
  SN_TRY(check_required(&r, command));
  return check_together(&r, command);
}

sn_status sn_config_parse_kept(const char *path, const char *text, size_t length, sn_config *config) {
  memset(config, 0, sizeof *config);
  reading r = {.config = config, .file = path, .kept = true};
  SN_TRY(set_defaults(&r));
  return read_file(&r, text, length);
}
