/* Blocks of u out of files of any order of dimensions. */
#include <string.h>

#include "sinode/memory.h"
#include "trajectory_layout.h"

/* Numbers at a time of what is to be transposed, or a line of the file where that is more. */
enum { AT_ONCE = 1 << 21 };

/* A block as the file has it. */
typedef struct {
  sn_file_part part;
  ptrdiff_t stride[SN_FILE_RANKS]; /* in memory, of a step along each dimension of the file */
  ptrdiff_t origin;                /* where the block's first value of the file is in memory */
  hsize_t piece[2], pieces[2];     /* lines along the first two dimensions that come at once; how often */
} block;

static hsize_t fit(hsize_t room, hsize_t each, hsize_t most) {
  const hsize_t count = each && room / each ? room / each : 1;
  return count < most ? count : most;
}

static block find_block(const sn_trajectory_layout *l, bool mirrored, const sn_range *range) {
  block b = {.part = {.dimensions = l->dimensions, .count = {1, 1, 1}}};
  const ptrdiff_t stride[SN_ROLES] = {range[SN_TIME].count * range[SN_X].count, range[SN_X].count, mirrored ? -1 : 1};
  bool nothing = false;
  for (int r = 0; r < SN_ROLES; r++) {
    const int d = l->place[r];
    nothing = nothing || range[r].count == 0;
    if (d < 0) continue;
    b.part.shape[d] = l->size[r];
    b.part.start[d] = (hsize_t)range[r].start;
    b.part.count[d] = (hsize_t)range[r].count;
    b.stride[d] = stride[r];
  }
  if (mirrored) {
    b.part.start[l->place[SN_X]] = l->size[SN_X] - (hsize_t)(range[SN_X].start + range[SN_X].count);
    b.origin = range[SN_X].count - 1;
  }
  if (nothing) memset(b.part.count, 0, sizeof b.part.count);
  const hsize_t *count = b.part.count;
  b.piece[0] = fit(AT_ONCE, count[1] * count[2], count[0]);
  b.piece[1] = count[1] * count[2] <= AT_ONCE ? count[1] : fit(AT_ONCE, count[2], count[1]);
  for (int d = 0; d < 2; d++) b.pieces[d] = nothing ? 0 : (count[d] + b.piece[d] - 1) / b.piece[d];
  return b;
}

/* Piece k of a block: a part of the file of its own, nothing behind the last; and where its first value goes. */
static sn_file_part find_piece(const block *b, hsize_t k, ptrdiff_t *to) {
  sn_file_part piece = b->part;
  *to = b->origin;
  if (k >= b->pieces[0] * b->pieces[1]) {
    memset(piece.count, 0, sizeof piece.count);
    return piece;
  }
  const hsize_t at[2] = {k / b->pieces[1] * b->piece[0], k % b->pieces[1] * b->piece[1]};
  for (int d = 0; d < 2; d++) {
    const hsize_t left = b->part.count[d] - at[d];
    piece.start[d] += at[d];
    piece.count[d] = left < b->piece[d] ? left : b->piece[d];
    *to += (ptrdiff_t)at[d] * b->stride[d];
  }
  return piece;
}

static void scatter(const block *b, const sn_file_part *piece, const double *from, double *to) {
  for (hsize_t i = 0; i < piece->count[0]; i++)
    for (hsize_t j = 0; j < piece->count[1]; j++) {
      double *line = to + (ptrdiff_t)i * b->stride[0] + (ptrdiff_t)j * b->stride[1];
      for (hsize_t k = 0; k < piece->count[2]; k++) line[(ptrdiff_t)k * b->stride[2]] = *from++;
    }
}

/* Every rank reads as many pieces as the one with most of them. */
static sn_status read_transposed(sn_file *file, const char *path, const block *b, double *values) {
  long long pieces = (long long)(b->pieces[0] * b->pieces[1]);
  double *buffer;
  MPI_Comm comm = sn_file_comm(file);
  MPI_Allreduce(MPI_IN_PLACE, &pieces, 1, MPI_LONG_LONG, MPI_MAX, comm);
  SN_TRY(sn_collective_status(comm, SN_NEW((ptrdiff_t)(b->piece[0] * b->piece[1] * b->part.count[2]), &buffer)));
  sn_status status = SN_OK;
  for (long long k = 0; k < pieces && !status; k++) {
    ptrdiff_t to;
    const sn_file_part piece = find_piece(b, (hsize_t)k, &to);
    status = sn_file_read(file, path, H5T_NATIVE_DOUBLE, &piece, buffer);
    if (!status) scatter(b, &piece, buffer, values + to);
  }
  SN_FREE(buffer);
  return status;
}

static void mirror(ptrdiff_t lines, ptrdiff_t points, double *values) {
  for (double *line = values; line < values + lines * points; line += points)
    for (ptrdiff_t j = 0, k = points - 1; j < k; j++, k--) {
      const double value = line[j];
      line[j] = line[k];
      line[k] = value;
    }
}

sn_status sn_trajectory_read_block(sn_file *file, const char *path, const sn_trajectory_layout *l, bool mirrored,
                                   sn_range members, sn_range snapshots, sn_range points, double *values) {
  const sn_range range[SN_ROLES] = {members, snapshots, points};
  const block b = find_block(l, mirrored, range);
  if (!l->in_order) return read_transposed(file, path, &b, values);
  SN_TRY(sn_file_read(file, path, H5T_NATIVE_DOUBLE, &b.part, values));
  if (mirrored) mirror(members.count * snapshots.count, points.count, values);
  return SN_OK;
}
