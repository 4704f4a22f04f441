#include <string.h>

#include "sinode/parameters.h"

/* This rank's part of a block from the global array; absent dimensions have one element. */
static void scatter_block(const sn_parameter_block *block, const double *global, double *part) {
  ptrdiff_t shape[SN_PARAMETER_RANKS], start[SN_PARAMETER_RANKS], count[SN_PARAMETER_RANKS];
  for (int d = 0; d < SN_PARAMETER_RANKS; d++) {
    const bool there = d < block->dimensions;
    shape[d] = there ? block->shape[d] : 1;
    start[d] = there ? block->start[d] : 0;
    count[d] = there ? block->count[d] : 1;
  }
  for (ptrdiff_t i = 0; i < count[0]; i++)
    for (ptrdiff_t j = 0; j < count[1]; j++, part += count[2])
      memcpy(part, global + ((start[0] + i) * shape[1] + start[1] + j) * shape[2] + start[2],
             (size_t)count[2] * sizeof *part);
}

void sn_parameters_spread(const sn_parameters *parameters, const double *all, double *local) {
  memset(local, 0, (size_t)sn_parameters_size(parameters) * sizeof *local);
  for (int i = 0; i < sn_parameters_blocks(parameters); i++) {
    const sn_parameter_block *block = sn_parameters_block(parameters, i);
    if (!block->trainable || block->states) continue;
    scatter_block(block, all, local + block->offset);
    ptrdiff_t size = 1;
    for (int d = 0; d < block->dimensions; d++) size *= block->shape[d];
    all += size;
  }
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
