#include <string.h>

#include "sinode/parameters.h"

/* Copies a row of a block between the global array and this rank's part. */
typedef void (*row_copier)(ptrdiff_t count, double *global, double *part);

static void to_part(ptrdiff_t count, double *global, double *part) {
  memcpy(part, global, (size_t)count * sizeof *part);
}

static void to_global(ptrdiff_t count, double *global, double *part) {
  memcpy(global, part, (size_t)count * sizeof *part);
}

/* This rank's part of a block; absent dimensions have one element. */
static void copy_block(const sn_parameter_block *block, row_copier copy, double *global, double *part) {
  ptrdiff_t shape[SN_PARAMETER_RANKS], start[SN_PARAMETER_RANKS], count[SN_PARAMETER_RANKS];
  for (int d = 0; d < SN_PARAMETER_RANKS; d++) {
    const bool there = d < block->dimensions;
    shape[d] = there ? block->shape[d] : 1;
    start[d] = there ? block->start[d] : 0;
    count[d] = there ? block->count[d] : 1;
  }
  for (ptrdiff_t i = 0; i < count[0]; i++)
    for (ptrdiff_t j = 0; j < count[1]; j++, part += count[2])
      copy(count[2], global + ((start[0] + i) * shape[1] + start[1] + j) * shape[2] + start[2], part);
}

/* Of those blocks that the rank owns, or of all. */
static void copy_blocks(const sn_parameters *parameters, bool owned, row_copier copy, double *all, double *local) {
  const bool owner = !owned || sn_grid_space_rank(sn_parameters_grid(parameters)) == 0;
  for (int i = 0; i < sn_parameters_blocks(parameters); i++) {
    const sn_parameter_block *block = sn_parameters_block(parameters, i);
    if (!block->trainable || block->states) continue;
    if (block->split || owner) copy_block(block, copy, all, local + block->offset);
    ptrdiff_t size = 1;
    for (int d = 0; d < block->dimensions; d++) size *= block->shape[d];
    all += size;
  }
}

void sn_parameters_spread(const sn_parameters *parameters, const double *all, double *local) {
  memset(local, 0, (size_t)sn_parameters_size(parameters) * sizeof *local);
  copy_blocks(parameters, false, to_part, (double *)all, local);
  sn_parameters_balance(parameters, local);
}

void sn_parameters_collect(const sn_parameters *parameters, const double *local, double *all) {
  const ptrdiff_t total = sn_parameters_total(parameters, true);
  memset(all, 0, (size_t)total * sizeof *all);
  copy_blocks(parameters, true, to_global, all, (double *)local);
  MPI_Allreduce(MPI_IN_PLACE, all, (int)total, MPI_DOUBLE, MPI_SUM, sn_grid_space(sn_parameters_grid(parameters)));
}

double sn_parameters_square(const sn_parameters *parameters, sn_range range, const double *vector) {
  const bool owner = sn_grid_space_rank(sn_parameters_grid(parameters)) == 0;
  double sum = 0;
  for (int i = 0; i < sn_parameters_blocks(parameters); i++) {
    const sn_parameter_block *block = sn_parameters_block(parameters, i);
    if (!block->trainable || (!block->split && !owner)) continue;
    const sn_range own = sn_range_intersect(range, (sn_range){block->offset, sn_parameter_block_size(block)});
    for (ptrdiff_t k = own.start; k < own.start + own.count; k++) sum += vector[k] * vector[k];
  }
  return sum;
}
