#include "sinode/parameters.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "sinode/count.h"
#include "sinode/memory.h"

/* Doubles in 64 bytes; and what one call of MPI is given at most, so that its counts stay far from 2^31. */
enum { ALIGNMENT = 8, MESSAGE_MOST = 1 << 28 };

struct sn_parameters {
  const sn_grid *grid;
  sn_parameter_block *blocks;
  int count, room;
  ptrdiff_t size;
  double *values;
  double *packed; /* the replicated trainable blocks behind each other, and numbers that travel with them */
};

sn_status sn_parameters_create(const sn_grid *grid, sn_parameters **out) {
  SN_TRY(SN_NEW(1, out));
  (*out)->grid = grid;
  return SN_OK;
}

void sn_parameters_destroy(sn_parameters **parameters) {
  if (!*parameters) return;
  SN_FREE((*parameters)->blocks);
  SN_FREE((*parameters)->values);
  SN_FREE((*parameters)->packed);
  SN_FREE(*parameters);
}

ptrdiff_t sn_parameter_block_size(const sn_parameter_block *block) {
  ptrdiff_t size = 1;
  for (int i = 0; i < block->dimensions; i++) size *= block->count[i];
  return size;
}

static ptrdiff_t global_size(const sn_parameter_block *block) {
  ptrdiff_t size = 1;
  for (int i = 0; i < block->dimensions; i++) size *= block->shape[i];
  return size;
}

sn_status sn_parameters_add(sn_parameters *parameters, sn_parameter_block *block) {
  ptrdiff_t size = 1, end;
  bool fits = true;
  for (int i = 0; i < block->dimensions; i++) fits = fits && sn_count_multiply(size, block->shape[i], &size);
  if (!fits || !sn_count_add(parameters->size, size, &end) || !sn_count_add(end, ALIGNMENT, &end))
    return SN_ERROR(SN_ERROR_RUN, "the array %s has more elements than can be counted", block->name);
  if (parameters->count == parameters->room) {
    sn_parameter_block *more;
    int room = parameters->room ? 2 * parameters->room : 16;
    SN_TRY(SN_NEW(room, &more));
    if (parameters->count) memcpy(more, parameters->blocks, (size_t)parameters->count * sizeof *more);
    SN_FREE(parameters->blocks);
    parameters->blocks = more;
    parameters->room = room;
  }
  block->offset = parameters->size;
  parameters->size += (sn_parameter_block_size(block) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  parameters->blocks[parameters->count++] = *block;
  return SN_OK;
}

int sn_parameters_blocks(const sn_parameters *parameters) { return parameters->count; }

const sn_parameter_block *sn_parameters_block(const sn_parameters *parameters, int index) {
  return &parameters->blocks[index];
}

const sn_parameter_block *sn_parameters_find(const sn_parameters *parameters, const char *name) {
  for (int i = 0; i < parameters->count; i++)
    if (!strcmp(parameters->blocks[i].name, name)) return &parameters->blocks[i];
  return NULL;
}

/* The sum of a row; 0 where it is round-off, which stays, or else values would change when they are balanced again. */
static double excess(ptrdiff_t width, const double *row) {
  double sum = 0, largest = 0;
  for (ptrdiff_t k = 0; k < width; k++) {
    sum += row[k];
    largest = fmax(largest, fabs(row[k]));
  }
  return width > 1 && fabs(sum) <= 2 * (double)width * DBL_EPSILON * largest ? 0 : sum;
}

/* A mean that is large beside the rest leaves round-off of its own, which the next time takes. */
static void balance_row(ptrdiff_t width, double *row) {
  enum { TIMES_MOST = 4 };
  double sum = excess(width, row);
  for (int times = 0; times < TIMES_MOST && sum != 0; times++, sum = excess(width, row))
    for (ptrdiff_t k = 0; k < width; k++) row[k] -= sum / (double)width;
}

void sn_parameters_balance(const sn_parameters *parameters, double *vector) {
  for (int i = 0; i < parameters->count; i++) {
    const sn_parameter_block *block = &parameters->blocks[i];
    const ptrdiff_t width = block->count[block->dimensions - 1], size = sn_parameter_block_size(block);
    if (!block->balanced) continue;
    for (ptrdiff_t k = 0; k < size; k += width) balance_row(width, vector + block->offset + k);
  }
}

ptrdiff_t sn_parameters_size(const sn_parameters *parameters) { return parameters->size; }

void sn_parameters_freeze(sn_parameters *parameters) {
  for (int i = 0; i < parameters->count; i++) parameters->blocks[i].trainable &= parameters->blocks[i].states;
}

ptrdiff_t sn_parameters_model_size(const sn_parameters *parameters) {
  const int last = parameters->count - 1;
  return last >= 0 && parameters->blocks[last].states ? parameters->blocks[last].offset : parameters->size;
}

ptrdiff_t sn_parameters_total(const sn_parameters *parameters, bool trainable_only) {
  ptrdiff_t total = 0;
  for (int i = 0; i < parameters->count; i++)
    if ((parameters->blocks[i].trainable || !trainable_only) && !parameters->blocks[i].states)
      total += global_size(&parameters->blocks[i]);
  return total;
}

static bool is_packed(const sn_parameter_block *block) { return block->trainable && !block->split; }

static ptrdiff_t packed_size(const sn_parameters *parameters) {
  ptrdiff_t size = 0;
  for (int i = 0; i < parameters->count; i++)
    if (is_packed(&parameters->blocks[i])) size += sn_parameter_block_size(&parameters->blocks[i]);
  return size;
}

sn_status sn_parameters_allocate(sn_parameters *parameters) {
  double *before = parameters->values;
  SN_TRY(SN_NEW(parameters->size, &parameters->values));
  if (before) memcpy(parameters->values, before, (size_t)sn_parameters_model_size(parameters) * sizeof *before);
  SN_FREE(before);
  SN_FREE(parameters->packed);
  const bool splits = sn_grid_space_size(parameters->grid) > 1;
  return SN_NEW((splits ? packed_size(parameters) : 0) + SN_PARAMETERS_NUMBERS, &parameters->packed);
}

double *sn_parameters_values(sn_parameters *parameters) { return parameters->values; }

/* Space ranks other than 0 have nothing to add to a block of which each has it all. */
static void pack(const sn_parameters *parameters, const double *gradient) {
  bool owner = sn_grid_space_rank(parameters->grid) == 0;
  double *to = parameters->packed;
  for (int i = 0; i < parameters->count; i++) {
    const sn_parameter_block *block = &parameters->blocks[i];
    if (!is_packed(block)) continue;
    ptrdiff_t size = sn_parameter_block_size(block);
    for (ptrdiff_t j = 0; j < size; j++) to[j] = owner || block->partial ? gradient[block->offset + j] : 0;
    to += size;
  }
}

static void unpack(const sn_parameters *parameters, double *gradient) {
  const double *from = parameters->packed;
  for (int i = 0; i < parameters->count; i++) {
    const sn_parameter_block *block = &parameters->blocks[i];
    if (!is_packed(block)) continue;
    ptrdiff_t size = sn_parameter_block_size(block);
    memcpy(gradient + block->offset, from, (size_t)size * sizeof *from);
    from += size;
  }
}

void sn_parameters_pack_replicated(const sn_parameters *parameters, const double *gradient) {
  if (sn_grid_space_size(parameters->grid) > 1) pack(parameters, gradient);
}

void sn_parameters_sum_replicated(const sn_parameters *parameters, double *gradient, int count, double *numbers) {
  const bool splits = sn_grid_space_size(parameters->grid) > 1;
  const ptrdiff_t size = splits ? packed_size(parameters) : 0;
  for (int k = 0; k < count; k++) parameters->packed[size + k] = numbers[k];
  for (ptrdiff_t first = 0; first < size + count; first += MESSAGE_MOST) {
    ptrdiff_t rest = size + count - first;
    MPI_Allreduce(MPI_IN_PLACE, parameters->packed + first, (int)(rest < MESSAGE_MOST ? rest : MESSAGE_MOST),
                  MPI_DOUBLE, MPI_SUM, sn_grid_world(parameters->grid));
  }
  if (splits) unpack(parameters, gradient);
  for (int k = 0; k < count; k++) numbers[k] = parameters->packed[size + k];
}

const sn_grid *sn_parameters_grid(const sn_parameters *parameters) { return parameters->grid; }

double sn_parameters_dot(const sn_parameters *parameters, const double *a, const double *b) {
  bool owner = sn_grid_space_rank(parameters->grid) == 0;
  double dot = 0;
  for (int i = 0; i < parameters->count; i++) {
    const sn_parameter_block *block = &parameters->blocks[i];
    if (!block->trainable || (!block->split && !owner)) continue;
    ptrdiff_t end = block->offset + sn_parameter_block_size(block);
    for (ptrdiff_t j = block->offset; j < end; j++) dot += a[j] * b[j];
  }
  sn_timer_start(sn_grid_timer(parameters->grid), SN_TIME_REDUCE);
  MPI_Allreduce(MPI_IN_PLACE, &dot, 1, MPI_DOUBLE, MPI_SUM, sn_grid_space(parameters->grid));
  sn_timer_stop(sn_grid_timer(parameters->grid), SN_TIME_REDUCE);
  return dot;
}
