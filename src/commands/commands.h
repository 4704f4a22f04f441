/* The commands of the program: the table behind its command line, its manual page and its completion. */
#ifndef SINODE_COMMANDS_COMMANDS_H
#define SINODE_COMMANDS_COMMANDS_H

#include "run/program.h"

/* The program sinode. */
extern const sn_program sn_sinode;

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

/* The error that there is no `what` for the command `name`: there is one for those that read parameters and `more`. */
SN_MUST_CHECK sn_status sn_command_unknown_reader(const char *name, const char *what, const char *more);

#endif
