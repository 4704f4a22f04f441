#include "sinode/redistribution.h"

#include <stdint.h>

#include "sinode/count.h"
#include "sinode/memory.h"

/* The index lists of all ranks, concatenated. */
typedef struct {
  ptrdiff_t *index;
  int *count, *start; /* of each rank */
} lists;

/* One layout on this rank: what it has in common with each peer's part of the other layout, and the messages' places.
 */
typedef struct {
  ptrdiff_t *row, *column;             /* offsets in memory, peer by peer */
  ptrdiff_t *row_start, *column_start; /* (ranks + 1) of each peer in them */
  int *count, *start;                  /* doubles for each peer in the buffer; none for this rank itself */
  double *buffer;
} side;

struct sn_redistribution {
  MPI_Comm comm;
  int rank, ranks;
  side from, to;
  sn_timer *timer;
};

static void free_lists(lists *all) {
  SN_FREE(all->index);
  SN_FREE(all->count);
  SN_FREE(all->start);
}

static sn_status gather_lists(MPI_Comm comm, int ranks, ptrdiff_t count, const ptrdiff_t *index, lists *all) {
  int mine = 0;
  sn_status status = sn_count_to_int(count, "the number of rows or columns to redistribute", &mine);
  if (!status) status = SN_NEW(ranks, &all->count);
  if (!status) status = SN_NEW(ranks, &all->start);
  SN_TRY(sn_collective_status(comm, status));
  MPI_Allgather(&mine, 1, MPI_INT, all->count, 1, MPI_INT, comm);
  ptrdiff_t total = 0;
  for (int rank = 0; rank < ranks; rank++) {
    all->start[rank] = (int)total;
    total += all->count[rank];
    if (total > INT32_MAX) return SN_ERROR_ALL(SN_ERROR_RUN, "%td rows or columns are too many to redistribute", total);
  }
  SN_TRY(sn_collective_status(comm, SN_NEW(total, &all->index)));
  MPI_Allgatherv(index, mine, MPI_AINT, all->index, all->count, all->start, MPI_AINT, comm);
  return SN_OK;
}

/* Positions in `mine` of what is also in `theirs`, times stride, to offset (NULL: only counts). */
static ptrdiff_t intersect(ptrdiff_t count, const ptrdiff_t *mine, ptrdiff_t other_count, const ptrdiff_t *theirs,
                           ptrdiff_t stride, ptrdiff_t *offset) {
  ptrdiff_t found = 0;
  for (ptrdiff_t i = 0, j = 0; i < count && j < other_count;) {
    if (mine[i] == theirs[j]) {
      if (offset) offset[found] = i * stride;
      found++, i++, j++;
    } else if (mine[i] < theirs[j]) {
      i++;
    } else {
      j++;
    }
  }
  return found;
}

/* Intersects one list of this rank with those of all ranks. */
static sn_status match(int ranks, ptrdiff_t count, const ptrdiff_t *mine, const lists *all, ptrdiff_t stride,
                       ptrdiff_t **offset, ptrdiff_t **start) {
  SN_TRY(SN_NEW(ranks + 1, start));
  for (int rank = 0; rank < ranks; rank++)
    (*start)[rank + 1] =
        (*start)[rank] + intersect(count, mine, all->count[rank], all->index + all->start[rank], stride, NULL);
  SN_TRY(SN_NEW((*start)[ranks], offset));
  for (int rank = 0; rank < ranks; rank++)
    intersect(count, mine, all->count[rank], all->index + all->start[rank], stride, *offset + (*start)[rank]);
  return SN_OK;
}

static ptrdiff_t rows_for(const side *mine, int peer) { return mine->row_start[peer + 1] - mine->row_start[peer]; }

static ptrdiff_t columns_for(const side *mine, int peer) {
  return mine->column_start[peer + 1] - mine->column_start[peer];
}

/* Plans one layout of this rank against the parts (rows, columns) that all ranks have in the other. */
static sn_status plan(const sn_redistribution *redistribution, const sn_redistribution_part *part, const lists *rows,
                      const lists *columns, side *mine) {
  const int ranks = redistribution->ranks;
  SN_TRY(match(ranks, part->rows, part->row_index, rows, part->row_stride, &mine->row, &mine->row_start));
  SN_TRY(match(ranks, part->columns, part->column_index, columns, part->column_stride, &mine->column,
               &mine->column_start));
  SN_TRY(SN_NEW(ranks, &mine->count));
  SN_TRY(SN_NEW(ranks, &mine->start));
  ptrdiff_t matched = 0, remote = 0;
  for (int peer = 0; peer < ranks; peer++) {
    ptrdiff_t elements = rows_for(mine, peer) * columns_for(mine, peer);
    matched += elements;
    SN_TRY(sn_count_to_int(remote, "the size of a redistribution", &mine->start[peer]));
    if (peer == redistribution->rank) continue;
    SN_TRY(sn_count_to_int(elements, "the size of a redistribution", &mine->count[peer]));
    remote += elements;
  }
  if (matched != part->rows * part->columns)
    return SN_ERROR(SN_ERROR_RUN, "a redistribution finds an owner for %td of its %td elements", matched,
                    part->rows * part->columns);
  return SN_NEW(remote, &mine->buffer);
}

static void free_side(side *mine) {
  SN_FREE(mine->row);
  SN_FREE(mine->column);
  SN_FREE(mine->row_start);
  SN_FREE(mine->column_start);
  SN_FREE(mine->count);
  SN_FREE(mine->start);
  SN_FREE(mine->buffer);
}

/* The lists of one layout on all ranks, then the plan of the other layout against them. */
static sn_status plan_against(sn_redistribution *redistribution, const sn_redistribution_part *part,
                              const sn_redistribution_part *other, side *mine) {
  lists rows = {0}, columns = {0};
  sn_status status = gather_lists(redistribution->comm, redistribution->ranks, other->rows, other->row_index, &rows);
  if (!status)
    status = gather_lists(redistribution->comm, redistribution->ranks, other->columns, other->column_index, &columns);
  if (!status) status = sn_collective_status(redistribution->comm, plan(redistribution, part, &rows, &columns, mine));
  free_lists(&rows);
  free_lists(&columns);
  return status;
}

sn_status sn_redistribution_create(MPI_Comm comm, const sn_redistribution_part *from, const sn_redistribution_part *to,
                                   sn_timer *timer, sn_redistribution **out) {
  *out = NULL;
  sn_redistribution *redistribution;
  SN_TRY(sn_collective_status(comm, SN_NEW(1, &redistribution)));
  redistribution->comm = comm;
  redistribution->timer = timer;
  MPI_Comm_rank(comm, &redistribution->rank);
  MPI_Comm_size(comm, &redistribution->ranks);
  sn_status status = plan_against(redistribution, from, to, &redistribution->from);
  if (!status) status = plan_against(redistribution, to, from, &redistribution->to);
  if (status) sn_redistribution_destroy(&redistribution);
  *out = redistribution;
  return status;
}

void sn_redistribution_destroy(sn_redistribution **redistribution) {
  if (!*redistribution) return;
  free_side(&(*redistribution)->from);
  free_side(&(*redistribution)->to);
  SN_FREE(*redistribution);
}

static void pack(const side *mine, int peer, const double *values) {
  double *message = mine->buffer + mine->start[peer];
  for (ptrdiff_t i = mine->row_start[peer]; i < mine->row_start[peer + 1]; i++)
    for (ptrdiff_t j = mine->column_start[peer]; j < mine->column_start[peer + 1]; j++)
      *message++ = values[mine->row[i] + mine->column[j]];
}

static void unpack(const side *mine, int peer, double *values) {
  const double *message = mine->buffer + mine->start[peer];
  for (ptrdiff_t i = mine->row_start[peer]; i < mine->row_start[peer + 1]; i++)
    for (ptrdiff_t j = mine->column_start[peer]; j < mine->column_start[peer + 1]; j++)
      values[mine->row[i] + mine->column[j]] = *message++;
}

/* What stays on this rank is copied directly. */
static void copy(const side *a, const side *b, int self, const double *source, double *target) {
  const ptrdiff_t *a_row = a->row + a->row_start[self], *a_column = a->column + a->column_start[self];
  const ptrdiff_t *b_row = b->row + b->row_start[self], *b_column = b->column + b->column_start[self];
  const ptrdiff_t rows = rows_for(a, self), columns = columns_for(a, self);
  for (ptrdiff_t i = 0; i < rows; i++)
    for (ptrdiff_t j = 0; j < columns; j++) target[b_row[i] + b_column[j]] = source[a_row[i] + a_column[j]];
}

static sn_status move(const sn_redistribution *redistribution, const side *a, const side *b, const double *source,
                      double *target) {
  sn_timer_start(redistribution->timer, SN_TIME_REDISTRIBUTE);
  for (int peer = 0; peer < redistribution->ranks; peer++)
    if (a->count[peer]) pack(a, peer, source);
  MPI_Alltoallv(a->buffer, a->count, a->start, MPI_DOUBLE, b->buffer, b->count, b->start, MPI_DOUBLE,
                redistribution->comm);
  copy(a, b, redistribution->rank, source, target);
  for (int peer = 0; peer < redistribution->ranks; peer++)
    if (b->count[peer]) unpack(b, peer, target);
  sn_timer_stop(redistribution->timer, SN_TIME_REDISTRIBUTE);
  return SN_OK;
}

sn_status sn_redistribution_forward(sn_redistribution *redistribution, const double *from, double *to) {
  return move(redistribution, &redistribution->from, &redistribution->to, from, to);
}

sn_status sn_redistribution_backward(sn_redistribution *redistribution, const double *to, double *from) {
  return move(redistribution, &redistribution->to, &redistribution->from, to, from);
}
