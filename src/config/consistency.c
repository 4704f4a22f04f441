/* Keys that are right by themselves, but do not go together. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "reading.h"

/* An error about keys that do not go together, at the first of the two that was given. */
static sn_status clash(const sn_reading *r, const char *path, const char *other, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static sn_status clash(const sn_reading *r, const char *path, const char *other, const char *format, ...) {
  const int first = sn_config_find(path), index = sn_reading_has(r, first) ? first : sn_config_find(other);
  va_list arguments;
  va_start(arguments, format);
  sn_status status = sn_reading_error(r, r->lines[index], r->sets[index], format, arguments);
  va_end(arguments);
  return status;
}

/* value = n * of with n a whole number that can be counted, at least 1 unless value is 0. */
static sn_status check_multiple(const sn_reading *r, const char *path, double value, const char *of_path, double of,
                                double tolerance) {
  const double most = 1e15, ratio = value / of, whole = round(ratio);
  if (!(ratio <= most))
    return clash(r, path, of_path, "%s is %.12g, more than %g times %s (%.12g)", path, value, most, of_path, of);
  if (fabs(ratio - whole) <= tolerance * fmax(1, ratio) && (whole >= 1 || value == 0)) return SN_OK;
  return clash(r, path, of_path, "%s is %.12g, which is not a multiple of %s (%.12g); %.12g would be", path, value,
               of_path, of, of * fmax(1, whole));
}

static sn_status check_generate(const sn_reading *r) {
  const sn_config *c = r->config;
  const double dt = c->generate.etdrk4.dt, interval = c->generate.interval, exact = 1e-9;
  SN_TRY(check_multiple(r, "generate.interval", interval, "generate.dt", dt, exact));
  SN_TRY(check_multiple(r, "generate.transient", c->generate.transient, "generate.dt", dt, exact));
  SN_TRY(check_multiple(r, "generate.span", c->generate.span, "generate.interval", interval, exact));
  SN_TRY(check_multiple(r, "generate.span", c->generate.span, "generate.dt", dt, exact));
  if ((c->generate.equation.parameter.of == SN_EQUATION_NONE) != (c->generate.equation.parameter.values.count == 0))
    return clash(r, "generate.equation.parameter.of", "generate.equation.parameter.values",
                 "generate.equation.parameter.of is %s, and generate.equation.parameter.values has %d numbers; give a "
                 "term and its values, or neither",
                 sn_name_of(sn_equation_terms, (int)c->generate.equation.parameter.of),
                 c->generate.equation.parameter.values.count);
  if (c->generate.equation.parameter.of != SN_EQUATION_NONE &&
      !sn_equation_has_term(&c->generate.equation, c->generate.equation.parameter.of))
    return clash(r, "generate.equation.parameter.of", "generate.equation.linear",
                 "generate.equation.parameter.of is %s, whose coefficient in generate.equation is 0; give it one",
                 sn_name_of(sn_equation_terms, (int)c->generate.equation.parameter.of));
  if (c->generate.initial.kind == SN_KS_INITIAL_FILE && !*c->generate.initial_file)
    return clash(r, "generate.initial", "generate.initial_file",
                 "generate.initial is file, so generate.initial_file must name it");
  return SN_OK;
}

static bool is_none(const char *model) { return strcmp(model, "none") == 0; }

/* Whether a command makes the model that the section model describes; others take theirs from a file. */
static bool builds_model(const sn_config *c, int command) {
  if (command == SN_FOR_PREDICT) return is_none(c->predict.model);
  if (command == SN_FOR_LYAPUNOV) return is_none(c->lyapunov.model);
  return command & (SN_FOR_TRAIN | SN_FOR_BENCHMARK);
}

/* Convolutions and stencils reach round the grid once at most. */
static sn_status check_reach(const sn_reading *r) {
  const sn_config *c = r->config;
  const long long points = c->grid.points, kernel = c->model.network.kernel;
  const bool convolves = sn_network_weight_dimensions(c->model.network.kind) == 3;
  if (convolves && kernel > points)
    return clash(r, "model.nonlinear.kernel", "grid.points",
                 "model.nonlinear.kernel is %lld, but must be at most grid.points (%lld)", kernel, points);
  const int taps = sn_linear_shape_of(&c->model.linear, c->grid.length).taps;
  if (c->model.linear.kind == SN_LINEAR_STENCIL && taps > points)
    return clash(r, "model.linear.coefficients", "grid.points",
                 "model.linear.coefficients are %d%s, but must be at most grid.points (%lld)", taps,
                 sn_linear_is_ks(&c->model.linear.coefficients) ? " (ks)" : "", points);
  return SN_OK;
}

/* Which solvers the linear part has; a scheme without implicit stages asks none. */
static sn_status check_solver(const sn_reading *r) {
  const sn_config *c = r->config;
  const sn_tableau *tableau = c->integrator.tableau;
  const sn_solver_kind solver = c->integrator.solver.kind;
  const sn_linear_kind linear = c->model.linear.kind;
  const char *unsupported = sn_solver_unsupported_reason(solver, linear);
  const bool solves = tableau->kind == SN_TABLEAU_IMEX || tableau->kind == SN_TABLEAU_IMPLICIT;
  if (!unsupported || !solves) return SN_OK;
  return clash(r, "integrator.solver.kind", "model.linear.kind",
               "integrator.solver.kind is %s, but a linear part of kind %s %s", sn_solver_kind_name(solver),
               sn_linear_kind_name(linear), unsupported);
}

/* Exact tangents are those of IMEX and explicit schemes with fixed steps. */
static sn_status check_tangents(const sn_reading *r, const char *path, const char *why) {
  const sn_tableau *tableau = r->config->integrator.tableau;
  if (!tableau->adaptive && tableau->kind != SN_TABLEAU_IMPLICIT) return SN_OK;
  return clash(r, "integrator.scheme", path,
               "integrator.scheme is %s, which has no tangents, but %s takes them; use an IMEX or an explicit scheme "
               "with a fixed step",
               tableau->name, why);
}

static sn_status check_observations(const sn_reading *r, const char *section, const sn_observations_options *o) {
  char path[64], other[64];
  snprintf(path, sizeof path, "%s.observations.offset", section);
  snprintf(other, sizeof other, "%s.observations.stride", section);
  if (o->offset < o->stride && o->offset < r->config->grid.points) return SN_OK;
  return clash(r, path, other, "%s is %td, but must be below %s (%td) and grid.points (%td)", path, o->offset, other,
               o->stride, r->config->grid.points);
}

/* Only training windows have estimated states, of one length; the blocks of lm's matrix are whole states. */
static sn_status check_estimated(const sn_reading *r) {
  const sn_config *c = r->config;
  if (c->data.validation > 0)
    return clash(r, "train.validation", "train.initial",
                 "train.validation is %g, but with train.initial estimated there are states of training windows alone; "
                 "set it to 0",
                 c->data.validation);
  if (c->train.first_window > 0)
    return clash(r, "train.curriculum.window", "train.initial",
                 "train.curriculum.window is %td, but with train.initial estimated windows cannot grow; set it to 0",
                 c->train.first_window);
  if (c->optimizer.kind == SN_OPTIMIZER_LM && c->parallel.space > 1)
    return clash(r, "parallel.space", "train.initial",
                 "parallel.space is %d, but train.optimizer.kind lm with train.initial estimated takes whole states; "
                 "set it to 1, or use lbfgs or adamw",
                 c->parallel.space);
  return SN_OK;
}

static sn_status check_train(const sn_reading *r) {
  const sn_config *c = r->config;
  const sn_optimizer_kind kind = c->optimizer.kind;
  const char *name = sn_name_of(sn_optimizer_kinds, (int)kind);
  if (sn_optimizer_kind_wants_tangents(kind) && c->loss != SN_LOSS_MSE)
    return clash(r, "train.loss", "train.optimizer.kind",
                 "train.optimizer.kind is %s, which minimizes squares; set train.loss to mse, or use lbfgs", name);
  if (c->parallel.reproducible && sn_optimizer_kind_is_full_batch(kind))
    return clash(r, "parallel.reproducible", "train.optimizer.kind",
                 "parallel.reproducible sums batches in slices, but train.optimizer.kind %s takes no batches; set it "
                 "to false, or use adamw or sgd",
                 name);
  SN_TRY(check_observations(r, "train", &c->data.observations));
  if (c->train.initial == SN_INITIAL_ESTIMATED) SN_TRY(check_estimated(r));
  char reason[64];
  snprintf(reason, sizeof reason, "train.optimizer.kind %s", name);
  return sn_optimizer_kind_wants_tangents(kind) ? check_tangents(r, "train.optimizer.kind", reason) : SN_OK;
}

static sn_status check_lyapunov(const sn_reading *r, int command) {
  const sn_config *c = r->config;
  if (c->lyapunov.exponents > c->grid.points)
    return clash(r, "lyapunov.exponents", "grid.points",
                 "lyapunov.exponents is %d, but there are only as many as grid.points (%lld)", c->lyapunov.exponents,
                 (long long)c->grid.points);
  /* One file may also be for training by another scheme. */
  if (command == SN_FOR_LYAPUNOV) SN_TRY(check_tangents(r, "lyapunov.model", "sinode lyapunov"));
  return check_multiple(r, "lyapunov.interval", c->lyapunov.interval, "integrator.dt", c->integrator.dt,
                        1e-6); /* as for an interval of data */
}

/* Whether a command reads the section lyapunov: the command of that name, and check, where something of it is given. */
static bool reads_lyapunov(const sn_reading *r, int command) {
  bool given = false;
  for (int k = 0; k < sn_config_keys(); k++)
    given |= sn_config_key_at(k)->commands == SN_FOR_LYAPUNOV && sn_reading_has(r, k);
  return command == SN_FOR_LYAPUNOV || (command == SN_FOR_ALL && given);
}

/* What holds for the section model, whoever reads it. */
static sn_status check_model(const sn_reading *r) {
  const sn_config *c = r->config;
  if (c->model.network.kernel % 2 == 0)
    return clash(r, "model.nonlinear.kernel", "model.nonlinear.kind", "model.nonlinear.kernel is %d, but must be odd",
                 c->model.network.kernel);
  const bool convolves = c->model.network.kind == SN_NETWORK_CONV || c->model.network.kind == SN_NETWORK_BILINEAR;
  if (c->model.network.conservative && !convolves)
    return clash(
        r, "model.nonlinear.conservative", "model.nonlinear.kind",
        "model.nonlinear.conservative is for convolutions, but model.nonlinear.kind is %s; use conv or product",
        sn_network_kind_name(c->model.network.kind));
  if (c->model.network.conservative && c->model.network.kernel == 1)
    return clash(r, "model.nonlinear.conservative", "model.nonlinear.kernel",
                 "model.nonlinear.conservative takes kernels whose sum is 0, but model.nonlinear.kernel is 1, of which "
                 "only 0 is; use 3 or more");
  if (c->model.network.conservative && c->model.network.precision == SN_PRECISION_SINGLE)
    return clash(r, "model.nonlinear.conservative", "model.precision",
                 "model.nonlinear.conservative keeps the sum of weights at 0, which model.precision single would round "
                 "away after every update; use mixed or double");
  if (c->model.linear.kind == SN_LINEAR_SPECTRAL && c->model.linear.trainable)
    return clash(r, "model.linear.trainable", "model.linear.kind",
                 "model.linear.kind spectral has nothing to train; use stencil, derivatives or dense");
  if (c->model.linear.kind != SN_LINEAR_STENCIL && !c->model.linear.coefficients.derivatives)
    return clash(r, "model.linear.coefficients", "model.linear.kind",
                 "model.linear.coefficients is a list, which only model.linear.kind stencil takes; leave it at ks, or "
                 "give derivatives");
  if (c->model.linear.kind == SN_LINEAR_SPECTRAL && !sn_linear_is_ks(&c->model.linear.coefficients))
    return clash(r, "model.linear.coefficients", "model.linear.kind",
                 "model.linear.kind spectral is k^2 - k^4; use derivatives for other model.linear.coefficients");
  const unsigned scaled = (unsigned)c->model.linear.scaled;
  if (scaled && (c->model.linear.kind != SN_LINEAR_DERIVATIVES || !(scaled & c->model.linear.coefficients.derivatives)))
    return clash(r, "model.linear.parameter", "model.linear.coefficients",
                 "model.linear.parameter is %s, which must be one of model.linear.coefficients, of kind derivatives",
                 sn_name_of(sn_linear_terms, c->model.linear.scaled));
  if (c->model.linear.accuracy % 2)
    return clash(r, "model.linear.accuracy", "model.linear.kind",
                 "model.linear.accuracy is %d, but must be 2, 4, 6 or 8", c->model.linear.accuracy);
  return SN_OK;
}

sn_status sn_reading_check(const sn_reading *r, int command) {
  const sn_config *c = r->config;
  if (command & SN_FOR_GENERATE) SN_TRY(check_generate(r));
  SN_TRY(check_model(r));
  if (builds_model(c, command)) SN_TRY(check_reach(r));
  if (builds_model(c, command)) SN_TRY(check_solver(r));
  if (command & SN_FOR_TRAIN) SN_TRY(check_train(r));
  if (command & SN_FOR_PREDICT) SN_TRY(check_observations(r, "predict", &c->predict.observations));
  if (reads_lyapunov(r, command)) SN_TRY(check_lyapunov(r, command));
  if (c->integrator.storage == SN_STORAGE_REVOLVE && c->integrator.snapshots < 1)
    return clash(r, "adjoint.storage", "adjoint.snapshots",
                 "adjoint.storage is revolve, so adjoint.snapshots must be at least 1");
  return SN_OK;
}
