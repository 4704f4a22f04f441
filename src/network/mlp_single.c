/*
 * The multilayer perceptron in single precision: its products, values and slopes. Input and output, the parameters
 * and the sums of their gradient stay double.
 */
#include <cblas.h>
#include <string.h>

#include "activation.h"
#include "mlp.h"
#include "sinode/partition.h"

typedef float real;
#define REAL(name) cblas_s##name
#define REAL_MPI MPI_FLOAT
#define ACTIVATION(name) sn_activation_##name##_single

static const float *values_of(const sn_mlp *m) { return m->weights; }

static void add_product(const sn_mlp *m, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t k, const float *a, const float *b,
                        double *restrict c) {
  const int a_leading = rows > 0 ? (int)rows : 1, b_leading = columns > 0 ? (int)columns : 1;
  float *restrict product = m->product;
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)rows, (int)columns, (int)k, 1, a, a_leading, b, b_leading,
              0, product, b_leading);
  for (ptrdiff_t i = 0; i < rows * columns; i++) c[i] += product[i];
}

#include "mlp_passes.h"

static void to_single(ptrdiff_t count, const double *restrict from, float *restrict to) {
  for (ptrdiff_t i = 0; i < count; i++) to[i] = (float)from[i];
}

static void to_double(ptrdiff_t count, const float *restrict from, double *restrict to) {
  for (ptrdiff_t i = 0; i < count; i++) to[i] = from[i];
}

/* The tape's doubles are only its memory: two numbers each. */
static void *taped(double *tape) { return tape; }
static const void *taped_before(const double *tape) { return tape; }

static ptrdiff_t tape_size(const sn_network *network, ptrdiff_t samples) {
  return (samples * ((const sn_mlp *)network)->tape_width + 1) / 2;
}

static void update(sn_network *network) {
  const sn_mlp *m = (const sn_mlp *)network;
  to_single(sn_parameters_model_size(network->parameters), sn_parameters_values(network->parameters), m->weights);
}

static sn_status forward(sn_network *network, ptrdiff_t samples, const double *u, double *f, double *tape) {
  sn_mlp *m = (sn_mlp *)network;
  const ptrdiff_t count = samples * network->points;
  to_single(count, u, m->states[0]);
  pass_forward(m, samples, m->states[0], m->states[1], taped(tape));
  to_double(count, m->states[1], f);
  return SN_OK;
}

static sn_status backward(sn_network *network, ptrdiff_t samples, const double *u, const double *tape,
                          const double *f_bar, double *u_bar, const sn_gradient *gradient) {
  sn_mlp *m = (sn_mlp *)network;
  const ptrdiff_t count = samples * network->points;
  to_single(count, u, m->states[0]);
  to_single(count, f_bar, m->states[1]);
  pass_backward(m, samples, m->states[0], taped_before(tape), m->states[1], u_bar ? m->states[2] : NULL, gradient);
  if (u_bar) to_double(count, m->states[2], u_bar);
  return SN_OK;
}

static sn_status tangent(sn_network *network, ptrdiff_t samples, const double *u, const double *tape, const double *du,
                         const double *dtheta, double *df) {
  sn_mlp *m = (sn_mlp *)network;
  const ptrdiff_t count = samples * network->points;
  to_single(count, u, m->states[0]);
  if (du) to_single(count, du, m->states[1]);
  if (dtheta) to_single(sn_parameters_model_size(network->parameters), dtheta, m->direction);
  pass_tangent(m, samples, m->states[0], taped_before(tape), du ? m->states[1] : NULL, dtheta ? m->direction : NULL,
               m->states[2]);
  to_double(count, m->states[2], df);
  return SN_OK;
}

const sn_network_ops sn_mlp_single = {.destroy = sn_mlp_destroy,
                                      .tape_size = tape_size,
                                      .update = update,
                                      .forward = forward,
                                      .backward = backward,
                                      .tangent = tangent};
