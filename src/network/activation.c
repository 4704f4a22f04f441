#include "activation.h"

#include <math.h>

const sn_name sn_activations[] = {{"relu", SN_ACTIVATION_RELU},
                                  {"tanh", SN_ACTIVATION_TANH},
                                  {"sigmoid", SN_ACTIVATION_SIGMOID},
                                  {"gelu", SN_ACTIVATION_GELU},
                                  {NULL, 0}};

bool sn_activation_keeps_slope(sn_activation activation) { return activation == SN_ACTIVATION_GELU; }

#define real double
#define MATH(name) name
#define ACTIVATION(name) sn_activation_##name
#include "activation_passes.h"
#undef real
#undef MATH
#undef ACTIVATION

#define real float
#define MATH(name) name##f
#define ACTIVATION(name) sn_activation_##name##_single
#include "activation_passes.h"
