/*
 * Names of the members of an enum. A family has one table of them, which the parameter file, its JSON Schema, model
 * files and messages use alike. All local.
 */
#ifndef SINODE_NAME_H
#define SINODE_NAME_H

#include <stddef.h>

/* An entry of a table, which ends with a NULL name. Values are not negative. */
typedef struct {
  const char *name;
  int value;
} sn_name;

/* The name of a value, or NULL. */
const char *sn_name_of(const sn_name *table, int value);

/* The value of a name, or -1. */
int sn_name_value(const sn_name *table, const char *name);

/* "mlp, conv or none", with `last` " or ": all names of a table, into text (size bytes). */
void sn_name_list(const sn_name *table, const char *last, char *text, size_t size);

/*
 * A family whose members have a table of functions each lists them once, MEMBER(constant, name, functions); its enum,
 * its names and its tables of functions are made from that list.
 */
#define SN_NAME_CONSTANT(constant, name, functions) constant,
#define SN_NAME_ENTRY(constant, name, functions) {name, constant},
#define SN_NAME_FUNCTIONS(constant, name, functions) [constant] = &(functions),

#endif
