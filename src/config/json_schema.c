/* The schema of the parameter file as a JSON Schema, by which editors complete, explain and check. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "schema.h"
#include "sinode/tableau.h"

static void print_string(const char *text) {
  putchar('"');
  for (; *text; text++) {
    if (*text == '"' || *text == '\\') putchar('\\');
    putchar(*text);
  }
  putchar('"');
}

/* One name of an enumeration; a YAML reader takes what is all digits, such as the scheme 3, for a number. */
static void print_name(const char *name, bool first) {
  fputs(first ? "" : ", ", stdout);
  print_string(name);
  if (name[strspn(name, "0123456789")] == '\0') printf(", %s", name);
}

static void print_names(const sn_config_key *key) {
  fputs("\"enum\": [", stdout);
  if (key->type == SN_KEY_SCHEME)
    for (int k = 0; k < sn_tableau_count(); k++) print_name(sn_tableau_name_at(k), k == 0);
  else
    for (const sn_name *c = key->choices; c->name; c++) print_name(c->name, c == key->choices);
  putchar(']');
}

static void print_range(const sn_config_key *key) {
  if (!isinf(key->low)) printf(", \"%s\": %.12g", key->above_low ? "exclusiveMinimum" : "minimum", key->low);
  if (!isinf(key->high))
    printf(", \"maximum\": %.12g", key->high);
  else if (key->type == SN_KEY_INTEGER)
    printf(", \"maximum\": %" PRId64, INT64_MAX);
}

/* Derivatives, and, where a stencil will do too, lists of odd lengths. */
static void print_coefficients(bool lists) {
  fputs("\"oneOf\": [{\"const\": \"ks\"}", stdout);
  printf(", {\"type\": \"object\", \"patternProperties\": {\"^[0-%d]$\": {\"type\": \"number\"}}, ",
         SN_LINEAR_ORDERS - 1);
  fputs("\"additionalProperties\": false, \"minProperties\": 1}", stdout);
  for (int n = 1; lists && n <= SN_LINEAR_TAPS_MOST; n += 2)
    printf(", {\"type\": \"array\", \"items\": {\"type\": \"number\"}, \"minItems\": %d, \"maxItems\": %d}", n, n);
  putchar(']');
}

static void print_type(const sn_config_key *key) {
  switch (key->type) {
    case SN_KEY_INTEGER:
    case SN_KEY_REAL:
      printf("\"type\": \"%s\"", key->type == SN_KEY_REAL ? "number" : "integer");
      print_range(key);
      break;
    case SN_KEY_DURATION:
      fputs("\"type\": \"string\", \"pattern\": \"^([0-9.eE+]+[smhd]|([0-9]+-)?[0-9]+:[0-5]?[0-9]:[0-5]?[0-9])$\"",
            stdout);
      break;
    case SN_KEY_SWITCH:
      fputs("\"type\": \"boolean\"", stdout);
      break;
    case SN_KEY_PATH:
      printf("\"type\": \"string\", \"maxLength\": %d", SN_CONFIG_PATH - 1);
      break;
    case SN_KEY_CHOICE:
    case SN_KEY_SCHEME:
      print_names(key);
      break;
    case SN_KEY_WIDTHS:
      printf("\"type\": \"array\", \"items\": {\"type\": \"integer\", \"minimum\": 1}, \"maxItems\": %d",
             SN_NETWORK_HIDDEN_MOST);
      break;
    case SN_KEY_NUMBERS:
      printf("\"type\": \"array\", \"items\": {\"type\": \"number\"}, \"maxItems\": %d", SN_EQUATION_VALUES_MOST);
      break;
    case SN_KEY_NAMES:
      fputs("\"oneOf\": [{", stdout);
      print_names(key);
      fputs("}, {\"type\": \"array\", \"items\": {", stdout);
      print_names(key);
      fputs("}}]", stdout);
      break;
    case SN_KEY_COEFFICIENTS:
    case SN_KEY_DERIVATIVES:
      print_coefficients(key->type == SN_KEY_COEFFICIENTS);
      break;
  }
}

/* Numbers, switches and lists are in the table as in JSON. */
static void print_default(const sn_config_key *key) {
  if (!key->fallback) return;
  fputs(", \"default\": ", stdout);
  if (strcmp(key->fallback, "''") == 0)
    fputs("\"\"", stdout);
  else if (key->type == SN_KEY_PATH || key->type == SN_KEY_DURATION || key->type == SN_KEY_CHOICE ||
           key->type == SN_KEY_SCHEME || key->type == SN_KEY_COEFFICIENTS || key->type == SN_KEY_DERIVATIVES)
    print_string(key->fallback);
  else
    fputs(key->fallback, stdout);
}

static void print_key(const sn_config_key *key) {
  char description[512];
  snprintf(description, sizeof description, "%s%s%s%s", key->help, key->unit ? " [" : "", key->unit ? key->unit : "",
           key->unit ? "]" : "");
  print_type(key);
  fputs(", \"description\": ", stdout);
  print_string(description);
  print_default(key);
}

/* Whether the key is in the section named by the first `length` bytes of path. */
static bool is_in(const sn_config_key *key, const char *path, size_t length) {
  return strncmp(key->path, path, length) == 0 && (length == 0 || key->path[length] == '.');
}

/* The names below a section that lead to a required key; each once, as keys of a section are adjacent. */
static void print_required(const char *path, size_t length, int commands) {
  const char *before = "";
  size_t before_length = 0;
  for (int k = 0; k < sn_config_keys(); k++) {
    const sn_config_key *key = sn_config_key_at(k);
    if (!is_in(key, path, length) || !(key->required & commands)) continue;
    const char *name = key->path + length + (length > 0);
    const size_t extent = strcspn(name, ".");
    if (extent == before_length && strncmp(name, before, extent) == 0) continue;
    printf("%s\"%.*s\"", before_length ? ", " : ", \"required\": [", (int)extent, name);
    before = name;
    before_length = extent;
  }
  if (before_length) putchar(']');
}

/* The object of a section: its keys, and the sections in it, in the order of the table. */
static void print_section(const char *path, size_t length, int depth, int commands) {
  bool first = true;
  fputs("\"type\": \"object\", \"additionalProperties\": false", stdout);
  print_required(path, length, commands);
  fputs(", \"properties\": {", stdout);
  for (int k = 0; k < sn_config_keys(); k++) {
    const sn_config_key *key = sn_config_key_at(k);
    if (!is_in(key, path, length)) continue;
    const char *name = key->path + length + (length > 0);
    const size_t extent = strcspn(name, "."), whole = (size_t)(name - key->path) + extent;
    /* A section is printed at its first key. */
    if (name[extent] == '.' && k > 0 && is_in(sn_config_key_at(k - 1), key->path, whole)) continue;
    printf("%s\n%*s\"%.*s\": {", first ? "" : ",", 2 * depth, "", (int)extent, name);
    first = false;
    if (name[extent] == '.')
      print_section(key->path, whole, depth + 1, commands);
    else
      print_key(key);
    putchar('}');
  }
  putchar('}');
}

void sn_config_json_schema(int commands) {
  fputs("{\"$schema\": \"http://json-schema.org/draft-07/schema#\", \"title\": \"sinode parameter file\", ", stdout);
  print_section("", 0, 1, commands);
  fputs("}\n", stdout);
}
