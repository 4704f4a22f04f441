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

sn_status sn_command_generate(sn_app *app);
sn_status sn_command_train(sn_app *app);
sn_status sn_command_predict(sn_app *app);
sn_status sn_command_gradient(sn_app *app);
sn_status sn_command_lyapunov(sn_app *app);
sn_status sn_command_benchmark(sn_app *app);
sn_status sn_command_check(sn_app *app);
sn_status sn_command_status(sn_app *app);
sn_status sn_command_info(sn_app *app);
sn_status sn_command_template(sn_app *app);
sn_status sn_command_schema(sn_app *app);
sn_status sn_command_explain(sn_app *app);
sn_status sn_command_selftest(sn_app *app);

#endif
