/* sinode status: where a run stands, in two words that a job script can read. */
#include <stdio.h>

#include "commands.h"
#include "status_file.h"

static sn_status say(const sn_app *app) {
  sn_run_state state;
  int64_t step;
  bool found;
  SN_TRY(sn_status_file_read(app->config.run.directory, &found, &state, &step));
  printf("%s %lld\n", found ? sn_run_state_name(state) : "none", found ? (long long)step : 0);
  return SN_OK;
}

sn_status sn_command_status(sn_app *app) { return sn_agree(app->world, app->rank == 0 ? say(app) : SN_OK); }
