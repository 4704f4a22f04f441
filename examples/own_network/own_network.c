/*
 * sinode from outside: a network of its own, trained on data of its own, by sinode.h alone.
 *
 * The data are solutions of the viscous Burgers equation u_t = -u u_x + nu u_xx, made here. The model is
 * du/dt = -F(u) + A u with A = nu d^2/dx^2, a stencil treated implicitly, and F(u)_j = sum_k w_k u_j u_{j+k} over the
 * neighbours k = -1, 0, 1: three weights that should become (-1, 0, 1) / (2 dx). Run it on any number of ranks, as
 *
 *   mpirun -n 2 own_network          # ranks share the grid points
 */
#include <math.h>
#include <sinode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = 64, WINDOWS = 100, TAPS = 3, ITERATIONS = 300 };
static const double length = 2 * M_PI, viscosity = 0.5, interval = 0.01;

/* Returns from the calling function with the error of the expression, if it has one. */
#define TRY(expression)                     \
  do {                                      \
    sinode_error *try_error = (expression); \
    if (try_error) return try_error;        \
  } while (0)

/* F(u)_j = u_j sum_k w_k u_{j+k-1}, for up to WINDOWS samples. */
typedef struct {
  MPI_Comm space;
  int left, right;              /* ranks of the neighbours */
  ptrdiff_t points;             /* local */
  double send[2][WINDOWS];      /* the first and the last value of every sample */
  double neighbour[2][WINDOWS]; /* that to the left of the first, and to the right of the last */
  double row[POINTS + 2];       /* a sample with a neighbour on either side */
  double weighted[WINDOWS * POINTS];
} product;

static void exchange(product *p, ptrdiff_t samples, const double *values) {
  for (ptrdiff_t s = 0; s < samples; s++) {
    p->send[0][s] = values[s * p->points];
    p->send[1][s] = values[(s + 1) * p->points - 1];
  }
  MPI_Sendrecv(p->send[0], (int)samples, MPI_DOUBLE, p->left, 0, p->neighbour[1], (int)samples, MPI_DOUBLE, p->right, 0,
               p->space, MPI_STATUS_IGNORE);
  MPI_Sendrecv(p->send[1], (int)samples, MPI_DOUBLE, p->right, 1, p->neighbour[0], (int)samples, MPI_DOUBLE, p->left, 1,
               p->space, MPI_STATUS_IGNORE);
}

/* Sample s with its neighbours, after an exchange. */
static const double *with_neighbours(product *p, ptrdiff_t s, const double *values) {
  p->row[0] = p->neighbour[0][s];
  memcpy(p->row + 1, values + s * p->points, (size_t)p->points * sizeof *values);
  p->row[p->points + 1] = p->neighbour[1][s];
  return p->row;
}

static sinode_error *forward(void *context, ptrdiff_t samples, const double *const *parameter, const double *u,
                             double *f, double *tape) {
  product *p = context;
  const double *w = parameter[0];
  (void)tape;
  exchange(p, samples, u);
  for (ptrdiff_t s = 0; s < samples; s++) {
    const double *row = with_neighbours(p, s, u);
    for (ptrdiff_t j = 0; j < p->points; j++)
      f[s * p->points + j] = row[j + 1] * (w[0] * row[j] + w[1] * row[j + 1] + w[2] * row[j + 2]);
  }
  return NULL;
}

/* u_bar_j = f_bar_j sum_k w_k u_{j+k-1} + sum_k w_k (f_bar u)_{j-k+1}: two exchanges, of u and of f_bar u. */
static sinode_error *backward(void *context, ptrdiff_t samples, const double *const *parameter, const double *u,
                              const double *tape, const double *f_bar, double *u_bar, double *const *gradient) {
  product *p = context;
  const double *w = parameter[0];
  const ptrdiff_t n = p->points;
  (void)tape;
  exchange(p, samples, u);
  for (ptrdiff_t s = 0; s < samples; s++) {
    const double *row = with_neighbours(p, s, u), *bar = f_bar + s * n;
    for (ptrdiff_t j = 0; gradient && j < n; j++)
      for (int k = 0; k < TAPS; k++) gradient[0][k] += bar[j] * row[j + 1] * row[j + k];
    for (ptrdiff_t j = 0; u_bar && j < n; j++)
      u_bar[s * n + j] = bar[j] * (w[0] * row[j] + w[1] * row[j + 1] + w[2] * row[j + 2]);
  }
  if (!u_bar) return NULL;
  for (ptrdiff_t i = 0; i < samples * n; i++) p->weighted[i] = f_bar[i] * u[i];
  exchange(p, samples, p->weighted);
  for (ptrdiff_t s = 0; s < samples; s++) {
    const double *row = with_neighbours(p, s, p->weighted);
    for (ptrdiff_t j = 0; j < n; j++) u_bar[s * n + j] += w[0] * row[j + 2] + w[1] * row[j + 1] + w[2] * row[j];
  }
  return NULL;
}

/* What a run is made of. */
typedef struct {
  product product;
  sinode_grid *grid;
  sinode_model *model;
  sinode_integrator *integrator;
  double *data;   /* (WINDOWS + 1, local points) */
  double *states; /* (2, WINDOWS, local points): the beginning and the end of every window */
  int rank;
} example;

/* The exact solution by the Cole-Hopf transform: u = -2 nu (log phi)_x, phi a sum of decaying waves. */
static double burgers(double x, double t) {
  double phi = 2, slope = 0;
  for (int k = 1; k <= 2; k++) {
    const double decay = exp(-viscosity * k * k * t) * (k == 1 ? 1 : 0.5);
    phi += decay * cos(k * x);
    slope -= decay * k * sin(k * x);
  }
  return -2 * viscosity * slope / phi;
}

static sinode_error *make_data(example *e) {
  const ptrdiff_t count = sinode_grid_count(e->grid), start = sinode_grid_start(e->grid);
  e->data = malloc((size_t)((WINDOWS + 1) * count) * sizeof *e->data);
  e->states = malloc((size_t)(2 * WINDOWS * count) * sizeof *e->states);
  sinode_error *error = e->data && e->states ? NULL : sinode_error_create(SINODE_ERROR_RUN, "no memory for the data");
  TRY(sinode_grid_share_error(e->grid, error));
  for (ptrdiff_t s = 0; s <= WINDOWS; s++)
    for (ptrdiff_t j = 0; j < count; j++)
      e->data[s * count + j] = burgers(length * (double)(start + j) / POINTS, interval * (double)s);
  return NULL;
}

static sinode_error *make_model(example *e) {
  const double dx = length / POINTS, second = viscosity / (dx * dx);
  const double stencil[] = {second, -2 * second, second};
  const sinode_linear linear = {.kind = "stencil", .length = length, .count = 3, .coefficients = stencil};
  const sinode_array taps = {.name = "taps", .dimensions = 1, .shape = {TAPS}};
  const sinode_network network = {
      .context = &e->product, .arrays = 1, .array = &taps, .forward = forward, .backward = backward};
  int rank, ranks;
  sinode_grid_space_comm(e->grid, &e->product.space);
  MPI_Comm_rank(e->product.space, &rank);
  MPI_Comm_size(e->product.space, &ranks);
  e->product.left = (rank + ranks - 1) % ranks;
  e->product.right = (rank + 1) % ranks;
  e->product.points = sinode_grid_count(e->grid);
  TRY(sinode_model_create(e->grid, &linear, &network, WINDOWS, &e->model));
  const sinode_integrator_options options = {
      .scheme = "l2", .dt = interval, .interval = interval, .storage = "all", .solver = "fft", .adjoint = true};
  return sinode_integrator_create(e->model, &options, &e->integrator);
}

/* The mean square error over all windows, and its gradient. */
static sinode_error *evaluate(example *e, double *loss, double *gradient) {
  const ptrdiff_t count = WINDOWS * sinode_grid_count(e->grid);
  const double *target = e->data + sinode_grid_count(e->grid);
  double *end = e->states + count;
  memcpy(e->states, e->data, (size_t)count * sizeof *e->states);
  TRY(sinode_integrator_forward(e->integrator, WINDOWS, 1, e->states, true));
  *loss = 0;
  for (ptrdiff_t i = 0; i < count; i++) {
    const double difference = end[i] - target[i];
    *loss += difference * difference / (WINDOWS * POINTS);
    end[i] = 2 * difference / (WINDOWS * POINTS);
    e->states[i] = 0;
  }
  MPI_Allreduce(MPI_IN_PLACE, loss, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  return sinode_integrator_backward(e->integrator, WINDOWS, 1, e->states, gradient);
}

/* Adam, on the parameters of the network. */
static sinode_error *train(example *e, double *w, ptrdiff_t offset, double *gradient) {
  double mean[TAPS] = {0}, square[TAPS] = {0}, loss;
  for (int k = 1; k <= ITERATIONS; k++) {
    TRY(evaluate(e, &loss, gradient));
    if (e->rank == 0 && k % 100 == 0) printf("iteration %d: loss %.3e\n", k, loss);
    const double rate = 0.5 * (1 - (double)k / ITERATIONS);
    for (int i = 0; i < TAPS; i++) {
      const double g = gradient[offset + i];
      mean[i] = 0.9 * mean[i] + 0.1 * g;
      square[i] = 0.99 * square[i] + 0.01 * g * g;
      w[i] -= rate * mean[i] / (1 - pow(0.9, k)) / (sqrt(square[i] / (1 - pow(0.99, k))) + 1e-12);
    }
    TRY(sinode_model_update(e->model));
  }
  return NULL;
}

static sinode_error *run(example *e) {
  const MPI_Comm world = MPI_COMM_WORLD;
  int ranks;
  MPI_Comm_size(world, &ranks);
  MPI_Comm_rank(world, &e->rank);
  TRY(sinode_grid_create(&world, ranks, POINTS, &e->grid));
  TRY(make_data(e));
  TRY(make_model(e));
  sinode_parameter taps;
  sinode_model_parameter(e->model, sinode_model_parameters(e->model) - 1, &taps);
  double *w = sinode_model_values(e->model) + taps.offset;
  double *gradient = calloc((size_t)sinode_model_size(e->model), sizeof *gradient);
  sinode_error *error = gradient ? NULL : sinode_error_create(SINODE_ERROR_RUN, "no memory for the gradient");
  error = sinode_grid_share_error(e->grid, error);
  if (!error) error = train(e, w, taps.offset, gradient);
  free(gradient);
  if (error) return error;
  const double expected = POINTS / (2 * length);
  if (e->rank == 0)
    printf("%s: weights %.3f %.3f %.3f, expected %.3f 0 %.3f\n", taps.name, w[0], w[1], w[2], -expected, expected);
  return NULL;
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  example *e = calloc(1, sizeof *e);
  if (!e) MPI_Abort(MPI_COMM_WORLD, SINODE_ERROR_RUN);
  sinode_error *error = run(e);
  const int code = error ? sinode_error_code(error) : 0;
  if (error && e->rank == 0) fprintf(stderr, "own_network: error: %s\n", sinode_error_message(error));
  sinode_error_destroy(&error);
  sinode_integrator_destroy(&e->integrator);
  sinode_model_destroy(&e->model);
  sinode_grid_destroy(&e->grid);
  free(e->data);
  free(e->states);
  free(e);
  MPI_Finalize();
  return code;
}
