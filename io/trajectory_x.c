#include "trajectory_x.h"

#include <math.h>

#include "axis.h"
#include "sinode/memory.h"

/* Of all of x, the same on all ranks. */
typedef struct {
  ptrdiff_t points;
  double first, last;
  double error;             /* of a value, against another one */
  sn_axis_spacings spacing; /* what it can be, falling where negative; low > high: it is not even */
  int64_t odd;              /* the first point that is not where it would be at a spacing of L / N; or `points` */
  double odd_x, odd_wanted; /* where that is, and would be */
} places;

static sn_status read_part(sn_file *file, const sn_trajectory_layout *l, const sn_cf_variable *v, sn_range part,
                           double *x) {
  const sn_file_part wanted = {
      .dimensions = 1, .shape = {l->size[SN_X]}, .start = {(hsize_t)part.start}, .count = {(hsize_t)part.count}};
  return sn_cf_read(file, l->coordinate[SN_X], v, &wanted, x);
}

static void measure(MPI_Comm comm, const sn_cf_variable *v, double length, sn_range own, const double *x, places *p) {
  const double expected = length / (double)p->points;
  const sn_axis_error error = sn_axis_find_error(comm, v, own.count, x);
  /* Digits tell of rounding only where they are few, but not too few to tell a spacing by. */
  const double rounded = error.rounded <= 0.1 * expected ? error.rounded : 0;
  const double one = fmax(fmax(error.stored, rounded), 1e-9 * length);
  p->error = p->first == 0 ? one : 2 * one; /* an origin at 0 is exact */
  p->spacing = sn_axis_fit(own.start, own.count, x, p->first, p->error);
  MPI_Allreduce(MPI_IN_PLACE, &p->spacing.low, 1, MPI_DOUBLE, MPI_MAX, comm);
  MPI_Allreduce(MPI_IN_PLACE, &p->spacing.high, 1, MPI_DOUBLE, MPI_MIN, comm);
  const double step = p->last < p->first ? -expected : expected;
  p->odd = p->points;
  for (ptrdiff_t j = own.count - 1; j >= 0; j--)
    if (!(fabs(x[j] - p->first - step * (double)(own.start + j)) <= p->error)) p->odd = own.start + j;
  MPI_Allreduce(MPI_IN_PLACE, &p->odd, 1, MPI_INT64_T, MPI_MIN, comm);
  const bool mine = p->odd >= own.start && p->odd < own.start + own.count;
  p->odd_x = mine ? x[p->odd - own.start] : -INFINITY;
  p->odd_wanted = p->first + step * (double)p->odd;
  MPI_Allreduce(MPI_IN_PLACE, &p->odd_x, 1, MPI_DOUBLE, MPI_MAX, comm);
}

static sn_status find_places(sn_file *file, const sn_trajectory_layout *l, double length, places *p) {
  MPI_Comm comm = sn_file_comm(file);
  int rank, ranks;
  double *x;
  sn_cf_variable v;
  p->points = (ptrdiff_t)l->size[SN_X];
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  const sn_range own = sn_partition_range((sn_partition){.points = p->points, .ranks = ranks}, rank);
  SN_TRY(sn_cf_find(file, l->coordinate[SN_X], &v));
  SN_TRY(read_part(file, l, &v, (sn_range){0, 1}, &p->first));
  SN_TRY(read_part(file, l, &v, (sn_range){p->points - 1, 1}, &p->last));
  SN_TRY(sn_collective_status(comm, SN_NEW(own.count, &x)));
  sn_status status = read_part(file, l, &v, own, x);
  if (!status) measure(comm, &v, length, own, x, p);
  SN_FREE(x);
  return status;
}

static bool can_be(const places *p, double spacing) { return p->spacing.low <= spacing && spacing <= p->spacing.high; }

/* Whether u is the same at the first and the last point, in the first snapshots of the first member. */
static sn_status compare_ends(sn_file *file, const sn_trajectory_layout *l, const sn_cf_variable *u, bool *same) {
  enum { MOST = 16 };
  double u_first[MOST], u_last[MOST], apart = 0, most = 0;
  const sn_range members = {0, 1}, snapshots = {0, l->size[SN_TIME] < MOST ? (ptrdiff_t)l->size[SN_TIME] : MOST};
  const ptrdiff_t last = (ptrdiff_t)l->size[SN_X] - 1;
  SN_TRY(sn_trajectory_read_block(file, "/u", l, false, members, snapshots, (sn_range){0, 1}, u_first));
  SN_TRY(sn_trajectory_read_block(file, "/u", l, false, members, snapshots, (sn_range){last, 1}, u_last));
  const bool whole = sn_cf_decode(u, snapshots.count, u_first) < 0 && sn_cf_decode(u, snapshots.count, u_last) < 0;
  for (ptrdiff_t k = 0; k < snapshots.count; k++) {
    apart = fmax(apart, fabs(u_first[k] - u_last[k]));
    most = fmax(most, fabs(u_first[k]));
  }
  *same = whole && apart <= 4 * u->precision * most + 1e-9 * most + u->step;
  return SN_OK;
}

/* Words for an x that cannot be used: what it is, what was expected, what to do. */
static void describe(const places *p, double length, bool twice, sn_trajectory_x *found) {
  const double n = (double)p->points, mean = fabs(p->last - p->first) / (n - 1);
  const bool even = p->spacing.low <= p->spacing.high, near = fabs(mean - length / n) <= 0.01 * length / n;
  char is[32], expected[32];
  if (twice) {
    snprintf(found->problem, sizeof found->problem,
             "the end point is there twice: x goes from %.9g to %.9g with u(L) = u(0); leave the last point out, which "
             "makes %td points of %td",
             p->first, p->last, p->points - 1, p->points);
  } else if (even && !near) {
    sn_axis_print_apart(mean, length / n, is, expected);
    snprintf(found->problem, sizeof found->problem,
             "the points of x are %s apart, but domain_length over their number is %s; correct x or domain_length "
             "(these points have %.12g), or have x ignored by grid.coordinates",
             is, expected, mean * n);
  } else {
    sn_axis_print_apart(p->odd_x, p->odd_wanted, is, expected);
    snprintf(found->problem, sizeof found->problem,
             "x is not evenly spaced, not j L / N: x[%td] is %s, expected %s; interpolate u to such points, or have x "
             "ignored by grid.coordinates",
             (ptrdiff_t)p->odd, is, expected);
  }
}

sn_status sn_trajectory_look_at_x(sn_file *file, const sn_trajectory_layout *l, const sn_cf_variable *u, double length,
                                  sn_trajectory_x *found) {
  places p;
  bool twice = false;
  *found = (sn_trajectory_x){0};
  SN_TRY(find_places(file, l, length, &p));
  if (p.points < 2) return SN_OK;
  const double spacing = length / (double)p.points, closed = length / (double)(p.points - 1);
  const bool rises = can_be(&p, spacing);
  found->falls = !rises && can_be(&p, -spacing);
  if (!rises && !found->falls) {
    if (can_be(&p, closed) || can_be(&p, -closed)) SN_TRY(compare_ends(file, l, u, &twice));
    describe(&p, length, twice, found);
    return SN_OK;
  }
  const double origin = found->falls ? p.last : p.first;
  const bool moved = !(fabs(origin) <= p.error);
  if (found->falls || moved)
    snprintf(found->note, sizeof found->note, "x %s%s%s", found->falls ? "falls: u is put in order with it" : "",
             found->falls && moved ? ", and " : "",
             moved ? "does not begin at 0: the points are taken for j L / N" : "");
  return SN_OK;
}
