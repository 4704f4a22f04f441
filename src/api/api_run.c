/* Commands of the program within another: what src/run/program.c does around them, but for the end of the process. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cblas.h>

#include "api.h"
#include "commands/commands.h"
#include "run/lock.h"
#include "sinode/file.h"
#include "sinode/mpi_library.h"

/* Those that a run or a write sets handlers for. */
static const int signals[] = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGXCPU, SIGXFSZ};
enum { SIGNALS = sizeof signals / sizeof *signals };

/* What of the process a command changes, to be put back. */
typedef struct {
  struct sigaction action[SIGNALS];
  int threads; /* of the BLAS */
} surroundings;

static void keep(surroundings *kept) {
  for (int k = 0; k < SIGNALS; k++) sigaction(signals[k], NULL, &kept->action[k]);
  kept->threads = openblas_get_num_threads();
  signal(SIGXFSZ, SIG_IGN); /* a file beyond the limit set on sizes is an error of the write, not the end */
}

static void restore(const surroundings *kept) {
  for (int k = 0; k < SIGNALS; k++) sigaction(signals[k], &kept->action[k], NULL);
  openblas_set_num_threads(kept->threads);
}

static sn_status prepare(sn_app *app, const char *name, const char *config, int flags, const sn_command **command) {
  SN_TRY(sn_program_find(&sn_sinode, name, command));
  if (!(*command)->reads || !(*command)->run)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "the command %s takes no parameters, or is a program of its own", name);
  app->argument = "the parameters";
  app->overwrite = (flags & SINODE_OVERWRITE) != 0;
  app->started = sn_clock();
  snprintf(app->command_line, sizeof app->command_line, "libsinode %s", name);
  SN_TRY(sn_log_create(app->rank == 0, (flags & SINODE_QUIET) != 0, false, &app->log));
  SN_TRY(sn_timer_create(&app->timer));
  SN_TRY(sn_config_parse(app->argument, config, strlen(config), NULL, 0, (sn_config_command)(*command)->reads,
                         &app->config));
  app->config.run.stall_limit = 0; /* the end of the process is its own matter */
  openblas_set_num_threads(app->config.parallel.threads);
  return sn_config_echo(&app->config, &app->echo);
}

sinode_error *sinode_run(const MPI_Comm *world, const char *command, const char *config, int flags) {
  sn_app app = {.world = api_comm(world)};
  surroundings kept;
  const sn_command *found = NULL;
  MPI_Comm_rank(app.world, &app.rank);
  MPI_Comm_size(app.world, &app.ranks);
  keep(&kept);
  sn_mpi_library_prepare(); /* in time: the MPI library looks at what is for files when the first is opened */
  sn_status status = sn_collective_status(app.world, prepare(&app, command, config, flags, &found));
  if (!status) status = sn_app_abort_unless_collective(&app, found->run(&app));
  sn_log_destroy(&app.log);
  fflush(stdout);
  for (int k = 0; k < 2; k++) sn_lock_release(&app.locks[k]);
  free(app.echo);
  sn_timer_destroy(&app.timer);
  restore(&kept);
  return api_error(status);
}
