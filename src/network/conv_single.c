/* The convolutional network in single precision: its products, values and slopes. */
#define SINODE_SINGLE
#include "conv.c"
