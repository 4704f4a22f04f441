#include "stall.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

/* Ticks of the clock to the limit. Ticks are counted, not seconds: a suspended process gets one of those it misses. */
enum { TICKS = 10 };

/* A handler can reach nothing but globals. */
static volatile sig_atomic_t ticks;
static char last_words[400];
static size_t length;

static void tick(int number) {
  (void)number;
  if (++ticks <= TICKS) return;
  const ssize_t ignored = write(STDERR_FILENO, last_words, length);
  (void)ignored;
  _exit(SN_ERROR_RUN);
}

void sn_stall_watch(const sn_app *app) {
  const double limit = app->config.run.stall_limit, part = limit / TICKS;
  if (limit <= 0) return;
  char host[64] = "?";
  gethostname(host, sizeof host - 1);
  snprintf(
      last_words, sizeof last_words,
      "\nsinode: error: rank %d on %s: no step for %g s (run.stall_limit): a rank, a host or a file system does not "
      "answer; what is on disk stays, and the same command goes on from it\n",
      app->rank, host, limit);
  length = strlen(last_words);
  sn_stall_step();
  struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, NULL);
  struct timeval interval = {.tv_sec = (time_t)part};
  interval.tv_usec = (suseconds_t)((part - (double)interval.tv_sec) * 1e6);
  setitimer(ITIMER_REAL, &(struct itimerval){interval, interval}, NULL);
}

void sn_stall_step(void) { ticks = 0; }
