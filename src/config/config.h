/*
 * The parameter file as a struct. One schema table (config_schema.c) gives every key its type, default, range, unit and
 * help, and from it come the validation, `sinode template`, `sinode explain`, the help text and the echo into outputs.
 */
#ifndef SINODE_CONFIG_CONFIG_H
#define SINODE_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sinode/fourier.h"
#include "sinode/linear.h"
#include "sinode/network.h"
#include "sinode/solver.h"

enum { SN_CONFIG_PATH = 1024, SN_CONFIG_TAPS_MOST = 33 };

/* The commands that read a parameter file; a bit each, for "required by". */
typedef enum {
  SN_FOR_GENERATE = 1,
  SN_FOR_TRAIN = 2,
  SN_FOR_PREDICT = 4,
  SN_FOR_GRADIENT = 8,
  SN_FOR_BENCHMARK = 16,
  SN_FOR_LYAPUNOV = 32,
  SN_FOR_ALL = 63
} sn_config_command;

typedef struct {
  struct {
    char directory[SN_CONFIG_PATH];
    int64_t seed;
    double time_limit, checkpoint_interval; /* seconds; 0: none */
  } run;
  struct {
    int64_t points;
    double length;
    int coordinates; /* check | ignore, as enum sn_coordinates below */
  } grid;
  struct {
    int64_t space;   /* ranks per replica */
    int64_t threads; /* of the BLAS, per rank */
    bool reproducible;
    int64_t slice; /* windows */
  } parallel;
  struct {
    int plan; /* sn_fourier_rigor: estimate | measure */
    char wisdom[SN_CONFIG_PATH];
  } fft;
  struct {
    int compression; /* of trajectories: 0 none, 1 gzip */
    int64_t level;
  } io;
  struct {
    char file[SN_CONFIG_PATH];
    int initial;                       /* sn_ks_initial: paper | cosine | random | file */
    char initial_file[SN_CONFIG_PATH]; /* initial: file -> a trajectory file whose last snapshot is the start */
    int64_t members;
    double dt, transient, span, interval;
    bool dealias;
    double perturbation; /* relative size of the perturbation of members > 0 */
  } generate;
  struct {
    struct {
      int kind; /* sn_linear_kind */
      bool ks;  /* coefficients: ks */
      int taps; /* of coefficients given as a list, or 5 */
      double coefficients[SN_CONFIG_TAPS_MOST];
      bool trainable;
    } linear;
    struct {
      int kind; /* sn_network_kind */
      int hidden_count;
      int64_t hidden[SN_NETWORK_HIDDEN_MOST];
      int channel_count;
      int64_t channels[SN_NETWORK_HIDDEN_MOST];
      int64_t products;
      int64_t kernel;
      int activation; /* sn_activation */
      struct {
        int kind; /* sn_init_kind */
        double std;
      } init;
    } nonlinear;
    int precision; /* sn_precision */
  } model;
  struct {
    char scheme[32];
    double dt;
    double rtol, atol, minimum_step; /* of adaptive schemes */
    struct {
      double tolerance;
      int64_t max_iterations;
      bool precondition;
    } newton; /* of implicit schemes */
    struct {
      int kind; /* sn_solver_kind */
      double tolerance;
      int64_t max_iterations;
      bool precondition; /* of gmres */
    } solver;
  } integrator;
  struct {
    int storage; /* sn_storage_kind */
    int64_t snapshots;
    double memory; /* MiB */
  } adjoint;
  struct {
    char data[SN_CONFIG_PATH];
    int64_t window, batch, epochs;
    struct {
      int kind; /* sn_optimizer_kind */
      double learning_rate, weight_decay, beta1, beta2, epsilon, momentum, clip, damping;
      int64_t history;
    } optimizer;
    struct {
      int kind; /* sn_schedule_kind */
      double factor;
      int64_t patience;
      double threshold; /* relative */
      double minimum;
      int64_t period; /* epochs; 0: train.epochs */
      double growth;
    } schedule;
    struct {
      int64_t window, epochs; /* window 0: none */
    } curriculum;
    int loss; /* sn_loss_kind: mse | mae */
    double validation;
    int split; /* sn_split_kind: time | member */
    struct {
      int64_t every, keep; /* epochs, files */
    } checkpoint;
    int on_nonfinite; /* sn_nonfinite: stop | skip | halve */
    int resume;       /* auto | never | required, as enum sn_resume below */
  } train;
  struct {
    char model[SN_CONFIG_PATH], data[SN_CONFIG_PATH], file[SN_CONFIG_PATH];
    int64_t start, starts;
    double span;
    double threshold;         /* of nrmse, for the valid time */
    double lyapunov_exponent; /* leading one, for times in Lyapunov times */
    bool baselines;
  } predict;
  struct {
    char model[SN_CONFIG_PATH], data[SN_CONFIG_PATH], file[SN_CONFIG_PATH];
  } gradient;
  struct {
    char model[SN_CONFIG_PATH], file[SN_CONFIG_PATH];
    int64_t exponents, members;
    double transient, span, interval;
  } lyapunov;
  struct {
    char only[SN_CONFIG_PATH]; /* names, a space behind each; empty: all */
    int64_t repeats;
    double seconds;
  } benchmark;
} sn_config;

/* What measures together, from one set-up, some of the names that benchmark.only takes. */
typedef enum {
  SN_MEASURES_GENERATION,
  SN_MEASURES_COMMUNICATION,
  SN_MEASURES_SOLVERS,
  SN_MEASURES_TRAINING,
  SN_MEASURES_FILES,
  SN_MEASURES_GROUPS
} sn_measures;

/* Of the x in data files. */
typedef enum { SN_COORDINATES_CHECK, SN_COORDINATES_IGNORE } sn_coordinates;
typedef enum { SN_RESUME_AUTO, SN_RESUME_NEVER, SN_RESUME_REQUIRED } sn_resume;

/*
 * Reads and validates `text` (`length` bytes; `path` names it in messages), then applies `settings`
 * ("section.key=value", count of them) over it. `command` decides which required keys must be there. Local: rank 0
 * reads the file and the program broadcasts it, so every rank parses the same bytes and finds the same.
 * Errors (SN_ERROR_USAGE, alike on all ranks) say "FILE:LINE: key is what was found, but must be what was expected",
 * for an unknown key with the nearest valid name; one in a setting begins with "--set section.key=value" instead.
 * Repeated keys and sections, names with dots and a second document are errors too.
 */
sn_status sn_config_parse(const char *path, const char *text, size_t length, const char *const *settings, int count,
                          sn_config_command command, sn_config *config);

/*
 * Reads the parameters that a file of ours keeps, perhaps of another version: keys that this one does not know are
 * passed over, those that it does not give have their defaults. Local, errors as above.
 */
sn_status sn_config_parse_kept(const char *path, const char *text, size_t length, sn_config *config);

/* The parameters in force as YAML, every default spelt out. The caller frees *text with free(). Local. */
sn_status sn_config_echo(const sn_config *config, char **text);

/*
 * The first key at or below `path` whose values differ, with both values as YAML in before and now (size bytes each);
 * NULL if there is none. Local.
 */
const char *sn_config_difference(const sn_config *a, const sn_config *b, const char *path, char *before, char *now,
                                 size_t size);

/* A complete commented parameter file for a command, on stdout. */
void sn_config_template(sn_config_command command);

/*
 * A JSON Schema (draft 7) of the parameter file, for editors, on stdout: all keys, of which those are required that the
 * commands (sn_config_command bits; 0: none) cannot do without.
 */
void sn_config_json_schema(int commands);

/* One key ("train.batch") or a section ("train") with type, unit, range, default and example, on stdout. */
sn_status sn_config_explain(const char *key);

#endif
