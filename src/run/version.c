#include "version.h"

#include <cblas.h>
#include <fftw3.h>
#include <hdf5.h>
#include <mpi.h>

#include "sinode/mpi_library.h"
#include "sinode/version.h"

/* The instruction sets that this file was compiled for, and with it all others. */
static const char instructions[] =
    ""
#ifdef __SSE2__
    " sse2"
#endif
#ifdef __SSE4_2__
    " sse4.2"
#endif
#ifdef __AVX__
    " avx"
#endif
#ifdef __AVX2__
    " avx2"
#endif
#ifdef __FMA__
    " fma"
#endif
#ifdef __AVX512F__
    " avx512f"
#endif
#ifdef __ARM_NEON
    " neon"
#endif
#ifdef __ARM_FEATURE_SVE
    " sve"
#endif
    ;

void sn_version_print(const char *program, FILE *stream) {
  char library[MPI_MAX_LIBRARY_VERSION_STRING];
  unsigned major, minor, release;
  sn_mpi_library_name(library, sizeof library);
  H5get_libversion(&major, &minor, &release);
  fprintf(stream, "%s %s (%s, %s)\n", program, SINODE_VERSION, SINODE_COMMIT, SINODE_COMPILER);
  fprintf(stream, "build: %s: %s\n", SINODE_BUILD_TYPE, SINODE_BUILD_FLAGS);
  fprintf(stream, "instructions:%s\n", instructions[0] ? instructions : " the compiler's default");
  fprintf(stream, "MPI: %s (compiled with %s)\n", library, SINODE_BUILD_MPI);
  fprintf(stream, "HDF5: %u.%u.%u (compiled with %d.%d.%d)\n", major, minor, release, H5_VERS_MAJOR, H5_VERS_MINOR,
          H5_VERS_RELEASE);
  fprintf(stream, "FFTW: %s\n", fftw_version);
  fprintf(stream, "ScaLAPACK: %s\n", SINODE_BUILD_SCALAPACK);
  fprintf(stream, "BLAS: %s\n", openblas_get_config());
}
