#include "sinode/dataset.h"

#include <math.h>
#include <string.h>

#include "sinode/memory.h"

/* The windows of a set, each by the line of the values that it begins with: member * snapshots + snapshot. */
typedef struct {
  ptrdiff_t count, *first;
} list;

/* Where windows may begin: members x starts. */
typedef struct {
  ptrdiff_t first_member, members, first_start, starts;
} box;

struct sn_dataset {
  ptrdiff_t snapshots, points, window, boundary;
  bool tiled;
  ptrdiff_t first_member;                      /* in values */
  const double *values, *initial, *parameters; /* initial: values without gaps */
  const double *counts;                        /* (members, snapshots) of observed values; NULL: all are */
  list sets[2];
};

static ptrdiff_t starts_in(ptrdiff_t snapshots, ptrdiff_t window) {
  return snapshots > window ? snapshots - window : 0;
}

static ptrdiff_t held_out(ptrdiff_t count, double fraction, ptrdiff_t least) {
  if (fraction <= 0) return 0;
  ptrdiff_t held = (ptrdiff_t)llround(fraction * (double)count);
  return held > least ? held : least;
}

static sn_status list_windows(const sn_dataset *data, const box *b, list *windows) {
  windows->count = b->members > 0 ? b->members * b->starts : 0;
  SN_TRY(SN_NEW(windows->count, &windows->first));
  for (ptrdiff_t k = 0; k < windows->count; k++)
    windows->first[k] = (b->first_member + k / b->starts) * data->snapshots + b->first_start + k % b->starts;
  return SN_OK;
}

sn_status sn_dataset_create(ptrdiff_t members, ptrdiff_t snapshots, ptrdiff_t points, const double *values,
                            ptrdiff_t window, sn_split_kind split, double validation, sn_dataset **out) {
  SN_TRY(SN_NEW(1, out));
  sn_dataset *data = *out;
  *data = (sn_dataset){.snapshots = snapshots, .points = points, .window = window, .values = values, .initial = values};
  box training, held;
  if (split == SN_SPLIT_TIME) {
    ptrdiff_t kept = snapshots - held_out(snapshots, validation, window + 1);
    data->boundary = kept;
    training = (box){0, members, 0, starts_in(kept, window)};
    held = (box){0, members, kept, starts_in(snapshots - kept, window)};
  } else {
    ptrdiff_t kept = members - held_out(members, validation, 1);
    data->boundary = kept;
    training = (box){0, kept, 0, starts_in(snapshots, window)};
    held = (box){kept, members - kept, 0, starts_in(snapshots, window)};
  }
  sn_status status = list_windows(data, &training, &data->sets[SN_SET_TRAINING]);
  if (!status) status = list_windows(data, &held, &data->sets[SN_SET_VALIDATION]);
  if (!status && sn_dataset_windows(data, SN_SET_TRAINING) < 1)
    status = SN_ERROR_ALL(
        SN_ERROR_USAGE,
        "no training window is left: the data have %td member(s) of %td snapshots, train.window is %td and "
        "train.validation %g (split by %s); generate more data or lower one of these",
        members, snapshots, window, validation, split == SN_SPLIT_TIME ? "time" : "member");
  if (status) sn_dataset_destroy(out);
  return status;
}

void sn_dataset_tile(sn_dataset *data) {
  data->tiled = true;
  for (sn_set set = SN_SET_TRAINING; set <= SN_SET_VALIDATION; set++) {
    list *windows = &data->sets[set];
    ptrdiff_t kept = 0, member = -1, begin = 0;
    for (ptrdiff_t k = 0; k < windows->count; k++) {
      const ptrdiff_t first = windows->first[k];
      if (first / data->snapshots != member) begin = first;
      member = first / data->snapshots;
      if ((first - begin) % data->window == 0) windows->first[kept++] = first;
    }
    windows->count = kept;
  }
}

ptrdiff_t sn_dataset_next(const sn_dataset *data, sn_set set, ptrdiff_t number) {
  const list *windows = &data->sets[set];
  if (!data->tiled || number < 0 || number + 1 >= windows->count) return -1;
  const ptrdiff_t first = windows->first[number], next = windows->first[number + 1];
  return next == first + data->window && next / data->snapshots == first / data->snapshots ? number + 1 : -1;
}

/* Of the targets of a window, on all space ranks. */
static double targets_observed(const sn_dataset *data, ptrdiff_t first) {
  double sum = 0;
  for (ptrdiff_t k = 1; k <= data->window; k++) sum += data->counts[first + k];
  return sum;
}

sn_status sn_dataset_observe(sn_dataset *data, const double *initial, const double *counts) {
  data->initial = initial;
  data->counts = counts;
  for (sn_set set = SN_SET_TRAINING; set <= SN_SET_VALIDATION; set++) {
    list *windows = &data->sets[set];
    ptrdiff_t kept = 0;
    for (ptrdiff_t k = 0; k < windows->count && !data->tiled; k++)
      if (counts[windows->first[k]] > 0 && targets_observed(data, windows->first[k]) > 0)
        windows->first[kept++] = windows->first[k];
    if (!data->tiled) windows->count = kept;
  }
  if (sn_dataset_windows(data, SN_SET_TRAINING) > 0) return SN_OK;
  return SN_ERROR_ALL(SN_ERROR_USAGE,
                      "no training window is left: in none of them something is observed at its beginning and behind "
                      "it; look at train.observations, or raise train.window");
}

double sn_dataset_observed(const sn_dataset *data, sn_set set, ptrdiff_t count, const ptrdiff_t *index,
                           ptrdiff_t window, ptrdiff_t all_points) {
  double sum = 0;
  if (!data->counts && !data->tiled) return (double)count * (double)window * (double)all_points;
  for (ptrdiff_t k = 0; k < count; k++) {
    const ptrdiff_t number = index ? index[k] : k, first = data->sets[set].first[number];
    const ptrdiff_t end = sn_dataset_next(data, set, number) < 0 ? window : window - 1;
    for (ptrdiff_t t = data->tiled ? 0 : 1; t <= end; t++)
      sum += data->counts ? data->counts[first + t] : (double)all_points;
  }
  return sum;
}

void sn_dataset_gather_initial(const sn_dataset *data, sn_set set, ptrdiff_t samples, const ptrdiff_t *index,
                               ptrdiff_t first, double *observed) {
  const ptrdiff_t points = data->points;
  for (ptrdiff_t s = 0; s < samples; s++) {
    const ptrdiff_t line = data->sets[set].first[index ? index[s] : first + s] - data->first_member * data->snapshots;
    memcpy(observed + s * points, data->values + line * points, (size_t)points * sizeof *observed);
  }
}

void sn_dataset_begin_at(sn_dataset *data, ptrdiff_t member) { data->first_member = member; }

void sn_dataset_set_parameters(sn_dataset *data, const double *parameters) { data->parameters = parameters; }

void sn_dataset_destroy(sn_dataset **dataset) {
  if (!*dataset) return;
  for (int set = 0; set < 2; set++) SN_FREE((*dataset)->sets[set].first);
  SN_FREE(*dataset);
}

ptrdiff_t sn_dataset_windows(const sn_dataset *data, sn_set set) { return data->sets[set].count; }

ptrdiff_t sn_dataset_boundary(const sn_dataset *data) { return data->boundary; }

void sn_dataset_gather(const sn_dataset *data, sn_set set, ptrdiff_t samples, const ptrdiff_t *index, ptrdiff_t first,
                       double *initial, double *targets) {
  const ptrdiff_t points = data->points;
  const size_t bytes = (size_t)points * sizeof *initial;
  for (ptrdiff_t s = 0; s < samples; s++) {
    const ptrdiff_t number = index ? index[s] : first + s;
    const ptrdiff_t at = (data->sets[set].first[number] - data->first_member * data->snapshots) * points;
    memcpy(initial + s * points, data->initial + at, bytes);
    for (ptrdiff_t k = 0; k < data->window; k++)
      memcpy(targets + (k * samples + s) * points, data->values + at + (k + 1) * points, bytes);
  }
}

void sn_dataset_gather_parameters(const sn_dataset *data, sn_set set, ptrdiff_t samples, const ptrdiff_t *index,
                                  ptrdiff_t first, double *parameters) {
  for (ptrdiff_t s = 0; s < samples; s++) {
    const ptrdiff_t number = index ? index[s] : first + s;
    parameters[s] = data->parameters ? data->parameters[data->sets[set].first[number] / data->snapshots] : 1;
  }
}

const sn_name sn_split_kinds[] = {{"time", SN_SPLIT_TIME}, {"member", SN_SPLIT_MEMBER}, {NULL, 0}};
