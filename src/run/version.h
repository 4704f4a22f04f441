/* What --version says of a program: its version, and what it was built with and for. */
#ifndef SINODE_RUN_VERSION_H
#define SINODE_RUN_VERSION_H

#include <stdio.h>

void sn_version_print(const char *program, FILE *stream);

#endif
