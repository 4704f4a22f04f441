/*
 * What all files share. A file appears complete or not at all: it is written as NAME.tmp, synced, read back and
 * renamed. Every file says what it is and where it comes from in its root attributes.
 *
 * Functions on files are collective over the communicator or grid they are given, unless they say "local"; what fails
 * on one rank fails on all. Errors are SN_ERROR_FILE and name the file and the object.
 */
#ifndef SINODE_FILE_H
#define SINODE_FILE_H

#include <mpi.h>
#include <stdbool.h>
#include <stdio.h>

#include "sinode/error.h"

/* Where a file comes from; all become root attributes. */
typedef struct {
  const char *title;
  const char *config;       /* the parameters in force, as YAML */
  const char *command_line; /* for `history`, behind the date */
  const char *held_out;     /* of models: the data kept for validation, in words; NULL: nothing to say */
} sn_provenance;

/* Makes a directory and those above it. Local. Error: it cannot be made, or is a file. */
SN_MUST_CHECK sn_status sn_file_make_directory(const char *path);

/* The same for the folder that a file is in. */
SN_MUST_CHECK sn_status sn_file_make_folder_of(const char *path);

/* Renames a file that is on disk, and has its new name on disk too. Local: for one rank. */
SN_MUST_CHECK sn_status sn_file_rename(const char *from, const char *to);

/*
 * Whether HDF5 could not close a file of this rank, as where the system refuses to set its size. HDF5's own end, in
 * MPI_Finalize, would crash over it. Local.
 */
bool sn_file_is_stuck(void);

/* The parameters in force when a file of a kind ("checkpoint", ...) was written, as YAML, into text. */
SN_MUST_CHECK sn_status sn_file_read_config(MPI_Comm comm, const char *path, const char *kind, char *text, size_t size);

/*
 * Prints what a file is: kind, provenance, every dataset with shape and attributes, how far a run had come. Rank 0 of
 * comm prints.
 */
SN_MUST_CHECK sn_status sn_file_describe(MPI_Comm comm, const char *path, FILE *stream);

#endif
