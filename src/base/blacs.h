/* BLACS, ScaLAPACK's process grids, has no C header. Not installed. */
#ifndef SINODE_BASE_BLACS_H
#define SINODE_BASE_BLACS_H

#include <mpi.h>

int Csys2blacs_handle(MPI_Comm comm);
void Cfree_blacs_system_handle(int handle);
void Cblacs_gridinit(int *context, const char *order, int rows, int columns);
void Cblacs_gridinfo(int context, int *rows, int *columns, int *row, int *column);
void Cblacs_gridexit(int context);

#endif
