#include "memory_estimate.h"

#include <math.h>

#include "sinode/memory.h"
#include "sinode/mpi_library.h"

double sn_memory_of_libraries(void) { return (double)(sn_memory_resident_peak() - sn_memory_peak_bytes()); }

double sn_memory_estimate_peak(const sn_parameters *parameters, double arrays, double libraries) {
  double largest = 0;
  for (int i = 0; i < sn_parameters_blocks(parameters); i++) {
    const sn_parameter_block *block = sn_parameters_block(parameters, i);
    double size = sizeof(double);
    for (int d = 0; d < block->dimensions; d++) size *= (double)block->shape[d];
    largest = fmax(largest, size);
  }
  return libraries + arrays + sn_mpi_library_memory(largest);
}
