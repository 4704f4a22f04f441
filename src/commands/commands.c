#include "commands.h"

#include <string.h>

#include "run/benchmark.h"

static const sn_option gradient_options[] = {
    {.name = "--check", .type = SN_OPTION_FLAG, .member = offsetof(sn_app, check)}, {.name = NULL}};

static const sn_option check_options[] = {{.name = "--io", .type = SN_OPTION_FLAG, .member = offsetof(sn_app, io)},
                                          {.name = "--ranks",
                                           .type = SN_OPTION_RANKS,
                                           .member = offsetof(sn_app, estimated_ranks),
                                           .value = "a number of ranks",
                                           .advice = "mpirun -n starts ranks"},
                                          {.name = NULL}};

static const sn_command commands[] = {
    {.name = "generate",
     .operand = "CONFIG.yaml",
     .summary = "Kuramoto-Sivashinsky trajectories (Fourier pseudo-spectral, ETDRK4)",
     .help = "Reads the sections run, grid, parallel and generate; writes the trajectory file generate.file.",
     .reads = SN_FOR_GENERATE,
     .run = sn_command_generate},
    {.name = "train",
     .operand = "CONFIG.yaml",
     .summary = "trains the model on trajectory windows",
     .help =
         "Reads train.data; writes model.h5, best.h5, checkpoints/, history.csv and config.yaml into run.directory.\n"
         "Run it again to go on from the newest checkpoint (train.resume: auto).",
     .reads = SN_FOR_TRAIN,
     .run = sn_command_train},
    {.name = "predict",
     .operand = "CONFIG.yaml",
     .summary = "rolls a trained model out and compares it with a reference",
     .help = "Reads predict.model and predict.data; writes predict.file: the prediction, the reference, rmse, nrmse "
             "and the\n"
             "valid time.",
     .reads = SN_FOR_PREDICT,
     .run = sn_command_predict},
    {.name = "gradient",
     .operand = "CONFIG.yaml",
     .summary = "one loss and gradient evaluation",
     .help = "Reads gradient.model and gradient.data; writes gradient.file. Every member of the data is one sample: "
             "its first\n"
             "snapshot is the initial state, the next train.window snapshots are the targets.\n"
             "  --check   compares the gradient with central differences in random directions",
     .reads = SN_FOR_GRADIENT,
     .run = sn_command_gradient,
     .options = gradient_options},
    {.name = "lyapunov",
     .operand = "CONFIG.yaml",
     .summary = "leading Lyapunov exponents of a model or of the equation",
     .help =
         "Reads lyapunov.model, or takes the model of the section model; prints the exponents with standard errors and "
         "the\n"
         "Kaplan-Yorke dimension, and writes lyapunov.file.",
     .reads = SN_FOR_LYAPUNOV,
     .run = sn_command_lyapunov},
    {.name = "benchmark",
     .operand = "CONFIG.yaml",
     .summary = sn_benchmark_summary,
     .help = sn_benchmark_help,
     .reads = SN_FOR_BENCHMARK,
     .options = sn_benchmark_options,
     .program = "sinode-bench"},
    {.name = "check",
     .operand = "CONFIG.yaml",
     .summary = "dry run: process grid, memory, solver, messages; runs nothing",
     .help =
         "Validates the parameters and says what a run on this number of ranks would do and need.\n"
         "  --io        writes files of the run's shape where the run would, syncs, reads them back and compares; says "
         "how\n"
         "              fast\n"
         "  --ranks N   says it for a run on N ranks, by formula, in no time",
     .reads = SN_FOR_ALL,
     .run = sn_command_check,
     .options = check_options},
    {.name = "status",
     .operand = "CONFIG.yaml",
     .summary = "state and step of the run, for job scripts",
     .help = "Prints two words of run.directory's status.json: running, checkpointed, complete or failed, and the "
             "iterations\n"
             "(train) or time steps (generate) done; `none 0` where there is none.",
     .reads = SN_FOR_ALL,
     .run = sn_command_status},
    {.name = "info",
     .operand = "FILE|RUN_DIRECTORY",
     .summary = "says what a file or a run directory is",
     .help = "Prints kind, shapes and provenance, and how far a run had come; of benchmark.csv, a table.",
     .run = sn_command_info},
    {.name = "template",
     .operand = "COMMAND",
     .summary = "a complete commented parameter file for a command",
     .help = "Prints every key that the command reads, with its default; for check, those of all commands.",
     .run = sn_command_template},
    {.name = "schema",
     .operand = "COMMAND|all",
     .summary = "a JSON Schema of the parameter file, for editors",
     .help = "Prints every key with type, range, default and help; keys that the command requires are required (all: "
             "none).\n"
             "Editors that know YAML complete and check by it: put `# yaml-language-server: $schema=sinode.json` first "
             "in the\n"
             "parameter file.",
     .run = sn_command_schema},
    {.name = "explain",
     .operand = "SECTION.KEY",
     .summary = "one key of the parameter file: type, unit, range, default, example",
     .help = "Takes a key such as train.batch, or a section.",
     .run = sn_command_explain},
    {.name = "selftest",
     .operand = "",
     .summary = "proves an installation, on any number of ranks, within a minute",
     .help =
         "Compares transforms, solvers, a trajectory and a gradient with what is known, at every split of the ranks; "
         "writes\n"
         "two small files into the present folder, reads them back and removes them. Status 0 if all is well, else 1.",
     .run = sn_command_selftest},
};

const sn_program sn_sinode = {
    .name = "sinode",
    .summary = "trains semi-implicit neural ODEs on the Kuramoto-Sivashinsky equation, in parallel",
    .commands = sizeof commands / sizeof commands[0],
    .command = commands,
    .closing = "Start with `sinode template train > train.yaml`."};

int sn_command_reads(const char *name) {
  for (int k = 0; k < sn_sinode.commands; k++)
    if (strcmp(commands[k].name, name) == 0 && commands[k].reads != SN_FOR_ALL) return commands[k].reads;
  return 0;
}
