#include "sinode/mpi_library.h"

#include <limits.h>
#include <math.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void sn_mpi_library_prepare(void) {
#ifdef OPEN_MPI
  /* The default way of writing files in parallel (fcoll/vulcan) has corrupted data in 4.1; this one has not. */
  setenv("OMPI_MCA_fcoll", "dynamic_gen2", 0);
  /* Shared positions in files, which nobody here uses: this way of them puts a path into 256 bytes, however long, and
     hangs where the disk is full. */
  setenv("OMPI_MCA_sharedfp", "^lockedfile", 0);
  if (sn_mpi_library_was_launched()) return;
  /* A process that no launcher has started is the only one and needs no network, for which Open MPI would look around
     for a quarter of a second, nor a list of the machine's devices, which takes a third of the rest. */
  setenv("OMPI_MCA_pml", "ob1", 0);
  setenv("OMPI_MCA_btl", "self", 0);
  setenv("HWLOC_COMPONENTS", "-pci,-linuxio", 0);
#endif
}

/* MPICH over UCX leaves it without a buffer: every printf is then a write, and why one failed is lost until the end. */
void sn_mpi_library_restore_stdout(void) {
  static char buffer[BUFSIZ]; /* the C library takes none by itself where there was to be none */
  setvbuf(stdout, buffer, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF, sizeof buffer);
}

/* Of mpirun, PMIx, PMI (MPICH's mpiexec, srun --mpi=pmi2) and SLURM. MPI_Init sets some of them in every process. */
bool sn_mpi_library_was_launched(void) {
  static const char *const marks[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "PMI_FD", "SLURM_PROCID"};
  for (size_t k = 0; k < sizeof marks / sizeof marks[0]; k++)
    if (getenv(marks[k])) return true;
  return false;
}

/* "Open MPI v4.1.4, package: ..." and "MPICH Version:\t4.0.2\n..." */
void sn_mpi_library_name(char *text, size_t size) {
  char found[MPI_MAX_LIBRARY_VERSION_STRING];
  int length;
  MPI_Get_library_version(found, &length);
  const char *version = strpbrk(found, "0123456789");
  const int word = (int)strcspn(found, ",\n");
  const char *label = strstr(found, " Version:");
  if (version && label && label < version)
    snprintf(text, size, "%.*s %.*s", (int)(label - found), found, (int)strcspn(version, " \t\n,"), version);
  else if (version && version > found && version[-1] == 'v' && version - found < word)
    snprintf(text, size, "%.*s%.*s", (int)(version - found) - 1, found, (int)strcspn(version, " \t\n,"), version);
  else
    snprintf(text, size, "%.*s", word, found);
}

#ifdef OPEN_MPI
/* The parts that have been loaded; none is seen where the library is linked statically. */
const char *sn_mpi_library_io(char *text, size_t size) {
  char line[1024], collective[160] = "";
  bool romio = false;
  FILE *maps = fopen("/proc/self/maps", "r");
  *text = '\0';
  while (maps && fgets(line, sizeof line, maps)) {
    const char *name = strstr(line, "mca_fcoll_");
    if (strstr(line, "mca_io_romio")) romio = true;
    if (!name || !strstr(line, "r-xp")) continue;
    name += strlen("mca_fcoll_");
    const size_t used = strlen(collective);
    snprintf(collective + used, sizeof collective - used, "%s%.*s", used ? ", " : "", (int)strcspn(name, "."), name);
  }
  if (maps) fclose(maps);
  if (*collective)
    snprintf(text, size, "ompio (%s)", collective);
  else if (romio)
    snprintf(text, size, "romio");
  return strstr(collective, "vulcan")
             ? "OMPI_MCA_fcoll allows vulcan, Open MPI's way of collective writing that has corrupted files before "
               "4.1.7; leave the choice to sinode, or set it to dynamic_gen2"
             : NULL;
}

/*
 * sharedfp/sm guards the shared position of every file it opens, which HDF5 does not use, by a semaphore named after
 * the last part of the path alone. Ranks killed while they hold it leave it behind, and whoever opens a file of that
 * name would wait for ever.
 */
void sn_mpi_library_forget(const char *path) {
  char name[NAME_MAX + 16];
  const char *slash = strrchr(path, '/');
  if (snprintf(name, sizeof name, "/OMPIO_%s", slash ? slash + 1 : path) < (int)sizeof name) sem_unlink(name);
}
#else
const char *sn_mpi_library_io(char *text, size_t size) {
#ifdef MPICH_VERSION
  snprintf(text, size, "romio");
#else
  if (size) *text = '\0';
#endif
  return NULL;
}

void sn_mpi_library_forget(const char *path) { (void)path; }
#endif

/*
 * ROMIO lets each rank write its own part of a collective write where the parts do not overlap; a rank whose write
 * failed then learns of it alone, leaves HDF5's collective call, and the others wait for it for ever. By way of the
 * ranks that collect, which tell all, it does not. Open MPI's ompio does not know the hint.
 */
MPI_Info sn_mpi_library_hints(void) {
  MPI_Info hints;
  MPI_Info_create(&hints);
  MPI_Info_set(hints, "romio_cb_write", "enable");
  return hints;
}

/* Measured with the libraries of Debian 12 and their HDF5: buffers, and the array under way to a file. */
double sn_mpi_library_memory(double largest) {
  const double mebibyte = 1048576;
#ifdef OPEN_MPI
  return 8 * mebibyte + 2 * fmin(largest, 32 * mebibyte); /* collected on a rank, and again when it is read back */
#else
  return 9 * mebibyte + fmin(6 * largest, 25 * mebibyte); /* of arrays from 5 to 50 MiB it is the same */
#endif
}
