/*
 * sinode from outside: a network of its own, trained on data of its own.
 *
 * The data are solutions of the viscous Burgers equation u_t = -u u_x + nu u_xx, made here. The model is
 * du/dt = -F(u) + A u with A = nu d^2/dx^2, a stencil treated implicitly, and F(u)_j = sum_k w_k u_j u_{j+k} over the
 * neighbours k = -1, 0, 1: three weights that should become (-1, 0, 1) / (2 dx). Run it on any number of ranks, as
 *
 *   mpirun -n 2 own_network          # ranks share the grid points
 */
#include <math.h>
#include <sinode/sinode.h>
#include <stdio.h>
#include <string.h>

enum { POINTS = 64, SNAPSHOTS = 101, TAPS = 3, EPOCHS = 200 };
static const double length = 2 * M_PI, viscosity = 0.5, interval = 0.01;

/* F(u)_j = u_j sum_k w_k u_{j+k-1}. */
typedef struct {
  ptrdiff_t points; /* local */
  sn_parameters *parameters;
  ptrdiff_t weights; /* offset in the parameters */
  sn_halo *halo;
  double *row;      /* (points + 2): a field with a neighbour on either side */
  double *weighted; /* (samples, points): f_bar u */
} product;

static sn_status product_create(void *context, const sn_grid *grid, ptrdiff_t samples, sn_parameters *parameters) {
  product *p = context;
  /* Every rank holds all weights and sums its own points' share of their gradient. */
  sn_parameter_block weights = {
      .name = "nonlinear/taps", .dimensions = 1, .shape = {TAPS}, .count = {TAPS}, .partial = true, .trainable = true};
  SN_TRY(sn_parameters_add(parameters, &weights));
  p->parameters = parameters;
  p->weights = weights.offset;
  p->points = sn_grid_range(grid).count;
  SN_TRY(SN_NEW(p->points + 2, &p->row));
  SN_TRY(SN_NEW(samples * p->points, &p->weighted));
  return sn_halo_create(grid, 1, samples, &p->halo);
}

static void product_destroy(void *context) {
  product *p = context;
  sn_halo_destroy(&p->halo);
  SN_FREE(p->row);
  SN_FREE(p->weighted);
}

/* Sample s with its neighbours, after the halo of all samples has been exchanged. */
static const double *with_neighbours(product *p, ptrdiff_t s, const double *values) {
  p->row[0] = sn_halo_left(p->halo)[s];
  memcpy(p->row + 1, values + s * p->points, (size_t)p->points * sizeof *values);
  p->row[p->points + 1] = sn_halo_right(p->halo)[s];
  return p->row;
}

static sn_status exchange(product *p, ptrdiff_t samples, const double *values) {
  SN_TRY(sn_halo_begin(p->halo, samples, values, p->points));
  return sn_halo_end(p->halo);
}

static sn_status product_forward(void *context, ptrdiff_t samples, const double *u, double *f, double *tape) {
  product *p = context;
  const double *w = sn_parameters_values(p->parameters) + p->weights;
  (void)tape;
  SN_TRY(exchange(p, samples, u));
  for (ptrdiff_t s = 0; s < samples; s++) {
    const double *row = with_neighbours(p, s, u);
    for (ptrdiff_t j = 0; j < p->points; j++)
      f[s * p->points + j] = row[j + 1] * (w[0] * row[j] + w[1] * row[j + 1] + w[2] * row[j + 2]);
  }
  return SN_OK;
}

static void add_gradient(const product *p, const double *row, const double *f_bar, double *gradient) {
  for (ptrdiff_t j = 0; j < p->points; j++)
    for (int k = 0; k < TAPS; k++) gradient[p->weights + k] += f_bar[j] * row[j + 1] * row[j + k];
}

/* u_bar_j = f_bar_j sum_k w_k u_{j+k-1} + sum_k w_k (f_bar u)_{j-k+1}: two halo exchanges, of u and of f_bar u. */
static sn_status product_backward(void *context, ptrdiff_t samples, const double *u, const double *tape,
                                  const double *f_bar, double *u_bar, double *gradient) {
  product *p = context;
  const double *w = sn_parameters_values(p->parameters) + p->weights;
  const ptrdiff_t n = p->points;
  (void)tape;
  SN_TRY(exchange(p, samples, u));
  for (ptrdiff_t s = 0; s < samples; s++) {
    const double *row = with_neighbours(p, s, u), *bar = f_bar + s * n;
    if (gradient) add_gradient(p, row, bar, gradient);
    for (ptrdiff_t j = 0; u_bar && j < n; j++)
      u_bar[s * n + j] = bar[j] * (w[0] * row[j] + w[1] * row[j + 1] + w[2] * row[j + 2]);
  }
  if (!u_bar) return SN_OK;
  for (ptrdiff_t i = 0; i < samples * n; i++) p->weighted[i] = f_bar[i] * u[i];
  SN_TRY(exchange(p, samples, p->weighted));
  for (ptrdiff_t s = 0; s < samples; s++) {
    const double *row = with_neighbours(p, s, p->weighted);
    for (ptrdiff_t j = 0; j < n; j++) u_bar[s * n + j] += w[0] * row[j + 2] + w[1] * row[j + 1] + w[2] * row[j];
  }
  return SN_OK;
}

/* What a run is made of. */
typedef struct {
  product product;
  sn_network_shell shell;
  sn_grid *grid;
  sn_model *model;
  sn_dataset *dataset;
  sn_integrator *integrator;
  sn_objective *objective;
  sn_optimizer *optimizer;
  sn_trainer *trainer;
  double *data; /* (snapshots, local points) */
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

static sn_status make_data(example *e) {
  const sn_range range = sn_grid_range(e->grid);
  SN_TRY(SN_NEW(SNAPSHOTS * range.count, &e->data));
  for (ptrdiff_t s = 0; s < SNAPSHOTS; s++)
    for (ptrdiff_t j = 0; j < range.count; j++)
      e->data[s * range.count + j] = burgers(length * (double)(range.start + j) / POINTS, interval * (double)s);
  return sn_dataset_create(1, SNAPSHOTS, range.count, e->data, 1, SN_SPLIT_TIME, 0.2, &e->dataset);
}

static sn_status make_model(example *e, ptrdiff_t samples) {
  e->shell = (sn_network_shell){.context = &e->product,
                                .create = product_create,
                                .destroy = product_destroy,
                                .forward = product_forward,
                                .backward = product_backward};
  const sn_network_shape network = {.kind = SN_NETWORK_SHELL, .shell = &e->shell};
  const sn_linear_shape linear = {.kind = SN_LINEAR_STENCIL, .taps = 3, .length = length};
  SN_TRY(sn_model_create(e->grid, &linear, &network, samples, &e->model));
  sn_parameters *parameters = sn_model_parameters(e->model);
  const double dx = length / POINTS, second = viscosity / (dx * dx);
  const double coefficients[] = {second, -2 * second, second};
  memcpy(sn_parameters_values(parameters) + sn_parameters_find(parameters, "linear/stencil")->offset, coefficients,
         sizeof coefficients);
  return sn_model_loaded(e->model);
}

static sn_status prepare(example *e) {
  int ranks;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  MPI_Comm_rank(MPI_COMM_WORLD, &e->rank);
  SN_TRY(sn_grid_create(MPI_COMM_WORLD, ranks, POINTS, NULL, &e->grid));
  SN_TRY(make_data(e));
  const sn_trainer_options options = {
      .batch = 16,
      .epochs = EPOCHS,
      .seed = 1,
      .window = 1,
      .schedule = {.kind = SN_SCHEDULE_PLATEAU, .factor = 0.5, .patience = 5, .threshold = 1e-3}};
  const ptrdiff_t samples = sn_trainer_samples(e->grid, e->dataset, options.batch, 0);
  SN_TRY(make_model(e, samples));
  const sn_integrator_options integrator = {.tableau = sn_tableau_find("l2"),
                                            .dt = interval,
                                            .interval = interval,
                                            .intervals = 1,
                                            .adjoint = true,
                                            .storage = SN_STORAGE_ALL,
                                            .solver = {.kind = SN_SOLVER_FFT}};
  SN_TRY(sn_integrator_create(e->model, &integrator, &e->integrator));
  SN_TRY(sn_objective_create(e->model, e->integrator, SN_LOSS_MSE, 1, &e->objective));
  const sn_optimizer_options adamw = {.kind = SN_OPTIMIZER_ADAMW, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
  SN_TRY(sn_optimizer_create(sn_model_parameters(e->model), &adamw, &e->optimizer));
  SN_TRY(sn_trainer_create(e->model, e->objective, e->dataset, e->optimizer, &options, 0.2, &e->trainer));
  return sn_trainer_reserve(e->trainer, e->integrator);
}

static sn_stop_request go_on(void *context) {
  (void)context;
  return SN_STOP_REQUEST_NONE;
}

static sn_status after_iteration(void *context, const sn_trainer *trainer, double loss, sn_stop_request request) {
  (void)context, (void)trainer, (void)loss, (void)request;
  return SN_OK;
}

static sn_status after_epoch(void *context, const sn_trainer *trainer, const sn_trainer_record *record) {
  const example *e = context;
  (void)trainer;
  if (e->rank == 0 && record->epoch % 50 == 0)
    printf("epoch %3lld: training loss %.3e\n", (long long)record->epoch, record->train_loss);
  return SN_OK;
}

static sn_status run(example *e) {
  const sn_trainer_hooks hooks = {
      .context = e, .request = go_on, .after_iteration = after_iteration, .after_epoch = after_epoch};
  double loss;
  bool stopped;
  SN_TRY(prepare(e));
  SN_TRY(sn_trainer_run(e->trainer, &hooks, &stopped));
  SN_TRY(sn_trainer_evaluate(e->trainer, SN_SET_VALIDATION, &loss));
  const double *w = sn_parameters_values(sn_model_parameters(e->model)) + e->product.weights;
  const double expected = POINTS / (2 * length);
  if (e->rank == 0)
    printf("validation loss %.3e; weights %.3f %.3f %.3f, expected %.3f 0 %.3f\n", loss, w[0], w[1], w[2], -expected,
           expected);
  return SN_OK;
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  example e = {0};
  sn_status status = run(&e);
  const int code = status ? sn_error_get_code(status) : 0;
  if (status && e.rank == 0) fprintf(stderr, "own_network: error: %s\n", sn_error_get_message(status));
  sn_error_destroy(&status);
  sn_trainer_destroy(&e.trainer);
  sn_optimizer_destroy(&e.optimizer);
  sn_objective_destroy(&e.objective);
  sn_integrator_destroy(&e.integrator);
  sn_model_destroy(&e.model);
  sn_dataset_destroy(&e.dataset);
  SN_FREE(e.data);
  sn_grid_destroy(&e.grid);
  MPI_Finalize();
  return code;
}
