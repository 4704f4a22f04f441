/* sinode status: state and step of a run, for job scripts. */
#include <stdio.h>
#include <unistd.h>

#include "commands.h"
#include "run/run_directory.h"
#include "run/status_file.h"

static sn_status report(const sn_app *app) {
  char path[SN_RUN_PATH];
  sn_run_status status;
  sn_run_path(app, "status.json", path);
  if (access(path, F_OK) != 0) {
    puts("none 0");
    return SN_OK;
  }
  SN_TRY(sn_status_file_read(app->config.run.directory, &status));
  if (!*status.state)
    return SN_ERROR(SN_ERROR_FILE, "%s: is not the status of a run; if the run goes on, it will be replaced", path);
  printf("%s %lld\n", status.state, (long long)status.progress.step);
  return SN_OK;
}

static sn_status run_status(sn_app *app) {
  app->times = false; /* two words and nothing else */
  return sn_collective_status(app->world, app->rank == 0 ? report(app) : SN_OK);
}

const sn_command sn_command_status = {.name = "status",
                                      .operand = "CONFIG.yaml",
                                      .summary = "state and step of the run, for job scripts",
                                      .help =
                                          "Prints two words of run.directory's status.json: running, checkpointed, "
                                          "complete or failed, and the iterations\n"
                                          "(train) or time steps (generate) done; `none 0` where there is none.",
                                      .reads = SN_FOR_ALL,
                                      .run = run_status};
