/*
 * A program: a table of commands, and what all of them begin and end with - the command line, the parameter file read
 * once and broadcast, threads, locks, the report of an error, the exit status.
 */
#ifndef SINODE_RUN_PROGRAM_H
#define SINODE_RUN_PROGRAM_H

#include <stdio.h>

#include "app.h"

/* An option of some command: a word that sets a member of sn_app. A table of them ends with a NULL name. */
typedef enum {
  SN_OPTION_FLAG,  /* bool */
  SN_OPTION_RANKS, /* int, a number of ranks after the word */
  SN_OPTION_TEXT   /* const char *, the word after it */
} sn_option_type;

typedef struct {
  const char *name;
  sn_option_type type;
  size_t member;      /* offsetof(sn_app, ...) */
  const char *value;  /* what must come after it, for the message where nothing does */
  const char *advice; /* behind the error that it is another command's, or NULL */
} sn_option;

typedef struct {
  const char *name, *operand, *summary, *help;
  int reads;                     /* sn_config_command bit of the parameters it wants; 0: it takes no parameter file */
  sn_status (*run)(sn_app *app); /* NULL: `program` does it */
  const sn_option *options;      /* of its own; NULL: none */
  const char *program;           /* the program that runs it, found beside this one or on the PATH */
} sn_command;

/* Those of one command take no name of it: PROGRAM OPERAND, not PROGRAM COMMAND OPERAND. */
typedef struct {
  const char *name, *summary;
  int commands;
  const sn_command *const *command;
  const char *closing; /* the last line of its help, or NULL */
} sn_program;

/* An option or an exit status, and what it means. */
typedef struct {
  const char *name, *meaning;
} sn_term;

/* Those of commands that read a parameter file; each ends with a NULL name. */
const sn_term *sn_program_options(void);
const sn_term *sn_program_statuses(void);

/* Error SN_ERROR_USAGE: there is none of that name; the message says which is near. Local, alike on all ranks. */
SN_MUST_CHECK sn_status sn_program_find(const sn_program *program, const char *name, const sn_command **command);

/* On stdout: of the program, of a command. */
void sn_program_print_usage(const sn_program *program);
void sn_program_print_help(const sn_program *program, const sn_command *command);

/* All of main: starts and ends MPI; returns the exit status. A command of another program replaces this process. */
int sn_program_main(const sn_program *program, int argc, char **argv);

#endif
