#include "commands.h"

#include <string.h>

#include "config/spelling.h"

static const sn_command commands[] = {
    {"generate", "CONFIG.yaml", "Kuramoto-Sivashinsky trajectories (Fourier pseudo-spectral, ETDRK4)",
     "Reads the sections run, grid, parallel and generate; writes the trajectory file generate.file.", SN_FOR_GENERATE,
     sn_command_generate},
    {"train", "CONFIG.yaml", "trains the model on trajectory windows",
     "Reads train.data; writes model.h5, best.h5, checkpoints/, history.csv and config.yaml into run.directory.\n"
     "Run it again to go on from the newest checkpoint (train.resume: auto).",
     SN_FOR_TRAIN, sn_command_train},
    {"predict", "CONFIG.yaml", "rolls a trained model out and compares it with a reference",
     "Reads predict.model and predict.data; writes predict.file: the prediction, the reference, rmse, nrmse and the\n"
     "valid time.",
     SN_FOR_PREDICT, sn_command_predict},
    {"gradient", "CONFIG.yaml", "one loss and gradient evaluation",
     "Reads gradient.model and gradient.data; writes gradient.file. Every member of the data is one sample: its first\n"
     "snapshot is the initial state, the next train.window snapshots are the targets.\n"
     "  --check   compares the gradient with central differences in random directions",
     SN_FOR_GRADIENT, sn_command_gradient},
    {"lyapunov", "CONFIG.yaml", "leading Lyapunov exponents of a model or of the equation",
     "Reads lyapunov.model, or takes the model of the section model; prints the exponents with standard errors and "
     "the\n"
     "Kaplan-Yorke dimension, and writes lyapunov.file.",
     SN_FOR_LYAPUNOV, sn_command_lyapunov},
    {"benchmark", "CONFIG.yaml", "times kernels and whole steps, each beside its bare work",
     "Reads the sections grid, parallel, model, integrator and train; needs no data. Prints medians, baselines and "
     "ratios,\n"
     "messages and bytes, and writes benchmark.csv and benchmark_regions.csv into run.directory.\n"
     "  --machine   measures what the machine can do: products, memory, transforms, messages; in turn with what\n"
     "              benchmark.only names, or nothing else",
     SN_FOR_BENCHMARK, sn_command_benchmark},
    {"check", "CONFIG.yaml", "dry run: process grid, memory, solver, messages; runs nothing",
     "Validates the parameters and says what a run on this number of ranks would do and need.\n"
     "  --io        writes files of the run's shape where the run would, syncs, reads them back and compares; says "
     "how\n"
     "              fast\n"
     "  --ranks N   says it for a run on N ranks, by formula, in no time",
     SN_FOR_ALL, sn_command_check},
    {"status", "CONFIG.yaml", "state and step of the run, for job scripts",
     "Prints two words of run.directory's status.json: running, checkpointed, complete or failed, and the iterations\n"
     "(train) or time steps (generate) done; `none 0` where there is none.",
     SN_FOR_ALL, sn_command_status},
    {"info", "FILE|RUN_DIRECTORY", "says what a file or a run directory is",
     "Prints kind, shapes and provenance, and how far a run had come; of benchmark.csv, a table.", 0, sn_command_info},
    {"template", "COMMAND", "a complete commented parameter file for a command",
     "Prints every key that the command reads, with its default; for check, those of all commands.", 0,
     sn_command_template},
    {"schema", "COMMAND|all", "a JSON Schema of the parameter file, for editors",
     "Prints every key with type, range, default and help; keys that the command requires are required (all: none).\n"
     "Editors that know YAML complete and check by it: put `# yaml-language-server: $schema=sinode.json` first in the\n"
     "parameter file.",
     0, sn_command_schema},
    {"explain", "SECTION.KEY", "one key of the parameter file: type, unit, range, default, example",
     "Takes a key such as train.batch, or a section.", 0, sn_command_explain},
    {"selftest", "", "proves an installation, on any number of ranks, within a minute",
     "Compares transforms, solvers, a trajectory and a gradient with what is known, at every split of the ranks; "
     "writes\n"
     "two small files into the present folder, reads them back and removes them. Status 0 if all is well, else 1.",
     0, sn_command_selftest},
};

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
const sn_command *sn_command_at(int index) { return &commands[index]; }
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
    fprintf(stream, "  %-9s %-18s %s\n", commands[i].name, commands[i].operand, commands[i].summary);
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
    if (strcmp(commands[i].name, name) == 0) {
      *command = &commands[i];
      return SN_OK;
    }
  for (int i = 0; i < COMMANDS; i++)
    if (sn_spelling_distance(name, commands[i].name) <= 2)
      return SN_ERROR_ALL(SN_ERROR_USAGE, "unknown command '%s'; did you mean %s?", name, commands[i].name);
  return SN_ERROR_ALL(SN_ERROR_USAGE, "unknown command '%s'; see sinode --help for what there is", name);
}
