/*
 * What a prediction is worth: the errors of three predictions that need no network.
 *
 *   persistence   the initial state for ever
 *   climatology   the mean of the reference over x and time
 *   linear        the linear part of the model alone, du/dt = A u, by the same scheme from the same initial state; it
 *                 may grow beyond all bounds, to infinity in the end
 */
#ifndef SINODE_COMMANDS_BASELINES_H
#define SINODE_COMMANDS_BASELINES_H

#include <stddef.h>

#include "run/app.h"
#include "sinode/model.h"

typedef enum { SN_BASELINE_PERSISTENCE, SN_BASELINE_CLIMATOLOGY, SN_BASELINE_LINEAR, SN_BASELINES } sn_baseline;

typedef struct sn_baselines sn_baselines;

/* "persistence", "climatology", "linear". */
const char *sn_baseline_name(sn_baseline baseline);

/*
 * For `members` members of this replica at once (none is allowed), over at most `intervals` intervals of data at a
 * time. initial (members, local points) and climate (members) are copied. Collective over world.
 */
SN_MUST_CHECK sn_status sn_baselines_create(sn_app *app, const sn_model *model, double interval, ptrdiff_t intervals,
                                            ptrdiff_t members, const double *initial, const double *climate,
                                            sn_baselines **out);
void sn_baselines_destroy(sn_baselines **baselines);

/* Goes on by `count` intervals. Collective over world. Errors as of sn_integrator_forward. */
SN_MUST_CHECK sn_status sn_baselines_advance(sn_baselines *baselines, ptrdiff_t count);

/*
 * Sums of squares over this rank's points of the differences from `truth` (members, points), `step` intervals after the
 * last state before the last advance: sums (SN_BASELINES, members). step 0 is that state itself. Local.
 */
void sn_baselines_compare(const sn_baselines *baselines, ptrdiff_t step, const double *truth, double *sums);

#endif
