#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "axis.h"
#include "cf_units.h"
#include "sinode/checksum.h"
#include "sinode/count.h"
#include "sinode/memory.h"
#include "sinode/trajectory_file.h"
#include "trajectory_layout.h"
#include "trajectory_sums.h"
#include "trajectory_x.h"

enum { NOTES_MOST = 8, NOTE = 240 };

struct sn_trajectory_reader {
  sn_file *file;
  sn_trajectory_layout layout;
  sn_cf_variable u;
  double length;
  double *times; /* in seconds, or in the file's plain numbers */
  double interval;
  ptrdiff_t uneven; /* the snapshot whose distance from the one before is most unlike the mean; -1: they are even */
  uint64_t *sums;   /* NULL: the file has no checksums */
  bool takes_gaps;  /* values that are missing or NaN are read as NaN */
  sn_trajectory_x x;
  int notes;
  char note[NOTES_MOST][NOTE];
};

static void add_note(sn_trajectory_reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add_note(sn_trajectory_reader *r, const char *format, ...) {
  va_list arguments;
  if (r->notes == NOTES_MOST) return;
  va_start(arguments, format);
  vsnprintf(r->note[r->notes++], NOTE, format, arguments);
  va_end(arguments);
}

/* The intervals that may be between times of which each is off by an error at most, the first too; low > high: none. */
static sn_axis_spacings fit_times(const double *times, ptrdiff_t count, double error) {
  sn_axis_spacings fit = {1, 0};
  for (int part = 0; part <= 8 && fit.low > fit.high; part++) { /* 0, 1/4, -1/4, 1/2, ... of it */
    const int quarters = part % 2 ? (part + 1) / 2 : -part / 2;
    const double moved = 0.25 * error * quarters;
    fit = sn_axis_fit(0, count, times, times[0] + moved, error);
  }
  return fit;
}

/* The interval of times that are even to a millionth, and of those that are as far as the file can tell. */
static void find_interval(sn_trajectory_reader *r, const sn_axis_error *error) {
  const ptrdiff_t count = sn_trajectory_snapshots(r), last = count - 1;
  const double *t = r->times, mean = last > 0 ? (t[last] - t[0]) / (double)last : 0;
  double worst = 1e-6 * mean;
  r->interval = mean;
  r->uneven = -1;
  for (ptrdiff_t k = last; k > 0; k--) {
    const double off = fabs(t[k] - t[k - 1] - mean);
    if (off <= worst) continue;
    worst = off;
    r->uneven = k;
  }
  if (r->uneven < 0 || !(mean > 0)) return;
  const double errors[] = {error->stored, fmax(error->stored, error->rounded)};
  for (int k = 0; k < 2; k++) {
    if (!(errors[k] <= 0.1 * mean)) return; /* what is left says nothing of the interval */
    const sn_axis_spacings fit = fit_times(t, count, errors[k]);
    if (!(fit.low > 0 && fit.low <= fit.high)) continue;
    r->interval = sn_axis_simplest(fit.low, fit.high);
    r->uneven = -1;
    if (k == 0)
      add_note(r, "time is evenly spaced within the precision it is stored with: %.12g taken for the interval",
               r->interval);
    else
      add_note(r, "time is rounded to %d decimal digits and evenly spaced within them: %.12g taken for the interval",
               error->digits, r->interval);
    return;
  }
}

/* Seconds in the file's unit of time. */
static sn_status find_unit(const sn_trajectory_reader *r, const sn_cf_variable *time, double *seconds) {
  *seconds = sn_cf_seconds(time->units);
  if (*seconds > 0) return SN_OK;
  const bool calendar = sn_cf_is_calendar(time->units);
  return SN_ERROR_ALL(SN_ERROR_FILE,
                      "%s: time has the units '%s', %s; write it in seconds, or in plain numbers with "
                      "the units '1'",
                      sn_file_path(r->file), time->units,
                      calendar ? "which are not always of the same length" : "which are no units of time");
}

static sn_status read_times(sn_trajectory_reader *r) {
  MPI_Comm comm = sn_file_comm(r->file);
  const char *path = r->layout.coordinate[SN_TIME];
  const hsize_t snapshots = r->layout.size[SN_TIME];
  const sn_file_part whole = {.dimensions = 1, .shape = {snapshots}, .count = {snapshots}};
  sn_cf_variable time;
  double seconds;
  SN_TRY(sn_cf_find(r->file, path, &time));
  SN_TRY(find_unit(r, &time, &seconds));
  SN_TRY(sn_collective_status(comm, SN_NEW((ptrdiff_t)snapshots, &r->times)));
  SN_TRY(sn_cf_read(r->file, path, &time, &whole, r->times));
  sn_axis_error error = sn_axis_find_error(MPI_COMM_SELF, &time, (ptrdiff_t)snapshots, r->times);
  if (seconds != 1) {
    for (hsize_t k = 0; k < snapshots; k++) r->times[k] *= seconds;
    error.stored *= seconds;
    error.rounded *= seconds;
  }
  find_interval(r, &error);
  if (seconds != 1)
    add_note(r, "time is in '%s', converted to seconds: a snapshot every %.12g", time.units, r->interval);
  if (!sn_file_contains(r->file, "/" SN_TRAJECTORY_SUMS)) return SN_OK;
  SN_TRY(sn_collective_status(comm, SN_NEW((ptrdiff_t)snapshots, &r->sums)));
  return sn_file_read(r->file, "/" SN_TRAJECTORY_SUMS, H5T_NATIVE_INT64, &whole, r->sums);
}

static sn_status inspect(sn_trajectory_reader *r) {
  char order[40];
  SN_TRY(sn_trajectory_find_layout(r->file, &r->layout));
  SN_TRY(sn_cf_find(r->file, "/u", &r->u));
  SN_TRY(sn_error_collective(sn_file_get_double(r->file, sn_file_id(r->file), "domain_length", &r->length)));
  if (!(r->length > 0) || isinf(r->length))
    return SN_ERROR_ALL(SN_ERROR_FILE, "%s: domain_length is %g, but must be positive", sn_file_path(r->file),
                        r->length);
  if (!r->layout.in_order || r->layout.dimensions < SN_ROLES) {
    sn_trajectory_print_layout(&r->layout, order, sizeof order);
    add_note(r, "u is %s, read as (member, time, x)", order);
  }
  if (r->u.packed) add_note(r, "u is packed: %.12g times the stored numbers + %.12g", r->u.scale, r->u.offset);
  SN_TRY(read_times(r));
  return sn_trajectory_look_at_x(r->file, &r->layout, &r->u, r->length, &r->x);
}

sn_status sn_trajectory_open(MPI_Comm comm, const char *path, sn_trajectory_reader **out) {
  *out = NULL;
  sn_file *file;
  SN_TRY(sn_file_open(comm, path, "trajectory", &file));
  sn_status status = sn_collective_status(comm, SN_NEW(1, out));
  if (status) {
    sn_file_close(&file);
    return status;
  }
  (*out)->file = file;
  status = inspect(*out);
  if (status) sn_trajectory_close(out);
  return status;
}

void sn_trajectory_close(sn_trajectory_reader **reader) {
  if (!*reader) return;
  sn_file_close(&(*reader)->file);
  SN_FREE((*reader)->times);
  SN_FREE((*reader)->sums);
  SN_FREE(*reader);
}

ptrdiff_t sn_trajectory_members(const sn_trajectory_reader *r) { return (ptrdiff_t)r->layout.size[SN_MEMBER]; }
ptrdiff_t sn_trajectory_snapshots(const sn_trajectory_reader *r) { return (ptrdiff_t)r->layout.size[SN_TIME]; }
ptrdiff_t sn_trajectory_points(const sn_trajectory_reader *r) { return (ptrdiff_t)r->layout.size[SN_X]; }
double sn_trajectory_length(const sn_trajectory_reader *r) { return r->length; }
double sn_trajectory_time(const sn_trajectory_reader *r, ptrdiff_t snapshot) { return r->times[snapshot]; }
int sn_trajectory_notes(const sn_trajectory_reader *r) { return r->notes; }
const char *sn_trajectory_note(const sn_trajectory_reader *r, int index) { return r->note[index]; }

bool sn_trajectory_has_parameters(const sn_trajectory_reader *r) { return sn_file_contains(r->file, "/parameter"); }

sn_status sn_trajectory_read_parameters(const sn_trajectory_reader *r, double *values) {
  const hsize_t members = r->layout.size[SN_MEMBER];
  const sn_file_part whole = {.dimensions = 1, .shape = {members}, .count = {members}};
  sn_cf_variable variable;
  SN_TRY(sn_cf_find(r->file, "/parameter", &variable));
  SN_TRY(sn_cf_read(r->file, "/parameter", &variable, &whole, values));
  for (hsize_t m = 0; m < members; m++)
    if (!isfinite(values[m]))
      return SN_ERROR_ALL(SN_ERROR_FILE, "%s: the parameter of member %llu is not finite", sn_file_path(r->file),
                          (unsigned long long)m);
  return SN_OK;
}

sn_status sn_trajectory_check_x(sn_trajectory_reader *r) {
  if (*r->x.problem) return SN_ERROR_ALL(SN_ERROR_FILE, "%s: %s", sn_file_path(r->file), r->x.problem);
  if (*r->x.note) add_note(r, "%s", r->x.note);
  return SN_OK;
}

const char *sn_trajectory_ignore_x(sn_trajectory_reader *r) {
  r->x.falls = false;
  return *r->x.problem ? r->x.problem : *r->x.note ? r->x.note : NULL;
}

sn_status sn_trajectory_interval(const sn_trajectory_reader *r, double *interval) {
  char found[32], expected[32];
  const ptrdiff_t bad = r->uneven;
  if (sn_trajectory_snapshots(r) < 2)
    return SN_ERROR_ALL(SN_ERROR_FILE, "%s: has one snapshot only, but at least two are needed", sn_file_path(r->file));
  if (bad < 0 && r->interval > 0) {
    *interval = r->interval;
    return SN_OK;
  }
  if (!(r->interval > 0))
    return SN_ERROR_ALL(SN_ERROR_FILE,
                        "%s: time does not rise: it is %.9g at the first snapshot and %.9g at the last; write the time "
                        "of every snapshot",
                        sn_file_path(r->file), r->times[0], r->times[sn_trajectory_snapshots(r) - 1]);
  sn_axis_print_apart(r->times[bad] - r->times[bad - 1], r->interval, found, expected);
  return SN_ERROR_ALL(SN_ERROR_FILE,
                      "%s: snapshots are not evenly spaced in time (%s after snapshot %td, %s in the "
                      "mean)",
                      sn_file_path(r->file), found, bad - 1, expected);
}

void sn_trajectory_take_gaps(sn_trajectory_reader *r) { r->takes_gaps = true; }

/* The index of the first value that is missing; where gaps are taken none is left. Local. */
static ptrdiff_t find_missing(const sn_trajectory_reader *r, ptrdiff_t count, double *values) {
  ptrdiff_t missing = sn_cf_decode(&r->u, count, values);
  for (ptrdiff_t done = 0; r->takes_gaps && missing >= 0;) {
    values[done + missing] = NAN;
    done += missing + 1;
    missing = sn_cf_decode(&r->u, count - done, values + done);
  }
  return missing;
}

/* The first value that is missing or not finite, if there is one. Local. */
static sn_status decode(const sn_trajectory_reader *r, sn_range members, sn_range snapshots, sn_range points,
                        double *values) {
  const ptrdiff_t count = members.count * snapshots.count * points.count;
  const ptrdiff_t missing = find_missing(r, count, values);
  ptrdiff_t bad = 0;
  while (bad < (missing < 0 ? count : missing) && (isfinite(values[bad]) || (r->takes_gaps && isnan(values[bad]))))
    bad++;
  if (bad == count) return SN_OK;
  const ptrdiff_t line = bad / points.count, point = points.start + bad % points.count;
  char what[160], place[120];
  snprintf(place, sizeof place, "member %td, snapshot %td, at point %td", members.start + line / snapshots.count,
           snapshots.start + line % snapshots.count, r->x.falls ? sn_trajectory_points(r) - 1 - point : point);
  if (bad != missing)
    return SN_ERROR(SN_ERROR_FILE, "%s: u is not finite (%g) in %s", sn_file_path(r->file), values[bad], place);
  sn_cf_explain(&r->u, values[bad], what, sizeof what);
  return SN_ERROR(SN_ERROR_FILE, "%s: u is missing in %s: it holds %s; leave such snapshots out, or fill them",
                  sn_file_path(r->file), place, what);
}

sn_status sn_trajectory_read(sn_trajectory_reader *r, sn_range members, sn_range snapshots, sn_range points,
                             double *values) {
  SN_TRY(sn_trajectory_read_block(r->file, "/u", &r->layout, r->x.falls, members, snapshots, points, values));
  return sn_collective_status(sn_file_comm(r->file), decode(r, members, snapshots, points, values));
}

/* A mask of x alone, the same for all members and snapshots. */
static sn_status read_points(sn_trajectory_reader *r, const char *path, ptrdiff_t lines, sn_range points,
                             double *values) {
  const hsize_t all = r->layout.size[SN_X];
  const ptrdiff_t start = r->x.falls ? (ptrdiff_t)all - points.start - points.count : points.start;
  const sn_file_part part = {
      .dimensions = 1, .shape = {all}, .start = {(hsize_t)start}, .count = {lines ? (hsize_t)points.count : 0}};
  double *line;
  SN_TRY(sn_collective_status(sn_file_comm(r->file), SN_NEW(points.count, &line)));
  sn_status status = sn_file_read(r->file, path, H5T_NATIVE_DOUBLE, &part, line);
  for (ptrdiff_t k = 0; k < lines * points.count && !status; k++) {
    const ptrdiff_t j = k % points.count;
    values[k] = line[r->x.falls ? points.count - 1 - j : j];
  }
  SN_FREE(line);
  return status;
}

sn_status sn_trajectory_read_mask(sn_trajectory_reader *r, const char *name, sn_range members, sn_range snapshots,
                                  sn_range points, double *values) {
  char path[1100];
  int dimensions;
  snprintf(path, sizeof path, "/%s", name);
  if (!sn_file_contains(r->file, path))
    return SN_ERROR_ALL(SN_ERROR_FILE,
                        "%s: has no variable %s, the mask of what is observed; write one of the dimensions of u, or of "
                        "x alone, 0 where nothing is observed",
                        sn_file_path(r->file), name);
  SN_TRY(sn_file_dimensions(r->file, path, &dimensions));
  if (dimensions == 1) return read_points(r, path, members.count * snapshots.count, points, values);
  return sn_trajectory_read_block(r->file, path, &r->layout, r->x.falls, members, snapshots, points, values);
}

uint64_t sn_trajectory_share(double time, bool adds_time, sn_range members, sn_range points, ptrdiff_t all_points,
                             const double *u, ptrdiff_t stride) {
  uint64_t sum = adds_time ? sn_checksum_run(&time, 1, 1, 0) : 0;
  for (ptrdiff_t m = 0; m < members.count; m++) {
    const ptrdiff_t place = (members.start + m) * all_points + points.start;
    sum += sn_checksum_run(u + m * stride, points.count, 0, (uint64_t)place);
  }
  return sum;
}

sn_status sn_trajectory_verify(const sn_trajectory_reader *r, sn_range members, sn_range snapshots, sn_range points,
                               const double *values) {
  MPI_Comm comm = sn_file_comm(r->file);
  const ptrdiff_t all_points = sn_trajectory_points(r), stride = snapshots.count * points.count;
  int64_t values_held = members.count * points.count;
  uint64_t *sums;
  if (!r->sums) return SN_OK;
  MPI_Allreduce(MPI_IN_PLACE, &values_held, 1, MPI_INT64_T, MPI_SUM, comm);
  const int64_t whole = (int64_t)(r->layout.size[SN_MEMBER] * r->layout.size[SN_X]), copies = values_held / whole;
  if (copies * whole != values_held) return SN_OK; /* not all members: there is nothing to compare with */
  int rank, count;
  SN_TRY(sn_error_collective(sn_count_to_int(snapshots.count, "snapshots of a trajectory", &count)));
  SN_TRY(sn_collective_status(comm, SN_NEW(snapshots.count, &sums)));
  MPI_Comm_rank(comm, &rank);
  for (ptrdiff_t s = 0; s < snapshots.count; s++) {
    const double time = r->times[snapshots.start + s];
    sums[s] = sn_trajectory_share(time, false, members, points, all_points, values + s * points.count, stride);
    if (rank) continue;
    sums[s] += (uint64_t)copies * (sn_checksum_run(&time, 1, 1, 0) - r->sums[snapshots.start + s]);
  }
  MPI_Allreduce(MPI_IN_PLACE, sums, count, MPI_UINT64_T, MPI_SUM, comm);
  ptrdiff_t bad = 0;
  while (bad < snapshots.count && sums[bad] == 0) bad++;
  SN_FREE(sums);
  if (bad == snapshots.count) return SN_OK;
  return SN_ERROR_ALL(SN_ERROR_FILE,
                      "%s: snapshot %td is not as it was written (its checksum is wrong): the file is damaged; if "
                      "another program changed it on purpose, remove the variable " SN_TRAJECTORY_SUMS,
                      sn_file_path(r->file), snapshots.start + bad);
}
