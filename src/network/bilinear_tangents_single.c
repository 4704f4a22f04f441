/* Its tangents along many directions, of which the products with Jacobians are double. */
#define SINODE_SINGLE
#include "bilinear_tangents.c"
