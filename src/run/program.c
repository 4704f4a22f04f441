#include "program.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command_line.h"
#include "config/spelling.h"
#include "sinode/mpi_library.h"
#include "version.h"

static const sn_term options[] = {
    {"--set section.key=value", "takes the place of the value in the parameter file; may be repeated"},
    {"--quiet", "prints warnings and errors only"},
    {"--overwrite", "replaces output files that are there already"},
    {NULL, NULL}};

static const sn_term statuses[] = {
    {"0", "done"},
    {"1", "the run failed: numerical blow-up, a solver that did not converge"},
    {"2", "bad usage or parameter"},
    {"3", "a file cannot be read or written, or is not what it should be"},
    {"75", "stopped by a signal or the time limit after a checkpoint: run the same command again to go on"},
    {NULL, NULL}};

const sn_term *sn_program_options(void) { return options; }
const sn_term *sn_program_statuses(void) { return statuses; }

static void print_terms(const sn_term *term, int width) {
  for (; term->name; term++) printf("  %-*s %s\n", width, term->name, term->meaning);
}

void sn_program_print_usage(const sn_program *program) {
  const char *name = program->name;
  const bool one = program->commands == 1;
  const char *command = one ? "" : "COMMAND ";
  printf("%s: %s\n\n", name, program->summary);
  printf("  %s %sCONFIG.yaml [--set section.key=value]... [--quiet] [--overwrite]\n", name, command);
  printf("  mpirun -n RANKS %s %sCONFIG.yaml ...\n", name, command);
  printf("  %s --help | --version%s\n", name, one ? "" : " | COMMAND --help");
  if (one)
    printf("\n%s\n", program->command[0]->help);
  else
    printf("\ncommands:\n");
  for (int i = 0; i < program->commands && !one; i++)
    printf("  %-9s %-18s %s\n", program->command[i]->name, program->command[i]->operand, program->command[i]->summary);
  printf("\noptions:\n");
  print_terms(options, 25);
  printf("\nexit status:\n");
  print_terms(statuses, 3);
  if (program->closing) printf("\n%s\n", program->closing);
}

void sn_program_print_help(const sn_program *program, const sn_command *command) {
  printf("%s %s %s: %s\n\n%s\n", program->name, command->name, command->operand, command->summary, command->help);
  if (!command->reads) return;
  putchar('\n');
  print_terms(options, 25);
  printf("\n`sinode template %s` prints the parameters with their defaults, `sinode explain KEY` one of them.\n",
         command->reads == SN_FOR_ALL ? "check" : command->name);
}

sn_status sn_program_find(const sn_program *program, const char *name, const sn_command **command) {
  for (int i = 0; i < program->commands; i++)
    if (strcmp(program->command[i]->name, name) == 0) {
      *command = program->command[i];
      return SN_OK;
    }
  for (int i = 0; i < program->commands; i++)
    if (sn_spelling_distance(name, program->command[i]->name) <= 2)
      return SN_ERROR_ALL(SN_ERROR_USAGE, "unknown command '%s'; did you mean %s?", name, program->command[i]->name);
  return SN_ERROR_ALL(SN_ERROR_USAGE, "unknown command '%s'; see %s --help for what there is", name, program->name);
}

/* Where this program is, with the slash behind it, and there the other one; false: the path is too long or unknown. */
static bool find_beside(const char *name, char *path, size_t size) {
  const ssize_t length = readlink("/proc/self/exe", path, size - 1);
  if (length < 0) return false;
  path[length] = '\0';
  char *last = strrchr(path, '/');
  if (!last || (size_t)(last + 1 - path) + strlen(name) >= size) return false;
  strcpy(last + 1, name);
  return true;
}

/* Replaces this process by the program that a command is of, with the same words but the command's; returns where there
 * is none. */
static void execute(const sn_command_line *line, int argc, char **argv) {
  char path[4096], name[64], **words = calloc((size_t)argc, sizeof *words); /* one fewer, and NULL */
  int count = 0;
  if (!words) return;
  snprintf(name, sizeof name, "%s", line->command->program);
  words[count++] = name;
  for (int i = 1; i < argc; i++)
    if (i != line->place) words[count++] = argv[i];
  if (find_beside(name, path, sizeof path)) execv(path, words);
  execvp(name, words);
  free(words);
}

/* Before MPI has started, which can be but once in a process. What is wrong with the command line is told later, by one
 * rank; so is that the other program is missing. */
static void delegate(const sn_program *program, int argc, char **argv) {
  sn_app app = {0};
  sn_command_line line;
  sn_status status = sn_command_line_parse(program, argc, argv, &app, &line);
  if (!status && !line.help && !line.version && line.command->program) execute(&line, argc, argv);
  sn_error_destroy(&status);
}

static void keep_command_line(const char *name, sn_app *app, int argc, char **argv) {
  size_t used = 0;
  for (int i = 0; i < argc && used < sizeof app->command_line; i++)
    used += (size_t)snprintf(app->command_line + used, sizeof app->command_line - used, "%s%s", i ? " " : "",
                             i ? argv[i] : name);
}

static sn_status run(const sn_program *program, sn_app *app, int argc, char **argv) {
  sn_command_line line;
  SN_TRY(sn_command_line_parse(program, argc, argv, app, &line));
  if (line.version || line.help) {
    if (app->rank) return SN_OK;
    if (line.version)
      sn_version_print(program->name, stdout);
    else if (line.command && program->commands > 1)
      sn_program_print_help(program, line.command);
    else
      sn_program_print_usage(program);
    return SN_OK;
  }
  if (!line.command->run)
    return SN_ERROR_ALL(SN_ERROR_FILE,
                        "%s is done by the program %s, which is neither beside sinode nor on the PATH: install the two "
                        "together (cmake --install does), or copy it there",
                        line.command->name, line.command->program);
  app->argument = line.operand;
  app->times = line.command->reads && !line.quiet;
  keep_command_line(program->name, app, argc, argv);
  SN_TRY(sn_log_create(app->rank == 0, line.quiet, app->terminal, &app->log));
  SN_TRY(sn_timer_create(&app->timer));
  if (line.command->reads)
    SN_TRY(sn_app_read_config(app, line.operand, line.settings, line.setting_count,
                              (sn_config_command)line.command->reads));
  SN_TRY(line.command->run(app));
  if (!app->times) return SN_OK;
  if (sn_log_speaks(app->log)) putchar('\n');
  sn_timer_print(app->timer, app->world, stdout);
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

int sn_program_main(const sn_program *program, int argc, char **argv) {
  delegate(program, argc, argv);
  sn_mpi_library_prepare();
  signal(SIGXFSZ, SIG_IGN); /* a file beyond the limit set on sizes is an error of the write, not the end */
  const bool terminal = sn_log_is_terminal();
  MPI_Init(&argc, &argv);
  sn_mpi_library_restore_stdout();
  sn_app app = {.world = MPI_COMM_WORLD, .terminal = terminal, .started = sn_clock()};
  MPI_Comm_rank(app.world, &app.rank);
  MPI_Comm_size(app.world, &app.ranks);
  sn_status status = sn_app_abort_unless_collective(&app, run(program, &app, argc, argv));
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
