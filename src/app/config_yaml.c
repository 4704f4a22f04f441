/* The parameter file's text, and --set options, into sn_config, with the line of everything that is wrong. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "config_value.h"
#include "sinode/integrator.h"
#include "sinode/ks_initial.h"

enum { KEYS_MOST = 128, PLACE_LENGTH = SN_CONFIG_PATH + 64 };

typedef struct {
  sn_config *config;
  const char *file;
  const char *setting;         /* the --set option being read, or NULL */
  int lines[KEYS_MOST];        /* where in the file each key was given; 0: nowhere */
  const char *sets[KEYS_MOST]; /* the --set option that gave it, or NULL */
} reading;

/* "FILE:LINE" or "--set key=value". */
static void describe_place(const reading *r, size_t line, char *text) {
  if (r->setting)
    snprintf(text, PLACE_LENGTH, "--set %s", r->setting);
  else
    snprintf(text, PLACE_LENGTH, "%s:%zu", r->file, line);
}

static sn_status fail(const reading *r, const yaml_node_t *node, const char *what) {
  char place[PLACE_LENGTH];
  describe_place(r, node->start_mark.line + 1, place);
  return SN_ERROR_ALL(SN_ERROR_USAGE, "%s: %s", place, what);
}

static const char *word_of(const yaml_node_t *node) { return (const char *)node->data.scalar.value; }

static bool is_empty(const yaml_node_t *node) {
  return node->type == YAML_SCALAR_NODE && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
         (node->data.scalar.length == 0 || strcmp(word_of(node), "~") == 0 || strcmp(word_of(node), "null") == 0);
}

/* A scalar or a list of scalars; false for anything else. */
static bool to_value(yaml_document_t *document, const yaml_node_t *node, sn_value *value) {
  *value = (sn_value){0};
  if (node->type == YAML_SCALAR_NODE) {
    value->quoted = node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    value->words[value->count++] = word_of(node);
    return true;
  }
  if (node->type != YAML_SEQUENCE_NODE) return false;
  value->is_list = true;
  for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
    const yaml_node_t *child = yaml_document_get_node(document, *item);
    if (child->type != YAML_SCALAR_NODE) return false;
    if (value->count < SN_VALUE_WORDS) value->words[value->count] = word_of(child);
    value->count++;
  }
  return true;
}

static sn_status read_key(reading *r, yaml_document_t *document, int index, const yaml_node_t *node) {
  const sn_config_key *key = sn_config_key_at(index);
  char text[1024];
  sn_value value;
  if (!r->setting && r->lines[index]) {
    snprintf(text, sizeof text, "%s is given a second time (first in line %d); keep one of them", key->path,
             r->lines[index]);
    return fail(r, node, text);
  }
  if (is_empty(node) || !to_value(document, node, &value)) {
    char expected[512];
    sn_config_expected(key, expected, sizeof expected);
    snprintf(text, sizeof text, "%s %s, but must be %s", key->path,
             is_empty(node) ? "has no value" : "has sections or lists within", expected);
    return fail(r, node, text);
  }
  if (!sn_value_set(key, &value, r->config, text, sizeof text)) return fail(r, node, text);
  if (r->setting)
    r->sets[index] = r->setting;
  else
    r->lines[index] = (int)node->start_mark.line + 1;
  return SN_OK;
}

static sn_status unknown(const reading *r, const yaml_node_t *node, const char *path) {
  const char *near = sn_config_nearest(path);
  char text[512];
  snprintf(text, sizeof text, "unknown key '%.120s'%s%s%s", path, near ? "; did you mean " : "", near ? near : "",
           near ? "?" : "; `sinode template` lists all keys");
  return fail(r, node, text);
}

/* A mapping below `prefix`: keys and sections, to any depth. */
static sn_status read_section(reading *r, yaml_document_t *document, const yaml_node_t *node, const char *prefix) {
  for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
    const yaml_node_t *name = yaml_document_get_node(document, pair->key);
    const yaml_node_t *value = yaml_document_get_node(document, pair->value);
    char path[256], text[320];
    if (name->type != YAML_SCALAR_NODE) return fail(r, name, "the name of a key must be a word");
    snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "." : "", word_of(name));
    const int index = sn_config_find(path);
    if (index >= 0) {
      SN_TRY(read_key(r, document, index, value));
    } else if (!sn_config_is_section(path) || strlen(path) + 1 >= sizeof path) {
      return unknown(r, name, path);
    } else if (value->type == YAML_MAPPING_NODE) {
      SN_TRY(read_section(r, document, value, path));
    } else if (!is_empty(value)) {
      snprintf(text, sizeof text, "%.200s is a section of keys, not a value; see `sinode explain %.60s`", path, path);
      return fail(r, value, text);
    }
  }
  return SN_OK;
}

static sn_status syntax_error(const reading *r, const yaml_parser_t *parser) {
  char place[PLACE_LENGTH];
  describe_place(r, (parser->problem_mark.line ? parser->problem_mark.line : parser->context_mark.line) + 1, place);
  return SN_ERROR_ALL(SN_ERROR_USAGE, "%s: not valid YAML: %s%s%s", place, parser->context ? parser->context : "",
                      parser->context ? ": " : "", parser->problem ? parser->problem : "unreadable");
}

/* Parses one document; without one (an empty file) *document has no root. */
static sn_status load(const reading *r, const char *text, size_t length, yaml_document_t *document) {
  yaml_parser_t parser;
  if (!yaml_parser_initialize(&parser)) return SN_ERROR(SN_ERROR_RUN, "out of memory while reading %s", r->file);
  yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
  sn_status status = yaml_parser_load(&parser, document) ? SN_OK : syntax_error(r, &parser);
  yaml_parser_delete(&parser);
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
    status =
        fail(r, root, "a parameter file is made of sections such as grid: {points: 64}; see `sinode template train`");
  yaml_document_delete(&document);
  return status;
}

/* "section.key=value", the value as YAML; a section takes a mapping. */
static sn_status read_setting(reading *r, const char *setting) {
  const char *equals = strchr(setting, '=');
  char path[256];
  r->setting = setting;
  if (!equals || equals == setting || (size_t)(equals - setting) >= sizeof path)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "--set %s: should be section.key=value", setting);
  memcpy(path, setting, (size_t)(equals - setting));
  path[equals - setting] = '\0';

  yaml_document_t document;
  SN_TRY(load(r, equals + 1, strlen(equals + 1), &document));
  yaml_node_t *root = yaml_document_get_root_node(&document);
  const int index = sn_config_find(path);
  sn_status status = SN_OK;
  if (index < 0 && !sn_config_is_section(path)) {
    const char *near = sn_config_nearest(path);
    status =
        SN_ERROR_ALL(SN_ERROR_USAGE, "--set %s: unknown key '%s'%s%s%s", setting, path, near ? "; did you mean " : "",
                     near ? near : "", near ? "?" : "; `sinode template` lists all keys");
  } else if (!root) {
    status = SN_ERROR_ALL(SN_ERROR_USAGE, "--set %s: has no value after the =", setting);
  } else if (index >= 0) {
    status = read_key(r, &document, index, root);
  } else if (root->type == YAML_MAPPING_NODE) {
    status = read_section(r, &document, root, path);
  } else {
    status = SN_ERROR_ALL(SN_ERROR_USAGE, "--set %s: %s is a section; give one of its keys, as in %s.key=value",
                          setting, path, path);
  }
  yaml_document_delete(&document);
  r->setting = NULL;
  return status;
}

static sn_status set_defaults(reading *r) {
  for (int k = 0; k < sn_config_keys(); k++) {
    const sn_config_key *key = sn_config_key_at(k);
    if (!key->fallback) continue;
    yaml_document_t document;
    SN_TRY(load(r, key->fallback, strlen(key->fallback), &document));
    sn_status status = read_key(r, &document, k, yaml_document_get_root_node(&document));
    yaml_document_delete(&document);
    SN_TRY(status);
    r->lines[k] = 0;
  }
  return SN_OK;
}

/* Where a key was given, for messages about how keys go together. */
static void place_of(const reading *r, const char *path, char *text) {
  const int index = sn_config_find(path);
  if (r->sets[index])
    snprintf(text, PLACE_LENGTH, "--set %s", r->sets[index]);
  else if (r->lines[index])
    snprintf(text, PLACE_LENGTH, "%s:%d", r->file, r->lines[index]);
  else
    snprintf(text, PLACE_LENGTH, "%s", r->file);
}

static sn_status check_required(const reading *r, int command) {
  for (int k = 0; k < sn_config_keys(); k++) {
    const sn_config_key *key = sn_config_key_at(k);
    if (command == SN_FOR_ALL || !(key->required & command) || r->lines[k] || r->sets[k]) continue;
    return SN_ERROR_ALL(SN_ERROR_USAGE, "%s: %s is missing (%s); give it, for example as --set %s=%s", r->file,
                        key->path, key->help, key->path, key->example);
  }
  return SN_OK;
}

static bool is_multiple(double value, double of) {
  return fabs(value / of - round(value / of)) <= 1e-9 * fmax(1, value / of);
}

static sn_status check_multiple(const reading *r, const char *path, double value, const char *of_path, double of) {
  char place[PLACE_LENGTH];
  if (is_multiple(value, of)) return SN_OK;
  place_of(r, path, place);
  return SN_ERROR_ALL(SN_ERROR_USAGE, "%s: %s is %.12g, which is not a multiple of %s (%.12g); %.12g would be", place,
                      path, value, of_path, of, of * fmax(1, round(value / of)));
}

/* What only shows when keys are seen together. */
static sn_status check_together(const reading *r, int command) {
  const sn_config *c = r->config;
  char place[PLACE_LENGTH];
  if (command & SN_FOR_GENERATE) {
    SN_TRY(check_multiple(r, "generate.interval", c->generate.interval, "generate.dt", c->generate.dt));
    SN_TRY(check_multiple(r, "generate.transient", c->generate.transient, "generate.dt", c->generate.dt));
    SN_TRY(check_multiple(r, "generate.span", c->generate.span, "generate.interval", c->generate.interval));
    if (c->generate.initial == SN_KS_INITIAL_FILE && !*c->generate.initial_file) {
      place_of(r, "generate.initial", place);
      return SN_ERROR_ALL(SN_ERROR_USAGE, "%s: generate.initial is file, so generate.initial_file must name it", place);
    }
  }
  if (c->model.nonlinear.kernel % 2 == 0) {
    place_of(r, "model.nonlinear.kernel", place);
    return SN_ERROR_ALL(SN_ERROR_USAGE, "%s: model.nonlinear.kernel is %lld, but must be odd", place,
                        (long long)c->model.nonlinear.kernel);
  }
  if (c->model.linear.kind == SN_LINEAR_SPECTRAL && c->model.linear.trainable) {
    place_of(r, "model.linear.trainable", place);
    return SN_ERROR_ALL(SN_ERROR_USAGE, "%s: model.linear.kind spectral has nothing to train; use stencil or dense",
                        place);
  }
  if (c->adjoint.storage == SN_STORAGE_REVOLVE && c->adjoint.snapshots < 1) {
    place_of(r, "adjoint.storage", place);
    return SN_ERROR_ALL(SN_ERROR_USAGE, "%s: adjoint.storage is revolve, so adjoint.snapshots must be at least 1",
                        place);
  }
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
