/* sinode COMMAND CONFIG.yaml [--set section.key=value]... [--quiet]: reads the command line, runs the command, reports.
 */
#include <cblas.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app.h"
#include "sinode/memory.h"
#include "sinode_version.h"
#include "spelling.h"

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
    {"benchmark", "CONFIG.yaml", "times kernels and whole steps, each beside its bare floor",
     "Reads the sections grid, parallel, model, integrator and train; needs no data. Prints medians, floors and "
     "ratios,\n"
     "messages and bytes, and writes benchmark.csv into run.directory.",
     SN_FOR_BENCHMARK, sn_command_benchmark},
    {"check", "CONFIG.yaml", "dry run: process grid, memory, solver, messages; runs nothing",
     "Validates the parameters and says what a run on this number of ranks would do and need.\n"
     "  --io      writes files of the run's shape where the run would, syncs, reads them back and compares; says how fast",
     SN_FOR_ALL,
     sn_command_check},
    {"info", "FILE|RUN_DIRECTORY", "says what a file or a run directory is", "Prints kind, shapes and provenance.", 0,
     sn_command_info},
    {"template", "COMMAND", "a complete commented parameter file for a command",
     "Prints every key that the command reads, with its default; for check, those of all commands.", 0,
     sn_command_template},
    {"explain", "SECTION.KEY", "one key of the parameter file: type, unit, range, default, example",
     "Takes a key such as train.batch, or a section.", 0, sn_command_explain},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void print_usage(FILE *stream) {
  fputs(
      "sinode: trains semi-implicit neural ODEs on the Kuramoto-Sivashinsky equation, in parallel\n\n"
      "  sinode COMMAND CONFIG.yaml [--set section.key=value]... [--quiet] [--overwrite]\n"
      "  mpirun -n RANKS sinode COMMAND CONFIG.yaml ...\n"
      "  sinode --help | --version | COMMAND --help\n\ncommands:\n",
      stream);
  for (int i = 0; i < COMMANDS; i++)
    fprintf(stream, "  %-9s %-18s %s\n", commands[i].name, commands[i].operand, commands[i].summary);
  fputs(
      "\noptions:\n"
      "  --set section.key=value   takes the place of the value in the parameter file; may be repeated\n"
      "  --quiet                   prints warnings and errors only\n"
      "  --overwrite               replaces existing output files of another run\n\n"
      "exit status: 0 done; 1 the run failed; 2 bad usage or parameter; 3 a file cannot be read or written;\n"
      "75 stopped by a signal or the time limit after a checkpoint: run the same command again to go on\n\n"
      "Start with `sinode template train > train.yaml`.\n",
      stream);
}

static void print_command_help(const sn_command *command) {
  printf("sinode %s %s: %s\n\n%s\n", command->name, command->operand, command->summary, command->help);
  if (command->reads)
    printf(
        "\n  --set section.key=value   takes the place of the value in the parameter file; may be repeated\n"
        "  --quiet                   prints warnings and errors only\n"
        "  --overwrite               replaces existing output files of another run\n\n"
        "`sinode template %s` prints the parameters with their defaults, `sinode explain KEY` one of them.\n",
        command->name);
}

static const sn_command *find_command(const char *name) {
  for (int i = 0; i < COMMANDS; i++)
    if (strcmp(commands[i].name, name) == 0) return &commands[i];
  return NULL;
}

static sn_status unknown_command(const char *name) {
  for (int i = 0; i < COMMANDS; i++)
    if (sn_spelling_distance(name, commands[i].name) <= 2)
      return SN_ERROR_ALL(SN_ERROR_USAGE, "unknown command '%s'; did you mean %s?", name, commands[i].name);
  return SN_ERROR_ALL(SN_ERROR_USAGE, "unknown command '%s'; see sinode --help for what there is", name);
}

/* The command line, taken apart. */
typedef struct {
  const sn_command *command;
  const char *operand;
  const char *settings[256];
  int setting_count;
  bool help, version, quiet, overwrite, check, io;
} command_line;

static sn_status parse_command_line(int argc, char **argv, command_line *line) {
  *line = (command_line){0};
  for (int i = 1; i < argc; i++) {
    const char *word = argv[i];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
      line->help = true;
    } else if (strcmp(word, "--version") == 0) {
      line->version = true;
    } else if (strcmp(word, "--quiet") == 0) {
      line->quiet = true;
    } else if (strcmp(word, "--overwrite") == 0) {
      line->overwrite = true;
    } else if (strcmp(word, "--check") == 0) {
      line->check = true;
    } else if (strcmp(word, "--io") == 0) {
      line->io = true;
    } else if (strcmp(word, "--set") == 0 || strncmp(word, "--set=", 6) == 0) {
      if (word[5] == '\0' && i + 1 == argc)
        return SN_ERROR_ALL(SN_ERROR_USAGE, "--set needs section.key=value after it");
      if (line->setting_count == (int)(sizeof line->settings / sizeof line->settings[0]))
        return SN_ERROR_ALL(SN_ERROR_USAGE, "more than %d --set options; put them into the parameter file",
                            line->setting_count);
      line->settings[line->setting_count++] = word[5] ? word + 6 : argv[++i];
    } else if (word[0] == '-') {
      return SN_ERROR_ALL(SN_ERROR_USAGE, "unknown option '%s'; see sinode --help", word);
    } else if (!line->command) {
      line->command = find_command(word);
      if (!line->command) return unknown_command(word);
    } else if (!line->operand) {
      line->operand = word;
    } else {
      return SN_ERROR_ALL(SN_ERROR_USAGE, "unexpected argument '%s' after '%s'; values are given by --set key=value",
                          word, line->operand);
    }
  }
  if (line->help || line->version) return SN_OK;
  if (!line->command) return SN_ERROR_ALL(SN_ERROR_USAGE, "no command given; see sinode --help for what there is");
  if (!line->operand)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "%s needs %s; see sinode %s --help", line->command->name,
                        line->command->operand, line->command->name);
  if (line->check && line->command->run != sn_command_gradient)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "--check belongs to the command gradient");
  if (line->io && line->command->run != sn_command_check)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "--io belongs to the command check");
  return SN_OK;
}

/* Rank 0's copy of the whole file in memory. */
static sn_status slurp(const char *path, char **text, long *length) {
  FILE *file = fopen(path, "rb");
  if (!file) return SN_ERROR(SN_ERROR_FILE, "%s: cannot be read: %s", path, strerror(errno));
  sn_status status = SN_OK;
  if (fseek(file, 0, SEEK_END) != 0 || (*length = ftell(file)) < 0 || fseek(file, 0, SEEK_SET) != 0 ||
      *length > 1L << 24)
    status = SN_ERROR(SN_ERROR_FILE, "%s: is not a parameter file (a folder, a pipe, or larger than 16 MiB)", path);
  if (!status) status = SN_NEW(*length + 1, text);
  if (!status && fread(*text, 1, (size_t)*length, file) != (size_t)*length)
    status = SN_ERROR(SN_ERROR_FILE, "%s: cannot be read: %s", path, strerror(errno));
  fclose(file);
  return status;
}

/* One rank reads and all parse the same bytes, so that they agree on what is wrong with them. */
static sn_status read_config(sn_app *app, const command_line *line) {
  char *text = NULL;
  long length = 0;
  SN_TRY(sn_agree(app->world, app->rank == 0 ? slurp(line->operand, &text, &length) : SN_OK));
  MPI_Bcast(&length, 1, MPI_LONG, 0, app->world);
  SN_TRY(sn_agree(app->world, app->rank ? SN_NEW(length + 1, &text) : SN_OK));
  MPI_Bcast(text, (int)length, MPI_CHAR, 0, app->world);
  sn_status status = sn_config_parse(line->operand, text, (size_t)length, line->settings, line->setting_count,
                                     (sn_config_command)line->command->reads, &app->config);
  sn_memory_give(&text);
  if (status) return sn_error_collective(status);
  return sn_config_echo(&app->config, &app->echo);
}

static void keep_command_line(sn_app *app, int argc, char **argv) {
  size_t used = 0;
  for (int i = 0; i < argc && used < sizeof app->command_line; i++)
    used += (size_t)snprintf(app->command_line + used, sizeof app->command_line - used, "%s%s", i ? " " : "",
                             i ? argv[i] : "sinode");
}

/* Threads of the BLAS in this rank; more than the node has cores for make everything slower. */
static void set_threads(sn_app *app) {
  const int64_t threads = app->config.parallel.threads;
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  MPI_Comm node;
  int ranks;
  openblas_set_num_threads((int)threads);
  MPI_Comm_split_type(app->world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
  MPI_Comm_size(node, &ranks);
  MPI_Comm_free(&node);
  if (threads > 1 && ranks * threads > cores)
    sn_log_warning(app->log, "%d ranks on a node of %ld cores with parallel.threads %lld each: %ld would do", ranks,
                   cores, (long long)threads, cores / ranks > 1 ? cores / ranks : 1);
}

static sn_status run(sn_app *app, int argc, char **argv) {
  command_line line;
  SN_TRY(parse_command_line(argc, argv, &line));
  if (line.version || line.help) {
    if (app->rank) return SN_OK;
    if (line.version)
      printf("sinode %s (%s, %s)\n", SINODE_VERSION, SINODE_COMMIT, SINODE_COMPILER);
    else if (line.command)
      print_command_help(line.command);
    else
      print_usage(stdout);
    return SN_OK;
  }
  app->argument = line.operand;
  app->overwrite = line.overwrite;
  app->check = line.check;
  app->io = line.io;
  keep_command_line(app, argc, argv);
  SN_TRY(sn_log_create(app->rank == 0, line.quiet, &app->log));
  SN_TRY(sn_timer_create(&app->timer));
  if (line.command->reads) {
    SN_TRY(read_config(app, &line));
    set_threads(app);
  }
  SN_TRY(line.command->run(app));
  if (line.command->reads && sn_log_speaks(app->log)) putchar('\n');
  if (line.command->reads && line.command->run != sn_command_check && !line.quiet)
    sn_timer_print(app->timer, app->world, stdout);
  return SN_OK;
}

/*
 * An error all ranks share is printed once. One that a single rank raised without the others knowing is printed by that
 * rank, which then ends them all: better than a hang.
 */
static int report(const sn_app *app, sn_status *status) {
  const int code = sn_error_get_code(*status);
  const bool shared = sn_error_is_collective(*status) || app->ranks == 1;
  const char *severity = code == SN_ERROR_STOPPED ? "" : "error: ";
  if (shared && app->rank == 0) fprintf(stderr, "sinode: %s%s\n", severity, sn_error_get_message(*status));
  if (!shared) fprintf(stderr, "sinode: error: rank %d: %s\n", app->rank, sn_error_get_message(*status));
  if (getenv("SINODE_TRACE") && (app->rank == 0 || !shared)) fprintf(stderr, "%s\n", sn_error_get_trace(*status));
  fflush(NULL);
  if (!shared) MPI_Abort(MPI_COMM_WORLD, code);
  sn_error_destroy(status);
  return code;
}

int main(int argc, char **argv) {
  /* OpenMPI's default way of writing files in parallel (fcoll/vulcan) has corrupted data in 4.1; this one has not. */
  setenv("OMPI_MCA_fcoll", "dynamic_gen2", 0);
  signal(SIGXFSZ, SIG_IGN); /* a file beyond the limit set on sizes is an error of the write, not the end */
  MPI_Init(&argc, &argv);
  sn_app app = {.world = MPI_COMM_WORLD, .started = sn_clock()};
  MPI_Comm_rank(app.world, &app.rank);
  MPI_Comm_size(app.world, &app.ranks);
  sn_status status = run(&app, argc, argv);
  int code = status ? report(&app, &status) : 0;
  for (int k = 0; k < 2; k++) sn_lock_release(&app.locks[k]);
  free(app.echo);
  sn_timer_destroy(&app.timer);
  sn_log_destroy(&app.log);
  MPI_Finalize();
  return code;
}
