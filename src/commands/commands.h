/* The commands of the program, its options and exit statuses: the tables behind the command line and the manual. */
#ifndef SINODE_COMMANDS_COMMANDS_H
#define SINODE_COMMANDS_COMMANDS_H

#include <stdio.h>

#include "run/app.h"

typedef struct {
  const char *name, *operand, *summary, *help;
  int reads; /* sn_config_command bit of the parameters it wants; 0: it takes no parameter file */
  sn_status (*run)(sn_app *app);
} sn_command;

/* An option or an exit status, and what it means. */
typedef struct {
  const char *name, *meaning;
} sn_command_term;

int sn_commands(void);
const sn_command *sn_command_at(int index);

/* Those of commands that read a parameter file; each ends with a NULL name. */
const sn_command_term *sn_command_options(void);
const sn_command_term *sn_command_statuses(void);

/* Error SN_ERROR_USAGE: there is none of that name; the message says which is near. */
sn_status sn_command_find(const char *name, const sn_command **command);

void sn_command_print_usage(FILE *stream);
void sn_command_print_help(const sn_command *command);

/* Every command, in the order of the usage: sn_command_NAME is in a file of its own. */
#define SN_COMMANDS(COMMAND) \
  COMMAND(generate)          \
  COMMAND(train)             \
  COMMAND(predict)           \
  COMMAND(gradient)          \
  COMMAND(lyapunov)          \
  COMMAND(benchmark)         \
  COMMAND(check)             \
  COMMAND(status)            \
  COMMAND(info)              \
  COMMAND(template)          \
  COMMAND(schema)            \
  COMMAND(explain)           \
  COMMAND(selftest)

#define SN_COMMAND_DECLARE(name) extern const sn_command sn_command_##name;
SN_COMMANDS(SN_COMMAND_DECLARE)

#endif
