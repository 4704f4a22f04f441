/* Benchmark files: one row a measurement, its name along the dimension `case`. */
#ifndef SINODE_BENCHMARK_FILE_H
#define SINODE_BENCHMARK_FILE_H

#include "sinode/error.h"
#include "sinode/file.h"

enum { SN_BENCHMARK_NAME = 64 };

/* Seconds of one call, the slowest rank's; of its bare floor, NaN where there is none. */
typedef struct {
  char name[SN_BENCHMARK_NAME], floor_name[SN_BENCHMARK_NAME];
  double median, least, most;
  double floor_median, floor_least, floor_most;
  double ratio; /* median over floor's median */
} sn_benchmark_row;

/* Collective over comm; rows are the same on all ranks. Errors are those of sinode/file.h. */
sn_status sn_benchmark_file_write(MPI_Comm comm, const char *path, int rows, const sn_benchmark_row *row,
                                  const sn_provenance *provenance);

#endif
