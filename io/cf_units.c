#include "cf_units.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

typedef struct {
  double seconds;
  const char *symbols; /* as they are written */
  const char *names;   /* in capitals or not, and in the plural */
} unit;

/* What is between two blanks is one spelling. */
static const unit units[] = {{1, " 1 - ", " dimensionless nondimensional non-dimensional unitless none "},
                             {1e-9, " ns ", " nanosecond nanosec "},
                             {1e-6, " us \302\265s \316\274s ", " microsecond microsec "},
                             {1e-3, " ms ", " millisecond millisec msec "},
                             {1, " s ", " second sec "},
                             {60, " min ", " minute min "},
                             {3600, " h hr ", " hour hr "},
                             {86400, " d ", " day "},
                             {604800, " ", " week "}};
static const char calendar[] = " month mon year yr common_year ";

/* Whether a word stands between blanks in a list of them. */
static bool lists(const char *list, const char *word, size_t length) {
  for (const char *at = list; length && *at; at++)
    if (*at == ' ' && strncasecmp(at + 1, word, length) == 0 && at[1 + length] == ' ') return true;
  return false;
}

static bool names(const char *list, const char *word, size_t length) {
  const bool plural = length > 2 && tolower((unsigned char)word[length - 1]) == 's';
  return lists(list, word, length) || (plural && lists(list, word, length - 1));
}

static bool has_symbol(const char *list, const char *word, size_t length) {
  for (const char *at = list; *at; at++)
    if (*at == ' ' && strncmp(at + 1, word, length) == 0 && at[1 + length] == ' ') return true;
  return false;
}

/* The unit itself: without blanks around it and without "since ...". */
static const char *trim(const char *text, size_t *length) {
  while (isspace((unsigned char)*text)) text++;
  *length = strlen(text);
  for (size_t k = 1; text[k - 1] && text[k]; k++)
    if (isspace((unsigned char)text[k - 1]) && strncasecmp(text + k, "since ", 6) == 0) *length = k - 1;
  while (*length && isspace((unsigned char)text[*length - 1])) --*length;
  return text;
}

double sn_cf_seconds(const char *text) {
  size_t length;
  const char *word = trim(text, &length);
  if (!length) return 1;
  for (size_t k = 0; k < sizeof units / sizeof units[0]; k++)
    if (has_symbol(units[k].symbols, word, length) || names(units[k].names, word, length)) return units[k].seconds;
  return 0;
}

bool sn_cf_is_calendar(const char *text) {
  size_t length;
  const char *word = trim(text, &length);
  return names(calendar, word, length);
}
