/* Values of the parameter file: from words to the typed members of sn_config and back. All local. */
#ifndef SINODE_CONFIG_CONFIG_VALUE_H
#define SINODE_CONFIG_CONFIG_VALUE_H

#include "schema.h"

enum { SN_VALUE_WORDS = 64 };

/* A scalar (one word), a list of scalars, or a mapping (name, scalar, name, scalar, ...) as written. The words are not
 * owned. */
typedef struct {
  bool is_list, is_mapping;
  bool quoted; /* some word stands between quotation marks, and is text whatever it looks like */
  int count;   /* of words; a list with more than SN_VALUE_WORDS keeps the first ones and its true count */
  const char *words[SN_VALUE_WORDS];
} sn_value;

/* Sets a member. On failure false, and problem says what was found. */
bool sn_value_set(const sn_config_key *key, const sn_value *value, sn_config *config, char *problem, size_t size);

/* The member as YAML that reads back to the same bits. */
void sn_value_print(const sn_config_key *key, const sn_config *config, char *text, size_t size);

#endif
