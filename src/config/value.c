#include "value.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sinode/tableau.h"

static void *member(const sn_config_key *key, sn_config *config) { return (char *)config + key->offset; }
static const void *read_member(const sn_config_key *key, const sn_config *config) {
  return (const char *)config + key->offset;
}

static bool in_range(const sn_config_key *key, double value) {
  return value <= key->high && (key->above_low ? value > key->low : value >= key->low);
}

/* Decimal digits only; a leading zero would mean octal to some readers of YAML and decimal to others. */
static bool parse_integer(const char *word, int64_t *value) {
  const char *digits = word + (*word == '+' || *word == '-');
  if (!*digits || digits[strspn(digits, "0123456789")] != '\0' || (digits[0] == '0' && digits[1])) return false;
  errno = 0;
  *value = strtoll(word, NULL, 10);
  return errno == 0;
}

/* Decimal numbers only: no infinities, no NaN, no hexadecimal. */
static bool parse_real(const char *word, double *value) {
  char *end;
  if (!*word || word[strspn(word, "+-0123456789.eE")] != '\0') return false;
  *value = strtod(word, &end);
  return *end == '\0' && isfinite(*value);
}

static bool is_one_of(const char *word, const char *const *names) {
  for (; *names; names++)
    if (strcmp(word, *names) == 0) return true;
  return false;
}

static bool set_integer(const sn_config_key *key, const char *word, void *to) {
  int64_t value;
  if (!parse_integer(word, &value) || !in_range(key, (double)value)) return false;
  if (key->size == sizeof(int))
    *(int *)to = (int)value;
  else
    memcpy(to, &value, sizeof value);
  return true;
}

static long long read_integer(const sn_config_key *key, const void *from) {
  int64_t value;
  if (key->size == sizeof(int)) return *(const int *)from;
  memcpy(&value, from, sizeof value);
  return value;
}

static bool set_real(const sn_config_key *key, const char *word, double *to) {
  double value;
  if (!parse_real(word, &value) || !in_range(key, value)) return false;
  *to = value;
  return true;
}

/* 90s, 1.5h, 7d; HH:MM:SS and D-HH:MM:SS as SLURM writes them. In seconds. */
static bool parse_duration(const char *word, double *value) {
  static const char units[] = "smhd";
  static const double seconds[] = {1, 60, 3600, 86400};
  char number[40];
  int days = 0, hours, minutes, rest, used = 0;
  const size_t length = strlen(word);
  if (strspn(word, "0123456789:-") == length && strchr(word, ':')) {
    const bool with_days = strchr(word, '-') != NULL;
    const char *form = with_days ? "%6d-%2d:%2d:%2d%n" : "%6d:%2d:%2d%n";
    const int got = with_days ? sscanf(word, form, &days, &hours, &minutes, &rest, &used)
                              : sscanf(word, form, &hours, &minutes, &rest, &used);
    if (got != 3 + with_days || (size_t)used != length || days < 0 || hours < 0 || minutes < 0 || minutes > 59 ||
        rest < 0 || rest > 59 || (with_days && hours > 23))
      return false;
    *value = ((days * 24.0 + hours) * 60 + minutes) * 60 + rest;
    return true;
  }
  const char *unit = length ? strchr(units, word[length - 1]) : NULL;
  if (!unit || length >= sizeof number) return false;
  snprintf(number, sizeof number, "%.*s", (int)length - 1, word);
  if (!parse_real(number, value)) return false;
  *value *= seconds[unit - units];
  return true;
}

static bool set_duration(const sn_config_key *key, const char *word, double *to) {
  double value;
  if (!parse_duration(word, &value) || !in_range(key, value)) return false;
  *to = value;
  return true;
}

static bool set_switch(const char *word, bool *to) {
  static const char *const yes[] = {"true", "True", "yes", "on", NULL}, *const no[] = {"false", "False", "no", "off",
                                                                                       NULL};
  *to = is_one_of(word, yes);
  return *to || is_one_of(word, no);
}

static bool set_choice(const sn_config_key *key, const char *word, int *to) {
  const int value = sn_name_value(key->choices, word);
  if (value >= 0) *to = value;
  return value >= 0;
}

static bool set_scheme(const char *word, const sn_tableau **to) {
  *to = sn_tableau_find(word);
  return *to != NULL;
}

static bool set_text(const char *word, char *to, size_t size) {
  if (strlen(word) >= size) return false;
  memset(to, 0, size);
  memcpy(to, word, strlen(word));
  return true;
}

static bool set_widths(const sn_value *value, sn_network_widths *to) {
  if (!value->is_list || value->count > SN_NETWORK_HIDDEN_MOST) return false;
  memset(to, 0, sizeof *to);
  to->count = value->count;
  for (int k = 0; k < value->count; k++) {
    int64_t width;
    if (!parse_integer(value->words[k], &width) || width < 1 || width > INT32_MAX) return false;
    to->width[k] = (ptrdiff_t)width;
  }
  return true;
}

/* Orders of derivatives and their coefficients. */
static bool set_derivatives(const sn_value *value, sn_linear_init *to) {
  memset(to, 0, sizeof *to);
  for (int k = 0; k < value->count; k += 2) {
    int64_t order;
    if (!parse_integer(value->words[k], &order) || order < 0 || order >= SN_LINEAR_ORDERS) return false;
    if (to->derivatives >> order & 1 || !parse_real(value->words[k + 1], &to->value[order])) return false;
    to->derivatives |= 1U << order;
  }
  return value->count > 0;
}

static bool set_coefficients(const sn_config_key *key, const sn_value *value, sn_linear_init *to) {
  if (value->count > SN_VALUE_WORDS) return false;
  if (value->is_mapping) return set_derivatives(value, to);
  if (!value->is_list) {
    *to = *sn_linear_ks();
    return strcmp(value->words[0], "ks") == 0;
  }
  *to = (sn_linear_init){.taps = value->count};
  if (key->type == SN_KEY_DERIVATIVES || value->count % 2 == 0 || value->count > SN_LINEAR_TAPS_MOST) return false;
  for (int k = 0; k < value->count; k++)
    if (!parse_real(value->words[k], &to->value[k])) return false;
  return true;
}

static bool set_numbers(const sn_value *value, sn_equation_values *to) {
  if (!value->is_list || value->count > SN_EQUATION_VALUES_MOST) return false;
  *to = (sn_equation_values){.count = value->count};
  for (int k = 0; k < value->count; k++)
    if (!parse_real(value->words[k], &to->value[k])) return false;
  return true;
}

static bool set_names(const sn_config_key *key, const sn_value *value, char *to) {
  size_t used = 0;
  memset(to, 0, SN_CONFIG_PATH);
  if (value->count > SN_VALUE_WORDS) return false;
  for (int k = 0; k < value->count; k++) {
    const size_t length = strlen(value->words[k]);
    if (sn_name_value(key->choices, value->words[k]) < 0 || used + length + 2 > SN_CONFIG_PATH) return false;
    memcpy(to + used, value->words[k], length);
    to[used + length] = ' ';
    used += length + 1;
  }
  return true;
}

static bool is_coefficients(const sn_config_key *key) {
  return key->type == SN_KEY_COEFFICIENTS || key->type == SN_KEY_DERIVATIVES;
}

/* Whether a word in quotation marks will do. */
static bool takes_text(const sn_config_key *key, const sn_value *value) {
  return key->type == SN_KEY_PATH || key->type == SN_KEY_DURATION || key->type == SN_KEY_CHOICE ||
         key->type == SN_KEY_SCHEME || key->type == SN_KEY_NAMES ||
         (is_coefficients(key) && !value->is_list && !value->is_mapping);
}

static bool may_be_empty(const sn_config_key *key) { return key->fallback && strcmp(key->fallback, "''") == 0; }

static bool set(const sn_config_key *key, const sn_value *value, sn_config *config) {
  if (value->quoted && !takes_text(key, value)) return false;
  if (key->type == SN_KEY_WIDTHS) return set_widths(value, member(key, config));
  if (is_coefficients(key)) return set_coefficients(key, value, member(key, config));
  if (key->type == SN_KEY_NUMBERS) return set_numbers(value, member(key, config));
  if (key->type == SN_KEY_NAMES) return set_names(key, value, member(key, config));
  if (value->is_list) return false;
  const char *word = value->words[0];
  switch (key->type) {
    case SN_KEY_INTEGER:
      return set_integer(key, word, member(key, config));
    case SN_KEY_REAL:
      return set_real(key, word, member(key, config));
    case SN_KEY_DURATION:
      return set_duration(key, word, member(key, config));
    case SN_KEY_SWITCH:
      return set_switch(word, member(key, config));
    case SN_KEY_CHOICE:
      return set_choice(key, word, member(key, config));
    case SN_KEY_SCHEME:
      return set_scheme(word, member(key, config));
    default:
      return (*word || may_be_empty(key)) && set_text(word, member(key, config), SN_CONFIG_PATH);
  }
}

/* The value as it was written, or the beginning of it. */
static void describe(const sn_config_key *key, const sn_value *value, char *text, size_t size) {
  enum { SHOWN = 8 };
  if (value->is_mapping) {
    size_t used = (size_t)snprintf(text, size, "{");
    for (int k = 0; k < value->count && k < SHOWN; k++)
      used += (size_t)snprintf(text + used, size - used, "%s%.16s", k % 2 ? ": " : k ? ", " : "", value->words[k]);
    snprintf(text + used, size - used, "%s}", value->count > SHOWN ? ", ..." : "");
  } else if (!value->is_list) {
    snprintf(text, size, "'%.80s'", value->words[0]);
  } else {
    size_t used = (size_t)snprintf(text, size, "[");
    for (int k = 0; k < value->count && k < SHOWN; k++)
      used += (size_t)snprintf(text + used, size - used, "%s%.16s", k ? ", " : "", value->words[k]);
    snprintf(text + used, size - used, "%s]", value->count > SHOWN ? ", ..." : "");
  }
  if (value->quoted && !takes_text(key, value))
    snprintf(text + strlen(text), size - strlen(text), " in quotation marks");
}

/* The word that is no name of those the key takes, if it takes names; NULL: there is none. */
static const char *misspelt(const sn_config_key *key, const sn_value *value) {
  if (key->type == SN_KEY_NAMES)
    for (int k = 0; k < value->count && k < SN_VALUE_WORDS; k++)
      if (sn_name_value(key->choices, value->words[k]) < 0) return value->words[k];
  const bool takes_one = key->type == SN_KEY_CHOICE || key->type == SN_KEY_SCHEME;
  return takes_one && !value->is_list ? value->words[0] : NULL;
}

bool sn_value_set(const sn_config_key *key, const sn_value *value, sn_config *config, char *problem, size_t size) {
  if (set(key, value, config)) return true;
  char expected[512], found[256];
  sn_config_expected(key, expected, sizeof expected);
  describe(key, value, found, sizeof found);
  const char *wrong = misspelt(key, value), *near = wrong ? sn_config_nearest_choice(key, wrong) : NULL;
  snprintf(problem, size, "%s is %s, but must be %s%s%s%s", key->path, found, expected, near ? "; did you mean " : "",
           near ? near : "", near ? "?" : "");
  return false;
}

/* The shortest decimal that reads back to the same double, with a point, without which YAML 1.1 reads 1e-08 as text. */
static void print_real(double value, char *text, size_t size) {
  if (value == rint(value) && fabs(value) < 1e9) {
    snprintf(text, size, "%.1f", value);
    return;
  }
  for (int digits = 1; digits <= 17; digits++) {
    snprintf(text, size, "%.*g", digits, value);
    if (strtod(text, NULL) == value) break;
  }
  if (strchr(text, '.')) return;
  char exponent[8];
  char *end = text + strcspn(text, "e");
  snprintf(exponent, sizeof exponent, "%s", end);
  snprintf(end, size - (size_t)(end - text), ".0%s", exponent);
}

static void print_text(const char *word, char *text, size_t size) {
  size_t used = 0;
  text[used++] = '\'';
  for (; *word && used + 3 < size; word++) {
    if (*word == '\'') text[used++] = '\'';
    text[used++] = *word;
  }
  text[used++] = '\'';
  text[used] = '\0';
}

static void print_names(const char *names, char *text, size_t size) {
  size_t used = (size_t)snprintf(text, size, "[");
  for (const char *word = names; *word; word += strcspn(word, " ") + 1)
    used +=
        (size_t)snprintf(text + used, size - used, "%s%.*s", word == names ? "" : ", ", (int)strcspn(word, " "), word);
  snprintf(text + used, size - used, "]");
}

static void print_widths(const sn_network_widths *widths, char *text, size_t size) {
  size_t used = (size_t)snprintf(text, size, "[");
  for (int k = 0; k < widths->count; k++)
    used += (size_t)snprintf(text + used, size - used, "%s%td", k ? ", " : "", widths->width[k]);
  snprintf(text + used, size - used, "]");
}

static void print_numbers(int count, const double *value, char *text, size_t size) {
  size_t used = (size_t)snprintf(text, size, "[");
  for (int k = 0; k < count; k++) {
    char number[40];
    print_real(value[k], number, sizeof number);
    used += (size_t)snprintf(text + used, size - used, "%s%s", k ? ", " : "", number);
  }
  snprintf(text + used, size - used, "]");
}

static void print_coefficients(const sn_linear_init *init, char *text, size_t size) {
  if (sn_linear_is_ks(init)) {
    snprintf(text, size, "ks");
    return;
  }
  if (!init->derivatives) {
    print_numbers(init->taps, init->value, text, size);
    return;
  }
  size_t used = (size_t)snprintf(text, size, "{");
  for (int k = 0; k < SN_LINEAR_ORDERS; k++) {
    char number[40];
    if (!(init->derivatives >> k & 1)) continue;
    print_real(init->value[k], number, sizeof number);
    used += (size_t)snprintf(text + used, size - used, "%s%d: %s", used > 1 ? ", " : "", k, number);
  }
  snprintf(text + used, size - used, "}");
}

void sn_value_print(const sn_config_key *key, const sn_config *config, char *text, size_t size) {
  const void *at = read_member(key, config);
  switch (key->type) {
    case SN_KEY_INTEGER:
      snprintf(text, size, "%lld", read_integer(key, at));
      break;
    case SN_KEY_REAL:
      print_real(*(const double *)at, text, size);
      break;
    case SN_KEY_DURATION:
      print_real(*(const double *)at, text, size - 1);
      strcat(text, "s");
      break;
    case SN_KEY_SWITCH:
      snprintf(text, size, "%s", *(const bool *)at ? "true" : "false");
      break;
    case SN_KEY_CHOICE:
      snprintf(text, size, "%s", sn_name_of(key->choices, *(const int *)at));
      break;
    case SN_KEY_PATH:
      print_text(at, text, size);
      break;
    case SN_KEY_SCHEME:
      print_text((*(const sn_tableau *const *)at)->name, text, size);
      break;
    case SN_KEY_NAMES:
      print_names(at, text, size);
      break;
    case SN_KEY_WIDTHS:
      print_widths(at, text, size);
      break;
    case SN_KEY_NUMBERS: {
      const sn_equation_values *values = at;
      print_numbers(values->count, values->value, text, size);
      break;
    }
    case SN_KEY_COEFFICIENTS:
    case SN_KEY_DERIVATIVES:
      print_coefficients(at, text, size);
      break;
  }
}
