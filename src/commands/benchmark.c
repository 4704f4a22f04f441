/* sinode benchmark: what the program sinode-bench does. */
#include "run/benchmark.h"

#include "commands.h"

const sn_command sn_command_benchmark = {.name = "benchmark",
                                         .operand = "CONFIG.yaml",
                                         .summary = sn_benchmark_summary,
                                         .help = sn_benchmark_help,
                                         .reads = SN_FOR_BENCHMARK,
                                         .options = sn_benchmark_options,
                                         .program = "sinode-bench"};
