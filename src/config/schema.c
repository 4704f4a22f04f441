#include "schema.h"

#include <math.h>
#include <string.h>

const sn_name sn_config_commands[] = {{"generate", SN_FOR_GENERATE},
                                      {"train", SN_FOR_TRAIN},
                                      {"predict", SN_FOR_PREDICT},
                                      {"gradient", SN_FOR_GRADIENT},
                                      {"benchmark", SN_FOR_BENCHMARK},
                                      {"lyapunov", SN_FOR_LYAPUNOV},
                                      {NULL, 0}};

static const sn_name coordinates[] = {{"check", SN_COORDINATES_CHECK}, {"ignore", SN_COORDINATES_IGNORE}, {NULL, 0}};
static const sn_name resumes[] = {
    {"auto", SN_RESUME_AUTO}, {"never", SN_RESUME_NEVER}, {"required", SN_RESUME_REQUIRED}, {NULL, 0}};
static const sn_name clocks[] = {{"wall", SN_CLOCK_WALL}, {"processor", SN_CLOCK_PROCESSOR}, {NULL, 0}};
static const sn_name measurements[] = {
    {"generate_step", SN_MEASURES_GENERATION}, {"halo", SN_MEASURES_COMMUNICATION},
    {"reduction", SN_MEASURES_COMMUNICATION},  {"solve_fft", SN_MEASURES_SOLVERS},
    {"factor_fft", SN_MEASURES_SOLVERS},       {"solve_banded", SN_MEASURES_SOLVERS},
    {"factor_banded", SN_MEASURES_SOLVERS},    {"solve_dense", SN_MEASURES_SOLVERS},
    {"factor_dense", SN_MEASURES_SOLVERS},     {"solve_gmres", SN_MEASURES_SOLVERS},
    {"solve_local", SN_MEASURES_SOLVERS},      {"factor_local", SN_MEASURES_SOLVERS},
    {"network_forward", SN_MEASURES_NETWORK},  {"network_backward", SN_MEASURES_NETWORK},
    {"network_tangent", SN_MEASURES_NETWORK},  {"network_memory", SN_MEASURES_NETWORK},
    {"predict_step", SN_MEASURES_TRAINING},    {"train_iteration", SN_MEASURES_TRAINING},
    {"train_meeting", SN_MEASURES_TRAINING},   {"write_trajectory", SN_MEASURES_FILES},
    {"write_checkpoint", SN_MEASURES_FILES},   {NULL, 0}};

/* The type of a key and the place of its member, which the compiler refuses if it is not of a type for that. */
#define MEMBER(member) (((sn_config *)0)->member)
#define OF_SIZE(member, bytes) .offset = offsetof(sn_config, member), .size = (bytes)
#define CHECKED_SIZE(member, bytes)                                                      \
  sizeof(struct {                                                                        \
    _Static_assert(sizeof MEMBER(member) == (bytes), "a key's member has another size"); \
    char all[bytes];                                                                     \
  })
#define INTEGER(member) \
  SN_KEY_INTEGER, OF_SIZE(member, _Generic(MEMBER(member), int : sizeof(int), long : sizeof(long), long long : 8))
#define REAL(member) SN_KEY_REAL, OF_SIZE(member, _Generic(MEMBER(member), double : sizeof(double)))
#define DURATION(member) SN_KEY_DURATION, OF_SIZE(member, _Generic(MEMBER(member), double : sizeof(double)))
#define SWITCH(member) SN_KEY_SWITCH, OF_SIZE(member, _Generic(MEMBER(member), bool : sizeof(bool)))
#define PATH(member) SN_KEY_PATH, OF_SIZE(member, CHECKED_SIZE(member, SN_CONFIG_PATH))
#define NAMES(member) SN_KEY_NAMES, OF_SIZE(member, CHECKED_SIZE(member, SN_CONFIG_PATH))
#define CHOICE(member, names) SN_KEY_CHOICE, OF_SIZE(member, CHECKED_SIZE(member, sizeof(int))), .choices = (names)
#define SCHEME(member) \
  SN_KEY_SCHEME, OF_SIZE(member, _Generic(MEMBER(member), const sn_tableau * : sizeof(const sn_tableau *)))
#define WIDTHS(member) \
  SN_KEY_WIDTHS, OF_SIZE(member, _Generic(MEMBER(member), sn_network_widths : sizeof(sn_network_widths)))
#define COEFFICIENTS(member) \
  SN_KEY_COEFFICIENTS, OF_SIZE(member, _Generic(MEMBER(member), sn_linear_init : sizeof(sn_linear_init)))
#define DERIVATIVES(member) \
  SN_KEY_DERIVATIVES, OF_SIZE(member, _Generic(MEMBER(member), sn_linear_init : sizeof(sn_linear_init)))
#define NUMBERS(member) \
  SN_KEY_NUMBERS, OF_SIZE(member, _Generic(MEMBER(member), sn_equation_values : sizeof(sn_equation_values)))
#define FROM(least) .low = (least), .high = INFINITY
#define ABOVE(least) .low = (least), .high = INFINITY, .above_low = true
#define WITHIN(least, most) .low = (least), .high = (most)
#define ANY WITHIN(-INFINITY, INFINITY)
#define ROLLS (SN_FOR_BENCHMARK | SN_FOR_TRAIN | SN_FOR_PREDICT | SN_FOR_GRADIENT | SN_FOR_LYAPUNOV)
/* predict, lyapunov: where their model is none */
#define BUILDS (SN_FOR_BENCHMARK | SN_FOR_TRAIN | SN_FOR_PREDICT | SN_FOR_LYAPUNOV)
#define LEARNS (SN_FOR_BENCHMARK | SN_FOR_TRAIN | SN_FOR_GRADIENT)

static const sn_config_key keys[] = {
    {"run.directory", PATH(run.directory), .fallback = "run",
     .commands = SN_FOR_TRAIN | SN_FOR_GENERATE | SN_FOR_BENCHMARK,
     .help = "where checkpoints, models, history, status and measurements of the run go"},
    {"run.seed", INTEGER(run.seed), .fallback = "1", FROM(0), .commands = SN_FOR_ALL,
     .help = "of all random numbers: weights, shuffles, perturbations; results do not depend on the ranks"},
    {"run.time_limit", DURATION(run.time_limit), .fallback = "0s", .example = "12:00:00", WITHIN(0, 1e9),
     .commands = SN_FOR_TRAIN | SN_FOR_GENERATE,
     .help = "stops with a checkpoint and exit status 75 before so much time has passed; 0s: no limit; the end that "
             "SLURM sets to a job counts too"},
    {"run.checkpoint_interval", DURATION(run.checkpoint_interval), .fallback = "15m", WITHIN(0, 1e9),
     .commands = SN_FOR_TRAIN | SN_FOR_GENERATE,
     .help = "a checkpoint whenever the last one is so old, besides those of train.checkpoint.every; 0s: none"},
    {"run.stall_limit", DURATION(run.stall_limit), .fallback = "30m", WITHIN(0, 1e9),
     .commands = SN_FOR_TRAIN | SN_FOR_GENERATE,
     .help = "a rank that has got no step further for so long, since another rank, a host or a disk does not answer, "
             "ends with status 1; more than a step, an epoch's validation and a checkpoint take; 0s: waits for ever"},
    {"grid.points", INTEGER(grid.points), .fallback = "64", WITHIN(4, 2147483647), .commands = SN_FOR_ALL,
     .help = "grid points N of the periodic domain"},
    {"grid.length", REAL(grid.length), .fallback = "22.0", ABOVE(0), .unit = "nondimensional length",
     .commands = SN_FOR_ALL, .help = "length L of the domain; x_j = j L / N"},
    {"grid.coordinates", CHOICE(grid.coordinates, coordinates), .fallback = "check",
     .commands = SN_FOR_GENERATE | SN_FOR_TRAIN | SN_FOR_PREDICT | SN_FOR_GRADIENT,
     .help = "check: data files whose points are not L / N apart are refused, and u is put in order where x falls; "
             "ignore: u is taken for values at j L / N in the order of the file"},
    {"parallel.space", INTEGER(parallel.space), .fallback = "1", WITHIN(1, 1000000), .unit = "ranks",
     .commands = SN_FOR_ALL,
     .help = "ranks that share one replica's grid; the world divided by this is the number of replicas"},
    {"parallel.threads", INTEGER(parallel.threads), .fallback = "1", WITHIN(1, 1024), .unit = "threads",
     .commands = SN_FOR_ALL, .help = "of the BLAS in each rank"},
    {"parallel.reproducible", SWITCH(parallel.reproducible), .fallback = "false",
     .commands = SN_FOR_TRAIN | SN_FOR_BENCHMARK,
     .help = "training gives the same bits on any number of replicas: batches go in slices, whose gradients are summed "
             "in one order whatever ranks hold them"},
    {"parallel.slice", INTEGER(train.slice), .fallback = "32", WITHIN(1, 1e9), .unit = "windows",
     .commands = SN_FOR_TRAIN | SN_FOR_BENCHMARK,
     .help = "of such a slice; at most train.batch over this many replicas have work"},
    {"fft.plan", CHOICE(fft.plan, sn_fourier_rigors), .fallback = "estimate", .commands = SN_FOR_ALL,
     .help = "how FFTW plans: estimate gives the same bits in every run, measure is faster on large grids"},
    {"fft.wisdom", PATH(fft.wisdom), .fallback = "''", .example = "run/fftw.wisdom", .commands = SN_FOR_ALL,
     .help = "with fft.plan measure: file in which the plans are kept for later runs, which then have the same bits; "
             "empty: none"},
    {"io.compression", CHOICE(io.compression.kind, sn_compression_kinds), .fallback = "none",
     .commands = SN_FOR_GENERATE | SN_FOR_PREDICT, .help = "lossless, of the fields in trajectory files"},
    {"io.level", INTEGER(io.compression.level), .fallback = "1", WITHIN(1, 9),
     .commands = SN_FOR_GENERATE | SN_FOR_PREDICT, .help = "gzip: 1 is fastest; more gains little"},

    {"generate.file", PATH(generate.file), .fallback = "data.h5", .commands = SN_FOR_GENERATE,
     .help = "trajectory file to write"},
    {"generate.initial", CHOICE(generate.initial.kind, sn_ks_initials), .fallback = "paper",
     .commands = SN_FOR_GENERATE,
     .help =
         "initial state: paper cos(x/22) sin(1+x/22), cosine cos(2 pi x/L) (1 + sin(2 pi x/L)), random, noise, file"},
    {"generate.initial_file", PATH(generate.initial_file), .fallback = "''", .example = "data.h5",
     .commands = SN_FOR_GENERATE, .help = "trajectory file whose last snapshot is the start, for initial: file"},
    {"generate.members", INTEGER(generate.members), .fallback = "1", WITHIN(1, 1e9), .commands = SN_FOR_GENERATE,
     .help = "independent trajectories; all but the first start from perturbed states"},
    {"generate.perturbation", REAL(generate.initial.perturbation), .fallback = "0.01", FROM(0),
     .commands = SN_FOR_GENERATE, .help = "size of those perturbations relative to the initial state"},
    {"generate.dt", REAL(generate.etdrk4.dt), .fallback = "0.05", ABOVE(0), .unit = "time", .commands = SN_FOR_GENERATE,
     .help = "ETDRK4 step"},
    {"generate.transient", REAL(generate.transient), .fallback = "100.0", FROM(0), .unit = "time",
     .commands = SN_FOR_GENERATE, .help = "discarded before the first snapshot"},
    {"generate.span", REAL(generate.span), .fallback = "200.0", ABOVE(0), .unit = "time", .commands = SN_FOR_GENERATE,
     .help = "from the first snapshot to the last"},
    {"generate.interval", REAL(generate.interval), .fallback = "0.2", ABOVE(0), .unit = "time",
     .commands = SN_FOR_GENERATE, .help = "between snapshots; a multiple of generate.dt"},
    {"generate.noise", REAL(generate.noise), .fallback = "0.0", FROM(0), .commands = SN_FOR_GENERATE,
     .help =
         "standard deviation of normal noise added to every value of the file, by run.seed; the trajectory itself is "
         "without"},
    {"generate.dealias", SWITCH(generate.etdrk4.dealias), .fallback = "false", .commands = SN_FOR_GENERATE,
     .help = "two-thirds rule on quadratic terms; with u^3, the half rule"},
    {"generate.transform", CHOICE(generate.etdrk4.transform, sn_etdrk4_transforms), .fallback = "auto",
     .commands = SN_FOR_GENERATE | SN_FOR_BENCHMARK,
     .help = "global: of the whole grid; local: of overlapping subdomains; auto: local on domains where that gains"},
    {"generate.equation.linear", DERIVATIVES(generate.equation.linear), .fallback = "ks",
     .example = "{2: -1.0, 4: -1.0}", .commands = SN_FOR_GENERATE | SN_FOR_BENCHMARK,
     .help = "u_t = the derivatives of these orders by these coefficients + what follows; ks: -u_xx - u_xxxx"},
    {"generate.equation.u_ux", REAL(generate.equation.u_ux), .fallback = "-1.0", ANY,
     .commands = SN_FOR_GENERATE | SN_FOR_BENCHMARK, .help = "coefficient of u u_x"},
    {"generate.equation.ux2", REAL(generate.equation.ux2), .fallback = "0.0", ANY,
     .commands = SN_FOR_GENERATE | SN_FOR_BENCHMARK, .help = "coefficient of u_x^2 / 2"},
    {"generate.equation.u2", REAL(generate.equation.u2), .fallback = "0.0", ANY,
     .commands = SN_FOR_GENERATE | SN_FOR_BENCHMARK, .help = "coefficient of u^2"},
    {"generate.equation.u3", REAL(generate.equation.u3), .fallback = "0.0", ANY,
     .commands = SN_FOR_GENERATE | SN_FOR_BENCHMARK, .help = "coefficient of u^3"},
    {"generate.equation.constant", REAL(generate.equation.constant), .fallback = "0.0", ANY,
     .commands = SN_FOR_GENERATE | SN_FOR_BENCHMARK, .help = "a constant forcing"},
    {"generate.equation.parameter.of", CHOICE(generate.equation.parameter.of, sn_equation_terms), .fallback = "none",
     .commands = SN_FOR_GENERATE | SN_FOR_BENCHMARK,
     .help =
         "term whose coefficient is multiplied by a parameter of each member, which the file has as parameter(member)"},
    {"generate.equation.parameter.values", NUMBERS(generate.equation.parameter.values), .fallback = "[]",
     .commands = SN_FOR_GENERATE | SN_FOR_BENCHMARK,
     .help = "of the parameter, such as [0.8, 1.0, 1.2]: member m has number m modulo their count"},

    {"model.linear.kind", CHOICE(model.linear.kind, sn_linear_kinds), .fallback = "stencil", .commands = BUILDS,
     .help = "linear part A: periodic stencil, dense matrix, the symbol k^2 - k^4, or derivatives, exact in Fourier "
             "space"},
    {"model.linear.coefficients", COEFFICIENTS(model.linear.coefficients), .fallback = "ks",
     .example = "{2: -1.0, 3: 0.2, 4: -1.0}", .commands = BUILDS,
     .help = "of the derivatives, {2: -1, 4: -1} = -(d2/dx2 + d4/dx4) = ks: as they are, or by central differences as "
             "stencil and dense matrix; or the taps of the stencil"},
    {"model.linear.accuracy", INTEGER(model.linear.accuracy), .fallback = "2", WITHIN(2, SN_LINEAR_ACCURACY_MOST),
     .commands = BUILDS, .help = "stencil, dense: order of accuracy of these differences, 2, 4, 6 or 8"},
    {"model.linear.parameter", CHOICE(model.linear.scaled, sn_linear_terms), .fallback = "none", .commands = BUILDS,
     .help = "derivatives: the term whose coefficient is multiplied by the parameter of each member of the data, which "
             "they have as parameter(member)"},
    {"model.linear.trainable", SWITCH(model.linear.trainable), .fallback = "false", .commands = BUILDS,
     .help = "whether A is trained too: taps, coefficients of the derivatives, or matrix"},
    {"model.nonlinear.kind", CHOICE(model.network.kind, sn_network_kinds), .fallback = "mlp", .commands = BUILDS,
     .help =
         "network F of du/dt = -F(u) + A u: perceptron, periodic convolutions, products of convolutions r*((p*u)(q*u)) "
         "+ l*u; ks: the exact (u^2/2)_x, dealiased, not learned; none"},
    {"model.nonlinear.hidden", WIDTHS(model.network.hidden), .fallback = "[200, 200, 200, 200]", .unit = "units",
     .commands = BUILDS, .help = "widths of the hidden layers of a perceptron; [] for none"},
    {"model.nonlinear.channels", WIDTHS(model.network.channels), .fallback = "[8, 8]", .unit = "channels",
     .commands = BUILDS, .help = "of the hidden layers of a convolutional network"},
    {"model.nonlinear.products", INTEGER(model.network.products), .fallback = "4", WITHIN(1, 4096), .unit = "channels",
     .commands = BUILDS, .help = "of a bilinear convolution (product): how many products it sums"},
    {"model.nonlinear.kernel", INTEGER(model.network.kernel), .fallback = "5", WITHIN(1, 9999), .unit = "points",
     .commands = BUILDS, .help = "width of the convolutions; odd"},
    {"model.nonlinear.activation", CHOICE(model.network.activation, sn_activations), .fallback = "relu",
     .commands = BUILDS, .help = "after every hidden layer"},
    {"model.nonlinear.init.kind", CHOICE(model.network.init.kind, sn_init_kinds), .fallback = "normal",
     .commands = BUILDS,
     .help = "initial weights: normal (biases 0), xavier uniform (biases 0), or PyTorch's default for its layers"},
    {"model.nonlinear.init.std", REAL(model.network.init.std), .fallback = "0.01", FROM(0), .commands = BUILDS,
     .help = "standard deviation, for normal"},
    {"model.precision", CHOICE(model.network.precision, sn_precisions), .fallback = "double", .commands = BUILDS,
     .help = "of a perceptron: double; mixed: its products in single, states, solves, sums and weights in double; "
             "single: its weights in single as well"},

    {"integrator.scheme", SCHEME(integrator.tableau), .fallback = "l2", .commands = ROLLS,
     .help = "time integrator: IMEX (l2, 3, 4, 5 are the paper's IMEX-RK2 to 5), exponential, explicit, adaptive or "
             "implicit"},
    {"integrator.dt", REAL(integrator.dt), .fallback = "0.2", ABOVE(0), .unit = "time", .commands = ROLLS,
     .help = "time step, which divides the interval between snapshots; adaptive schemes: the first step tried"},
    {"integrator.rtol", REAL(integrator.control.rtol), .fallback = "1.0e-6", ABOVE(0), .commands = ROLLS,
     .help = "adaptive schemes: error of a step relative to the state"},
    {"integrator.atol", REAL(integrator.control.atol), .fallback = "1.0e-8", ABOVE(0), .commands = ROLLS,
     .help = "adaptive schemes: error of a step where the state is small"},
    {"integrator.minimum_step", REAL(integrator.control.minimum_step), .fallback = "1.0e-7", ABOVE(0), .unit = "time",
     .commands = ROLLS, .help = "adaptive schemes: a smaller step ends the run with the error 'stiff'"},
    {"integrator.newton.tolerance", REAL(integrator.newton.tolerance), .fallback = "1.0e-13", WITHIN(1e-15, 1),
     .commands = ROLLS,
     .help = "implicit schemes: relative residual that ends Newton's method, and the linear solve of the adjoint"},
    {"integrator.newton.max_iterations", INTEGER(integrator.newton.max_iterations), .fallback = "20", WITHIN(1, 100),
     .commands = ROLLS, .help = "implicit schemes: more than these are the error 'did not converge'"},
    {"integrator.newton.precondition", SWITCH(integrator.newton.precondition), .fallback = "true", .commands = ROLLS,
     .help = "implicit schemes: GMRES by the factorized linear part (I - gamma A)^-1"},
    {"integrator.subdomains.domain", CHOICE(integrator.subdomains.domain, sn_step_domains), .fallback = "auto",
     .commands = ROLLS,
     .help =
         "where a time step is made: on the whole grid, where each stage exchanges what it needs, or on overlapping "
         "subdomains one after the other, with one exchange a step (a stencil, a conv or product network, a fixed "
         "step); auto chooses"},
    {"integrator.subdomains.length", INTEGER(integrator.subdomains.length), .fallback = "0", WITHIN(0, 2147483647),
     .unit = "points", .commands = ROLLS, .help = "of a subdomain with its overlaps; 0: chosen for the cache"},
    {"integrator.subdomains.tolerance", REAL(integrator.subdomains.tolerance), .fallback = "1e-15", WITHIN(1e-16, 1e-3),
     .commands = ROLLS, .help = "what part of a step's kernel may be beyond the overlap, which follows from it"},
    {"integrator.solver.kind", CHOICE(integrator.solver.kind, sn_solver_kinds), .fallback = "auto", .commands = ROLLS,
     .help = "of implicit stages (exponential and explicit schemes have none): fft for circulant A, banded for "
             "stencils, dense (both by ScaLAPACK), gmres, local "
             "(overlapping subdomains, messages to neighbours alone) for circulant A on long domains; auto chooses"},
    {"integrator.solver.tolerance", REAL(integrator.solver.tolerance), .fallback = "1e-10", WITHIN(1e-15, 1e-1),
     .commands = ROLLS, .help = "gmres: residual over right-hand side, of every sample"},
    {"integrator.solver.max_iterations", INTEGER(integrator.solver.max_iterations), .fallback = "200", WITHIN(1, 1e6),
     .commands = ROLLS, .help = "gmres: iterations of a solve before it gives up"},
    {"integrator.solver.precondition", SWITCH(integrator.solver.precondition), .fallback = "true", .commands = ROLLS,
     .help = "gmres: by the circulant nearest to I - gamma A"},
    {"integrator.solver.overlap_tolerance", REAL(integrator.solver.overlap_tolerance), .fallback = "1e-15",
     WITHIN(1e-16, 1e-1), .commands = ROLLS,
     .help = "local: what the overlap of subdomains may leave of the kernel of (I - gamma A)^-1, its error by a bound"},
    {"adjoint.storage", CHOICE(integrator.storage, sn_storage_kinds), .fallback = "auto", .commands = LEARNS,
     .help = "what the backward pass keeps: all stages, one state a step (solutions), a few states (revolve)"},
    {"adjoint.snapshots", INTEGER(integrator.snapshots), .fallback = "0", WITHIN(0, 1e15), .unit = "states",
     .commands = LEARNS, .help = "states kept by revolve"},
    {"adjoint.memory", REAL(integrator.memory), .fallback = "0", FROM(0), .unit = "MiB a rank", .commands = LEARNS,
     .help = "what auto may use; 0: half of the node's memory, shared by its ranks"},

    {"train.data", PATH(data.file), .example = "data.h5", .commands = SN_FOR_TRAIN, .required = SN_FOR_TRAIN,
     .help = "trajectory file to learn from"},
    {"train.window", INTEGER(train.window), .fallback = "1", WITHIN(1, 1e9), .unit = "intervals", .commands = LEARNS,
     .help = "how far a sample is rolled out and fitted"},
    {"train.batch", INTEGER(train.batch), .fallback = "256", WITHIN(1, 1e9), .unit = "windows",
     .commands = SN_FOR_BENCHMARK | SN_FOR_TRAIN,
     .help = "global batch, shared out over the replicas; lbfgs, lm: windows worked on at once"},
    {"train.epochs", INTEGER(train.epochs), .fallback = "200", WITHIN(0, 1e9), .commands = SN_FOR_TRAIN,
     .help = "passes over the training windows"},
    {"train.optimizer.kind", CHOICE(optimizer.kind, sn_optimizer_kinds), .fallback = "adamw", .commands = SN_FOR_TRAIN,
     .help = "adamw and sgd as PyTorch defines them, on batches; lbfgs and lm (Levenberg-Marquardt) take all windows "
             "in every "
             "iteration, which is an epoch"},
    {"train.optimizer.learning_rate", REAL(train.schedule.start), .fallback = "5.0e-3", ABOVE(0),
     .commands = SN_FOR_TRAIN,
     .help = "at the start; the schedule changes it; lbfgs: length of its first trial step; lm: none"},
    {"train.optimizer.weight_decay", REAL(optimizer.weight_decay), .fallback = "0.01", FROM(0),
     .commands = SN_FOR_TRAIN, .help = "decoupled (adamw), or added to the gradient (sgd)"},
    {"train.optimizer.beta1", REAL(optimizer.beta1), .fallback = "0.9", WITHIN(0, 0.999999999),
     .commands = SN_FOR_TRAIN, .help = "adamw: decay of the mean of gradients"},
    {"train.optimizer.beta2", REAL(optimizer.beta2), .fallback = "0.999", WITHIN(0, 0.999999999),
     .commands = SN_FOR_TRAIN, .help = "adamw: decay of the mean of their squares"},
    {"train.optimizer.epsilon", REAL(optimizer.epsilon), .fallback = "1.0e-8", ABOVE(0), .commands = SN_FOR_TRAIN,
     .help = "adamw: added to the root of that"},
    {"train.optimizer.momentum", REAL(optimizer.momentum), .fallback = "0.9", WITHIN(0, 0.999999999),
     .commands = SN_FOR_TRAIN, .help = "sgd"},
    {"train.optimizer.clip", REAL(train.clip), .fallback = "0", FROM(0), .commands = SN_FOR_TRAIN,
     .help = "adamw, sgd: a gradient of larger norm is scaled down to this one; 0: never"},
    {"train.optimizer.history", INTEGER(optimizer.history), .fallback = "20", WITHIN(1, SN_OPTIMIZER_HISTORY_MOST),
     .unit = "pairs", .commands = SN_FOR_TRAIN, .help = "lbfgs: steps and changes of the gradient that it remembers"},
    {"train.optimizer.damping", REAL(optimizer.damping), .fallback = "1.0e-2", ABOVE(0), .commands = SN_FOR_TRAIN,
     .help = "lm: of the first step, relative to the diagonal of J^T J; the gain ratio changes it"},
    {"train.curriculum.window", INTEGER(train.first_window), .fallback = "0", WITHIN(0, 1e9), .unit = "intervals",
     .commands = SN_FOR_TRAIN, .help = "of the first epochs, growing to train.window; 0: train.window from the start"},
    {"train.curriculum.epochs", INTEGER(train.window_epochs), .fallback = "50", WITHIN(1, 1e9), .unit = "epochs",
     .commands = SN_FOR_TRAIN,
     .help = "after each so many the window doubles, or the weight of jumps is ten times as large"},
    {"train.curriculum.jump_weight", REAL(train.first_jump_weight), .fallback = "0.0", FROM(0),
     .commands = SN_FOR_TRAIN,
     .help = "of the first epochs, growing to train.jump_weight; 0: train.jump_weight from the start"},
    {"train.schedule.kind", CHOICE(train.schedule.kind, sn_schedule_kinds), .fallback = "plateau",
     .commands = SN_FOR_TRAIN, .help = "of the learning rate"},
    {"train.schedule.factor", REAL(train.schedule.factor), .fallback = "0.75", .low = 0, .high = 1, .above_low = true,
     .commands = SN_FOR_TRAIN, .help = "plateau: the rate is multiplied by this"},
    {"train.schedule.patience", INTEGER(train.schedule.patience), .fallback = "50", WITHIN(0, 1e9), .unit = "epochs",
     .commands = SN_FOR_TRAIN, .help = "plateau: after more than this without a better loss"},
    {"train.schedule.threshold", REAL(train.schedule.threshold), .fallback = "1.0e-4", WITHIN(0, 1),
     .commands = SN_FOR_TRAIN, .help = "plateau: better means lower by this fraction"},
    {"train.schedule.minimum", REAL(train.schedule.minimum), .fallback = "1.0e-6", FROM(0), .commands = SN_FOR_TRAIN,
     .help = "plateau, cosine, restarts: the rate never falls below this"},
    {"train.schedule.period", INTEGER(train.schedule.period), .fallback = "0", WITHIN(0, 1e9), .unit = "epochs",
     .commands = SN_FOR_TRAIN, .help = "cosine: of the whole, restarts: of the first wave; 0: train.epochs"},
    {"train.schedule.growth", REAL(train.schedule.growth), .fallback = "2.0", WITHIN(1, 1e6), .commands = SN_FOR_TRAIN,
     .help = "restarts: each wave is so many times as long as the one before"},
    {"train.loss", CHOICE(loss, sn_loss_kinds), .fallback = "mse", .commands = LEARNS,
     .help = "mean over samples, targets and points of squares or of magnitudes"},
    {"train.validation", REAL(data.validation), .fallback = "0.2", WITHIN(0, 0.9), .commands = SN_FOR_TRAIN,
     .help = "fraction of the data kept out of training: the last snapshots, or the last members"},
    {"train.split", CHOICE(data.split, sn_split_kinds), .fallback = "time", .commands = SN_FOR_TRAIN,
     .help = "which of the two"},
    {"train.initial", CHOICE(train.initial, sn_initials), .fallback = "data", .commands = SN_FOR_TRAIN,
     .help = "where windows begin: with the data; or in states that are estimated with the weights from all "
             "observations of the window, for noisy data (windows then follow each other)"},
    {"train.jump_weight", REAL(train.jump_weight), .fallback = "1.0", FROM(0), .commands = SN_FOR_TRAIN,
     .help =
         "initial estimated: of the squared jump from the end of a window to the beginning of the next one, relative "
         "to the squared misfit of an observation: the variance of its noise over that of the model's error"},
    {"train.observations.stride", INTEGER(data.observations.stride), .fallback = "1", WITHIN(1, 1e9), .unit = "points",
     .commands = SN_FOR_TRAIN, .help = "every so manieth grid point is observed; the loss sees nothing of the others"},
    {"train.observations.offset", INTEGER(data.observations.offset), .fallback = "0", WITHIN(0, 1e9), .unit = "points",
     .commands = SN_FOR_TRAIN, .help = "the first of them"},
    {"train.observations.mask", PATH(data.observations.mask), .fallback = "''", .example = "mask",
     .commands = SN_FOR_TRAIN,
     .help = "variable of the data, of the dimensions of u or of x alone, that is 0 where nothing is observed; empty: "
             "none"},
    {"train.observations.missing", CHOICE(data.observations.missing, sn_missings), .fallback = "refuse",
     .commands = SN_FOR_TRAIN,
     .help = "values that are NaN or _FillValue: refuse the file, or skip them as not observed"},
    {"train.observations.interval", REAL(data.observations.interval), .fallback = "0.0", FROM(0), .unit = "time",
     .commands = SN_FOR_TRAIN,
     .help = "of which the times of the data are multiples, even or not; what train.window counts then; 0: the times "
             "must be even"},
    {"train.checkpoint.every", INTEGER(run.checkpoint.every), .fallback = "10", WITHIN(1, 1e9), .unit = "epochs",
     .commands = SN_FOR_TRAIN, .help = "between checkpoints"},
    {"train.checkpoint.keep", INTEGER(run.checkpoint.keep), .fallback = "3", WITHIN(1, 1e6), .unit = "files",
     .commands = SN_FOR_TRAIN, .help = "newest checkpoints that stay, besides that of the lowest loss"},
    {"train.on_nonfinite", CHOICE(train.on_nonfinite, sn_nonfinites), .fallback = "stop", .commands = SN_FOR_TRAIN,
     .help = "when a batch's loss or gradient is not finite: stop; skip the batch; or skip it and halve the learning "
             "rate (both stop after 10 such batches in a row)"},
    {"train.resume", CHOICE(run.resume, resumes), .fallback = "auto", .commands = SN_FOR_TRAIN,
     .help = "go on from the newest checkpoint: auto if there is one, never, or required"},

    {"predict.model", PATH(predict.model), .example = "run/model.h5", .commands = SN_FOR_PREDICT,
     .required = SN_FOR_PREDICT,
     .help = "model file (a checkpoint will do); none: the model of the section model as it begins"},
    {"predict.data", PATH(predict.data), .example = "data.h5", .commands = SN_FOR_PREDICT, .required = SN_FOR_PREDICT,
     .help = "trajectory file with the initial states and the reference"},
    {"predict.file", PATH(predict.file), .fallback = "prediction.h5", .commands = SN_FOR_PREDICT,
     .help = "trajectory file to write; none: the valid times are printed alone"},
    {"predict.start", INTEGER(predict.start), .fallback = "0", WITHIN(0, 1e15), .unit = "snapshot",
     .commands = SN_FOR_PREDICT, .help = "index of the initial snapshot"},
    {"predict.starts", INTEGER(predict.starts), .fallback = "1", WITHIN(1, 1e6), .commands = SN_FOR_PREDICT,
     .help = "predictions from each trajectory: from predict.start on, as far apart as the data have a reference for"},
    {"predict.span", REAL(predict.span), .fallback = "100.0", ABOVE(0), .unit = "time", .commands = SN_FOR_PREDICT,
     .help = "how far to predict"},
    {"predict.threshold", REAL(predict.threshold), .fallback = "0.5", ABOVE(0), .commands = SN_FOR_PREDICT,
     .help = "of nrmse, which ends the valid time"},
    {"predict.lyapunov_exponent", REAL(predict.lyapunov_exponent), .fallback = "0.043", ABOVE(0), .unit = "1/time",
     .commands = SN_FOR_PREDICT, .help = "the leading one, for times in Lyapunov times (0.043: L = 22)"},
    {"predict.baselines", SWITCH(predict.baselines), .fallback = "true", .commands = SN_FOR_PREDICT,
     .help = "whether persistence, climatology and the linear part alone are measured beside the model"},
    {"predict.initial", CHOICE(predict.initial, sn_initials), .fallback = "data", .commands = SN_FOR_PREDICT,
     .help = "where predictions begin: with the data; or in states that are estimated from the observations before"},
    {"predict.window", INTEGER(predict.past_window), .fallback = "20", WITHIN(1, 1e9), .unit = "intervals",
     .commands = SN_FOR_PREDICT, .help = "initial estimated: how far before its start a prediction has observations"},
    {"predict.observations.data", PATH(predict.past), .fallback = "''", .example = "noisy.h5",
     .commands = SN_FOR_PREDICT,
     .help =
         "initial estimated: trajectory file of the observations, at the times of predict.data; empty: that itself"},
    {"predict.observations.stride", INTEGER(predict.observations.stride), .fallback = "1", WITHIN(1, 1e9),
     .unit = "points", .commands = SN_FOR_PREDICT, .help = "every so manieth grid point is observed"},
    {"predict.observations.offset", INTEGER(predict.observations.offset), .fallback = "0", WITHIN(0, 1e9),
     .unit = "points", .commands = SN_FOR_PREDICT, .help = "the first of them"},
    {"predict.observations.mask", PATH(predict.observations.mask), .fallback = "''", .example = "mask",
     .commands = SN_FOR_PREDICT,
     .help = "variable of the observations that is 0 where nothing is observed; empty: none"},
    {"predict.observations.missing", CHOICE(predict.observations.missing, sn_missings), .fallback = "refuse",
     .commands = SN_FOR_PREDICT,
     .help = "values that are NaN or _FillValue: refuse the file, or skip them as not observed"},
    {"predict.scores.window", REAL(predict.window), .fallback = "22.0", ABOVE(0), .unit = "length",
     .commands = SN_FOR_PREDICT,
     .help = "of the local valid time: the median over windows of the domain of this length"},
    {"predict.scores.steps", INTEGER(predict.steps), .fallback = "100", WITHIN(1, 1e9), .unit = "intervals",
     .commands = SN_FOR_PREDICT, .help = "over which the geometric mean of nrmse is taken"},

    {"gradient.model", PATH(gradient.model), .example = "run/model.h5", .commands = SN_FOR_GRADIENT,
     .required = SN_FOR_GRADIENT, .help = "model file (a checkpoint will do)"},
    {"gradient.data", PATH(gradient.data), .example = "data.h5", .commands = SN_FOR_GRADIENT,
     .required = SN_FOR_GRADIENT, .help = "trajectory file; every member is one sample"},
    {"gradient.file", PATH(gradient.file), .fallback = "gradient.h5", .commands = SN_FOR_GRADIENT,
     .help = "gradient file to write"},
    {"lyapunov.model", PATH(lyapunov.model), .example = "run/model.h5", .commands = SN_FOR_LYAPUNOV,
     .required = SN_FOR_LYAPUNOV,
     .help =
         "model file (a checkpoint will do); none: the model of the section model as it begins, such as the equation "
         "itself (nonlinear ks, linear spectral)"},
    {"lyapunov.file", PATH(lyapunov.file), .fallback = "lyapunov.h5", .commands = SN_FOR_LYAPUNOV,
     .help = "file to write"},
    {"lyapunov.exponents", INTEGER(lyapunov.exponents), .fallback = "8", WITHIN(1, 4096), .commands = SN_FOR_LYAPUNOV,
     .help = "how many, the leading ones"},
    {"lyapunov.members", INTEGER(lyapunov.members), .fallback = "1", WITHIN(1, 1e6), .commands = SN_FOR_LYAPUNOV,
     .help = "independent trajectories, from random states by run.seed"},
    {"lyapunov.transient", REAL(lyapunov.transient), .fallback = "200.0", FROM(0), .unit = "time",
     .commands = SN_FOR_LYAPUNOV, .help = "discarded: states reach the attractor, perturbations their directions"},
    {"lyapunov.span", REAL(lyapunov.span), .fallback = "2000.0", ABOVE(0), .unit = "time", .commands = SN_FOR_LYAPUNOV,
     .help = "over which is averaged; its twentieth is rounded to whole intervals"},
    {"lyapunov.interval", REAL(lyapunov.interval), .fallback = "1.0", ABOVE(0), .unit = "time",
     .commands = SN_FOR_LYAPUNOV, .help = "between orthonormalizations; a multiple of integrator.dt"},
    {"benchmark.only", NAMES(benchmark.only), .fallback = "[]", .example = "[train_iteration, solve_fft]",
     .choices = measurements, .commands = SN_FOR_BENCHMARK, .help = "measurements to make; none named: all of them"},
    {"benchmark.repeats", INTEGER(benchmark.repeats), .fallback = "5", WITHIN(1, 101), .commands = SN_FOR_BENCHMARK,
     .help = "of each measurement; the median counts"},
    {"benchmark.clock", CHOICE(benchmark.clock, clocks), .fallback = "wall", .commands = SN_FOR_BENCHMARK,
     .help = "processor: seconds that a rank's thread computes, on a machine with other work; waiting does not count"},
    {"benchmark.seconds", REAL(benchmark.seconds), .fallback = "0.2", WITHIN(0.001, 100), .unit = "s",
     .commands = SN_FOR_BENCHMARK, .help = "one measurement makes as many calls as take this long"},
};

_Static_assert(sizeof keys / sizeof keys[0] <= SN_CONFIG_KEYS_MOST, "more keys than there is room for");

int sn_config_keys(void) { return (int)(sizeof keys / sizeof keys[0]); }
const sn_config_key *sn_config_key_at(int index) { return &keys[index]; }

int sn_config_find(const char *path) {
  for (int k = 0; k < sn_config_keys(); k++)
    if (strcmp(keys[k].path, path) == 0) return k;
  return -1;
}

bool sn_config_is_section(const char *path) {
  const size_t length = strlen(path);
  for (int k = 0; k < sn_config_keys(); k++)
    if (strncmp(keys[k].path, path, length) == 0 && keys[k].path[length] == '.') return true;
  return false;
}
