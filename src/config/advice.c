/* What is said of a wrong key or value: the nearest name, and what would be right. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "schema.h"
#include "sinode/tableau.h"
#include "spelling.h"

static const char *last_part(const char *path) {
  const char *dot = strrchr(path, '.');
  return dot ? dot + 1 : path;
}

/* "; train has data, window, ...": what stands directly in the section that a wrong key is in, or where to look. */
static void list_section(const char *path, char *text, size_t size) {
  const char *dot = strrchr(path, '.'), *before = "";
  const size_t length = dot ? (size_t)(dot - path) : 0;
  size_t used = 0, before_length = 0;
  for (int k = 0; k < sn_config_keys() && dot && used < size; k++) {
    if (strncmp(sn_config_key_at(k)->path, path, length + 1) != 0) continue;
    const char *name = sn_config_key_at(k)->path + length + 1;
    const size_t extent = strcspn(name, ".");
    if (extent == before_length && strncmp(name, before, extent) == 0) continue; /* the same section */
    used += used ? (size_t)snprintf(text + used, size - used, ", %.*s", (int)extent, name)
                 : (size_t)snprintf(text, size, "; %.*s has %.*s", (int)length, path, (int)extent, name);
    before = name;
    before_length = extent;
  }
  if (!used) snprintf(text, size, "; `sinode template COMMAND` lists the keys");
}

void sn_config_suggest(const char *path, char *text, size_t size) {
  const int most = (int)strlen(last_part(path)) / 2 + 1;
  int least_distance = 4;
  list_section(path, text, size);
  for (int k = 0; k < sn_config_keys(); k++) {
    /* The key's sections, outermost first, then the key. */
    for (const char *end = sn_config_key_at(k)->path; end;) {
      char candidate[SN_CONFIG_KEY_LENGTH];
      end = strchr(end, '.');
      const int length = end ? (int)(end++ - sn_config_key_at(k)->path) : (int)strlen(sn_config_key_at(k)->path);
      snprintf(candidate, sizeof candidate, "%.*s", length, sn_config_key_at(k)->path);
      const int whole = sn_spelling_distance(path, candidate),
                part = sn_spelling_distance(last_part(path), last_part(candidate));
      const int found = whole < part + 1 ? whole : part + 1; /* the right place counts a little */
      if (found >= least_distance || found > most) continue;
      least_distance = found;
      snprintf(text, size, "; did you mean %s?", candidate);
    }
  }
}

const char *sn_config_nearest_choice(const sn_config_key *key, const char *name) {
  const char *best = NULL;
  int least_distance = 3;
  const int count = key->type == SN_KEY_SCHEME ? sn_tableau_count() : 64;
  for (int k = 0; k < count; k++) {
    const char *candidate = key->type == SN_KEY_SCHEME ? sn_tableau_name_at(k) : key->choices[k].name;
    if (!candidate) break;
    const int found = sn_spelling_distance(name, candidate);
    if (found >= least_distance || found >= (int)strlen(name)) continue;
    least_distance = found;
    best = candidate;
  }
  return best;
}

static void expected_number(const sn_config_key *key, const char *noun, char *text, size_t size) {
  const char *relation = key->above_low ? ">" : ">=";
  if (isinf(key->low)) {
    snprintf(text, size, "%s", noun);
    return;
  }
  if (isinf(key->high) && key->type == SN_KEY_INTEGER)
    snprintf(text, size, "%s %s %.12g (at most %" PRId64 ")", noun, relation, key->low, INT64_MAX);
  else if (isinf(key->high))
    snprintf(text, size, "%s %s %.12g", noun, relation, key->low);
  else if (key->high >= 1e6)
    snprintf(text, size, "%s %s %.12g (at most %.12g)", noun, relation, key->low, key->high);
  else
    snprintf(text, size, "%s %s %.12g and <= %.12g", noun, relation, key->low, key->high);
}

void sn_config_expected(const sn_config_key *key, char *text, size_t size) {
  size_t used;
  switch (key->type) {
    case SN_KEY_INTEGER:
      expected_number(key, "an integer", text, size);
      break;
    case SN_KEY_REAL:
      expected_number(key, "a number", text, size);
      break;
    case SN_KEY_DURATION:
      snprintf(text, size, "a duration such as 90s, 15m, 2h, 7d, HH:MM:SS or D-HH:MM:SS");
      break;
    case SN_KEY_SWITCH:
      snprintf(text, size, "true or false");
      break;
    case SN_KEY_PATH:
      snprintf(text, size, "the path of a file or directory, at most %d bytes", SN_CONFIG_PATH - 1);
      break;
    case SN_KEY_WIDTHS:
      snprintf(text, size, "a list of at most %d positive integers", SN_NETWORK_HIDDEN_MOST);
      break;
    case SN_KEY_NUMBERS:
      snprintf(text, size, "a list of at most %d numbers", SN_EQUATION_VALUES_MOST);
      break;
    case SN_KEY_COEFFICIENTS:
      snprintf(
          text, size,
          "ks, a list of an odd number (at most %d) of numbers, or derivatives, {order: coefficient} with orders 0 "
          "to %d",
          SN_LINEAR_TAPS_MOST, SN_LINEAR_ORDERS - 1);
      break;
    case SN_KEY_DERIVATIVES:
      snprintf(text, size, "ks, or {order: coefficient} with orders 0 to %d", SN_LINEAR_ORDERS - 1);
      break;
    case SN_KEY_NAMES:
    case SN_KEY_CHOICE:
      used = (size_t)snprintf(text, size, key->type == SN_KEY_NAMES ? "a list of some of" : "one of");
      for (const sn_name *c = key->choices; c->name && used < size; c++)
        used += (size_t)snprintf(text + used, size - used, "%s %s", c == key->choices ? "" : ",", c->name);
      break;
    case SN_KEY_SCHEME:
      used = (size_t)snprintf(text, size, "one of");
      for (int k = 0; k < sn_tableau_count() && used < size; k++)
        used += (size_t)snprintf(text + used, size - used, "%s %s", k ? "," : "", sn_tableau_name_at(k));
      break;
  }
}
