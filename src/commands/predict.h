/* sinode predict: what its files, the run, its data, its errors and its output, share. */
#ifndef SINODE_COMMANDS_PREDICT_H
#define SINODE_COMMANDS_PREDICT_H

#include "baselines.h"
#include "prediction_range.h"
#include "run/app.h"
#include "scores.h"
#include "sinode/integrator.h"
#include "sinode/model.h"
#include "sinode/trajectory_file.h"
#include "skill.h"

typedef struct {
  sn_app *app;
  sn_grid *grid;
  sn_trajectory_reader *reader;
  sn_model *model;
  sn_integrator *integrator;
  sn_baselines *baselines; /* NULL: not wanted */
  int scores;              /* model and baselines */
  sn_skill *skill;         /* further scores of the model */
  sn_trajectory_writer *writer;
  sn_prediction_range range;
  ptrdiff_t total;       /* predictions in all, the members of the file */
  sn_range members;      /* those of this replica: number starts * trajectory + start */
  ptrdiff_t points;      /* local */
  ptrdiff_t chunk;       /* intervals between two looks at the state */
  ptrdiff_t steps;       /* of the geometric mean of nrmse */
  ptrdiff_t known;       /* snapshots of the reference, the initial one included */
  double start;          /* time of the initial snapshot, 0 where there are several */
  double *states;        /* (chunk + 1, members, points) */
  double *reference;     /* (members, known, points) */
  double *frame;         /* (members, points): the reference at one time, NaN where there is none */
  double *mean, *spread; /* (members): of the reference, and its standard deviation */
  double *errors;        /* (chunk + 1, scores, members): sums of squares, then rmse */
  double *relative;      /* (scores, members): nrmse at one time */
  double *marked;        /* (SN_MARKS, scores, members): nrmse after these intervals: */
  ptrdiff_t mark[SN_MARKS];
  double *estimate;      /* (chunk + 1, members): largest error estimate of a step in each interval; row 0 stays 0 */
  double *squares;       /* (steps of a chunk, members): sums behind it */
  double worst_estimate; /* of the members of this replica so far */
  double *valid_time;    /* (scores, members): NaN while the prediction is still valid */
  double *initial;       /* (members, points): estimated states to begin with; NULL: those of the reference */
  double *start_time;    /* (members): of the initial snapshot */
} sn_prediction;

/* Opens the data and reads the references of this replica; how far predictions go is known then. Collective over world.
 */
SN_MUST_CHECK sn_status sn_prediction_load(sn_prediction *prediction);

/*
 * Where predict.initial is estimated: fits, by L-BFGS and the adjoint, a state predict.window intervals before each
 * start to what is observed from there on; prediction->initial is what the model makes of it. Collective over world.
 * Errors: the observations are not at the times of the data, or do not reach so far back.
 */
SN_MUST_CHECK sn_status sn_prediction_estimate_initial(sn_prediction *prediction);

/* Mean and standard deviation over points and times of the reference, member by member. Collective over space. */
void sn_prediction_measure_spread(sn_prediction *prediction);

/* Fills prediction->frame with the reference `step` intervals after the start. Local. */
void sn_prediction_take_frame(sn_prediction *prediction, ptrdiff_t step);

/*
 * rmse of `count` states (count, members, points), the first of which is `step` intervals after the start, into
 * prediction->errors, and the sums of prediction->skill. Collective over space, a reduction each.
 */
void sn_prediction_measure_errors(sn_prediction *prediction, ptrdiff_t step, ptrdiff_t count, const double *states);

/* nrmse of all scores at one time, from their rmse; watches for the ends of the valid times, keeps what is told. Local.
 */
void sn_prediction_measure_relative(sn_prediction *prediction, ptrdiff_t step, const double *rmse);

/* Rms over x of the error estimates, the largest of an interval's steps. Collective over space, one reduction. */
void sn_prediction_measure_estimates(sn_prediction *prediction, ptrdiff_t count);

/* Begins predict.file, if one is wanted, and appends states with their errors. Collective over world. */
SN_MUST_CHECK sn_status sn_prediction_open(sn_prediction *prediction);
SN_MUST_CHECK sn_status sn_prediction_write(sn_prediction *prediction, ptrdiff_t step, ptrdiff_t count,
                                            const double *states, const double *estimates);

#endif
