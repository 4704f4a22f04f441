#include "commands.h"

#include <string.h>

#include "config/spelling.h"

#define ADDRESS(name) &sn_command_##name,
static const sn_command *const commands[] = {SN_COMMANDS(ADDRESS)};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const sn_command_term options[] = {
    {"--set section.key=value", "takes the place of the value in the parameter file; may be repeated"},
    {"--quiet", "prints warnings and errors only"},
    {"--overwrite", "replaces output files that are there already"},
    {NULL, NULL}};

static const sn_command_term statuses[] = {
    {"0", "done"},
    {"1", "the run failed: numerical blow-up, a solver that did not converge"},
    {"2", "bad usage or parameter"},
    {"3", "a file cannot be read or written, or is not what it should be"},
    {"75", "stopped by a signal or the time limit after a checkpoint: run the same command again to go on"},
    {NULL, NULL}};

int sn_commands(void) { return COMMANDS; }
const sn_command *sn_command_at(int index) { return commands[index]; }
const sn_command_term *sn_command_options(void) { return options; }
const sn_command_term *sn_command_statuses(void) { return statuses; }

static void print_terms(FILE *stream, const sn_command_term *term, int width) {
  for (; term->name; term++) fprintf(stream, "  %-*s %s\n", width, term->name, term->meaning);
}

void sn_command_print_usage(FILE *stream) {
  fputs(
      "sinode: trains semi-implicit neural ODEs on the Kuramoto-Sivashinsky equation, in parallel\n\n"
      "  sinode COMMAND CONFIG.yaml [--set section.key=value]... [--quiet] [--overwrite]\n"
      "  mpirun -n RANKS sinode COMMAND CONFIG.yaml ...\n"
      "  sinode --help | --version | COMMAND --help\n\ncommands:\n",
      stream);
  for (int i = 0; i < COMMANDS; i++)
    fprintf(stream, "  %-9s %-18s %s\n", commands[i]->name, commands[i]->operand, commands[i]->summary);
  fputs("\noptions:\n", stream);
  print_terms(stream, options, 25);
  fputs("\nexit status:\n", stream);
  print_terms(stream, statuses, 3);
  fputs("\nStart with `sinode template train > train.yaml`.\n", stream);
}

void sn_command_print_help(const sn_command *command) {
  printf("sinode %s %s: %s\n\n%s\n", command->name, command->operand, command->summary, command->help);
  if (!command->reads) return;
  putchar('\n');
  print_terms(stdout, options, 25);
  printf("\n`sinode template %s` prints the parameters with their defaults, `sinode explain KEY` one of them.\n",
         command->reads == SN_FOR_ALL ? "check" : command->name);
}

sn_status sn_command_find(const char *name, const sn_command **command) {
  for (int i = 0; i < COMMANDS; i++)
    if (strcmp(commands[i]->name, name) == 0) {
      *command = commands[i];
      return SN_OK;
    }
  for (int i = 0; i < COMMANDS; i++)
    if (sn_spelling_distance(name, commands[i]->name) <= 2)
      return SN_ERROR_ALL(SN_ERROR_USAGE, "unknown command '%s'; did you mean %s?", name, commands[i]->name);
  return SN_ERROR_ALL(SN_ERROR_USAGE, "unknown command '%s'; see sinode --help for what there is", name);
}
