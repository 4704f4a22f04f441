/* sinode check --io: whether files come back from this file system as they were written, and how fast. */
#ifndef SINODE_COMMANDS_CHECK_IO_H
#define SINODE_COMMANDS_CHECK_IO_H

#include "run/app.h"
#include "sinode/grid.h"

/*
 * Writes a trajectory file beside generate.file and a checkpoint into run.directory, of the shapes that a run of these
 * parameters has (of a long trajectory its first GiB), syncs them to disk, reads them back, compares, removes them, and
 * says at which rate and by which part of MPI. Collective over world. Error SN_ERROR_FILE: something came back changed.
 */
SN_MUST_CHECK sn_status sn_check_io(sn_app *app, const sn_grid *grid);

#endif
