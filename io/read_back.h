/*
 * What was written is read back from the disk before a file counts as complete. Open MPI's collective writing
 * (fcoll/dynamic_gen2) returns success when the system's write has failed, and a write may be cut, lost or changed
 * without any error.
 */
#ifndef SINODE_IO_READ_BACK_H
#define SINODE_IO_READ_BACK_H

#include "hdf5_file.h"

typedef struct sn_written sn_written;

/* Adds what this rank has written of a dataset, as sn_file_remember gets it. Local. */
SN_MUST_CHECK sn_status sn_written_add(sn_written **list, hid_t dataset, hid_t type, int dimensions,
                                       const hsize_t *start, const hsize_t *count, const hsize_t *memory,
                                       const void *values);

/* Reads it all from a file that is open, and compares; each rank reads its own. Local: the caller reduces the status.
 */
SN_MUST_CHECK sn_status sn_written_compare(const sn_written *list, const sn_file *file);

/* Empties the list. */
void sn_written_forget(sn_written **list);

#endif
