/* The parameter file's text, and --set options, into sn_config, with the place of everything that is wrong. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "reading.h"
#include "value.h"

enum { PLACE_LENGTH = 512, SETTING_SHOWN = 160 };

/* "FILE:LINE", "FILE" for line 0, or "--set section.key=value", cut where it would crowd out the message. */
static void describe_place(const char *file, size_t line, const char *setting, char *text) {
  if (setting)
    snprintf(text, PLACE_LENGTH, "--set %.*s%s", SETTING_SHOWN, setting, strlen(setting) > SETTING_SHOWN ? "..." : "");
  else if (line)
    snprintf(text, PLACE_LENGTH, "%.400s:%zu", file, line);
  else
    snprintf(text, PLACE_LENGTH, "%.400s", file);
}

sn_status sn_reading_error(const sn_reading *r, size_t line, const char *setting, const char *format,
                           va_list arguments) {
  char place[PLACE_LENGTH], text[1024];
  describe_place(r->file, line, setting, place);
  vsnprintf(text, sizeof text, format, arguments);
  return SN_ERROR_ALL(SN_ERROR_USAGE, "%s: %s", place, text);
}

/* An error in what is being read. */
static sn_status fail(const sn_reading *r, size_t line, const char *format, ...) __attribute__((format(printf, 3, 4)));
static sn_status fail(const sn_reading *r, size_t line, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  sn_status status = sn_reading_error(r, line, r->setting, format, arguments);
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

/* A scalar, a list of scalars or, for keys that take one, a mapping of scalars; NULL, or what is wrong with it. */
static const char *to_value(const sn_config_key *key, yaml_document_t *document, const yaml_node_t *node,
                            sn_value *value) {
  const bool takes_mapping = key->type == SN_KEY_COEFFICIENTS || key->type == SN_KEY_DERIVATIVES;
  *value = (sn_value){.is_list = node->type == YAML_SEQUENCE_NODE,
                      .is_mapping = node->type == YAML_MAPPING_NODE && takes_mapping};
  if (is_empty(node)) return "has no value";
  if (value->is_mapping) {
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
      const bool quoted = value->quoted;
      const char *wrong = add_word(yaml_document_get_node(document, pair->key), value);
      value->quoted = quoted; /* names may stand in quotation marks, as in JSON they do */
      if (!wrong) wrong = add_word(yaml_document_get_node(document, pair->value), value);
      if (wrong) return wrong;
    }
    return NULL;
  }
  if (!value->is_list) return add_word(node, value);
  for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
    const char *wrong = add_word(yaml_document_get_node(document, *item), value);
    if (wrong) return wrong;
  }
  return NULL;
}

static sn_status read_key(sn_reading *r, yaml_document_t *document, int index, size_t line, const yaml_node_t *node) {
  const sn_config_key *key = sn_config_key_at(index);
  char text[1024];
  sn_value value;
  const char *wrong = to_value(key, document, node, &value);
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

static sn_status unknown(const sn_reading *r, size_t line, const char *path) {
  char suggestion[SN_CONFIG_SUGGESTION];
  sn_config_suggest(path, suggestion, sizeof suggestion);
  return fail(r, line, "unknown key '%.120s'%s", path, suggestion);
}

/* The name of a pair below `prefix` must be a word, without dots and not that of a pair before it. */
static sn_status check_name(const sn_reading *r, yaml_document_t *document, const yaml_node_t *section,
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
static sn_status read_section(sn_reading *r, yaml_document_t *document, const yaml_node_t *node, const char *prefix) {
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
static sn_status syntax_error(const sn_reading *r, const char *text, size_t length, const yaml_parser_t *parser) {
  size_t line = parser->problem_mark.line + 1;
  if (parser->error == YAML_READER_ERROR)
    for (size_t k = 0; k < length && k < parser->problem_offset; k++) line += text[k] == '\n';
  return fail(r, line, "not valid YAML: %s%s%s", parser->context ? parser->context : "", parser->context ? ": " : "",
              parser->problem ? parser->problem : "out of memory");
}

/* Parses one document; without one (an empty file) *document has no root. */
static sn_status load(const sn_reading *r, const char *text, size_t length, yaml_document_t *document) {
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

static sn_status read_file(sn_reading *r, const char *text, size_t length) {
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

static sn_status read_setting_value(sn_reading *r, const char *path, const char *text) {
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
static sn_status read_setting(sn_reading *r, const char *setting) {
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

static sn_status set_defaults(sn_reading *r) {
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

bool sn_reading_has(const sn_reading *r, int index) { return r->lines[index] || r->sets[index]; }

static sn_status check_required(const sn_reading *r, int command) {
  for (int k = 0; k < sn_config_keys(); k++) {
    const sn_config_key *key = sn_config_key_at(k);
    if (command == SN_FOR_ALL || !(key->required & command) || sn_reading_has(r, k)) continue;
    return fail(r, 0, "%s is missing (%s); give it, for example as --set %s=%s", key->path, key->help, key->path,
                key->example);
  }
  return SN_OK;
}

sn_status sn_config_parse(const char *path, const char *text, size_t length, const char *const *settings, int count,
                          sn_config_command command, sn_config *config) {
  memset(config, 0, sizeof *config);
  sn_reading r = {.config = config, .file = path};
  SN_TRY(set_defaults(&r));
  SN_TRY(read_file(&r, text, length));
  for (int k = 0; k < count; k++) SN_TRY(read_setting(&r, settings[k]));
  SN_TRY(check_required(&r, command));
  return sn_reading_check(&r, command);
}

sn_status sn_config_parse_kept(const char *path, const char *text, size_t length, sn_config *config) {
  memset(config, 0, sizeof *config);
  sn_reading r = {.config = config, .file = path, .kept = true};
  SN_TRY(set_defaults(&r));
  return read_file(&r, text, length);
}
