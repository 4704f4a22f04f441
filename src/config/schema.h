/* The schema of the parameter file: one entry a key, from which everything about keys is generated. All local. */
#ifndef SINODE_CONFIG_CONFIG_SCHEMA_H
#define SINODE_CONFIG_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "sinode/name.h"

enum { SN_CONFIG_KEYS_MOST = 160, SN_CONFIG_KEY_LENGTH = 128 };

typedef enum {
  SN_KEY_INTEGER, /* int, or of eight bytes, as its size says */
  SN_KEY_REAL,
  SN_KEY_DURATION,     /* 90s, 15m, 2h, HH:MM:SS, D-HH:MM:SS; stored in seconds */
  SN_KEY_SWITCH,       /* true | false */
  SN_KEY_PATH,         /* char[SN_CONFIG_PATH]; may be empty only if the default is */
  SN_KEY_CHOICE,       /* one of a table of names; an enum */
  SN_KEY_SCHEME,       /* the name of a tableau; a pointer to it */
  SN_KEY_WIDTHS,       /* list of positive integers; sn_network_widths */
  SN_KEY_COEFFICIENTS, /* as derivatives, or a list of an odd number of reals; sn_linear_init */
  SN_KEY_DERIVATIVES,  /* ks, or a mapping of orders to reals; sn_linear_init */
  SN_KEY_NUMBERS,      /* list of reals; sn_equation_values */
  SN_KEY_NAMES         /* names out of a list, or one; char[SN_CONFIG_PATH] with a space behind each */
} sn_key_type;

typedef struct {
  const char *path; /* section.key */
  sn_key_type type;
  size_t offset, size;  /* of the member of sn_config */
  const char *fallback; /* the default as YAML; NULL: none, for keys that some command requires */
  const char *example;
  double low, high; /* range of numbers, both ends included ... */
  bool above_low;   /* ... but low itself is excluded */
  const sn_name *choices;
  const char *unit;
  int commands; /* sn_config_command bits of those that read it */
  int required; /* and of those that cannot do without */
  const char *help;
} sn_config_key;

int sn_config_keys(void);
const sn_config_key *sn_config_key_at(int index);

/* Index of a key, or -1. */
int sn_config_find(const char *path);

/* Whether some key's path begins with this one and a dot. */
bool sn_config_is_section(const char *path);

enum { SN_CONFIG_SUGGESTION = 512 };

/*
 * "; did you mean train.batch?": the key or section nearest to a wrong one, in spelling or by its last part; if none is
 * near, the keys of the section it is in, or where to look. Into text, of SN_CONFIG_SUGGESTION bytes.
 */
void sn_config_suggest(const char *path, char *text, size_t size);

/* The choice, name or scheme nearest to a wrong one, or NULL. */
const char *sn_config_nearest_choice(const sn_config_key *key, const char *name);

/* "integer >= 1", "one of adamw, sgd": what a key takes, into text. */
void sn_config_expected(const sn_config_key *key, char *text, size_t size);

#endif
