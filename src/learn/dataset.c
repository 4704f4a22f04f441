#include "sinode/dataset.h"

#include <math.h>
#include <string.h>

#include "sinode/memory.h"

/* A set is a box of members x starts: window number w has member w / starts and start w % starts. */
typedef struct {
  ptrdiff_t first_member, members, first_start, starts;
} box;

struct sn_dataset {
  ptrdiff_t snapshots, points, window, boundary;
  ptrdiff_t first_member; /* in values */
  const double *values, *parameters;
  box sets[2];
};

static ptrdiff_t starts_in(ptrdiff_t snapshots, ptrdiff_t window) {
  return snapshots > window ? snapshots - window : 0;
}

static ptrdiff_t held_out(ptrdiff_t count, double fraction, ptrdiff_t least) {
  if (fraction <= 0) return 0;
  ptrdiff_t held = (ptrdiff_t)llround(fraction * (double)count);
  return held > least ? held : least;
}

sn_status sn_dataset_create(ptrdiff_t members, ptrdiff_t snapshots, ptrdiff_t points, const double *values,
                            ptrdiff_t window, sn_split_kind split, double validation, sn_dataset **out) {
  SN_TRY(SN_NEW(1, out));
  sn_dataset *data = *out;
  *data = (sn_dataset){.snapshots = snapshots, .points = points, .window = window, .values = values};
  box *training = &data->sets[SN_SET_TRAINING], *held = &data->sets[SN_SET_VALIDATION];
  if (split == SN_SPLIT_TIME) {
    ptrdiff_t kept = snapshots - held_out(snapshots, validation, window + 1);
    data->boundary = kept;
    *training = (box){0, members, 0, starts_in(kept, window)};
    *held = (box){0, members, kept, starts_in(snapshots - kept, window)};
  } else {
    ptrdiff_t kept = members - held_out(members, validation, 1);
    data->boundary = kept;
    *training = (box){0, kept, 0, starts_in(snapshots, window)};
    *held = (box){kept, members - kept, 0, starts_in(snapshots, window)};
  }
  if (sn_dataset_windows(data, SN_SET_TRAINING) < 1) {
    sn_dataset_destroy(out);
    return SN_ERROR_ALL(
        SN_ERROR_USAGE,
        "no training window is left: the data have %td member(s) of %td snapshots, train.window is %td and "
        "train.validation %g (split by %s); generate more data or lower one of these",
        members, snapshots, window, validation, split == SN_SPLIT_TIME ? "time" : "member");
  }
  return SN_OK;
}

void sn_dataset_begin_at(sn_dataset *data, ptrdiff_t member) { data->first_member = member; }

void sn_dataset_set_parameters(sn_dataset *data, const double *parameters) { data->parameters = parameters; }

void sn_dataset_destroy(sn_dataset **dataset) { SN_FREE(*dataset); }

ptrdiff_t sn_dataset_windows(const sn_dataset *data, sn_set set) {
  return data->sets[set].starts > 0 && data->sets[set].members > 0 ? data->sets[set].starts * data->sets[set].members
                                                                   : 0;
}

ptrdiff_t sn_dataset_boundary(const sn_dataset *data) { return data->boundary; }

void sn_dataset_gather(const sn_dataset *data, sn_set set, ptrdiff_t samples, const ptrdiff_t *index, ptrdiff_t first,
                       double *initial, double *targets) {
  const box *windows = &data->sets[set];
  const ptrdiff_t points = data->points;
  const size_t bytes = (size_t)points * sizeof *initial;
  for (ptrdiff_t s = 0; s < samples; s++) {
    const ptrdiff_t number = index ? index[s] : first + s;
    const ptrdiff_t member = windows->first_member + number / windows->starts;
    const ptrdiff_t start = windows->first_start + number % windows->starts;
    const double *from = data->values + ((member - data->first_member) * data->snapshots + start) * points;
    memcpy(initial + s * points, from, bytes);
    for (ptrdiff_t k = 0; k < data->window; k++)
      memcpy(targets + (k * samples + s) * points, from + (k + 1) * points, bytes);
  }
}

void sn_dataset_gather_parameters(const sn_dataset *data, sn_set set, ptrdiff_t samples, const ptrdiff_t *index,
                                  ptrdiff_t first, double *parameters) {
  const box *windows = &data->sets[set];
  for (ptrdiff_t s = 0; s < samples; s++) {
    const ptrdiff_t number = index ? index[s] : first + s;
    parameters[s] = data->parameters ? data->parameters[windows->first_member + number / windows->starts] : 1;
  }
}

const sn_name sn_split_kinds[] = {{"time", SN_SPLIT_TIME}, {"member", SN_SPLIT_MEMBER}, {NULL, 0}};
