/* What sinode and sinode-bench share of benchmarks: the command's description, and how benchmark.csv begins. */
#ifndef SINODE_RUN_BENCHMARK_H
#define SINODE_RUN_BENCHMARK_H

#include "program.h"

extern const char sn_benchmark_summary[], sn_benchmark_help[];
extern const sn_option sn_benchmark_options[];

/* The first line of benchmark.csv; characters of a name in it, with the last 0. */
#define SN_BENCHMARK_HEADER \
  "name,ranks,space,points,batch,seconds_median,seconds_min,seconds_max,floor_seconds,ratio,bytes,messages"
enum { SN_BENCHMARK_NAME = 32 };

#endif
