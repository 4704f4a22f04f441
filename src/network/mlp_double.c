/* The multilayer perceptron in double precision. */
#include <cblas.h>
#include <string.h>

#include "activation.h"
#include "mlp.h"
#include "sinode/partition.h"

typedef double real;
#define REAL(name) cblas_d##name
#define REAL_MPI MPI_DOUBLE
#define ACTIVATION(name) sn_activation_##name

static const double *values_of(const sn_mlp *m) { return sn_parameters_values(m->base.parameters); }

static void add_product(const sn_mlp *m, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t k, const double *a,
                        const double *b, double *c) {
  (void)m;
  const int a_leading = rows > 0 ? (int)rows : 1, b_leading = columns > 0 ? (int)columns : 1;
  cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)rows, (int)columns, (int)k, 1, a, a_leading, b, b_leading,
              1, c, b_leading);
}

#include "mlp_passes.h"

static ptrdiff_t tape_size(const sn_network *network, ptrdiff_t samples) {
  return samples * ((const sn_mlp *)network)->tape_width;
}

static sn_status forward(sn_network *network, ptrdiff_t samples, const double *u, double *f, double *tape) {
  pass_forward((sn_mlp *)network, samples, u, f, tape);
  return SN_OK;
}

static sn_status backward(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                          const double *f_bar, double *u_bar, const sn_gradient *gradient) {
  pass_backward((sn_mlp *)network, samples, u, tape, f_bar, u_bar, gradient);
  return SN_OK;
}

static sn_status tangent(sn_network *network, ptrdiff_t samples, const double *u, const double *tape, const double *du,
                         const double *dtheta, double *df) {
  pass_tangent((sn_mlp *)network, samples, u, tape, du, dtheta, df);
  return SN_OK;
}

const sn_network_ops sn_mlp_double = {
    .destroy = sn_mlp_destroy, .tape_size = tape_size, .forward = forward, .backward = backward, .tangent = tangent};
