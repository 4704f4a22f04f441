#include "activation.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {
    [SN_ACTIVATION_RELU] = "relu",
    [SN_ACTIVATION_TANH] = "tanh",
    [SN_ACTIVATION_SIGMOID] = "sigmoid",
    [SN_ACTIVATION_GELU] = "gelu",
};

const char *sn_activation_name(sn_activation activation) { return names[activation]; }

int sn_activation_from_name(const char *name) {
  for (int k = 0; k < (int)(sizeof names / sizeof names[0]); k++)
    if (strcmp(names[k], name) == 0) return k;
  return -1;
}

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
