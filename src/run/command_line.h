/* The command line of a program. */
#ifndef SINODE_RUN_COMMAND_LINE_H
#define SINODE_RUN_COMMAND_LINE_H

#include "program.h"

enum { SN_SETTINGS_MOST = 256 };

/* Taken apart. */
typedef struct {
  const sn_command *command;
  int place; /* in argv, of the word that names it; 0: there is none */
  const char *operand;
  const char *settings[SN_SETTINGS_MOST];
  int setting_count;
  bool help, version, quiet;
} sn_command_line;

/* Options of commands go into `app`. Error SN_ERROR_USAGE. Local, alike on all ranks. */
SN_MUST_CHECK sn_status sn_command_line_parse(const sn_program *program, int argc, char **argv, sn_app *app,
                                              sn_command_line *line);

#endif
