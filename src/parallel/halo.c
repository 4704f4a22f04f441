#include "sinode/halo.h"

#include <stdint.h>

#include "sinode/count.h"
#include "sinode/memory.h"

enum { SIDES = 2, TAG = 1 };

/* Points of one rank's block that are adjacent in one side of another rank's halo. */
typedef struct {
  int side;        /* of the receiver: 0 left, 1 right */
  ptrdiff_t block; /* first point in the sender's block */
  ptrdiff_t halo;  /* first point in the receiver's halo side */
  ptrdiff_t points;
} segment;

/* A message to or from one rank: its segments, row by row within each. */
typedef struct {
  int rank, count;
  segment segments[SIDES * 3];
  ptrdiff_t points; /* of all segments */
  ptrdiff_t before; /* points of the messages before this one in the buffer */
} message;

struct sn_halo {
  const sn_grid *grid;
  ptrdiff_t width, rows, active_rows;
  int sends, receives;
  message *send, *receive, self;
  bool single; /* the values of the exchange, in memory for as many doubles */
  double *send_buffer, *receive_buffer;
  double *side[SIDES];
  MPI_Request *requests;
};

/* The part of `from`'s block in the halo of `to`. The halo may wrap round the period on either side. */
static message plan(const sn_grid *grid, ptrdiff_t width, int from, int to) {
  sn_range owned = sn_partition_range(sn_grid_partition(grid), from);
  sn_range block = sn_partition_range(sn_grid_partition(grid), to);
  const sn_range sides[SIDES] = {{block.start - width, width}, {block.start + block.count, width}};
  message result = {0};
  for (int side = 0; side < SIDES; side++)
    for (int period = -1; period <= 1; period++) {
      sn_range image = {owned.start + period * sn_grid_points(grid), owned.count};
      sn_range common = sn_range_intersect(sides[side], image);
      if (!common.count) continue;
      result.segments[result.count++] = (segment){.side = side,
                                                  .block = common.start - image.start,
                                                  .halo = common.start - sides[side].start,
                                                  .points = common.count};
      result.points += common.count;
    }
  return result;
}

/* Lists the messages from (incoming) or to all other ranks; list = NULL only counts them. Returns their points. */
static ptrdiff_t list_messages(const sn_halo *halo, bool incoming, int *count, message *list) {
  int me = sn_grid_space_rank(halo->grid);
  ptrdiff_t points = 0;
  *count = 0;
  for (int rank = 0; rank < sn_grid_space_size(halo->grid); rank++) {
    if (rank == me) continue;
    message one = plan(halo->grid, halo->width, incoming ? rank : me, incoming ? me : rank);
    if (!one.points) continue;
    one.rank = rank;
    one.before = points;
    points += one.points;
    if (list) list[*count] = one;
    ++*count;
  }
  return points;
}

static sn_status prepare(sn_halo *halo) {
  ptrdiff_t sent = list_messages(halo, false, &halo->sends, NULL);
  ptrdiff_t received = list_messages(halo, true, &halo->receives, NULL);
  ptrdiff_t most = (sent > received ? sent : received) + SIDES * halo->width;
  int fits;
  if (!sn_count_multiply(most, halo->rows, &most)) most = PTRDIFF_MAX;
  SN_TRY(sn_count_to_int(most, "the size of a halo message", &fits));
  SN_TRY(SN_NEW(halo->sends, &halo->send));
  SN_TRY(SN_NEW(halo->receives, &halo->receive));
  SN_TRY(SN_NEW(sent * halo->rows, &halo->send_buffer));
  SN_TRY(SN_NEW(received * halo->rows, &halo->receive_buffer));
  SN_TRY(SN_NEW(halo->sends + halo->receives, &halo->requests));
  for (int side = 0; side < SIDES; side++) SN_TRY(SN_NEW(halo->width * halo->rows, &halo->side[side]));
  list_messages(halo, false, &halo->sends, halo->send);
  list_messages(halo, true, &halo->receives, halo->receive);
  int me = sn_grid_space_rank(halo->grid);
  halo->self = plan(halo->grid, halo->width, me, me);
  return SN_OK;
}

sn_status sn_halo_create(const sn_grid *grid, ptrdiff_t width, ptrdiff_t rows, sn_halo **out) {
  *out = NULL;
  if (width < 1 || width > sn_grid_points(grid))
    return SN_ERROR_ALL(SN_ERROR_USAGE, "a halo of %td points does not fit a grid of %td; use a shorter stencil", width,
                        sn_grid_points(grid));
  sn_halo *halo;
  sn_status status = SN_NEW(1, &halo);
  if (halo) {
    *halo = (sn_halo){.grid = grid, .width = width, .rows = rows};
    status = prepare(halo);
  }
  status = sn_collective_status(sn_grid_space(grid), status);
  if (status) sn_halo_destroy(&halo);
  *out = halo;
  return status;
}

void sn_halo_destroy(sn_halo **halo) {
  if (!*halo) return;
  SN_FREE((*halo)->send);
  SN_FREE((*halo)->receive);
  SN_FREE((*halo)->send_buffer);
  SN_FREE((*halo)->receive_buffer);
  SN_FREE((*halo)->requests);
  for (int side = 0; side < SIDES; side++) SN_FREE((*halo)->side[side]);
  SN_FREE(*halo);
}

static void *at(const sn_halo *halo, const void *values, ptrdiff_t first) {
  return halo->single ? (void *)((float *)values + first) : (void *)((double *)values + first);
}

static void copy_doubles(ptrdiff_t rows, ptrdiff_t points, const double *from, ptrdiff_t from_stride, double *to,
                         ptrdiff_t to_stride) {
  for (ptrdiff_t i = 0; i < rows; i++)
    for (ptrdiff_t j = 0; j < points; j++) to[i * to_stride + j] = from[i * from_stride + j];
}

static void copy_singles(ptrdiff_t rows, ptrdiff_t points, const float *from, ptrdiff_t from_stride, float *to,
                         ptrdiff_t to_stride) {
  for (ptrdiff_t i = 0; i < rows; i++)
    for (ptrdiff_t j = 0; j < points; j++) to[i * to_stride + j] = from[i * from_stride + j];
}

static void copy_rows(const sn_halo *halo, ptrdiff_t points, const void *from, ptrdiff_t from_stride, void *to,
                      ptrdiff_t to_stride) {
  if (halo->single)
    copy_singles(halo->active_rows, points, from, from_stride, to, to_stride);
  else
    copy_doubles(halo->active_rows, points, from, from_stride, to, to_stride);
}

static void pack(const sn_halo *halo, const message *out, const void *values, ptrdiff_t stride, void *buffer) {
  for (int s = 0; s < out->count; s++) {
    const segment *part = &out->segments[s];
    copy_rows(halo, part->points, at(halo, values, part->block), stride, buffer, part->points);
    buffer = at(halo, buffer, halo->active_rows * part->points);
  }
}

static void unpack(const sn_halo *halo, const message *in, const void *buffer) {
  for (int s = 0; s < in->count; s++) {
    const segment *part = &in->segments[s];
    copy_rows(halo, part->points, buffer, part->points, at(halo, halo->side[part->side], part->halo), halo->width);
    buffer = at(halo, buffer, halo->active_rows * part->points);
  }
}

static void begin(sn_halo *halo, ptrdiff_t rows, const void *values, ptrdiff_t stride) {
  sn_timer_start(sn_grid_timer(halo->grid), SN_TIME_HALO);
  MPI_Comm comm = sn_grid_space(halo->grid);
  const MPI_Datatype type = halo->single ? MPI_FLOAT : MPI_DOUBLE;
  MPI_Request *request = halo->requests;
  halo->active_rows = rows;
  for (int i = 0; i < halo->receives; i++) {
    const message *in = &halo->receive[i];
    MPI_Irecv(at(halo, halo->receive_buffer, rows * in->before), (int)(rows * in->points), type, in->rank, TAG, comm,
              request++);
  }
  for (int i = 0; i < halo->sends; i++) {
    const message *out = &halo->send[i];
    void *buffer = at(halo, halo->send_buffer, rows * out->before);
    pack(halo, out, values, stride, buffer);
    MPI_Isend(buffer, (int)(rows * out->points), type, out->rank, TAG, comm, request++);
  }
  for (int s = 0; s < halo->self.count; s++) {
    const segment *part = &halo->self.segments[s];
    copy_rows(halo, part->points, at(halo, values, part->block), stride, at(halo, halo->side[part->side], part->halo),
              halo->width);
  }
  sn_timer_stop(sn_grid_timer(halo->grid), SN_TIME_HALO);
}

sn_status sn_halo_begin(sn_halo *halo, ptrdiff_t rows, const double *values, ptrdiff_t stride) {
  halo->single = false;
  begin(halo, rows, values, stride);
  return SN_OK;
}

sn_status sn_halo_begin_single(sn_halo *halo, ptrdiff_t rows, const float *values, ptrdiff_t stride) {
  halo->single = true;
  begin(halo, rows, values, stride);
  return SN_OK;
}

sn_status sn_halo_end(sn_halo *halo) {
  sn_timer_start(sn_grid_timer(halo->grid), SN_TIME_HALO);
  MPI_Waitall(halo->receives + halo->sends, halo->requests, MPI_STATUSES_IGNORE);
  for (int i = 0; i < halo->receives; i++) {
    const message *in = &halo->receive[i];
    unpack(halo, in, at(halo, halo->receive_buffer, halo->active_rows * in->before));
  }
  sn_timer_stop(sn_grid_timer(halo->grid), SN_TIME_HALO);
  return SN_OK;
}

static void add_rows(ptrdiff_t rows, ptrdiff_t points, const double *from, ptrdiff_t from_stride, double *to,
                     ptrdiff_t to_stride) {
  for (ptrdiff_t i = 0; i < rows; i++)
    for (ptrdiff_t j = 0; j < points; j++) to[i * to_stride + j] += from[i * from_stride + j];
}

/* What came in goes out: each message of an exchange in the other direction. */
static void begin_back(sn_halo *halo, ptrdiff_t rows, const double *const side[SIDES]) {
  const MPI_Comm comm = sn_grid_space(halo->grid);
  MPI_Request *request = halo->requests;
  for (int i = 0; i < halo->sends; i++) {
    const message *out = &halo->send[i];
    MPI_Irecv(halo->send_buffer + rows * out->before, (int)(rows * out->points), MPI_DOUBLE, out->rank, TAG, comm,
              request++);
  }
  for (int i = 0; i < halo->receives; i++) {
    const message *in = &halo->receive[i];
    double *const buffer = halo->receive_buffer + rows * in->before, *end = buffer;
    for (int s = 0; s < in->count; s++) {
      const segment *part = &in->segments[s];
      copy_doubles(rows, part->points, side[part->side] + part->halo, halo->width, end, part->points);
      end += rows * part->points;
    }
    MPI_Isend(buffer, (int)(rows * in->points), MPI_DOUBLE, in->rank, TAG, comm, request++);
  }
}

sn_status sn_halo_add(sn_halo *halo, ptrdiff_t rows, const double *left, const double *right, double *values,
                      ptrdiff_t stride) {
  const double *const side[SIDES] = {left, right};
  sn_timer_start(sn_grid_timer(halo->grid), SN_TIME_HALO);
  begin_back(halo, rows, side);
  for (int s = 0; s < halo->self.count; s++) {
    const segment *part = &halo->self.segments[s];
    add_rows(rows, part->points, side[part->side] + part->halo, halo->width, values + part->block, stride);
  }
  MPI_Waitall(halo->receives + halo->sends, halo->requests, MPI_STATUSES_IGNORE);
  for (int i = 0; i < halo->sends; i++) {
    const message *out = &halo->send[i];
    const double *buffer = halo->send_buffer + rows * out->before;
    for (int s = 0; s < out->count; s++) {
      add_rows(rows, out->segments[s].points, buffer, out->segments[s].points, values + out->segments[s].block, stride);
      buffer += rows * out->segments[s].points;
    }
  }
  sn_timer_stop(sn_grid_timer(halo->grid), SN_TIME_HALO);
  return SN_OK;
}

const double *sn_halo_left(const sn_halo *halo) { return halo->side[0]; }
const double *sn_halo_right(const sn_halo *halo) { return halo->side[1]; }
const float *sn_halo_left_single(const sn_halo *halo) { return (const float *)halo->side[0]; }
const float *sn_halo_right_single(const sn_halo *halo) { return (const float *)halo->side[1]; }
