/*
 * The parameter file and --set options: the first byte chooses the command, a zero byte ends the file and begins a
 * setting. What is accepted must echo to something that is accepted again and means the same.
 */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  MPI_Init(argc, argv);
  return 0;
}

static void validate_read_back(const sn_config *config, sn_config_command command) {
  char *text, before[64], now[64];
  sn_config again;
  if (sn_config_echo(config, &text)) abort();
  sn_status status = sn_config_parse("echo", text, strlen(text), NULL, 0, command, &again);
  if (status) {
    fprintf(stderr, "%s\n%s", sn_error_get_message(status), text);
    abort();
  }
  static const char *const sections[] = {"run",   "grid",    "parallel",   "fft",     "generate", "model",
                                         "train", "adjoint", "integrator", "predict", "gradient", "benchmark"};
  for (size_t k = 0; k < sizeof sections / sizeof sections[0]; k++)
    if (sn_config_difference(config, &again, sections[k], before, now, sizeof now)) abort();
  free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const sn_config_command commands[] = {SN_FOR_GENERATE, SN_FOR_TRAIN, SN_FOR_PREDICT, SN_FOR_GRADIENT,
                                               SN_FOR_BENCHMARK};
  if (size < 1 || size > 65536) return 0;
  const sn_config_command command = commands[data[0] % 5];
  char *text = malloc(size);
  const char *settings[8];
  int count = 0;
  sn_config config;
  memcpy(text, data + 1, size - 1);
  text[size - 1] = '\0';
  const size_t length = strlen(text);
  for (size_t k = length; k + 1 < size && count < 8; k += strlen(text + k) + 1)
    if (text[k + (k == length)]) settings[count++] = text + k + (k == length);
  sn_status status = sn_config_parse("fuzz", text, length, settings, count, command, &config);
  if (status)
    sn_error_destroy(&status);
  else
    validate_read_back(&config, command);
  free(text);
  return 0;
}
