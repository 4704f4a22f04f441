#include "stop_signal.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

/* A handler can reach nothing but a global. */
static volatile sig_atomic_t received;

static void handle(int number) {
  if (received) _exit(128 + number);
  received = number;
}

void sn_stop_signal_install(void) {
  static const int numbers[] = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGXCPU};
  struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
  received = 0; /* of an earlier run in this process */
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) sigaction(numbers[i], &action, NULL);
}

int sn_stop_signal(void) { return received; }
