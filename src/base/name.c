#include "sinode/name.h"

#include <stdio.h>
#include <string.h>

const char *sn_name_of(const sn_name *table, int value) {
  for (; table->name; table++)
    if (table->value == value) return table->name;
  return NULL;
}

int sn_name_value(const sn_name *table, const char *name) {
  for (; table->name; table++)
    if (strcmp(table->name, name) == 0) return table->value;
  return -1;
}

void sn_name_list(const sn_name *table, const char *last, char *text, size_t size) {
  size_t used = 0;
  *text = '\0';
  for (const sn_name *entry = table; entry->name && used < size; entry++) {
    const char *before = entry == table ? "" : entry[1].name ? ", " : last;
    used += (size_t)snprintf(text + used, size - used, "%s%s", before, entry->name);
  }
}
