#include "memory_estimate.h"

#include <math.h>

#include "sinode/memory.h"

double sn_memory_of_libraries(void) { return (double)(sn_memory_resident_peak() - sn_memory_peak_bytes()); }

double sn_memory_estimate_peak(const sn_parameters *parameters, double arrays, double libraries) {
  /* Measured with OpenMPI and HDF5 of Debian 12: their buffers, and the array under way to a file, of which OpenMPI
     collects up to 32 MiB on a rank, and again when it is read back. */
  const double mebibyte = 1048576;
  double written = 0;
  for (int i = 0; i < sn_parameters_blocks(parameters); i++) {
    const sn_parameter_block *block = sn_parameters_block(parameters, i);
    double size = sizeof(double);
    for (int d = 0; d < block->dimensions; d++) size *= (double)block->shape[d];
    written = fmax(written, fmin(size, 32 * mebibyte));
  }
  return libraries + arrays + 8 * mebibyte + 2 * written;
}
