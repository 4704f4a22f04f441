/* The bilinear convolution in single precision: its products, values and derivatives. */
#define SINODE_SINGLE
#include "bilinear_conv.c"
