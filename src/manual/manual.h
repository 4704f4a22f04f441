/* Writers of what is generated from the tables of commands and keys. All local; nothing of MPI is called. */
#ifndef SINODE_MANUAL_MANUAL_H
#define SINODE_MANUAL_MANUAL_H

#include <stdio.h>

/* A script for bash that completes commands, options, keys after --set and their choices. */
void sn_manual_completion(FILE *out);

#endif
