/* What the reader of the parameter file and the checks of keys against each other share. All local. */
#ifndef SINODE_CONFIG_READING_H
#define SINODE_CONFIG_READING_H

#include <stdarg.h>

#include "schema.h"

/* A parameter file and its settings while they are being read. */
typedef struct {
  sn_config *config;
  const char *file;
  const char *setting;                   /* the --set option being read, or NULL */
  bool kept;                             /* by a file of perhaps another version: unknown keys are passed over */
  size_t lines[SN_CONFIG_KEYS_MOST];     /* where in the file each key was given; 0: nowhere */
  const char *sets[SN_CONFIG_KEYS_MOST]; /* the --set option that gave it, or NULL */
} sn_reading;

/* Whether a key was given, by the file or a setting. */
bool sn_reading_has(const sn_reading *reading, int index);

/* An error at a line (0: none) of the file, or in a setting (NULL: none). */
SN_MUST_CHECK sn_status sn_reading_error(const sn_reading *reading, size_t line, const char *setting,
                                         const char *format, va_list arguments) __attribute__((format(printf, 4, 0)));

/* What only shows when keys are seen together, for a command (sn_config_command). */
SN_MUST_CHECK sn_status sn_reading_check(const sn_reading *reading, int command);

#endif
