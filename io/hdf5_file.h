/*
 * HDF5 files on MPI-IO: opening and committing, attributes, datasets of which each rank has a part. Groups keep
 * creation order, so that netCDF tools can append to the files. Collective over the file's communicator unless "local".
 */
#ifndef SINODE_IO_HDF5_FILE_H
#define SINODE_IO_HDF5_FILE_H

#include <hdf5.h>
#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>

#include "sinode/file.h"

typedef struct sn_file sn_file;

/* Begins NAME.tmp for a file of a kind ("trajectory", ...), making the folders on the way to it. */
SN_MUST_CHECK sn_status sn_file_create(MPI_Comm comm, const char *path, const char *kind,
                                       const sn_provenance *provenance, sn_file **out);

/*
 * Syncs it to disk, reads back what sn_file_remember was given, and renames it to NAME. The file object is
 * gone afterwards, also on failure.
 */
SN_MUST_CHECK sn_status sn_file_commit(sn_file **file);

/* Syncs all that was written so far to disk, still under the temporary name, and reads it back. */
SN_MUST_CHECK sn_status sn_file_flush(sn_file *file);

/* Opens NAME.tmp, which an earlier run left, to write more into it. */
SN_MUST_CHECK sn_status sn_file_continue(MPI_Comm comm, const char *path, const char *kind, sn_file **out);

/* Closes a file that was being written and leaves it for sn_file_continue. NULL is allowed. */
void sn_file_leave(sn_file **file);

/* Opens an existing file for reading; kind NULL: any of ours. Error: missing, not HDF5, truncated, another kind. */
SN_MUST_CHECK sn_status sn_file_open(MPI_Comm comm, const char *path, const char *kind, sn_file **out);

/* Closes a file; one that was being written is removed. NULL is allowed. */
void sn_file_close(sn_file **file);

hid_t sn_file_id(const sn_file *file);
const char *sn_file_path(const sn_file *file);
MPI_Comm sn_file_comm(const sn_file *file);
const char *sn_file_kind(const sn_file *file); /* of the file as found */
double sn_file_bytes(const sn_file *file);     /* of a file opened for reading */

/* The access (of datasets, and of links) by which a path of a file that is read is followed: not into other files. */
hid_t sn_file_links(const sn_file *file);
bool sn_file_met_external_link(const sn_file *file);

/* Opens a group of a file that is read. Error: there is none. */
SN_MUST_CHECK sn_status sn_file_open_group(const sn_file *file, const char *path, hid_t *group);

/* The error for something that HDF5 refused: "PATH: what: HDF5's own reason". Local. */
SN_MUST_CHECK sn_status sn_file_error(const sn_file *file, const char *what);

/* Attributes of an object of the file. Reading: error if it is missing or of another type. */
SN_MUST_CHECK sn_status sn_file_set_string(sn_file *file, hid_t object, const char *name, const char *value);
SN_MUST_CHECK sn_status sn_file_set_int(sn_file *file, hid_t object, const char *name, long value);
SN_MUST_CHECK sn_status sn_file_set_double(sn_file *file, hid_t object, const char *name, double value);
bool sn_file_has(const sn_file *file, hid_t object, const char *name);

/* The same of a checksum of what is in the object, "checksum". Comparing: error if it is missing or another. */
SN_MUST_CHECK sn_status sn_file_set_checksum(sn_file *file, hid_t object, uint64_t sum);
SN_MUST_CHECK sn_status sn_file_compare_checksum(sn_file *file, hid_t object, uint64_t sum);
SN_MUST_CHECK sn_status sn_file_get_string(sn_file *file, hid_t object, const char *name, char *value, size_t size);
SN_MUST_CHECK sn_status sn_file_get_int(sn_file *file, hid_t object, const char *name, long *value);
SN_MUST_CHECK sn_status sn_file_get_double(sn_file *file, hid_t object, const char *name, double *value);

/* All numbers of an attribute, from one to `most`, read as the type `as` has them: what is rounded there is rounded. */
SN_MUST_CHECK sn_status sn_file_get_doubles(sn_file *file, hid_t object, const char *name, hid_t as, int most,
                                            double *values, int *count);

/* Reads all attributes of all objects, to see whether that can be done. Local. */
SN_MUST_CHECK sn_status sn_file_read_attributes(const sn_file *file);

/* Makes the groups on the way to a dataset: "/a/b/c" makes /a and /a/b. */
SN_MUST_CHECK sn_status sn_file_make_groups(sn_file *file, const char *path);

enum { SN_FILE_RANKS = 3 };

/* A part of a dataset: `dimensions` numbers each; count 0 anywhere: this rank takes part with nothing. */
typedef struct {
  int dimensions; /* 0: a scalar */
  hsize_t shape[SN_FILE_RANKS], start[SN_FILE_RANKS], count[SN_FILE_RANKS];
} sn_file_part;

/* A part's share in the checksum of the global array with the number `array` (sinode/checksum.h). Local. */
uint64_t sn_file_part_checksum(const sn_file_part *part, const void *values, uint64_t array);

/*
 * Has what this rank has written of a dataset compared with what comes back from the disk when the file is next flushed
 * or committed: 8-byte numbers, the first of memory of the shape `memory`. Local.
 */
SN_MUST_CHECK sn_status sn_file_remember(sn_file *file, hid_t dataset, hid_t type, int dimensions, const hsize_t *start,
                                         const hsize_t *count, const hsize_t *memory, const void *values);

/* Creates a dataset and writes each rank's part of 8-byte numbers, which is remembered; types in memory and on disk. */
SN_MUST_CHECK sn_status sn_file_write(sn_file *file, const char *path, hid_t memory_type, hid_t disk_type,
                                      const sn_file_part *part, const void *values);

/*
 * Shape of a dataset. Error: missing, in another file, not numbers, written with a filter that is not there, not of
 * `dimensions` dimensions, or of a size that the file cannot hold: more than 16 MiB and more than 1100 times the file's
 * own bytes (deflate shrinks at most 1032-fold).
 */
SN_MUST_CHECK sn_status sn_file_shape(sn_file *file, const char *path, int dimensions, hsize_t *shape);

/* How many dimensions a dataset has. Errors as above, of those that can be met before its shape is looked at. */
SN_MUST_CHECK sn_status sn_file_dimensions(sn_file *file, const char *path, int *dimensions);

/* Whether there is an object at a path. */
bool sn_file_contains(const sn_file *file, const char *path);

/* Reads each rank's part; error if the dataset's shape is not part->shape. */
SN_MUST_CHECK sn_status sn_file_read(sn_file *file, const char *path, hid_t memory_type, const sn_file_part *part,
                                     void *values);

#endif
