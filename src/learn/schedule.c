#include "sinode/schedule.h"

#include <math.h>

const sn_name sn_schedule_kinds[] = {{"plateau", SN_SCHEDULE_PLATEAU},
                                     {"constant", SN_SCHEDULE_CONSTANT},
                                     {"cosine", SN_SCHEDULE_COSINE},
                                     {"restarts", SN_SCHEDULE_RESTARTS},
                                     {NULL, 0}};

sn_schedule sn_schedule_start(double learning_rate) {
  return (sn_schedule){.rate = learning_rate, .best = INFINITY, .bad_epochs = 0};
}

/* The rate `epochs` after the start: a function of time alone. */
static double wave(const sn_schedule_options *options, int64_t epochs) {
  double since = (double)epochs, period = (double)options->period;
  while (options->kind == SN_SCHEDULE_RESTARTS && since >= period) {
    since -= period;
    period = round(period * options->growth);
  }
  const double part = fmin(since / period, 1);
  return options->minimum + (options->start - options->minimum) * (1 + cos(M_PI * part)) / 2;
}

void sn_schedule_step(sn_schedule *schedule, const sn_schedule_options *options, int64_t epochs, double loss) {
  if (options->kind == SN_SCHEDULE_CONSTANT) return;
  if (options->kind != SN_SCHEDULE_PLATEAU) {
    schedule->rate = wave(options, epochs);
    return;
  }
  if (loss < schedule->best * (1 - options->threshold)) {
    schedule->best = loss;
    schedule->bad_epochs = 0;
  } else {
    schedule->bad_epochs++;
  }
  if (schedule->bad_epochs <= options->patience) return;
  schedule->bad_epochs = 0;
  const double reduced = fmax(schedule->rate * options->factor, options->minimum);
  if (schedule->rate - reduced > 1e-8) schedule->rate = reduced; /* PyTorch's eps */
}
