/* sinode benchmark: the measurements of src/bench. */
#include "bench/benchmark.h"

#include "commands.h"

const sn_command sn_command_benchmark = {
    .name = "benchmark",
    .operand = "CONFIG.yaml",
    .summary = "times kernels and whole steps, each beside its bare work",
    .help =
        "Reads the sections grid, parallel, model, integrator and train; needs no data. Prints medians, baselines and "
        "ratios,\n"
        "messages and bytes, and writes benchmark.csv and benchmark_regions.csv into run.directory.\n"
        "  --machine   measures what the machine can do: products, memory, transforms, messages; in turn with what\n"
        "              benchmark.only names, or nothing else",
    .reads = SN_FOR_BENCHMARK,
    .run = sn_benchmark_run};
