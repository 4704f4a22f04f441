/* The commands of the program: the table behind its command line, its manual page and its completion. */
#ifndef SINODE_COMMANDS_COMMANDS_H
#define SINODE_COMMANDS_COMMANDS_H

#include "run/program.h"

/* The program sinode. */
extern const sn_program sn_sinode;

/* The sn_config_command bit of a command that has parameters of its own, by name; 0: there is none. Local. */
int sn_command_reads(const char *name);

sn_status sn_command_generate(sn_app *app);
sn_status sn_command_train(sn_app *app);
sn_status sn_command_predict(sn_app *app);
sn_status sn_command_gradient(sn_app *app);
sn_status sn_command_lyapunov(sn_app *app);
sn_status sn_command_check(sn_app *app);
sn_status sn_command_status(sn_app *app);
sn_status sn_command_info(sn_app *app);
sn_status sn_command_template(sn_app *app);
sn_status sn_command_schema(sn_app *app);
sn_status sn_command_explain(sn_app *app);
sn_status sn_command_selftest(sn_app *app);

#endif
