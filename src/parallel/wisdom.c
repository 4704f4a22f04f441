#include "sinode/wisdom.h"

#include <errno.h>
#include <fftw3-mpi.h>
#include <stdlib.h>
#include <string.h>

#include "sinode/text_file.h"

static sn_status read_file(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) return errno == ENOENT ? SN_OK : SN_ERROR(SN_ERROR_FILE, "%s: cannot be read: %s", path, strerror(errno));
  const int understood = fftw_import_wisdom_from_file(file);
  fclose(file);
  return understood ? SN_OK
                    : SN_ERROR(SN_ERROR_FILE,
                               "%s: is not wisdom of this FFTW; remove it, and it is measured and written anew", path);
}

sn_status sn_wisdom_read(MPI_Comm comm, const char *path) {
  int rank;
  MPI_Comm_rank(comm, &rank);
  fftw_mpi_init(); /* before FFTW reads wisdom about distributed transforms */
  SN_TRY(sn_collective_status(comm, rank == 0 ? read_file(path) : SN_OK));
  fftw_mpi_broadcast_wisdom(comm);
  return SN_OK;
}

static sn_status write_file(const char *path) {
  char *known = fftw_export_wisdom_to_string();
  if (!known) return SN_ERROR(SN_ERROR_RUN, "out of memory while composing %s", path);
  sn_text text;
  sn_status status = sn_text_begin(&text);
  if (!status) {
    fputs(known, text.stream);
    status = sn_text_replace(&text, path);
  }
  free(known);
  return status;
}

sn_status sn_wisdom_write(MPI_Comm comm, const char *path) {
  int rank;
  MPI_Comm_rank(comm, &rank);
  fftw_mpi_gather_wisdom(comm);
  return sn_collective_status(comm, rank == 0 ? write_file(path) : SN_OK);
}

void sn_wisdom_share(MPI_Comm comm) {
  int rank;
  MPI_Comm_rank(comm, &rank);
  fftw_mpi_gather_wisdom(comm);
  if (rank != 0) fftw_forget_wisdom();
  fftw_mpi_broadcast_wisdom(comm);
}
