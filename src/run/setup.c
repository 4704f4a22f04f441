#include "setup.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/schema.h"
#include "sinode/memory.h"
#include "sinode/model_file.h"
#include "sinode/wisdom.h"

ptrdiff_t sn_setup_slice(const sn_app *app) {
  return app->config.parallel.reproducible ? (ptrdiff_t)app->config.parallel.slice : 0;
}

static bool keeps_wisdom(const sn_app *app) {
  return app->config.fft.plan == SN_FOURIER_MEASURE && app->config.fft.wisdom[0];
}

sn_status sn_setup_grid(sn_app *app, sn_grid **grid) {
  const sn_config *c = &app->config;
  SN_TRY(sn_grid_create(app->world, (int)c->parallel.space, c->grid.points, app->timer, grid));
  sn_log_line(app->log, "%d rank%s: %d replica%s x %lld in space; %lld points on [0, %g)", app->ranks,
              app->ranks == 1 ? "" : "s", sn_grid_replica_count(*grid), sn_grid_replica_count(*grid) == 1 ? "" : "s",
              (long long)c->parallel.space, (long long)c->grid.points, c->grid.length);
  return keeps_wisdom(app) ? sn_wisdom_read(app->world, c->fft.wisdom) : SN_OK;
}

sn_status sn_setup_keep_wisdom(const sn_app *app) {
  return keeps_wisdom(app) && !app->dry ? sn_wisdom_write(app->world, app->config.fft.wisdom) : SN_OK;
}

/* Stencil coefficients or a first matrix, as model.linear.coefficients says. */
static sn_status set_linear(const sn_app *app, sn_model *model) {
  const sn_config *c = &app->config;
  if (c->model.linear.kind == SN_LINEAR_SPECTRAL) return SN_OK;
  if (c->model.linear.ks) return sn_linear_set_ks(sn_model_linear(model));
  const sn_parameter_block *block = sn_parameters_find(sn_model_parameters(model), "linear/stencil");
  memcpy(sn_parameters_values(sn_model_parameters(model)) + block->offset, c->model.linear.coefficients,
         (size_t)c->model.linear.taps * sizeof(double));
  return SN_OK;
}

static sn_status build_model(const sn_app *app, const sn_grid *grid, const sn_linear_shape *linear,
                             const sn_network_shape *network, ptrdiff_t samples, sn_model **model) {
  sn_network_shape shape = *network;
  shape.precision = (sn_precision)app->config.model.precision;
  return sn_collective_status(app->world, sn_model_create(grid, linear, &shape, samples, model));
}

sn_linear_shape sn_setup_linear_shape(const sn_app *app) {
  const sn_config *c = &app->config;
  return (sn_linear_shape){.kind = (sn_linear_kind)c->model.linear.kind,
                           .taps = c->model.linear.taps,
                           .length = c->grid.length,
                           .trainable = c->model.linear.trainable};
}

sn_network_shape sn_setup_network_shape(const sn_app *app) {
  const sn_config *c = &app->config;
  sn_network_shape network = {.kind = (sn_network_kind)c->model.nonlinear.kind,
                              .activation = (sn_activation)c->model.nonlinear.activation,
                              .kernel = (int)c->model.nonlinear.kernel,
                              .length = c->grid.length};
  const bool convolves = network.kind == SN_NETWORK_CONV, multiplies = network.kind == SN_NETWORK_BILINEAR;
  network.hidden = multiplies ? 1 : convolves ? c->model.nonlinear.channel_count : c->model.nonlinear.hidden_count;
  for (int k = 0; k < network.hidden; k++)
    network.width[k] = multiplies  ? c->model.nonlinear.products
                       : convolves ? c->model.nonlinear.channels[k]
                                   : c->model.nonlinear.hidden[k];
  return network;
}

sn_status sn_setup_model(const sn_app *app, const sn_grid *grid, ptrdiff_t samples, sn_model **model) {
  const sn_config *c = &app->config;
  const sn_linear_shape linear = sn_setup_linear_shape(app);
  const sn_network_shape network = sn_setup_network_shape(app);
  const sn_init init = {.kind = (sn_init_kind)c->model.nonlinear.init.kind, .std = c->model.nonlinear.init.std};
  SN_TRY(build_model(app, grid, &linear, &network, samples, model));
  SN_TRY(set_linear(app, *model));
  SN_TRY(sn_network_initialize(sn_model_network(*model), &init, (uint64_t)c->run.seed));
  return sn_model_loaded(*model);
}

/* From the words of a file to the shapes of a model on a domain of this length. */
static sn_status to_shapes(const char *path, const sn_model_description *d, double length, sn_linear_shape *linear,
                           sn_network_shape *network) {
  const int kind = sn_network_kind_from_name(d->nonlinear_kind), activation = sn_activation_from_name(d->activation);
  *linear = (sn_linear_shape){.taps = d->taps, .length = length, .trainable = d->linear_trainable};
  if (strcmp(d->linear_kind, "stencil") == 0)
    linear->kind = SN_LINEAR_STENCIL;
  else if (strcmp(d->linear_kind, "dense") == 0)
    linear->kind = SN_LINEAR_DENSE;
  else if (strcmp(d->linear_kind, "spectral") == 0)
    linear->kind = SN_LINEAR_SPECTRAL;
  else
    return SN_ERROR_ALL(SN_ERROR_FILE, "%s: linear_kind is '%s', but must be stencil, dense or spectral", path,
                        d->linear_kind);
  if (linear->kind == SN_LINEAR_SPECTRAL) linear->trainable = false;
  if (kind < 0)
    return SN_ERROR_ALL(SN_ERROR_FILE, "%s: nonlinear_kind is '%s', but must be mlp, conv, product, ks or none", path,
                        d->nonlinear_kind);
  *network = (sn_network_shape){.kind = (sn_network_kind)kind, .kernel = d->kernel, .length = length};
  if (kind == SN_NETWORK_NONE || kind == SN_NETWORK_KS) return SN_OK;
  if (activation < 0)
    return SN_ERROR_ALL(SN_ERROR_FILE, "%s: activation is '%s', but must be relu, tanh, sigmoid or gelu", path,
                        d->activation);
  network->activation = (sn_activation)activation;
  network->hidden = d->layers - 1;
  for (int k = 0; k < network->hidden; k++) network->width[k] = d->outputs[k];
  if (kind == SN_NETWORK_BILINEAR) {
    if (d->layers != 2 || d->outputs[0] % 2)
      return SN_ERROR_ALL(SN_ERROR_FILE,
                          "%s: a product network has two layers, the first of an even number of channels", path);
    network->width[0] /= 2; /* both factors */
  }
  return SN_OK;
}

static sn_status same_grid(const sn_app *app, const char *path, ptrdiff_t points, double length) {
  const sn_config *c = &app->config;
  if (points != c->grid.points)
    return SN_ERROR_ALL(SN_ERROR_USAGE, "%s is for %td grid points, but grid.points is %lld; they must agree", path,
                        points, (long long)c->grid.points);
  if (!(fabs(length - c->grid.length) <= 1e-9 * c->grid.length))
    return SN_ERROR_ALL(SN_ERROR_USAGE, "%s is for a domain of length %.12g, but grid.length is %.12g; they must agree",
                        path, length, c->grid.length);
  return SN_OK;
}

/*
 * A perceptron and a dense matrix are of one grid. Convolutions and stencils do not know how many points there are, but
 * their coefficients are for one spacing.
 */
static sn_status suits_grid(const sn_app *app, const char *path, const sn_model_description *d) {
  const sn_config *c = &app->config;
  if (strcmp(d->nonlinear_kind, "mlp") == 0 || strcmp(d->linear_kind, "dense") == 0)
    return same_grid(app, path, d->grid_points, d->domain_length);
  const double theirs = d->domain_length / (double)d->grid_points, ours = c->grid.length / (double)c->grid.points;
  if (!(fabs(theirs - ours) <= 1e-9 * ours))
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "%s is for points %.12g apart (%td on [0, %.12g)), but grid.length over grid.points is %.12g; "
                        "its weights do not depend on the domain, but on the spacing",
                        path, theirs, d->grid_points, d->domain_length, ours);
  return SN_OK;
}

sn_status sn_setup_model_from_file(const sn_app *app, const sn_grid *grid, const char *path, ptrdiff_t samples,
                                   sn_model **model) {
  sn_model_description description;
  sn_linear_shape linear;
  sn_network_shape network;
  SN_TRY(sn_model_file_describe(app->world, path, &description));
  SN_TRY(suits_grid(app, path, &description));
  SN_TRY(to_shapes(path, &description, app->config.grid.length, &linear, &network));
  SN_TRY(build_model(app, grid, &linear, &network, samples, model));
  sn_parameters *parameters = sn_model_parameters(*model);
  SN_TRY(sn_model_file_read(grid, path, parameters, sn_parameters_values(parameters)));
  return sn_model_loaded(*model);
}

sn_model_description sn_setup_describe(const sn_app *app, const sn_model *model) {
  const sn_network_shape *network = sn_network_get_shape(sn_model_network(model));
  sn_model_description d = {.grid_points = app->config.grid.points,
                            .domain_length = app->config.grid.length,
                            .linear_trainable = sn_linear_is_trainable(sn_model_linear(model))};
  snprintf(d.activation, sizeof d.activation, "%s", sn_activation_name(network->activation));
  snprintf(d.nonlinear_kind, sizeof d.nonlinear_kind, "%s", sn_network_kind_name(network->kind));
  snprintf(d.linear_kind, sizeof d.linear_kind, "%s", sn_linear_kind_name(sn_linear_get_kind(sn_model_linear(model))));
  return d;
}

sn_status sn_setup_suits_optimizer(const sn_app *app, double trained) {
  const double most = floor(sqrt(INT_MAX)); /* the BLAS counts the elements of the matrix */
  if (app->config.train.optimizer.kind != SN_OPTIMIZER_LM || trained <= most) return SN_OK;
  return SN_ERROR_ALL(
      SN_ERROR_USAGE,
      "train.optimizer.kind is lm, whose matrix has a row for each of the %.0f parameters to train, but "
      "at most %.0f are possible on any number of ranks; use lbfgs, or a smaller network",
      trained, most);
}

sn_status sn_setup_optimizer(const sn_app *app, sn_parameters *parameters, sn_optimizer **optimizer) {
  const sn_config *c = &app->config;
  const sn_optimizer_options options = {.kind = (sn_optimizer_kind)c->train.optimizer.kind,
                                        .weight_decay = c->train.optimizer.weight_decay,
                                        .beta1 = c->train.optimizer.beta1,
                                        .beta2 = c->train.optimizer.beta2,
                                        .epsilon = c->train.optimizer.epsilon,
                                        .momentum = c->train.optimizer.momentum,
                                        .history = (int)c->train.optimizer.history,
                                        .damping = c->train.optimizer.damping};
  SN_TRY(sn_setup_suits_optimizer(app, (double)sn_parameters_total(parameters, true)));
  return sn_optimizer_create(parameters, &options, optimizer);
}

sn_passes sn_setup_training_passes(const sn_app *app) {
  return app->config.train.optimizer.kind == SN_OPTIMIZER_LM ? SN_PASSES_TANGENT : SN_PASSES_ADJOINT;
}

sn_status sn_setup_integrator(const sn_app *app, sn_model *model, double interval, ptrdiff_t intervals,
                              sn_passes passes, sn_integrator **integrator) {
  const sn_config *c = &app->config;
  const sn_tableau *tableau = sn_tableau_find(c->integrator.scheme);
  const double ratio = tableau->adaptive ? 1 : interval / c->integrator.dt;
  const ptrdiff_t substeps = (ptrdiff_t)llround(ratio);
  if (substeps < 1 || !(fabs(ratio - (double)substeps) <= 1e-6 * ratio))
    return SN_ERROR_ALL(
        SN_ERROR_USAGE,
        "integrator.dt is %.12g, but the data have a snapshot every %.12g, which must be a multiple of it; "
        "%.12g would do",
        c->integrator.dt, interval, interval / fmax(1, (double)substeps));
  const sn_integrator_options options = {.tableau = tableau,
                                         .dt = interval / (double)substeps,
                                         .substeps = substeps,
                                         .intervals = intervals,
                                         .adjoint = passes == SN_PASSES_ADJOINT,
                                         .tangent = passes == SN_PASSES_TANGENT,
                                         .estimate = passes == SN_PASSES_FORWARD,
                                         .control = {.rtol = c->integrator.rtol,
                                                     .atol = c->integrator.atol,
                                                     .first_step = c->integrator.dt,
                                                     .minimum_step = c->integrator.minimum_step},
                                         .newton = {.tolerance = c->integrator.newton.tolerance,
                                                    .max_iterations = (int)c->integrator.newton.max_iterations,
                                                    .unpreconditioned = !c->integrator.newton.precondition},
                                         .storage = (sn_storage_kind)c->adjoint.storage,
                                         .snapshots = c->adjoint.snapshots,
                                         .memory = (ptrdiff_t)(c->adjoint.memory * 1048576),
                                         .solver = {.kind = (sn_solver_kind)c->integrator.solver.kind,
                                                    .rigor = (sn_fourier_rigor)c->fft.plan,
                                                    .tolerance = c->integrator.solver.tolerance,
                                                    .max_iterations = (int)c->integrator.solver.max_iterations,
                                                    .precondition = c->integrator.solver.precondition}};
  SN_TRY(sn_integrator_create(model, &options, integrator));
  SN_TRY(sn_setup_keep_wisdom(app));
  double limit;
  SN_TRY(sn_integrator_stable_step(*integrator, &limit));
  if (limit < options.dt && !tableau->adaptive)
    sn_log_warning(app->log,
                   "integrator.dt %g is beyond the largest stable step of %s on this linear part, about %.3g: "
                   "expect it to blow up; an IMEX scheme such as l2 has no such limit",
                   options.dt, tableau->name, limit);
  return SN_OK;
}

sn_status sn_setup_trajectory(const sn_app *app, const char *path, sn_trajectory_reader **reader) {
  SN_TRY(sn_trajectory_open(app->world, path, reader));
  sn_status status = same_grid(app, path, sn_trajectory_points(*reader), sn_trajectory_length(*reader));
  if (status) {
    sn_trajectory_close(reader);
    return status;
  }
  const ptrdiff_t uneven = sn_trajectory_uneven(*reader);
  if (uneven >= 0)
    sn_log_warning(app->log,
                   "%s: x[%td] is not %td L / N; u is taken for values at %td evenly spaced points of [0, %g), in the "
                   "order in which they are there",
                   path, uneven, uneven, sn_trajectory_points(*reader), sn_trajectory_length(*reader));
  return SN_OK;
}

/* A window must fit into what is held out, or a member; where the fraction is less than that, more is held out. */
static void report_held_out(const sn_app *app, const sn_dataset *dataset, ptrdiff_t members, ptrdiff_t snapshots) {
  const sn_config *c = &app->config;
  const bool in_time = c->train.split == SN_SPLIT_TIME;
  const ptrdiff_t all = in_time ? snapshots : members, held = all - sn_dataset_boundary(dataset);
  const double asked = round(c->train.validation * (double)all);
  if ((double)held > asked)
    sn_log_warning(app->log, "train.validation %g is %.0f of %td %s, but %td are held out, the least there can be%s",
                   c->train.validation, asked, all, in_time ? "snapshots" : "members", held,
                   in_time ? " (train.window + 1)" : "");
}

sn_status sn_setup_dataset(const sn_app *app, const sn_grid *grid, ptrdiff_t members, ptrdiff_t snapshots,
                           const double *values, sn_dataset **dataset) {
  const sn_config *c = &app->config;
  SN_TRY(sn_dataset_create(members, snapshots, sn_grid_range(grid).count, values, c->train.window,
                           (sn_split_kind)c->train.split, c->train.validation, dataset));
  report_held_out(app, *dataset, members, snapshots);
  return SN_OK;
}

/* Finds the first value that is not finite, if any; values has shape (members, snapshots, points). */
static sn_status validate_finite(const char *path, sn_range members, sn_range snapshots, sn_range points,
                                 const double *values) {
  for (ptrdiff_t k = 0; k < members.count * snapshots.count * points.count; k++)
    if (!isfinite(values[k]))
      return SN_ERROR(SN_ERROR_FILE, "%s: u is not finite (%g) in member %td, snapshot %td, at point %td", path,
                      values[k], members.start + k / points.count / snapshots.count,
                      snapshots.start + k / points.count % snapshots.count, points.start + k % points.count);
  return SN_OK;
}

sn_status sn_setup_read(const sn_app *app, const sn_grid *grid, const char *path, sn_trajectory_reader *reader,
                        sn_range members, sn_range snapshots, double **values) {
  const sn_range points = sn_grid_range(grid);
  const ptrdiff_t count = members.count * snapshots.count * points.count;
  SN_TRY(sn_collective_status(app->world, SN_NEW(count, values)));
  SN_TRY_TIMED(app->timer, SN_TIME_READ, sn_trajectory_read(reader, members, snapshots, points, *values));
  SN_TRY(sn_collective_status(app->world, validate_finite(path, members, snapshots, points, *values)));
  return sn_trajectory_verify(reader, members, snapshots, points, *values);
}

double sn_setup_libraries(void) { return (double)(sn_memory_resident_peak() - sn_memory_peak_bytes()); }

double sn_setup_peak_memory(const sn_parameters *parameters, double arrays, double libraries) {
  /* Measured with OpenMPI and HDF5 of Debian 12: their buffers, and the array under way to a file, of which OpenMPI
     collects up to 32 MiB on a rank, and again when it is read back. */
  const double mebibyte = 1048576;
  double written = 0;
  for (int i = 0; i < sn_parameters_blocks(parameters); i++) {
    const sn_parameter_block *block = sn_parameters_block(parameters, i);
    double size = sizeof(double);
    for (int d = 0; d < block->dimensions; d++) size *= (double)block->shape[d];
    written = fmax(written, fmin(size, 32 * mebibyte));
  }
  return libraries + arrays + 8 * mebibyte + 2 * written;
}

sn_status sn_setup_lock(sn_app *app, const char *path, const char *what, const char *advice) {
  bool supported = true;
  sn_lock *lock = app->locks[0].descriptor ? &app->locks[1] : &app->locks[0];
  SN_TRY(sn_collective_status(app->world, app->rank == 0 ? sn_lock_take(lock, path, what, advice, &supported) : SN_OK));
  if (!supported) sn_log_warning(app->log, "%s: the file system has no locks: see that no other run writes it", what);
  return SN_OK;
}

/* Whether a file may stand there: a device or a pipe would be replaced by it, for everybody. */
static sn_status validate_regular_file(const char *path, const char *key) {
  const size_t length = strlen(path);
  struct stat found;
  const bool there = stat(path, &found) == 0;
  if ((there && S_ISDIR(found.st_mode)) || (length && path[length - 1] == '/'))
    return SN_ERROR(SN_ERROR_FILE, "%s: is a directory, but %s must name a file", path, key);
  if (there && !S_ISREG(found.st_mode))
    return SN_ERROR(SN_ERROR_FILE, "%s: is a device, pipe or socket, but %s must name a file, which would replace it",
                    path, key);
  return SN_OK;
}

/* Rank 0's part. */
static sn_status make_place(const char *path, const char *key) {
  SN_TRY(validate_regular_file(path, key));
  return sn_file_make_folder_of(path);
}

sn_status sn_setup_lock_file(sn_app *app, const char *path, const char *key) {
  char lock[SN_LOCK_PATH], advice[100];
  snprintf(lock, sizeof lock, "%s.lock", path);
  snprintf(advice, sizeof advice, "choose another %s", key);
  SN_TRY(sn_collective_status(app->world, app->rank == 0 ? make_place(path, key) : SN_OK));
  return sn_setup_lock(app, lock, path, advice);
}

/* Whether two paths lead to the same file. */
static bool same_file(const char *one, const char *other) {
  struct stat a, b;
  return stat(one, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Whether a file is the parameter file, or one that the other keys of `key`'s section name: what its command reads. */
static bool is_read(const sn_app *app, const char *path, const char *key) {
  const size_t section = strcspn(key, ".") + 1;
  bool found = same_file(path, app->argument);
  for (int k = 0; k < sn_config_keys() && !found; k++) {
    const sn_config_key *other = sn_config_key_at(k);
    if (other->type == SN_KEY_PATH && strncmp(other->path, key, section) == 0 && strcmp(other->path, key) != 0)
      found = same_file(path, (const char *)&app->config + other->offset);
  }
  return found;
}

/* Rank 0's part. */
static sn_status claim(const sn_app *app, const char *path, const char *key) {
  SN_TRY(validate_regular_file(path, key));
  if (access(path, F_OK) != 0) return SN_OK;
  if (!app->overwrite)
    return SN_ERROR(SN_ERROR_FILE, "%s: is there already; choose another %s, or replace it with --overwrite", path,
                    key);
  if (is_read(app, path, key))
    return SN_ERROR(SN_ERROR_USAGE, "%s is %s, which this command reads; choose another file to write", key, path);
  return SN_OK;
}

sn_status sn_setup_check_output(const sn_app *app, const char *path, const char *key) {
  return sn_collective_status(app->world, app->rank == 0 ? claim(app, path, key) : SN_OK);
}

sn_status sn_setup_same_run(const sn_app *app, const char *path, const char *kind, const char *const *decisive,
                            size_t count, const char *key) {
  char text[16384];
  sn_config theirs;
  SN_TRY(sn_file_read_config(app->world, path, kind, text, sizeof text));
  SN_TRY(sn_config_parse_kept(path, text, strlen(text), &theirs));
  for (size_t k = 0; k < count; k++) {
    char before[256], now[256];
    const char *differs = sn_config_difference(&theirs, &app->config, decisive[k], before, now, sizeof now);
    if (differs)
      return SN_ERROR_ALL(SN_ERROR_USAGE,
                          "%s is %s, but %s was made with %s; use another %s, or --overwrite to begin anew", differs,
                          now, path, before, key);
  }
  return SN_OK;
}

sn_provenance sn_setup_provenance(const sn_app *app, const char *title) {
  return (sn_provenance){.title = title, .config = app->echo, .command_line = app->command_line};
}
