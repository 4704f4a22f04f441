/* sinode COMMAND CONFIG.yaml [--set section.key=value]... [--quiet]: reads the command line, runs the command, reports.
 */
#include <cblas.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "run/app.h"
#include "sinode/file.h"
#include "sinode/memory.h"
#include "sinode/version.h"

/* The command line, taken apart. */
typedef struct {
  const sn_command *command;
  const char *operand;
  const char *settings[256];
  int setting_count;
  bool help, version, quiet, overwrite, check, io, machine;
  int ranks; /* of --ranks; 0: not given */
} command_line;

static sn_status parse_ranks(const char *text, int *ranks) {
  char *end;
  const long value = text ? strtol(text, &end, 10) : 0;
  if (!text || *end || value < 1 || value > INT_MAX)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "--ranks needs a number of ranks after it, not '%s'", text ? text : "");
  *ranks = (int)value;
  return SN_OK;
}

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
    } else if (strcmp(word, "--ranks") == 0) {
      SN_TRY(parse_ranks(i + 1 < argc ? argv[i + 1] : NULL, &line->ranks));
      i++;
    } else if (strcmp(word, "--machine") == 0) {
      line->machine = true;
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
      SN_TRY(sn_command_find(word, &line->command));
    } else if (!line->operand && *line->command->operand) {
      line->operand = word;
    } else {
      return SN_ERROR_ALL(SN_ERROR_USAGE, "unexpected argument '%s' after '%s'; values are given by --set key=value",
                          word, line->operand ? line->operand : line->command->name);
    }
  }
  if (line->help || line->version) return SN_OK;
  if (!line->command) return SN_ERROR_ALL(SN_ERROR_USAGE, "no command given; see sinode --help for what there is");
  if (!line->operand && *line->command->operand)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "%s needs %s; see sinode %s --help", line->command->name,
                        line->command->operand, line->command->name);
  if (line->check && line->command != &sn_command_gradient)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "--check belongs to the command gradient");
  if (line->io && line->command != &sn_command_check)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "--io belongs to the command check");
  if (line->ranks && line->command != &sn_command_check)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "--ranks belongs to the command check; mpirun -n starts ranks");
  if (line->machine && line->command != &sn_command_benchmark)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "--machine belongs to the command benchmark");
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
  SN_TRY(sn_collective_status(app->world, app->rank == 0 ? slurp(line->operand, &text, &length) : SN_OK));
  MPI_Bcast(&length, 1, MPI_LONG, 0, app->world);
  SN_TRY(sn_collective_status(app->world, app->rank ? SN_NEW(length + 1, &text) : SN_OK));
  MPI_Bcast(text, (int)length, MPI_CHAR, 0, app->world);
  sn_status status = sn_config_parse(line->operand, text, (size_t)length, line->settings, line->setting_count,
                                     (sn_config_command)line->command->reads, &app->config);
  SN_FREE(text);
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
      sn_command_print_help(line.command);
    else
      sn_command_print_usage(stdout);
    return SN_OK;
  }
  app->argument = line.operand;
  app->overwrite = line.overwrite;
  app->check = line.check;
  app->io = line.io;
  app->dry = line.command == &sn_command_check;
  app->estimated_ranks = line.ranks;
  app->machine = line.machine;
  keep_command_line(app, argc, argv);
  SN_TRY(sn_log_create(app->rank == 0, line.quiet, app->terminal, &app->log));
  SN_TRY(sn_timer_create(&app->timer));
  if (line.command->reads) {
    SN_TRY(read_config(app, &line));
    set_threads(app);
  }
  SN_TRY(line.command->run(app));
  const bool logs = line.command->reads && line.command != &sn_command_status;
  if (logs && sn_log_speaks(app->log)) putchar('\n');
  if (logs && line.command != &sn_command_check && !line.quiet) sn_timer_print(app->timer, app->world, stdout);
  return SN_OK;
}

/* Prints an error that all ranks share, once; returns its code. */
static int report(const sn_app *app, sn_status *status) {
  const int code = sn_error_get_code(*status);
  const char *severity = code == SN_ERROR_STOPPED ? "" : "error: ";
  if (app->rank == 0) fprintf(stderr, "sinode: %s%s\n", severity, sn_error_get_message(*status));
  if (app->rank == 0 && getenv("SINODE_TRACE")) fprintf(stderr, "%s\n", sn_error_get_trace(*status));
  fflush(NULL);
  sn_error_destroy(status);
  return code;
}

/*
 * What was printed must have got through, as onto a full disk it does not. Rank 0 has printed. A reader that has gone,
 * or a stdout that was closed from the start, wants nothing.
 */
static int validate_printed(const sn_app *app, int code) {
  if (app->rank) return code;
  errno = 0;
  const bool failed = fflush(stdout) != 0 || ferror(stdout);
  if (!failed || errno == EPIPE || errno == EBADF) return code;
  fprintf(stderr, "sinode: error: stdout cannot be written: %s\n", errno ? strerror(errno) : "an earlier line failed");
  return code ? code : SN_ERROR_FILE;
}

/*
 * A process that no launcher has started is the only one and needs no network, for which Open MPI would look around for
 * a quarter of a second, nor a list of the machine's devices, which takes a third of the rest.
 */
static void start_fast_if_alone(void) {
  static const char *const launchers[] = {"PMIX_RANK", "PMI_RANK", "PMI_FD", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID"};
  for (size_t k = 0; k < sizeof launchers / sizeof *launchers; k++) {
    if (getenv(launchers[k])) return;
  }
  setenv("OMPI_MCA_pml", "ob1", 0);
  setenv("OMPI_MCA_btl", "self", 0);
  setenv("HWLOC_COMPONENTS", "-pci,-linuxio", 0);
}

int main(int argc, char **argv) {
  /* OpenMPI's default way of writing files in parallel (fcoll/vulcan) has corrupted data in 4.1; this one has not. */
  setenv("OMPI_MCA_fcoll", "dynamic_gen2", 0);
  /* Shared positions in files, which nobody here uses: this way of them puts a path into 256 bytes, however long, and
     hangs where the disk is full. */
  setenv("OMPI_MCA_sharedfp", "^lockedfile", 0);
  start_fast_if_alone();
  signal(SIGXFSZ, SIG_IGN); /* a file beyond the limit set on sizes is an error of the write, not the end */
  const bool terminal = sn_log_is_terminal();
  MPI_Init(&argc, &argv);
  sn_app app = {.world = MPI_COMM_WORLD, .terminal = terminal, .started = sn_clock()};
  MPI_Comm_rank(app.world, &app.rank);
  MPI_Comm_size(app.world, &app.ranks);
  sn_status status = sn_app_abort_unless_collective(&app, run(&app, argc, argv));
  sn_log_destroy(&app.log); /* ends the line it is in before the error is told */
  int code = status ? report(&app, &status) : 0;
  code = validate_printed(&app, code);
  for (int k = 0; k < 2; k++) sn_lock_release(&app.locks[k]);
  int stuck = sn_file_is_stuck();
  MPI_Allreduce(MPI_IN_PLACE, &stuck, 1, MPI_INT, MPI_MAX, app.world);
  if (stuck) MPI_Abort(app.world, code);
  free(app.echo);
  sn_timer_destroy(&app.timer);
  MPI_Finalize();
  return code;
}
