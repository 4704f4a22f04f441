/* What a file is by its first bytes. */
#ifndef SINODE_IO_SIGNATURE_H
#define SINODE_IO_SIGNATURE_H

#include "sinode/error.h"

/*
 * Checks that HDF5's signature stands in an open file where it may be: at its beginning, or behind a user block of 512
 * bytes or a power of two times that, such as MATLAB's. Local. Error: it does not; names what it is instead.
 */
SN_MUST_CHECK sn_status sn_signature_check(int descriptor, const char *path);

#endif
