/*
 * What depends on which MPI library this is, Open MPI or one that descends from MPICH: all of it is here. All local.
 */
#ifndef SINODE_MPI_LIBRARY_H
#define SINODE_MPI_LIBRARY_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>

/* Before MPI_Init: settings that files need, and that make a process alone start fast; those of the user stay. */
void sn_mpi_library_prepare(void);

/* After MPI_Init: undoes what the library has done to stdout. */
void sn_mpi_library_restore_stdout(void);

/* Whether a launcher has started this process. Known before MPI_Init, and not after. */
bool sn_mpi_library_was_launched(void);

/* Name and version of the library that runs: "Open MPI 4.1.4". */
void sn_mpi_library_name(char *text, size_t size);

/*
 * The part of MPI-IO that works on files, "ompio (dynamic_gen2)" or "romio"; empty if it is not known. Returns a
 * warning, or NULL. Open MPI loads its part when the first file is opened.
 */
const char *sn_mpi_library_io(char *text, size_t size);

/* Before a file is opened, by one rank: removes what killed ranks may have left that would stop those who open it. */
void sn_mpi_library_forget(const char *path);

/* Hints with which files are opened; to be freed by MPI_Info_free. */
MPI_Info sn_mpi_library_hints(void);

/* Bytes that a rank's library takes while the program runs, where files have arrays of at most `largest` bytes. */
double sn_mpi_library_memory(double largest);

#endif
