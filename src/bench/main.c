/* sinode-bench CONFIG.yaml [--set section.key=value]...: the program that `sinode benchmark` runs. */
#include "benchmark.h"

int main(int argc, char **argv) {
  static const sn_command command = {.name = "benchmark",
                                     .operand = "CONFIG.yaml",
                                     .summary = sn_benchmark_summary,
                                     .help = sn_benchmark_help,
                                     .reads = SN_FOR_BENCHMARK,
                                     .run = sn_benchmark_run,
                                     .options = sn_benchmark_options};
  static const sn_command *const commands[] = {&command};
  static const sn_program program = {
      .name = "sinode-bench", .summary = sn_benchmark_summary, .commands = 1, .command = commands};
  return sn_program_main(&program, argc, argv);
}
