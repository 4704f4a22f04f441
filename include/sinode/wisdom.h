/*
 * FFTW's wisdom: the plans that it has found by measuring, which differ from run to run, and the results with them in
 * their last bits. Read from a file before plans are made with SN_FOURIER_MEASURE, it gives the plans of the run that
 * wrote it, and takes no time to measure.
 *
 * Wisdom belongs to the process, not to an object. Paths name text files in FFTW's own format, which holds for one
 * build of FFTW on one kind of processor; what it cannot use, FFTW leaves aside.
 */
#ifndef SINODE_WISDOM_H
#define SINODE_WISDOM_H

#include <mpi.h>

#include "sinode/error.h"

/*
 * All ranks learn what the file knows. A file that is not there is no error. Collective over comm. Error
 * SN_ERROR_FILE: it cannot be read, or is no wisdom.
 */
SN_MUST_CHECK sn_status sn_wisdom_read(MPI_Comm comm, const char *path);

/*
 * Writes the wisdom of all ranks to the file, which appears complete or not at all. Collective over comm. Error
 * SN_ERROR_FILE.
 */
SN_MUST_CHECK sn_status sn_wisdom_write(MPI_Comm comm, const char *path);

/*
 * Makes the ranks of comm know the same: each of them has measured by itself, and rank 0's findings hold where they
 * differ. Collective over comm.
 */
void sn_wisdom_share(MPI_Comm comm);

#endif
