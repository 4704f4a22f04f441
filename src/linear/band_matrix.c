#include "band_matrix.h"

#include <string.h>

#include "base/blacs.h"
#include "base/lapack.h"
#include "sinode/count.h"
#include "sinode/memory.h"
#include "sinode/partition.h"

/* Rows of the last process. Too few of them (below 2 h) give wrong answers: ScaLAPACK does not look. */
static int last_rows(int order, int block) { return order - (order - 1) / block * block; }

int sn_band_leading(int half, bool definite, bool local) { return (definite ? 1 : local ? 3 : 4) * half + 1; }

/* ScaLAPACK's layout: block rows, only the last of them fewer; ranks may be left without. */
static sn_status lay_out(const sn_grid *grid, sn_band_layout *l) {
  const int ranks = sn_grid_space_size(grid), rank = sn_grid_space_rank(grid);
  const int share = (int)sn_partition_most(l->order, ranks);
  l->block = share;
  while (last_rows(l->order, l->block) < 2 * l->half) l->block++;
  const int least = l->definite ? 2 * l->half : 2 * l->half + 1;
  if (ranks > 1 && share < least)
    return SN_ERROR_ALL(SN_ERROR_USAGE,
                        "integrator.solver.kind banded needs %d points on each of the %d space ranks for a stencil of "
                        "%d coefficients, but there are %d; use fft, or fewer ranks in space",
                        least, ranks, 2 * l->half + 1, l->order / ranks);
  const int processes = (l->order + l->block - 1) / l->block;
  l->start = (ptrdiff_t)rank * l->block;
  l->own = rank < processes ? (rank == processes - 1 ? l->order - (int)l->start : l->block) : 0;
  if (l->local) return SN_OK;
  l->handle = Csys2blacs_handle(sn_grid_space(grid));
  l->context = l->handle;
  Cblacs_gridinit(&l->context, "Row", 1, processes);
  const int band[7] = {501, l->context, l->order, l->block, 0, l->leading, 0};
  const int right[7] = {502, l->context, l->order, l->block, 0, l->block, 0};
  memcpy(l->descriptor, band, sizeof band);
  memcpy(l->right_descriptor, right, sizeof right);
  return SN_OK;
}

static sn_status choose_sizes(const sn_grid *grid, sn_band_layout *l) {
  const int half = l->half;
  SN_TRY(lay_out(grid, l));
  const ptrdiff_t block = l->block;
  /* pdpbtrf writes beyond the (block + 2 h) h that it asks for. */
  const ptrdiff_t fill = l->definite ? (block + 8 * half) * half : (block + half) * 2 * half + 36 * half * half;
  int fits;
  SN_TRY(sn_count_to_int(block * l->leading, "the number of elements of a band on a rank", &fits));
  return sn_count_to_int(l->local ? 1 : fill, "the number of elements of a band's fill-in", &l->fill_size);
}

sn_status sn_band_layout_create(const sn_grid *grid, int order, int half, bool definite, sn_band_layout *l) {
  const bool local = sn_grid_space_size(grid) == 1;
  const int leading = sn_band_leading(half, definite, local);
  *l = (sn_band_layout){.local = local,
                        .definite = definite,
                        .order = order,
                        .half = half,
                        .leading = leading,
                        .diagonal = leading - 1 - half,
                        .handle = -1,
                        .context = -1};
  return sn_collective_status(sn_grid_space(grid), choose_sizes(grid, l));
}

void sn_band_layout_destroy(sn_band_layout *l) {
  SN_FREE(l->work);
  if (!l->block || l->local) return;
  if (l->context >= 0) Cblacs_gridexit(l->context);
  if (l->handle >= 0) Cfree_blacs_system_handle(l->handle);
}

sn_status sn_band_layout_reserve(sn_band_layout *l, ptrdiff_t columns) {
  const ptrdiff_t half = l->half, per_column = l->definite ? half : l->block + 6 * half;
  if (l->local) return SN_OK;
  SN_FREE(l->work);
  SN_TRY(sn_count_to_int(columns * per_column + 4 * half * half, "the workspace of a band solve", &l->work_size));
  return SN_NEW(l->work_size, &l->work);
}

sn_status sn_band_matrix_create(const sn_band_layout *l, sn_band_matrix *matrix, ptrdiff_t *bytes) {
  const ptrdiff_t columns = l->block;
  SN_TRY(SN_NEW(columns * l->leading, &matrix->band));
  SN_TRY(SN_NEW(l->fill_size, &matrix->fill));
  if (!l->definite) SN_TRY(SN_NEW(columns + 2 * l->half, &matrix->pivots));
  *bytes += (columns * l->leading + l->fill_size) * (ptrdiff_t)sizeof(double);
  return SN_OK;
}

void sn_band_matrix_destroy(sn_band_matrix *matrix) {
  SN_FREE(matrix->band);
  SN_FREE(matrix->fill);
  SN_FREE(matrix->pivots);
}

int sn_band_matrix_factorize(sn_band_layout *l, sn_band_matrix *matrix) {
  const int half = l->half, first = 1;
  int info = 0;
  if (l->local) {
    if (l->definite)
      dpbtrf_("L", &l->order, &half, matrix->band, &l->leading, &info, 1);
    else
      dgbtrf_(&l->order, &l->order, &half, &half, matrix->band, &l->leading, matrix->pivots, &info);
  } else if (l->own > 0) {
    if (l->definite)
      pdpbtrf_("L", &l->order, &half, matrix->band, &first, l->descriptor, matrix->fill, &l->fill_size, l->work,
               &l->work_size, &info, 1);
    else
      pdgbtrf_(&l->order, &half, &half, matrix->band, &first, l->descriptor, matrix->pivots, matrix->fill,
               &l->fill_size, l->work, &l->work_size, &info);
  }
  return info;
}

void sn_band_matrix_solve(const sn_band_layout *l, const sn_band_matrix *matrix, bool transpose, int columns,
                          double *b) {
  const int half = l->half, first = 1;
  int info;
  if (l->local) {
    if (l->definite)
      dpbtrs_("L", &l->order, &half, &columns, matrix->band, &l->leading, b, &l->order, &info, 1);
    else
      dgbtrs_(transpose ? "T" : "N", &l->order, &half, &half, &columns, matrix->band, &l->leading, matrix->pivots, b,
              &l->order, &info, 1);
  } else if (l->own > 0) {
    if (l->definite)
      pdpbtrs_("L", &l->order, &half, &columns, matrix->band, &first, l->descriptor, b, &first, l->right_descriptor,
               matrix->fill, &l->fill_size, l->work, &l->work_size, &info, 1);
    else
      pdgbtrs_("N", &l->order, &half, &half, &columns, matrix->band, &first, l->descriptor, matrix->pivots, b, &first,
               l->right_descriptor, matrix->fill, &l->fill_size, l->work, &l->work_size, &info, 1);
  }
}
