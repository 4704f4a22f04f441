/* The kernels of convolutions in single precision. */
#define SINODE_SINGLE
#include "conv_run.c"
