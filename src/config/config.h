/*
 * The parameter file as a struct, made of the modules' own options. One schema table (schema.c) gives every key its
 * member, default, range, unit and help, and from it come the validation, `sinode template`, `sinode explain`, the help
 * text and the echo into outputs.
 */
#ifndef SINODE_CONFIG_CONFIG_H
#define SINODE_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sinode/dataset.h"
#include "sinode/etdrk4.h"
#include "sinode/integrator.h"
#include "sinode/ks_initial.h"
#include "sinode/loss.h"
#include "sinode/model.h"
#include "sinode/observations.h"
#include "sinode/optimizer.h"
#include "sinode/trainer.h"
#include "sinode/trajectory_file.h"

enum { SN_CONFIG_PATH = 1024 };

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

extern const sn_name sn_config_commands[]; /* without SN_FOR_ALL */

/* What benchmark counts: all time, or the processor's of the rank's thread. */
typedef enum { SN_CLOCK_WALL, SN_CLOCK_PROCESSOR } sn_benchmark_clock;

/* Whether the x of data files must be those of the grid. */
typedef enum { SN_COORDINATES_CHECK, SN_COORDINATES_IGNORE } sn_coordinates;

typedef enum { SN_RESUME_AUTO, SN_RESUME_NEVER, SN_RESUME_REQUIRED } sn_resume;

/*
 * The options of the modules, and what the program itself is told. Members of the options that no key sets stay 0: they
 * follow from other keys or from the data, and are set where an object is made of the options.
 */
typedef struct {
  struct {
    char directory[SN_CONFIG_PATH];
    int64_t seed;
    double time_limit, checkpoint_interval, stall_limit; /* seconds; 0: none */
    struct {
      int64_t every; /* epochs */
      int keep;      /* files */
    } checkpoint;
    sn_resume resume;
  } run;
  struct {
    ptrdiff_t points;
    double length;
    sn_coordinates coordinates;
  } grid;
  struct {
    int space;         /* ranks per replica */
    int threads;       /* of the BLAS, per rank */
    bool reproducible; /* else train.slice has no effect */
  } parallel;
  struct {
    sn_fourier_rigor plan;
    char wisdom[SN_CONFIG_PATH];
  } fft;
  struct {
    sn_compression compression; /* of trajectories */
  } io;
  struct {
    char file[SN_CONFIG_PATH];
    sn_ks_initial_options initial;
    char initial_file[SN_CONFIG_PATH]; /* initial: file -> a trajectory file whose last snapshot is the start */
    ptrdiff_t members;
    sn_etdrk4_options etdrk4;
    sn_equation equation;
    double transient, span, interval;
    double noise;
  } generate;
  sn_model_options model;
  sn_integrator_options integrator;
  struct {
    char file[SN_CONFIG_PATH];
    char model[SN_CONFIG_PATH]; /* to begin with */
    double validation;          /* fraction */
    sn_split_kind split;
    sn_observations_options observations;
  } data; /* to train on */
  sn_loss_kind loss;
  sn_optimizer_options optimizer;
  sn_trainer_options train;
  struct {
    char model[SN_CONFIG_PATH], data[SN_CONFIG_PATH], file[SN_CONFIG_PATH];
    ptrdiff_t start, starts;
    double span;
    double threshold;         /* of nrmse, for the valid time */
    double lyapunov_exponent; /* leading one, for times in Lyapunov times */
    bool baselines;
    sn_initial initial;
    ptrdiff_t past_window;     /* intervals before a start, from which its state is estimated */
    char past[SN_CONFIG_PATH]; /* what was observed there; "": data */
    sn_observations_options observations;
    double window;   /* of local valid times */
    ptrdiff_t steps; /* of the geometric mean of nrmse */
  } predict;
  struct {
    char model[SN_CONFIG_PATH], data[SN_CONFIG_PATH], file[SN_CONFIG_PATH];
  } gradient;
  struct {
    char model[SN_CONFIG_PATH], file[SN_CONFIG_PATH];
    int exponents;
    ptrdiff_t members;
    double transient, span, interval;
  } lyapunov;
  struct {
    char only[SN_CONFIG_PATH]; /* names, a space behind each; empty: all */
    int repeats;
    double seconds;
    sn_benchmark_clock clock;
  } benchmark;
} sn_config;

/* What measures together, from one set-up, some of the names that benchmark.only takes. */
typedef enum {
  SN_MEASURES_GENERATION,
  SN_MEASURES_COMMUNICATION,
  SN_MEASURES_SOLVERS,
  SN_MEASURES_NETWORK,
  SN_MEASURES_TRAINING,
  SN_MEASURES_FILES,
  SN_MEASURES_GROUPS
} sn_measures;

/*
 * Reads and validates `text` (`length` bytes; `path` names it in messages), then applies `settings`
 * ("section.key=value", count of them) over it. `command` decides which required keys must be there. Local: rank 0
 * reads the file and the program broadcasts it, so every rank parses the same bytes and finds the same.
 * Errors (SN_ERROR_USAGE, alike on all ranks) say "FILE:LINE: key is what was found, but must be what was expected",
 * for an unknown key with the nearest valid name; one in a setting begins with "--set section.key=value" instead.
 * Repeated keys and sections, names with dots and a second document are errors too.
 */
SN_MUST_CHECK sn_status sn_config_parse(const char *path, const char *text, size_t length, const char *const *settings,
                                        int count, sn_config_command command, sn_config *config);

/*
 * Reads the parameters that a file of ours keeps, perhaps of another version: keys that this one does not know are
 * passed over, those that it does not give have their defaults. Local, errors as above.
 */
SN_MUST_CHECK sn_status sn_config_parse_kept(const char *path, const char *text, size_t length, sn_config *config);

/* The run's parameters as YAML, defaults included. The caller frees *text with free(). Local. */
SN_MUST_CHECK sn_status sn_config_echo(const sn_config *config, char **text);

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
SN_MUST_CHECK sn_status sn_config_explain(const char *key);

#endif
