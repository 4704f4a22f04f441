#include "benchmark.h"

const char sn_benchmark_summary[] = "times kernels and whole steps, each beside its bare work";

const char sn_benchmark_help[] =
    "Reads the sections grid, parallel, model, integrator and train; needs no data. Prints medians, baselines and "
    "ratios,\n"
    "messages and bytes, and writes benchmark.csv and benchmark_regions.csv into run.directory.\n"
    "  --machine   measures what the machine can do: products, memory, transforms, messages; alternately with what\n"
    "              benchmark.only names, or nothing else\n"
    "  --model RANKS[xSPACE],...\n"
    "              measures nothing, but prints as CSV what the steps send and work by formula, on so many ranks,\n"
    "              SPACE of which share a grid (if not given, parallel.space)";

const sn_option sn_benchmark_options[] = {
    {.name = "--machine", .type = SN_OPTION_FLAG, .member = offsetof(sn_app, machine)},
    {.name = "--model",
     .type = SN_OPTION_TEXT,
     .member = offsetof(sn_app, model),
     .value = "RANKS or RANKSxSPACE, or several with commas between,"},
    {.name = NULL},
};
