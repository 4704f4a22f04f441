/* sinode status: where a run stands, in two words that a job script can read. */
#include <stdio.h>
#include <unistd.h>

#include "commands.h"
#include "run_directory.h"
#include "status_file.h"

static sn_status say(const sn_app *app) {
  char path[SN_CONFIG_PATH + 16];
  sn_run_status status = {.state = "none"};
  snprintf(path, sizeof path, "%s/status.json", app->config.run.directory);
  if (access(path, F_OK) == 0) SN_TRY(sn_status_file_read(app->config.run.directory, &status));
  printf("%s %lld\n", status.state, (long long)status.progress.step);
  return SN_OK;
}

sn_status sn_command_status(sn_app *app) { return sn_agree(app->world, app->rank == 0 ? say(app) : SN_OK); }
