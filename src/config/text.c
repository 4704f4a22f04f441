/* Text from the schema: the echo of the parameters of a run, template files, explanations. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "value.h"

/* Opens the sections of `path` that `before` has not open: "train:\n  optimizer:\n". Returns the depth of the key. */
static int open_sections(FILE *out, const char *before, const char *path) {
  size_t common = 0;
  int depth = 0;
  for (size_t k = 0; path[k] && path[k] == before[k]; k++)
    if (path[k] == '.') {
      common = k + 1;
      depth++;
    }
  for (const char *dot; (dot = strchr(path + common, '.')); depth++) {
    if (depth == 0 && *before) fputc('\n', out);
    fprintf(out, "%*s%.*s:\n", 2 * depth, "", (int)(dot - path - (ptrdiff_t)common), path + common);
    common = (size_t)(dot - path) + 1;
  }
  return depth;
}

static const char *last_part(const char *path) {
  const char *dot = strrchr(path, '.');
  return dot ? dot + 1 : path;
}

sn_status sn_config_echo(const sn_config *config, char **text) {
  size_t length;
  FILE *out = open_memstream(text, &length);
  if (!out) return SN_ERROR(SN_ERROR_RUN, "out of memory while writing out the parameters");
  const char *before = "";
  for (int k = 0; k < sn_config_keys(); k++) {
    const sn_config_key *key = sn_config_key_at(k);
    char value[2 * SN_CONFIG_PATH + 8];
    sn_value_print(key, config, value, sizeof value);
    if (!key->fallback && strcmp(value, "''") == 0) continue; /* required by another command and not given */
    const int depth = open_sections(out, before, key->path);
    fprintf(out, "%*s%s: %s\n", 2 * depth, "", last_part(key->path), value);
    before = key->path;
  }
  return fclose(out) == 0 ? SN_OK : SN_ERROR(SN_ERROR_RUN, "out of memory while writing out the parameters");
}

static bool is_below(const char *key, const char *path) {
  const size_t length = strlen(path);
  return strncmp(key, path, length) == 0 && (key[length] == '.' || key[length] == '\0');
}

const char *sn_config_difference(const sn_config *a, const sn_config *b, const char *path, char *before, char *now,
                                 size_t size) {
  for (int k = 0; k < sn_config_keys(); k++) {
    const sn_config_key *key = sn_config_key_at(k);
    char value_a[2 * SN_CONFIG_PATH + 8], value_b[2 * SN_CONFIG_PATH + 8];
    if (!is_below(key->path, path)) continue;
    sn_value_print(key, a, value_a, sizeof value_a);
    sn_value_print(key, b, value_b, sizeof value_b);
    if (strcmp(value_a, value_b) == 0) continue;
    snprintf(before, size, "%s", value_a);
    snprintf(now, size, "%s", value_b);
    return key->path;
  }
  return NULL;
}

void sn_config_template(sn_config_command command) {
  const char *before = "";
  for (int k = 0; k < sn_config_keys(); k++) {
    const sn_config_key *key = sn_config_key_at(k);
    char expected[512];
    if (!(key->commands & command)) continue;
    const int depth = open_sections(stdout, before, key->path);
    sn_config_expected(key, expected, sizeof expected);
    printf("%*s# %s\n", 2 * depth, "", key->help);
    printf("%*s# %s%s%s%s%s\n", 2 * depth, "", expected, key->unit ? " [" : "", key->unit ? key->unit : "",
           key->unit ? "]" : "", key->required & command ? "; required" : "");
    printf("%*s%s: %s\n", 2 * depth, "", last_part(key->path), key->fallback ? key->fallback : key->example);
    before = key->path;
  }
}

static void explain_key(const sn_config_key *key) {
  char expected[512];
  sn_config_expected(key, expected, sizeof expected);
  printf("%s\n  %s\n  takes:    %s\n", key->path, key->help, expected);
  if (key->unit) printf("  unit:     %s\n", key->unit);
  printf("  default:  %s\n", key->fallback ? key->fallback : "there is none: the key must be given");
  const char *example = key->example ? key->example : key->fallback;
  const char *mark = strpbrk(example, " []'") ? "\"" : ""; /* what a shell must not take apart */
  printf("  example:  --set %s%s=%s%s\n  read by: ", mark, key->path, example, mark);
  for (const sn_name *c = sn_config_commands; c->name; c++)
    if (key->commands & c->value) printf(" %s%s", c->name, key->required & c->value ? " (required)" : "");
  putchar('\n');
}

sn_status sn_config_explain(const char *path) {
  const int index = sn_config_find(path);
  if (index >= 0) {
    explain_key(sn_config_key_at(index));
    return SN_OK;
  }
  if (!sn_config_is_section(path)) {
    char suggestion[SN_CONFIG_SUGGESTION];
    sn_config_suggest(path, suggestion, sizeof suggestion);
    return SN_ERROR_ALL(SN_ERROR_USAGE, "unknown key '%.120s'%s", path, suggestion);
  }
  for (int k = 0; k < sn_config_keys(); k++)
    if (is_below(sn_config_key_at(k)->path, path)) explain_key(sn_config_key_at(k));
  return SN_OK;
}
