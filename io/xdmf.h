/* XDMF: a page of XML beside a trajectory file, by which ParaView and VisIt open it. */
#ifndef SINODE_IO_XDMF_H
#define SINODE_IO_XDMF_H

#include <stddef.h>

#include "sinode/error.h"

/*
 * Writes NAME.xdmf beside the trajectory NAME.h5 at `path`: one rectilinear mesh (member, time, x) with `count` fields
 * on its nodes, each the complete dataset of that name. Local, for one rank; the page appears complete or not at all.
 * Error SN_ERROR_FILE.
 */
SN_MUST_CHECK sn_status sn_xdmf_write(const char *path, ptrdiff_t members, ptrdiff_t snapshots, ptrdiff_t points,
                                      int count, const char *const *names);

#endif
